#include "files.h"

#include <sys/syscall.h>
#include <sys/xattr.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>

#include "fault.h"

namespace slipway {

Fd openAt(int directory, const char* name, int flags, mode_t mode, std::string_view shown) {
  Fd fd(::openat(directory, name, flags | O_CLOEXEC, mode));
  if (!fd.open()) throwErrno(errno, "open", shown);
  return fd;
}

Fd openRegular(int directory, const char* name, const struct stat& st, std::string_view shown) {
  const Fd found = openAt(directory, name, O_PATH | O_NOFOLLOW, 0, shown);
  struct stat now {};
  if (::fstat(found.get(), &now) != 0) throwErrno(errno, "stat", shown);
  const bool same = S_ISREG(now.st_mode) && now.st_dev == st.st_dev && now.st_ino == st.st_ino;
  if (!same) throwErrno(ENOENT, "open", shown);
  const std::string path = "/proc/self/fd/" + std::to_string(found.get());
  return openAt(AT_FDCWD, path.c_str(), O_RDONLY, 0, shown);
}

Fd tryOpenAt2(int directory, const char* path, uint64_t flags, uint64_t resolve) {
  open_how how{};
  how.flags = flags | O_CLOEXEC;
  how.resolve = resolve;
  return Fd(static_cast<int>(::syscall(SYS_openat2, directory, path, &how, sizeof how)));
}

Fd openDirectory(const std::string& path) {
  return openAt(AT_FDCWD, path.c_str(), O_RDONLY | O_DIRECTORY, 0, path);
}

std::optional<struct stat> tryStatAt(int directory, const char* name, std::string_view shown) {
  struct stat st;
  if (::fstatat(directory, name, &st, AT_SYMLINK_NOFOLLOW) == 0) return st;
  if (errno == ENOENT) return std::nullopt;
  throwErrno(errno, "stat", shown);
}

struct stat statAt(int directory, const char* name, std::string_view shown) {
  struct stat st;
  const int flags = AT_SYMLINK_NOFOLLOW | (name[0] == '\0' ? AT_EMPTY_PATH : 0);
  if (::fstatat(directory, name, &st, flags) != 0) throwErrno(errno, "stat", shown);
  return st;
}

void writeAll(int fd, Bytes bytes, std::string_view shown) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(fd, bytes.data(), bytes.size());
    if (written < 0) {
      if (errno == EINTR) continue;
      throwErrno(errno, "write", shown);
    }
    bytes = bytes.subspan(static_cast<size_t>(written));
  }
}

size_t readFull(int fd, std::span<uint8_t> bytes, std::string_view shown) {
  size_t total = 0;
  while (total < bytes.size()) {
    const ssize_t got = ::read(fd, bytes.data() + total, bytes.size() - total);
    if (got < 0) {
      if (errno == EINTR) continue;
      throwErrno(errno, "read", shown);
    }
    if (got == 0) break;
    total += static_cast<size_t>(got);
  }
  return total;
}

std::vector<std::string> sortedNames(int directory, std::string_view shown) {
  // fdopendir takes the descriptor over, so it gets its own.
  Fd own = openAt(directory, ".", O_RDONLY | O_DIRECTORY, 0, shown);
  std::unique_ptr<DIR, int (*)(DIR*)> stream(::fdopendir(own.get()), ::closedir);
  if (!stream) throwErrno(errno, "open", shown);
  own.release();
  std::vector<std::string> names;
  errno = 0;
  while (const dirent* entry = ::readdir(stream.get())) {
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") names.emplace_back(name);
  }
  if (errno != 0) throwErrno(errno, "read", shown);
  std::sort(names.begin(), names.end());
  return names;
}

std::string readLinkAt(int directory, const char* name, std::string_view shown) {
  char target[PATH_MAX];
  const ssize_t length = ::readlinkat(directory, name, target, sizeof target);
  if (length < 0) throwErrno(errno, "readlink", shown);
  return std::string(target, static_cast<size_t>(length));
}

namespace {

bool isLayerXattr(std::string_view name) {
  if (name == "security.capability") return true;
  return name.starts_with("user.") && !name.starts_with("user.overlay.");
}

}  // namespace

Xattrs layerXattrs(int fd, std::string_view shown) {
  Xattrs found;
  char short_list[512];
  std::vector<char> long_list;
  char* list = short_list;
  ssize_t length = ::flistxattr(fd, list, sizeof short_list);
  if (length < 0 && errno == ERANGE) {
    long_list.resize(XATTR_LIST_MAX);
    list = long_list.data();
    length = ::flistxattr(fd, list, long_list.size());
  }
  if (length < 0) {
    if (errno == ENOTSUP) return found;
    throwErrno(errno, "list attributes of", shown);
  }
  for (const char* name = list; name < list + length; name += std::strlen(name) + 1) {
    if (!isLayerXattr(name)) continue;
    std::string value(XATTR_SIZE_MAX, '\0');
    const ssize_t size = ::fgetxattr(fd, name, value.data(), value.size());
    if (size < 0) throwErrno(errno, "read an attribute of", shown);
    value.resize(static_cast<size_t>(size));
    found.emplace(name, std::move(value));
  }
  return found;
}

bool hasXattr(int fd, const char* name, std::string_view value) {
  char actual[16];
  const ssize_t size = ::fgetxattr(fd, name, actual, sizeof actual);
  if (size < 0) return errno == ERANGE && value.empty();
  return value.empty() || std::string_view(actual, static_cast<size_t>(size)) == value;
}

void removeTree(int directory, const char* name, std::string_view shown) {
  constexpr int kFlags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW;
  if (::unlinkat(directory, name, 0) == 0 || errno == ENOENT) return;
  if (errno != EISDIR && errno != EPERM) throwErrno(errno, "remove", shown);
  TreeWalk walk(openAt(directory, name, kFlags, 0, shown), shown);
  for (;;) {
    const std::optional<std::string> child = walk.next();
    if (!child) {
      const std::optional<std::string> empty = walk.leave();
      if (!empty) break;
      if (::unlinkat(walk.here(), empty->c_str(), AT_REMOVEDIR) != 0) throwErrno(errno, "remove", shown);
      continue;
    }
    if (::unlinkat(walk.here(), child->c_str(), 0) == 0 || errno == ENOENT) continue;
    if (errno != EISDIR && errno != EPERM) throwErrno(errno, "remove", shown);
    walk.enter(*child, openAt(walk.here(), child->c_str(), kFlags, 0, shown));
  }
  if (::unlinkat(directory, name, AT_REMOVEDIR) != 0) throwErrno(errno, "remove", shown);
}

TreeWalk::TreeWalk(Fd root, std::string_view shown) : shown_(shown) { enter("", std::move(root)); }

std::optional<std::string> TreeWalk::next() {
  std::vector<std::string>& left = levels_.back().left;
  if (left.empty()) return std::nullopt;
  std::string name = std::move(left.back());
  left.pop_back();
  return name;
}

void TreeWalk::enter(const std::string& name, Fd directory) {
  const struct stat st = statAt(directory.get(), "", shown_);
  std::vector<std::string> names = sortedNames(directory.get(), shown_);
  if (levels_.size() > kHeld) levels_.back().directory.reset();
  levels_.push_back({name, std::move(names), std::move(directory), st.st_dev, st.st_ino});
}

std::optional<std::string> TreeWalk::leave() {
  const Level left = std::move(levels_.back());
  levels_.pop_back();
  if (levels_.empty()) return std::nullopt;
  Level& above = levels_.back();
  if (above.directory.open()) return left.name;
  above.directory = openAt(left.directory.get(), "..", O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0, shown_);
  const struct stat st = statAt(above.directory.get(), "", shown_);
  // Whoever moves a directory meanwhile must not lead out of the tree.
  if (st.st_dev != above.device || st.st_ino != above.inode) throwErrno(ENOENT, "go up in", shown_);
  return left.name;
}

}  // namespace slipway
