// SPDX-License-Identifier: Apache-2.0
// Each case of the table, whole, byte by byte and in every cut: always the same answer.
#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <string>

#include "llhttp.h"
#include "server/http/refusal.h"
#include "tests/server/http/feeding.h"
#include "tests/server/http/request_cases.h"

namespace mooring::server::http {
namespace {

std::string Expected(const RequestCase& one, const std::string& whole) {
  if (one.incomplete) return whole;
  if (one.refusal == Refusal::kNone) return one.summary;
  // Where it is seen is compared between cuts only.
  const std::string text = "refused: " + std::string(Name(one.refusal)) + " at ";
  return whole.substr(0, text.size()) == text ? whole : text;
}

// Longer cases are not cut at each byte, but at so many places, and at each of the last ones.
size_t Stride(const RequestCase& one) { return one.bytes.size() > 2000 ? 97 : 1; }

TEST(RefusalTable, WholeEachCaseHasItsAnswer) {
  for (const RequestCase& one : RequestCases()) {
    Feeding feeding(one.limits);
    feeding.Feed(one.bytes);
    const std::string whole = feeding.Summary();
    EXPECT_EQ(whole, Expected(one, whole)) << one.name;
    EXPECT_EQ(one.incomplete, !feeding.over()) << one.name;
    EXPECT_EQ(feeding.refusal(), one.refusal) << one.name;
    EXPECT_EQ(StatusOf(feeding.refusal()), one.status) << one.name;
  }
}

TEST(RefusalTable, ByteByByteTheAnswerIsTheSame) {
  for (const RequestCase& one : RequestCases()) {
    EXPECT_EQ(FeedBytes(one.bytes, one.limits), FeedCut(one.bytes, one.limits)) << one.name;
  }
}

TEST(RefusalTable, InTwoPiecesTheAnswerIsTheSame) {
  for (const RequestCase& one : RequestCases()) {
    const std::string whole = FeedCut(one.bytes, one.limits);
    for (size_t cut = 0; cut <= one.bytes.size(); cut += one.bytes.size() - cut < 200 ? 1 : Stride(one)) {
      ASSERT_EQ(FeedCut(one.bytes, one.limits, cut), whole) << one.name << " cut at " << cut;
    }
  }
}

TEST(RefusalTable, InThreePiecesTheAnswerIsTheSame) {
  for (const RequestCase& one : RequestCases()) {
    if (one.bytes.size() > 56) continue;
    const std::string whole = FeedCut(one.bytes, one.limits);
    for (size_t cut = 0; cut <= one.bytes.size(); ++cut) {
      for (size_t second = cut; second <= one.bytes.size(); ++second) {
        ASSERT_EQ(FeedCut(one.bytes, one.limits, cut, second), whole)
            << one.name << " cut at " << cut << " and " << second;
      }
    }
  }
}

TEST(RefusalTable, IsLargeAndHasEachRefusalAndEachNameOnce) {
  std::set<std::string> names;
  std::set<Refusal> refusals;
  for (const RequestCase& one : RequestCases()) {
    EXPECT_TRUE(names.insert(one.name).second) << one.name;
    refusals.insert(one.refusal);
  }
  EXPECT_GE(names.size(), 300u);
  // The parser's: deadlines are the connection's.
  for (int i = 0; i < static_cast<int>(Refusal::kHeadDeadline); ++i) {
    EXPECT_EQ(refusals.count(static_cast<Refusal>(i)), 1u) << Name(static_cast<Refusal>(i));
  }
}

// What llhttp alone says: in its strict mode, without a callback.
bool LlhttpPasses(const std::string& bytes) {
  llhttp_settings_t settings;
  llhttp_settings_init(&settings);
  llhttp_t parser;
  llhttp_init(&parser, HTTP_REQUEST, &settings);
  const int error = llhttp_execute(&parser, bytes.data(), bytes.size());
  return error == HPE_OK || error == HPE_PAUSED_UPGRADE || error == HPE_PAUSED_H2_UPGRADE;
}

// Why there is a screen before it. When llhttp learns to refuse one of these, the table says so and nothing else
// changes.
TEST(RefusalTable, SaysWhatLlhttpAloneWouldLetPass) {
  size_t passes = 0;
  for (const RequestCase& one : RequestCases()) {
    if (one.refusal == Refusal::kNone) continue;
    EXPECT_EQ(LlhttpPasses(one.bytes), one.llhttp_passes) << one.name;
    passes += one.llhttp_passes ? 1 : 0;
  }
  RecordProperty("llhttp_passes", static_cast<int>(passes));
}

TEST(Refusal, EachHasANameAndAnExplanationOfItsOwn) {
  std::set<std::string> names;
  std::set<std::string> texts;
  for (int i = 0; i < static_cast<int>(Refusal::kCount); ++i) {
    const auto refusal = static_cast<Refusal>(i);
    EXPECT_NE(Name(refusal), "?");
    EXPECT_TRUE(names.insert(std::string(Name(refusal))).second) << Name(refusal);
    EXPECT_TRUE(texts.insert(std::string(Explain(refusal))).second) << Name(refusal);
    EXPECT_GE(StatusOf(refusal), i == 0 ? 200 : 400);
  }
  EXPECT_EQ(Name(Refusal::kCount), "?");
  EXPECT_EQ(Explain(Refusal::kCount), "?");
}

}  // namespace
}  // namespace mooring::server::http
