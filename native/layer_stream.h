// The tar bytes of a layer's blob, decompressed by a thread of their own and hashed on both sides. The limits
// against bombs are kept here, where both sizes are known.
#pragma once

#include <atomic>
#include <memory>
#include <thread>

#include "block_pipe.h"
#include "fault.h"
#include "files.h"
#include "sha256.h"

namespace slipway {

struct StreamLimits {
  uint64_t max_bytes = UINT64_MAX;
  // Above what deflate can do (1032): a layer of zeros that a RUN wrote is no bomb, and its bytes are counted
  // anyway.
  uint64_t max_ratio = 1100;
};

struct BlobState {
  uint64_t growing_to = 0;  // not 0: something else is still writing the blob, up to this size
  bool verified = false;    // its digest is nobody's business here
};

class LayerStream {
 public:
  LayerStream(const std::string& blob, StreamLimits limits, const CancelFlag& cancel, BlobState state = {});
  // Of a layer that is being written: its tar as it is. There is no blob yet, and nothing to be verified.
  LayerStream(std::shared_ptr<BlockPipe> tar, StreamLimits limits, const CancelFlag& cancel);
  ~LayerStream();
  LayerStream(const LayerStream&) = delete;
  LayerStream& operator=(const LayerStream&) = delete;

  // Bytes that were not consumed yet; empty only at the end of the stream.
  Bytes peek();
  void consume(size_t bytes) { position_ += bytes; }
  // Fills `to` or throws that the archive `ends too early`; false when the stream is at its end.
  bool readBlock(std::span<uint8_t> to);
  void readExactly(std::span<uint8_t> to);
  void skip(uint64_t bytes);

  // Reads what is left, so that both digests cover everything; throws DIGEST_MISMATCH. An empty one is not
  // compared.
  void verify(const std::string& digest, const std::string& diff_id);

 private:
  // Below this many bytes the ratio says nothing: a file of zeros compresses 1:1000.
  static constexpr uint64_t kRatioFreeBytes = 64 * 1024 * 1024;

  void decode(const Fd& blob);
  void checkSize(uint64_t bytes) const;
  size_t readSome(const Fd& blob, std::span<uint8_t> to, uint64_t read) const;

  const StreamLimits limits_;
  const CancelFlag& cancel_;
  const std::string blob_;
  const BlobState state_;
  const bool is_copy_ = false;
  const std::shared_ptr<BlockPipe> pipe_;
  BlockPipe::Block block_;
  size_t position_ = 0;
  Sha256 decoded_hash_;
  uint64_t copied_ = 0;
  std::atomic<bool> left_{false};  // nobody reads on
  std::string digest_;             // written by the decoding thread before it finishes the pipe
  std::thread decoder_;
};

}  // namespace slipway
