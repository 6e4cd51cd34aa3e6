// SPDX-License-Identifier: Apache-2.0
// SimFiles: a tree of folders, files and links in memory, and how openat2(2), statx(2) and preadv2(2) answer over it.
//
//   world.kernel().files().Write("www/a/b.html", "hello");      // folders on the way are made
//   const int root = world.kernel().OpenFolder("www");
//
// What is asked for without a wait (RESOLVE_CACHED, RWF_NOWAIT) may not be in memory, as the seed says; what may wait is
// answered at once, because its caller is a job whose time the seed has chosen already (SimJobRunner). A shard that asks
// for what may wait, in its turn, fails the test.
//
// The names are the process's own: nothing of this machine's disk is seen. Nobody writes but the test.
//
// Threads:  one.
// Owns:     the tree. An open file holds its node, whatever becomes of its name.
#ifndef MOORING_TESTS_SIM_SIM_FILES_H_
#define MOORING_TESTS_SIM_SIM_FILES_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "core/clock.h"
#include "tests/sim/choices.h"
#include "tests/sim/sim_file.h"

struct open_how;
struct statx;

namespace mooring::sim {

class SimFiles {
 public:
  SimFiles(Choices* choices, core::Clock* clock);

  // For tests; paths from the top of the tree, without links. Each is one moment: no file is seen half written.
  void Write(std::string_view path, std::string bytes);    // in place, where there is a file
  void Replace(std::string_view path, std::string bytes);  // a new file under the name, as rename(2) does it
  void Truncate(std::string_view path, size_t bytes);
  void MakeFolder(std::string_view path);
  void Link(std::string_view path, std::string target);  // symbolic
  void MakeFifo(std::string_view path);
  void MakeDevice(std::string_view path);  // who reads from it fails the test
  void MakeSocket(std::string_view path);
  void Remove(std::string_view path);  // and what is in it

  // What kind of file system it is, and which kernel's.
  void SetKnowsCached(bool known) { knows_cached_ = known; }  // RESOLVE_CACHED; before 5.12: EINVAL
  void SetKnowsNoWait(bool known) { knows_no_wait_ = known; }  // RWF_NOWAIT; tmpfs: EOPNOTSUPP
  // Whether the caller is in a shard's turn, where nothing may wait.
  void SetInTurn(std::function<bool()> in_turn) { in_turn_ = std::move(in_turn); }

  struct Counts {
    uint64_t not_in_memory = 0;  // opens and reads that said so
    uint64_t short_reads = 0;
    uint64_t races = 0;  // walks through ".." that were told to try again
    uint64_t waits = 0;  // calls that might have waited
  };
  const Counts& counts() const { return counts_; }
  size_t open() const { return open_; }  // files that somebody has open, folders too

  // The system calls. `folder` is null for the top of the tree (AT_FDCWD); all take 0 or -errno, Read a count.
  int Open(const SimFile* folder, std::string_view path, const open_how& how, std::shared_ptr<SimFile>* opened);
  int Stat(const SimFile* file, int flags, struct statx* to);
  int Read(const SimFile* file, void* to, size_t size, uint64_t offset, int flags);

 private:
  struct Node;
  using NodeRef = std::shared_ptr<Node>;
  struct OpenNode;
  struct Walk;

  NodeRef Make(uint32_t mode);
  NodeRef Parent(std::string_view path, std::string* name);  // made where it is missing
  NodeRef Find(std::string_view path);                       // REQUIRES: it is there
  void Put(std::string_view path, NodeRef node);
  int Resolve(Walk* walk, std::string_view path);
  void MayWait(const char* call);

  Choices* const choices_;
  core::Clock* const clock_;
  std::function<bool()> in_turn_;
  bool knows_cached_ = true;
  bool knows_no_wait_ = true;
  uint64_t next_inode_ = 1;
  NodeRef top_;
  size_t open_ = 0;
  Counts counts_;
};

}  // namespace mooring::sim

#endif  // MOORING_TESTS_SIM_SIM_FILES_H_
