// SPDX-License-Identifier: Apache-2.0
#include "tests/server/http/answers.h"

#include <algorithm>
#include <cstdint>
#include <cstdlib>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace mooring::server::http {
namespace {

absl::string_view Absl(std::string_view text) { return {text.data(), text.size()}; }
bool Same(std::string_view a, std::string_view b) { return absl::EqualsIgnoreCase(Absl(a), Absl(b)); }

bool Token(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
  });
}

bool Digit(char c) { return c >= '0' && c <= '9'; }

}  // namespace

std::string Answer::Field(std::string_view name) const {
  for (const auto& [each, value] : fields) {
    if (Same(each, name)) return value;
  }
  return "";
}

int Answer::Count(std::string_view name) const {
  return static_cast<int>(
      std::count_if(fields.begin(), fields.end(), [&](const auto& field) { return Same(field.first, name); }));
}

Answers::Answers(std::string_view bytes, const std::vector<bool>& heads) {
  size_t at = 0;
  size_t request = 0;
  while (at < bytes.size()) {
    Answer answer;
    const size_t begin = at;
    if (!ReadHead(bytes, &at, &answer)) {
      rest_ = bytes.size() - begin;
      return;
    }
    const bool interim = answer.status < 200 && answer.status != 101;
    // Who is late (408) may be so with a head that nobody has read: that answer has a body, to HEAD too.
    const bool head = !interim && request < heads.size() && heads[request] && answer.status != 408;
    if (!interim) ++request;
    bool good = true;
    if (interim || answer.status == 101 || answer.status == 204 || answer.status == 304 || head) {
      answer.complete = true;
      const bool framed = answer.Count("Content-Length") + answer.Count("Transfer-Encoding") > 0;
      if (framed && answer.status < 205) good = head || Wrong(begin, "an answer that has no body is framed");
    } else if (answer.chunked) {
      good = ReadChunks(bytes, &at, &answer);
    } else if (answer.Count("Content-Length") != 0) {
      const uint64_t length = std::strtoull(answer.Field("Content-Length").c_str(), nullptr, 10);
      answer.body = bytes.substr(at, length);
      at += answer.body.size();
      answer.complete = answer.body.size() == length;
    } else {
      answer.to_end = true;
      if (!answer.closes) good = Wrong(begin, "a body up to the end without Connection: close");
      answer.body = bytes.substr(at);
      at = bytes.size();
    }
    const bool over = !answer.complete || answer.status == 101;
    const bool closes = answer.closes;
    answers_.push_back(std::move(answer));
    if (!good || over) return;
    if (closes && at < bytes.size()) {
      Wrong(at, "bytes behind an answer that closes");
      return;
    }
  }
}

bool Answers::Wrong(size_t at, std::string_view what) {
  error_ = absl::StrCat("at byte ", at, ": ", Absl(what));
  return false;
}

// False: not complete, or wrong.
bool Answers::ReadHead(std::string_view bytes, size_t* at, Answer* answer) {
  constexpr std::string_view kVersion = "HTTP/1.1 ";
  const std::string_view rest = bytes.substr(*at);
  const std::string_view begun = rest.substr(0, kVersion.size());
  if (begun != kVersion.substr(0, begun.size())) return Wrong(*at, "no status line");
  const size_t end = rest.find("\r\n\r\n");
  const std::string_view head = rest.substr(0, end);
  for (size_t i = 0; i < head.size(); ++i) {
    if (head[i] == '\n' && (i == 0 || head[i - 1] != '\r')) return Wrong(*at + i, "a bare LF");
    if (head[i] == '\r' && i + 1 < head.size() && head[i + 1] != '\n') return Wrong(*at + i, "a bare CR");
    if (head[i] == '\0') return Wrong(*at + i, "a NUL");
  }
  if (end == std::string_view::npos) return false;
  const size_t line = std::min(head.find("\r\n"), head.size());
  if (line < 13 || !Digit(head[9]) || !Digit(head[10]) || !Digit(head[11]) || head[12] != ' ') {
    return Wrong(*at, "a malformed status line");
  }
  answer->status = std::atoi(std::string(head.substr(9, 3)).c_str());
  if (answer->status < 100) return Wrong(*at, "a status below 100");
  for (size_t from = line + 2; from < head.size();) {
    const size_t to = std::min(head.find("\r\n", from), head.size());
    const std::string_view field = head.substr(from, to - from);
    const size_t colon = field.find(':');
    if (colon == std::string_view::npos || !Token(field.substr(0, colon))) {
      return Wrong(*at + from, "a malformed field");
    }
    std::string_view value = field.substr(colon + 1);
    while (!value.empty() && value.front() == ' ') value.remove_prefix(1);
    answer->fields.emplace_back(field.substr(0, colon), value);
    from = to + 2;
  }
  for (const char* once : {"Content-Length", "Transfer-Encoding", "Date", "Server", "Connection", "Content-Type"}) {
    if (answer->Count(once) > 1) return Wrong(*at, absl::StrCat("more than one ", once));
  }
  if (answer->Count("Content-Length") + answer->Count("Transfer-Encoding") > 1) return Wrong(*at, "framed twice");
  const std::string length = answer->Field("Content-Length");
  if (answer->Count("Content-Length") != 0 && (length.empty() || !std::all_of(length.begin(), length.end(), Digit))) {
    return Wrong(*at, "a malformed length");
  }
  if (answer->status >= 200 && answer->Count("Date") != 1) return Wrong(*at, "no Date");
  answer->chunked = answer->Count("Transfer-Encoding") != 0;
  if (answer->chunked && answer->Field("Transfer-Encoding") != "chunked") return Wrong(*at, "an unknown coding");
  answer->closes = Same(answer->Field("Connection"), "close");
  *at += end + 4;
  return true;
}

bool Answers::ReadChunks(std::string_view bytes, size_t* at, Answer* answer) {
  for (;;) {
    const size_t end = bytes.find("\r\n", *at);
    if (end == std::string_view::npos) {
      if (bytes.size() - *at > 18) return Wrong(*at, "an endless chunk size");
      return true;
    }
    const std::string size(bytes.substr(*at, end - *at));
    if (size.empty() || size.find_first_not_of("0123456789abcdefABCDEF") != std::string::npos) {
      return Wrong(*at, "a malformed chunk size");
    }
    const uint64_t length = std::strtoull(size.c_str(), nullptr, 16);
    const std::string_view piece = bytes.substr(end + 2, length);
    const std::string_view behind = bytes.substr(end + 2 + piece.size(), 2);
    answer->body.append(piece);
    if (behind != std::string_view("\r\n").substr(0, behind.size())) return Wrong(end, "no CRLF behind a chunk");
    if (piece.size() < length || behind.size() < 2) return true;
    *at = end + 2 + piece.size() + 2;
    if (length == 0) {
      answer->complete = true;
      return true;
    }
  }
}

std::vector<Answer> Answers::Final() const {
  std::vector<Answer> final;
  for (const Answer& each : answers_) {
    if (each.status >= 200 || each.status == 101) final.push_back(each);
  }
  return final;
}

size_t Answers::complete() const {
  const std::vector<Answer> final = Final();
  return static_cast<size_t>(std::count_if(final.begin(), final.end(), [](const Answer& a) { return a.complete; }));
}

}  // namespace mooring::server::http
