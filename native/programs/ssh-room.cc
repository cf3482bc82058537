// The room that sshd and all who come by SSH are in: a tree of files that holds nothing of the machine but what they need, process ids of their
// own, and an account that owns nothing. Started as root; becomes the program.
//
//   ssh-room TREE UID GID [SOURCE TARGET]… -- PROGRAM [ARGUMENT]…
//
// TREE becomes `/`, with each SOURCE to be read at its TARGET there (both exist), `/proc` of the room, and a `/dev` with terminals of its own.
// What is in the room ends with the program, and the program with us: it is the first process of its process ids.
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

namespace {

volatile sig_atomic_t program = 0;

[[noreturn]] void fail(const std::string& what) {
  fprintf(stderr, "ssh-room: %s: %s\n", what.c_str(), strerror(errno));
  _exit(1);
}

void check(int result, const std::string& what) {
  if (result < 0) fail(what);
}

/** To be read only, and nothing on it raises rights. */
void show(const std::string& source, const std::string& target) {
  check(mount(source.c_str(), target.c_str(), nullptr, MS_BIND, nullptr), "bind " + source);
  constexpr unsigned long kHarmless = MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV;
  check(mount(nullptr, target.c_str(), nullptr, kHarmless, nullptr), "bind " + source + " read-only");
}

/** Each of the machine's devices that does no harm; a device of our own could not be made in a container. */
void makeDevices(const std::string& tree) {
  const std::string dev = tree + "/dev";
  check(mount("tmpfs", dev.c_str(), "tmpfs", MS_NOSUID | MS_NOEXEC, "mode=0755,size=64k"), "mount /dev");
  for (const char* name : {"null", "zero", "full", "random", "urandom", "tty"}) {
    const std::string source = std::string("/dev/") + name;
    const std::string target = dev + "/" + name;
    const int fd = open(target.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0666);
    check(fd, "make " + target);
    close(fd);
    check(mount(source.c_str(), target.c_str(), nullptr, MS_BIND, nullptr), "bind " + source);
  }
  const std::string terminals = dev + "/pts";
  check(mkdir(terminals.c_str(), 0755), "make /dev/pts");
  constexpr char kOwn[] = "newinstance,ptmxmode=0666,mode=0620";
  check(mount("devpts", terminals.c_str(), "devpts", MS_NOSUID | MS_NOEXEC, kOwn), "mount /dev/pts");
  check(symlink("pts/ptmx", (dev + "/ptmx").c_str()), "link /dev/ptmx");
}

void enter(const std::string& tree) {
  check(chdir(tree.c_str()), "enter " + tree);
  // The old root comes to lie over the new one, and goes (pivot_root(2), "NOTES").
  check(static_cast<int>(syscall(SYS_pivot_root, ".", ".")), "change the root");
  check(umount2(".", MNT_DETACH), "leave the old root");
  check(chdir("/"), "enter the new root");
}

void becomeNobody(uid_t uid, gid_t gid) {
  check(setgroups(0, nullptr), "leave all groups");
  check(setresgid(gid, gid, gid), "change the group");
  check(setresuid(uid, uid, uid), "change the user");
  check(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "give up new privileges");
  // Not before: a change of user takes it back (prctl(2)).
  check(prctl(PR_SET_PDEATHSIG, SIGKILL), "end with the starter");
}

void passOn(int signal) {
  if (program > 0) kill(program, signal);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 6) {
    fprintf(stderr, "usage: ssh-room TREE UID GID [SOURCE TARGET]... -- PROGRAM [ARGUMENT]...\n");
    return 2;
  }
  const std::string tree = argv[1];
  const auto uid = static_cast<uid_t>(strtoul(argv[2], nullptr, 10));
  const auto gid = static_cast<gid_t>(strtoul(argv[3], nullptr, 10));
  if (uid == 0 || gid == 0) {
    fprintf(stderr, "ssh-room: nobody in here is root\n");
    return 2;
  }
  check(unshare(CLONE_NEWNS | CLONE_NEWPID), "make namespaces");
  check(mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr), "keep mounts to ourselves");
  check(mount(tree.c_str(), tree.c_str(), nullptr, MS_BIND, nullptr), "bind " + tree);
  int at = 4;
  for (; at + 1 < argc && strcmp(argv[at], "--") != 0; at += 2) show(argv[at], tree + argv[at + 1]);
  makeDevices(tree);
  if (at + 1 >= argc) return 2;
  char** command = argv + at + 1;

  struct sigaction forward {};
  forward.sa_handler = passOn;
  for (const int signal : {SIGTERM, SIGINT, SIGHUP}) sigaction(signal, &forward, nullptr);
  const pid_t child = fork();
  check(child, "fork");
  if (child == 0) {
    for (const int signal : {SIGTERM, SIGINT, SIGHUP}) ::signal(signal, SIG_DFL);
    constexpr unsigned long kHarmless = MS_NOSUID | MS_NODEV | MS_NOEXEC;
    // Only from inside it shows the room's own processes (pid_namespaces(7), "/proc and PID namespaces").
    check(mount("proc", (tree + "/proc").c_str(), "proc", kHarmless, nullptr), "mount /proc");
    enter(tree);
    becomeNobody(uid, gid);
    char* nothing[] = {nullptr};
    execve(command[0], command, nothing);
    fail(std::string("start ") + command[0]);
  }
  program = child;
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
