#include "repack.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>

namespace slipway {
namespace {

constexpr size_t kSize = 124;
constexpr size_t kTime = 136;
constexpr size_t kNumberBytes = 12;
constexpr size_t kChecksum = 148;
constexpr size_t kChecksumBytes = 8;
constexpr size_t kType = 156;
constexpr uint64_t kNoSize = UINT64_MAX;
// A pax header of a layer holds names and attributes.
constexpr uint64_t kPaxBytes = 16 * 1024 * 1024;

using Block = std::array<uint8_t, kTarBlock>;

// POSIX.1-1988 octal, or GNU's base-256 for what is too large for it.
uint64_t numberAt(const Block& header, size_t at) {
  uint64_t value = 0;
  if ((header[at] & 0x80) != 0) {
    for (size_t i = at + 4; i < at + kNumberBytes; i++) value = value << 8 | header[i];
    return value;
  }
  for (size_t i = at; i < at + kNumberBytes; i++) {
    if (header[i] >= '0' && header[i] <= '7') value = value << 3 | static_cast<uint64_t>(header[i] - '0');
  }
  return value;
}

void setOctal(Block& header, size_t at, size_t digits, uint64_t value) {
  for (size_t i = digits; i-- > 0; value >>= 3) header[at + i] = static_cast<uint8_t>('0' + (value & 7));
}

void clampTime(Block& header, int64_t newest) {
  const bool negative = (header[kTime] & 0xff) == 0xff;
  if (negative || numberAt(header, kTime) <= static_cast<uint64_t>(newest)) return;
  setOctal(header, kTime, kNumberBytes - 1, static_cast<uint64_t>(newest));
  header[kTime + kNumberBytes - 1] = 0;
  std::memset(header.data() + kChecksum, ' ', kChecksumBytes);
  uint64_t sum = 0;
  for (const uint8_t byte : header) sum += byte;
  setOctal(header, kChecksum, 6, sum);
  header[kChecksum + 6] = 0;
}

// Walks the records `LENGTH KEY=VALUE\n`. The value of `size` overrides that of the header behind; a time
// that is too late is replaced by as many bytes. The size is kNoSize when the records have none.
uint64_t readPax(std::vector<uint8_t>& records, uint64_t size, int64_t newest) {
  uint64_t found = kNoSize;
  char* const begin = reinterpret_cast<char*>(records.data());
  for (uint64_t at = 0; at < size;) {
    uint64_t length = 0;
    const auto [space, problem] = std::from_chars(begin + at, begin + size, length);
    if (problem != std::errc() || length > size - at || space >= begin + at + length) {
      throw Fault(kLayerInvalid, "the layer has a damaged pax header");
    }
    const std::string_view record(space, static_cast<size_t>(begin + at + length - space));
    if (record.starts_with(" size=")) {
      uint64_t value = 0;
      std::from_chars(space + 6, begin + at + length, value);
      found = value;
    } else if (record.starts_with(" mtime=")) {
      char* const value = begin + (space - begin) + 7;
      const size_t digits = static_cast<size_t>(begin + at + length - 1 - value);
      int64_t seconds = 0;
      std::from_chars(value, value + digits, seconds);
      if (seconds >= newest) {
        const std::string text = std::to_string(newest);
        std::memset(value, '0', digits);
        if (text.size() <= digits) std::memcpy(value + digits - text.size(), text.data(), text.size());
      }
    }
    at += length;
  }
  return found;
}

class Repack {
 public:
  Repack(const RepackRequest& request, const CancelFlag& cancel)
      : request_(request),
        cancel_(cancel),
        // What is written is a stream of the same bytes: a large file of zeros is no bomb here.
        stream_(request.blob, {.max_bytes = UINT64_MAX, .max_ratio = UINT64_MAX}, cancel),
        out_(request.path, request.compression, request.threads),
        block_(out_.take()) {}

  WrittenLayer run() {
    if (request_.newest) {
      clampAll(*request_.newest);
    } else {
      copy(UINT64_MAX);
    }
    stream_.verify(request_.digest, request_.diff_id);
    flush();
    written_.take(out_.finish());
    return written_;
  }

 private:
  void clampAll(int64_t newest) {
    uint64_t pax_size = kNoSize;
    Block header;
    while (stream_.readBlock(header)) {
      const uint8_t type = header[kType];
      const bool pax = type == 'x' || type == 'g';
      const uint64_t size = pax || pax_size == kNoSize ? numberAt(header, kSize) : pax_size;
      if (pax) {
        if (size > kPaxBytes) throw Fault(kLayerInvalid, "the layer has a pax header that is too large");
        std::vector<uint8_t> records(static_cast<size_t>(size) + tarPadding(size));
        stream_.readExactly(records);
        pax_size = readPax(records, size, newest);
        append(header);
        append(records);
        continue;
      }
      pax_size = kNoSize;
      // Two empty blocks end the archive; what is behind them is copied as it is.
      if (std::all_of(header.begin(), header.end(), [](uint8_t byte) { return byte == 0; })) {
        append(header);
        copy(UINT64_MAX);
        return;
      }
      clampTime(header, newest);
      append(header);
      const bool has_data = type == '0' || type == 0 || type == '7' || type == 'L' || type == 'K';
      if (has_data) {
        written_.content_bytes += size;
        copy(size + tarPadding(size));
      }
      written_.entries++;
    }
  }

  void copy(uint64_t bytes) {
    while (bytes > 0) {
      cancel_.check();
      const Bytes here = stream_.peek();
      if (here.empty()) return;
      const size_t part = static_cast<size_t>(std::min<uint64_t>(here.size(), bytes));
      append(here.first(part));
      stream_.consume(part);
      bytes -= part;
    }
  }

  void append(Bytes bytes) {
    while (!bytes.empty()) {
      const size_t part = std::min(bytes.size(), kMemberBytes - block_.size());
      block_.insert(block_.end(), bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(part));
      bytes = bytes.subspan(part);
      if (block_.size() == kMemberBytes) flush();
    }
  }

  void flush() {
    if (block_.empty()) return;
    out_.push(std::move(block_));
    block_ = out_.take();
  }

  const RepackRequest& request_;
  const CancelFlag& cancel_;
  LayerStream stream_;
  BlobWriter out_;
  BlobWriter::Block block_;
  WrittenLayer written_;
};

}  // namespace

WrittenLayer repackLayer(const RepackRequest& request, const CancelFlag& cancel) {
  return Repack(request, cancel).run();
}

}  // namespace slipway
