// SPDX-License-Identifier: Apache-2.0
#include "tests/net/trial_http.h"

#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/locals.h"
#include "tests/server/http/answers.h"
#include "tests/server/http/sample_routes.h"

namespace mooring::net {
namespace {

// Nothing is answered before it is asked to its end; what a peer said in part is not decided.
constexpr server::http::QuestionKinds kKinds = {.closes = false, .early = false, .bytes_max = 3'000};

std::string MeaningOf(int status, std::string_view body) {
  std::string meaning = absl::StrCat("[", status, "]");
  if (status == 200) meaning.append(body);  // others say it in words
  return meaning;
}

}  // namespace

ServiceFactory TrialHttp() {
  return [] {
    server::http::HttpOptions options;
    options.header_deadline_s = kHttpPatienceSeconds;
    options.body_idle_s = kHttpPatienceSeconds + 5;
    options.body_rate_bytes = 0;
    options.keepalive_s = kHttpPatienceSeconds + 15;
    options.handler_deadline_s = 0;  // a trial may stop the clock of a route for hours
    options.connection_age_s = 0;
    options.drain_keepalive_grace_s = 2;
    auto service = std::make_unique<server::http::HttpService>(server::http::SampleRoutes(), options);
    core::Local<HttpBook>().services.push_back(service.get());
    return service;
  };
}

std::string HttpScript::More(Dice& dice, size_t bytes) {
  std::string said = Rest();
  bool expects = false;
  size_t body_at = 0;
  while (said.size() < bytes) {
    const server::http::Question question = server::http::DrawQuestion(dice, kKinds);
    expects = question.expects;
    body_at = said.size() + question.bytes.find("\r\n\r\n") + 4;
    said += question.bytes;
    bytes_ += question.bytes.size();
    asked_.push_back({bytes_, MeaningOf(question.status, question.body) + "\n", question.head});
  }
  // As one who waits for a 100 does.
  if (expects && dice.Chance(70)) bytes = body_at;
  // Who is late with a HEAD is answered as anybody whose head was not read: with a body.
  if (said.size() > bytes && !asked_.back().head && (expects || dice.Chance(60))) {
    unsaid_ = said.substr(bytes);
    said.resize(bytes);
  }
  return said;
}

std::string HttpScript::Expected(size_t bytes) const {
  std::string all;
  for (const Asked& each : asked_) {
    if (each.end > bytes) break;
    all += each.meaning;
  }
  return all;
}

std::string HttpScript::Meaning(std::string_view received) const {
  std::vector<bool> heads;
  for (const Asked& each : asked_) heads.push_back(each.head);
  const server::http::Answers answers(received, heads);
  std::string all;
  for (const server::http::Answer& each : answers.Final()) {
    all += MeaningOf(each.status, each.body);
    if (each.complete) all += "\n";
  }
  if (!answers.error().empty()) absl::StrAppend(&all, "!", answers.error());
  return all;
}

std::string HttpScript::WithoutTimeout(std::string meaning) {
  constexpr std::string_view kTimeout = "[408]";
  const std::string_view text = meaning;
  const std::string_view begun = !text.empty() && text.back() == '\n' ? text.substr(0, text.size() - 1) : text;
  if (begun.size() < kTimeout.size() || begun.substr(begun.size() - kTimeout.size()) != kTimeout) return meaning;
  return meaning.substr(0, begun.size() - kTimeout.size());
}

std::string HttpScript::UpToFailure(std::string meaning) {
  return meaning.substr(0, meaning.find("[500]"));
}

}  // namespace mooring::net
