#include "apply_layer.h"

#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "layout_cursor.h"
#include "pause.h"
#include "resolve.h"
#include "tar_read.h"

namespace slipway {
namespace {

constexpr std::string_view kWhiteout = ".wh.";
constexpr std::string_view kOpaque = ".wh..wh..opq";
constexpr uint64_t kMaxId = UINT32_MAX - 1;  // (uid_t)-1 means "leave it" to chown(2)

[[noreturn]] void invalid(const std::string& path, const std::string& why) {
  throw Fault(kLayerInvalid, path + ": " + why, path);
}

// The path as a plain relative one: `./a//b/` and `/a/b` are `a/b`. Empty for the root.
std::string plainPath(const std::string& written) {
  if (written.find('\0') != std::string::npos)
    invalid(written.substr(0, written.find('\0')), "the name holds a NUL");
  if (written.size() > kMaxPathBytes)
    invalid(written.substr(0, 60) + "...", "the path has more than 4095 bytes");
  std::string path;
  for (const std::string& part : splitPath(written)) {
    if (part == "..") invalid(written, "a path in a layer must not hold ..");
    path = joinPath(path, part);
  }
  return path;
}

timespec seconds(int64_t value) { return {.tv_sec = value, .tv_nsec = 0}; }

class Extraction {
 public:
  Extraction(const ApplyRequest& request, const CancelFlag& cancel)
      : request_(request),
        cancel_(cancel),
        cursor_(request.target),
        stream_(open(request, cancel)),
        reader_(stream_) {}

  AppliedLayer run() {
    while (std::optional<TarEntry> entry = reader_.next()) {
      cancel_.check();
      if (applied_.entries >= request_.max_entries) {
        throw Fault(kLayerTooLarge,
                    "the layer holds more than " + std::to_string(request_.max_entries) + " entries");
      }
      entry->path = plainPath(entry->path);
      try {
        place(*entry);
      } catch (const Fault& fault) {
        // What only a strange entry can cause: a name of 256 bytes, symlinks in a circle, damaged
        // capabilities.
        const bool entry_is_wrong =
            fault.code() == "ENAMETOOLONG" || fault.code() == "ELOOP" || fault.code() == "EINVAL";
        if (entry_is_wrong) throw Fault(kLayerInvalid, fault.what(), entry->path);
        throw;
      }
      applied_.entries++;
    }
    stream_.verify(request_.digest, request_.diff_id);
    if (cursor_.anyImplied()) cursor_.settleImplied(lowers());
    // Last, since making an entry changes its directory's time.
    for (const auto& [path, mtime] : directory_times_) setDirectoryTime(path, mtime);
    return applied_;
  }

 private:
  static LayerStream open(const ApplyRequest& request, const CancelFlag& cancel) {
    if (request.tar) return LayerStream(request.tar, request.limits, cancel);
    return LayerStream(request.blob, request.limits, cancel, {request.blob_bytes, request.digest.empty()});
  }

  void place(const TarEntry& entry) {
    if (entry.uid > kMaxId || entry.gid > kMaxId) invalid(entry.path, "the owner is out of range");
    const size_t slash = entry.path.rfind('/');
    const std::string name = entry.path.substr(slash == std::string::npos ? 0 : slash + 1);
    if (name.empty()) return placeRoot(entry);
    const int parent = cursor_.parentOf(entry.path);
    if (name == kOpaque) return mark(parent, entry.path);
    if (name.starts_with(".wh..wh.")) return;  // what AUFS kept for itself; no layer's content
    if (name.starts_with(kWhiteout)) return placeWhiteout(parent, name.substr(kWhiteout.size()), entry.path);
    switch (entry.type) {
      case EntryType::kDirectory: return placeDirectory(parent, name, entry);
      case EntryType::kFile: return placeFile(parent, name, entry);
      case EntryType::kHardlink: return placeHardlink(name, entry);
      case EntryType::kSymlink:
        if (entry.link.empty()) invalid(entry.path, "a symlink must name its target");
        clear(parent, name, entry.path);
        if (::symlinkat(entry.link.c_str(), parent, name.c_str()) != 0)
          throwErrno(errno, "symlink", entry.path);
        return setMetadata(parent, name, entry);
      default: return placeNode(parent, name, entry);
    }
  }

  void placeRoot(const TarEntry& entry) {
    if (entry.type != EntryType::kDirectory) invalid("/", "the root of a layer must be a directory");
    setMetadata(cursor_.root(), entry);
    directory_times_[""] = entry.mtime;
  }

  static void mark(int directory, const std::string& path) {
    if (::fsetxattr(directory, "trusted.overlay.opaque", "y", 1, 0) != 0) throwErrno(errno, "mark", path);
  }

  // Whiteouts hide what the layers below hold, never what this layer has.
  void placeWhiteout(int parent, const std::string& hidden, const std::string& path) {
    if (hidden.empty() || hidden == "." || hidden == "..")
      invalid(path, "a whiteout must name what it hides");
    const std::optional<struct stat> st = tryStatAt(parent, hidden.c_str(), path);
    if (!st) {
      if (::mknodat(parent, hidden.c_str(), S_IFCHR, 0) != 0) throwErrno(errno, "make a whiteout at", path);
    } else if (S_ISDIR(st->st_mode)) {
      const Fd fd = openAt(parent, hidden.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0, path);
      mark(fd.get(), path);
    }
  }

  void placeDirectory(int parent, const std::string& name, const TarEntry& entry) {
    if (::mkdirat(parent, name.c_str(), 0700) != 0) {
      if (errno != EEXIST) throwErrno(errno, "mkdir", entry.path);
      const struct stat st = statAt(parent, name.c_str(), entry.path);
      if (!S_ISDIR(st.st_mode)) {
        clear(parent, name, entry.path);
        if (::mkdirat(parent, name.c_str(), 0700) != 0) throwErrno(errno, "mkdir", entry.path);
        if (isWhiteout(st)) {
          const Fd made = openAt(parent, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0, entry.path);
          mark(made.get(), entry.path);
        }
      }
    }
    const Fd fd = openAt(parent, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0, entry.path);
    setMetadata(fd.get(), entry);
    cursor_.described(entry.path);
    directory_times_[entry.path] = entry.mtime;
  }

  void placeFile(int parent, const std::string& name, const TarEntry& entry) {
    constexpr int kFlags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
    Fd fd(::openat(parent, name.c_str(), kFlags, 0600));
    if (!fd.open() && errno == EEXIST) {
      clear(parent, name, entry.path);
      fd = Fd(::openat(parent, name.c_str(), kFlags, 0600));
    }
    if (!fd.open()) throwErrno(errno, "create", entry.path);
    for (Bytes data = reader_.data(); !data.empty(); data = reader_.data())
      writeAll(fd.get(), data, entry.path);
    applied_.content_bytes += entry.size;
    setMetadata(fd.get(), entry);
    setTime(fd.get(), entry);
  }

  void placeHardlink(const std::string& name, const TarEntry& entry) {
    const std::string to = plainPath(entry.link);
    if (to.empty()) invalid(entry.path, "a hard link must name a file");
    if (to == entry.path) invalid(entry.path, "a hard link to itself");
    const std::string to_name = to.substr(to.rfind('/') + 1);
    // Opened before the cursor moves on to the parent of the link.
    Fd source;
    const int source_parent = cursor_.existingParentOf(to);
    if (source_parent >= 0) {
      const std::optional<struct stat> st = tryStatAt(source_parent, to_name.c_str(), to);
      if (st && S_ISDIR(st->st_mode)) invalid(entry.path, "a hard link to a directory");
      if (st && isWhiteout(*st)) invalid(entry.path, "a hard link to " + to + ", which this layer deletes");
      if (st) source = openAt(source_parent, to_name.c_str(), O_PATH | O_NOFOLLOW, 0, to);
    }
    if (!source.open()) return copyFromLowers(to, name, entry);
    const int parent = cursor_.parentOf(entry.path);
    if (isSame(parent, name, source.get(), entry.path)) return;
    clear(parent, name, entry.path);
    if (::linkat(source.get(), "", parent, name.c_str(), AT_EMPTY_PATH) != 0)
      throwErrno(errno, "link", entry.path);
  }

  static bool isSame(int parent, const std::string& name, int source, const std::string& path) {
    const std::optional<struct stat> there = tryStatAt(parent, name.c_str(), path);
    const struct stat st = statAt(source, "", path);
    return there && there->st_ino == st.st_ino && there->st_dev == st.st_dev;
  }

  const LowerStack& lowers() {
    if (!lowers_) {
      for (const std::string& path : request_.lowers) {
        // They are renamed into place when they are whole.
        while (::access(path.c_str(), F_OK) != 0 && errno == ENOENT) pauseUnlessCancelled(cancel_);
      }
      lowers_.emplace(request_.lowers);
    }
    return *lowers_;
  }

  // The file that the link names is in a layer below: this one gets its own copy, as a copy-up would.
  void copyFromLowers(const std::string& from, const std::string& name, const TarEntry& link) {
    const std::optional<LowerStack::Found> found = lowers().find(from);
    if (!found) invalid(link.path, "a hard link to " + from + ", which does not exist");
    if (S_ISDIR(found->st.st_mode)) invalid(link.path, "a hard link to a directory");
    TarEntry entry = link;
    entry.mode = found->st.st_mode & 07777;
    entry.uid = found->st.st_uid;
    entry.gid = found->st.st_gid;
    entry.mtime = found->st.st_mtim.tv_sec;
    entry.xattrs.clear();
    const int parent = cursor_.parentOf(link.path);
    if (S_ISLNK(found->st.st_mode)) {
      clear(parent, name, link.path);
      const std::string target = readLinkAt(lowers().rootOf(found->layer), from.c_str(), from);
      if (::symlinkat(target.c_str(), parent, name.c_str()) != 0) throwErrno(errno, "symlink", link.path);
      return setMetadata(parent, name, entry);
    }
    if (!S_ISREG(found->st.st_mode)) {
      entry.type = S_ISFIFO(found->st.st_mode)  ? EntryType::kFifo
                   : S_ISBLK(found->st.st_mode) ? EntryType::kBlock
                                                : EntryType::kChar;
      entry.major = major(found->st.st_rdev);
      entry.minor = minor(found->st.st_rdev);
      return placeNode(parent, name, entry);
    }
    const Fd source = lowers().open(*found, from);
    entry.xattrs = layerXattrs(source.get(), from);
    clear(parent, name, link.path);
    const Fd fd = openAt(parent, name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600, link.path);
    std::vector<uint8_t> buffer(BlockPipe::kBlockBytes);
    for (size_t got = readFull(source.get(), buffer, from); got > 0;
         got = readFull(source.get(), buffer, from)) {
      cancel_.check();
      writeAll(fd.get(), Bytes(buffer.data(), got), link.path);
      applied_.content_bytes += got;
      if (applied_.content_bytes > request_.limits.max_bytes) {
        throw Fault(kLayerTooLarge,
                    "the layer holds more than " + std::to_string(request_.limits.max_bytes) + " bytes");
      }
    }
    setMetadata(fd.get(), entry);
    setTime(fd.get(), entry);
  }

  void placeNode(int parent, const std::string& name, const TarEntry& entry) {
    mode_t kind = S_IFIFO;
    dev_t device = 0;
    if (entry.type != EntryType::kFifo) {
      kind = entry.type == EntryType::kChar ? S_IFCHR : S_IFBLK;
      device = makedev(entry.major, entry.minor);
      // To overlay this is a whiteout: a layer could hide files in a way that no scanner of layers sees.
      if (kind == S_IFCHR && device == 0)
        invalid(entry.path, "the character device 0:0 is not allowed in layers");
    }
    clear(parent, name, entry.path);
    if (::mknodat(parent, name.c_str(), kind | 0600, device) != 0) throwErrno(errno, "mknod", entry.path);
    setMetadata(parent, name, entry);
    if (::fchmodat(parent, name.c_str(), entry.mode, 0) != 0) throwErrno(errno, "chmod", entry.path);
  }

  // Of duplicate paths the last one counts, as in other engines.
  void clear(int parent, const std::string& name, const std::string& path) {
    if (::unlinkat(parent, name.c_str(), 0) == 0 || errno == ENOENT) return;
    if (errno != EISDIR && errno != EPERM) throwErrno(errno, "replace", path);
    // The cursor stands at `parent`, so it holds nothing of what goes away.
    removeTree(parent, name.c_str(), path);
  }

  static void refuseOverlayXattrs(const TarEntry& entry) {
    for (const auto& [name, value] : entry.xattrs) {
      if (name.starts_with("trusted.overlay.") || name.starts_with("user.overlay.")) {
        invalid(entry.path, "the attribute " + name + " is not allowed in layers");
      }
    }
  }

  // Owner first: chown(2) takes setuid bits and capabilities away.
  void setMetadata(int fd, const TarEntry& entry) {
    refuseOverlayXattrs(entry);
    if (::fchown(fd, static_cast<uid_t>(entry.uid), static_cast<gid_t>(entry.gid)) != 0) {
      throwErrno(errno, "chown", entry.path);
    }
    for (const auto& [name, value] : entry.xattrs) {
      // Others (security.selinux, system.*) speak of the machine that the layer was made on.
      if (name != "security.capability" && !name.starts_with("user.")) continue;
      if (::fsetxattr(fd, name.c_str(), value.data(), value.size(), 0) == 0) continue;
      if (name.starts_with("user.") && (errno == ENOTSUP || errno == EPERM)) continue;
      throwErrno(errno, "set " + name + " of", entry.path);
    }
    if (::fchmod(fd, entry.mode) != 0) throwErrno(errno, "chmod", entry.path);
  }

  // For what cannot be opened: symlinks and nodes. Neither has attributes that layers carry.
  void setMetadata(int parent, const std::string& name, const TarEntry& entry) {
    refuseOverlayXattrs(entry);
    if (::fchownat(parent, name.c_str(), static_cast<uid_t>(entry.uid), static_cast<gid_t>(entry.gid),
                   AT_SYMLINK_NOFOLLOW) != 0) {
      throwErrno(errno, "chown", entry.path);
    }
    const timespec times[2] = {seconds(entry.mtime), seconds(entry.mtime)};
    if (::utimensat(parent, name.c_str(), times, AT_SYMLINK_NOFOLLOW) != 0)
      throwErrno(errno, "utime", entry.path);
  }

  void setTime(int fd, const TarEntry& entry) const {
    // With a fraction: a whole second would be older than what was made earlier in the same one.
    const timespec now = {0, UTIME_NOW};
    const timespec time = request_.fresh_times ? now : seconds(entry.mtime);
    const timespec times[2] = {time, time};
    if (::futimens(fd, times) != 0) throwErrno(errno, "utime", entry.path);
  }

  void setDirectoryTime(const std::string& path, int64_t mtime) {
    const timespec times[2] = {seconds(mtime), seconds(mtime)};
    if (path.empty()) {
      if (::futimens(cursor_.root(), times) != 0) throwErrno(errno, "utime", "/");
      return;
    }
    const int parent = cursor_.existingParentOf(path);
    const std::string name = path.substr(path.rfind('/') + 1);
    if (parent < 0) return;  // a later entry replaced it
    const std::optional<struct stat> st = tryStatAt(parent, name.c_str(), path);
    if (!st || !S_ISDIR(st->st_mode)) return;
    if (::utimensat(parent, name.c_str(), times, AT_SYMLINK_NOFOLLOW) != 0) throwErrno(errno, "utime", path);
  }

  const ApplyRequest& request_;
  const CancelFlag& cancel_;
  std::optional<LowerStack> lowers_;
  LayoutCursor cursor_;
  LayerStream stream_;
  TarReader reader_;
  std::map<std::string, int64_t> directory_times_;
  AppliedLayer applied_;
};

}  // namespace

AppliedLayer applyLayer(const ApplyRequest& request, const CancelFlag& cancel) {
  try {
    return Extraction(request, cancel).run();
  } catch (...) {
    // Whoever writes the layer must not wait for a reader that never came to read.
    if (request.tar) request.tar->abandon();
    throw;
  }
}

}  // namespace slipway
