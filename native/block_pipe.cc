#include "block_pipe.h"

#include <chrono>

namespace slipway {

BlockPipe::Block BlockPipe::take() {
  {
    const std::lock_guard lock(mutex_);
    if (!spare_.empty()) {
      Block block = std::move(spare_.back());
      spare_.pop_back();
      return block;
    }
  }
  Block block;
  block.reserve(kBlockBytes);
  return block;
}

void BlockPipe::giveBack(Block&& block) {
  block.clear();
  const std::lock_guard lock(mutex_);
  if (spare_.size() < kDepth) spare_.push_back(std::move(block));
}

bool BlockPipe::push(Block&& block) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return abandoned_ || blocks_.size() < kDepth; });
  if (abandoned_) return false;
  blocks_.push_back(std::move(block));
  changed_.notify_all();
  return true;
}

void BlockPipe::finish() {
  const std::lock_guard lock(mutex_);
  finished_ = true;
  changed_.notify_all();
}

void BlockPipe::fail(std::exception_ptr fault) {
  const std::lock_guard lock(mutex_);
  fault_ = std::move(fault);
  finished_ = true;
  changed_.notify_all();
}

std::optional<BlockPipe::Block> BlockPipe::pop() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return abandoned_ || finished_ || !blocks_.empty(); });
  return takeNext();
}

std::optional<BlockPipe::Block> BlockPipe::popUnlessCancelled(const CancelFlag& cancel) {
  std::unique_lock lock(mutex_);
  const auto ready = [this] { return abandoned_ || finished_ || !blocks_.empty(); };
  while (!changed_.wait_for(lock, std::chrono::milliseconds(20), ready)) cancel.check();
  return takeNext();
}

std::optional<BlockPipe::Block> BlockPipe::takeNext() {
  if (abandoned_) return std::nullopt;
  if (blocks_.empty()) {
    if (fault_) std::rethrow_exception(fault_);
    return std::nullopt;
  }
  Block block = std::move(blocks_.front());
  blocks_.pop_front();
  changed_.notify_all();
  return block;
}

void BlockPipe::abandon() {
  const std::lock_guard lock(mutex_);
  abandoned_ = true;
  changed_.notify_all();
}

}  // namespace slipway
