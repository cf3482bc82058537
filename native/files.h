// Descriptors that close themselves, and the few file calls that every unit needs.
#pragma once

#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace slipway {

using Bytes = std::span<const uint8_t>;
using Xattrs = std::map<std::string, std::string>;

class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(other.release()) {}
  Fd& operator=(Fd&& other) noexcept {
    if (this != &other) {
      reset();
      fd_ = other.release();
    }
    return *this;
  }
  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;
  ~Fd() { reset(); }

  int get() const { return fd_; }
  bool open() const { return fd_ >= 0; }
  int release() {
    const int fd = fd_;
    fd_ = -1;
    return fd;
  }
  void reset() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
  }

 private:
  int fd_ = -1;
};

// `shown` is the path that an error names. O_CLOEXEC is always added.
Fd openAt(int directory, const char* name, int flags, mode_t mode, std::string_view shown);
// The regular file that `st` is of, to read it. Others may put something else at its name meanwhile: then it is ENOENT.
// A FIFO would never open, and a device may do things when it is opened: nothing else is ever opened.
Fd openRegular(int directory, const char* name, const struct stat& st, std::string_view shown);
// openat2(2); an invalid Fd with errno set when it fails.
Fd tryOpenAt2(int directory, const char* path, uint64_t flags, uint64_t resolve);
Fd openDirectory(const std::string& path);

struct stat statAt(int directory, const char* name, std::string_view shown);
// Empty when there is nothing with that name.
std::optional<struct stat> tryStatAt(int directory, const char* name, std::string_view shown);

void writeAll(int fd, Bytes bytes, std::string_view shown);
// Up to bytes.size() bytes, fewer only at the end of the file.
size_t readFull(int fd, std::span<uint8_t> bytes, std::string_view shown);

// The names in a directory in byte order, without . and ..; the descriptor's offset is moved.
std::vector<std::string> sortedNames(int directory, std::string_view shown);
std::string readLinkAt(int directory, const char* name, std::string_view shown);

// The extended attributes that a layer carries: security.capability and user.* (never user.overlay.*).
Xattrs layerXattrs(int fd, std::string_view shown);
bool hasXattr(int fd, const char* name, std::string_view value);

// Removes a name and all below it without following a symlink. Fine when it does not exist.
void removeTree(int directory, const char* name, std::string_view shown);

// A way through a tree of any depth: a command can nest directories deeper than descriptors or a thread's
// stack reach.
class TreeWalk {
 public:
  TreeWalk(Fd root, std::string_view shown);
  // The directory that the walk stands in.
  int here() const { return levels_.back().directory.get(); }
  // The next name in it; empty when there is none left.
  std::optional<std::string> next();
  void enter(const std::string& name, Fd directory);
  // Back to the directory above; gives the name of the one that was left, nothing if that was the root.
  // Throws ENOENT when that is deep down and was moved meanwhile.
  std::optional<std::string> leave();

 private:
  // Of so many directories at the top the descriptors are kept; the way back to the others is `..`.
  static constexpr size_t kHeld = 256;
  struct Level {
    std::string name;
    std::vector<std::string> left;
    Fd directory;
    dev_t device;
    ino_t inode;
  };
  const std::string shown_;
  std::vector<Level> levels_;
};

// Longer paths no program can name; and what goes down a tree holds a descriptor for each directory.
constexpr size_t kMaxPathBytes = 4095;

inline bool isWhiteout(const struct stat& st) { return S_ISCHR(st.st_mode) && st.st_rdev == 0; }
inline std::string joinPath(std::string_view parent, std::string_view name) {
  std::string path(parent);
  if (!path.empty()) path.push_back('/');
  return path.append(name);
}

}  // namespace slipway
