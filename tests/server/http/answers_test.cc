// SPDX-License-Identifier: Apache-2.0
#include "tests/server/http/answers.h"

#include <gtest/gtest.h>

#include <string>

namespace mooring::server::http {
namespace {

const std::string kSmall = "HTTP/1.1 200 OK\r\nDate: x\r\nContent-Length: 3\r\n\r\nabc";
const std::string kChunks =
    "HTTP/1.1 200 OK\r\nDate: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nA\r\n0123456789\r\n0\r\n\r\n";
const std::string kHead = "HTTP/1.1 200 OK\r\nDate: x\r\nContent-Length: 1000\r\n\r\n";
const std::string kLast = "HTTP/1.1 404 Not Found\r\nDate: x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";

TEST(Answers, AreToldApart) {
  const Answers answers("HTTP/1.1 100 Continue\r\n\r\n" + kSmall + kHead + kChunks + kLast, {false, true});
  EXPECT_EQ(answers.error(), "");
  ASSERT_EQ(answers.Final().size(), 4u);
  EXPECT_EQ(answers.complete(), 4u);
  EXPECT_EQ(answers.Final()[0].body, "abc");
  EXPECT_EQ(answers.Final()[1].body, "");
  EXPECT_EQ(answers.Final()[2].body, "abc0123456789");
  EXPECT_EQ(answers.Final()[3].status, 404);
  EXPECT_TRUE(answers.Final()[3].closes);
}

TEST(Answers, GrowWithEachByteAndAreNeverWrongBefore) {
  const std::string all = kSmall + kChunks + kLast;
  size_t complete = 0;
  for (size_t n = 0; n <= all.size(); ++n) {
    const Answers answers(all.substr(0, n));
    EXPECT_EQ(answers.error(), "") << n;
    EXPECT_GE(answers.complete(), complete) << n;
    complete = answers.complete();
  }
  EXPECT_EQ(complete, 3u);
}

TEST(Answers, SayWhatIsAgainstTheRules) {
  const std::string wrong[] = {
      "HTTP/1.0 200 OK\r\n\r\n",
      "HTTP/1.1 20 OK\r\nDate: x\r\n\r\n",
      "HTTP/1.1 200 OK\nDate: x\r\n\r\n",
      "HTTP/1.1 200 OK\r\nDate x\r\n\r\n",
      "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
      "HTTP/1.1 200 OK\r\nDate: x\r\nContent-Length: 0\r\nContent-Length: 0\r\n\r\n",
      "HTTP/1.1 200 OK\r\nDate: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
      "HTTP/1.1 200 OK\r\nDate: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n",
      "HTTP/1.1 200 OK\r\nDate: x\r\nTransfer-Encoding: chunked\r\n\r\n3 \r\nabc\r\n",
      "HTTP/1.1 204 No Content\r\nDate: x\r\nContent-Length: 0\r\n\r\n",
      "HTTP/1.1 200 OK\r\nDate: x\r\n\r\nwithout an end",
      kLast + "more",
      kSmall + "c",
  };
  for (const std::string& bytes : wrong) EXPECT_NE(Answers(bytes).error(), "") << bytes;
}

}  // namespace
}  // namespace mooring::server::http
