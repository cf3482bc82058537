// Overlay mounts through fsopen(2), fsconfig(2) and fsmount(2): mount(2) takes one page of options, which
// ends at some 60 layers. Linux Documentation/filesystems/overlayfs.rst.
#pragma once

#include <string>
#include <vector>

namespace slipway {

struct OverlayRequest {
  std::string target;               // an empty directory
  std::vector<std::string> lowers;  // top first; may be empty with an upper
  std::string upper;                // empty: read-only
  std::string work;
};

void mountOverlay(const OverlayRequest& request);
// Fine when nothing is mounted there. A mount that is in use is detached: it goes when its last user does.
void unmount(const std::string& target);

}  // namespace slipway
