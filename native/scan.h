// Looks at trees without leaving their root: the entries below a path with their metadata and content hashes,
// and the disk space that a tree takes.
#pragma once

#include <optional>
#include <set>

#include "fault.h"
#include "tar.h"

namespace slipway {

struct ScanRequest {
  std::string root;
  std::string path;  // symlinks on the way are followed inside the root; a symlink at the end is an entry
  bool hash = false;
  std::optional<std::set<std::string>> hash_only;  // of the files below, hash these; of all when empty
  bool shallow = false;  // of a directory, what is directly in it and nothing deeper
  bool stamps = false;
  uint64_t max_entries = UINT64_MAX;  // more are E2BIG
};

struct ScannedEntry {
  TarEntry entry;      // its path is relative to the request's; empty for what is there itself
  std::string sha256;  // hex, of files when asked for
  std::string inode;   // of files with more than one name: the same for each of them
  std::string stamp;   // of files when asked for: device, inode, size, and both times to the nanosecond
};

// In tree order, names in byte order, a directory before what it holds.
std::vector<ScannedEntry> scanTree(const ScanRequest& request, const CancelFlag& cancel);

struct MergedEntry {
  TarEntry entry;    // its path is the name in the directory; only directories have their attributes
  size_t layer = 0;  // index of the lay-out that it is in
};

// What a directory holds in a stack of lay-outs (top first), as overlayfs would merge them; by name. Empty
// when there is no such directory. No symlink on the way is followed.
std::optional<std::vector<MergedEntry>> mergedDirectory(const std::vector<std::string>& layouts,
                                                        const std::string& path);

// Bytes on disk; hard links once. What vanishes while it is looked at counts nothing.
uint64_t diskUsage(const std::string& path, const CancelFlag& cancel);

}  // namespace slipway
