// How a working thread waits for what another thread or process is writing to disk: it looks again.
#pragma once

#include <chrono>
#include <thread>

#include "fault.h"

namespace slipway {

inline void pauseUnlessCancelled(const CancelFlag& cancel) {
  cancel.check();
  std::this_thread::sleep_for(std::chrono::milliseconds(2));
}

}  // namespace slipway
