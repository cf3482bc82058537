#include "network_namespace.h"

#include <sched.h>

#include <array>
#include <cerrno>

#include "fault.h"
#include "files.h"

namespace slipway {
namespace {

std::string readText(const std::string& path) {
  const Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.open()) {
    if (errno == ENOENT) return "";
    throwErrno(errno, "open", path);
  }
  std::string text;
  std::array<uint8_t, 16384> block{};
  // proc gives what it has ready: a short read is not the end.
  for (ssize_t got = 0; (got = ::read(file.get(), block.data(), block.size())) != 0;) {
    if (got < 0) throwErrno(errno, "read", path);
    text.append(reinterpret_cast<const char*>(block.data()), static_cast<size_t>(got));
  }
  return text;
}

}  // namespace

std::vector<std::string> lookIntoNamespace(const NamespaceRequest& request) {
  const Fd network = openAt(AT_FDCWD, request.path.c_str(), O_RDONLY, 0, request.path);
  if (::setns(network.get(), CLONE_NEWNET) != 0) throwErrno(errno, "enter", request.path);
  for (const auto& [name, value] : request.settings) {
    const std::string path = "/proc/sys/net/" + name;
    const Fd file = openAt(AT_FDCWD, path.c_str(), O_WRONLY, 0, path);
    writeAll(file.get(), Bytes(reinterpret_cast<const uint8_t*>(value.data()), value.size()), path);
  }
  std::vector<std::string> texts;
  for (const std::string& name : request.files) texts.push_back(readText("/proc/thread-self/net/" + name));
  return texts;
}

}  // namespace slipway
