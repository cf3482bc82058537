#include "task.h"

#include <cstdlib>
#include <mutex>
#include <optional>
#include <set>
#include <thread>

#include "sha256.h"

namespace slipway {
namespace {

struct Task;
void settle(Napi::Env env, Napi::Function, Task* task, void*);
using Done = Napi::TypedThreadSafeFunction<Task, void, settle>;

struct Task {
  Task(Napi::Env env, std::shared_ptr<CancelFlag> flag, Work piece)
      : deferred(Napi::Promise::Deferred::New(env)), cancel(std::move(flag)), work(std::move(piece)) {}

  Napi::Promise::Deferred deferred;
  std::shared_ptr<CancelFlag> cancel;
  Work work;
  ToValue result;
  std::optional<Fault> fault;
  Napi::Reference<Napi::Value> kept;
  Done done;
  std::thread thread;
};

void settle(Napi::Env env, Napi::Function, Task* task, void*) {
  if (env == nullptr) return;
  const Napi::HandleScope scope(env);
  if (!task->fault) {
    task->deferred.Resolve(task->result(env));
    return;
  }
  Napi::Error error = Napi::Error::New(env, task->fault->what());
  error.Value().Set("code", task->fault->code());
  if (!task->fault->path().empty()) error.Value().Set("path", task->fault->path());
  task->deferred.Reject(error.Value());
}

// Tasks whose threads run. process.exit() calls no hook of Node's, only exit(3).
std::mutex running_mutex;
std::set<Task*> running;
std::atomic<bool> exiting{false};

void stopAll() {
  exiting.store(true);
  const std::lock_guard lock(running_mutex);
  for (Task* task : running) task->cancel->set();
  for (Task* task : running) {
    if (task->thread.joinable()) task->thread.join();
  }
}

void run(Task* task) {
  try {
    task->result = task->work(*task->cancel);
  } catch (const Fault& fault) {
    task->fault = fault;
  } catch (const std::bad_alloc&) {
    task->fault = Fault("ENOMEM", "out of memory");
  } catch (const std::exception& other) {
    task->fault = Fault("EIO", other.what());
  }
  task->work = nullptr;
  if (exiting.load()) return;
  task->done.BlockingCall();
  task->done.Release();
}

// The end of a worker thread of Node's takes its environment away, and not the process.
void stopWithWorker(void* pointer) {
  Task* task = static_cast<Task*>(pointer);
  task->cancel->set();
  if (task->thread.joinable()) task->thread.join();
}

void release(Napi::Env env, void*, Task* task) {
  napi_remove_env_cleanup_hook(env, stopWithWorker, task);
  {
    const std::lock_guard lock(running_mutex);
    running.erase(task);
  }
  if (task->thread.joinable()) task->thread.join();
  delete task;
}

}  // namespace

void stopTasksAtExit() {
  // Exit handlers run last come, first served: OpenSSL's own must be there before, or it goes while threads
  // hash.
  Sha256().hex();
  static const int once = std::atexit(stopAll);
  static_cast<void>(once);
}

Napi::Value startTask(Napi::Env env, std::shared_ptr<CancelFlag> cancel, Work work, Napi::Value keep) {
  Task* task = new Task(env, std::move(cancel), std::move(work));
  if (!keep.IsEmpty()) task->kept = Napi::Reference<Napi::Value>::New(keep, 1);
  const Napi::Promise promise = task->deferred.Promise();
  task->done = Done::New(env, "slipway task", 0, 1, task, release, static_cast<void*>(nullptr));
  napi_add_env_cleanup_hook(env, stopWithWorker, task);
  const std::lock_guard lock(running_mutex);
  running.insert(task);
  task->thread = std::thread(run, task);
  return promise;
}

}  // namespace slipway
