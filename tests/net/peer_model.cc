// SPDX-License-Identifier: Apache-2.0
#include "tests/net/peer_model.h"

#include <algorithm>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "server/line.h"

namespace mooring::net {

PeerModel::PeerModel(sim::SimPeer* peer, const Setting& setting, int64_t now_ms)
    : peer_(peer), setting_(setting), budget_(setting.budget), active_ms_(now_ms), begun_ms_(now_ms) {}

std::string PeerModel::Expected(size_t bytes, bool at_end) const {
  switch (setting_.service) {
    case TrialService::kSlowLines:
    case TrialService::kImpatient: {
      if (at_end) return sent_.substr(0, bytes);
      const size_t end = bytes == 0 ? std::string::npos : sent_.rfind('\n', bytes - 1);
      return end == std::string::npos ? "" : sent_.substr(0, end + 1);
    }
    case TrialService::kExactly: return sent_.substr(0, at_end ? bytes : bytes / 1000 * 1000);
    case TrialService::kFarewell: return sent_.substr(0, std::min(bytes, kFarewellBytes));
    case TrialService::kPusher: {
      std::string out;
      for (uint32_t i = 0; i < kPushes; ++i) out += PushText();
      return out;
    }
    case TrialService::kGreeter: return std::string(kGreeting) + sent_.substr(0, bytes);
    case TrialService::kMember: return HeardIfItStays();
    case TrialService::kHttp: return http_.Expected(bytes);
    case TrialService::kLine: {
      std::string out;
      size_t begin = 0;
      for (size_t end; (end = sent_.find('\n', begin)) < bytes && end - begin <= server::kLineBytesMax; begin = end + 1) {
        out += "OK\n";
      }
      return out;
    }
    default: return sent_.substr(0, bytes);
  }
}

std::string PeerModel::Heard() const {
  if (!http()) return peer_->received();
  std::string meaning = http_.Meaning(peer_->received());
  if (may_fail_) meaning = HttpScript::UpToFailure(std::move(meaning));
  return late_ ? HttpScript::WithoutTimeout(meaning) : meaning;
}

std::string PeerModel::HeardIfItStays() const {
  const std::string& got = peer_->received();
  uint64_t from = 0;
  if (Broadcasts::First(got, &from)) return Broadcasts::Heard(std::min(from, told()), told());
  // The first line, which says what follows, is not there whole.
  const size_t digits = std::min(got.find_first_not_of("0123456789", std::min<size_t>(got.size(), 3)), got.size());
  return "at " + (digits > 3 ? got.substr(3, digits - 3) : "");
}

size_t PeerModel::DueToMember(bool ended) const {
  const std::string& got = peer_->received();
  uint64_t from = 0;
  if (!Broadcasts::First(got, &from)) return ended ? Broadcasts::Heard(0, 0).size() : 0;
  if (!ended) return HeardIfItStays().size();
  size_t due = Broadcasts::Heard(from, from).size();  // as much as it got, to the end of a body
  for (uint64_t number = from; due < got.size(); ++number) due += Broadcasts::Text(number).size();
  return due;
}

bool PeerModel::FinDue(size_t acknowledged) const {
  if (ended_ && !broken_) return true;
  if (setting_.service == TrialService::kPusher) return true;
  return setting_.service == TrialService::kFarewell && acknowledged >= kFarewellBytes;
}

// Acting.

void PeerModel::Say(std::string chunk, int64_t now_ms) {
  // Without CR where the answer does not show it.
  if (setting_.service == TrialService::kSlowLines || setting_.service == TrialService::kImpatient) {
    chunk.erase(std::remove(chunk.begin(), chunk.end(), '\r'), chunk.end());
  }
  if (chunk.empty()) return;
  active_ms_ = now_ms;
  sent_ += chunk;
  peer_->Send(chunk);
}

void PeerModel::Send(Dice& dice, size_t bytes, int64_t now_ms) {
  bytes = std::min(bytes, budget_);
  budget_ -= bytes;
  if (http()) {
    if (bytes == 0) return;
    const bool begun = http_.partial();
    const std::string more = http_.More(dice, bytes);
    // The time for the first one runs from accept on, maybe the moment it was connected.
    if (!sent_.empty() && (!begun || more.size() > 400)) begun_ms_ = now_ms;
    return Say(more, now_ms);
  }
  std::string chunk;
  // No line gets over the limit by accident.
  if (sent_.size() - (sent_.rfind('\n') + 1) > 4000) chunk = "\n";
  while (chunk.size() < bytes) {
    if (line() && setting_.may_exceed && dice.Chance(1)) {
      too_long_ = true;
      chunk.append(server::kLineBytesMax + dice.Between(2, 3000), 'x');
    }
    const size_t run = dice.Chance(90) ? dice.Between(0, 40) : dice.Between(0, 4000);
    chunk.append(run, static_cast<char>('a' + dice.Pick(26)));
    chunk += dice.Chance(50) ? "\r\n" : "\n";
  }
  if (!too_long_ && dice.Chance(50)) chunk.resize(bytes);  // in mid-line
  Say(std::move(chunk), now_ms);
}

void PeerModel::Act(Dice& dice, int64_t now_ms) {
  Look(now_ms);
  if (ended_) return;
  if (setting_.manner == Manner::kTalker) {
    if (!answered()) return;
    const size_t length = dice.Between(1, 60);  // first: the order in which arguments are evaluated is the compiler's
    const std::string question = std::string(length, static_cast<char>('a' + dice.Pick(26))) + "\n";
    due_ += line() ? 3 : question.size();
    return Say(question, now_ms);
  }
  if (setting_.manner == Manner::kFlooder) {
    if (peer_->unacknowledged() < 16'000 && budget_ > 0) Send(dice, 16'000, now_ms);
    return;
  }
  const uint64_t what = dice.Pick(100);
  if (what < 2 && setting_.may_break) {
    ended_ = broken_ = true;
    return what == 0 ? peer_->Close() : peer_->Reset();
  }
  if (what == 2 && setting_.may_vanish) {
    ended_ = broken_ = vanished_ = true;
    return peer_->Vanish();
  }
  if (what < 4) {
    if (http()) Say(http_.Rest(), now_ms);
    ended_ = true;
    return peer_->HalfClose();
  }
  if (what < 15) {
    Stall(now_ms);
    if (what < 10) return;
    const size_t bytes = dice.Between(1, 3000);
    return peer_->ReadSlowly(bytes, static_cast<int64_t>(dice.Between(1, 20)));
  }
  if (what < 30) return ReadOn();
  Send(dice, dice.Chance(50) ? dice.Between(1, 20) : dice.Between(1, 1 + budget_), now_ms);
}

void PeerModel::SayMore(Dice& dice, int64_t now_ms) {
  Look(now_ms);
  if (!ended_) Send(dice, dice.Chance(50) ? dice.Between(1, 20) : dice.Between(1, 1 + budget_), now_ms);
}

void PeerModel::Stall(int64_t now_ms) {
  if (slow_since_ms_ < 0) slow_since_ms_ = now_ms;
  peer_->Stall();
}

void PeerModel::ReadOn() {
  if (broken_) return;
  slow_since_ms_ = -1;
  peer_->Resume();
}

void PeerModel::Finish() {
  if (http() && !ended_) Say(http_.Rest(), active_ms_);
  if (!ended_) peer_->HalfClose();
  ended_ = true;
  if (!broken_) peer_->Resume();
}

void PeerModel::FinishMessage() {
  if (!ended_ && http()) Say(http_.Rest(), active_ms_);
  if (!ended_ && !sent_.empty()) {
    const bool lines = line() || setting_.service == TrialService::kSlowLines || setting_.service == TrialService::kImpatient;
    if (lines && sent_.back() != '\n') Say("\n", active_ms_);
    if (setting_.service == TrialService::kExactly && sent_.size() % 1000 != 0) {
      Say(std::string(1000 - sent_.size() % 1000, '.'), active_ms_);
    }
  }
  if (!broken_) peer_->Resume();
}

// A deadline of the server that may have passed, counted from the earliest moment from which it may count.
void PeerModel::Look(int64_t now_ms) {
  const auto passed = [&](int64_t since_ms, int64_t seconds) { return now_ms - since_ms >= (seconds - 1) * 1000; };
  const ServiceOptions& options = setting_.options;
  if (options.idle_timeout_s != 0 && passed(active_ms_, options.idle_timeout_s)) prefix_only_ = true;
  const bool late = passed(active_ms_, kHttpPatienceSeconds) ||
                    (http_.partial() && passed(begun_ms_, kHttpPatienceSeconds));
  if (http() && late) prefix_only_ = late_ = true;
  if (slow_since_ms_ < 0) return;
  if (options.write_stall_s != 0 && passed(slow_since_ms_, options.write_stall_s)) prefix_only_ = true;
  if (passed(slow_since_ms_, Engine::kLingerTotalSeconds)) prefix_only_ = true;
}

// What was under way stays so for as long as the clock has jumped. Who takes nothing of what is queued for 30 s after the
// server has closed is aborted (contract 1; it closes when its service does, and when the peer has ended), who
// acknowledges nothing for the write-stall time as well, and of whom no byte arrives is idle (contract 18).
void PeerModel::Jump(int64_t ms) {
  if (!peer_->connected() || peer_->saw_fin()) return;
  jumped_ms_ += ms;
  const auto over = [&](uint32_t seconds) { return seconds != 0 && jumped_ms_ >= (int64_t{seconds} - 1) * 1000; };
  const bool may_close = ended_ || too_long_ || setting_.service == TrialService::kPusher;
  const bool unheard = peer_->unacknowledged() > 0;
  const bool unanswered = unheard || Heard().size() < Expected(acknowledged(), ended_).size();
  if (may_close && over(Engine::kLingerTotalSeconds)) prefix_only_ = true;
  if (unanswered && over(setting_.options.write_stall_s)) prefix_only_ = true;
  if (unheard && over(setting_.options.idle_timeout_s)) prefix_only_ = true;
  // The time of a request is up that the server did not have whole when the clock jumped.
  if (http() && (unanswered || http_.partial()) && over(kHttpPatienceSeconds)) prefix_only_ = late_ = true;
}

// Checking.

std::string PeerModel::Describe() const {
  const auto name = [](bool is, const char* text) { return is ? text : ""; };
  return absl::StrCat("peer at ", peer_->is_unix() ? "a path" : absl::StrCat(peer_->local().port), " of ", Name(setting_.service), ", sent ", sent_.size(),
                      ", acknowledged ", acknowledged(), ", received ", peer_->received().size(),
                      name(peer_->connected(), ", connected"), name(peer_->saw_fin(), ", saw FIN"),
                      name(peer_->saw_reset(), ", saw RST"), name(peer_->refused(), ", refused"),
                      name(ended_, ", ended"), name(broken_, ", broken"), name(prefix_only_, ", may end early"));
}

void PeerModel::CheckPrefix(Findings* findings) const {
  const std::string all = Expected(sent_.size(), true);
  const std::string got = Heard();
  const size_t common = std::min(got.size(), all.size());
  if (common == got.size() && std::memcmp(got.data(), all.data(), common) == 0) return;
  const auto at = std::mismatch(got.begin(), got.begin() + static_cast<ptrdiff_t>(common), all.begin()).first;
  findings->Add("bytes", absl::StrCat(Describe(), ": wrong from byte ", at - got.begin(), " on, of ", all.size(),
                                      " at most: ", got.substr(static_cast<size_t>(at - got.begin()), 40)));
}

void PeerModel::CheckAtRest(Findings* findings) const {
  CheckPrefix(findings);
  if (!exact() || slow() || too_long_ || !peer_->connected()) return;
  if (setting_.service == TrialService::kPusher && !sent_.empty()) return;  // it said something after the goodbye
  // This one reads on by design only some milliseconds after each read: much in a small window takes longer than a rest.
  if (setting_.service == TrialService::kKeeper && peer_->unacknowledged() > 0) return;
  const size_t due = !member() ? Expected(acknowledged(), ended_).size() : ended_ ? 0 : DueToMember(false);
  if (peer_->unacknowledged() > 0 && !ended_) {
    findings->Add("rest", absl::StrCat(Describe(), ": bytes that nobody reads"));
  } else if (Heard().size() < due) {
    findings->Add("rest", absl::StrCat(Describe(), ": ", due, " bytes are due"));
  } else if (FinDue(acknowledged()) && !peer_->saw_fin()) {
    findings->Add("rest", absl::StrCat(Describe(), ": a FIN is due"));
  }
}

void PeerModel::CheckAtEnd(Findings* findings) const {
  CheckPrefix(findings);
  if (!exact()) return;
  if (too_long_ && peer_->saw_reset()) return;                                               // it said too much after
  if (setting_.service == TrialService::kPusher && !sent_.empty() && peer_->saw_reset()) return;  // the goodbye
  const size_t due = member() ? DueToMember(true) : Expected(sent_.size(), true).size();
  if (Heard().size() != due) findings->Add("answers", absl::StrCat(Describe(), ": ", due, " bytes are due"));
  if (!peer_->saw_fin()) findings->Add("answers", absl::StrCat(Describe(), ": no FIN"));
  if (peer_->saw_reset()) findings->Add("answers", absl::StrCat(Describe(), ": a reset"));
}

void PeerModel::CheckDrained(size_t acknowledged, Findings* findings) const {
  CheckPrefix(findings);
  if (!exact()) return;
  if (setting_.service == TrialService::kPusher && !sent_.empty() && peer_->saw_reset()) return;  // as at the end
  const std::string what = absl::StrCat(Describe(), ", acknowledged before the drain ", acknowledged);
  const size_t due = member() ? 0 : Expected(acknowledged, false).size();
  const std::string got = Heard();
  if (http() && !got.empty() && got.back() != '\n') findings->Add("drain", absl::StrCat(what, ": half an answer"));
  if (got.size() < due) findings->Add("drain", absl::StrCat(what, ": ", due, " bytes are due"));
  if (!peer_->saw_fin()) findings->Add("drain", absl::StrCat(what, ": no FIN"));
  if (peer_->saw_reset()) findings->Add("drain", absl::StrCat(what, ": a reset"));
  if (member() && !peer_->received().empty() && peer_->received().size() != DueToMember(true)) {
    findings->Add("drain", absl::StrCat(what, ": half a body"));
  }
  if (line() && peer_->received().size() % 3 != 0) findings->Add("drain", absl::StrCat(what, ": half an answer"));
}

}  // namespace mooring::net
