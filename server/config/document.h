// SPDX-License-Identifier: Apache-2.0
// Document: the table of keys for people: the commented file that ships, and docs/CONFIGURATION.md.
//
// Threads:  any; pure.
#ifndef MOORING_SERVER_CONFIG_DOCUMENT_H_
#define MOORING_SERVER_CONFIG_DOCUMENT_H_

#include <string>

#include "server/program.h"

namespace mooring::server::config {

// As it stands, all is at its default; every key is there, with its default behind a '#'. REQUIRES: a default_listen.
std::string ExampleFile(const Program& program);

std::string Reference(const Program& program);

}  // namespace mooring::server::config

#endif  // MOORING_SERVER_CONFIG_DOCUMENT_H_
