// One entry of a tar archive, as the reader finds it and the writer takes it.
#pragma once

#include <cstdint>
#include <string>

#include "files.h"

namespace slipway {

// A socket is never in an archive.
enum class EntryType { kFile, kDirectory, kSymlink, kHardlink, kFifo, kChar, kBlock, kSocket };

struct TarEntry {
  std::string path;  // relative, without a trailing slash
  EntryType type = EntryType::kFile;
  uint32_t mode = 0;  // permission bits with setuid, setgid and sticky
  uint64_t uid = 0;
  uint64_t gid = 0;
  int64_t mtime = 0;  // seconds
  uint64_t size = 0;  // of a file's data
  std::string link;   // of a symlink or hard link
  uint32_t major = 0;
  uint32_t minor = 0;
  Xattrs xattrs;
};

inline constexpr size_t kTarBlock = 512;

// Bytes of padding after `size` bytes of data.
inline size_t tarPadding(uint64_t size) {
  return static_cast<size_t>((kTarBlock - size % kTarBlock) % kTarBlock);
}

// The header blocks of an entry: ustar (POSIX.1-1988), with a pax extended header (POSIX.1-2001, "pax
// Interchange Format") before it only if ustar cannot say it: long names, large numbers, extended attributes.
std::string encodeTarHeader(const TarEntry& entry);

}  // namespace slipway
