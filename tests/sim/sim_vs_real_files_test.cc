// SPDX-License-Identifier: Apache-2.0
// One tree on this machine's disk and in the simulated kernel: paths, kinds and reads must answer alike.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include "core/clock.h"
#include "core/kernel.h"
#include "tests/sim/machine.h"
#include "tests/sim/sim_kernel.h"

namespace mooring::sim {
namespace {

namespace fs = std::filesystem;

// Both trees, made alike; their top has a folder "www", the root.
class Trees {
 public:
  Trees() : kernel(1, &clock, Mood::kCalm) {
    std::string name = ::testing::TempDir() + "/sim_vs_real.XXXXXX";
    folder = mkdtemp(name.data());
    fs::create_directory(folder / "www");
    kernel.files().MakeFolder("www");
  }
  ~Trees() { fs::remove_all(folder); }

  void File(const std::string& path, const std::string& bytes) {
    fs::create_directories((folder / path).parent_path());
    std::ofstream(folder / path, std::ios::binary) << bytes;
    kernel.files().Write(path, bytes);
  }
  void Link(const std::string& path, const std::string& to) {
    fs::create_directories((folder / path).parent_path());
    fs::create_symlink(to, folder / path);
    kernel.files().Link(path, to);
  }
  void Fifo(const std::string& path) {
    EXPECT_EQ(mkfifo((folder / path).c_str(), 0600), 0);
    kernel.files().MakeFifo(path);
  }
  void Remove(const std::string& path) {
    fs::remove_all(folder / path);
    kernel.files().Remove(path);
  }

  // Runs `script` over both, and compares what it notes.
  template <class Script>
  void Compare(Script script) {
    std::vector<std::string> logs[2];
    const int roots[2] = {open((folder / "www").c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC), kernel.OpenFolder("www")};
    core::Kernel* const kernels[2] = {core::RealKernel(), &kernel};
    for (int i = 0; i < 2; ++i) script(kernels[i], roots[i], &logs[i]);
    EXPECT_EQ(logs[1], logs[0]) << "simulated, real";
    EXPECT_FALSE(logs[0].empty());
    for (int i = 0; i < 2; ++i) kernels[i]->Close(roots[i]);
  }

  core::ManualClock clock{1'000 * core::kNanosPerSecond};
  fs::path folder;
  SimKernel kernel;
};

const std::vector<std::pair<std::string, uint64_t>> kFlags = {
    {"read", O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY},
    {"path", O_PATH | O_CLOEXEC},
    {"folder", O_PATH | O_DIRECTORY | O_CLOEXEC},
    {"both", O_PATH | O_NONBLOCK | O_CLOEXEC},
};

void LookAt(core::Kernel* kernel, int root, const std::vector<std::string>& paths, std::vector<std::string>* log) {
  for (const std::string& path : paths) {
    for (const auto& [name, flags] : kFlags) {
      open_how how = {};
      how.flags = flags;
      how.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;
      const int fd = kernel->OpenAt2(root, path.c_str(), how);
      std::string line = path + " for " + name + ": ";
      if (fd < 0) {
        log->push_back(line + ErrorName(fd));
        continue;
      }
      struct statx found = {};
      line += ErrorName(kernel->Stat(fd, AT_STATX_DONT_SYNC, &found)) + " kind " + std::to_string(found.stx_mode & S_IFMT);
      if (S_ISREG(found.stx_mode)) line += " size " + std::to_string(found.stx_size);
      char to[100];
      for (const int read_flags : {0, RWF_NOWAIT}) {
        for (const auto& [offset, size] : std::vector<std::pair<uint64_t, size_t>>{{0, 100}, {2, 2}, {5, 10}, {1u << 20, 1}}) {
          const int got = kernel->ReadAt(fd, to, size, offset, read_flags);
          line += " " + (got >= 0 ? "'" + std::string(to, static_cast<size_t>(got)) + "'" : ErrorName(got));
        }
      }
      log->push_back(line);
      kernel->Close(fd);
    }
  }
}

TEST(SimVsReal, PathsAndWhatIsReadThere) {
  Trees trees;
  trees.File("secret", "no");
  trees.File("www/a", "hello");
  trees.File("www/empty", "");
  trees.File("www/in/deep/b", "deep down");
  trees.Link("www/link", "a");
  trees.Link("www/chain", "in/../link");
  trees.Link("www/to_folder", "in/deep");
  trees.Link("www/in/up", "../a");
  trees.Link("www/in/too_far", "../../secret");
  trees.Link("www/out", "../secret");
  trees.Link("www/and_in", "../www/a");
  trees.Link("www/absolute", "/etc/passwd");
  trees.Link("www/loop", "loop");
  trees.Link("www/nowhere", "there/is/nothing");
  trees.Link("www/through_file", "a/b");
  trees.Link("www/with_slash", "in/");
  trees.Fifo("www/fifo");
  trees.Compare([](core::Kernel* kernel, int root, std::vector<std::string>* log) {
    LookAt(kernel, root,
           {"a",       "./a",          "a/",         "a/.",       "a/b",          "in",         "in/",       "in/.",
            "in/..",   "in//deep///b", ".",          "./",        "..",           "../a",       "in/../..",  "",
            "/",       "/a",           "link",       "link/",     "chain",        "to_folder",  "to_folder/b",
            "to_folder/../up", "in/up", "in/too_far", "out",       "and_in",       "absolute",   "loop",      "loop/x",
            "nowhere", "through_file", "with_slash", "with_slash/deep/b", "fifo", "fifo/",      "fifo/x",    "nothing",
            "nothing/x", "empty", std::string(255, 'x'), std::string(256, 'x'), std::string(4095, '/'),
            std::string(4096, '/'), "in/" + std::string(300, 'y')},
           log);
  });
}

TEST(SimVsReal, ARootThatIsGoneIsAnEmptyFolder) {
  Trees trees;
  trees.File("www/a", "hello");
  trees.Compare([&](core::Kernel* kernel, int root, std::vector<std::string>* log) {
    fs::remove_all(trees.folder / "www");
    if (kernel != core::RealKernel()) trees.kernel.files().Remove("www");
    LookAt(kernel, root, {"a", ".", "..", ""}, log);
  });
}

TEST(SimVsReal, AnOpenFileIsReadWhateverBecomesOfItsName) {
  Trees trees;
  trees.File("www/a", "hello");
  trees.Compare([&](core::Kernel* kernel, int root, std::vector<std::string>* log) {
    const bool real = kernel == core::RealKernel();
    open_how how = {};
    how.flags = O_RDONLY | O_NONBLOCK | O_CLOEXEC;
    how.resolve = RESOLVE_BENEATH;
    const int fd = kernel->OpenAt2(root, "a", how);
    const auto read = [&] {
      char to[10];
      const int got = kernel->ReadAt(fd, to, sizeof(to), 0, 0);
      struct statx found = {};
      kernel->Stat(fd, 0, &found);
      log->push_back(std::string(to, static_cast<size_t>(std::max(got, 0))) + " of " + std::to_string(found.stx_size));
    };
    read();
    real ? fs::resize_file(trees.folder / "www/a", 3) : trees.kernel.files().Truncate("www/a", 3);
    read();
    real ? fs::resize_file(trees.folder / "www/a", 4) : trees.kernel.files().Truncate("www/a", 4);
    read();
    if (real) {
      std::ofstream(trees.folder / "www/b") << "other";
      fs::rename(trees.folder / "www/b", trees.folder / "www/a");
    } else {
      trees.kernel.files().Replace("www/a", "other");
    }
    read();
    LookAt(kernel, root, {"a"}, log);
    kernel->Close(fd);
    char to[1];
    struct statx found = {};
    log->push_back(ErrorName(kernel->ReadAt(fd, to, 1, 0, 0)) + ErrorName(kernel->Stat(fd, 0, &found)) +
                   ErrorName(kernel->OpenAt2(fd, "a", how)));
  });
}

}  // namespace
}  // namespace mooring::sim
