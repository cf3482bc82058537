// Reads tar archives as they are found in registries: v7, ustar and pax (POSIX.1-2001), and GNU's long names
// and base-256 numbers. What a layer must not hold (GNU sparse files, unknown types) is refused by name.
#pragma once

#include <optional>

#include "layer_stream.h"
#include "tar.h"

namespace slipway {

class TarReader {
 public:
  explicit TarReader(LayerStream& stream) : stream_(stream) {}

  // The next entry as it is written in the archive: its path is not checked. Empty at the end of the archive.
  std::optional<TarEntry> next();
  // The current file's data, piece by piece; empty at its end. What is not read is passed over by next().
  Bytes data();

 private:
  std::string readText(uint64_t size);
  void applyPax(const std::string& records, Xattrs& into);

  LayerStream& stream_;
  uint64_t left_ = 0;   // of the current file's data
  size_t padding_ = 0;  // after it
  size_t handed_ = 0;   // bytes given out by data() and not yet consumed
};

}  // namespace slipway
