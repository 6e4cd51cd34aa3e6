// SPDX-License-Identifier: Apache-2.0
// Folders of this machine, served over its loopback.
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/blocking_pool.h"
#include "core/shard.h"
#include "server/http/http_service.h"
#include "server/http/static_files.h"
#include "tests/scenario/client.h"
#include "tests/scenario/loopback_server.h"
#include "tests/server/http/answers.h"
#include "tests/server/http/sample_routes.h"
#include "tests/server/http/temp_folder.h"

namespace mooring::server::http {
namespace {

using scenario::Client;
using scenario::Ending;
using scenario::LoopbackServer;

std::string GetOf(std::string_view target, std::string_view lines = "") {
  return absl::StrCat("GET ", std::string(target), " HTTP/1.1\r\nHost: x\r\n", std::string(lines), "\r\n");
}

class StaticFilesSockets : public testing::Test {
 protected:
  void Serve(int shards = 1) {
    auto files = StaticFiles::Open({.root = folder_.path(), .media_types = ""});
    ASSERT_TRUE(files.ok()) << files.status();
    router_.Fallback(files->action());
    server_ = std::make_unique<LoopbackServer>(
        [this] {
          core::Shard::Current()->SetJobRunner(&pool_);
          return std::make_unique<HttpService>(router_, HttpOptions());
        },
        scenario::LoopbackOptions{.shards = shards, .service = Http(router_).limits()});
  }

  TempFolder folder_;
  Router router_;
  core::BlockingPool pool_;
  std::unique_ptr<LoopbackServer> server_;
};

TEST_F(StaticFilesSockets, FilesOfAllSizesPipelinedOnTwoShards) {
  std::string requests;
  std::vector<std::string> contents;
  for (const size_t size : {0, 1, 1000, 65'536, 1'048'576, 1'048'577, 5'000'000}) {
    contents.push_back(Pattern(size, static_cast<unsigned>(size)));
    folder_.Write(absl::StrCat("f", size), contents.back());
    absl::StrAppend(&requests, GetOf(absl::StrCat("/f", size)));
  }
  absl::StrAppend(&requests, GetOf("/f1000", "Range: bytes=10-19\r\nConnection: close\r\n"));
  Serve(2);
  for (int round = 0; round < 4; ++round) {
    Client client(server_->port());
    client.Send(requests);
    const Answers answers(client.ReceiveToFin());
    EXPECT_EQ(answers.error(), "");
    ASSERT_EQ(answers.complete(), contents.size() + 1);
    for (size_t i = 0; i < contents.size(); ++i) {
      EXPECT_EQ(answers[i].status, 200);
      EXPECT_TRUE(answers[i].body == contents[i]) << i;
    }
    EXPECT_EQ(answers[contents.size()].status, 206);
    EXPECT_EQ(answers[contents.size()].body, contents[2].substr(10, 10));
  }
}

TEST_F(StaticFilesSockets, AFileThatIsCutWhileItIsSentEndsItsConnection) {
  constexpr size_t kBytes = 64 << 20;  // more than the kernel's buffers take
  folder_.Write("large.bin", std::string(kBytes, 'x'));
  Serve();
  Client client(server_->port(), {.receive_buffer = 65536});
  client.Send(GetOf("/large.bin"));
  std::string received = client.Receive(1 << 20);
  ASSERT_EQ(truncate((folder_ / "large.bin").c_str(), 1000), 0);
  Ending ending = Ending::kStillOpen;
  received += client.ReceiveToEnd(&ending);
  EXPECT_NE(ending, Ending::kStillOpen);
  EXPECT_LT(received.size(), kBytes);
  EXPECT_EQ(Answers(received).complete(), 0u);
  EXPECT_EQ(received.substr(received.size() - 10), std::string(10, 'x')) << "nothing was made up";
}

TEST_F(StaticFilesSockets, AFileThatIsRemovedWhileItIsSentArrivesWhole) {
  constexpr size_t kBytes = 32 << 20;
  folder_.Write("large.bin", Pattern(kBytes));
  Serve();
  Client client(server_->port(), {.receive_buffer = 65536});
  client.Send(GetOf("/large.bin", "Connection: close\r\n"));
  std::string received = client.Receive(1 << 20);
  folder_.Remove("large.bin");
  received += client.ReceiveToFin();
  const Answers answers(received);
  ASSERT_EQ(answers.complete(), 1u);
  EXPECT_TRUE(answers[0].body == Pattern(kBytes));
}

}  // namespace
}  // namespace mooring::server::http
