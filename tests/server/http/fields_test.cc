// SPDX-License-Identifier: Apache-2.0
#include "server/http/fields.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

namespace mooring::server::http {
namespace {

// A head of these "name:value" lines.
class Head {
 public:
  explicit Head(std::vector<std::pair<std::string, std::string>> lines) {
    for (const auto& [name, value] : lines) {
      Field field;
      field.name = static_cast<uint16_t>(bytes_.size());
      field.name_bytes = static_cast<uint16_t>(name.size());
      bytes_ += name + ": ";
      field.value = static_cast<uint16_t>(bytes_.size());
      field.value_bytes = static_cast<uint16_t>(value.size());
      bytes_ += value + "\r\n";
      fields_.push_back(field);
    }
  }
  Fields fields() const { return {bytes_.data(), fields_.data(), static_cast<uint32_t>(fields_.size())}; }

 private:
  std::string bytes_;
  std::vector<Field> fields_;
};

TEST(Fields, FindGivesTheFirstOfThatNameInAnyCase) {
  const Head head({{"Accept", "a"}, {"X-One", "b"}, {"x-one", "c"}, {"Empty", ""}});
  EXPECT_EQ(head.fields().Find("X-ONE"), "b");
  EXPECT_EQ(head.fields().Find("accept"), "a");
  EXPECT_EQ(head.fields().Find("Empty"), "");
  EXPECT_EQ(head.fields().Find("X-On"), std::nullopt);
  EXPECT_EQ(head.fields().Find("X-Onee"), std::nullopt);
  EXPECT_EQ(head.fields().Find(""), std::nullopt);
}

TEST(Fields, CountGivesAllOfThatName) {
  const Head head({{"A", "1"}, {"a", "2"}, {"B", "3"}});
  EXPECT_EQ(head.fields().Count("A"), 2u);
  EXPECT_EQ(head.fields().Count("b"), 1u);
  EXPECT_EQ(head.fields().Count("c"), 0u);
}

TEST(Fields, NamesAndValuesComeInOrder) {
  const Head head({{"A", "1"}, {"b", "2"}});
  ASSERT_EQ(head.fields().size(), 2u);
  EXPECT_EQ(head.fields().name(0), "A");
  EXPECT_EQ(head.fields().value(0), "1");
  EXPECT_EQ(head.fields().name(1), "b");
  EXPECT_EQ(head.fields().value(1), "2");
}

TEST(Fields, WithoutAHeadThereAreNone) {
  EXPECT_EQ(Fields().size(), 0u);
  EXPECT_EQ(Fields().Find("a"), std::nullopt);
  EXPECT_FALSE(Fields().HasToken("a", "b"));
}

TEST(Fields, HasTokenLooksThroughTheListOfAllFields) {
  const Head head({{"Connection", "keep-alive, Upgrade"}, {"connection", " ,, close"}, {"Other", "x"}});
  EXPECT_TRUE(head.fields().HasToken("Connection", "keep-alive"));
  EXPECT_TRUE(head.fields().HasToken("Connection", "upgrade"));
  EXPECT_TRUE(head.fields().HasToken("Connection", "Close"));
  EXPECT_FALSE(head.fields().HasToken("Connection", "x"));
  EXPECT_FALSE(head.fields().HasToken("Connection", "keep"));
  EXPECT_FALSE(head.fields().HasToken("Connection", "keep-alive, Upgrade"));
}

TEST(ListHas, ComparesWholeElementsWithoutTheirParameters) {
  EXPECT_TRUE(ListHas("gzip;q=1.0, br", "gzip"));
  EXPECT_TRUE(ListHas("gzip ; q=1.0", "GZIP"));
  EXPECT_TRUE(ListHas("a,br", "br"));
  EXPECT_TRUE(ListHas("\tbr\t", "br"));
  EXPECT_FALSE(ListHas("brr", "br"));
  EXPECT_FALSE(ListHas("a br", "br"));
  EXPECT_FALSE(ListHas("", "br"));
  EXPECT_FALSE(ListHas("a;br", "br"));
}

TEST(ListHas, ACommaInAQuotedStringDoesNotSeparate) {
  EXPECT_FALSE(ListHas("a=\"x, close, y\"", "close"));
  EXPECT_TRUE(ListHas("a=\"x, \\\", y\", close", "close"));
  EXPECT_FALSE(ListHas("a=\"open, close", "close"));
  EXPECT_FALSE(ListHas("a=\"ends with \\", "close"));
}

TEST(SameIgnoringCase, FoldsAsciiLettersAndNothingElse) {
  EXPECT_TRUE(SameIgnoringCase("Host", "hOST"));
  EXPECT_TRUE(SameIgnoringCase("", ""));
  EXPECT_FALSE(SameIgnoringCase("a", "ab"));
  // Each of these pairs differs by the bit that tells letters' cases apart.
  EXPECT_FALSE(SameIgnoringCase("@", "`"));
  EXPECT_FALSE(SameIgnoringCase("[", "{"));
  EXPECT_FALSE(SameIgnoringCase("-", "\r"));
  EXPECT_FALSE(SameIgnoringCase("\xc3\x84", "\xc3\xa4"));
}

}  // namespace
}  // namespace mooring::server::http
