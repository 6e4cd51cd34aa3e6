// SPDX-License-Identifier: Apache-2.0
// Files: configuration files of a test, in a folder of its own that stands for /etc.
//
// Threads:  one.
// Owns:     the folder.
#ifndef MOORING_TESTS_SERVER_CONFIG_FILES_H_
#define MOORING_TESTS_SERVER_CONFIG_FILES_H_

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "absl/strings/str_replace.h"
#include "server/config/config.h"

namespace mooring::server::config {

class Files {
 public:
  Files() {
    std::string path = testing::TempDir() + "/config.XXXXXX";
    EXPECT_NE(mkdtemp(path.data()), nullptr);
    folder_ = path;
  }
  ~Files() { std::filesystem::remove_all(folder_); }

  std::string operator/(const std::string& name) const { return folder_ + "/" + name; }
  std::string Write(const std::string& name, const std::string& text) const {
    const std::filesystem::path path = *this / name;
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path, std::ios::binary) << text;
    return path;
  }

  // A file `f` with `text`, named by --config.
  Sources With(const std::string& text, std::vector<std::string> arguments = {}, Environment environment = {}) const {
    arguments.push_back("--config=" + Write("f", text));
    return {.arguments = std::move(arguments), .environment = std::move(environment), .etc = folder_};
  }

  // What is wrong, with the folder left out.
  std::string ErrorOf(const Program& program, const Sources& sources) const {
    const auto asked = Read(program, sources);
    return asked.ok() ? "(no error)" : absl::StrReplaceAll(asked.status().message(), {{folder_ + "/", ""}});
  }

 private:
  std::string folder_;
};

}  // namespace mooring::server::config

#endif  // MOORING_TESTS_SERVER_CONFIG_FILES_H_
