// A layer's blob as a stream of tar bytes: gzip (RFC 1952, any number of members) by ISA-L, zstd (RFC 8878,
// any number of frames) by libzstd, or plain; told apart by their first bytes.
#pragma once

#include <functional>
#include <memory>

#include "files.h"

namespace slipway {

class Decoder {
 public:
  // Called with decoded bytes; false when nobody wants more.
  using Output = std::function<bool(Bytes)>;
  virtual ~Decoder() = default;
  // Takes all of the input. False when the output wants no more.
  virtual bool decode(Bytes input, const Output& output) = 0;
  // Throws when the input ended too early.
  virtual void finish() = 0;
};

std::unique_ptr<Decoder> decoderFor(Bytes firstBytes);

}  // namespace slipway
