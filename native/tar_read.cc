#include "tar_read.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>

namespace slipway {
namespace {

// As Go's archive/tar: what describes one entry has no business being larger.
constexpr uint64_t kMaxExtendedBytes = 1024 * 1024;

using Header = std::array<uint8_t, kTarBlock>;

[[noreturn]] void invalid(const std::string& message) { throw Fault(kLayerInvalid, message); }

std::string field(const Header& h, size_t offset, size_t width) {
  const char* start = reinterpret_cast<const char*>(h.data()) + offset;
  return std::string(start, strnlen(start, width));
}

// Octal digits with spaces or NULs around them, or base-256 where the first bit is set (GNU).
int64_t number(const Header& h, size_t offset, size_t width, const char* what) {
  const uint8_t* bytes = h.data() + offset;
  if (bytes[0] & 0x80) {
    const bool negative = bytes[0] & 0x40;
    uint64_t value = negative ? ~uint64_t{0} : 0;
    for (size_t i = 0; i < width; i++) {
      uint8_t byte = bytes[i];
      if (i == 0) byte = negative ? byte | 0x80 : byte & 0x7f;
      const uint64_t top =
          value >> 55;  // the byte that is shifted out, and the sign, must only repeat the sign
      if (top != (negative ? 0x1ff : 0)) invalid(std::string("a header's ") + what + " is out of range");
      value = value << 8 | byte;
    }
    return static_cast<int64_t>(value);
  }
  uint64_t value = 0;
  size_t i = 0;
  while (i < width && (bytes[i] == ' ' || bytes[i] == 0)) i++;
  for (; i < width && bytes[i] != ' ' && bytes[i] != 0; i++) {
    if (bytes[i] < '0' || bytes[i] > '7') invalid(std::string("a header's ") + what + " is not a number");
    value = value << 3 | static_cast<uint64_t>(bytes[i] - '0');
  }
  return static_cast<int64_t>(value);
}

uint64_t unsignedNumber(const Header& h, size_t offset, size_t width, const char* what) {
  const int64_t value = number(h, offset, width, what);
  if (value < 0) invalid(std::string("a header's ") + what + " is negative");
  return static_cast<uint64_t>(value);
}

// Some old archives sum signed bytes.
bool checksumHolds(const Header& h) {
  int64_t as_unsigned = 0;
  int64_t as_signed = 0;
  for (size_t i = 0; i < h.size(); i++) {
    const uint8_t byte = i >= 148 && i < 156 ? ' ' : h[i];
    as_unsigned += byte;
    as_signed += static_cast<int8_t>(byte);
  }
  const int64_t stored = number(h, 148, 8, "checksum");
  return stored == as_unsigned || stored == as_signed;
}

template <typename T>
T decimal(const std::string& text, const std::string& key) {
  T value{};
  const char* end = text.data() + text.size();
  const auto [stopped, error] = std::from_chars(text.data(), end, value);
  // Times may have a fraction ("1700000000.25"); layers keep whole seconds.
  if (error != std::errc() || (stopped != end && !(key == "mtime" && *stopped == '.'))) {
    invalid("a pax record holds " + key + "=" + text.substr(0, 40) + ", which is not a number");
  }
  return value;
}

EntryType typeOf(char flag, const std::string& path) {
  switch (flag) {
    case '\0': return path.ends_with('/') ? EntryType::kDirectory : EntryType::kFile;
    case '0':
    case '7': return EntryType::kFile;
    case '1': return EntryType::kHardlink;
    case '2': return EntryType::kSymlink;
    case '3': return EntryType::kChar;
    case '4': return EntryType::kBlock;
    case '5': return EntryType::kDirectory;
    case '6': return EntryType::kFifo;
    case 'S': throw Fault(kLayerInvalid, path + ": GNU sparse files are not allowed in layers", path);
    default:
      throw Fault(kLayerInvalid, path + ": unknown entry type " + std::to_string(static_cast<int>(flag)),
                  path);
  }
}

void applyRecord(TarEntry& entry, const std::string& key, const std::string& value) {
  static const std::string kXattr = "SCHILY.xattr.";
  if (key.starts_with("GNU.sparse.")) {
    throw Fault(kLayerInvalid, entry.path + ": GNU sparse files are not allowed in layers", entry.path);
  }
  if (key.starts_with(kXattr)) {
    entry.xattrs[key.substr(kXattr.size())] = value;
  } else if (value.empty()) {
    return;  // an empty value takes a record back: the header's own counts
  } else if (key == "path") {
    entry.path = value;
  } else if (key == "linkpath") {
    entry.link = value;
  } else if (key == "size") {
    entry.size = decimal<uint64_t>(value, key);
  } else if (key == "uid") {
    entry.uid = decimal<uint64_t>(value, key);
  } else if (key == "gid") {
    entry.gid = decimal<uint64_t>(value, key);
  } else if (key == "mtime") {
    entry.mtime = decimal<int64_t>(value, key);
  }
}

}  // namespace

std::string TarReader::readText(uint64_t size) {
  std::string text(size, '\0');
  stream_.readExactly({reinterpret_cast<uint8_t*>(text.data()), text.size()});
  stream_.skip(tarPadding(size));
  return text;
}

void TarReader::applyPax(const std::string& records, Xattrs& into) {
  size_t at = 0;
  while (at < records.size()) {
    const size_t space = records.find(' ', at);
    size_t length = 0;
    if (space != std::string::npos) {
      const auto parsed = std::from_chars(records.data() + at, records.data() + space, length);
      if (parsed.ec != std::errc() || parsed.ptr != records.data() + space) length = 0;
    }
    const size_t end = at + length;
    if (length == 0 || length > records.size() - at || end <= space + 1 || records[end - 1] != '\n') {
      invalid("a pax header is damaged");
    }
    const size_t equals = records.find('=', space);
    if (equals == std::string::npos || equals >= end) invalid("a pax header is damaged");
    std::string key = records.substr(space + 1, equals - space - 1);
    std::string value = records.substr(equals + 1, end - equals - 2);
    // A NUL would end the name early in every system call.
    if ((key == "path" || key == "linkpath" || key.starts_with("SCHILY.xattr.")) &&
        (key + (key.starts_with("SCHILY") ? "" : value)).find('\0') != std::string::npos) {
      invalid("a pax header's " + key.substr(0, 20) + " holds a NUL");
    }
    into[std::move(key)] = std::move(value);
    at = end;
  }
}

std::optional<TarEntry> TarReader::next() {
  stream_.consume(handed_);
  left_ -= handed_;
  handed_ = 0;
  stream_.skip(left_ + padding_);
  left_ = 0;
  padding_ = 0;

  std::string long_name;
  std::string long_link;
  Xattrs records;
  uint64_t extended = 0;
  const auto readExtended = [&](uint64_t size, const char* what) {
    extended += std::min<uint64_t>(size, kMaxExtendedBytes + 1);
    if (extended > kMaxExtendedBytes) invalid(std::string("a ") + what + " is larger than 1 MiB");
    return readText(size);
  };
  Header h;
  for (;;) {
    // Two blocks of zeros end an archive; many writers leave out one or both.
    if (!stream_.readBlock(h)) return std::nullopt;
    if (std::all_of(h.begin(), h.end(), [](uint8_t byte) { return byte == 0; })) return std::nullopt;
    if (!checksumHolds(h))
      invalid("a header's checksum is wrong: this is not a tar archive, or it is damaged");
    const uint64_t size = unsignedNumber(h, 124, 12, "size");
    const char flag = static_cast<char>(h[156]);
    if (flag == 'x') {
      applyPax(readExtended(size, "pax header"), records);
    } else if (flag == 'g') {
      // As Go's archive/tar, and so docker: what is said of all entries says nothing of any.
      readExtended(size, "pax header");
    } else if (flag == 'L') {
      long_name = readExtended(size, "long name");
      long_name.resize(strnlen(long_name.data(), long_name.size()));
    } else if (flag == 'K') {
      long_link = readExtended(size, "long link name");
      long_link.resize(strnlen(long_link.data(), long_link.size()));
    } else {
      break;
    }
  }

  TarEntry entry;
  entry.path = field(h, 0, 100);
  const bool ustar =
      std::memcmp(h.data() + 257, "ustar\0", 6) == 0;  // GNU's magic is "ustar " and has no prefix
  if (ustar && h[345] != 0) entry.path = field(h, 345, 155) + "/" + entry.path;
  entry.link = field(h, 157, 100);
  entry.mode = static_cast<uint32_t>(number(h, 100, 8, "mode")) & 07777;
  entry.uid = unsignedNumber(h, 108, 8, "uid");
  entry.gid = unsignedNumber(h, 116, 8, "gid");
  entry.size = unsignedNumber(h, 124, 12, "size");
  entry.mtime = number(h, 136, 12, "mtime");
  if (!long_name.empty()) entry.path = std::move(long_name);
  if (!long_link.empty()) entry.link = std::move(long_link);
  for (const auto& [key, value] : records) applyRecord(entry, key, value);
  entry.type = typeOf(static_cast<char>(h[156]), entry.path);
  if (entry.type == EntryType::kChar || entry.type == EntryType::kBlock) {
    entry.major = static_cast<uint32_t>(unsignedNumber(h, 329, 8, "device number"));
    entry.minor = static_cast<uint32_t>(unsignedNumber(h, 337, 8, "device number"));
  }
  // Only files have data; others may state a size, which readers pass over (as Go's archive/tar does).
  if (entry.type != EntryType::kFile) entry.size = 0;
  if (entry.size > INT64_MAX) invalid("a header's size is out of range");
  left_ = entry.size;
  padding_ = tarPadding(entry.size);
  return entry;
}

Bytes TarReader::data() {
  stream_.consume(handed_);
  left_ -= handed_;
  handed_ = 0;
  if (left_ == 0) return {};
  const Bytes here = stream_.peek();
  if (here.empty()) invalid("the layer's archive ends too early");
  handed_ = static_cast<size_t>(std::min<uint64_t>(here.size(), left_));
  return here.first(handed_);
}

}  // namespace slipway
