#include "confined_process.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

namespace slipway {
namespace {

constexpr size_t kStackBytes = 64 * 1024;
// So long after the process is to exit its threads may still wait for a step.
constexpr int kCancelPollMs = 100;
constexpr int kExecFailed = 127;

// All that the child needs, made before it is there: it shares our memory and must not allocate.
struct Child {
  const ConfinedRequest& request;
  std::vector<char*> arguments;
  std::vector<char*> environment;
  std::vector<Fd> joins;
  Fd null;
  // Of each hidden mount point, the directory that it is in.
  std::vector<std::string> covers;
  const char* failed = nullptr;
  int error = 0;
};

std::vector<char*> pointers(const std::vector<std::string>& strings) {
  std::vector<char*> all;
  for (const std::string& each : strings) all.push_back(const_cast<char*>(each.c_str()));
  all.push_back(nullptr);
  return all;
}

[[noreturn]] void giveUp(Child& child, const char* action) {
  child.failed = action;
  child.error = errno;
  ::_exit(kExecFailed);
}

void hide(Child& child) {
  if (child.request.hidden.empty()) return;
  if (::unshare(CLONE_NEWNS) != 0) giveUp(child, "make a mount namespace for");
  // Or the others would lose it too, where mounts are shared. What they unmount is to go from here as well: private, it
  // would stay for as long as the step runs, with its files.
  if (::mount(nullptr, "/", nullptr, MS_REC | MS_SLAVE, nullptr) != 0) giveUp(child, "hide mounts from");
  // Covered and not unmounted: an unmount waits for the kernel's grace periods.
  for (size_t i = 0; i < child.request.hidden.size(); i++) {
    const char* place = child.request.hidden[i].c_str();
    if (::mount(child.covers[i].c_str(), place, nullptr, MS_BIND, nullptr) != 0) giveUp(child, "hide a mount from");
  }
}

int run(void* pointer) {
  Child& child = *static_cast<Child*>(pointer);
  ::setsid();
  for (const Fd& join : child.joins) {
    // `tasks` and a 0: a process of one thread that moves itself does not stop the world (cgroup_procs_write_start).
    if (::write(join.get(), "0", 1) != 1) giveUp(child, "put into its cgroups");
  }
  hide(child);
  if (::dup2(child.null.get(), 0) < 0 || ::dup2(child.request.output, 1) < 0 ||
      ::dup2(child.request.output, 2) < 0) {
    giveUp(child, "connect the output of");
  }
  ::syscall(SYS_close_range, 3U, ~0U, CLOSE_RANGE_CLOEXEC);
  // Node ignores some signals, and what is ignored stays so in a new program.
  struct sigaction plain {};
  plain.sa_handler = SIG_DFL;
  for (int signal = 1; signal < NSIG; signal++) ::sigaction(signal, &plain, nullptr);
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  if (::chdir("/") != 0) giveUp(child, "go to the root for");
  char** arguments = child.arguments.data();
  char** environment = child.environment.data();
  if (child.request.sealed >= 0) {
    ::syscall(SYS_execveat, child.request.sealed, "", arguments, environment, AT_EMPTY_PATH);
  } else {
    ::execve(child.request.program.c_str(), arguments, environment);
  }
  giveUp(child, "start");
}

void prepare(const ConfinedRequest& request) {
  for (const std::string& directory : request.directories) {
    if (::mkdir(directory.c_str(), 0755) != 0) throwErrno(errno, "make", directory);
  }
  for (const auto& [path, value] : request.settings) {
    const Fd file = openAt(AT_FDCWD, path.c_str(), O_WRONLY, 0, path);
    writeAll(file.get(), Bytes(reinterpret_cast<const uint8_t*>(value.data()), value.size()), path);
  }
}

}  // namespace

ConfinedProcess startConfined(const ConfinedRequest& request) {
  prepare(request);
  Child child{request, pointers(request.arguments), pointers(request.environment), {}, {}, {}};
  for (const std::string& path : request.joins)
    child.joins.push_back(openAt(AT_FDCWD, path.c_str(), O_WRONLY, 0, path));
  for (const std::string& path : request.hidden) child.covers.push_back(path.substr(0, path.rfind('/')));
  child.null = openAt(AT_FDCWD, "/dev/null", O_RDWR, 0, "/dev/null");

  std::vector<char> stack(kStackBytes);
  char* top = stack.data() + (kStackBytes & ~static_cast<size_t>(15));
  top -= reinterpret_cast<uintptr_t>(top) % 16;
  // Until it has reset them, the child would run our handlers, on our memory.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  int descriptor = -1;
  const pid_t pid =
      ::clone(run, top, CLONE_VM | CLONE_VFORK | CLONE_PIDFD | SIGCHLD, &child, &descriptor);
  const int error = errno;
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (pid < 0) throwErrno(error, "make a process for", request.program);
  ConfinedProcess process{pid, Fd(descriptor)};
  if (child.failed != nullptr) {
    while (::waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
    }
    throwErrno(child.error, child.failed, request.program);
  }
  return process;
}

int waitFor(const ConfinedProcess& process, const CancelFlag& cancel) {
  for (;;) {
    cancel.check();
    struct pollfd end {
      process.descriptor.get(), POLLIN, 0
    };
    const int ready = ::poll(&end, 1, kCancelPollMs);
    if (ready < 0 && errno != EINTR) throwErrno(errno, "wait for", "a process");
    if (ready > 0) break;
  }
  int status = 0;
  while (::waitpid(process.pid, &status, 0) < 0) {
    if (errno != EINTR) throwErrno(errno, "wait for", "a process");
  }
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

int sealProgram(const std::string& path) {
  Fd mounted(static_cast<int>(
      ::syscall(SYS_open_tree, AT_FDCWD, path.c_str(), OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC)));
  struct mount_attr readOnly {};
  readOnly.attr_set = MOUNT_ATTR_RDONLY;
  if (!mounted.open() ||
      ::syscall(SYS_mount_setattr, mounted.get(), "", AT_EMPTY_PATH, &readOnly, sizeof readOnly) != 0) {
    return -1;
  }
  return mounted.release();
}

}  // namespace slipway
