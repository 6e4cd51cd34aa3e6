// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/sim_files.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstring>
#include <vector>

namespace mooring::sim {

struct SimFiles::Node {
  uint32_t mode = 0;
  uint64_t inode = 0;
  core::Nanos modified = 0;
  std::string bytes;  // of a link: where it leads
  std::map<std::string, NodeRef, std::less<>> in;
  std::weak_ptr<Node> parent;
};

struct SimFiles::OpenNode final : SimFile {
  OpenNode(NodeRef of, bool only_path, size_t* count) : node(std::move(of)), path_only(only_path), open(count) { ++*open; }
  uint32_t Ready() const override { return POLLIN | POLLOUT; }
  void OnLastClose() override { --*open; }
  const NodeRef node;
  const bool path_only;
  size_t* const open;
};

// A walk under way.
struct SimFiles::Walk {
  NodeRef at;
  const Node* root;   // above it nothing is found; null: the whole tree
  int links = 0;
  bool went_up = false;
};

SimFiles::SimFiles(Choices* choices, core::Clock* clock) : choices_(choices), clock_(clock) { top_ = Make(S_IFDIR); }

SimFiles::NodeRef SimFiles::Make(uint32_t mode) {
  auto node = std::make_shared<Node>();
  node->mode = mode;
  node->inode = next_inode_++;
  node->modified = clock_->Now();
  return node;
}

SimFiles::NodeRef SimFiles::Parent(std::string_view path, std::string* name) {
  NodeRef at = top_;
  for (;;) {
    const size_t slash = path.find('/');
    *name = std::string(path.substr(0, slash));
    if (slash == std::string_view::npos) return at;
    NodeRef& next = at->in[*name];
    if (next == nullptr) {
      next = Make(S_IFDIR);
      next->parent = at;
    }
    if (next->mode != S_IFDIR) choices_->Fail("%s is no folder", name->c_str());
    at = next;
    path.remove_prefix(slash + 1);
  }
}

SimFiles::NodeRef SimFiles::Find(std::string_view path) {
  std::string name;
  const NodeRef folder = Parent(path, &name);
  const auto found = folder->in.find(name);
  if (found == folder->in.end()) choices_->Fail("there is no %.*s", static_cast<int>(path.size()), path.data());
  return found->second;
}

void SimFiles::Put(std::string_view path, NodeRef node) {
  std::string name;
  const NodeRef folder = Parent(path, &name);
  node->parent = folder;
  folder->modified = clock_->Now();
  folder->in[name] = std::move(node);
}

void SimFiles::Write(std::string_view path, std::string bytes) {
  std::string name;
  const NodeRef folder = Parent(path, &name);
  const auto found = folder->in.find(name);
  if (found == folder->in.end() || found->second->mode != S_IFREG) return Replace(path, std::move(bytes));
  found->second->bytes = std::move(bytes);
  found->second->modified = clock_->Now();
}

void SimFiles::Replace(std::string_view path, std::string bytes) {
  NodeRef node = Make(S_IFREG);
  node->bytes = std::move(bytes);
  Put(path, std::move(node));
}

void SimFiles::Truncate(std::string_view path, size_t bytes) {
  const NodeRef node = Find(path);
  node->bytes.resize(bytes);
  node->modified = clock_->Now();
}

void SimFiles::Link(std::string_view path, std::string target) {
  NodeRef node = Make(S_IFLNK);
  node->bytes = std::move(target);
  Put(path, std::move(node));
}

void SimFiles::MakeFolder(std::string_view path) { Put(path, Make(S_IFDIR)); }
void SimFiles::MakeFifo(std::string_view path) { Put(path, Make(S_IFIFO)); }
void SimFiles::MakeDevice(std::string_view path) { Put(path, Make(S_IFCHR)); }
void SimFiles::MakeSocket(std::string_view path) { Put(path, Make(S_IFSOCK)); }

void SimFiles::Remove(std::string_view path) {
  const NodeRef node = Find(path);
  node->in.clear();
  std::string name;
  const NodeRef folder = Parent(path, &name);
  folder->in.erase(name);
  folder->modified = clock_->Now();
}

void SimFiles::MayWait(const char* call) {
  ++counts_.waits;
  if (in_turn_ && in_turn_()) choices_->Fail("a shard asks in its turn for what may wait for a disk: %s", call);
}

// fs/namei.c: link_path_walk(), handle_dots(), step_into(), pick_link().
int SimFiles::Resolve(Walk* walk, std::string_view path) {
  constexpr int kLinksMax = 40;  // MAXSYMLINKS
  if (path.empty()) return -ENOENT;
  if (path.front() == '/') {
    if (walk->root != nullptr) return -EXDEV;
    walk->at = top_;
  }
  while (!path.empty()) {
    if (path.front() == '/') {
      path.remove_prefix(1);
      continue;
    }
    const std::string_view name = path.substr(0, path.find('/'));
    path.remove_prefix(name.size());
    const bool must_be_folder = !path.empty();
    if (walk->at->mode != S_IFDIR) return -ENOTDIR;
    if (name.size() > NAME_MAX) return -ENAMETOOLONG;
    if (name == ".") continue;
    if (name == "..") {
      walk->went_up = true;
      if (walk->at.get() == walk->root) return -EXDEV;
      if (const NodeRef up = walk->at->parent.lock(); up != nullptr) walk->at = up;
      continue;
    }
    const auto found = walk->at->in.find(name);
    if (found == walk->at->in.end()) return -ENOENT;
    const NodeRef next = found->second;
    if (next->mode == S_IFLNK) {
      if (++walk->links > kLinksMax) return -ELOOP;
      if (const int error = Resolve(walk, next->bytes); error < 0) return error;
    } else {
      walk->at = next;
    }
    if (must_be_folder && walk->at->mode != S_IFDIR) return -ENOTDIR;
  }
  return 0;
}

int SimFiles::Open(const SimFile* folder, std::string_view path, const open_how& how, std::shared_ptr<SimFile>* opened) {
  constexpr uint64_t kFlags = O_PATH | O_NONBLOCK | O_CLOEXEC | O_NOCTTY | O_DIRECTORY;
  constexpr uint64_t kBeneath = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;
  if ((how.flags & ~kFlags) != 0 || how.mode != 0 || (how.resolve & ~(kBeneath | RESOLVE_CACHED)) != 0) {
    choices_->Fail("openat2 with flags %#llx and resolve %#llx is not simulated",
                   static_cast<unsigned long long>(how.flags), static_cast<unsigned long long>(how.resolve));
  }
  const bool path_only = (how.flags & O_PATH) != 0;
  if (path_only && (how.flags & (O_NONBLOCK | O_NOCTTY)) != 0) return -EINVAL;
  const bool cached = (how.resolve & RESOLVE_CACHED) != 0;
  if (cached && !knows_cached_) return -EINVAL;
  if (!cached) MayWait("openat2");
  if (path.size() >= PATH_MAX) return -ENAMETOOLONG;
  const auto* from = dynamic_cast<const OpenNode*>(folder);
  if (folder != nullptr && (from == nullptr || from->node->mode != S_IFDIR)) return -ENOTDIR;
  Walk walk = {.at = from == nullptr ? top_ : from->node, .root = nullptr};
  if ((how.resolve & RESOLVE_BENEATH) != 0) walk.root = walk.at.get();
  if (cached && choices_->NotInMemory()) {
    ++counts_.not_in_memory;
    return -EAGAIN;
  }
  const int result = Resolve(&walk, path);
  if (walk.went_up && walk.root != nullptr && choices_->RenamedMeanwhile()) {
    ++counts_.races;
    return -EAGAIN;
  }
  if (result < 0) return result;
  if ((how.flags & O_DIRECTORY) != 0 && walk.at->mode != S_IFDIR) return -ENOTDIR;
  if (!path_only && walk.at->mode == S_IFSOCK) return -ENXIO;
  if (!path_only && walk.at->mode == S_IFIFO && (how.flags & O_NONBLOCK) == 0) {
    choices_->Fail("an open of a FIFO waits for its writer");
  }
  *opened = std::make_shared<OpenNode>(walk.at, path_only, &open_);
  return 0;
}

int SimFiles::Stat(const SimFile* file, int flags, struct statx* to) {
  if ((flags & ~AT_STATX_DONT_SYNC) != 0) choices_->Fail("statx with flags %#x is not simulated", static_cast<unsigned>(flags));
  const auto* open = dynamic_cast<const OpenNode*>(file);
  if (open == nullptr) choices_->Fail("statx of what is no file");
  if (flags == 0) MayWait("statx");
  const Node& node = *open->node;
  *to = {};
  to->stx_mask = STATX_BASIC_STATS;
  to->stx_mode = static_cast<uint16_t>(node.mode | 0644);
  to->stx_ino = node.inode;
  to->stx_size = node.bytes.size();
  to->stx_mtime.tv_sec = node.modified / core::kNanosPerSecond;
  to->stx_mtime.tv_nsec = static_cast<uint32_t>(node.modified % core::kNanosPerSecond);
  to->stx_dev_minor = 1;
  return 0;
}

int SimFiles::Read(const SimFile* file, void* to, size_t size, uint64_t offset, int flags) {
  if ((flags & ~RWF_NOWAIT) != 0) choices_->Fail("preadv2 with flags %#x is not simulated", static_cast<unsigned>(flags));
  const auto* open = dynamic_cast<const OpenNode*>(file);
  if (open == nullptr) return -ESPIPE;
  if (flags == 0) MayWait("preadv2");
  if (static_cast<int64_t>(offset) < 0) return -EINVAL;
  const Node& node = *open->node;
  if (open->path_only) return -EBADF;
  if (node.mode == S_IFDIR) return flags != 0 ? -EOPNOTSUPP : -EISDIR;
  if (node.mode == S_IFIFO) return -ESPIPE;
  if (node.mode != S_IFREG) choices_->Fail("a read from a device");
  if (flags != 0 && !knows_no_wait_) return -EOPNOTSUPP;
  if (offset >= node.bytes.size()) return 0;
  if (flags != 0 && choices_->NotInMemory()) {
    ++counts_.not_in_memory;
    return -EAGAIN;
  }
  const size_t there = std::min<size_t>(size, node.bytes.size() - offset);
  const size_t taken = choices_->ReadTake(there);
  if (taken < there) ++counts_.short_reads;
  std::memcpy(to, node.bytes.data() + offset, taken);
  return static_cast<int>(taken);
}

}  // namespace mooring::sim
