// A layer's blob written anew: compressed otherwise, and with no entry younger than a given time.
#pragma once

#include <optional>
#include <string>

#include "layer_stream.h"
#include "layer_writer.h"

namespace slipway {

struct RepackRequest {
  std::string blob;
  std::string digest;
  std::string diff_id;
  std::string path;  // of the new blob
  Compression compression = Compression::kGzip;
  std::optional<int64_t> newest;  // seconds; later times become this one
  unsigned threads = 0;           // see BlobWriter
};

// Without `newest` the tar is the same, byte for byte. Throws DIGEST_MISMATCH unless the blob is as promised.
// The file is removed when it fails.
WrittenLayer repackLayer(const RepackRequest& request, const CancelFlag& cancel);

}  // namespace slipway
