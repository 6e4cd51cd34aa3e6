// SPDX-License-Identifier: Apache-2.0
// Services that read files (core/files.h), over the simulated kernel: whatever is in memory, whenever a helper comes to
// it, whatever happens to the files and the wait meanwhile. That no shard waits the simulated kernel itself asserts.
#include <gtest/gtest.h>

#include <cerrno>
#include <memory>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "core/files.h"
#include "core/sleep.h"
#include "net/providers.h"
#include "tests/net/sim_server.h"
#include "tests/sim/fault_plan.h"

namespace mooring::net {
namespace {

using core::kNanosPerMs;

std::string Text(size_t size, size_t salt = 0) {
  std::string text(size, '\0');
  for (size_t i = 0; i < size; ++i) text[i] = static_cast<char>('a' + (i * 7 + i / 251 + salt) % 26);
  return text;
}

// A server that answers the name of a file with "E<errno>;" or with "<bytes>:" and what it reads, ending it with ";", or
// with "E<errno>;" where a read fails.
class FileServer {
 public:
  FileServer(uint64_t seed, const SimServer::Options& options, core::Nanos deadline = 3600 * core::kNanosPerSecond)
      : server(seed, options), deadline_(deadline) {
    files().MakeFolder("www");
    files().Write("secret", "no");
    root_fd_ = server.world.kernel().OpenFolder("www");
  }
  void Start() {
    for (size_t i = 0; i < server.size(); ++i) {
      of_shard_.push_back(std::make_unique<core::Files>(root_fd_, &server.world.kernel()));
    }
    at_ = server.Listen(Coroutine([this](Connection& conn) { return Serve(this, conn); }));
  }

  SimServer server;
  sim::SimFiles& files() { return server.world.kernel().files(); }
  sim::SimPeer* Ask(const std::string& lines) {
    sim::SimPeer* peer = server.Connect(at_);
    peer->Send(lines);
    return peer;
  }
  uint64_t Count(core::FilesCount which) const {
    uint64_t sum = 0;
    for (const auto& files : of_shard_) sum += files->counters().Read(which);
    return sum;
  }
  uint64_t Counted() const {
    uint64_t sum = 0;
    for (size_t i = 0; i < core::CounterSet<core::FilesCount>::size; ++i) sum += Count(static_cast<core::FilesCount>(i));
    return sum;
  }
  uint64_t Outstanding() {
    uint64_t sum = 0;
    for (size_t i = 0; i < server.size(); ++i) sum += server.shard(i).answers()->outstanding();
    return sum;
  }
  uint64_t asked() const { return asked_; }  // calls of Files
  uint64_t read_on() const { return read_on_; }  // reads that gave bytes although the one before had fewer than asked for

 private:
  static core::Task<> Serve(FileServer* self, Connection& conn) {
    while (auto line = co_await conn.ReadLine({.max_bytes = 1000})) {
      std::string path(*line);
      auto said = co_await core::WithDeadline(self->deadline_, Answer(self, &conn, std::move(path)));
      if (!said.ok()) conn.Write("late;");
    }
  }
  static core::Task<int> Answer(FileServer* self, Connection* conn, std::string path) {
    core::Files* const files = self->of_shard_[core::Shard::Current()->id()].get();
    ++self->asked_;
    const core::OpenedFile opened = co_await files->Open(path);
    if (opened.error != 0 || !opened.file) {
      conn->Write("E" + std::to_string(opened.error) + ";");
      co_return opened.error;
    }
    conn->Write(std::to_string(opened.info.bytes) + ":");
    bool was_short = false;
    for (uint64_t at = 0;;) {
      ++self->asked_;
      core::FileRead read = co_await files->Read(opened.file, at, 10'000);
      if (read.error != 0) conn->Write("E" + std::to_string(read.error));
      if (read.bytes.empty()) break;
      self->read_on_ += was_short;
      was_short = read.bytes.size() < 10'000;
      at += read.bytes.size();
      conn->Write(std::move(read.bytes));
    }
    conn->Write(";");
    co_return 0;
  }

  const core::Nanos deadline_;
  int root_fd_ = -1;
  std::vector<std::unique_ptr<core::Files>> of_shard_;
  std::string at_;
  uint64_t asked_ = 0;
  uint64_t read_on_ = 0;
};

std::string Whole(const std::string& text) { return std::to_string(text.size()) + ":" + text + ";"; }

class SimFilesTest : public testing::TestWithParam<std::tuple<TransportKind, uint64_t>> {
 protected:
  SimServer::Options Options(uint32_t shards = 1) const {
    SimServer::Options options;
    options.shards = shards;
    options.transport = std::get<0>(GetParam());
    return options;
  }
  uint64_t seed() const { return Seed(std::get<1>(GetParam())); }
};
INSTANTIATE_TEST_SUITE_P(Seeds, SimFilesTest,
                         testing::Combine(testing::Values(TransportKind::kUring, TransportKind::kUringBase,
                                                          TransportKind::kEpoll),
                                          testing::Range<uint64_t>(1, 11)));

TEST_P(SimFilesTest, EveryPeerGetsTheWholeFilesItAskedFor) {
  FileServer all(seed(), Options(2));
  const std::vector<std::string> texts = {Text(0), Text(1, 1), Text(9'999, 2), Text(10'000, 3), Text(45'000, 4)};
  for (size_t i = 0; i < texts.size(); ++i) all.files().Write("www/in/" + std::to_string(i), texts[i]);
  all.files().Link("www/link", "in/../in/4");
  all.Start();
  std::vector<sim::SimPeer*> peers;
  for (size_t i = 0; i < 6; ++i) {
    std::string lines = "link\n";
    for (size_t n = 0; n < texts.size(); ++n) lines += "in/" + std::to_string((i + n) % texts.size()) + "\n";
    peers.push_back(all.Ask(lines));
  }
  all.server.world.RunFor(30'000);
  for (size_t i = 0; i < peers.size(); ++i) {
    std::string expected = Whole(texts[4]);
    for (size_t n = 0; n < texts.size(); ++n) expected += Whole(texts[(i + n) % texts.size()]);
    EXPECT_TRUE(peers[i]->received() == expected) << "peer " << i << " got " << peers[i]->received().size() << " of "
                                                  << expected.size();
    peers[i]->Close();
  }
  EXPECT_GT(all.Count(core::FilesCount::kOpenedAtOnce), 0u);
  EXPECT_GT(all.Count(core::FilesCount::kOpenedByHelper), 0u);
  EXPECT_GT(all.Count(core::FilesCount::kReadAtOnce), 0u);
  EXPECT_GT(all.Count(core::FilesCount::kReadByHelper), 0u);
  EXPECT_GT(all.files().counts().short_reads, 0u);
  EXPECT_EQ(all.Counted(), all.asked());
  EXPECT_EQ(all.read_on(), 0u) << "fewer only at the end";
  EXPECT_EQ(all.Outstanding(), 0u);
}

TEST_P(SimFilesTest, PathsThatLeadOutFindNothing) {
  FileServer all(seed(), Options());
  all.files().Link("www/out", "../secret");
  all.files().Link("www/absolute", "/secret");
  all.files().Link("www/loop", "loop");
  all.files().MakeFifo("www/fifo");
  all.files().MakeDevice("www/device");
  all.files().MakeSocket("www/socket");
  all.Start();
  auto* peer = all.Ask("../secret\nout\n/secret\nabsolute\nloop\nnothing\nfifo\ndevice\nsocket\n.\n");
  all.server.world.RunFor(10'000);
  const auto error = [](int number) { return "E" + std::to_string(number) + ";"; };
  EXPECT_EQ(peer->received(), error(EXDEV) + error(EXDEV) + error(EXDEV) + error(EXDEV) + error(ELOOP) + error(ENOENT) +
                                  error(0) + error(0) + error(ENXIO) + "0:E" + std::to_string(EISDIR) + ";");
  peer->Close();
  EXPECT_EQ(all.Count(core::FilesCount::kNotFound), 6u);
}

TEST_P(SimFilesTest, FilesThatChangeWhileTheyAreReadAreReadAsTheyAreThen) {
  FileServer all(seed(), Options());
  const std::string text = Text(50'000);
  all.files().Write("www/a", text);
  all.Start();
  std::vector<sim::SimPeer*> peers;
  for (int i = 0; i < 5; ++i) peers.push_back(all.Ask("a\na\na\n"));
  size_t steps = 0, bytes = 50'000;
  for (const auto end = all.server.world.now_ms() + 30'000; all.server.world.now_ms() < end; ++steps) {
    if (!all.server.world.Step() && !all.server.world.MoveClock(end * kNanosPerMs)) break;
    switch (steps % 37) {
      case 7: all.files().Truncate("www/a", bytes /= 2); break;
      case 17: all.files().Write("www/a", text.substr(0, bytes = 50'000)); break;  // the same bytes, as far as they go
      case 27: all.files().Replace("www/a", text.substr(0, bytes = 40'000)); break;
    }
  }
  for (sim::SimPeer* peer : peers) {
    std::string_view left = peer->received();
    for (int i = 0; i < 3; ++i) {
      const size_t colon = left.find(':'), end = left.find(';');
      ASSERT_NE(end, std::string::npos);
      ASSERT_LT(colon, end);
      const std::string body(left.substr(colon + 1, end - colon - 1));
      EXPECT_TRUE(body == text.substr(0, body.size())) << "what is read is the file's, without a gap";
      left.remove_prefix(end + 1);
    }
    EXPECT_TRUE(left.empty());
    peer->Close();
  }
  EXPECT_EQ(all.Outstanding(), 0u);
}

TEST_P(SimFilesTest, AFileSystemThatCannotSayIsReadByHelpersAlone) {
  FileServer all(seed(), Options());
  const std::string text = Text(25'000);
  all.files().Write("www/a", text);
  all.files().SetKnowsCached(false);
  all.files().SetKnowsNoWait(false);
  all.Start();
  auto* peer = all.Ask("a\n");
  all.server.world.RunFor(10'000);
  EXPECT_TRUE(peer->received() == Whole(text));
  peer->Close();
  EXPECT_EQ(all.Count(core::FilesCount::kOpenedByHelper), 1u);
  EXPECT_EQ(all.Count(core::FilesCount::kReadByHelper), 4u) << "the end too";
  EXPECT_EQ(all.Counted(), 5u);
}

TEST_P(SimFilesTest, ErrorsReachWhoAsked) {
  FileServer all(seed(), Options());
  const std::string text = Text(25'000);
  all.files().Write("www/a", text);
  all.Start();
  sim::FaultPlan faults(&all.server.world.kernel().choices(),
                        {{sim::FaultSite::kOpenFile, 100}, {sim::FaultSite::kStatFile, 100}, {sim::FaultSite::kReadFile, 50},
                         {sim::FaultSite::kDuplicate, 100}},
                        1000);
  std::vector<sim::SimPeer*> peers;
  for (int i = 0; i < 5; ++i) peers.push_back(all.Ask("a\na\na\na\na\na\n"));
  all.server.world.RunFor(60'000);
  size_t whole = 0, failed = 0, in_part = 0;
  for (sim::SimPeer* peer : peers) {
    std::string_view left = peer->received();
    for (int i = 0; i < 6; ++i) {
      const size_t end = left.find(';');
      ASSERT_NE(end, std::string::npos);
      const std::string_view answer = left.substr(0, end + 1);
      left.remove_prefix(end + 1);
      if (answer == Whole(text)) {
        ++whole;
      } else if (answer.front() == 'E') {
        ++failed;
      } else {
        ASSERT_EQ(answer.substr(0, 6), "25000:");
        const size_t e = answer.find('E');
        ASSERT_NE(e, std::string::npos) << "a short body that looks whole";
        EXPECT_TRUE(answer.substr(6, e - 6) == text.substr(0, e - 6));
        ++in_part;
      }
    }
    peer->Close();
  }
  EXPECT_EQ(whole + failed + in_part, 30u);
  EXPECT_EQ(all.Count(core::FilesCount::kFailed), failed + in_part);
  EXPECT_EQ(all.Counted(), all.asked());
  faults.Off();
}

TEST_P(SimFilesTest, TooManyThatWaitAreToldSo) {
  SimServer::Options options = Options();
  options.jobs = {.threads = 1, .queue_max = 1, .longest_ms = 50};
  FileServer all(seed(), options);
  all.files().Write("www/a", "x");
  all.files().SetKnowsCached(false);
  all.Start();
  std::vector<sim::SimPeer*> peers;
  for (int i = 0; i < 10; ++i) peers.push_back(all.Ask("a\n"));
  all.server.world.RunFor(5'000);
  size_t whole = 0, busy = 0;
  for (sim::SimPeer* peer : peers) {
    whole += peer->received() == "1:x;";
    busy += peer->received().find("E" + std::to_string(EBUSY)) != std::string::npos;
    peer->Close();
  }
  EXPECT_EQ(whole + busy, 10u);
  EXPECT_EQ(all.Count(core::FilesCount::kRefused), busy);
  EXPECT_EQ(all.server.world.jobs().refused(), busy);
}

TEST_P(SimFilesTest, ADeadlineEndsTheWaitAtAnyStageAndLeavesNothing) {
  SimServer::Options options = Options();
  options.jobs.threads = 2;
  FileServer all(seed(), options, 60 * kNanosPerMs);
  all.files().Write("www/a", Text(15'000));
  all.Start();
  std::vector<sim::SimPeer*> peers;
  for (int i = 0; i < 8; ++i) peers.push_back(all.Ask("a\na\na\na\n"));
  all.server.world.RunFor(20'000);
  for (sim::SimPeer* peer : peers) peer->Close();
  all.server.world.RunFor(5'000);
  EXPECT_EQ(all.Outstanding(), 0u);
  EXPECT_EQ(all.Counted(), all.asked());
  EXPECT_EQ(all.files().open(), 1u) << "the root alone";
}

TEST_P(SimFilesTest, AServerThatIsCutAtAnyStageLeavesNothing) {
  size_t with_jobs = 0;
  SimServer::Options options = Options(2);
  options.jobs.threads = 1;  // so that some wait
  for (int steps = 0; steps < 300; steps += 23) {
    FileServer all(seed(), options);
    all.files().Write("www/a", Text(15'000));
    all.Start();
      for (int i = 0; i < 5; ++i) all.Ask("a\na\n");
    for (int i = 0; i < steps; ++i) {
      if (!all.server.world.Step()) all.server.world.MoveClock(all.server.world.clock().Now() + 100 * kNanosPerMs);
    }
    with_jobs += all.Outstanding() > 0;
    all.server.CutAll();
    all.server.world.RunFor(1'000);
    EXPECT_EQ(all.Outstanding(), 0u);
    EXPECT_EQ(all.server.live(), 0u);
    EXPECT_EQ(all.files().open(), 1u) << "the root alone";
  }
  EXPECT_GT(with_jobs, 3u);
}

}  // namespace
}  // namespace mooring::net
