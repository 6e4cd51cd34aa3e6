// SPDX-License-Identifier: Apache-2.0
#include <cstdio>
#include <cstring>

#include "server/version.h"

int main(int argc, char** argv) {
  if (argc == 2 && std::strcmp(argv[1], "--version") == 0) {
    std::printf("mooringd %s\n", mooring::server::kVersion);
    return 0;
  }
  std::fprintf(stderr, "mooringd: only --version so far\n");
  return 2;
}
