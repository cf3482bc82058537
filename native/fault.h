// The one failure type of the addon. `code` is an errno name (ENOSPC) or one of the codes below; border.cc
// turns it into a JavaScript Error with the same code and path, so nothing is ever thrown across the border.
#pragma once

#include <atomic>
#include <stdexcept>
#include <string>
#include <string_view>

namespace slipway {

inline constexpr std::string_view kLayerInvalid = "LAYER_INVALID";
inline constexpr std::string_view kLayerTooLarge = "LAYER_TOO_LARGE";
inline constexpr std::string_view kDigestMismatch = "DIGEST_MISMATCH";
inline constexpr std::string_view kEntryInvalid = "ENTRY_INVALID";
inline constexpr std::string_view kFileChanged = "FILE_CHANGED";
inline constexpr std::string_view kObjectsEnded = "OBJECTS_ENDED";
inline constexpr std::string_view kCancelled = "CANCELLED";

class Fault : public std::runtime_error {
 public:
  Fault(std::string_view code, const std::string& message, std::string path = "")
      : std::runtime_error(message), code_(code), path_(std::move(path)) {}
  const std::string& code() const { return code_; }
  const std::string& path() const { return path_; }

 private:
  std::string code_;
  std::string path_;
};

// Throws the Fault of an errno value: "write usr/bin/x: No space left on device".
[[noreturn]] void throwErrno(int error, std::string_view action, std::string_view path);

// Set from the main thread, looked at by the working one at every entry and every block of data.
class CancelFlag {
 public:
  void set() { set_.store(true, std::memory_order_relaxed); }
  void check() const {
    if (set_.load(std::memory_order_relaxed)) throw Fault(kCancelled, "cancelled");
  }

 private:
  std::atomic<bool> set_{false};
};

}  // namespace slipway
