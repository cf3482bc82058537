#include "resolve.h"

#include <cerrno>
#include <deque>

#include "fault.h"
#include "files.h"

namespace slipway {

std::vector<std::string> splitPath(const std::string& path) {
  std::vector<std::string> parts;
  size_t start = 0;
  while (start < path.size()) {
    const size_t end = std::min(path.find('/', start), path.size());
    std::string part = path.substr(start, end - start);
    if (!part.empty() && part != ".") parts.push_back(std::move(part));
    start = end + 1;
  }
  return parts;
}

std::string resolveIn(int root, const std::string& path) {
  constexpr int kMaxSymlinks = 40;
  constexpr size_t kMaxParts = 4096;
  const std::vector<std::string> given = splitPath(path);
  std::deque<std::string> left(given.begin(), given.end());
  std::string resolved;
  int symlinks = 0;
  while (!left.empty()) {
    const std::string part = std::move(left.front());
    left.pop_front();
    if (part == "..") {
      const size_t slash = resolved.rfind('/');
      resolved.resize(slash == std::string::npos ? 0 : slash);
      continue;
    }
    std::string next = joinPath(resolved, part);
    struct stat st;
    // `resolved` has no symlinks, so nothing on the way to the last part is followed.
    if (::fstatat(root, next.c_str(), &st, AT_SYMLINK_NOFOLLOW) != 0) {
      if (errno != ENOENT && errno != ENOTDIR) throwErrno(errno, "resolve", path);
      resolved = std::move(next);
      continue;
    }
    if (!S_ISLNK(st.st_mode)) {
      resolved = std::move(next);
      continue;
    }
    if (++symlinks > kMaxSymlinks) throwErrno(ELOOP, "resolve", path);
    const std::string target = readLinkAt(root, next.c_str(), next);
    if (target.starts_with('/')) resolved.clear();
    const std::vector<std::string> parts = splitPath(target);
    left.insert(left.begin(), parts.begin(), parts.end());
    if (left.size() > kMaxParts) throwErrno(ENAMETOOLONG, "resolve", path);
  }
  return resolved;
}

}  // namespace slipway
