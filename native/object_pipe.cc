#include "object_pipe.h"

#include <poll.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>

namespace slipway {
namespace {

constexpr int kPipeBytes = 1024 * 1024;
constexpr size_t kBufferBytes = 256 * 1024;
// An id, a type and a size.
constexpr size_t kHeaderBytes = 256;
constexpr int kPollMs = 500;
// A git that writes nothing for so long is stuck.
constexpr int kStallMs = 60'000;

}  // namespace

ObjectPipe::ObjectPipe() : buffer_(kBufferBytes) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) throwErrno(errno, "make", "a pipe");
  reader_ = Fd(ends[0]);
  writer_ = Fd(ends[1]);
  // Fewer changes between git and us; where the system allows no more it stays as it is.
  ::fcntl(reader_.get(), F_SETPIPE_SZ, kPipeBytes);
}

uint64_t ObjectPipe::begin(const std::string& oid, const CancelFlag& cancel) {
  std::string header;
  for (;;) {
    if (position_ == filled_) fill(cancel);
    const auto from = buffer_.begin() + static_cast<std::ptrdiff_t>(position_);
    const auto until = buffer_.begin() + static_cast<std::ptrdiff_t>(filled_);
    const auto line_end = std::find(from, until, '\n');
    header.append(from, line_end);
    position_ = static_cast<size_t>(line_end - buffer_.begin());
    if (header.size() > kHeaderBytes) throw Fault(kObjectsEnded, "git answered something else", oid);
    if (line_end == until) continue;
    position_++;
    break;
  }
  const std::string expected = oid + " blob ";
  if (!header.starts_with(expected)) throw Fault(kObjectsEnded, "git answered: " + header, oid);
  uint64_t size = 0;
  const char* const last = header.data() + header.size();
  const auto [rest, problem] = std::from_chars(header.data() + expected.size(), last, size);
  if (problem != std::errc() || rest != last) throw Fault(kObjectsEnded, "git answered: " + header, oid);
  return size;
}

void ObjectPipe::read(std::span<uint8_t> to, const CancelFlag& cancel) {
  while (!to.empty()) {
    size_t got = std::min(to.size(), filled_ - position_);
    if (got > 0) {
      std::memcpy(to.data(), buffer_.data() + position_, got);
      position_ += got;
    } else if (to.size() >= kBufferBytes) {
      got = receive(to, cancel);
    } else {
      fill(cancel);
    }
    to = to.subspan(got);
  }
}

void ObjectPipe::end(const CancelFlag& cancel) {
  if (position_ == filled_) fill(cancel);
  if (buffer_[position_++] != '\n') throw Fault(kObjectsEnded, "an object is longer than git said");
}

void ObjectPipe::fill(const CancelFlag& cancel) {
  filled_ = receive(buffer_, cancel);
  position_ = 0;
}

size_t ObjectPipe::receive(std::span<uint8_t> to, const CancelFlag& cancel) {
  if (!reader_.open()) throw Fault(kObjectsEnded, "the pipe from git is closed");
  for (int waited = 0;;) {
    cancel.check();
    pollfd ready = {.fd = reader_.get(), .events = POLLIN, .revents = 0};
    const int count = ::poll(&ready, 1, kPollMs);
    if (count == 0) {
      waited += kPollMs;
      if (waited >= kStallMs) throw Fault(kObjectsEnded, "git does not answer");
      continue;
    }
    const ssize_t got = count < 0 ? -1 : ::read(reader_.get(), to.data(), to.size());
    if (got > 0) return static_cast<size_t>(got);
    if (got == 0) throw Fault(kObjectsEnded, "git ended early");
    if (errno != EINTR && errno != EAGAIN) throwErrno(errno, "read", "a pipe");
  }
}

}  // namespace slipway
