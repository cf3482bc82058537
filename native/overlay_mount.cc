#include "overlay_mount.h"

#include <sys/mount.h>
#include <sys/syscall.h>

#include <array>
#include <cerrno>
#include <utility>

#include "fault.h"
#include "files.h"

namespace slipway {
namespace {

// What is in the upper directory afterwards must be all there is to a step's result: no redirects, no
// metadata-only copies, no index. `volatile` spares the syncs; an upper directory does not outlive a crash.
constexpr std::array<std::pair<const char*, const char*>, 4> kOptions{{
    {"redirect_dir", "off"},
    {"metacopy", "off"},
    {"index", "off"},
    {"xino", "off"},
}};

std::string pathOf(const Fd& fd) { return "/proc/self/fd/" + std::to_string(fd.get()); }

struct Parts {
  std::vector<Fd> lowers;
  Fd upper;
  Fd work;
};

Parts openParts(const OverlayRequest& request) {
  Parts parts;
  for (const std::string& lower : request.lowers) parts.lowers.push_back(openDirectory(lower));
  // Overlay wants a lower beside an upper, and two without. The target itself is an empty directory.
  if (parts.lowers.size() < (request.upper.empty() ? 2 : 1)) {
    Fd target = openDirectory(request.target);
    if (!sortedNames(target.get(), request.target).empty()) throwErrno(ENOTEMPTY, "mount on", request.target);
    parts.lowers.push_back(std::move(target));
  }
  if (!request.upper.empty()) {
    parts.upper = openDirectory(request.upper);
    parts.work = openDirectory(request.work);
  }
  return parts;
}

// Strings given to fsconfig(2) hold 255 bytes and mount(2) reads `:` and `,` in paths as its own:
// descriptors' names are short and plain.
Fd configure(const Parts& parts, const std::string& target, bool& appends) {
  Fd context(::fsopen("overlay", FSOPEN_CLOEXEC));
  if (!context.open()) throwErrno(errno, "open an overlay for", target);
  const auto set = [&](const char* key, const std::string& value) {
    return ::fsconfig(context.get(), FSCONFIG_SET_STRING, key, value.c_str(), 0) == 0;
  };
  if (!set("source", "overlay")) throwErrno(errno, "set the source of the overlay at", target);
  appends = true;
  for (const Fd& lower : parts.lowers) {
    if (set("lowerdir+", pathOf(lower))) continue;
    if (errno == EINVAL && &lower == &parts.lowers.front()) {
      appends = false;  // Linux before 6.8
      return Fd();
    }
    throwErrno(errno, "add a lower directory to the overlay at", target);
  }
  for (const auto& [key, value] : kOptions) {
    if (!set(key, value)) throwErrno(errno, std::string("set ") + key + " of the overlay at", target);
  }
  if (parts.upper.open()) {
    if (!set("upperdir", pathOf(parts.upper)) || !set("workdir", pathOf(parts.work)) ||
        ::fsconfig(context.get(), FSCONFIG_SET_FLAG, "volatile", nullptr, 0) != 0) {
      throwErrno(errno, "set the upper directory of the overlay at", target);
    }
  }
  if (::fsconfig(context.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) != 0) {
    throwErrno(errno, "create the overlay at", target);
  }
  return context;
}

void mountByString(const Parts& parts, const std::string& target) {
  std::string options = "lowerdir=";
  for (const Fd& lower : parts.lowers)
    options += (&lower == &parts.lowers.front() ? "" : ":") + pathOf(lower);
  for (const auto& [key, value] : kOptions) options += std::string(",") + key + "=" + value;
  if (parts.upper.open()) {
    options += ",upperdir=" + pathOf(parts.upper) + ",workdir=" + pathOf(parts.work) + ",volatile";
  }
  const unsigned long flags = MS_NODEV | (parts.upper.open() ? 0 : MS_RDONLY);
  if (::mount("overlay", target.c_str(), "overlay", flags, options.c_str()) != 0) {
    throwErrno(errno, "mount the overlay at", target);
  }
}

}  // namespace

void mountOverlay(const OverlayRequest& request) {
  const Parts parts = openParts(request);
  bool appends = true;
  const Fd context = configure(parts, request.target, appends);
  if (appends) {
    // nodev: a layer may hold device nodes, and no step has a reason to open them (/dev is the runtime's
    // own).
    const unsigned attributes = MOUNT_ATTR_NODEV | (parts.upper.open() ? 0 : MOUNT_ATTR_RDONLY);
    const Fd mounted(::fsmount(context.get(), FSMOUNT_CLOEXEC, attributes));
    if (!mounted.open()) throwErrno(errno, "mount the overlay at", request.target);
    if (::move_mount(mounted.get(), "", AT_FDCWD, request.target.c_str(), MOVE_MOUNT_F_EMPTY_PATH) != 0) {
      throwErrno(errno, "attach the overlay at", request.target);
    }
  } else {
    mountByString(parts, request.target);
  }
  if (::mount(nullptr, request.target.c_str(), nullptr, MS_PRIVATE, nullptr) != 0) {
    const int error = errno;
    ::umount2(request.target.c_str(), MNT_DETACH | UMOUNT_NOFOLLOW);
    throwErrno(error, "make private the overlay at", request.target);
  }
}

void unmount(const std::string& target) {
  if (::umount2(target.c_str(), UMOUNT_NOFOLLOW) == 0 || errno == EINVAL || errno == ENOENT) return;
  if (errno == EBUSY && ::umount2(target.c_str(), MNT_DETACH | UMOUNT_NOFOLLOW) == 0) return;
  throwErrno(errno, "unmount", target);
}

}  // namespace slipway
