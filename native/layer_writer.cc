#include "layer_writer.h"

#include <algorithm>

namespace slipway {
namespace {

[[noreturn]] void refuse(const std::string& path, const std::string& why) {
  throw Fault(kEntryInvalid, "the entry " + path + " " + why, path);
}

void checkPath(const std::string& path) {
  if (path.empty()) refuse("\"\"", "has no path");
  if (path.size() >= PATH_MAX) refuse(path.substr(0, 60) + "…", "has a path longer than 4095 bytes");
  size_t start = 0;
  while (start <= path.size()) {
    const size_t end = std::min(path.find('/', start), path.size());
    const std::string_view part = std::string_view(path).substr(start, end - start);
    if (part.empty() || part == "." || part == "..") refuse(path, "is not a plain relative path");
    if (part.starts_with(".wh."))
      refuse(path, "has a name that starts with .wh., which marks a deletion in layers");
    start = end + 1;
  }
}

}  // namespace

LayerWriter::LayerWriter(const std::string& path, Compression compression, unsigned threads,
                         std::shared_ptr<BlockPipe> copy)
    : blob_(path, compression, threads), block_(blob_.take()), copy_(std::move(copy)) {}

LayerWriter::~LayerWriter() { cutCopy(); }

void LayerWriter::abort() {
  cutCopy();
  blob_.abort();
}

// Nobody may take what was copied so far for the whole layer.
void LayerWriter::cutCopy() {
  if (copy_) copy_->fail(std::make_exception_ptr(Fault(kCancelled, "the layer was not finished")));
  copy_.reset();
}

void LayerWriter::claim(const std::string& path) {
  if (!paths_.insert(path).second) refuse(path, "is in this layer already");
}

void LayerWriter::begin(const TarEntry& entry) {
  const std::string header = encodeTarHeader(entry);
  append(Bytes(reinterpret_cast<const uint8_t*>(header.data()), header.size()));
  written_.entries++;
}

void LayerWriter::add(const TarEntry& entry, Bytes data) {
  checkPath(entry.path);
  claim(entry.path);
  begin(entry);
  append(data);
  pad(data.size());
}

void LayerWriter::addFile(const TarEntry& entry, int fd, const std::string& sha256,
                          const CancelFlag& cancel) {
  checkPath(entry.path);
  claim(entry.path);
  begin(entry);
  // Read straight into the block that is hashed and compressed.
  Sha256 hash;
  uint64_t left = entry.size;
  while (left > 0) {
    cancel.check();
    const std::span<uint8_t> part = room(left);
    if (readFull(fd, part, entry.path) < part.size()) {
      throw Fault(kFileChanged, entry.path + " became shorter while it was read", entry.path);
    }
    if (!sha256.empty()) hash.update(part);
    left -= part.size();
    if (block_.size() == kMemberBytes) flush();
  }
  if (!sha256.empty() && hash.hex() != sha256) {
    throw Fault(kFileChanged, entry.path + " has other bytes than before", entry.path);
  }
  pad(entry.size);
}

void LayerWriter::addObject(TarEntry& entry, ObjectPipe& pipe, const std::string& oid,
                            const CancelFlag& cancel) {
  checkPath(entry.path);
  claim(entry.path);
  entry.size = pipe.begin(oid, cancel);
  begin(entry);
  for (uint64_t left = entry.size; left > 0;) {
    const std::span<uint8_t> part = room(left);
    pipe.read(part, cancel);
    left -= part.size();
    if (block_.size() == kMemberBytes) flush();
  }
  pipe.end(cancel);
  pad(entry.size);
}

// Up to so many bytes at the end of the block, to be filled by the caller.
std::span<uint8_t> LayerWriter::room(uint64_t wanted) {
  const size_t held = block_.size();
  block_.resize(held + static_cast<size_t>(std::min<uint64_t>(wanted, kMemberBytes - held)));
  return std::span(block_).subspan(held);
}

void LayerWriter::addWhiteout(const std::string& path, int64_t mtime) {
  checkPath(path);
  TarEntry entry;
  const size_t slash = path.rfind('/');
  const size_t name = slash == std::string::npos ? 0 : slash + 1;
  entry.path = path.substr(0, name) + ".wh." + path.substr(name);
  entry.mtime = mtime;
  claim(entry.path);
  begin(entry);
}

void LayerWriter::pad(uint64_t size) {
  static constexpr uint8_t kZeros[kTarBlock] = {};
  append(Bytes(kZeros, tarPadding(size)));
  written_.content_bytes += size;
}

void LayerWriter::append(Bytes bytes) {
  while (!bytes.empty()) {
    const size_t part = std::min(bytes.size(), kMemberBytes - block_.size());
    block_.insert(block_.end(), bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(part));
    bytes = bytes.subspan(part);
    if (block_.size() == kMemberBytes) flush();
  }
}

void LayerWriter::flush() {
  if (copy_) {
    BlockPipe::Block copied = copy_->take();
    copied.assign(block_.begin(), block_.end());
    if (!copy_->push(std::move(copied))) copy_.reset();
  }
  blob_.push(std::move(block_));
  block_ = blob_.take();
}

WrittenLayer LayerWriter::finish() {
  static constexpr uint8_t kEnd[2 * kTarBlock] = {};
  append(kEnd);
  if (!block_.empty()) flush();
  if (copy_) copy_->finish();
  copy_.reset();
  written_.take(blob_.finish());
  return written_;
}

}  // namespace slipway
