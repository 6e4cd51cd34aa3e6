// SPDX-License-Identifier: Apache-2.0
// TrialHttp: HTTP in a trial: the service, and what a peer of it asks and has to hear.
//
// What was heard is compared as what it means: the status and the body of each answer, in order. How it was framed is
// looked at by Answers.
//
// Threads:  one.
#ifndef MOORING_TESTS_NET_TRIAL_HTTP_H_
#define MOORING_TESTS_NET_TRIAL_HTTP_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "server/http/http_service.h"
#include "tests/net/dice.h"
#include "tests/net/sim_server.h"

namespace mooring::net {

// The HTTP services of a shard: Local<HttpBook>().
struct HttpBook {
  std::vector<const server::http::HttpService*> services;
};

// The earliest moment at which the service may end a connection that is healthy, but slow.
inline constexpr int64_t kHttpPatienceSeconds = 25;

// Made inside a shard that has an HttpBook.
ServiceFactory TrialHttp();

class HttpScript {
 public:
  // What it says next, in about so many bytes: requests, the last one maybe in part.
  std::string More(Dice& dice, size_t bytes);
  // The rest of the request that it has begun to say; empty: none.
  std::string Rest() { return std::exchange(unsaid_, {}); }
  bool partial() const { return !unsaid_.empty(); }

  // The meaning of all the answers to what is complete in the first `bytes` that were said.
  std::string Expected(size_t bytes) const;
  // The meaning of what was received.
  std::string Meaning(std::string_view received) const;
  // Without a last answer that says that its peer was too slow.
  static std::string WithoutTimeout(std::string meaning);
  // What was heard before the first answer that says that its handler failed.
  static std::string UpToFailure(std::string meaning);

 private:
  struct Asked {
    size_t end;        // of the request, in all that is said
    std::string meaning;
    bool head;
  };
  std::vector<Asked> asked_;
  std::string unsaid_;
  size_t bytes_ = 0;  // of all requests
};

}  // namespace mooring::net

#endif  // MOORING_TESTS_NET_TRIAL_HTTP_H_
