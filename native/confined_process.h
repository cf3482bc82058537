// A program that is started inside cgroups and, where asked, without some of the mounts that the others see. Node's own
// spawn can do neither, and a launcher in between would be one more program to start.
#pragma once

#include <sys/types.h>

#include <string>
#include <utility>
#include <vector>

#include "fault.h"
#include "files.h"

namespace slipway {

struct ConfinedRequest {
  // Absolute; `sealed` is a descriptor from sealProgram for the same file, or -1.
  std::string program;
  int sealed = -1;
  // With the program's name as the first.
  std::vector<std::string> arguments;
  // NAME=value, and nothing else of our own environment.
  std::vector<std::string> environment;
  // Becomes stdout and stderr. stdin is /dev/null.
  int output = -1;
  // Made before the start; one that is there already is an error.
  std::vector<std::string> directories;
  // Files and what is written to each, after the directories were made.
  std::vector<std::pair<std::string, std::string>> settings;
  // `tasks` files (cgroups(7), v1) that the program's process joins before it is there.
  std::vector<std::string> joins;
  // Mount points over which it sees the directory that they are in: it gets a mount namespace of its own.
  std::vector<std::string> hidden;
};

struct ConfinedProcess {
  pid_t pid = -1;
  Fd descriptor;
};

// Returns when the program runs. Whoever calls this also calls waitFor.
ConfinedProcess startConfined(const ConfinedRequest& request);
// Its exit code, or 128 and the number of the signal that ended it.
int waitFor(const ConfinedProcess& process, const CancelFlag& cancel);

// A descriptor of the program on a read-only mount that nobody else sees: what runs from it cannot be written to
// through /proc/<pid>/exe (CVE-2019-5736), and runtimes that make sure of that need no second start. -1 where the kernel
// cannot (before 5.12).
int sealProgram(const std::string& path);

}  // namespace slipway
