// Descriptors that close themselves, and the few file calls that every unit needs.
#pragma once

#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace slipway {

using Bytes = std::span<const uint8_t>;
using Xattrs = std::map<std::string, std::string>;

class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(other.release()) {}
  Fd& operator=(Fd&& other) noexcept {
    if (this != &other) {
      reset();
      fd_ = other.release();
    }
    return *this;
  }
  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;
  ~Fd() { reset(); }

  int get() const { return fd_; }
  bool open() const { return fd_ >= 0; }
  int release() {
    const int fd = fd_;
    fd_ = -1;
    return fd;
  }
  void reset() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
  }

 private:
  int fd_ = -1;
};

// `shown` is the path that an error names. O_CLOEXEC is always added.
Fd openAt(int directory, const char* name, int flags, mode_t mode, std::string_view shown);
// openat2(2); an invalid Fd with errno set when it fails.
Fd tryOpenAt2(int directory, const char* path, uint64_t flags, uint64_t resolve);
Fd openDirectory(const std::string& path);

struct stat statAt(int directory, const char* name, std::string_view shown);
// Empty when there is nothing with that name.
std::optional<struct stat> tryStatAt(int directory, const char* name, std::string_view shown);

void writeAll(int fd, Bytes bytes, std::string_view shown);
// Up to bytes.size() bytes, fewer only at the end of the file.
size_t readFull(int fd, std::span<uint8_t> bytes, std::string_view shown);

// The names in a directory in byte order, without . and ..; the descriptor's offset is moved.
std::vector<std::string> sortedNames(int directory, std::string_view shown);
std::string readLinkAt(int directory, const char* name, std::string_view shown);

// The extended attributes that a layer carries: security.capability and user.* (never user.overlay.*).
Xattrs layerXattrs(int fd, std::string_view shown);
bool hasXattr(int fd, const char* name, std::string_view value);

// Removes a name and all below it without following a symlink. Fine when it does not exist.
void removeTree(int directory, const char* name, std::string_view shown);

inline bool isWhiteout(const struct stat& st) { return S_ISCHR(st.st_mode) && st.st_rdev == 0; }
inline std::string joinPath(std::string_view parent, std::string_view name) {
  std::string path(parent);
  if (!path.empty()) path.push_back('/');
  return path.append(name);
}

}  // namespace slipway
