// The compressed side of a layer being written: blocks of tar in, the blob's file and digest out.
#pragma once

#include <memory>
#include <string>

#include "files.h"
#include "sha256.h"

namespace slipway {

enum class Compression { kNone, kGzip, kZstd };

// The file that a blob is written to, hashed on the way.
class BlobFile {
 public:
  explicit BlobFile(const std::string& path);
  void write(Bytes bytes);
  std::string digest() { return hash_.digest(); }
  uint64_t size() const { return size_; }
  void close() { file_.reset(); }

 private:
  std::string path_;
  Fd file_;
  Sha256 hash_;
  uint64_t size_ = 0;
};

class Encoder {
 public:
  virtual ~Encoder() = default;
  // `last` ends the stream; its block may be empty.
  virtual void encode(Bytes block, bool last, BlobFile& out) = 0;
};

std::unique_ptr<Encoder> encoderFor(Compression compression);

}  // namespace slipway
