// A layer's blob laid out as a directory in overlay's format (OCI image spec, layer.md "Applying
// Changesets"): whiteouts become 0:0 character devices, opaque markers the attribute trusted.overlay.opaque.
// Verified while it is extracted: after a failure the caller removes the target.
#pragma once

#include <optional>

#include "layer_stream.h"

namespace slipway {

struct ApplyRequest {
  std::string blob;
  // Instead of a blob: the tar of a layer that is being written. Its reader leaves the pipe whatever happens.
  std::shared_ptr<BlockPipe> tar;
  std::string digest;  // not checked when empty
  std::string diff_id;
  std::string target;               // an empty directory
  // Top first. Those that do not exist yet are waited for when something of them is needed, which is seldom:
  // layers of one chain can be laid out at the same time.
  std::vector<std::string> lowers;
  uint64_t blob_bytes = 0;  // not 0: the blob is still being written, up to this size
  StreamLimits limits;
  uint64_t max_entries = 2'000'000;  // each takes an inode, and hardly a byte of a blob
  bool fresh_times = false;          // regular files get the present time instead of the layer's
};

struct AppliedLayer {
  uint64_t entries = 0;
  uint64_t content_bytes = 0;
};

AppliedLayer applyLayer(const ApplyRequest& request, const CancelFlag& cancel);

}  // namespace slipway
