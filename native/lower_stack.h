// A stack of lay-outs (directories in overlay's format) seen as overlayfs would merge them, without mounting:
// what is at a path, and which lay-outs contribute to a directory. Linux
// Documentation/filesystems/overlayfs.rst, "Directories". Lay-outs do not change while they are looked at.
#pragma once

#include <optional>

#include "files.h"

namespace slipway {

class LowerStack {
 public:
  // Indices of the lay-outs in which a path is a directory that takes part in the merge, top first.
  using Merge = std::vector<size_t>;

  struct Found {
    size_t layer = 0;
    struct stat st = {};
    Merge merge;  // not empty only for directories
  };

  // `directories` top first.
  explicit LowerStack(const std::vector<std::string>& directories);

  Merge root() const;
  // `path` is relative to the root; all of its parts but the last are real directories of the lay-outs in
  // `parent`.
  std::optional<Found> find(const Merge& parent, const std::string& path) const;
  // The same, from the root. Symlinks on the way are not followed: nothing is found through them.
  std::optional<Found> find(const std::string& path) const;
  // What a merged directory shows, by name; the merges of its directories are left out.
  std::map<std::string, Found> list(const Merge& merge, const std::string& path) const;

  int rootOf(size_t layer) const { return roots_[layer].get(); }
  Fd open(const Found& found, const std::string& path) const;

 private:
  std::vector<Fd> roots_;
};

}  // namespace slipway
