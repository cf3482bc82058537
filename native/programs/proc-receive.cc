// The `proc-receive` hook that git receive-pack starts (githooks(5), "proc-receive", version 1): a thin client of the web
// process. It passes the proposed updates on through the hook socket (src/git/hook-protocol.ts), writes the log that
// comes back to stderr, which git carries to the pusher, and hands the verdicts to git. Every push waits for its start, so
// it is a small program that is linked statically and needs nothing of the machine.
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>

#include "packets.h"

namespace {

/** The bands of src/git/hook-protocol.ts. */
constexpr char kReport = 1;
constexpr char kLog = 2;
constexpr char kAccepted = 3;

/** Whoever read us is gone: nobody is left to be told. */
[[noreturn]] void giveUp() { _exit(1); }

void writeAll(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = write(fd, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) giveUp();
    bytes.remove_prefix(static_cast<size_t>(written));
  }
}

void tell(std::string_view text) { writeAll(STDERR_FILENO, text); }

[[noreturn]] void fail(const std::string& message) {
  tell(" !     " + message + "\n");
  giveUp();
}

/** What receive-pack says, section by section; a section ends with a flush. */
class Git {
 public:
  Lines section() {
    Lines lines;
    std::string line;
    for (;;) {
      switch (packets_.take(&line)) {
        case Packets::Next::kFlush: return lines;
        case Packets::Next::kDamaged:
          fail("what receive-pack said is not understood: not a pkt-line: \"" + packets_.digits() + "\"");
        case Packets::Next::kPacket:
          if (!line.empty() && line.back() == '\n') line.pop_back();
          lines.push_back(line);
          break;
        case Packets::Next::kNone: more();
      }
    }
  }

  /** git keeps its end open until it has our answer: when it closes, git is gone and nobody reads any more. */
  void more() {
    char bytes[16 * 1024];
    const ssize_t count = read(STDIN_FILENO, bytes, sizeof bytes);
    if (count < 0 && errno == EINTR) return;
    if (count <= 0) giveUp();
    packets_.add(bytes, static_cast<size_t>(count));
  }

 private:
  Packets packets_;
};

struct Proposal {
  bool isAtomic = false;
  /** `<old> <new> <ref>`, as git wrote them. */
  Lines updates;
  Lines options;
};

/** Whether a list of words has one. */
bool offers(const std::string& words, std::string_view word) {
  const std::string all = " " + words + " ";
  return all.find(" " + std::string(word) + " ") != std::string::npos;
}

Proposal readProposal(Git& git) {
  const Lines hello = git.section();
  const std::string first = hello.empty() ? "" : hello.front();
  const size_t zero = first.find('\0');
  const std::string version = first.substr(0, zero);
  const std::string offered = zero == std::string::npos ? "" : first.substr(zero + 1);
  if (version != "version=1") fail("receive-pack speaks \"" + version + "\", not version=1");
  const bool hasOptions = offers(offered, "push-options");
  Proposal proposal;
  proposal.isAtomic = offers(offered, "atomic");
  std::string features = hasOptions ? "push-options" : "";
  if (proposal.isAtomic) features += features.empty() ? "atomic" : " atomic";
  writeAll(STDOUT_FILENO, packets({std::string("version=1\0", 10) + features + "\n"}));
  proposal.updates = git.section();
  if (hasOptions) proposal.options = git.section();
  return proposal;
}

/** Answers git and ends. */
[[noreturn]] void report(Lines lines) {
  for (std::string& line : lines) line += '\n';
  writeAll(STDOUT_FILENO, packets(lines));
  _exit(0);
}

[[noreturn]] void refuseAll(const Proposal& proposal, const std::string& reason) {
  Lines lines;
  for (const std::string& update : proposal.updates) {
    const size_t second = update.find(' ', update.find(' ') + 1);
    lines.push_back("ng " + update.substr(second + 1) + " " + reason);
  }
  report(lines);
}

bool sendRequest(int web, const char* pushId, const Proposal& proposal) {
  Lines request = {std::string("push ") + pushId};
  if (proposal.isAtomic) request.push_back("atomic");
  for (const std::string& update : proposal.updates) request.push_back("update " + update);
  for (const std::string& option : proposal.options) request.push_back("option " + option);
  return sendAll(web, packets(request));
}

/** The web process's side of the talk: shows the log and collects the verdicts. Returns when it breaks off. */
void follow(int web, Git& git, std::string* accepted) {
  Packets frames;
  Lines verdicts;
  std::string frame;
  for (;;) {
    pollfd waiting[2] = {{web, POLLIN, 0}, {STDIN_FILENO, POLLIN, 0}};
    if (poll(waiting, 2, -1) < 0) continue;
    if (waiting[1].revents != 0) git.more();
    if (waiting[0].revents == 0) continue;
    char bytes[64 * 1024];
    const ssize_t count = recv(web, bytes, sizeof bytes, 0);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return;
    frames.add(bytes, static_cast<size_t>(count));
    for (Packets::Next next; (next = frames.take(&frame)) != Packets::Next::kNone;) {
      if (next == Packets::Next::kDamaged) return;
      if (next == Packets::Next::kFlush) report(verdicts);
      if (frame.empty()) continue;
      const std::string payload = frame.substr(1);
      if (frame[0] == kLog) tell(payload);
      if (frame[0] == kReport) verdicts.push_back(payload);
      if (frame[0] == kAccepted) *accepted = payload;
    }
  }
}

}  // namespace

int main() {
  signal(SIGPIPE, SIG_IGN);
  Git git;
  const Proposal proposal = readProposal(git);
  const char* socketPath = getenv("SLIPWAY_HOOK_SOCKET");
  const char* pushId = getenv("SLIPWAY_PUSH_ID");
  if (socketPath == nullptr || pushId == nullptr) {
    tell(" !     Push to Slipway over HTTP or SSH: it does not look at what is pushed to its files directly.\n");
    refuseAll(proposal, "not pushed through Slipway");
  }
  /** `<app> <build id>`, once the push is accepted. */
  std::string accepted;
  const std::optional<int> web = connectTo(socketPath);
  if (web.has_value() && sendRequest(*web, pushId, proposal)) follow(*web, git, &accepted);
  if (accepted.empty()) {
    tell(" !     Slipway went away before it accepted this push. Push again.\n");
    refuseAll(proposal, "Slipway is not available");
  }
  const size_t blank = accepted.find(' ');
  const std::string app = accepted.substr(0, blank);
  const std::string id = blank == std::string::npos ? "" : accepted.substr(blank + 1);
  tell(" !     The connection to Slipway was lost. Build " + id + " is accepted and goes on; follow it with\n" +
       " !     slipway builds:output -a " + app + " " + id + " -f\n");
  refuseAll(proposal, "lost sight of build " + id + ", which goes on");
}
