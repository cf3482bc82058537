// Looks into a network namespace: what /proc/net and /proc/sys/net show depends on the thread that opens them, and so the
// calling thread enters it and has to end afterwards.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace slipway {

struct NamespaceRequest {
  // Such as /run/netns/name.
  std::string path;
  // Files below /proc/sys/net and what is written to them.
  std::vector<std::pair<std::string, std::string>> settings;
  // Files below /proc/net; the answer has their texts in this order, an empty one for a file that is not there.
  std::vector<std::string> files;
};

std::vector<std::string> lookIntoNamespace(const NamespaceRequest& request);

}  // namespace slipway
