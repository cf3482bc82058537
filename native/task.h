// A piece of work on a thread of its own that settles a promise. Not libuv's pool: four layers being
// extracted would keep every file call of the process waiting. When the process ends, running tasks are
// cancelled and waited for.
#pragma once

#define NAPI_DISABLE_CPP_EXCEPTIONS
#include <napi.h>

#include <functional>
#include <memory>

#include "fault.h"

namespace slipway {

// Runs on the main thread when the work is done.
using ToValue = std::function<Napi::Value(Napi::Env)>;
// Runs on the task's thread. What it throws rejects the promise.
using Work = std::function<ToValue(const CancelFlag&)>;

// `keep` is held until the promise is settled: values whose memory the work reads.
Napi::Value startTask(Napi::Env env, std::shared_ptr<CancelFlag> cancel, Work work, Napi::Value keep = {});

// When the process exits, running tasks are cancelled and waited for, so that they remove what they had half
// done.
void stopTasksAtExit();

}  // namespace slipway
