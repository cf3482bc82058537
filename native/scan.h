// Looks at trees without leaving their root: the entries below a path with their metadata and content hashes,
// and the disk space that a tree takes.
#pragma once

#include "fault.h"
#include "tar.h"

namespace slipway {

struct ScanRequest {
  std::string root;
  std::string path;  // symlinks on the way are followed inside the root; a symlink at the end is an entry
  bool hash = false;
};

struct ScannedEntry {
  TarEntry entry;      // its path is relative to the request's; empty for what is there itself
  std::string sha256;  // hex, of files when asked for
};

// In tree order, names in byte order, a directory before what it holds. Sockets are left out.
std::vector<ScannedEntry> scanTree(const ScanRequest& request, const CancelFlag& cancel);

// Bytes on disk; hard links once. What vanishes while it is looked at counts nothing.
uint64_t diskUsage(const std::string& path, const CancelFlag& cancel);

}  // namespace slipway
