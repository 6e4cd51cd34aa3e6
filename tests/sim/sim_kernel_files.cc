// SPDX-License-Identifier: Apache-2.0
// The file half of SimKernel: descriptors in front of SimFiles.
#include <fcntl.h>
#include <linux/openat2.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <string>

#include "tests/sim/sim_kernel.h"

namespace mooring::sim {

int SimKernel::OpenFolder(std::string_view path) {
  open_how how = {};
  how.flags = O_PATH | O_DIRECTORY | O_CLOEXEC;
  std::shared_ptr<SimFile> opened;
  if (const int result = files_.Open(nullptr, path, how, &opened); result < 0) {
    choices_.Fail("%.*s: %s", static_cast<int>(path.size()), path.data(), strerrorname_np(-result));
  }
  return descriptors_.Install(std::make_shared<OpenFile>(std::move(opened)));
}

int SimKernel::OpenAt2(int folder, const char* path, const open_how& how) {
  FileRef from;
  if (folder != AT_FDCWD && (from = descriptors_.Get(folder)) == nullptr) return -EBADF;
  if (const int fault = choices_.Fault(FaultSite::kOpenFile); fault != 0) return -fault;
  if (descriptors_.Full()) return -EMFILE;  // do_sys_openat2() takes a number first
  std::shared_ptr<SimFile> opened;
  if (const int result = files_.Open(from == nullptr ? nullptr : from->file.get(), path, how, &opened); result < 0) {
    return result;
  }
  return descriptors_.Install(std::make_shared<OpenFile>(std::move(opened)));
}

int SimKernel::Stat(int fd, int flags, struct statx* to) {
  const FileRef file = descriptors_.Get(fd);
  if (file == nullptr) return -EBADF;
  if (const int fault = choices_.Fault(FaultSite::kStatFile); fault != 0) return -fault;
  return files_.Stat(file->file.get(), flags, to);
}

int SimKernel::ReadAt(int fd, void* to, size_t size, uint64_t offset, int flags) {
  const FileRef file = descriptors_.Get(fd);
  if (file == nullptr) return -EBADF;
  if (const int fault = choices_.Fault(FaultSite::kReadFile); fault != 0) return -fault;
  return files_.Read(file->file.get(), to, size, offset, flags);
}

}  // namespace mooring::sim
