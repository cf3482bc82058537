// The output of `git cat-file --batch`, read object by object straight into a layer: with tens of thousands of
// small files, a promise and a buffer for each cost more than their bytes. Format: git-cat-file(1), "BATCH
// OUTPUT".
#pragma once

#include "fault.h"
#include "files.h"

namespace slipway {

class ObjectPipe {
 public:
  ObjectPipe();

  // The end that git writes to; its owner closes it when git has it.
  int releaseWriter() { return writer_.release(); }
  // The size of the next object, which must be the blob `oid`. Throws OBJECTS_ENDED when it is another, or
  // there is none.
  uint64_t begin(const std::string& oid, const CancelFlag& cancel);
  // The next bytes of it, all that are asked for.
  void read(std::span<uint8_t> to, const CancelFlag& cancel);
  // After all of its bytes.
  void end(const CancelFlag& cancel);
  // When nobody reads any more. Git notices when it writes on.
  void close() { reader_.reset(); }

 private:
  size_t receive(std::span<uint8_t> to, const CancelFlag& cancel);
  void fill(const CancelFlag& cancel);

  Fd reader_;
  Fd writer_;
  std::vector<uint8_t> buffer_;
  size_t position_ = 0;
  size_t filled_ = 0;
};

}  // namespace slipway
