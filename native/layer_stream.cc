#include "layer_stream.h"

#include <algorithm>
#include <cstring>

#include "decoders.h"
#include "pause.h"

namespace slipway {

LayerStream::LayerStream(const std::string& blob, StreamLimits limits, const CancelFlag& cancel,
                         BlobState state)
    : limits_(limits), cancel_(cancel), blob_(blob), state_(state), pipe_(std::make_shared<BlockPipe>()) {
  Fd file = openAt(AT_FDCWD, blob.c_str(), O_RDONLY, 0, blob);
  decoder_ = std::thread([this, file = std::move(file)] {
    try {
      decode(file);
      pipe_->finish();
    } catch (...) {
      pipe_->fail(std::current_exception());
    }
  });
}

LayerStream::LayerStream(std::shared_ptr<BlockPipe> tar, StreamLimits limits, const CancelFlag& cancel)
    : limits_(limits), cancel_(cancel), state_({}), is_copy_(true), pipe_(std::move(tar)) {}

LayerStream::~LayerStream() {
  left_.store(true);
  pipe_->abandon();
  if (decoder_.joinable()) decoder_.join();
}

void LayerStream::decode(const Fd& blob) {
  std::vector<uint8_t> input(BlockPipe::kBlockBytes);
  std::unique_ptr<Decoder> decoder;
  Sha256 hash;
  uint64_t read = 0;
  uint64_t decoded = 0;
  BlockPipe::Block block = pipe_->take();

  const Decoder::Output output = [&](Bytes bytes) {
    checkSize(decoded += bytes.size());
    if (decoded > kRatioFreeBytes && decoded / limits_.max_ratio > read) {
      throw Fault(kLayerTooLarge,
                  "the layer expands to more than " + std::to_string(limits_.max_ratio) + " times its size");
    }
    while (!bytes.empty()) {
      const size_t part = std::min(bytes.size(), BlockPipe::kBlockBytes - block.size());
      block.insert(block.end(), bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(part));
      bytes = bytes.subspan(part);
      if (block.size() < BlockPipe::kBlockBytes) continue;
      if (!pipe_->push(std::move(block))) return false;
      block = pipe_->take();
    }
    return true;
  };

  for (;;) {
    cancel_.check();
    const size_t got = readSome(blob, input, read);
    if (got == 0) break;
    const Bytes bytes(input.data(), got);
    if (!decoder) decoder = decoderFor(bytes);
    read += got;
    if (!state_.verified) hash.update(bytes);
    if (!decoder->decode(bytes, output)) return;
  }
  if (!decoder) throw Fault(kLayerInvalid, "the layer is empty");
  decoder->finish();
  digest_ = hash.digest();
  if (!block.empty()) pipe_->push(std::move(block));
}

void LayerStream::checkSize(uint64_t bytes) const {
  if (bytes <= limits_.max_bytes) return;
  throw Fault(kLayerTooLarge, "the layer holds more than " + std::to_string(limits_.max_bytes) + " bytes");
}

// As many bytes as fit in `to`, after `read` of them; fewer only at the end. Of a blob that grows the end is
// where it will be whole, whatever it is now.
size_t LayerStream::readSome(const Fd& blob, std::span<uint8_t> to, uint64_t read) const {
  if (state_.growing_to == 0) return readFull(blob.get(), to, blob_);
  to = to.first(static_cast<size_t>(std::min<uint64_t>(to.size(), state_.growing_to - read)));
  size_t got = 0;
  for (;;) {
    got += readFull(blob.get(), to.subspan(got), blob_);
    if (got == to.size() || left_.load()) return got;
    pauseUnlessCancelled(cancel_);
  }
}

Bytes LayerStream::peek() {
  while (position_ == block_.size()) {
    pipe_->giveBack(std::move(block_));
    block_.clear();
    position_ = 0;
    std::optional<BlockPipe::Block> next = is_copy_ ? pipe_->popUnlessCancelled(cancel_) : pipe_->pop();
    if (!next) return {};
    cancel_.check();
    block_ = std::move(*next);
    if (is_copy_) {
      checkSize(copied_ += block_.size());
    } else {
      decoded_hash_.update(block_);
    }
  }
  return Bytes(block_).subspan(position_);
}

bool LayerStream::readBlock(std::span<uint8_t> to) {
  if (peek().empty()) return false;
  readExactly(to);
  return true;
}

void LayerStream::readExactly(std::span<uint8_t> to) {
  while (!to.empty()) {
    const Bytes bytes = peek();
    if (bytes.empty()) throw Fault(kLayerInvalid, "the layer's archive ends too early");
    const size_t part = std::min(bytes.size(), to.size());
    std::memcpy(to.data(), bytes.data(), part);
    consume(part);
    to = to.subspan(part);
  }
}

void LayerStream::skip(uint64_t bytes) {
  while (bytes > 0) {
    const Bytes here = peek();
    if (here.empty()) throw Fault(kLayerInvalid, "the layer's archive ends too early");
    const size_t part = static_cast<size_t>(std::min<uint64_t>(here.size(), bytes));
    consume(part);
    bytes -= part;
  }
}

void LayerStream::verify(const std::string& digest, const std::string& diff_id) {
  for (Bytes rest = peek(); !rest.empty(); rest = peek()) consume(rest.size());
  if (is_copy_) return;
  if (!digest.empty() && digest != digest_) {
    throw Fault(kDigestMismatch, "the layer's digest is " + digest_ + ", not " + digest);
  }
  const std::string actual = decoded_hash_.digest();
  if (actual != diff_id)
    throw Fault(kDigestMismatch, "the layer's diff id is " + actual + ", not " + diff_id);
}

}  // namespace slipway
