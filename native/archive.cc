#include "archive.h"

#include "tar_read.h"

namespace slipway {
namespace {

std::optional<TarEntry> firstEntry(TarReader& reader) {
  try {
    return reader.next();
  } catch (const Fault& fault) {
    if (fault.code() == kLayerInvalid) return std::nullopt;
    throw;
  }
}

// The same attributes that a scan of files would find (layerXattrs).
void keepLayerXattrs(Xattrs& xattrs) {
  std::erase_if(xattrs, [](const auto& xattr) {
    const std::string& name = xattr.first;
    return name != "security.capability" && (!name.starts_with("user.") || name.starts_with("user.overlay."));
  });
}

}  // namespace

std::optional<std::vector<ArchivedEntry>> unpackArchive(const ArchiveRequest& request,
                                                        const CancelFlag& cancel) {
  LayerStream stream(request.archive, request.limits, cancel);
  TarReader reader(stream);
  std::optional<TarEntry> entry = firstEntry(reader);
  if (!entry) return std::nullopt;
  const Fd spool = openAt(AT_FDCWD, request.spool.c_str(), O_WRONLY | O_CREAT | O_EXCL, 0600, request.spool);
  std::vector<ArchivedEntry> entries;
  uint64_t offset = 0;
  for (; entry; entry = reader.next()) {
    cancel.check();
    if (entries.size() >= request.max_entries) {
      throw Fault(kLayerTooLarge,
                  "the layer holds more than " + std::to_string(request.max_entries) + " entries");
    }
    const uint64_t start = offset;
    for (Bytes data = reader.data(); !data.empty(); data = reader.data()) {
      cancel.check();
      writeAll(spool.get(), data, request.spool);
      offset += data.size();
    }
    keepLayerXattrs(entry->xattrs);
    entries.push_back({std::move(*entry), start});
  }
  return entries;
}

}  // namespace slipway
