#include "scan.h"

#include <sys/sysmacros.h>

#include <cerrno>
#include <set>

#include "block_pipe.h"
#include "lower_stack.h"
#include "resolve.h"
#include "sha256.h"

namespace slipway {
namespace {

EntryType typeOf(mode_t mode) {
  switch (mode & S_IFMT) {
    case S_IFDIR: return EntryType::kDirectory;
    case S_IFLNK: return EntryType::kSymlink;
    case S_IFIFO: return EntryType::kFifo;
    case S_IFCHR: return EntryType::kChar;
    case S_IFBLK: return EntryType::kBlock;
    case S_IFSOCK: return EntryType::kSocket;
    default: return EntryType::kFile;
  }
}

TarEntry describe(const struct stat& st, const std::string& path) {
  TarEntry entry;
  entry.path = path;
  entry.type = typeOf(st.st_mode);
  entry.mode = st.st_mode & 07777;
  entry.uid = st.st_uid;
  entry.gid = st.st_gid;
  entry.mtime = st.st_mtim.tv_sec;
  if (S_ISREG(st.st_mode)) entry.size = static_cast<uint64_t>(st.st_size);
  if (S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode)) {
    entry.major = major(st.st_rdev);
    entry.minor = minor(st.st_rdev);
  }
  return entry;
}

std::string stampOf(const struct stat& st) {
  std::string stamp;
  const auto add = [&stamp](auto number) {
    if (!stamp.empty()) stamp += ' ';
    stamp += std::to_string(number);
  };
  add(st.st_dev);
  add(st.st_ino);
  add(st.st_size);
  for (const struct timespec& time : {st.st_mtim, st.st_ctim}) {
    add(time.tv_sec);
    add(time.tv_nsec);
  }
  return stamp;
}

class Scan {
 public:
  Scan(const ScanRequest& request, const CancelFlag& cancel)
      : request_(request), cancel_(cancel), buffer_(request.hash ? BlockPipe::kBlockBytes : 0) {}

  std::vector<ScannedEntry> run() {
    const Fd root = openDirectory(request_.root);
    std::string above;
    std::string name = ".";
    for (std::string& part : splitPath(request_.path)) {
      if (name != ".") above = joinPath(above, name);
      name = std::move(part);
    }
    const Fd parent = tryOpenAt2(root.get(), above.empty() ? "." : above.c_str(), O_PATH | O_DIRECTORY,
                                 RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);
    if (!parent.open()) throwErrno(errno, "open", request_.path);
    if (name == "..") throw Fault("EINVAL", "a path to scan must not end in ..", request_.path);
    visit(parent.get(), name, "");
    return std::move(found_);
  }

 private:
  void visit(int directory, const std::string& name, const std::string& path) {
    cancel_.check();
    if (found_.size() >= request_.max_entries) throw Fault("E2BIG", "there are too many entries", request_.path);
    if (path.size() > kMaxPathBytes) {
      throw Fault(kEntryInvalid, path.substr(0, 60) + "... is a path of more than 4095 bytes");
    }
    const std::string shown = joinPath(request_.path, path);
    const struct stat st = statAt(directory, name.c_str(), shown);
    ScannedEntry scanned{describe(st, path), "", "", ""};
    if (S_ISDIR(st.st_mode)) {
      const Fd fd = openAt(directory, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0, shown);
      scanned.entry.xattrs = layerXattrs(fd.get(), shown);
      found_.push_back(std::move(scanned));
      if (request_.shallow && !path.empty()) return;
      for (const std::string& child : sortedNames(fd.get(), shown))
        visit(fd.get(), child, joinPath(path, child));
      return;
    }
    if (S_ISREG(st.st_mode)) {
      const Fd fd = openRegular(directory, name.c_str(), st, shown);
      scanned.entry.xattrs = layerXattrs(fd.get(), shown);
      if (st.st_nlink > 1) scanned.inode = std::to_string(st.st_dev) + ":" + std::to_string(st.st_ino);
      if (request_.stamps) scanned.stamp = stampOf(st);
      if (request_.hash && (!request_.hash_only || request_.hash_only->contains(path)))
        scanned.sha256 = hashOf(fd.get(), shown);
    } else if (S_ISLNK(st.st_mode)) {
      scanned.entry.link = readLinkAt(directory, name.c_str(), shown);
    }
    found_.push_back(std::move(scanned));
  }

  std::string hashOf(int fd, const std::string& shown) {
    Sha256 hash;
    for (size_t got = readFull(fd, buffer_, shown); got > 0; got = readFull(fd, buffer_, shown)) {
      cancel_.check();
      hash.update(Bytes(buffer_.data(), got));
      if (got < buffer_.size()) break;
    }
    return hash.hex();
  }

  const ScanRequest& request_;
  const CancelFlag& cancel_;
  std::vector<uint8_t> buffer_;
  std::vector<ScannedEntry> found_;
};

class Usage {
 public:
  explicit Usage(const CancelFlag& cancel) : cancel_(cancel) {}

  // A step may be changing the tree at the same time: what is gone is passed over.
  uint64_t of(const std::string& path) {
    Fd root;
    uint64_t bytes = count(AT_FDCWD, path, root);
    if (!root.open()) return bytes;
    passingOver([&] {
      TreeWalk walk(std::move(root), path);
      do {
        while (const std::optional<std::string> name = walk.next()) {
          cancel_.check();
          Fd directory;
          bytes += count(walk.here(), *name, directory);
          if (directory.open()) passingOver([&] { walk.enter(*name, std::move(directory)); });
        }
      } while (walk.leave());
    });
    return bytes;
  }

 private:
  template <typename Work>
  static void passingOver(const Work& work) {
    try {
      work();
    } catch (const Fault& fault) {
      if (fault.code() != "ENOENT") throw;
    }
  }

  uint64_t count(int parent, const std::string& name, Fd& directory) {
    struct stat st;
    if (::fstatat(parent, name.c_str(), &st, AT_SYMLINK_NOFOLLOW) != 0) return 0;
    if (st.st_nlink > 1 && !S_ISDIR(st.st_mode) && !seen_.emplace(st.st_dev, st.st_ino).second) return 0;
    if (S_ISDIR(st.st_mode))
      directory = Fd(::openat(parent, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    return static_cast<uint64_t>(st.st_blocks) * 512;
  }

  const CancelFlag& cancel_;
  std::set<std::pair<dev_t, ino_t>> seen_;
};

}  // namespace

std::vector<ScannedEntry> scanTree(const ScanRequest& request, const CancelFlag& cancel) {
  return Scan(request, cancel).run();
}

std::optional<std::vector<MergedEntry>> mergedDirectory(const std::vector<std::string>& layouts,
                                                        const std::string& path) {
  const LowerStack stack(layouts);
  LowerStack::Merge merge = stack.root();
  if (!path.empty()) {
    const std::optional<LowerStack::Found> directory = stack.find(path);
    if (!directory || directory->merge.empty()) return std::nullopt;
    merge = directory->merge;
  }
  std::vector<MergedEntry> entries;
  for (const auto& [name, found] : stack.list(merge, path)) {
    MergedEntry merged{describe(found.st, name), found.layer};
    if (S_ISLNK(found.st.st_mode)) {
      const std::string inside = joinPath(path, name);
      merged.entry.link = readLinkAt(stack.rootOf(found.layer), inside.c_str(), inside);
    }
    if (S_ISDIR(found.st.st_mode)) {
      const std::string inside = joinPath(path, name);
      merged.entry.xattrs = layerXattrs(stack.open(found, inside).get(), inside);
    }
    entries.push_back(std::move(merged));
  }
  return entries;
}

uint64_t diskUsage(const std::string& path, const CancelFlag& cancel) {
  statAt(AT_FDCWD, path.c_str(), path);
  return Usage(cancel).of(path);
}

}  // namespace slipway
