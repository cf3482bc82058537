#include "lower_stack.h"

#include <cerrno>
#include <numeric>
#include <set>

#include "fault.h"

namespace slipway {

LowerStack::LowerStack(const std::vector<std::string>& directories) {
  roots_.reserve(directories.size());
  for (const std::string& directory : directories) roots_.push_back(openDirectory(directory));
}

LowerStack::Merge LowerStack::root() const {
  Merge all(roots_.size());
  std::iota(all.begin(), all.end(), 0);
  return all;
}

std::optional<LowerStack::Found> LowerStack::find(const Merge& parent, const std::string& path) const {
  std::optional<Found> found;
  for (const size_t layer : parent) {
    const std::optional<struct stat> st = tryStatAt(rootOf(layer), path.c_str(), path);
    if (!st) continue;
    if (!S_ISDIR(st->st_mode)) {
      // A file hides what is below it; a whiteout hides and shows nothing. Below a directory it ends the
      // merge.
      if (!found && !isWhiteout(*st)) found = Found{layer, *st, {}};
      break;
    }
    if (!found) found = Found{layer, *st, {}};
    found->merge.push_back(layer);
    const Fd directory = openAt(rootOf(layer), path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0, path);
    if (hasXattr(directory.get(), "trusted.overlay.opaque", "y")) break;
  }
  return found;
}

std::optional<LowerStack::Found> LowerStack::find(const std::string& path) const {
  Merge merge = root();
  for (size_t end = path.find('/'); end != std::string::npos; end = path.find('/', end + 1)) {
    std::optional<Found> found = find(merge, path.substr(0, end));
    if (!found || found->merge.empty()) return std::nullopt;
    merge = std::move(found->merge);
  }
  return find(merge, path);
}

std::map<std::string, LowerStack::Found> LowerStack::list(const Merge& merge, const std::string& path) const {
  std::map<std::string, Found> shown;
  std::set<std::string> hidden;
  const char* const inside = path.empty() ? "." : path.c_str();
  for (const size_t layer : merge) {
    const Fd directory = openAt(rootOf(layer), inside, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0, path);
    for (std::string& name : sortedNames(directory.get(), path)) {
      if (shown.contains(name) || hidden.contains(name)) continue;
      const std::optional<struct stat> st = tryStatAt(directory.get(), name.c_str(), joinPath(path, name));
      if (!st) continue;
      if (isWhiteout(*st)) {
        hidden.insert(std::move(name));
      } else {
        shown.emplace(std::move(name), Found{layer, *st, {}});
      }
    }
  }
  return shown;
}

Fd LowerStack::open(const Found& found, const std::string& path) const {
  return openAt(rootOf(found.layer), path.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0, path);
}

}  // namespace slipway
