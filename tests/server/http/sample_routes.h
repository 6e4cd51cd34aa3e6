// SPDX-License-Identifier: Apache-2.0
// SampleRoutes: routes of every kind that there is, and questions to them whose answers are known.
//
//   GET  /plain/{n}             n bytes, at once
//   GET  /later/{ms}/{n}        n bytes, by a coroutine that sleeps first
//   GET  /chunks/{k}/{n}        a stream of k pieces of n bytes, in chunks; /naps/{k}/{n} sleeps before each
//   GET  /sized/{k}/{n}         likewise, its length known
//   POST /whole                 says what the body was, when the server has read it
//   POST /pulled, /slowly       the same, by a coroutine that reads it piece by piece, or sleeps before each
//   POST /echoed                a stream of what comes, as it comes
//   POST /begun                 reads one piece, and answers
//   POST /ignored               answers without a look at the body
//   GET  /fails, /fails_later   throw
//   GET  /slow/{s}              a deadline of 1 s, and answers after s
//
// Threads:  as a Router.
#ifndef MOORING_TESTS_SERVER_HTTP_SAMPLE_ROUTES_H_
#define MOORING_TESTS_SERVER_HTTP_SAMPLE_ROUTES_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "server/http/router.h"
#include "tests/net/dice.h"

namespace mooring::server::http {

Router SampleRoutes();

// Bytes in which any that is lost, doubled or moved shows.
std::string Pattern(size_t bytes, unsigned from = 0);
// What /whole and the like answer.
std::string Told(std::string_view body);

// A request, and what has to come of it.
struct Question {
  std::string bytes;
  bool head = false;
  bool expects = false;   // 100 may come first
  int status = 200;
  std::string body;       // of the answer, where its status is 200
  bool closes = false;    // nothing behind it is answered

  static Question Get(std::string target, std::string body);
  static Question Post(std::string target, std::string_view content, std::string answer);
};

struct QuestionKinds {
  bool sleeps = true;     // some take their time
  bool closes = true;     // some are the last one
  bool early = true;      // some are answered, or begun to be, before all of their body has come
  size_t bytes_max = 20'000;  // of a body, about
};
Question DrawQuestion(net::Dice& dice, const QuestionKinds& kinds);

// `content` in chunks as the dice say, some with extensions, now and then with a trailer.
std::string Chunked(std::string_view content, net::Dice& dice);

// What is wrong with what was answered to the first of `questions`; empty: nothing. `whole`: all had to be answered.
std::string WrongIn(std::string_view received, const std::vector<Question>& questions, bool whole);

}  // namespace mooring::server::http

#endif  // MOORING_TESTS_SERVER_HTTP_SAMPLE_ROUTES_H_
