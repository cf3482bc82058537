// A layer's blob being written: blocks of tar → SHA-256 (diff id), and → gzip or zstd → SHA-256 (digest) → file.
// A few threads share the work: whichever is free takes the next piece of any of the three. The bytes depend on
// the tar alone, not on how many threads there are.
#pragma once

#include <condition_variable>
#include <deque>
#include <exception>
#include <mutex>
#include <thread>

#include "encoders.h"
#include "sha256.h"

namespace slipway {

struct FinishedBlob {
  std::string diff_id;
  std::string digest;
  uint64_t size_bytes = 0;
};

class BlobWriter {
 public:
  using Block = std::vector<uint8_t>;

  // `threads`: at most so many; 0 for as many as there are processors.
  BlobWriter(const std::string& path, Compression compression, unsigned threads);
  // The file of an unfinished blob is removed.
  ~BlobWriter();
  BlobWriter(const BlobWriter&) = delete;
  BlobWriter& operator=(const BlobWriter&) = delete;

  // An empty block with room for kMemberBytes.
  Block take();
  // Every block but the last holds kMemberBytes, so that the blob does not depend on how the entries came.
  // Waits while too many are under way; throws what one of the threads failed with.
  void push(Block&& block);
  FinishedBlob finish();
  void abort();

 private:
  struct Piece {
    Block tar;
    Block encoded;
    size_t encoded_bytes = 0;
    bool is_hashed = false;
    enum { kWaiting, kTaken, kEncoded } state = kWaiting;
  };

  void work();
  bool step(std::unique_lock<std::mutex>& lock, std::unique_ptr<Encoder>& encoder);
  void writeFront(std::unique_lock<std::mutex>& lock);
  void hashNext(std::unique_lock<std::mutex>& lock);
  void retire();
  void join();

  static constexpr unsigned kMaxThreads = 8;

  const std::string path_;
  const Compression compression_;
  const unsigned max_threads_;
  Fd file_;
  Sha256 tar_hash_;   // of whoever holds hashing_
  Sha256 blob_hash_;  // of whoever holds writing_
  uint64_t size_bytes_ = 0;

  std::mutex mutex_;
  std::condition_variable work_;   // for the threads
  std::condition_variable space_;  // for push() and finish()
  std::deque<std::unique_ptr<Piece>> pieces_;  // in order; the front is the next to be written or hashed
  std::vector<std::unique_ptr<Piece>> spare_;
  size_t written_ = 0;  // pieces at the front that are in the file already
  bool writing_ = false;
  bool hashing_ = false;
  bool ended_ = false;
  unsigned idle_ = 0;
  std::exception_ptr fault_;
  std::vector<std::thread> threads_;
  bool done_ = false;
};

}  // namespace slipway
