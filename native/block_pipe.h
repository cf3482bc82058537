// A bounded queue of byte blocks between two threads, so that decompressing overlaps with hashing and extracting.
// A fault of the writing side is rethrown on the reading one; a reader that gives up makes push() say so.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <exception>
#include <mutex>
#include <optional>
#include <vector>

#include "fault.h"

namespace slipway {

class BlockPipe {
 public:
  using Block = std::vector<uint8_t>;
  static constexpr size_t kBlockBytes = 256 * 1024;

  // An empty block with room for kBlockBytes, one that was used before if there is one.
  Block take();
  void giveBack(Block&& block);
  // False when the reader has gone.
  bool push(Block&& block);
  void finish();
  void fail(std::exception_ptr fault);
  // Empty at the end. Rethrows what the writer failed with.
  std::optional<Block> pop();
  // The same for a reader that is cancelled apart from the writer.
  std::optional<Block> popUnlessCancelled(const CancelFlag& cancel);
  void abandon();

 private:
  std::optional<Block> takeNext();

  static constexpr size_t kDepth = 4;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Block> blocks_;
  std::vector<Block> spare_;
  std::exception_ptr fault_;
  bool finished_ = false;
  bool abandoned_ = false;
};

}  // namespace slipway
