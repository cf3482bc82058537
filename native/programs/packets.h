// What the small programs say to the web process and to git: pkt-lines (gitprotocol-common(5), "pkt-line Format"), and the
// unix socket that they go over.
#pragma once

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

using Lines = std::vector<std::string>;

constexpr std::string_view kFlush = "0000";
/** Four digits of length and 65,516 bytes of payload. */
constexpr size_t kMaxPacketBytes = 65'520;

inline std::string packet(std::string_view payload) {
  static constexpr char kDigits[] = "0123456789abcdef";
  const size_t length = payload.size() + 4;
  std::string bytes;
  for (int shift = 12; shift >= 0; shift -= 4) bytes += kDigits[(length >> shift) & 15];
  return bytes.append(payload);
}

inline std::string packets(const Lines& lines) {
  std::string bytes;
  for (const std::string& line : lines) bytes += packet(line);
  return bytes.append(kFlush);
}

/** Takes packets out of bytes that come in any pieces. */
class Packets {
 public:
  enum class Next { kNone, kPacket, kFlush, kDamaged };

  void add(const char* bytes, size_t count) { bytes_.append(bytes, count); }

  /** What did not look like a length, after kDamaged. */
  std::string digits() const { return bytes_.substr(at_, 4); }

  Next take(std::string* payload) {
    if (bytes_.size() - at_ < 4) return Next::kNone;
    size_t length = 0;
    for (size_t i = 0; i < 4; ++i) {
      const int digit = valueOf(bytes_[at_ + i]);
      if (digit < 0) return Next::kDamaged;
      length = length * 16 + static_cast<size_t>(digit);
    }
    if (length == 0) {
      drop(4);
      return Next::kFlush;
    }
    // 0001 to 0003 have meanings only in protocol version 2.
    if (length < 4 || length > kMaxPacketBytes) return Next::kDamaged;
    if (bytes_.size() - at_ < length) return Next::kNone;
    payload->assign(bytes_, at_ + 4, length - 4);
    drop(length);
    return Next::kPacket;
  }

 private:
  static int valueOf(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
  }

  void drop(size_t count) {
    at_ += count;
    if (at_ < bytes_.size() && at_ < kMaxPacketBytes) return;
    bytes_.erase(0, at_);
    at_ = 0;
  }

  std::string bytes_;
  size_t at_ = 0;
};

inline std::optional<int> connectTo(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) return std::nullopt;
  memcpy(address.sun_path, path.c_str(), path.size() + 1);
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0 || connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) return std::nullopt;
  return fd;
}

/** False when the other side is gone. */
inline bool sendAll(int socket, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = send(socket, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent <= 0) return false;
    bytes.remove_prefix(static_cast<size_t>(sent));
  }
  return true;
}
