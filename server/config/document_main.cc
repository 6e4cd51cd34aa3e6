// SPDX-License-Identifier: Apache-2.0
// Writes server/config/mooringd.toml and docs/CONFIGURATION.md anew: bazel run //server/config:document
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>

#include "server/config/document.h"
#include "server/services.h"

namespace {

bool Write(const std::string& path, const std::string& text) {
  std::ofstream file(path);
  file << text;
  if (file.flush()) return true;
  std::fprintf(stderr, "cannot write %s\n", path.c_str());
  return false;
}

}  // namespace

int main(int argc, char** argv) {
  const char* const root = argc > 1 ? argv[1] : std::getenv("BUILD_WORKSPACE_DIRECTORY");  // bazel run says it
  if (root == nullptr) {
    std::fprintf(stderr, "usage: bazel run //server/config:document\n");
    return 2;
  }
  using namespace mooring::server;
  const bool example = Write(std::string(root) + "/server/config/mooringd.toml", config::ExampleFile(Mooringd()));
  const bool reference = Write(std::string(root) + "/docs/CONFIGURATION.md", config::Reference(Mooringd()));
  return example && reference ? 0 : 1;
}
