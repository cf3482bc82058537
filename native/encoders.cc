#include "encoders.h"

#include <isa-l/igzip_lib.h>
#include <zstd.h>

#include <vector>

#include "block_pipe.h"
#include "fault.h"

namespace slipway {
namespace {

class PlainEncoder : public Encoder {
 public:
  void encode(Bytes block, bool, BlobFile& out) override { out.write(block); }
};

// RFC 1952 with ISA-L's level 1. Its header has no name and time 0, so the same tar gives the same blob.
class GzipEncoder : public Encoder {
 public:
  GzipEncoder()
      : stream_(std::make_unique<isal_zstream>()),
        level_(ISAL_DEF_LVL1_LARGE),
        buffer_(BlockPipe::kBlockBytes) {
    isal_deflate_init(stream_.get());
    stream_->level = 1;
    stream_->level_buf = level_.data();
    stream_->level_buf_size = static_cast<uint32_t>(level_.size());
    stream_->gzip_flag = IGZIP_GZIP;
    stream_->flush = NO_FLUSH;
  }

  void encode(Bytes block, bool last, BlobFile& out) override {
    stream_->next_in = const_cast<uint8_t*>(block.data());
    stream_->avail_in = static_cast<uint32_t>(block.size());
    stream_->end_of_stream = last ? 1 : 0;
    do {
      stream_->next_out = buffer_.data();
      stream_->avail_out = static_cast<uint32_t>(buffer_.size());
      const int result = isal_deflate(stream_.get());
      if (result != COMP_OK) throw Fault("EIO", "gzip failed with code " + std::to_string(result));
      out.write(Bytes(buffer_.data(), buffer_.size() - stream_->avail_out));
    } while (stream_->avail_out == 0);
  }

 private:
  std::unique_ptr<isal_zstream> stream_;
  std::vector<uint8_t> level_;
  std::vector<uint8_t> buffer_;
};

class ZstdEncoder : public Encoder {
 public:
  ZstdEncoder() : stream_(ZSTD_createCCtx(), ZSTD_freeCCtx), buffer_(ZSTD_CStreamOutSize()) {
    if (!stream_) throw Fault("ENOMEM", "no memory for zstd");
    ZSTD_CCtx_setParameter(stream_.get(), ZSTD_c_compressionLevel, 1);
  }

  void encode(Bytes block, bool last, BlobFile& out) override {
    ZSTD_inBuffer in{block.data(), block.size(), 0};
    bool done = false;
    while (!done) {
      ZSTD_outBuffer piece{buffer_.data(), buffer_.size(), 0};
      const size_t left =
          ZSTD_compressStream2(stream_.get(), &piece, &in, last ? ZSTD_e_end : ZSTD_e_continue);
      if (ZSTD_isError(left)) throw Fault("EIO", std::string("zstd failed: ") + ZSTD_getErrorName(left));
      out.write(Bytes(buffer_.data(), piece.pos));
      done = last ? left == 0 : in.pos == in.size;
    }
  }

 private:
  std::unique_ptr<ZSTD_CCtx, size_t (*)(ZSTD_CCtx*)> stream_;
  std::vector<uint8_t> buffer_;
};

}  // namespace

BlobFile::BlobFile(const std::string& path)
    : path_(path),
      file_(openAt(AT_FDCWD, path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0644, path)) {}

void BlobFile::write(Bytes bytes) {
  hash_.update(bytes);
  writeAll(file_.get(), bytes, path_);
  size_ += bytes.size();
}

std::unique_ptr<Encoder> encoderFor(Compression compression) {
  switch (compression) {
    case Compression::kGzip: return std::make_unique<GzipEncoder>();
    case Compression::kZstd: return std::make_unique<ZstdEncoder>();
    case Compression::kNone: break;
  }
  return std::make_unique<PlainEncoder>();
}

}  // namespace slipway
