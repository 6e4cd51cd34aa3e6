// SPDX-License-Identifier: Apache-2.0
// Files on this machine's kernel: a folder on a disk and one on a tmpfs, with a runner that does what the test says.
#include "core/files.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/openat2.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "core/blocking_pool.h"
#include "core/shard.h"
#include "tests/core/forwarding_kernel.h"
#include "tests/core/hand_runner.h"
#include "tests/core/stepped_test.h"

namespace mooring::core {
namespace {

namespace fs = std::filesystem;

// This machine's, but with less in memory than there is. It fails the test when a shard asks for what may wait.
class CoolKernel final : public ForwardingKernel {
 public:
  int OpenAt2(int folder, const char* path, const open_how& how) override {
    ++opens;
    const bool cached = (how.resolve & RESOLVE_CACHED) != 0;
    if (!cached && Shard::Current() != nullptr) ADD_FAILURE() << "a shard may wait for " << path;
    if (cached && !knows_cached) return -EINVAL;
    if (cached && cold) return -EAGAIN;
    if (!cached && races > 0) {
      --races;
      return -EAGAIN;
    }
    if (open_error != 0) return -open_error;
    return ForwardingKernel::OpenAt2(folder, path, how);
  }
  int Stat(int fd, int flags, struct statx* to) override {
    if (flags == 0 && Shard::Current() != nullptr) ADD_FAILURE() << "a shard may wait for a server";
    if (stat_error != 0) return -stat_error;
    return ForwardingKernel::Stat(fd, flags, to);
  }
  int ReadAt(int fd, void* to, size_t size, uint64_t offset, int flags) override {
    if (flags == 0 && Shard::Current() != nullptr) ADD_FAILURE() << "a shard may wait for a disk";
    if (flags == 0 && before_waiting_read) std::exchange(before_waiting_read, nullptr)();
    if (read_error != 0) return -read_error;
    if (flags != 0 && offset >= warm_bytes) return -EAGAIN;
    if (flags != 0) size = std::min<size_t>(size, warm_bytes - offset);
    return ForwardingKernel::ReadAt(fd, to, std::min(size, longest_read), offset, flags);
  }

  bool knows_cached = true;
  bool cold = false;                  // no path is in memory
  uint64_t warm_bytes = UINT64_MAX;   // of each file, from its beginning
  size_t longest_read = SIZE_MAX;
  int races = 0;                      // waiting opens that are told to try again
  int open_error = 0, stat_error = 0, read_error = 0;
  std::function<void()> before_waiting_read;  // the next one
  std::atomic<int> opens = 0;
};

size_t OpenDescriptors() {
  size_t count = 0;
  for ([[maybe_unused]] const auto& entry : fs::directory_iterator("/proc/self/fd")) ++count;
  return count;
}

class FilesTest : public SteppedTest {
 protected:
  FilesTest() { UseFolder(::testing::TempDir()); }
  ~FilesTest() override {
    files_.reset();
    close(root_fd_);
    fs::remove_all(folder_);
    EXPECT_EQ(stepped_.shard.buffers().blocks_live(), 0u);
    EXPECT_EQ(stepped_.shard.buffers().shared_live(), 0u);
    EXPECT_EQ(alloc::SharedBytes::Live().bodies, 0u);
    EXPECT_EQ(OpenDescriptors(), descriptors_) << "a descriptor was not closed";
  }

  // A fresh folder there, as the root.
  void UseFolder(const std::string& beneath) {
    if (root_fd_ >= 0) {
      close(root_fd_);
      fs::remove_all(folder_);
    }
    descriptors_ = OpenDescriptors();
    std::string name = beneath + "/files_test.XXXXXX";
    ASSERT_NE(mkdtemp(name.data()), nullptr) << name;
    folder_ = name;
    root_fd_ = open(name.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
    ASSERT_GE(root_fd_, 0);
    MakeFiles();
  }
  void MakeFiles() {
    stepped_.shard.SetJobRunner(&runner_);
    files_ = std::make_unique<Files>(root_fd_, &kernel_);
  }
  void Write(const std::string& path, std::string_view bytes) {
    std::ofstream(folder_ / path, std::ios::binary | std::ios::trunc) << bytes;
  }
  uint64_t Count(FilesCount which) const { return files_->counters().Read(which); }
  // What all but EAGAIN end in.
  uint64_t Counted() const {
    uint64_t sum = 0;
    for (size_t i = 0; i < CounterSet<FilesCount>::size; ++i) sum += Count(static_cast<FilesCount>(i));
    return sum;
  }

  template <class T>
  static Task<> Put(Task<T> task, std::optional<T>* result) {
    result->emplace(co_await std::move(task));
  }
  // What a call gives, whether or not a helper is asked.
  template <class T>
  T Await(Task<T> (*make)(Files*, std::string), const std::string& path) {
    std::optional<T> result;
    Start([&] { return Put(make(files_.get(), path), &result); });
    FinishWithJobs();
    return std::move(*result);
  }
  void FinishWithJobs() {
    for (int i = 0; i < 100 && root_.done_calls == 0; ++i) {
      while (!runner_.jobs.empty()) {
        runner_.Run();
        ++jobs_run_;
      }
      Turn();
    }
    ASSERT_EQ(root_.done_calls, 1);
  }
  OpenedFile Open(const std::string& path) {
    return Await<OpenedFile>([](Files* files, std::string name) { return files->Open(std::move(name)); }, path);
  }
  FileStat Stat(const std::string& path) {
    return Await<FileStat>([](Files* files, std::string name) { return files->Stat(std::move(name)); }, path);
  }
  FileRead Read(const File& file, uint64_t offset, uint32_t bytes) {
    std::optional<FileRead> result;
    Start([&] { return Put(files_->Read(file, offset, bytes), &result); });
    FinishWithJobs();
    return std::move(*result);
  }
  OpenedFile TryOpen(const std::string& path) {
    Shard::Enter enter(&stepped_.shard);
    return files_->TryOpen(path);
  }
  FileStat TryStat(const std::string& path) {
    Shard::Enter enter(&stepped_.shard);
    return files_->TryStat(path);
  }
  FileRead TryRead(const File& file, uint64_t offset, uint32_t bytes) {
    Shard::Enter enter(&stepped_.shard);
    return files_->TryRead(file, offset, bytes);
  }

  CoolKernel kernel_;
  HandRunner runner_;
  size_t descriptors_ = 0;
  int root_fd_ = -1;
  fs::path folder_;
  std::unique_ptr<Files> files_;
  int jobs_run_ = 0;
};

// Not what it asserts: bytes that differ at each place.
std::string Text(size_t size) {
  std::string text(size, '\0');
  for (size_t i = 0; i < size; ++i) text[i] = static_cast<char>('a' + (i * 7 + i / 251) % 26);
  return text;
}

TEST_F(FilesTest, WhatIsInMemoryAnswersAtOnce) {
  Write("a.html", "hello");
  struct stat expected;
  ASSERT_EQ(stat((folder_ / "a.html").c_str(), &expected), 0);

  const FileStat found = TryStat("a.html");
  EXPECT_EQ(found.error, 0);
  const OpenedFile opened = TryOpen("a.html");
  ASSERT_EQ(opened.error, 0);
  ASSERT_TRUE(opened.file);
  EXPECT_EQ(opened.info.kind, FileInfo::Kind::kRegular);
  EXPECT_EQ(opened.info.bytes, 5u);
  EXPECT_EQ(opened.info.inode, expected.st_ino);
  EXPECT_EQ(opened.info.modified_ns, expected.st_mtim.tv_sec * kNanosPerSecond + expected.st_mtim.tv_nsec);
  EXPECT_EQ(opened.info, found.info);

  FileRead read = TryRead(opened.file, 0, 100);
  EXPECT_EQ(read.error, 0);
  EXPECT_EQ(read.bytes.view(), "hello");
  read = TryRead(opened.file, 1, 3);
  EXPECT_EQ(read.bytes.view(), "ell");
  read = TryRead(opened.file, 5, 3);
  EXPECT_EQ(read.error, 0);
  EXPECT_TRUE(read.bytes.empty());

  EXPECT_EQ(Open("a.html").info, found.info);
  EXPECT_EQ(Stat("a.html").info, found.info);
  EXPECT_EQ(Read(opened.file, 0, 100).bytes.view(), "hello");
  EXPECT_EQ(jobs_run_, 0);
  EXPECT_EQ(Count(FilesCount::kOpenedAtOnce), 2u);
  EXPECT_EQ(Count(FilesCount::kStatAtOnce), 2u);
  EXPECT_EQ(Count(FilesCount::kReadAtOnce), 4u);
  EXPECT_EQ(Counted(), 8u);
}

TEST_F(FilesTest, TheDescriptorIsOneForReadingThatNoChildInherits) {
  Write("a", "x");
  const OpenedFile opened = TryOpen("a");
  ASSERT_TRUE(opened.file);
  EXPECT_EQ(fcntl(opened.file.fd(), F_GETFD), FD_CLOEXEC);
  EXPECT_EQ(fcntl(opened.file.fd(), F_GETFL) & O_ACCMODE, O_RDONLY);
}

TEST_F(FilesTest, WhatIsNotInMemoryIsAHelpers) {
  const std::string text = Text(100'000);
  Write("a", text);
  kernel_.cold = true;
  kernel_.warm_bytes = 0;
  EXPECT_EQ(TryOpen("a").error, EAGAIN);
  EXPECT_EQ(TryStat("a").error, EAGAIN);
  const FileStat found = Stat("a");
  EXPECT_EQ(found.error, 0);
  EXPECT_EQ(found.info.bytes, text.size());
  const OpenedFile opened = Open("a");
  ASSERT_TRUE(opened.file);
  EXPECT_EQ(opened.info, found.info);
  FileRead read = TryRead(opened.file, 0, 10);
  EXPECT_EQ(read.error, EAGAIN);
  EXPECT_FALSE(read.bytes);
  read = Read(opened.file, 10, 65536);
  EXPECT_EQ(read.error, 0);
  EXPECT_EQ(read.bytes.view(), text.substr(10, 65536));
  EXPECT_FALSE(Read(opened.file, text.size(), 10).bytes) << "the end needs no helper's bytes";
  EXPECT_EQ(jobs_run_, 4);
  EXPECT_EQ(Count(FilesCount::kOpenedByHelper), 1u);
  EXPECT_EQ(Count(FilesCount::kStatByHelper), 1u);
  EXPECT_EQ(Count(FilesCount::kReadByHelper), 2u);
  EXPECT_EQ(Counted(), 4u);
}

TEST_F(FilesTest, AShortReadIsNotTheEnd) {
  const std::string text = Text(1000);
  Write("a", text);
  const OpenedFile opened = TryOpen("a");
  kernel_.longest_read = 7;
  EXPECT_EQ(TryRead(opened.file, 3, 100).bytes.view(), text.substr(3, 7)) << "what one call gives";
  EXPECT_EQ(Read(opened.file, 3, 500).bytes.view(), text.substr(3, 500));
  EXPECT_EQ(Read(opened.file, 900, 500).bytes.view(), text.substr(900));
  EXPECT_EQ(jobs_run_, 0);
  for (const uint64_t warm : {0, 1, 8, 499, 999, 1000}) {
    kernel_.warm_bytes = warm;
    for (const uint64_t from : {0, 8, 500}) {
      const FileRead part = TryRead(opened.file, from, 100);
      if (from < warm) {
        EXPECT_EQ(part.bytes.view(), text.substr(from, std::min<size_t>(7, warm - from)));
      } else {
        EXPECT_EQ(part.error, EAGAIN);
      }
      EXPECT_EQ(Read(opened.file, from, 2000).bytes.view(), text.substr(from)) << warm << " are in memory";
      EXPECT_EQ(Read(opened.file, from, 100).bytes.view(), text.substr(from, 100)) << warm << " are in memory";
    }
  }
  EXPECT_GT(jobs_run_, 10);
}

TEST_F(FilesTest, ATmpfsCannotSayAndIsAHelpers) {
  if (access("/dev/shm", W_OK) != 0) GTEST_SKIP() << "SKIPPED: there is no tmpfs to write to";
  UseFolder("/dev/shm");
  const std::string text = Text(70'000);
  Write("a", text);
  const OpenedFile opened = Open("a");
  ASSERT_TRUE(opened.file);
  const FileRead read = Read(opened.file, 0, 100'000);
  EXPECT_EQ(read.error, 0);
  EXPECT_EQ(read.bytes.view(), text);
  if (jobs_run_ == 0) {  // a kernel whose tmpfs can say
    EXPECT_EQ(TryRead(opened.file, 0, 5).bytes.view(), text.substr(0, 5));
  } else {
    EXPECT_EQ(TryRead(opened.file, 0, 5).error, EAGAIN);
  }
}

TEST_F(FilesTest, AFileThatIsOnTheDiskOnlyIsReadByAHelper) {
  const std::string text = Text(1 << 20);
  Write("a", text);
  const OpenedFile opened = TryOpen("a");
  ASSERT_TRUE(opened.file);
  for (int i = 0; i < 50 && jobs_run_ == 0; ++i) {
    ASSERT_EQ(fsync(opened.file.fd()), 0);
    ASSERT_EQ(posix_fadvise(opened.file.fd(), 0, 0, POSIX_FADV_DONTNEED), 0);
    const FileRead read = Read(opened.file, 0, 1 << 20);
    ASSERT_EQ(read.error, 0);
    ASSERT_EQ(read.bytes.view(), text);
  }
  if (jobs_run_ == 0) GTEST_SKIP() << "SKIPPED: nothing leaves this machine's memory, or its disk is as fast";
}

TEST_F(FilesTest, NothingIsFoundOutsideOfTheRoot) {
  fs::create_directories(folder_ / "top/in/deep");
  Write("secret", "no");
  Write("top/in/file", "yes");
  const auto link = [&](const char* name, const fs::path& to) { fs::create_symlink(to, folder_ / "top" / name); };
  link("inside", "in/file");
  link("chain3", "inside");
  link("chain2", "in/deep/../../chain3");
  link("chain", "chain2");
  link("to_folder", "in");
  link("in/back", "../in/file");
  link("loop", "loop");
  link("out", "../secret");
  link("out_and_in", "../top/in/file");
  link("absolute", folder_ / "top/in/file");
  link("magic", "/proc/self/root/etc/passwd");
  link("chain_out", "to_folder/../../secret");
  link("dangling", "nowhere");
  const int top = open((folder_ / "top").c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
  files_ = std::make_unique<Files>(top, &kernel_);
  for (const bool cold : {false, true}) {
    kernel_.cold = cold;
    for (const char* path : {"in/file", "./in//file", "in/../in/file", "inside", "chain", "to_folder/file", "in/back"}) {
      const OpenedFile opened = Open(path);
      EXPECT_EQ(opened.error, 0) << path;
      EXPECT_EQ(opened.info.bytes, 3u) << path;
      EXPECT_EQ(Stat(path).info, opened.info) << path;
    }
    for (const auto& [path, error] : std::vector<std::pair<std::string, int>>{
             {"../secret", EXDEV},
             {"in/../../secret", EXDEV},
             {"/etc/passwd", EXDEV},
             {"/", EXDEV},
             {"..", EXDEV},
             {"out", EXDEV},
             {"out_and_in", EXDEV},
             {"absolute", EXDEV},
             {"magic", EXDEV},
             {"chain_out", EXDEV},
             {"loop", ELOOP},
             {"dangling", ENOENT},
             {"nothing", ENOENT},
             {"", ENOENT},
             {std::string("in/file\0", 8), ENOENT},
             {std::string("in/file\0.png", 12), ENOENT},
             {"in/file/", ENOTDIR},
             {"in/file/more", ENOTDIR},
             {std::string(300, 'x'), ENAMETOOLONG},
             {std::string(5000, '/'), ENAMETOOLONG},
         }) {
      const uint64_t before = Count(FilesCount::kNotFound);
      const OpenedFile opened = Open(path);
      EXPECT_EQ(opened.error, error) << path;
      EXPECT_FALSE(opened.file) << path;
      EXPECT_EQ(Stat(path).error, error) << path;
      EXPECT_EQ(Count(FilesCount::kNotFound), before + 2) << path;
    }
  }
  EXPECT_EQ(Count(FilesCount::kFailed), 0u);
  close(top);
}

TEST_F(FilesTest, AFolderOpensAndCannotBeRead) {
  fs::create_directory(folder_ / "in");
  for (const char* path : {"in", "in/", ".", "in/.."}) {
    const OpenedFile opened = TryOpen(path);
    ASSERT_EQ(opened.error, 0);
    EXPECT_EQ(opened.info.kind, FileInfo::Kind::kFolder);
    EXPECT_TRUE(opened.file);
    EXPECT_NE(TryRead(opened.file, 0, 10).error, 0);  // EOPNOTSUPP of the kernel, where RWF_NOWAIT is looked at first
    EXPECT_EQ(Read(opened.file, 0, 10).error, EISDIR);
  }
}

TEST_F(FilesTest, WhatIsNoFileMakesNobodyWaitAndComesWithoutADescriptor) {
  ASSERT_EQ(mkfifo((folder_ / "fifo").c_str(), 0600), 0);
  fs::create_symlink("fifo", folder_ / "to_fifo");
  const int dev = open("/dev", O_PATH | O_DIRECTORY | O_CLOEXEC);
  for (const bool cold : {false, true}) {
    kernel_.cold = cold;
    for (const char* path : {"fifo", "to_fifo", "zero"}) {
      if (path == std::string("zero")) files_ = std::make_unique<Files>(dev, &kernel_);  // a device, without being root
      const OpenedFile opened = Open(path);
      EXPECT_EQ(opened.error, 0) << path;
      EXPECT_EQ(opened.info.kind, FileInfo::Kind::kOther) << path;
      EXPECT_FALSE(opened.file) << path;
      const FileStat found = Stat(path);
      EXPECT_EQ(found.error, 0) << path;
      EXPECT_EQ(found.info.kind, FileInfo::Kind::kOther) << path;
      EXPECT_EQ(Read(opened.file, 0, 10).error, EBADF);
    }
    MakeFiles();
  }
  close(dev);
}

TEST_F(FilesTest, ASocketIsNoFileEither) {
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = ""};
  const std::string at = "/proc/self/fd/" + std::to_string(root_fd_) + "/socket";  // TempDir may be longer than a path can be
  ASSERT_LT(at.size(), sizeof(address.sun_path));
  at.copy(address.sun_path, at.size());
  ASSERT_EQ(bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
  EXPECT_EQ(TryOpen("socket").error, ENXIO);
  EXPECT_EQ(Stat("socket").info.kind, FileInfo::Kind::kOther);
  close(fd);
}

TEST_F(FilesTest, ErrorsAreTold) {
  Write("a", "hello");
  OpenedFile opened = TryOpen("a");
  for (const bool cold : {false, true}) {
    kernel_.cold = cold;
    kernel_.warm_bytes = cold ? 0 : UINT64_MAX;
    const uint64_t before = Count(FilesCount::kFailed);
    kernel_.open_error = ENFILE;
    EXPECT_EQ(Open("a").error, ENFILE);
    kernel_.open_error = EINVAL;
    EXPECT_EQ(Open("a").error, EINVAL) << "not taken for a kernel that does not know RESOLVE_CACHED";
    kernel_.open_error = 0;
    kernel_.stat_error = EIO;
    EXPECT_EQ(Open("a").error, EIO);
    EXPECT_FALSE(Open("a").file);
    EXPECT_EQ(Stat("a").error, EIO);
    kernel_.stat_error = 0;
    kernel_.read_error = EIO;
    if (cold) kernel_.warm_bytes = 3;
    EXPECT_EQ(Read(opened.file, 0, 5).error, EIO);
    kernel_.read_error = 0;
    EXPECT_EQ(Count(FilesCount::kFailed), before + 6);
    EXPECT_EQ(Open("a").error, 0);
    EXPECT_EQ(Read(opened.file, 0, 5).bytes.view(), "hello");
  }
}

TEST_F(FilesTest, WithoutADescriptorLeftItSaysSoAndGoesOnLater) {
  Write("a", "hello");
  const OpenedFile opened = TryOpen("a");
  rlimit before;
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
  const rlimit none = {.rlim_cur = static_cast<rlim_t>(opened.file.fd()), .rlim_max = before.rlim_max};
  // Lower ones may be free; they are taken first.
  std::vector<int> taken;
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
  for (int fd; (fd = dup(root_fd_)) >= 0;) taken.push_back(fd);
  EXPECT_EQ(TryOpen("a").error, EMFILE);
  EXPECT_EQ(TryStat("a").error, EMFILE);
  EXPECT_EQ(TryRead(opened.file, 0, 5).bytes.view(), "hello");
  kernel_.warm_bytes = 0;
  EXPECT_EQ(Read(opened.file, 0, 5).error, EMFILE);
  EXPECT_EQ(jobs_run_, 0);
  EXPECT_EQ(Count(FilesCount::kFailed), 3u);
  for (const int fd : taken) close(fd);
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
  EXPECT_EQ(TryOpen("a").error, 0);
  EXPECT_EQ(Read(opened.file, 0, 5).bytes.view(), "hello");
}

TEST_F(FilesTest, WhereResolveCachedIsUnknownEveryOpenIsAHelpers) {
  Write("a", "hello");
  kernel_.knows_cached = false;
  MakeFiles();
  kernel_.opens = 0;
  EXPECT_EQ(TryOpen("a").error, EAGAIN);
  EXPECT_EQ(TryStat("a").error, EAGAIN);
  EXPECT_EQ(kernel_.opens, 0) << "it is not asked again";
  const OpenedFile opened = Open("a");
  ASSERT_TRUE(opened.file);
  EXPECT_EQ(Stat("a").info, opened.info);
  EXPECT_EQ(kernel_.opens, 2);
  EXPECT_EQ(TryRead(opened.file, 0, 10).bytes.view(), "hello") << "reads still say whether they would wait";
}

TEST_F(FilesTest, ARenameOnTheWayIsTriedAgainButNotForEver) {
  Write("a", "hello");
  kernel_.cold = true;
  kernel_.races = 3;
  EXPECT_EQ(Open("a").error, 0);
  EXPECT_EQ(kernel_.races, 0);
  kernel_.races = 1'000'000;
  EXPECT_EQ(Open("a").error, EBUSY);
  EXPECT_EQ(Stat("a").error, EBUSY);
  EXPECT_GT(kernel_.races, 900'000);
  EXPECT_EQ(Count(FilesCount::kFailed), 2u);
}

TEST_F(FilesTest, WhenTooManyWaitItIsRefused) {
  Write("a", "hello");
  const OpenedFile opened = TryOpen("a");
  kernel_.cold = true;
  kernel_.warm_bytes = 0;
  runner_.queue_max = 0;
  EXPECT_EQ(Open("a").error, EBUSY);
  EXPECT_EQ(Stat("a").error, EBUSY);
  EXPECT_EQ(Read(opened.file, 0, 5).error, EBUSY);
  EXPECT_EQ(Count(FilesCount::kRefused), 3u);
  EXPECT_EQ(Counted(), 4u);
}

// Cancelled at every stage, with the file closed and its number used again.

Task<> OpenThen(Files* files, int* error, bool* has_file) {
  const OpenedFile opened = co_await files->Open("a");
  *error = opened.error;
  *has_file = static_cast<bool>(opened.file);
}
Task<> ReadThen(Files* files, File* file, int* error) {
  const FileRead read = co_await files->Read(*file, 0, 5);
  *error = read.error;
  *file = File();
}

TEST_F(FilesTest, ACancelledWaitEndsAndItsAnswerIsDropped) {
  Write("a", "hello");
  kernel_.cold = true;
  kernel_.warm_bytes = 0;
  for (const bool withdrawn : {false, true}) {
    runner_.gives_back = withdrawn;
    int error = -1;
    bool has_file = true;
    Start([&] { return OpenThen(files_.get(), &error, &has_file); });
    ASSERT_EQ(runner_.jobs.size(), 1u);
    CancelRoot();
    Turn();
    EXPECT_EQ(error, ECANCELED);
    EXPECT_FALSE(has_file);
    while (!runner_.jobs.empty()) runner_.Run();
    Turn();
    EXPECT_EQ(stepped_.shard.answers()->outstanding(), 0u);
    root_.scope.~CancelScope();
    new (&root_.scope) CancelScope();
  }
  EXPECT_EQ(Count(FilesCount::kCancelled), 2u);
}

TEST_F(FilesTest, AnOpenThatEndsAfterItsWaitIsClosed) {
  Write("a", "hello");
  kernel_.cold = true;
  int error = -1;
  bool has_file = true;
  Start([&] { return OpenThen(files_.get(), &error, &has_file); });
  runner_.Run();  // answered, and cancelled before its shard takes the answer
  CancelRoot();
  Turn();
  Turn();
  EXPECT_EQ(error, ECANCELED);
  EXPECT_FALSE(has_file);
}

TEST_F(FilesTest, AReadThatRunsOnReadsItsOwnFileAndTouchesNoMemoryOfTheShard) {
  Write("a", "hello");
  Write("b", "other");
  kernel_.warm_bytes = 0;
  File file = std::move(TryOpen("a").file);
  const int number = file.fd();
  int error = -1;
  Start([&] { return ReadThen(files_.get(), &file, &error); });
  ASSERT_EQ(runner_.jobs.size(), 1u);
  kernel_.before_waiting_read = [&] {
    // The helper is under way: the wait is over, the file closed, its number another file's.
    CancelRoot();
    Turn();
    EXPECT_EQ(error, ECANCELED);
    EXPECT_FALSE(file);
    const OpenedFile other = TryOpen("b");
    EXPECT_EQ(other.file.fd(), number);
    EXPECT_EQ(stepped_.shard.buffers().blocks_live(), 0u);
  };
  runner_.Run();
  Turn();
  EXPECT_EQ(stepped_.shard.answers()->outstanding(), 0u);
  EXPECT_EQ(Count(FilesCount::kCancelled), 1u);
}

TEST_F(FilesTest, ARunnerThatEndsDropsItsReads) {
  Write("a", "hello");
  kernel_.warm_bytes = 0;
  File file = std::move(TryOpen("a").file);
  int error = -1;
  Start([&] { return ReadThen(files_.get(), &file, &error); });
  runner_.Drop();
  Turn();
  EXPECT_EQ(error, EBUSY);
}

// What changes under a name.

TEST_F(FilesTest, AFileThatChangesIsAnother) {
  Write("a", "hello");
  const FileInfo first = TryStat("a").info;
  Write("new", "world");
  fs::rename(folder_ / "new", folder_ / "a");
  const FileInfo second = TryStat("a").info;
  EXPECT_NE(second.inode, first.inode);
  EXPECT_FALSE(second == first);
  fs::last_write_time(folder_ / "a", fs::file_time_type::clock::now() - std::chrono::hours(1));
  EXPECT_FALSE(TryStat("a").info == second);

  fs::remove(folder_ / "a");
  EXPECT_EQ(TryStat("a").error, ENOENT);
  fs::create_directory(folder_ / "a");
  EXPECT_EQ(TryStat("a").info.kind, FileInfo::Kind::kFolder);
  fs::remove(folder_ / "a");
  ASSERT_EQ(mkfifo((folder_ / "a").c_str(), 0600), 0);
  EXPECT_EQ(TryStat("a").info.kind, FileInfo::Kind::kOther);
  fs::remove(folder_ / "a");
  fs::create_symlink("/etc/passwd", folder_ / "a");
  EXPECT_EQ(TryStat("a").error, EXDEV);
}

TEST_F(FilesTest, AFileThatShrinksEndsWhereItEnds) {
  const std::string text = Text(10'000);
  Write("a", text);
  const OpenedFile opened = TryOpen("a");
  EXPECT_EQ(Read(opened.file, 0, 4000).bytes.view(), text.substr(0, 4000));
  fs::resize_file(folder_ / "a", 5000);
  EXPECT_EQ(Read(opened.file, 4000, 4000).bytes.view(), text.substr(4000, 1000));
  EXPECT_EQ(Read(opened.file, 8000, 4000).error, 0);
  EXPECT_TRUE(Read(opened.file, 8000, 4000).bytes.empty());
  kernel_.warm_bytes = 0;
  EXPECT_EQ(Read(opened.file, 4000, 4000).bytes.view(), text.substr(4000, 1000));
  // While a helper reads.
  kernel_.longest_read = 100;
  kernel_.before_waiting_read = [&] { fs::resize_file(folder_ / "a", 4500); };
  EXPECT_EQ(Read(opened.file, 4000, 4000).bytes.view(), text.substr(4000, 500));
}

TEST_F(FilesTest, WhatIsOpenIsReadWhateverBecomesOfItsNameAndOfTheRoot) {
  Write("a", "hello");
  const OpenedFile opened = TryOpen("a");
  fs::remove_all(folder_);
  EXPECT_EQ(TryRead(opened.file, 0, 10).bytes.view(), "hello");
  EXPECT_EQ(Open("a").error, ENOENT);
  EXPECT_EQ(Stat("a").error, ENOENT);
  EXPECT_EQ(Stat("./").info.kind, FileInfo::Kind::kFolder);
}

TEST_F(FilesTest, ATimeThatNanosecondsCannotTellIsTheLastTheyCan) {
  Write("a", "hello");
  for (const time_t seconds : {time_t{15'000'000'000}, time_t{-2'000'000'000}, time_t{0}}) {
    const timespec times[2] = {{seconds, 0}, {seconds, 0}};
    ASSERT_EQ(utimensat(AT_FDCWD, (folder_ / "a").c_str(), times, 0), 0);
    struct stat kept;
    ASSERT_EQ(stat((folder_ / "a").c_str(), &kept), 0);
    EXPECT_EQ(TryStat("a").info.modified_ns, std::min<int64_t>(kept.st_mtim.tv_sec, 9'000'000'000) * kNanosPerSecond);
  }
}

// With threads: the kernel's own answers, some of them bent.

Task<> ReadsOften(Files* files, const std::string* text, int times, uint64_t* bytes) {
  for (int i = 0; i < times; ++i) {
    const OpenedFile opened = co_await files->Open("a");
    if (!opened.file) {
      ADD_FAILURE() << strerror(opened.error);
      co_return;
    }
    for (uint64_t at = 0;;) {
      FileRead read = co_await files->Read(opened.file, at, 10'000);
      EXPECT_EQ(read.error, 0);
      if (read.bytes.empty()) break;
      EXPECT_EQ(read.bytes.view(), std::string_view(*text).substr(at, 10'000));
      at += read.bytes.size();
      *bytes += read.bytes.size();
    }
  }
}

TEST_F(FilesTest, ThreadsReadForManyTasks) {
  const std::string text = Text(35'000);
  Write("a", text);
  kernel_.cold = true;
  kernel_.warm_bytes = 12'000;
  BlockingPool pool({.threads = 3});
  stepped_.shard.SetJobRunner(&pool);
  constexpr int kTasks = 8, kTimes = 20;
  uint64_t bytes = 0;
  std::deque<TestRoot> roots(kTasks);
  {
    Shard::Enter enter(&stepped_.shard);
    for (TestRoot& root : roots) ASSERT_TRUE(ReadsOften(files_.get(), &text, kTimes, &bytes).Start(&root));
  }
  for (const TestRoot& root : roots) {
    while (root.done_calls == 0) {
      Turn();
      std::this_thread::yield();
    }
  }
  EXPECT_EQ(bytes, text.size() * kTasks * kTimes);
  EXPECT_EQ(Count(FilesCount::kOpenedByHelper), uint64_t{kTasks * kTimes});
  EXPECT_EQ(Count(FilesCount::kReadByHelper), uint64_t{kTasks * kTimes * 4});  // all but the first; the end too
  EXPECT_EQ(Count(FilesCount::kFailed), 0u);
  ASSERT_TRUE(pool.End(kNanosPerSecond * 60));
  stepped_.shard.SetJobRunner(&runner_);
}

}  // namespace
}  // namespace mooring::core
