// SPDX-License-Identifier: Apache-2.0
#include "tests/server/http/sample_routes.h"

#include <algorithm>
#include <cstdlib>
#include <stdexcept>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "core/sleep.h"
#include "core/task.h"
#include "server/http/body_writer.h"
#include "server/http/request.h"
#include "server/http/response.h"
#include "tests/server/http/answers.h"

namespace mooring::server::http {
namespace {

using core::kNanosPerMs;
using core::kNanosPerSecond;
using core::Task;

uint64_t Number(const Request& request, std::string_view name) {
  return std::strtoull(request.Param(name).c_str(), nullptr, 10);
}

Response Plain(Request& request) { return Response::Text(Pattern(Number(request, "n"))); }

Task<Response> Later(Request& request) {
  co_await core::Sleep(static_cast<int64_t>(Number(request, "ms")) * kNanosPerMs);
  co_return Response::Text(Pattern(Number(request, "n")));
}

Response Pieces(uint64_t pieces, uint64_t bytes, bool naps, uint64_t length) {
  return Response::Stream(
      "text/plain",
      [pieces, bytes, naps](BodyWriter& out) -> Task<> {
        for (uint64_t i = 0; i < pieces; ++i) {
          if (naps) co_await core::Sleep(static_cast<int64_t>(1 + i % 3) * kNanosPerMs);
          const std::string piece = Pattern(bytes, static_cast<unsigned>(i));
          if (const bool going = co_await out.Write(piece); !going) co_return;
        }
      },
      length);
}

Response Whole(Request& request) { return Response::Text(Told(request.body())); }

Task<Response> Pulled(Request& request, bool slowly) {
  std::string body;
  for (;;) {
    if (slowly) co_await core::Sleep(2 * kNanosPerMs);
    const BodyPiece piece = co_await request.ReadBody();
    if (!piece) {
      if (piece.end != BodyEnd::kComplete) co_return Response::Plain(500);
      break;
    }
    body += *piece;
  }
  co_return Response::Text(Told(body));
}

Task<Response> PulledAtOnce(Request& request) { return Pulled(request, false); }
Task<Response> PulledSlowly(Request& request) { return Pulled(request, true); }

// A coroutine, so that the request lives as long as the stream.
Task<Response> Echoed(Request& request) {
  co_return Response::Stream("application/octet-stream", [&request](BodyWriter& out) -> Task<> {
    for (;;) {
      const BodyPiece piece = co_await request.ReadBody();
      if (!piece) break;
      if (const bool going = co_await out.Write(*piece); !going) co_return;
    }
  });
}

Task<Response> FailsLater(Request&) {
  co_await core::Sleep(kNanosPerMs);
  throw std::runtime_error("on purpose, later");
}

Task<Response> Slow(Request& request) {
  co_await core::Sleep(static_cast<int64_t>(Number(request, "s")) * kNanosPerSecond);
  co_return Response::Text("at last");
}

}  // namespace

Router SampleRoutes() {
  Router router;
  router.Get("/plain/{n}", Plain);
  router.Get("/later/{ms}/{n}", Later);
  router.Get("/chunks/{k}/{n}", [](Request& request) {
    return Pieces(Number(request, "k"), Number(request, "n"), false, Response::kUnknownLength);
  });
  router.Get("/naps/{k}/{n}", [](Request& request) {
    return Pieces(Number(request, "k"), Number(request, "n"), true, Response::kUnknownLength);
  });
  router.Get("/sized/{k}/{n}", [](Request& request) {
    const uint64_t pieces = Number(request, "k");
    const uint64_t bytes = Number(request, "n");
    return Pieces(pieces, bytes, false, pieces * bytes);
  });
  router.Post("/whole", Whole);
  router.Post("/pulled", PulledAtOnce);
  router.Post("/slowly", PulledSlowly);
  router.Post("/echoed", Echoed);
  router.Post("/begun", [](Request& request) -> Task<Response> {
    co_await request.ReadBody();
    co_return Response::Text("begun");
  });
  router.Post("/ignored", [](Request&) { return Response::Text("ignored"); });
  router.Get("/fails", [](Request&) -> Response { throw std::runtime_error("on purpose"); });
  router.Get("/fails_later", FailsLater);
  router.Get("/slow/{s}", Slow, {.deadline = kNanosPerSecond});
  return router;
}

std::string Pattern(size_t bytes, unsigned from) {
  std::string pattern(bytes, '\0');
  for (size_t i = 0; i < bytes; ++i) pattern[i] = static_cast<char>('a' + (from + i * 7 + i / 23 * 5) % 26);
  return pattern;
}

std::string Told(std::string_view body) {
  uint64_t sum = 14695981039346656037u;  // FNV-1a
  for (const char c : body) sum = (sum ^ static_cast<unsigned char>(c)) * 1099511628211u;
  return absl::StrFormat("%d bytes, %016x\n", body.size(), sum);
}

Question Question::Get(std::string target, std::string body) {
  Question question;
  question.bytes = absl::StrCat("GET ", target, " HTTP/1.1\r\nHost: sim\r\n\r\n");
  question.body = std::move(body);
  return question;
}

Question Question::Post(std::string target, std::string_view content, std::string answer) {
  Question question;
  question.bytes = absl::StrCat("POST ", target, " HTTP/1.1\r\nHost: sim\r\nContent-Length: ", content.size(),
                                "\r\n\r\n");
  question.bytes.append(content);
  question.body = std::move(answer);
  return question;
}

std::string Chunked(std::string_view content, net::Dice& dice) {
  std::string bytes;
  while (!content.empty()) {
    const size_t most = dice.Chance(30) ? 8 : content.size();
    const size_t size = std::min<size_t>(content.size(), dice.Between(1, most));
    const char* extension = dice.Chance(10) ? ";name=\"value\"" : "";
    const std::string number = dice.Chance(50) ? absl::StrFormat("%x", size) : absl::StrFormat("00%X", size);
    absl::StrAppend(&bytes, number, extension, "\r\n");
    bytes.append(content.substr(0, size)).append("\r\n");
    content.remove_prefix(size);
  }
  bytes += "0\r\n";
  if (dice.Chance(20)) bytes += "Trailer-Field: nobody sees it\r\n";
  return bytes + "\r\n";
}

Question DrawQuestion(net::Dice& dice, const QuestionKinds& kinds) {
  const auto bytes = [&] { return dice.Chance(60) ? dice.Between(0, 60) : dice.Between(0, kinds.bytes_max); };
  const uint64_t what = dice.Pick(100);
  Question question;
  std::string target;
  std::string fields;
  if (what < 65) {
    const uint64_t n = what < 40 ? bytes() : std::min<uint64_t>(bytes(), kinds.bytes_max / 8);
    const uint64_t k = dice.Between(0, 8);
    if (what < 20) {
      target = absl::StrCat("/plain/", n);
      question.body = Pattern(n);
    } else if (what < 40) {
      target = absl::StrCat("/later/", kinds.sleeps ? dice.Between(0, 20) : 0, "/", n);
      question.body = Pattern(n);
    } else if (what < 60) {
      constexpr const char* kStreams[] = {"/chunks/", "/sized/", "/naps/"};
      target = absl::StrCat(kStreams[dice.Pick(kinds.sleeps ? 3 : 2)], k, "/", n);
      for (uint64_t i = 0; i < k; ++i) question.body += Pattern(n, static_cast<unsigned>(i));
    } else if (what < 62) {
      target = "/missing";
      question.status = 404;
    } else {
      target = what == 62 || !kinds.sleeps ? "/fails" : "/fails_later";
      question.status = 500;
    }
    question.head = dice.Chance(15);
    if (question.head) question.body.clear();
    const char* method = question.head ? "HEAD " : "GET ";
    if (target.rfind("/plain/", 0) == 0 && dice.Chance(5)) {
      question.head = false;
      question.status = 405;
      method = "DELETE ";
    }
    // HTTP/1.0 needs no Host, and closes.
    if (kinds.closes && dice.Chance(2)) {
      question.bytes = absl::StrCat(method, target, " HTTP/1.0\r\n");
      question.closes = true;
    } else {
      question.bytes = absl::StrCat(method, target, " HTTP/1.1\r\nHost: sim\r\n");
    }
  } else {
    constexpr const char* kTargets[] = {"/echoed", "/begun", "/ignored", "/whole", "/pulled", "/slowly"};
    const uint64_t first = kinds.early ? 0 : 3;
    target = kTargets[dice.Between(first, kinds.sleeps ? 5 : 4)];
    const size_t length = bytes();  // first: the order in which arguments are evaluated is the compiler's
    const std::string content = Pattern(length, static_cast<unsigned>(dice.Pick(26)));
    const bool unread = target == "/begun" || target == "/ignored";
    question.body = target == "/echoed" ? content : unread ? target.substr(1) : Told(content);
    question.bytes = absl::StrCat("POST ", target, " HTTP/1.1\r\nHost: sim\r\n");
    // One that answers before it has read makes a client that waits guess whether to send: the connection closes then.
    question.expects = dice.Chance(8) && target != "/echoed" && target != "/ignored";
    if (question.expects) question.bytes += "Expect: 100-continue\r\n";
    const bool chunked = dice.Chance(50);
    fields = chunked ? std::string("Transfer-Encoding: chunked\r\n\r\n")
                     : absl::StrCat("Content-Length: ", content.size(), "\r\n\r\n");
    fields += chunked ? Chunked(content, dice) : content;
  }
  if (dice.Chance(10)) absl::StrAppend(&question.bytes, "X-Filler: ", std::string(dice.Between(1, 900), 'f'), "\r\n");
  if (kinds.closes && !question.closes && dice.Chance(3)) {
    question.bytes += "Connection: close\r\n";
    question.closes = true;
  }
  question.bytes += fields.empty() ? "\r\n" : fields;
  return question;
}

std::string WrongIn(std::string_view received, const std::vector<Question>& questions, bool whole) {
  std::vector<bool> heads;
  for (const Question& question : questions) heads.push_back(question.head);
  const Answers answers(received, heads);
  if (!answers.error().empty()) return answers.error();
  size_t at = 0;
  bool over = false;
  for (size_t i = 0; i < answers.size(); ++i) {
    const Answer& answer = answers[i];
    const auto wrong = [&](const auto&... what) {
      const std::string asked = at < questions.size() ? questions[at].bytes.substr(0, 200) : "";
      return absl::StrCat("answer ", at, ": ", what..., "; asked was\n", asked);
    };
    if (over) return wrong("behind the one that closes");
    if (at == questions.size()) return wrong("nobody asked for it");
    const Question& question = questions[at];
    if (answer.status == 100) {
      if (!question.expects) return wrong("a 100 that nobody waits for");
      continue;
    }
    if (answer.status != question.status) return wrong("status ", answer.status, ", not ", question.status);
    if (question.status == 200) {
      const bool short_one = !answer.complete && !answer.to_end;
      const size_t most = short_one || !whole ? answer.body.size() : std::string::npos;
      const std::string_view due = std::string_view(question.body).substr(0, most);
      if (answer.body != due) return wrong("a body of ", answer.body.size(), " bytes, not ", question.body.size());
    }
    if (whole && !answer.complete && !answer.to_end) return wrong("not complete");
    if (question.closes && !answer.closes) return wrong("does not say that it closes");
    if (whole && answer.closes && !question.closes) return wrong("closes");
    over = question.closes;
    ++at;
  }
  if (!whole) return "";
  if (answers.rest() != 0) return "half a head at the end";
  const auto last = std::find_if(questions.begin(), questions.end(), [](const Question& q) { return q.closes; });
  const size_t due = static_cast<size_t>(last - questions.begin()) + (last == questions.end() ? 0 : 1);
  return at == due ? "" : absl::StrCat(at, " answers, not ", due);
}

}  // namespace mooring::server::http
