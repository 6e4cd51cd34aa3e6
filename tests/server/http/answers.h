// SPDX-License-Identifier: Apache-2.0
// Answers: what a client was sent, read as strictly as RFC 9112 lets a client be.
//
//   Answers answers(peer->received(), {false, true});   // the second request was a HEAD
//   EXPECT_EQ(answers.error(), "");
//   EXPECT_EQ(answers[0].status, 200);
//
// Threads:  one.
// Owns:     copies of all that it gives.
#ifndef MOORING_TESTS_SERVER_HTTP_ANSWERS_H_
#define MOORING_TESTS_SERVER_HTTP_ANSWERS_H_

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace mooring::server::http {

struct Answer {
  int status = 0;
  std::vector<std::pair<std::string, std::string>> fields;
  std::string body;       // what there is of it, without framing
  bool chunked = false;
  bool to_end = false;    // its body ends with the connection
  bool complete = false;  // of a body to the end: never
  bool closes = false;    // Connection: close

  std::string Field(std::string_view name) const;  // in any case; empty: none
  int Count(std::string_view name) const;
};

class Answers {
 public:
  // `heads`: for each request, in order, whether it was a HEAD; those beyond are none. A 1xx answers none, but a 101.
  explicit Answers(std::string_view bytes, const std::vector<bool>& heads = {});

  // What is against the rules, and where; empty: nothing.
  const std::string& error() const { return error_; }
  // Bytes of a head that is not complete.
  size_t rest() const { return rest_; }
  size_t size() const { return answers_.size(); }
  const Answer& operator[](size_t i) const { return answers_[i]; }
  // Without 100s.
  std::vector<Answer> Final() const;
  size_t complete() const;  // final ones

 private:
  bool ReadHead(std::string_view bytes, size_t* at, Answer* answer);
  bool ReadChunks(std::string_view bytes, size_t* at, Answer* answer);
  bool Wrong(size_t at, std::string_view what);

  std::vector<Answer> answers_;
  std::string error_;
  size_t rest_ = 0;
};

}  // namespace mooring::server::http

#endif  // MOORING_TESTS_SERVER_HTTP_ANSWERS_H_
