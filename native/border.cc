// The border between JavaScript and the rest: plain values in (checked by index.ts), promises out.
#include <cerrno>
#include <mutex>
#include <optional>

#include "apply_layer.h"
#include "archive.h"
#include "confined_process.h"
#include "layer_writer.h"
#include "network_namespace.h"
#include "object_pipe.h"
#include "overlay_mount.h"
#include "repack.h"
#include "resolve.h"
#include "scan.h"
#include "task.h"
#include "upper_layer.h"

namespace slipway {
namespace {

using Args = const Napi::CallbackInfo&;
using CancelHandle = std::shared_ptr<CancelFlag>;
using PipeHandle = std::shared_ptr<ObjectPipe>;
using TarHandle = std::shared_ptr<BlockPipe>;
using ProcessHandle = std::shared_ptr<ConfinedProcess>;
using WriterHandle = std::shared_ptr<LayerWriter>;

// The order is the one of ENTRY_TYPES in index.ts.
constexpr EntryType kTypes[] = {EntryType::kFile,     EntryType::kDirectory, EntryType::kSymlink,
                                EntryType::kHardlink, EntryType::kFifo,      EntryType::kChar,
                                EntryType::kBlock};
constexpr const char* kTypeNames[] = {"file", "directory", "symlink", "hardlink",
                                      "fifo", "char",      "block",   "socket"};
constexpr size_t kWhiteoutType = 7;
constexpr size_t kFileFromHostType = 8;
constexpr size_t kObjectType = 9;
constexpr size_t kNumbersPerEntry = 11;

std::string text(const Napi::Value& value) {
  return value.IsString() ? value.As<Napi::String>().Utf8Value() : "";
}
double numeric(const Napi::Value& value) { return value.As<Napi::Number>().DoubleValue(); }

unsigned countOf(const Napi::Value& value) {
  return value.IsNumber() ? value.As<Napi::Number>().Uint32Value() : 0;
}

std::vector<std::string> texts(const Napi::Value& value) {
  const Napi::Array array = value.As<Napi::Array>();
  std::vector<std::string> all;
  for (uint32_t i = 0; i < array.Length(); i++) all.push_back(text(array.Get(i)));
  return all;
}

template <typename T>
Napi::Value handleFor(Napi::Env env, T value) {
  return Napi::External<T>::New(env, new T(std::move(value)), [](Napi::Env, T* held) { delete held; });
}

template <typename T>
T fromHandle(const Napi::Value& value) {
  return *value.As<Napi::External<T>>().Data();
}

Napi::Value nothing(Napi::Env env) { return env.Undefined(); }

Napi::Value fromWritten(Napi::Env env, const WrittenLayer& written) {
  Napi::Object value = Napi::Object::New(env);
  value.Set("diffId", written.diff_id);
  value.Set("digest", written.digest);
  value.Set("sizeBytes", static_cast<double>(written.size_bytes));
  value.Set("contentBytes", static_cast<double>(written.content_bytes));
  value.Set("entries", static_cast<double>(written.entries));
  return value;
}

Compression compressionOf(const std::string& name) {
  if (name == "gzip") return Compression::kGzip;
  return name == "zstd" ? Compression::kZstd : Compression::kNone;
}

Napi::Value newCancel(Args args) {
  return handleFor<CancelHandle>(args.Env(), std::make_shared<CancelFlag>());
}

Napi::Value cancel(Args args) {
  fromHandle<CancelHandle>(args[0])->set();
  return args.Env().Undefined();
}

Napi::Value openWriter(Args args) {
  const std::string path = text(args[0]);
  const Compression compression = compressionOf(text(args[1]));
  const unsigned threads = countOf(args[2]);
  const TarHandle copy = args[3].IsExternal() ? fromHandle<TarHandle>(args[3]) : nullptr;
  return startTask(args.Env(), std::make_shared<CancelFlag>(), [=](const CancelFlag&) -> ToValue {
    WriterHandle writer = std::make_shared<LayerWriter>(path, compression, threads, copy);
    return [writer](Napi::Env env) { return handleFor<WriterHandle>(env, writer); };
  });
}

struct PackedEntry {
  TarEntry entry;
  size_t type = 0;
  std::string file;    // or the id of an object
  std::string sha256;  // of what `file` holds
  std::optional<uint64_t> offset;  // of the bytes in `file`; without one all of it is meant
  PipeHandle pipe;
  Bytes data;
};

// What index.ts packs (packEntries): one call across the border for a whole batch.
std::vector<PackedEntry> unpack(const Napi::Float64Array& numbers, const Napi::Uint8Array& strings,
                                const Napi::Array& bytes, const std::vector<PipeHandle>& pipes) {
  std::vector<PackedEntry> entries(numbers.ElementLength() / kNumbersPerEntry);
  const char* next = reinterpret_cast<const char*>(strings.Data());
  uint32_t next_bytes = 0;
  const auto string = [&] {
    const std::string_view view(next);
    next += view.size() + 1;
    return std::string(view);
  };
  const auto piece = [&] {
    const Napi::Uint8Array array = bytes.Get(next_bytes++).As<Napi::Uint8Array>();
    return Bytes(array.Data(), array.ByteLength());
  };
  for (size_t i = 0; i < entries.size(); i++) {
    const double* fields = numbers.Data() + i * kNumbersPerEntry;
    PackedEntry& packed = entries[i];
    packed.type = static_cast<size_t>(fields[0]);
    TarEntry& entry = packed.entry;
    entry.type = packed.type < std::size(kTypes) ? kTypes[packed.type] : EntryType::kFile;
    entry.mode = static_cast<uint32_t>(fields[1]);
    entry.uid = static_cast<uint64_t>(fields[2]);
    entry.gid = static_cast<uint64_t>(fields[3]);
    entry.mtime = static_cast<int64_t>(fields[4]);
    entry.major = static_cast<uint32_t>(fields[5]);
    entry.minor = static_cast<uint32_t>(fields[6]);
    if (packed.type == kObjectType) packed.pipe = pipes.at(static_cast<size_t>(fields[9]));
    else if (fields[9] >= 0) packed.offset = static_cast<uint64_t>(fields[9]);
    entry.size = static_cast<uint64_t>(fields[10]);
    entry.path = string();
    entry.link = string();
    packed.file = string();
    packed.sha256 = string();
    if (fields[7] != 0) packed.data = piece();
    for (double left = fields[8]; left > 0; left--) {
      std::string name = string();
      const Bytes value = piece();
      entry.xattrs[std::move(name)] = std::string(reinterpret_cast<const char*>(value.data()), value.size());
    }
  }
  return entries;
}

void writeEntry(LayerWriter& writer, PackedEntry& packed, const CancelFlag& cancel) {
  TarEntry& entry = packed.entry;
  if (packed.type == kWhiteoutType) {
    writer.addWhiteout(entry.path, entry.mtime);
  } else if (packed.type == kFileFromHostType) {
    const Fd file = openAt(AT_FDCWD, packed.file.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0, packed.file);
    const struct stat st = statAt(file.get(), "", packed.file);
    if (!S_ISREG(st.st_mode)) throw Fault(kEntryInvalid, packed.file + " is not a file", packed.file);
    if (!packed.offset) {
      entry.size = static_cast<uint64_t>(st.st_size);
    } else if (::lseek(file.get(), static_cast<off_t>(*packed.offset), SEEK_SET) < 0) {
      throwErrno(errno, "seek in", packed.file);
    }
    writer.addFile(entry, file.get(), packed.sha256, cancel);
  } else if (packed.type == kObjectType) {
    writer.addObject(entry, *packed.pipe, packed.file, cancel);
  } else {
    entry.size = packed.data.size();
    writer.add(entry, packed.data);
  }
}

Napi::Value writeEntries(Args args) {
  const WriterHandle writer = fromHandle<WriterHandle>(args[0]);
  const Napi::Array bytes = args[3].As<Napi::Array>();
  const Napi::Array held = args[4].As<Napi::Array>();
  std::vector<PipeHandle> pipes;
  for (uint32_t i = 0; i < held.Length(); i++) pipes.push_back(fromHandle<PipeHandle>(held.Get(i)));
  auto entries = std::make_shared<std::vector<PackedEntry>>(
      unpack(args[1].As<Napi::Float64Array>(), args[2].As<Napi::Uint8Array>(), bytes, pipes));
  const Work work = [writer, entries](const CancelFlag& cancel) -> ToValue {
    for (PackedEntry& packed : *entries) {
      cancel.check();
      writeEntry(*writer, packed, cancel);
    }
    return nothing;
  };
  return startTask(args.Env(), std::make_shared<CancelFlag>(), work, bytes);
}

// Its handle, and the descriptor that git is given.
Napi::Value newTarCopy(Args args) {
  return handleFor<TarHandle>(args.Env(), std::make_shared<BlockPipe>());
}

Napi::Value newPipe(Args args) {
  Napi::Object value = Napi::Object::New(args.Env());
  try {
    const PipeHandle pipe = std::make_shared<ObjectPipe>();
    value.Set("writer", pipe->releaseWriter());
    value.Set("pipe", handleFor<PipeHandle>(args.Env(), pipe));
  } catch (const Fault& fault) {
    Napi::Error error = Napi::Error::New(args.Env(), fault.what());
    error.Value().Set("code", fault.code());
    error.ThrowAsJavaScriptException();
  }
  return value;
}

Napi::Value closePipe(Args args) {
  fromHandle<PipeHandle>(args[0])->close();
  return args.Env().Undefined();
}

Napi::Value finishWriter(Args args) {
  const WriterHandle writer = fromHandle<WriterHandle>(args[0]);
  return startTask(args.Env(), std::make_shared<CancelFlag>(), [writer](const CancelFlag&) -> ToValue {
    const WrittenLayer written = writer->finish();
    return [written](Napi::Env env) { return fromWritten(env, written); };
  });
}

Napi::Value abortWriter(Args args) {
  const WriterHandle writer = fromHandle<WriterHandle>(args[0]);
  return startTask(args.Env(), std::make_shared<CancelFlag>(), [writer](const CancelFlag&) -> ToValue {
    writer->abort();
    return nothing;
  });
}

Napi::Value writeUpper(Args args) {
  UpperRequest request;
  request.upper = text(args[1]);
  request.lowers = texts(args[2]);
  request.path = text(args[3]);
  request.compression = compressionOf(text(args[4]));
  for (std::string& path : texts(args[5])) request.exclude.insert(std::move(path));
  request.complete = args[6].ToBoolean().Value();
  if (args[7].IsNumber()) request.newest = static_cast<int64_t>(numeric(args[7]));
  request.threads = countOf(args[8]);
  return startTask(args.Env(), fromHandle<CancelHandle>(args[0]),
                   [request](const CancelFlag& flag) -> ToValue {
                     const WrittenLayer written = writeUpperLayer(request, flag);
                     return [written](Napi::Env env) { return fromWritten(env, written); };
                   });
}

Napi::Value repack(Args args) {
  RepackRequest request;
  request.blob = text(args[1]);
  request.digest = text(args[2]);
  request.diff_id = text(args[3]);
  request.path = text(args[4]);
  request.compression = compressionOf(text(args[5]));
  if (args[6].IsNumber()) request.newest = static_cast<int64_t>(numeric(args[6]));
  request.threads = countOf(args[7]);
  return startTask(args.Env(), fromHandle<CancelHandle>(args[0]),
                   [request](const CancelFlag& flag) -> ToValue {
                     const WrittenLayer written = repackLayer(request, flag);
                     return [written](Napi::Env env) { return fromWritten(env, written); };
                   });
}

Napi::Value apply(Args args) {
  ApplyRequest request;
  request.blob = text(args[1]);
  request.digest = text(args[2]);
  request.diff_id = text(args[3]);
  request.target = text(args[4]);
  request.lowers = texts(args[5]);
  if (args[6].IsNumber()) request.limits.max_bytes = static_cast<uint64_t>(numeric(args[6]));
  request.fresh_times = args[8].IsBoolean() && args[8].As<Napi::Boolean>().Value();
  if (args[7].IsNumber()) request.limits.max_ratio = static_cast<uint64_t>(numeric(args[7]));
  if (args[9].IsNumber()) request.max_entries = static_cast<uint64_t>(numeric(args[9]));
  if (args[10].IsNumber()) request.blob_bytes = static_cast<uint64_t>(numeric(args[10]));
  if (args[11].IsExternal()) request.tar = fromHandle<TarHandle>(args[11]);
  return startTask(args.Env(), fromHandle<CancelHandle>(args[0]),
                   [request](const CancelFlag& flag) -> ToValue {
                     const AppliedLayer applied = applyLayer(request, flag);
                     return [applied](Napi::Env env) -> Napi::Value {
                       Napi::Object value = Napi::Object::New(env);
                       value.Set("entries", static_cast<double>(applied.entries));
                       value.Set("contentBytes", static_cast<double>(applied.content_bytes));
                       return value;
                     };
                   });
}

Napi::Value mount(Args args) {
  const OverlayRequest request{text(args[0]), texts(args[1]), text(args[2]), text(args[3])};
  return startTask(args.Env(), std::make_shared<CancelFlag>(), [request](const CancelFlag&) -> ToValue {
    mountOverlay(request);
    return nothing;
  });
}

Napi::Value unmountAt(Args args) {
  const std::string target = text(args[0]);
  return startTask(args.Env(), std::make_shared<CancelFlag>(), [target](const CancelFlag&) -> ToValue {
    unmount(target);
    return nothing;
  });
}

Napi::Object fromEntry(Napi::Env env, const TarEntry& entry) {
  Napi::Object value = Napi::Object::New(env);
  value.Set("path", entry.path);
  value.Set("type", kTypeNames[static_cast<size_t>(entry.type)]);
  value.Set("mode", entry.mode);
  value.Set("uid", static_cast<double>(entry.uid));
  value.Set("gid", static_cast<double>(entry.gid));
  value.Set("size", static_cast<double>(entry.size));
  value.Set("mtime", static_cast<double>(entry.mtime));
  if (entry.type == EntryType::kSymlink) value.Set("linkname", entry.link);
  if (entry.type == EntryType::kChar || entry.type == EntryType::kBlock) {
    value.Set("rdevMajor", entry.major);
    value.Set("rdevMinor", entry.minor);
  }
  return value;
}

void setXattrs(Napi::Env env, Napi::Object& value, const TarEntry& entry) {
  if (entry.xattrs.empty()) return;
  Napi::Object xattrs = Napi::Object::New(env);
  for (const auto& [name, bytes] : entry.xattrs) {
    xattrs.Set(name, Napi::Buffer<char>::Copy(env, bytes.data(), bytes.size()));
  }
  value.Set("xattrs", xattrs);
}

Napi::Object fromScanned(Napi::Env env, const ScannedEntry& scanned) {
  Napi::Object value = fromEntry(env, scanned.entry);
  if (!scanned.sha256.empty()) value.Set("sha256", scanned.sha256);
  if (!scanned.inode.empty()) value.Set("inode", scanned.inode);
  if (!scanned.stamp.empty()) value.Set("stamp", scanned.stamp);
  setXattrs(env, value, scanned.entry);
  return value;
}

Napi::Value unpackArchiveAt(Args args) {
  ArchiveRequest request;
  request.archive = text(args[1]);
  request.spool = text(args[2]);
  request.limits.max_bytes = static_cast<uint64_t>(numeric(args[3]));
  request.limits.max_ratio = static_cast<uint64_t>(numeric(args[4]));
  request.max_entries = static_cast<uint64_t>(numeric(args[5]));
  const Work work = [request](const CancelFlag& flag) -> ToValue {
    auto found = std::make_shared<std::optional<std::vector<ArchivedEntry>>>(unpackArchive(request, flag));
    return [found](Napi::Env env) -> Napi::Value {
      if (!*found) return env.Undefined();
      Napi::Array all = Napi::Array::New(env, (*found)->size());
      for (uint32_t i = 0; i < (*found)->size(); i++) {
        const ArchivedEntry& archived = (**found)[i];
        Napi::Object value = fromScanned(env, ScannedEntry{archived.entry, "", "", ""});
        value.Set("offset", static_cast<double>(archived.offset));
        if (archived.entry.type == EntryType::kHardlink) value.Set("linkname", archived.entry.link);
        all.Set(i, value);
      }
      return all;
    };
  };
  return startTask(args.Env(), fromHandle<CancelHandle>(args[0]), work);
}

Napi::Value scan(Args args) {
  ScanRequest request;
  request.root = text(args[1]);
  request.path = text(args[2]);
  request.hash = args[3].As<Napi::Boolean>().Value();
  request.shallow = args[4].As<Napi::Boolean>().Value();
  if (args[5].IsArray()) {
    const std::vector<std::string> paths = texts(args[5]);
    request.hash_only = std::set<std::string>(paths.begin(), paths.end());
  }
  request.stamps = args[6].IsBoolean() && args[6].As<Napi::Boolean>().Value();
  if (args[7].IsNumber()) request.max_entries = static_cast<uint64_t>(numeric(args[7]));
  return startTask(args.Env(), fromHandle<CancelHandle>(args[0]),
                   [request](const CancelFlag& flag) -> ToValue {
                     auto found = std::make_shared<std::vector<ScannedEntry>>(scanTree(request, flag));
                     return [found](Napi::Env env) -> Napi::Value {
                       Napi::Array all = Napi::Array::New(env, found->size());
                       for (uint32_t i = 0; i < found->size(); i++) all.Set(i, fromScanned(env, (*found)[i]));
                       return all;
                     };
                   });
}

Napi::Value merged(Args args) {
  const std::vector<std::string> layouts = texts(args[0]);
  const std::string path = text(args[1]);
  return startTask(args.Env(), std::make_shared<CancelFlag>(), [=](const CancelFlag&) -> ToValue {
    auto found = std::make_shared<std::optional<std::vector<MergedEntry>>>(mergedDirectory(layouts, path));
    return [found](Napi::Env env) -> Napi::Value {
      if (!*found) return env.Undefined();
      Napi::Array all = Napi::Array::New(env, (*found)->size());
      for (uint32_t i = 0; i < (*found)->size(); i++) {
        Napi::Object value = fromEntry(env, (**found)[i].entry);
        setXattrs(env, value, (**found)[i].entry);
        value.Set("layer", static_cast<double>((**found)[i].layer));
        all.Set(i, value);
      }
      return all;
    };
  });
}

Napi::Value remove(Args args) {
  const std::string path = text(args[0]);
  return startTask(args.Env(), std::make_shared<CancelFlag>(), [path](const CancelFlag&) -> ToValue {
    removeTree(AT_FDCWD, path.c_str(), path);
    return nothing;
  });
}

Napi::Value resolve(Args args) {
  const std::string root = text(args[0]);
  const std::string path = text(args[1]);
  return startTask(args.Env(), std::make_shared<CancelFlag>(), [=](const CancelFlag&) -> ToValue {
    const std::string resolved = resolveIn(openDirectory(root).get(), path);
    return [resolved](Napi::Env env) -> Napi::Value { return Napi::String::New(env, resolved); };
  });
}

std::vector<std::pair<std::string, std::string>> pairs(const Napi::Value& value) {
  const std::vector<std::string> flat = texts(value);
  std::vector<std::pair<std::string, std::string>> all;
  for (size_t i = 0; i + 1 < flat.size(); i += 2) all.emplace_back(flat[i], flat[i + 1]);
  return all;
}

Napi::Value lookIntoNetwork(Args args) {
  const NamespaceRequest request{text(args[0]), pairs(args[1]), texts(args[2])};
  return startTask(args.Env(), std::make_shared<CancelFlag>(), [request](const CancelFlag&) -> ToValue {
    const std::vector<std::string> found = lookIntoNamespace(request);
    return [found](Napi::Env env) -> Napi::Value {
      Napi::Array all = Napi::Array::New(env, found.size());
      for (uint32_t i = 0; i < found.size(); i++) all.Set(i, found[i]);
      return all;
    };
  });
}

Napi::Value startConfinedProgram(Args args) {
  ConfinedRequest request;
  request.program = text(args[0]);
  request.sealed = static_cast<int>(numeric(args[1]));
  request.arguments = texts(args[2]);
  request.environment = texts(args[3]);
  request.output = static_cast<int>(numeric(args[4]));
  request.directories = texts(args[5]);
  request.settings = pairs(args[6]);
  request.joins = texts(args[7]);
  request.hidden = texts(args[8]);
  return startTask(args.Env(), std::make_shared<CancelFlag>(), [request](const CancelFlag&) -> ToValue {
    const auto process = std::make_shared<ConfinedProcess>(startConfined(request));
    return [process](Napi::Env env) -> Napi::Value { return handleFor(env, process); };
  });
}

Napi::Value waitForConfined(Args args) {
  const auto process = fromHandle<ProcessHandle>(args[1]);
  return startTask(args.Env(), fromHandle<CancelHandle>(args[0]),
                   [process](const CancelFlag& flag) -> ToValue {
                     const int code = waitFor(*process, flag);
                     return [code](Napi::Env env) -> Napi::Value { return Napi::Number::New(env, code); };
                   });
}

Napi::Value sealedProgram(Args args) { return Napi::Number::New(args.Env(), sealProgram(text(args[0]))); }

Napi::Value usage(Args args) {
  const std::string path = text(args[1]);
  return startTask(args.Env(), fromHandle<CancelHandle>(args[0]), [path](const CancelFlag& flag) -> ToValue {
    const double bytes = static_cast<double>(diskUsage(path, flag));
    return [bytes](Napi::Env env) -> Napi::Value { return Napi::Number::New(env, bytes); };
  });
}

Napi::Object init(Napi::Env env, Napi::Object exports) {
  stopTasksAtExit();
  exports.Set("newCancel", Napi::Function::New(env, newCancel));
  exports.Set("cancel", Napi::Function::New(env, cancel));
  exports.Set("openWriter", Napi::Function::New(env, openWriter));
  exports.Set("writeEntries", Napi::Function::New(env, writeEntries));
  exports.Set("newTarCopy", Napi::Function::New(env, newTarCopy));
  exports.Set("newPipe", Napi::Function::New(env, newPipe));
  exports.Set("closePipe", Napi::Function::New(env, closePipe));
  exports.Set("finishWriter", Napi::Function::New(env, finishWriter));
  exports.Set("abortWriter", Napi::Function::New(env, abortWriter));
  exports.Set("repack", Napi::Function::New(env, repack));
  exports.Set("writeUpper", Napi::Function::New(env, writeUpper));
  exports.Set("apply", Napi::Function::New(env, apply));
  exports.Set("mount", Napi::Function::New(env, mount));
  exports.Set("unmount", Napi::Function::New(env, unmountAt));
  exports.Set("lookIntoNetwork", Napi::Function::New(env, lookIntoNetwork));
  exports.Set("startConfined", Napi::Function::New(env, startConfinedProgram));
  exports.Set("waitForConfined", Napi::Function::New(env, waitForConfined));
  exports.Set("sealProgram", Napi::Function::New(env, sealedProgram));
  exports.Set("unpackArchive", Napi::Function::New(env, unpackArchiveAt));
  exports.Set("scan", Napi::Function::New(env, scan));
  exports.Set("merged", Napi::Function::New(env, merged));
  exports.Set("remove", Napi::Function::New(env, remove));
  exports.Set("resolve", Napi::Function::New(env, resolve));
  exports.Set("usage", Napi::Function::New(env, usage));
  return exports;
}

NODE_API_MODULE(slipway, init)

}  // namespace
}  // namespace slipway
