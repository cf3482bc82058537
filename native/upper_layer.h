// An overlay's upper directory as a layer: what a RUN changed, and nothing that it only touched on the way
// (OCI image spec, layer.md "Creating"; see also the rules of containerd and BuildKit for copied-up entries).
#pragma once

#include <optional>
#include <set>

#include "layer_writer.h"
#include "lower_stack.h"

namespace slipway {

struct UpperRequest {
  std::string upper;
  std::vector<std::string> lowers;  // top first
  std::string path;                 // of the blob
  Compression compression = Compression::kGzip;
  // The upper directory is all that there is: a merged tree. What the lowers have besides is gone.
  bool complete = false;
  std::set<std::string> exclude;  // exact paths, such as mount points made for the step
  std::optional<int64_t> newest;  // seconds; later times become this one
  unsigned threads = 0;           // see BlobWriter
};

WrittenLayer writeUpperLayer(const UpperRequest& request, const CancelFlag& cancel);

}  // namespace slipway
