#include "upper_layer.h"

#include <sys/sysmacros.h>

#include <algorithm>
#include <array>
#include <map>

namespace slipway {
namespace {

// A directory on the way to what is being looked at. Its header is written when something below it is.
struct Parent {
  Parent* up = nullptr;
  TarEntry entry;
  bool written = false;
};

bool sameOwnerAndMode(const struct stat& a, const struct stat& b) {
  return a.st_mode == b.st_mode && a.st_uid == b.st_uid && a.st_gid == b.st_gid;
}

bool sameTime(const struct stat& a, const struct stat& b) {
  return a.st_mtim.tv_sec == b.st_mtim.tv_sec && a.st_mtim.tv_nsec == b.st_mtim.tv_nsec;
}

constexpr size_t kCompareBytes = 256 * 1024;

bool sameContent(int a, int b, const std::string& shown, const CancelFlag& cancel) {
  std::vector<uint8_t> left(kCompareBytes);
  std::vector<uint8_t> right(kCompareBytes);
  for (;;) {
    cancel.check();
    const size_t got = readFull(a, left, shown);
    if (readFull(b, right, shown) != got) return false;
    if (got == 0) return true;
    if (!std::equal(left.begin(), left.begin() + static_cast<std::ptrdiff_t>(got), right.begin()))
      return false;
  }
}

class UpperWalk {
 public:
  UpperWalk(const UpperRequest& request, const CancelFlag& cancel)
      : request_(request),
        cancel_(cancel),
        lowers_(request.lowers),
        writer_(request.path, request.compression, request.threads) {}

  WrittenLayer run() {
    const Fd root = openDirectory(request_.upper);
    Parent top;
    top.written = true;  // a layer has no entry for the root itself
    walk(root.get(), "", lowers_.root(), request_.complete || isOpaque(root.get(), ""), top);
    return writer_.finish();
  }

 private:
  using Merge = LowerStack::Merge;

  // `below`: the lower directories that a reader of the layers would merge with this one. `pure`: overlay
  // hides them.
  void walk(int directory, const std::string& path, const Merge& below, bool pure, Parent& self) {
    const std::vector<std::string> names = sortedNames(directory, path);
    std::vector<std::string> present;
    std::set<std::string> gone;
    for (const std::string& name : names) {
      const std::string child = joinPath(path, name);
      const std::optional<struct stat> st = tryStatAt(directory, name.c_str(), child);
      if (!st) continue;
      // A socket is not kept in a layer, but what it replaced is gone.
      if (isWhiteout(*st) || S_ISSOCK(st->st_mode)) {
        if (!request_.exclude.contains(child) && lowers_.find(below, child)) gone.insert(name);
      } else {
        present.push_back(name);
      }
    }
    if (pure && !below.empty()) {
      for (const auto& [name, found] : lowers_.list(below, path)) {
        if (!std::binary_search(names.begin(), names.end(), name)) gone.insert(name);
      }
    }
    for (const std::string& name : gone) {
      flush(self);
      writer_.addWhiteout(joinPath(path, name), 0);
    }
    for (const std::string& name : present) visit(directory, name, joinPath(path, name), below, pure, self);
  }

  void visit(int directory, const std::string& name, const std::string& path, const Merge& below, bool pure,
             Parent& parent) {
    cancel_.check();
    if (name.starts_with(".wh.")) {
      throw Fault(kEntryInvalid, path + " has a name that starts with .wh., which marks a deletion in layers",
                  path);
    }
    if (path.size() > kMaxPathBytes) {
      throw Fault(kEntryInvalid, path.substr(0, 60) + "... is a path of more than 4095 bytes");
    }
    const struct stat st = statAt(directory, name.c_str(), path);
    const std::optional<LowerStack::Found> lower = lowers_.find(below, path);
    if (S_ISDIR(st.st_mode)) {
      visitDirectory(directory, name, path, st, lower, pure, parent);
    } else if (!request_.exclude.contains(path)) {
      visitOther(directory, name, path, st, lower, parent);
    }
  }

  void visitDirectory(int directory, const std::string& name, const std::string& path, const struct stat& st,
                      const std::optional<LowerStack::Found>& lower, bool pure, Parent& parent) {
    const Fd fd = openAt(directory, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0, path);
    Parent self{&parent, entryOf(path, st, EntryType::kDirectory), false};
    self.entry.xattrs = layerXattrs(fd.get(), path);
    const bool opaque = isOpaque(fd.get(), path);
    const bool unchanged = lower && sameOwnerAndMode(st, lower->st) &&
                           self.entry.xattrs == layerXattrs(lowers_.open(*lower, path).get(), path);
    // A mount point made for the step goes away, unless the step put something into it.
    if (!unchanged && !request_.exclude.contains(path)) flush(self);
    walk(fd.get(), path, lower ? lower->merge : Merge{}, pure || opaque, self);
  }

  void visitOther(int directory, const std::string& name, const std::string& path, const struct stat& st,
                  const std::optional<LowerStack::Found>& lower, Parent& parent) {
    // Overlay shows a file by the inode of its lay-out, and lay-outs do not change.
    if (request_.complete && lower && lower->st.st_ino == st.st_ino && sameOwnerAndMode(st, lower->st) &&
        sameTime(st, lower->st) && st.st_size == lower->st.st_size) {
      return;
    }
    const bool linked = st.st_nlink > 1;
    if (linked) {
      const auto first = links_.find({st.st_dev, st.st_ino});
      if (first != links_.end()) {
        TarEntry entry = entryOf(path, st, EntryType::kHardlink);
        entry.link = first->second;
        flush(parent);
        writer_.add(entry);
        return;
      }
    }
    Fd file;
    TarEntry entry = entryOf(path, st, typeOf(st.st_mode));
    if (S_ISREG(st.st_mode)) {
      file = openRegular(directory, name.c_str(), st, path);
      refuseRedirects(file.get(), path);
      entry.size = static_cast<uint64_t>(st.st_size);
      entry.xattrs = layerXattrs(file.get(), path);
    } else if (S_ISLNK(st.st_mode)) {
      entry.link = readLinkAt(directory, name.c_str(), path);
    }
    // A file with more than one name is kept even if it is as below: another name here may be new.
    if (!linked && lower && isUnchanged(entry, file.get(), st, *lower)) return;
    flush(parent);
    if (file.open()) {
      writer_.addFile(entry, file.get(), "", cancel_);
    } else {
      writer_.add(entry);
    }
    if (linked) links_.emplace(std::make_pair(st.st_dev, st.st_ino), path);
  }

  bool isUnchanged(const TarEntry& entry, int file, const struct stat& st, const LowerStack::Found& lower) {
    if (!sameOwnerAndMode(st, lower.st) || !sameTime(st, lower.st)) return false;
    switch (entry.type) {
      case EntryType::kSymlink:
        return entry.link == readLinkAt(lowers_.rootOf(lower.layer), entry.path.c_str(), entry.path);
      case EntryType::kChar:
      case EntryType::kBlock: return st.st_rdev == lower.st.st_rdev;
      case EntryType::kFile: break;
      default: return true;
    }
    if (st.st_size != lower.st.st_size) return false;
    const Fd other = lowers_.open(lower, entry.path);
    if (entry.xattrs != layerXattrs(other.get(), entry.path)) return false;
    // Equal times prove nothing: a step can set them.
    const bool same = sameContent(file, other.get(), entry.path, cancel_);
    if (!same && ::lseek(file, 0, SEEK_SET) != 0) throwErrno(errno, "read", entry.path);
    return same;
  }

  // Overlays are mounted with redirect_dir=off and metacopy=off. Either attribute means that the files here
  // are not what the step saw, and a layer made of them would be wrong.
  static void refuseRedirects(int fd, const std::string& path) {
    for (const char* name : {"trusted.overlay.redirect", "trusted.overlay.metacopy"}) {
      if (hasXattr(fd, name, "")) throw Fault(kEntryInvalid, path + " has the attribute " + name, path);
    }
  }

  static bool isOpaque(int directory, const std::string& path) {
    refuseRedirects(directory, path);
    return hasXattr(directory, "trusted.overlay.opaque", "y");
  }

  static EntryType typeOf(mode_t mode) {
    switch (mode & S_IFMT) {
      case S_IFLNK: return EntryType::kSymlink;
      case S_IFIFO: return EntryType::kFifo;
      case S_IFCHR: return EntryType::kChar;
      case S_IFBLK: return EntryType::kBlock;
      default: return EntryType::kFile;
    }
  }

  TarEntry entryOf(const std::string& path, const struct stat& st, EntryType type) const {
    TarEntry entry;
    entry.path = path;
    entry.type = type;
    entry.mode = st.st_mode & 07777;
    entry.uid = st.st_uid;
    entry.gid = st.st_gid;
    entry.mtime = std::min<int64_t>(st.st_mtim.tv_sec, request_.newest.value_or(INT64_MAX));
    if (type == EntryType::kChar || type == EntryType::kBlock) {
      entry.major = major(st.st_rdev);
      entry.minor = minor(st.st_rdev);
    }
    return entry;
  }

  void flush(Parent& parent) {
    if (parent.written) return;
    if (parent.up != nullptr) flush(*parent.up);
    writer_.add(parent.entry);
    parent.written = true;
  }

  const UpperRequest& request_;
  const CancelFlag& cancel_;
  LowerStack lowers_;
  LayerWriter writer_;
  std::map<std::pair<dev_t, ino_t>, std::string> links_;
};

}  // namespace

WrittenLayer writeUpperLayer(const UpperRequest& request, const CancelFlag& cancel) {
  return UpperWalk(request, cancel).run();
}

}  // namespace slipway
