#include "blob_writer.h"

#include <algorithm>

#include "fault.h"

namespace slipway {

BlobWriter::BlobWriter(const std::string& path, Compression compression, unsigned threads)
    : path_(path),
      compression_(compression),
      max_threads_(std::clamp(threads == 0 ? std::thread::hardware_concurrency() : threads, 1U, kMaxThreads)),
      file_(openAt(AT_FDCWD, path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0644, path)) {}

BlobWriter::~BlobWriter() { abort(); }

BlobWriter::Block BlobWriter::take() {
  {
    const std::lock_guard lock(mutex_);
    if (!spare_.empty() && spare_.back()->tar.capacity() > 0) return std::move(spare_.back()->tar);
  }
  Block block;
  block.reserve(kMemberBytes);
  return block;
}

void BlobWriter::push(Block&& block) {
  std::unique_lock lock(mutex_);
  space_.wait(lock, [this] { return fault_ || pieces_.size() < 2 * max_threads_ + 2; });
  if (fault_) std::rethrow_exception(fault_);
  std::unique_ptr<Piece> piece;
  if (spare_.empty()) {
    piece = std::make_unique<Piece>();
  } else {
    piece = std::move(spare_.back());
    spare_.pop_back();
  }
  piece->tar = std::move(block);
  piece->is_hashed = false;
  piece->state = compression_ == Compression::kNone ? Piece::kEncoded : Piece::kWaiting;
  pieces_.push_back(std::move(piece));
  // A layer of a few entries needs but one.
  if (idle_ == 0 && threads_.size() < max_threads_) threads_.emplace_back([this] { work(); });
  work_.notify_one();
}

void BlobWriter::work() {
  std::unique_ptr<Encoder> encoder;
  std::unique_lock lock(mutex_);
  try {
    while (!fault_) {
      if (step(lock, encoder)) continue;
      if (ended_) return;
      idle_++;
      work_.wait(lock);
      idle_--;
    }
  } catch (...) {
    if (!lock.owns_lock()) lock.lock();
    fault_ = std::current_exception();
    work_.notify_all();
    space_.notify_all();
  }
}

// One piece of work, of the most urgent kind that there is: what is written or hashed makes room for more.
bool BlobWriter::step(std::unique_lock<std::mutex>& lock, std::unique_ptr<Encoder>& encoder) {
  if (!writing_ && written_ < pieces_.size() && pieces_[written_]->state == Piece::kEncoded) {
    writeFront(lock);
    return true;
  }
  if (!hashing_ && std::any_of(pieces_.begin(), pieces_.end(), [](auto& piece) { return !piece->is_hashed; })) {
    hashNext(lock);
    return true;
  }
  const auto waiting = std::find_if(pieces_.begin(), pieces_.end(),
                                    [](auto& piece) { return piece->state == Piece::kWaiting; });
  if (waiting == pieces_.end()) return false;
  Piece& piece = **waiting;
  piece.state = Piece::kTaken;
  lock.unlock();
  if (!encoder) encoder = encoderFor(compression_);
  piece.encoded.resize(maxEncodedBytes(compression_));
  const size_t size = encoder->encode(piece.tar, piece.encoded);
  lock.lock();
  piece.encoded_bytes = size;
  piece.state = Piece::kEncoded;
  work_.notify_one();
  return true;
}

void BlobWriter::writeFront(std::unique_lock<std::mutex>& lock) {
  writing_ = true;
  Piece& piece = *pieces_[written_];
  const bool is_plain = compression_ == Compression::kNone;
  const Bytes bytes = is_plain ? Bytes(piece.tar) : Bytes(piece.encoded).first(piece.encoded_bytes);
  lock.unlock();
  if (!is_plain) blob_hash_.update(bytes);
  writeAll(file_.get(), bytes, path_);
  lock.lock();
  size_bytes_ += bytes.size();
  writing_ = false;
  written_++;
  retire();
}

void BlobWriter::hashNext(std::unique_lock<std::mutex>& lock) {
  hashing_ = true;
  Piece& piece = **std::find_if(pieces_.begin(), pieces_.end(), [](auto& each) { return !each->is_hashed; });
  lock.unlock();
  tar_hash_.update(piece.tar);
  lock.lock();
  hashing_ = false;
  piece.is_hashed = true;
  retire();
}

// Pieces at the front that nothing more has to be done with.
void BlobWriter::retire() {
  while (written_ > 0 && pieces_.front()->is_hashed) {
    pieces_.front()->tar.clear();
    spare_.push_back(std::move(pieces_.front()));
    pieces_.pop_front();
    written_--;
  }
  work_.notify_one();
  space_.notify_all();
}

FinishedBlob BlobWriter::finish() {
  // No bytes at all would be no gzip or zstd.
  if (threads_.empty()) push(take());
  {
    std::unique_lock lock(mutex_);
    ended_ = true;
    work_.notify_all();
    space_.wait(lock, [this] { return fault_ || pieces_.empty(); });
  }
  join();
  if (fault_) std::rethrow_exception(fault_);
  file_.reset();
  done_ = true;
  FinishedBlob finished;
  finished.diff_id = tar_hash_.digest();
  finished.digest = compression_ == Compression::kNone ? finished.diff_id : blob_hash_.digest();
  finished.size_bytes = size_bytes_;
  return finished;
}

void BlobWriter::abort() {
  if (done_) return;
  done_ = true;
  {
    const std::lock_guard lock(mutex_);
    if (!fault_) fault_ = std::make_exception_ptr(Fault(kCancelled, "cancelled"));
    work_.notify_all();
  }
  join();
  file_.reset();
  ::unlink(path_.c_str());
}

void BlobWriter::join() {
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

}  // namespace slipway
