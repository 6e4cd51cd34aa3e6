// SPDX-License-Identifier: Apache-2.0
// docs/examples/hello_http.cc: its routes, its filters, and an echo that waits for who does not read it.
#include <gtest/gtest.h>
#include <poll.h>

#include <string>
#include <string_view>
#include <thread>

#include "tests/examples/example.h"
#include "tests/scenario/client.h"
#include "tests/server/http/answers.h"

namespace mooring::examples {
namespace {

using scenario::Client;
using scenario::Ending;
using server::http::Answer;
using server::http::Answers;

std::string Get(const std::string& target, const std::string& fields = "") {
  return "GET " + target + " HTTP/1.1\r\nHost: x\r\n" + fields + "Connection: close\r\n\r\n";
}

// The one answer that a connection for itself gives.
Answer Ask(uint16_t port, const std::string& request) {
  Client client(port);
  if (!client.Send(request)) return {};
  const Answers answers(client.ReceiveToFin());
  EXPECT_EQ(answers.error(), "");
  EXPECT_EQ(answers.complete(), 1u);
  return answers.size() == 1 ? answers[0] : Answer();
}

TEST(HelloHttpExample, RoutesAnswer) {
  Example hello("hello_http", {"--shards=2"});
  const Answer ada = Ask(hello.port(), Get("/hello/ada%20l"));
  EXPECT_EQ(ada.status, 200);
  EXPECT_EQ(ada.body, "hello ada l\n");
  EXPECT_EQ(ada.Field("X-Request-Id").size(), 32u);
  EXPECT_EQ(Ask(hello.port(), Get("/hello/a", "X-Request-Id: mine-7\r\n")).Field("X-Request-Id"), "mine-7");
  EXPECT_EQ(Ask(hello.port(), Get("/wait?ms=20")).body, "waited 20 ms\n");
  EXPECT_EQ(Ask(hello.port(), Get("/wait?ms=-1")).status, 400);
  for (const char* target : {"/", "/hello", "/hello/", "/hello/a/b", "/hello/%zz"}) {
    const Answer missing = Ask(hello.port(), Get(target));
    EXPECT_EQ(missing.status, 404) << target;
    EXPECT_EQ(missing.body, "404 Not Found\n") << target;
  }
  EXPECT_EQ(Ask(hello.port(), Get("/hello/a", "User-Agent: Robot/1\r\n")).status, 403);
  const Answer wrong = Ask(hello.port(), Get("/echo"));
  EXPECT_EQ(wrong.status, 405);
  EXPECT_EQ(wrong.Field("Allow"), "POST, OPTIONS");
  hello.ExpectDrained();
}

TEST(HelloHttpExample, EchoStreamsBothWaysAndHoldsTheSenderBack) {
  Example hello("hello_http", {"--shards=1"});
  std::string body(16 << 20, '\0');  // more than the kernel takes on the way there and back
  for (size_t i = 0; i < body.size(); ++i) body[i] = static_cast<char>(i * 7 + i / 4096);
  scenario::ClientOptions narrow;
  narrow.receive_buffer = narrow.send_buffer = 64 << 10;
  Client client(hello.port(), narrow);
  ASSERT_TRUE(client.Send("POST /echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: " +
                          std::to_string(body.size()) + "\r\n\r\n"));
  // Nothing is read here, so after some of it nothing more goes in: far less than the body.
  size_t sent = 0;
  pollfd room = {client.fd(), POLLOUT, 0};
  while (sent < body.size() && poll(&room, 1, 300) == 1) {
    sent += client.SendWhatFits(std::string_view(body).substr(sent));
  }
  EXPECT_LT(sent, body.size());
  std::thread rest([&] { client.Send(std::string_view(body).substr(sent)); });
  const Answers answers(client.ReceiveToFin());
  rest.join();
  ASSERT_EQ(answers.complete(), 1u) << answers.error();
  EXPECT_EQ(answers[0].status, 200);
  EXPECT_TRUE(answers[0].body == body);
  client.Close();
  hello.ExpectDrained();
}

TEST(HelloHttpExample, EchoOfABodyThatIsCutDoesNotLookWhole) {
  Example hello("hello_http", {"--shards=1"});
  Client client(hello.port());
  ASSERT_TRUE(client.Send("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nonly this"));
  std::string got;
  while (got.find("only this") == std::string::npos) got += client.ReceiveSome(4096);
  client.ShutdownWrite();
  Ending ending;
  got += client.ReceiveToEnd(&ending);
  EXPECT_EQ(Answers(got).complete(), 0u) << got;
  client.Close();
  hello.ExpectDrained();
}

}  // namespace
}  // namespace mooring::examples
