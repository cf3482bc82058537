// The directories of a lay-out while a layer is written into it. Hands out the descriptor of an entry's
// parent, confined to the root: no symlink is ever followed by the kernel, and a symlink that the layer
// planted is resolved inside the root first. Entries come in tree order, so the way to the last parent is
// kept open.
#pragma once

#include <set>

#include "files.h"
#include "lower_stack.h"

namespace slipway {

class LayoutCursor {
 public:
  explicit LayoutCursor(const std::string& target);

  int root() const { return root_.get(); }
  // The directory that holds `path`'s last part; makes the ones that are missing (0755, owned by root): they
  // are implied. Throws LAYER_INVALID if one of them is not a directory. Valid until the next call.
  int parentOf(const std::string& path);
  // Like parentOf, but makes nothing: an invalid value (-1) if the directory does not exist.
  int existingParentOf(const std::string& path);

  // An entry of the layer itself describes the directory.
  void described(const std::string& path) { implied_.erase(path); }
  bool anyImplied() const { return !implied_.empty(); }
  // Gives implied directories the metadata that the lowers have for them.
  void settleImplied(const LowerStack& lowers);

 private:
  struct Step {
    std::string name;
    Fd fd;
  };

  int walk(const std::vector<std::string>& parts, bool make);
  Fd enter(int parent, const std::string& name, const std::string& path, bool make);
  int parent(const std::string& path, bool make);

  Fd root_;
  std::vector<Step> way_;
  std::set<std::string> implied_;
};

}  // namespace slipway
