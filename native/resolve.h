// Paths inside a root that must not lead out of it, as if the root were `/` (chroot semantics, without
// chroot).
#pragma once

#include <string>
#include <vector>

namespace slipway {

// The parts of a path without empty ones and `.`; `..` stays.
std::vector<std::string> splitPath(const std::string& path);

// Follows every symlink of `path` inside `root`; `..` stops at the root. What does not exist is kept as it
// is, so a path that is to be created resolves too. Relative to the root, without a leading slash; empty for
// the root itself. Throws ELOOP after 40 symlinks (path_resolution(7)).
std::string resolveIn(int root, const std::string& path);

}  // namespace slipway
