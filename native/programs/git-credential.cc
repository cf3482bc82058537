// What git asks for the password of a platform (gitcredentials(7)), two times in every push: `slipway git:credential`, as
// far as it needs no thought. Answers from the file that `slipway login` wrote when that plainly names the address that git
// asks for; for everything else it becomes the command line, which knows the rules (src/cli/credentials.ts).
//
//   git-credential <the command line's launcher> get|store|erase
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>

namespace {

constexpr size_t kMaxBytes = 64 * 1024;

std::string readAll(int fd) {
  std::string bytes;
  char chunk[4096];
  for (ssize_t count; bytes.size() < kMaxBytes && (count = read(fd, chunk, sizeof chunk)) > 0;)
    bytes.append(chunk, static_cast<size_t>(count));
  return bytes;
}

bool isSet(const char* name) {
  const char* value = getenv(name);
  return value != nullptr && *value != '\0';
}

std::optional<std::string> credentialsFile() {
  if (isSet("XDG_CONFIG_HOME")) return std::string(getenv("XDG_CONFIG_HOME")) + "/slipway/credentials.json";
  if (isSet("HOME")) return std::string(getenv("HOME")) + "/.config/slipway/credentials.json";
  return std::nullopt;
}

/** The value of `"name": "…"` in a document as saveCredentials writes it; nothing when it holds an escape. */
std::optional<std::string> valueOf(std::string_view document, const std::string& name) {
  const std::string key = "\n  \"" + name + "\": \"";
  const size_t at = document.find(key);
  if (at == std::string_view::npos) return std::nullopt;
  const std::string_view rest = document.substr(at + key.size());
  const size_t end = rest.find('"');
  if (end == std::string_view::npos || rest.substr(0, end).find('\\') != std::string_view::npos)
    return std::nullopt;
  return std::string(rest.substr(0, end));
}

/** `name=value`, one a line. */
std::string fieldOf(const std::string& asked, const std::string& name) {
  const std::string lines = "\n" + asked;
  const size_t at = lines.find("\n" + name + "=");
  if (at == std::string::npos) return "";
  const size_t start = at + name.size() + 2;
  return lines.substr(start, lines.find('\n', start) - start);
}

/** Gives git's question back to whoever reads our standard input next. */
void giveBack(const std::string& asked) {
  // Not a pipe: a server's words are in the question, and with more than a pipe holds we would wait for ourselves.
  const int file = memfd_create("question", MFD_CLOEXEC);
  if (file < 0 || write(file, asked.data(), asked.size()) != static_cast<ssize_t>(asked.size())) _exit(1);
  if (lseek(file, 0, SEEK_SET) != 0 || dup2(file, STDIN_FILENO) < 0) _exit(1);
}

std::optional<std::string> plainAnswer(const std::string& asked) {
  if (isSet("SLIPWAY_URL") || isSet("SLIPWAY_TOKEN")) return std::nullopt;
  const std::optional<std::string> path = credentialsFile();
  if (!path.has_value()) return std::nullopt;
  const int fd = open(path->c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return std::nullopt;
  const std::string document = readAll(fd);
  close(fd);
  const std::optional<std::string> url = valueOf(document, "url");
  const std::optional<std::string> token = valueOf(document, "token");
  if (!url.has_value() || !token.has_value() || token->empty()) return std::nullopt;
  const std::string origin = fieldOf(asked, "protocol") + "://" + fieldOf(asked, "host");
  const bool isThere = *url == origin || url->compare(0, origin.size() + 1, origin + "/") == 0;
  if (!isThere) return std::nullopt;
  return "username=slipway\npassword=" + *token + "\n";
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  // Only what git asks is answered: it has no use for what is kept elsewhere.
  if (strcmp(argv[2], "get") != 0) return 0;
  const std::string asked = readAll(STDIN_FILENO);
  if (const std::optional<std::string> answer = plainAnswer(asked); answer.has_value())
    return write(STDOUT_FILENO, answer->data(), answer->size()) == static_cast<ssize_t>(answer->size()) ? 0 : 1;
  giveBack(asked);
  execl(argv[1], argv[1], "git:credential", "get", nullptr);
  return 1;
}
