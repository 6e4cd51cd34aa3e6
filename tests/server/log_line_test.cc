// SPDX-License-Identifier: Apache-2.0
#include "server/log_line.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>

namespace mooring::server {
namespace {

using Format = LogSettings::Format;
using Level = Log::Level;

constexpr int64_t kThen = 1795979656123;  // 2026-11-29T19:14:16.123Z

std::string Value(Format format, std::string_view value) {
  const std::string line = LogLine(format, kThen, Level::kInfo, "m", {{"v", value}});
  const std::string head = LogLine(format, kThen, Level::kInfo, "m", {});
  const size_t begin = head.size() - (format == Format::kText ? 1 : 2) + (format == Format::kText ? 3 : 5);
  return line.substr(begin, line.size() - begin - (format == Format::kText ? 1 : 2));
}
std::string Text(std::string_view value) { return Value(Format::kText, value); }
std::string Json(std::string_view value) { return Value(Format::kJson, value); }
std::string Time(int64_t wall_ms) { return LogLine(Format::kText, wall_ms, Level::kInfo, "m", {}).substr(0, 24); }

TEST(LogLine, IsTextForPeople) {
  EXPECT_EQ(LogLine(Format::kText, kThen, Level::kInfo, "draining", {{"signal", "SIGTERM"}, {"deadline_s", uint64_t{30}}}),
            "2026-11-29T19:14:16.123Z info  draining signal=SIGTERM deadline_s=30\n");
  EXPECT_EQ(LogLine(Format::kText, kThen, Level::kDebug, "a b", {{"x", int64_t{-5}}, {"y", true}, {"z", false}}),
            "2026-11-29T19:14:16.123Z debug a b x=-5 y=true z=false\n");
  EXPECT_EQ(LogLine(Format::kText, kThen, Level::kWarning, "w", {}), "2026-11-29T19:14:16.123Z warn  w\n");
  EXPECT_EQ(LogLine(Format::kText, kThen, Level::kError, "e", {}), "2026-11-29T19:14:16.123Z error e\n");
}

TEST(LogLine, IsJsonForMachines) {
  EXPECT_EQ(LogLine(Format::kJson, kThen, Level::kInfo, "draining", {{"signal", "SIGTERM"}, {"deadline_s", uint64_t{30}}}),
            "{\"time\":\"2026-11-29T19:14:16.123Z\",\"level\":\"info\",\"message\":\"draining\",\"signal\":\"SIGTERM\","
            "\"deadline_s\":30}\n");
  EXPECT_EQ(LogLine(Format::kJson, kThen, Level::kWarning, "w", {{"x", int64_t{-5}}, {"y", true}, {"z", 0.5}}),
            "{\"time\":\"2026-11-29T19:14:16.123Z\",\"level\":\"warning\",\"message\":\"w\",\"x\":-5,\"y\":true,\"z\":0.5}\n");
}

TEST(LogLine, NumbersKeepAllTheyHaveAndAreNumbersToJson) {
  const auto json = [](double value) {
    const std::string line = LogLine(Format::kJson, kThen, Level::kInfo, "m", {{"v", value}});
    return line.substr(line.find("\"v\""));
  };
  EXPECT_EQ(LogLine(Format::kText, kThen, Level::kInfo, "m", {{"v", UINT64_MAX}, {"w", INT64_MIN}}).substr(31),
            "m v=18446744073709551615 w=-9223372036854775808\n");
  EXPECT_EQ(json(1234567.25), "\"v\":1234567.25}\n");
  EXPECT_EQ(json(std::nan("")), "\"v\":null}\n");
  EXPECT_EQ(json(-std::numeric_limits<double>::infinity()), "\"v\":null}\n");
  EXPECT_EQ(LogLine(Format::kText, kThen, Level::kInfo, "m", {{"v", std::numeric_limits<double>::infinity()}}).substr(31),
            "m v=inf\n");
}

TEST(LogLine, TimesAreUtcOnEveryDay) {
  EXPECT_EQ(Time(0), "1970-01-01T00:00:00.000Z");
  EXPECT_EQ(Time(-1), "1969-12-31T23:59:59.999Z");
  EXPECT_EQ(Time(951782399999), "2000-02-28T23:59:59.999Z");
  EXPECT_EQ(Time(951782400000), "2000-02-29T00:00:00.000Z");
  EXPECT_EQ(Time(4107542400000), "2100-03-01T00:00:00.000Z");
  EXPECT_EQ(Time(1798761599999), "2026-12-31T23:59:59.999Z");
}

TEST(LogLine, TextQuotesWhatIsNotOnePlainWord) {
  EXPECT_EQ(Text("plain-1.5/x:y"), "plain-1.5/x:y");
  EXPECT_EQ(Text(""), "\"\"");
  EXPECT_EQ(Text("two words"), "\"two words\"");
  EXPECT_EQ(Text("a=b"), "\"a=b\"");
  EXPECT_EQ(Text("say \"x\""), "\"say \\\"x\\\"\"");
  EXPECT_EQ(Text("back\\slash"), "\"back\\\\slash\"");
  EXPECT_EQ(Text("grün"), "\"grün\"");
}

TEST(LogLine, NobodyForgesALineOrMovesATerminal) {
  for (const Format format : {Format::kText, Format::kJson}) {
    for (int c = 0; c < 256; ++c) {
      const std::string bytes = {'a', static_cast<char>(c), 'b'};
      for (const std::string& line : {LogLine(format, kThen, Level::kInfo, bytes, {}),
                                      LogLine(format, kThen, Level::kInfo, "m", {{"v", std::string_view(bytes)}})}) {
        ASSERT_EQ(line.find('\n'), line.size() - 1) << c;
        for (const char each : line.substr(0, line.size() - 1)) {
          ASSERT_GE(static_cast<unsigned char>(each), 0x20) << c;
          ASSERT_NE(each, 0x7f) << c;
        }
      }
    }
  }
  EXPECT_EQ(Json("\x1b[2J\r\n\t"), R"("\u001b[2J\r\n\t")");
  EXPECT_EQ(Text("\x1b[2J\r\n\t"), R"("\u001b[2J\r\n\t")");
  EXPECT_EQ(Text(std::string_view("\0", 1)), R"("\u0000")");
  EXPECT_EQ(Text("\u009b31m"), R"("\u009b31m")");      // CSI in one character
  EXPECT_EQ(Text("\u202egnp.exe"), R"("\u202egnp.exe")");
  EXPECT_EQ(Json("\u2028"), R"("\u2028")");
}

// RFC 3629: what begins no character, is cut short, overlong, a surrogate or too great is none.
TEST(LogLine, BytesThatAreNoUtf8AreReplacedOneByOne) {
  const std::string_view none[] = {"\x80", "\xbf", "\xc0", "\xc1", "\xc3", "\xe2\x82", "\xf0\x9f\x98", "\xf5", "\xff",
                                   "\xc0\xaf", "\xe0\x9f\xbf", "\xf0\x8f\xbf\xbf", "\xed\xa0\x80", "\xf4\x90\x80\x80"};
  for (const std::string_view bytes : none) {
    std::string json = "\"a", text = "\"a";
    for (const char byte : bytes) {
      char hex[8];
      std::snprintf(hex, sizeof(hex), "\\x%02x", static_cast<unsigned>(static_cast<unsigned char>(byte)));
      text += hex;
      json += "\xef\xbf\xbd";
    }
    EXPECT_EQ(Json("a" + std::string(bytes) + "b"), json + "b\"");
    EXPECT_EQ(Text("a" + std::string(bytes) + "b"), text + "b\"");
  }
  for (const std::string whole : {"\xc2\xa0", "\xdf\xbf", "\xe0\xa0\x80", "\xed\x9f\xbf", "\xee\x80\x80", "\xf0\x90\x80\x80",
                                  "\xf4\x8f\xbf\xbf"}) {
    EXPECT_EQ(Json(whole), "\"" + whole + "\"");
    EXPECT_EQ(Text(whole), "\"" + whole + "\"");
  }
}

TEST(LogLine, CutsWhatIsTooLong) {
  const std::string fits(kLogValueBytes, 'x');
  EXPECT_EQ(Text(fits), fits);
  EXPECT_EQ(Text(fits + "y"), "\"" + fits + "...\"");
  EXPECT_EQ(Json(fits + "y"), "\"" + fits + "...\"");
}

}  // namespace
}  // namespace mooring::server
