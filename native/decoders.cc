#include "decoders.h"

#include <isa-l/igzip_lib.h>
#include <zstd.h>

#include <cstring>
#include <string>

#include "block_pipe.h"
#include "fault.h"

namespace slipway {
namespace {

[[noreturn]] void truncated() { throw Fault(kLayerInvalid, "the layer's compressed data ends too early"); }

class PlainDecoder : public Decoder {
 public:
  bool decode(Bytes input, const Output& output) override { return output(input); }
  void finish() override {}
};

class GzipDecoder : public Decoder {
 public:
  GzipDecoder() : state_(std::make_unique<inflate_state>()), buffer_(BlockPipe::kBlockBytes) { start(); }

  bool decode(Bytes input, const Output& output) override {
    state_->next_in = const_cast<uint8_t*>(input.data());
    state_->avail_in = static_cast<uint32_t>(input.size());
    for (;;) {
      if (between_members_) {
        if (state_->avail_in == 0) return true;
        const uint32_t left = state_->avail_in;
        uint8_t* const next = state_->next_in;
        start();
        state_->next_in = next;
        state_->avail_in = left;
      }
      state_->next_out = buffer_.data();
      state_->avail_out = static_cast<uint32_t>(buffer_.size());
      const int result = isal_inflate(state_.get());
      if (result < 0 || result == ISAL_NEED_DICT) {
        throw Fault(kLayerInvalid, "the layer's gzip data is damaged (code " + std::to_string(result) + ")");
      }
      const size_t produced = buffer_.size() - state_->avail_out;
      if (produced > 0 && !output(Bytes(buffer_.data(), produced))) return false;
      if (state_->block_state == ISAL_BLOCK_FINISH) {
        between_members_ = true;
      } else if (state_->avail_in == 0 && state_->avail_out != 0) {
        return true;
      }
    }
  }

  void finish() override {
    if (!between_members_) truncated();
  }

 private:
  void start() {
    isal_inflate_init(state_.get());
    state_->crc_flag = ISAL_GZIP;  // headers and trailers (CRC-32, length) are read and checked
    between_members_ = false;
  }

  std::unique_ptr<inflate_state> state_;
  std::vector<uint8_t> buffer_;
  bool between_members_ = false;
};

class ZstdDecoder : public Decoder {
 public:
  ZstdDecoder() : stream_(ZSTD_createDCtx(), ZSTD_freeDCtx), buffer_(BlockPipe::kBlockBytes) {
    if (!stream_) throw Fault("ENOMEM", "no memory for zstd");
  }

  bool decode(Bytes input, const Output& output) override {
    ZSTD_inBuffer in{input.data(), input.size(), 0};
    bool full = false;
    while (in.pos < in.size || full) {
      ZSTD_outBuffer out{buffer_.data(), buffer_.size(), 0};
      const size_t result = ZSTD_decompressStream(stream_.get(), &out, &in);
      if (ZSTD_isError(result)) {
        throw Fault(kLayerInvalid,
                    std::string("the layer's zstd data is damaged (") + ZSTD_getErrorName(result) + ")");
      }
      between_frames_ = result == 0;
      full = out.pos == out.size && !between_frames_;
      if (out.pos > 0 && !output(Bytes(buffer_.data(), out.pos))) return false;
    }
    return true;
  }

  void finish() override {
    if (!between_frames_) truncated();
  }

 private:
  std::unique_ptr<ZSTD_DCtx, size_t (*)(ZSTD_DCtx*)> stream_;
  std::vector<uint8_t> buffer_;
  bool between_frames_ = false;
};

bool startsWith(Bytes bytes, std::initializer_list<uint8_t> magic) {
  return bytes.size() >= magic.size() && std::memcmp(bytes.data(), magic.begin(), magic.size()) == 0;
}

}  // namespace

std::unique_ptr<Decoder> decoderFor(Bytes firstBytes) {
  if (startsWith(firstBytes, {0x1f, 0x8b})) return std::make_unique<GzipDecoder>();
  if (startsWith(firstBytes, {0x28, 0xb5, 0x2f, 0xfd})) return std::make_unique<ZstdDecoder>();
  return std::make_unique<PlainDecoder>();
}

}  // namespace slipway
