// SPDX-License-Identifier: Apache-2.0
// The doctor by itself, as `mooringd doctor` with no settings calls it.
#include <string>
#include <vector>

#include "server/doctor/doctor.h"

int main(int argc, char** argv) {
  mooring::server::Program program;
  program.name = "doctor";
  return mooring::server::Doctor(program, mooring::server::Settings(), std::vector<std::string>(argv + 1, argv + argc),
                                 stdout);
}
