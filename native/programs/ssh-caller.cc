// What sshd starts in its room, a thin client of the web process (src/ssh/protocol.ts), which knows who may come and what they may do:
//
//   ssh-caller key TYPE BLOB     prints the line of authorized_keys(5) for a key that somebody has
//   ssh-caller -c PASS           the shell of whoever has come: carries a conversation with git, or becomes the command line
//
// What the caller asked for is in SSH_ORIGINAL_COMMAND. It goes to the web process as it is: nothing here reads it.
#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>

#include "packets.h"

namespace {

constexpr char kSocket[] = "/slipway/web/ssh.sock";
/** sshd passes on what fits into a packet of its own; more than this is no command of ours. */
constexpr size_t kMaxCommandBytes = 32 * 1024;
constexpr int kEndAfterMs = 5'000;

/** The bands of src/ssh/protocol.ts. */
constexpr char kOutput = 1;
constexpr char kErrors = 2;
constexpr char kExit = 3;
constexpr char kBecome = 4;
constexpr char kInput = 5;

[[noreturn]] void fail(const std::string& message) {
  const std::string line = " !     " + message + "\n";
  // There is nobody else to tell.
  if (write(STDERR_FILENO, line.data(), line.size()) < 0) _exit(1);
  _exit(1);
}

int connectToWeb() {
  const std::optional<int> web = connectTo(kSocket);
  if (!web.has_value()) fail("Slipway is not available just now. Try again.");
  return *web;
}

int printKey(const char* type, const char* blob) {
  const int web = connectToWeb();
  if (!sendAll(web, packets({std::string("key ") + type + " " + blob}))) return 1;
  Packets packets;
  std::string line;
  char bytes[4096];
  for (;;) {
    const ssize_t count = recv(web, bytes, sizeof bytes, 0);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return 1;
    packets.add(bytes, static_cast<size_t>(count));
    for (Packets::Next next; (next = packets.take(&line)) != Packets::Next::kNone;) {
      if (next != Packets::Next::kPacket) return next == Packets::Next::kFlush ? 0 : 1;
      line += '\n';
      if (write(STDOUT_FILENO, line.data(), line.size()) < 0) return 1;
    }
  }
}

/** Bytes on their way to a descriptor that does not block. */
class Outgoing {
 public:
  explicit Outgoing(int fd) : fd_(fd) {}

  int fd() const { return fd_; }
  bool isEmpty() const { return bytes_.empty(); }
  void add(std::string_view bytes) { bytes_ += bytes; }

  /** False when nobody takes them any more. */
  bool move() {
    while (!bytes_.empty()) {
      const ssize_t count = write(fd_, bytes_.data(), bytes_.size());
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) return errno == EAGAIN;
      bytes_.erase(0, static_cast<size_t>(count));
    }
    return true;
  }

 private:
  int fd_;
  std::string bytes_;
};

/** `NAME=value` each with a NUL behind it, a NUL, and the arguments likewise, with a `=` before each so that none is empty. */
struct Command {
  std::vector<std::string> environment;
  std::vector<std::string> arguments;

  explicit Command(const std::string& text) {
    std::vector<std::string>* into = &environment;
    for (size_t at = 0; at < text.size();) {
      const size_t end = std::min(text.find('\0', at), text.size());
      const std::string part = text.substr(at, end - at);
      at = end + 1;
      if (part.empty()) into = &arguments;
      else into->push_back(into == &arguments ? part.substr(1) : part);
    }
  }
};

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> all;
  for (std::string& text : texts) all.push_back(text.data());
  all.push_back(nullptr);
  return all;
}

pid_t start(Command& command) {
  const char* terminal = getenv("TERM");
  if (terminal != nullptr && isatty(STDIN_FILENO)) command.environment.push_back(std::string("TERM=") + terminal);
  const pid_t starter = getpid();
  const pid_t child = fork();
  if (child != 0) return child;
  for (const int name : {SIGINT, SIGQUIT, SIGTSTP, SIGPIPE}) signal(name, SIG_DFL);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != starter) _exit(1);
  std::vector<char*> arguments = pointers(command.arguments);
  std::vector<char*> environment = pointers(command.environment);
  execve(arguments[0], arguments.data(), environment.data());
  fail(std::string("the command line cannot be started: ") + strerror(errno));
}

/** Runs the command line with our own input and output, until it ends, the caller hangs up, or the web process lets go. */
int become(int web, Packets& frames, const std::string& text) {
  // ^C at the caller's terminal is for the command line, which ends when it wants to.
  for (const int name : {SIGINT, SIGQUIT, SIGTSTP, SIGPIPE}) signal(name, SIG_IGN);
  Command command(text);
  if (command.arguments.empty()) fail("there is nothing to start");
  const pid_t child = start(command);
  if (child < 0) fail("no process can be started");
  const int handle = static_cast<int>(syscall(SYS_pidfd_open, child, 0));
  bool isEnding = false;
  int code = -1;
  for (;;) {
    pollfd waiting[3] = {{handle, POLLIN, 0}, {isEnding ? -1 : web, POLLIN, 0}, {isEnding ? -1 : STDOUT_FILENO, 0, 0}};
    const int ready = poll(waiting, 3, isEnding ? kEndAfterMs : -1);
    if (ready < 0 && errno == EINTR) continue;
    if (ready == 0) kill(child, SIGKILL);
    if (waiting[0].revents != 0) break;
    bool isOver = waiting[2].revents != 0;
    if (waiting[1].revents != 0) {
      char bytes[4096];
      const ssize_t count = recv(web, bytes, sizeof bytes, 0);
      if (count <= 0) isOver = true;
      else frames.add(bytes, static_cast<size_t>(count));
      std::string frame;
      while (frames.take(&frame) == Packets::Next::kPacket) {
        if (frame[0] == kErrors && write(STDERR_FILENO, frame.data() + 1, frame.size() - 1) < 0) isOver = true;
        if (frame[0] == kExit) {
          code = atoi(frame.c_str() + 1);
          isOver = true;
        }
      }
    }
    if (!isOver) continue;
    isEnding = true;
    kill(child, SIGTERM);
  }
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (code >= 0) return code;
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/** Carries bytes both ways, neither way waiting for the other, until the web process says how it ended. */
int carry(int web) {
  signal(SIGPIPE, SIG_IGN);
  for (const int fd : {web, STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
  Outgoing toWeb(web);
  Outgoing output(STDOUT_FILENO);
  Outgoing errors(STDERR_FILENO);
  Packets frames;
  // What comes may be for the command line: it is not touched before the web process asks for it.
  bool hasInput = false;
  int code = -1;
  std::string frame;
  for (;;) {
    const bool isShown = output.isEmpty() && errors.isEmpty();
    if (code >= 0 && isShown) return code;
    pollfd waiting[4] = {
        {web, static_cast<short>((isShown && code < 0 ? POLLIN : 0) | (toWeb.isEmpty() ? 0 : POLLOUT)), 0},
        {hasInput && toWeb.isEmpty() ? STDIN_FILENO : -1, POLLIN, 0},
        {STDOUT_FILENO, static_cast<short>(output.isEmpty() ? 0 : POLLOUT), 0},
        {errors.isEmpty() ? -1 : STDERR_FILENO, POLLOUT, 0}};
    if (poll(waiting, 4, -1) < 0) continue;
    char bytes[32 * 1024];
    if (waiting[1].revents != 0) {
      const ssize_t count = read(STDIN_FILENO, bytes, sizeof bytes);
      if (count > 0) toWeb.add(packet(std::string_view(bytes, static_cast<size_t>(count))));
      else if (count == 0 || (errno != EAGAIN && errno != EINTR)) {
        hasInput = false;
        toWeb.add(kFlush);
      }
    }
    if (!toWeb.move()) return 1;
    // The caller has hung up: what git still says is for nobody.
    if ((waiting[2].revents & (POLLERR | POLLHUP)) != 0 || !output.move()) return 1;
    if (!errors.move()) return 1;
    if (!(isShown && code < 0) || (waiting[0].revents & (POLLIN | POLLHUP | POLLERR)) == 0) continue;
    const ssize_t count = recv(web, bytes, sizeof bytes, 0);
    if (count < 0 && (errno == EAGAIN || errno == EINTR)) continue;
    if (count <= 0) fail("The connection to Slipway was lost.");
    frames.add(bytes, static_cast<size_t>(count));
    for (Packets::Next next; (next = frames.take(&frame)) != Packets::Next::kNone;) {
      if (next != Packets::Next::kPacket || frame.empty()) fail("Slipway is not understood.");
      if (frame[0] == kBecome) {
        for (const int fd : {web, STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO})
          fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
        return become(web, frames, frame.substr(1));
      }
      if (frame[0] == kInput) hasInput = true;
      if (frame[0] == kOutput) output.add(std::string_view(frame).substr(1));
      if (frame[0] == kErrors) errors.add(std::string_view(frame).substr(1));
      if (frame[0] == kExit) code = atoi(frame.c_str() + 1);
    }
    if (!output.move() || !errors.move()) return 1;
  }
}

int serve(const std::string& pass) {
  const char* command = getenv("SSH_ORIGINAL_COMMAND");
  const std::string asked = command == nullptr ? "" : command;
  if (asked.size() > kMaxCommandBytes) fail("the command is longer than 32768 bytes");
  const int web = connectToWeb();
  Lines request = {"session " + pass, "command " + asked};
  if (isatty(STDIN_FILENO)) request.push_back("terminal");
  if (!sendAll(web, packets(request))) fail("Slipway is not available just now. Try again.");
  return carry(web);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 4 && strcmp(argv[1], "key") == 0) return printKey(argv[2], argv[3]);
  if (argc == 3 && strcmp(argv[1], "-c") == 0) return serve(argv[2]);
  fail("Slipway gives no shell");
}
