// SPDX-License-Identifier: Apache-2.0
#include "server/http/static_files.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <time.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "core/files.h"
#include "core/semaphore.h"
#include "core/shard.h"
#include "server/http/body_writer.h"
#include "server/http/file_answer.h"
#include "server/http/file_cache.h"
#include "server/http/media_types.h"
#include "server/http/safe_path.h"

namespace mooring::server::http {
namespace {

using Kind = core::FileInfo::Kind;

// A file that changes each time it is read is sent as it is found.
constexpr int kTries = 3;

int64_t WallNs() {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  return int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

// What the pattern's {path...} stands for, or all of it.
std::string_view PathOf(const Request& request) {
  const std::string_view rest = request.RawParam("path");
  return rest.data() != nullptr ? rest : request.path();  // the rest may be there and empty
}

Response Failure(int error) {
  switch (error) {
    case ENOENT:
    case ENOTDIR:
    case EACCES:
    case EPERM:
    case ELOOP:
    case EXDEV:         // out of the root
    case ENAMETOOLONG:
    case ENXIO:         // a socket
      return Response::Plain(404);
    case EAGAIN:        // somebody renames folders all the time
    case EBUSY:
    case EMFILE:
    case ENFILE:
    case ENOMEM:
    case ECANCELED:
      return Response::Plain(503).Header("Retry-After", "1");
    default:
      return Response::Plain(500);
  }
}

Response RedirectToFolder(const Request& request) {
  std::string location = LocationOfFolder(request.path());
  if (!request.query().empty()) location.append("?").append(request.query());
  return Response::Redirect(301, location);
}

core::FileInfo RegularOrNothing(const core::FileStat& stat) {
  return stat.error == 0 && stat.info.kind == Kind::kRegular ? stat.info : core::FileInfo();
}

}  // namespace

// What all shards share, unchanged.
struct StaticFiles::Shared {
  StaticOptions options;
  core::Kernel* kernel;
  core::File root;
  MediaTypes types;
};

class StaticFiles::OnShard {
 public:
  explicit OnShard(std::shared_ptr<const Shared> shared)
      : shared_(std::move(shared)),
        files_(shared_->root.fd(), shared_->kernel),
        cache_(shared_->options.cache_bytes_max),
        reads_(kReadsMax) {}

  // The current shard's; made when it is first asked for.
  static const std::shared_ptr<OnShard>& Of(const std::shared_ptr<const Shared>& shared);

  std::optional<Response> Now(const Request& request);
  // `self` outlives the response, whose stream it goes into.
  static core::Task<Response> Later(std::shared_ptr<OnShard> self, const Request* request);

 private:
  // What is under a path.
  struct Found {
    std::shared_ptr<FileEntry> entry = nullptr;  // null: nothing
    bool folder = false;
    int error = 0;
  };
  class Reading;

  bool StillSo(FileEntry* entry);
  core::Task<Found> Find(std::string key);
  core::Task<bool> ReadBody(std::shared_ptr<FileEntry> entry, ContentCoding coding);
  core::Task<bool> ReadInto(FileEntry* entry, ContentCoding coding);
  core::Task<> Send(const core::File* file, uint64_t offset, uint64_t bytes, BodyWriter* out);
  static Response::StreamFunction StreamOf(std::shared_ptr<OnShard> self, core::File file, uint64_t offset,
                                           uint64_t bytes);
  bool IsSmall(const core::FileInfo& info) const {
    const StaticOptions& options = shared_->options;
    return info.bytes <= std::min<uint64_t>(options.cached_file_bytes_max, options.cache_bytes_max / 2);
  }

  const std::shared_ptr<const Shared> shared_;
  core::Files files_;
  FileCache cache_;
  core::Semaphore reads_;
};

// One reads a body, the others wait for it; however it ends, they go on.
class StaticFiles::OnShard::Reading {
 public:
  Reading(core::Semaphore* reads, FileVariant* variant) : reads_(reads), variant_(variant) {
    variant_->reading = std::make_shared<core::Event>();
  }
  Reading(const Reading&) = delete;
  ~Reading() {
    std::exchange(variant_->reading, nullptr)->Set();
    if (permit_) reads_->Release();
  }
  void SetPermit() { permit_ = true; }

 private:
  core::Semaphore* const reads_;
  FileVariant* const variant_;
  bool permit_ = false;
};

const std::shared_ptr<StaticFiles::OnShard>& StaticFiles::OnShard::Of(const std::shared_ptr<const Shared>& shared) {
  struct All {
    std::vector<std::shared_ptr<OnShard>> of;
  };
  core::Locals& locals = core::Shard::Current()->locals();
  All* all = locals.Find<All>();
  if (all == nullptr) all = &locals.Emplace<All>();
  for (const std::shared_ptr<OnShard>& one : all->of) {
    if (one->shared_ == shared) return one;
  }
  return all->of.emplace_back(std::make_shared<OnShard>(shared));
}

std::optional<Response> StaticFiles::OnShard::Now(const Request& request) {
  FileEntry* entry = nullptr;
  const std::string_view raw = PathOf(request);
  if (const std::optional<std::string_view> verbatim = VerbatimPath(raw)) {
    entry = cache_.Find(*verbatim);
  } else if (const std::optional<std::string> path = SafePath(raw)) {
    entry = cache_.Find(*path);
  }
  if (entry == nullptr || !StillSo(entry)) return std::nullopt;
  const FileAnswer answer = DecideAnswer(*entry, request);
  if (answer.sends_bytes() && !entry->of(answer.coding).body) return std::nullopt;
  return Respond(*entry, answer);
}

// Looks again where that is due, if it costs no wait.
bool StaticFiles::OnShard::StillSo(FileEntry* entry) {
  const int64_t now_ms = core::Shard::Current()->now_ms();
  if (now_ms - entry->checked_ms < int64_t{shared_->options.recheck_ms}) return true;
  if (entry->just_written) return false;
  for (int i = 0; i < kContentCodings; ++i) {
    const core::FileStat stat = files_.TryStat(entry->PathOf(static_cast<ContentCoding>(i)));
    if (stat.error == EAGAIN || RegularOrNothing(stat) != entry->infos[static_cast<size_t>(i)]) return false;
  }
  entry->checked_ms = now_ms;
  return true;
}

core::Task<Response> StaticFiles::OnShard::Later(std::shared_ptr<OnShard> self, const Request* request) {
  const std::optional<std::string> path = SafePath(PathOf(*request));
  if (!path) co_return Response::Plain(404);
  std::shared_ptr<FileEntry> entry;
  for (int i = 0; i < kTries; ++i) {
    const Found found = co_await self->Find(*path);
    if (found.folder) co_return RedirectToFolder(*request);
    if (found.entry == nullptr) co_return Failure(found.error);
    entry = found.entry;
    const FileAnswer answer = DecideAnswer(*entry, *request);
    const FileVariant& variant = entry->of(answer.coding);
    if (!answer.sends_bytes() || variant.body) co_return Respond(*entry, answer);
    if (self->IsSmall(variant.info)) {
      if (const bool read = co_await self->ReadBody(entry, answer.coding); read) co_return Respond(*entry, answer);
      continue;
    }
    core::OpenedFile opened = co_await self->files_.Open(entry->PathOf(answer.coding));
    if (opened.error == 0 && opened.info == variant.info) {
      co_return RespondStreaming(*entry, answer, StreamOf(self, std::move(opened.file), answer.offset, answer.bytes));
    }
    self->cache_.Erase(entry);
  }
  // It is another one each time. What is there now goes out, without a word on what it is.
  core::OpenedFile opened = co_await self->files_.Open(entry->path);
  if (opened.error != 0 || opened.info.kind != Kind::kRegular) co_return Failure(opened.error);
  const uint64_t bytes = opened.info.bytes;
  co_return Response::Stream(entry->type, StreamOf(self, std::move(opened.file), 0, bytes), bytes);
}

// The cached entry, if it is right, or a new one.
core::Task<StaticFiles::OnShard::Found> StaticFiles::OnShard::Find(std::string key) {
  const int64_t now_ms = core::Shard::Current()->now_ms();
  std::shared_ptr<FileEntry> known = cache_.Hold(key);
  if (known != nullptr && now_ms - known->checked_ms < int64_t{shared_->options.recheck_ms}) co_return Found{known};

  const bool in_folder = key.empty() || key.back() == '/';
  std::string path = in_folder ? key + shared_->options.index : key;
  const core::FileStat stat = co_await files_.Stat(path);
  Found found;
  found.folder = !in_folder && stat.error == 0 && stat.info.kind == Kind::kFolder;
  found.error = stat.error != 0 ? stat.error : ENOENT;
  FileInfos infos;
  infos[0] = RegularOrNothing(stat);
  if (infos[0].kind != Kind::kRegular) {
    if (known != nullptr) cache_.Erase(known);
    co_return found;
  }
  for (const ContentCoding coding : {ContentCoding::kGzip, ContentCoding::kBrotli}) {
    const core::FileStat sibling = co_await files_.Stat(path + std::string(SuffixOf(coding)));
    infos[static_cast<size_t>(coding)] = RegularOrNothing(sibling);
  }
  // Somebody else may have looked meanwhile.
  known = cache_.Hold(key);
  if (known != nullptr && known->infos == infos && (!known->just_written || known->checked_ms >= now_ms)) {
    known->checked_ms = std::max(known->checked_ms, now_ms);
    co_return Found{known};
  }
  const std::string_view type = shared_->types.Of(path);
  found.entry = MakeFileEntry(std::move(key), std::move(path), type, infos, WallNs());
  found.entry->checked_ms = now_ms;
  cache_.Insert(found.entry);
  co_return found;
}

// False: not now, or not this one.
core::Task<bool> StaticFiles::OnShard::ReadBody(std::shared_ptr<FileEntry> entry, ContentCoding coding) {
  FileVariant& variant = entry->of(coding);
  if (const std::shared_ptr<core::Event> reading = variant.reading) {
    if (const bool over = co_await reading->Wait(); !over) co_return false;
    co_return static_cast<bool>(variant.body);
  }
  Reading reading(&reads_, &variant);
  if (const bool permit = co_await reads_.Acquire(); !permit) co_return false;
  reading.SetPermit();
  const bool read = co_await ReadInto(entry.get(), coding);
  if (read) {
    cache_.Recount(entry.get());
  } else {
    cache_.Erase(entry);
  }
  co_return read;
}

core::Task<bool> StaticFiles::OnShard::ReadInto(FileEntry* entry, ContentCoding coding) {
  FileVariant& variant = entry->of(coding);
  const std::string path = entry->PathOf(coding);
  const core::OpenedFile opened = co_await files_.Open(path);
  if (opened.error != 0 || opened.info != variant.info) co_return false;
  std::string bytes;
  bytes.reserve(variant.info.bytes);
  while (bytes.size() < variant.info.bytes) {
    const auto want = static_cast<uint32_t>(std::min<uint64_t>(variant.info.bytes - bytes.size(), kPieceBytes));
    const core::FileRead read = co_await files_.Read(opened.file, bytes.size(), want);
    if (read.error != 0 || read.bytes.empty()) co_return false;
    bytes.append(read.bytes.view());
  }
  // The bytes are of one moment only if it looks now as it did before.
  const core::FileStat stat = co_await files_.Stat(path);
  if (stat.error != 0 || stat.info != variant.info) co_return false;
  variant.body = alloc::SharedBytes::Take(std::move(bytes));
  co_return static_cast<bool>(variant.body);
}

Response::StreamFunction StaticFiles::OnShard::StreamOf(std::shared_ptr<OnShard> self, core::File file,
                                                        uint64_t offset, uint64_t bytes) {
  return [self = std::move(self), file = std::move(file), offset, bytes](BodyWriter& out) {
    return self->Send(&file, offset, bytes, &out);
  };
}

// An early end breaks the connection off: nobody takes what has come for the whole.
core::Task<> StaticFiles::OnShard::Send(const core::File* file, uint64_t offset, uint64_t bytes, BodyWriter* out) {
  while (bytes != 0) {
    const auto want = static_cast<uint32_t>(std::min<uint64_t>(bytes, kPieceBytes));
    core::FileRead read = co_await files_.Read(*file, offset, want);
    if (read.error != 0 || read.bytes.empty()) co_return;
    offset += read.bytes.size();
    bytes -= read.bytes.size();
    if (const bool going = co_await out->Write(std::move(read.bytes)); !going) co_return;
  }
}

absl::StatusOr<StaticFiles> StaticFiles::Open(StaticOptions options) {
  auto shared = std::make_shared<Shared>();
  shared->kernel = options.kernel != nullptr ? options.kernel : core::RealKernel();
  open_how how = {};
  how.flags = O_PATH | O_DIRECTORY | O_CLOEXEC;
  const int fd = shared->kernel->OpenAt2(AT_FDCWD, options.root.c_str(), how);
  if (fd < 0) {
    const std::string what = absl::StrCat("cannot serve the folder \"", options.root, "\": ", strerror(-fd));
    switch (-fd) {
      case ENOENT: return absl::NotFoundError(absl::StrCat(what, "; create it, or name another one"));
      case ENOTDIR: return absl::InvalidArgumentError(absl::StrCat(what, "; name the folder that it is in"));
      case EACCES:
        return absl::PermissionDeniedError(absl::StrCat(what, "; this user needs x on each folder of the path"));
      case ENOSYS:
      case EPERM:
        return absl::UnimplementedError(absl::StrCat(what, "; it takes openat2(2): Linux 5.6, and a seccomp profile "
                                                           "that allows it"));
      default: return absl::UnavailableError(what);
    }
  }
  shared->root = core::File(shared->kernel, fd);
  shared->types = options.media_types.empty() ? MediaTypes() : MediaTypes::Load(options.media_types);
  shared->options = std::move(options);
  return StaticFiles(std::move(shared));
}

Action StaticFiles::action() const {
  return {.now = [shared = shared_](Request& request) { return OnShard::Of(shared)->Now(request); },
          .later = [shared = shared_](Request& request) { return OnShard::Later(OnShard::Of(shared), &request); }};
}

}  // namespace mooring::server::http
