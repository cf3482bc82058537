#include <cstring>
#include <map>

#include "fault.h"
#include "tar.h"

namespace slipway {
namespace {

using Records = std::map<std::string, std::string>;  // ordered: the same entry gives the same bytes

constexpr uint64_t kMax7 = 07777777;       // what 7 octal digits hold: ids, device numbers
constexpr uint64_t kMax11 = 077777777777;  // what 11 octal digits hold: size, mtime

char typeFlag(EntryType type) {
  switch (type) {
    case EntryType::kFile: return '0';
    case EntryType::kHardlink: return '1';
    case EntryType::kSymlink: return '2';
    case EntryType::kChar: return '3';
    case EntryType::kBlock: return '4';
    case EntryType::kDirectory: return '5';
    case EntryType::kFifo: return '6';
    case EntryType::kSocket: break;
  }
  return '0';
}

struct Fields {
  std::string name, prefix, link;
  uint64_t mode = 0, uid = 0, gid = 0, size = 0, mtime = 0, major = 0, minor = 0;
  char type = '0';
};

void putOctal(char* field, size_t width, uint64_t value) {
  for (size_t i = width - 1; i-- > 0;) {
    field[i] = static_cast<char>('0' + (value & 7));
    value >>= 3;
  }
  field[width - 1] = '\0';
}

void appendBlock(std::string& out, const Fields& f) {
  char block[kTarBlock] = {};
  std::memcpy(block, f.name.data(), f.name.size());
  putOctal(block + 100, 8, f.mode);
  putOctal(block + 108, 8, f.uid);
  putOctal(block + 116, 8, f.gid);
  putOctal(block + 124, 12, f.size);
  putOctal(block + 136, 12, f.mtime);
  std::memset(block + 148, ' ', 8);
  block[156] = f.type;
  std::memcpy(block + 157, f.link.data(), f.link.size());
  std::memcpy(block + 257, "ustar\00000", 8);
  putOctal(block + 329, 8, f.major);
  putOctal(block + 337, 8, f.minor);
  std::memcpy(block + 345, f.prefix.data(), f.prefix.size());
  uint64_t sum = 0;
  for (const char byte : block) sum += static_cast<unsigned char>(byte);
  putOctal(block + 148, 7, sum);  // six digits, NUL, and the space that is there
  out.append(block, sizeof block);
}

// name[100] and prefix[155], cut at a slash.
bool splitName(const std::string& path, Fields& f) {
  if (path.size() <= 100) {
    f.name = path;
    return true;
  }
  if (path.size() > 256) return false;
  const size_t from = path.size() > 101 ? path.size() - 101 : 0;
  const size_t slash = path.find('/', from);
  if (slash == std::string::npos || slash == 0 || slash > 155 || slash + 1 == path.size()) return false;
  f.prefix = path.substr(0, slash);
  f.name = path.substr(slash + 1);
  return true;
}

// "<length> <key>=<value>\n", where the length counts itself.
std::string paxRecord(const std::string& key, const std::string& value) {
  const size_t rest = key.size() + value.size() + 3;
  size_t length = rest + 1;
  while (length != rest + std::to_string(length).size()) length = rest + std::to_string(length).size();
  return std::to_string(length) + " " + key + "=" + value + "\n";
}

uint64_t orPax(uint64_t value, uint64_t max, const char* key, Records& records) {
  if (value <= max) return value;
  records[key] = std::to_string(value);
  return 0;
}

}  // namespace

std::string encodeTarHeader(const TarEntry& entry) {
  Records records;
  Fields f;
  f.type = typeFlag(entry.type);
  const std::string path = entry.type == EntryType::kDirectory ? entry.path + "/" : entry.path;
  if (!splitName(path, f)) {
    records["path"] = path;
    f.name = path.substr(0, 100);
  }
  f.link = entry.link.substr(0, 100);
  if (entry.link.size() > 100) records["linkpath"] = entry.link;
  f.mode = entry.mode & 07777;
  f.uid = orPax(entry.uid, kMax7, "uid", records);
  f.gid = orPax(entry.gid, kMax7, "gid", records);
  f.size = entry.type == EntryType::kFile ? orPax(entry.size, kMax11, "size", records) : 0;
  if (entry.mtime >= 0 && static_cast<uint64_t>(entry.mtime) <= kMax11) {
    f.mtime = static_cast<uint64_t>(entry.mtime);
  } else {
    records["mtime"] = std::to_string(entry.mtime);
  }
  f.major = entry.major;
  f.minor = entry.minor;
  if (entry.major > kMax7 || entry.minor > kMax7) {
    throw Fault(kEntryInvalid, entry.path + ": device numbers are too large", entry.path);
  }
  for (const auto& [name, value] : entry.xattrs) {
    if (name.find('=') != std::string::npos) {
      throw Fault(kEntryInvalid, entry.path + ": an attribute's name holds '='", entry.path);
    }
    records["SCHILY.xattr." + name] = value;
  }

  std::string out;
  if (!records.empty()) {
    std::string body;
    for (const auto& [key, value] : records) body += paxRecord(key, value);
    Fields x;
    x.type = 'x';
    x.mode = 0644;
    x.size = body.size();
    const size_t slash = entry.path.rfind('/');
    x.name = ("PaxHeaders.0/" + entry.path.substr(slash == std::string::npos ? 0 : slash + 1)).substr(0, 100);
    appendBlock(out, x);
    out += body;
    out.append(tarPadding(body.size()), '\0');
  }
  appendBlock(out, f);
  return out;
}

}  // namespace slipway
