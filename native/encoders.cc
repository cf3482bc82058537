#include "encoders.h"

#include <isa-l/igzip_lib.h>
#include <zstd.h>

#include <string>

#include "fault.h"

namespace slipway {
namespace {

// RFC 1952 with ISA-L's level 1. Its header has no name and time 0, so the same tar gives the same blob. What
// cannot be compressed is stored.
class GzipEncoder : public Encoder {
 public:
  GzipEncoder() : stream_(std::make_unique<isal_zstream>()), level_(ISAL_DEF_LVL1_LARGE) {}

  size_t encode(Bytes block, std::span<uint8_t> out) override {
    isal_deflate_stateless_init(stream_.get());
    stream_->level = 1;
    stream_->level_buf = level_.data();
    stream_->level_buf_size = static_cast<uint32_t>(level_.size());
    stream_->gzip_flag = IGZIP_GZIP;
    stream_->flush = NO_FLUSH;
    stream_->end_of_stream = 1;
    stream_->next_in = const_cast<uint8_t*>(block.data());
    stream_->avail_in = static_cast<uint32_t>(block.size());
    stream_->next_out = out.data();
    stream_->avail_out = static_cast<uint32_t>(out.size());
    const int result = isal_deflate_stateless(stream_.get());
    if (result != COMP_OK) throw Fault("EIO", "gzip failed with code " + std::to_string(result));
    return out.size() - stream_->avail_out;
  }

 private:
  std::unique_ptr<isal_zstream> stream_;
  std::vector<uint8_t> level_;
};

class ZstdEncoder : public Encoder {
 public:
  ZstdEncoder() : context_(ZSTD_createCCtx(), ZSTD_freeCCtx) {
    if (!context_) throw Fault("ENOMEM", "no memory for zstd");
    ZSTD_CCtx_setParameter(context_.get(), ZSTD_c_compressionLevel, 1);
  }

  size_t encode(Bytes block, std::span<uint8_t> out) override {
    const size_t size = ZSTD_compress2(context_.get(), out.data(), out.size(), block.data(), block.size());
    if (ZSTD_isError(size)) throw Fault("EIO", std::string("zstd failed: ") + ZSTD_getErrorName(size));
    return size;
  }

 private:
  std::unique_ptr<ZSTD_CCtx, size_t (*)(ZSTD_CCtx*)> context_;
};

}  // namespace

std::unique_ptr<Encoder> encoderFor(Compression compression) {
  if (compression == Compression::kZstd) return std::make_unique<ZstdEncoder>();
  return std::make_unique<GzipEncoder>();
}

size_t maxEncodedBytes(Compression compression) {
  if (compression == Compression::kZstd) return ZSTD_compressBound(kMemberBytes);
  // Stored blocks have 5 bytes for each 65,535; header and trailer have 18.
  return kMemberBytes + 1024;
}

}  // namespace slipway
