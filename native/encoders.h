// The compressed side of a layer being written: a block of tar in, a gzip member or zstd frame of its own out.
#pragma once

#include <memory>
#include <vector>

#include "files.h"

namespace slipway {

enum class Compression { kNone, kGzip, kZstd };

// Of one thread at a time.
class Encoder {
 public:
  virtual ~Encoder() = default;
  // Writes the whole of `block`, of at most `kMemberBytes`, to `out`, which has room for `maxEncodedBytes`;
  // returns how many bytes that were. The same block always gives the same bytes.
  virtual size_t encode(Bytes block, std::span<uint8_t> out) = 0;
};

// A blob is a chain of these: RFC 1952 (2.2) and RFC 8878 (3.1) let members and frames follow each other. On
// 512 KiB the ratio is 0.2 % worse than on one stream, and each can be made by a thread of its own.
inline constexpr size_t kMemberBytes = 512 * 1024;

// Not for kNone.
std::unique_ptr<Encoder> encoderFor(Compression compression);
size_t maxEncodedBytes(Compression compression);

}  // namespace slipway
