// SPDX-License-Identifier: Apache-2.0
// TempFolder: a folder of a test's own, gone with it, and what tests put into it.
//
// Threads:  one.
#ifndef MOORING_TESTS_SERVER_HTTP_TEMP_FOLDER_H_
#define MOORING_TESTS_SERVER_HTTP_TEMP_FOLDER_H_

#include <fcntl.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

namespace mooring::server::http {

class TempFolder {
 public:
  TempFolder() : path_(testing::TempDir() + "/folder.XXXXXX") { EXPECT_NE(mkdtemp(path_.data()), nullptr) << path_; }
  TempFolder(const TempFolder&) = delete;
  ~TempFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }

  const std::string& path() const { return path_; }
  std::string operator/(std::string_view name) const { return path_ + "/" + std::string(name); }

  // In place, and the time of the file's last change is an hour ago; folders in between are made.
  void Write(std::string_view name, std::string_view content) const {
    std::filesystem::create_directories(std::filesystem::path(*this / name).parent_path());
    {
      std::ofstream out(*this / name, std::ios::binary | std::ios::trunc);
      out << content;
      ASSERT_TRUE(out.good()) << name;
    }
    Age(name, 3600);
  }
  // Another file under the same name.
  void Replace(std::string_view name, std::string_view content) const {
    const std::string aside = std::string(name) + ".new";
    Write(aside, content);
    ASSERT_EQ(rename((*this / aside).c_str(), (*this / name).c_str()), 0);
  }
  void Age(std::string_view name, int64_t seconds) const {
    timespec now{};
    clock_gettime(CLOCK_REALTIME, &now);
    SetTime(name, {.tv_sec = now.tv_sec - seconds, .tv_nsec = now.tv_nsec});
  }
  void SetTime(std::string_view name, timespec time) const {
    const timespec times[2] = {time, time};
    ASSERT_EQ(utimensat(AT_FDCWD, (*this / name).c_str(), times, AT_SYMLINK_NOFOLLOW), 0) << name;
  }
  timespec TimeOf(std::string_view name) const {
    struct stat found {};
    EXPECT_EQ(lstat((*this / name).c_str(), &found), 0) << name;
    return found.st_mtim;
  }
  void Link(std::string_view name, const std::string& target) const {
    ASSERT_EQ(symlink(target.c_str(), (*this / name).c_str()), 0) << name;
  }
  void Remove(std::string_view name) const { std::filesystem::remove_all(*this / name); }

 private:
  std::string path_;
};

}  // namespace mooring::server::http

#endif  // MOORING_TESTS_SERVER_HTTP_TEMP_FOLDER_H_
