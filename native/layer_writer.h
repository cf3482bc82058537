// Writes one layer in one pass: entries → tar → blob (blob_writer.h). The bytes depend on the entries and their
// order, and on nothing else.
#pragma once

#include <memory>
#include <unordered_set>

#include "blob_writer.h"
#include "block_pipe.h"
#include "fault.h"
#include "object_pipe.h"
#include "tar.h"

namespace slipway {

struct WrittenLayer {
  std::string diff_id;
  std::string digest;
  uint64_t size_bytes = 0;     // of the blob
  uint64_t content_bytes = 0;  // of the files' data
  uint64_t entries = 0;

  void take(const FinishedBlob& blob) {
    diff_id = blob.diff_id;
    digest = blob.digest;
    size_bytes = blob.size_bytes;
  }
};

class LayerWriter {
 public:
  // An unfinished layer's file is removed. `copy` is given the tar as well, unless its reader leaves.
  LayerWriter(const std::string& path, Compression compression, unsigned threads,
              std::shared_ptr<BlockPipe> copy = nullptr);
  ~LayerWriter();

  // Refuses a path that is not a plain relative one, was written before, or has a part that starts with
  // `.wh.`.
  void add(const TarEntry& entry, Bytes data = {});
  // The data comes from an open file; entry.size must be its size, and sha256 (hex) its hash unless empty.
  void addFile(const TarEntry& entry, int fd, const std::string& sha256, const CancelFlag& cancel);
  // The data is the next object of a pipe, which must be the blob `oid`.
  void addObject(TarEntry& entry, ObjectPipe& pipe, const std::string& oid, const CancelFlag& cancel);
  // OCI image spec, layer.md "Whiteouts": says that `path` of the layers below is gone.
  void addWhiteout(const std::string& path, int64_t mtime);
  WrittenLayer finish();
  void abort();

 private:
  void begin(const TarEntry& entry);
  void claim(const std::string& path);
  void append(Bytes bytes);
  std::span<uint8_t> room(uint64_t wanted);
  void pad(uint64_t size);
  void flush();
  void cutCopy();

  BlobWriter blob_;
  BlobWriter::Block block_;
  WrittenLayer written_;
  std::unordered_set<std::string> paths_;
  std::shared_ptr<BlockPipe> copy_;
};

}  // namespace slipway
