// SPDX-License-Identifier: Apache-2.0
// WelcomePage: what mooringd serves at / while it has no folder: that it works, and what is running.
//
// One page of HTML without a script, an image or anything that would have to be fetched, in the colours that the reader
// prefers. It names listeners and counts, so it is for those who may know them; a server with a --http-root has none.
//
// Threads:  any.
// Limits:   some 2 KB and what the facts take.
#ifndef MOORING_SERVER_HTTP_WELCOME_H_
#define MOORING_SERVER_HTTP_WELCOME_H_

#include <cstdint>
#include <string>
#include <vector>

namespace mooring::server::http {

// Any text: it is escaped.
struct WelcomeFacts {
  struct Listener {
    std::string name;     // "http"
    std::string address;  // as the start-up lines have it
    std::string summary = {};
  };
  std::string name;       // of the program
  std::string version;
  std::string transport;  // net::Transport::Describe
  uint32_t shards = 1;
  std::string cpus = {};  // "0-3"; empty: not known
  std::vector<Listener> listeners = {};
  int64_t uptime_s = 0;
  uint32_t shard = 0;     // that answers
  uint64_t connections = 0;  // of it, this one too
};

std::string WelcomePage(const WelcomeFacts& facts);

}  // namespace mooring::server::http

#endif  // MOORING_SERVER_HTTP_WELCOME_H_
