// SPDX-License-Identifier: Apache-2.0
// Every file of a target's corpus, in any build and without a fuzzer: what was found once stays found.
#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "tests/fuzz/fuzz.h"

namespace mooring::fuzz {
namespace {

std::vector<std::filesystem::path> Corpus() {
  const char* runfiles = std::getenv("TEST_SRCDIR");
  const char* workspace = std::getenv("TEST_WORKSPACE");
  if (runfiles == nullptr || workspace == nullptr) return {};
  std::vector<std::filesystem::path> files;
  const auto folder = std::filesystem::path(runfiles) / workspace / "tests/fuzz/corpus" / MOORING_CORPUS;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  return files;
}

void RunOn(const std::string& input) {
  // A copy of exactly its size, so that AddressSanitizer sees a read behind it.
  const std::vector<uint8_t> copy(input.begin(), input.end());
  EXPECT_EQ(LLVMFuzzerTestOneInput(copy.data(), copy.size()), 0);
}

class Seeds : public testing::TestWithParam<std::filesystem::path> {};

TEST_P(Seeds, Hold) {
  std::ifstream file(GetParam(), std::ios::binary);
  const std::string input(std::istreambuf_iterator<char>(file), {});
  ASSERT_FALSE(file.bad());
  RunOn(input);
  RunOn(input.substr(0, input.size() / 2));
}

INSTANTIATE_TEST_SUITE_P(Corpus, Seeds, testing::ValuesIn(Corpus()), [](const auto& info) {
  std::string name = info.param.filename().string();
  for (char& c : name) {
    if (std::isalnum(static_cast<unsigned char>(c)) == 0) c = '_';
  }
  return name;
});

TEST(Seeds, NoInputAtAllHolds) { RunOn(""); }

}  // namespace
}  // namespace mooring::fuzz
