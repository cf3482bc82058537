#include "fault.h"

#include <cstring>

namespace slipway {

void throwErrno(int error, std::string_view action, std::string_view path) {
  const char* name = strerrorname_np(error);
  std::string message(action);
  if (!path.empty()) message.append(" ").append(path);
  message.append(": ").append(strerrordesc_np(error) != nullptr ? strerrordesc_np(error) : "unknown error");
  throw Fault(name != nullptr ? name : "EIO", message, std::string(path));
}

}  // namespace slipway
