// An archive of ADD taken apart: what its headers say, and the bytes of all its files one after the other in
// one spool. No name of the archive ever becomes a path of this machine.
#pragma once

#include <optional>
#include <vector>

#include "layer_stream.h"
#include "tar.h"

namespace slipway {

struct ArchiveRequest {
  std::string archive;  // tar, or gzip or zstd of it
  std::string spool;    // a file to make
  StreamLimits limits;
  uint64_t max_entries = UINT64_MAX;
};

struct ArchivedEntry {
  TarEntry entry;       // its path as it is written in the archive
  uint64_t offset = 0;  // of a file's bytes in the spool
};

// Empty when it does not begin with a tar header. Throws when it does, and is damaged further on.
std::optional<std::vector<ArchivedEntry>> unpackArchive(const ArchiveRequest& request,
                                                        const CancelFlag& cancel);

}  // namespace slipway
