#include "layout_cursor.h"

#include <sys/xattr.h>

#include <cerrno>

#include "fault.h"
#include "resolve.h"

namespace slipway {

namespace {
struct SymlinkOnTheWay {};

constexpr uint64_t kDirectory = O_RDONLY | O_DIRECTORY | O_NOFOLLOW;
constexpr uint64_t kConfined =
    RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV;
}  // namespace

LayoutCursor::LayoutCursor(const std::string& target) : root_(openDirectory(target)) {}

int LayoutCursor::parentOf(const std::string& path) { return parent(path, true); }
int LayoutCursor::existingParentOf(const std::string& path) { return parent(path, false); }

int LayoutCursor::parent(const std::string& path, bool make) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) {
    way_.clear();  // the entry may replace the directory that it begins with
    return root();
  }
  const std::string above = path.substr(0, slash);
  try {
    return walk(splitPath(above), make);
  } catch (const SymlinkOnTheWay&) {
    // Its target, inside the root, has none.
  }
  return walk(splitPath(resolveIn(root(), above)), make);
}

int LayoutCursor::walk(const std::vector<std::string>& parts, bool make) {
  size_t same = 0;
  while (same < way_.size() && same < parts.size() && way_[same].name == parts[same]) same++;
  way_.resize(same);
  std::string path;
  for (size_t i = 0; i < parts.size(); i++) {
    path = joinPath(path, parts[i]);
    if (i < same) continue;
    if (path.size() > kMaxPathBytes) {
      throw Fault(kLayerInvalid, path.substr(0, 60) + "... is a path of more than 4095 bytes");
    }
    Fd next = enter(i == 0 ? root() : way_.back().fd.get(), parts[i], path, make);
    if (!next.open()) return -1;
    way_.push_back({parts[i], std::move(next)});
  }
  return parts.empty() ? root() : way_.back().fd.get();
}

Fd LayoutCursor::enter(int parent, const std::string& name, const std::string& path, bool make) {
  if (name.starts_with(".wh.")) {
    throw Fault(kLayerInvalid, path + ": a directory's name must not start with .wh.", path);
  }
  Fd fd = tryOpenAt2(parent, name.c_str(), kDirectory, kConfined);
  if (fd.open()) return fd;
  const int error = errno;
  const std::optional<struct stat> st = tryStatAt(parent, name.c_str(), path);
  if (st && S_ISLNK(st->st_mode)) throw SymlinkOnTheWay{};
  if (st && !S_ISDIR(st->st_mode) && !isWhiteout(*st)) {
    throw Fault(kLayerInvalid, path + " is a parent of another entry, but not a directory", path);
  }
  if (!make && (!st || isWhiteout(*st))) return Fd();
  if (!st) {
    if (::mkdirat(parent, name.c_str(), 0755) != 0) throwErrno(errno, "mkdir", path);
    implied_.insert(path);
  } else if (isWhiteout(*st)) {
    // Deleted from the layers below and made anew here: an opaque directory.
    implied_.erase(path);
    if (::unlinkat(parent, name.c_str(), 0) != 0) throwErrno(errno, "remove", path);
    if (::mkdirat(parent, name.c_str(), 0755) != 0) throwErrno(errno, "mkdir", path);
  } else {
    throwErrno(error, "open", path);
  }
  fd = tryOpenAt2(parent, name.c_str(), kDirectory, kConfined);
  if (!fd.open()) throwErrno(errno, "open", path);
  if (!st && ::fchmod(fd.get(), 0755) != 0) throwErrno(errno, "chmod", path);
  if (st && ::fsetxattr(fd.get(), "trusted.overlay.opaque", "y", 1, 0) != 0) throwErrno(errno, "mark", path);
  return fd;
}

void LayoutCursor::settleImplied(const LowerStack& lowers) {
  for (const std::string& path : implied_) {
    // A later entry may have put something else there, or on the way.
    const Fd fd = tryOpenAt2(root(), path.c_str(), kDirectory, kConfined);
    if (!fd.open()) continue;
    const std::optional<LowerStack::Found> lower = lowers.find(path);
    if (!lower || !S_ISDIR(lower->st.st_mode)) continue;
    if (::fchown(fd.get(), lower->st.st_uid, lower->st.st_gid) != 0) throwErrno(errno, "chown", path);
    const Fd original = lowers.open(*lower, path);
    for (const auto& [key, value] : layerXattrs(original.get(), path)) {
      if (::fsetxattr(fd.get(), key.c_str(), value.data(), value.size(), 0) != 0 && errno != ENOTSUP) {
        throwErrno(errno, "set an attribute of", path);
      }
    }
    if (::fchmod(fd.get(), lower->st.st_mode & 07777) != 0) throwErrno(errno, "chmod", path);
  }
}

}  // namespace slipway
