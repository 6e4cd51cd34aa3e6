// SPDX-License-Identifier: Apache-2.0
// StaticFiles over folders of this machine, on stepped shards. What its streams write: static_files_service_test.
#include "server/http/static_files.h"

#include <errno.h>
#include <gtest/gtest.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "alloc/shared_bytes.h"
#include "server/http/body_writer.h"
#include "tests/core/forwarding_kernel.h"
#include "tests/core/hand_runner.h"
#include "tests/core/test_port.h"
#include "tests/core/test_root.h"
#include "tests/server/http/request_builder.h"
#include "tests/server/http/temp_folder.h"

namespace mooring::server::http {
namespace {

using core::Shard;

// Counts the calls for files, and answers them itself where it is told to.
class FileKernel final : public core::ForwardingKernel {
 public:
  FileKernel() : ForwardingKernel(core::RealKernel()) {}
  int OpenAt2(int folder, const char* path, const open_how& how) override {
    ++opens;
    if ((how.flags & O_PATH) == 0) ++opens_to_read;
    if (cold && (how.resolve & RESOLVE_CACHED) != 0 && path != std::string_view(".")) return -EAGAIN;
    if (const int error = open_error; error != 0 && path != std::string_view(".")) return -error;
    return ForwardingKernel::OpenAt2(folder, path, how);
  }
  int Stat(int fd, int flags, struct statx* to) override {
    ++stats;
    return ForwardingKernel::Stat(fd, flags, to);
  }
  int ReadAt(int fd, void* to, size_t size, uint64_t offset, int flags) override {
    ++reads;
    if (cold && flags != 0) return -EAGAIN;
    if (on_read) on_read();
    if (read_error != 0) return -read_error;
    return ForwardingKernel::ReadAt(fd, to, size, offset, flags);
  }
  int calls() const { return opens + stats + reads; }

  bool cold = false;  // nothing is in memory: all that must not wait would
  int open_error = 0;
  int read_error = 0;
  std::function<void()> on_read;
  int opens = 0;
  int opens_to_read = 0;
  int stats = 0;
  int reads = 0;
};

struct Answer {
  int status = 0;
  bool at_once = false;
  bool streams = false;
  uint64_t length = 0;
  std::string lines;
  std::string body;
};

std::string Line(const Answer& answer, std::string_view name) {
  const size_t at = ("\r\n" + answer.lines).find("\r\n" + std::string(name) + ": ");
  if (at == std::string::npos) return "";
  const size_t from = at + name.size() + 2;
  return answer.lines.substr(from, answer.lines.find("\r\n", from) - from);
}

using Headers = std::vector<std::pair<std::string, std::string>>;

// A request that is under way.
class Asked {
 public:
  Asked(core::SteppedShard* stepped, const Action* action, Method method, const std::string& target,
        const Headers& headers)
      : built_(std::make_unique<RequestBuilder>(method, target)) {
    for (const auto& [name, value] : headers) built_->Header(name, value);
    Start(stepped, action, &built_->request());
  }
  Asked(core::SteppedShard* stepped, const Action* action, Request* request) { Start(stepped, action, request); }
  bool over() const { return response_.has_value() || root_.done_calls != 0; }
  void Cancel() { root_.scope.Cancel(); }
  Answer Take() {
    Answer answer;
    if (!response_.has_value()) return answer;
    answer.status = response_->status();
    answer.at_once = at_once_;
    answer.streams = response_->streams();
    answer.length = response_->length();
    answer.lines = absl::StrCat(std::string(response_->prepared().view()), std::string(response_->header_lines()));
    if (!response_->type().empty()) absl::StrAppend(&answer.lines, "Content-Type: ", std::string(response_->type()), "\r\n");
    answer.body = std::string(response_->body());
    response_.reset();
    return answer;
  }

 private:
  void Start(core::SteppedShard* stepped, const Action* action, Request* request) {
    Shard::Enter enter(&stepped->shard);
    response_ = action->now(*request);
    at_once_ = response_.has_value();
    if (at_once_) return;
    EXPECT_TRUE(Run(action, request, &response_).Start(&root_));
  }
  static core::Task<> Run(const Action* action, Request* request, std::optional<Response>* to) {
    Response response = co_await action->later(*request);
    to->emplace(std::move(response));
  }

  std::unique_ptr<RequestBuilder> built_;
  std::optional<Response> response_;
  bool at_once_ = false;
  core::TestRoot root_;
};

class StaticFilesTest : public ::testing::Test {
 protected:
  StaticFilesTest() { stepped_.shard.SetJobRunner(&runner_); }
  ~StaticFilesTest() override {
    EXPECT_EQ(stepped_.shard.frames().live(), 0u);
    EXPECT_EQ(stepped_.shard.buffers().blocks_live(), 0u);
  }
  void Open(StaticOptions options = {}) {
    options.root = folder_.path();
    options.media_types = "";
    options.kernel = &kernel_;
    auto opened = StaticFiles::Open(std::move(options));
    ASSERT_TRUE(opened.ok()) << opened.status();
    action_ = opened->action();
  }
  std::unique_ptr<Asked> Begin(const std::string& target, const Headers& headers = {}, Method method = Method::kGet) {
    return std::make_unique<Asked>(&stepped_, &action_, method, target, headers);
  }
  Answer Finish(Asked* asked) {
    for (int turns = 0; turns < 1000 && !asked->over(); ++turns) {
      while (!runner_.jobs.empty()) runner_.Run();
      stepped_.shard.RunTurn(0);
    }
    EXPECT_TRUE(asked->over());
    return asked->Take();
  }
  Answer Get(const std::string& target, const Headers& headers = {}, Method method = Method::kGet) {
    return Finish(Begin(target, headers, method).get());
  }
  Answer Head(const std::string& target, const Headers& headers = {}) { return Get(target, headers, Method::kHead); }
  void Pass(int64_t ms) {
    stepped_.clock.Advance(core::Millis(ms));
    stepped_.shard.RunTurn(0);
  }

  TempFolder folder_;
  FileKernel kernel_;
  core::HandRunner runner_;
  core::SteppedShard stepped_;
  Action action_;
};

TEST_F(StaticFilesTest, AFileIsReadOnceAndThenAnsweredAtOnceWithoutASystemCall) {
  folder_.Write("a.html", "<p>hello");
  Open();
  const Answer first = Get("/a.html");
  EXPECT_EQ(first.status, 200);
  EXPECT_FALSE(first.at_once);
  EXPECT_EQ(first.body, "<p>hello");
  EXPECT_EQ(Line(first, "Content-Type"), "text/html; charset=utf-8");
  EXPECT_EQ(Line(first, "Accept-Ranges"), "bytes");
  EXPECT_EQ(Line(first, "ETag").front(), '"');
  EXPECT_EQ(Line(first, "Last-Modified").size(), 29u);
  EXPECT_EQ(Line(first, "Vary"), "");
  const int calls = kernel_.calls();
  for (int i = 0; i < 10; ++i) {
    const Answer again = Get("/a.html");
    EXPECT_TRUE(again.at_once);
    EXPECT_EQ(again.body, first.body);
    EXPECT_EQ(again.lines, first.lines);
    Pass(99);
  }
  EXPECT_EQ(kernel_.calls(), calls);
  EXPECT_TRUE(Get("/%61.html").at_once) << "the same path";
  EXPECT_EQ(Get("//a.html").body, first.body);
  EXPECT_EQ(kernel_.calls(), calls);
}

TEST_F(StaticFilesTest, LooksAgainOnceARecheckAndStillAnswersAtOnce) {
  folder_.Write("a.html", "hello");
  Open({.recheck_ms = 500});
  Get("/a.html");
  const int reads = kernel_.reads;
  for (int i = 0; i < 5; ++i) {
    Pass(500);
    const int opens = kernel_.opens;
    EXPECT_TRUE(Get("/a.html").at_once);
    EXPECT_EQ(kernel_.opens, opens + 3) << "the file and two siblings";
    EXPECT_TRUE(Get("/a.html").at_once);
    EXPECT_EQ(kernel_.opens, opens + 3);
  }
  EXPECT_EQ(kernel_.reads, reads);
}

TEST_F(StaticFilesTest, ChangesAreNoticedWithinARecheck) {
  folder_.Write("a.txt", "one");
  Open();
  const Answer one = Get("/a.txt");
  const auto now_is = [&](std::string_view body) {
    Pass(1000);
    const Answer answer = Get("/a.txt");
    EXPECT_EQ(answer.status, 200);
    EXPECT_EQ(answer.body, body);
    EXPECT_EQ(answer.length, body.size());
    return Line(answer, "ETag");
  };
  folder_.Write("a.txt", "longer");
  EXPECT_EQ(Get("/a.txt").body, "one") << "not before";
  const std::string longer = now_is("longer");
  EXPECT_NE(longer, Line(one, "ETag"));
  folder_.Replace("a.txt", "LONGER");
  const std::string replaced = now_is("LONGER");
  EXPECT_NE(replaced, longer);
  // Size and time as before, as from an archive whose times are all the same.
  const timespec time = folder_.TimeOf("a.txt");
  folder_.Write("b.txt", "lOnGeR");
  folder_.SetTime("b.txt", time);
  ASSERT_EQ(rename((folder_ / "b.txt").c_str(), (folder_ / "a.txt").c_str()), 0);
  EXPECT_NE(now_is("lOnGeR"), replaced);

  folder_.Remove("a.txt");
  Pass(1000);
  EXPECT_EQ(Get("/a.txt").status, 404);
  folder_.Write("a.txt", "back");
  EXPECT_EQ(Get("/a.txt").body, "back") << "what is not there is not remembered";
}

// The kernel counts a file's time in ticks: two writes within one may leave the same size and time.
TEST_F(StaticFilesTest, AFileThatWasJustWrittenIsReadAgain) {
  folder_.Write("a.txt", "one");
  folder_.Age("a.txt", 0);
  const timespec time = folder_.TimeOf("a.txt");
  Open();
  EXPECT_EQ(Get("/a.txt").body, "one");
  folder_.Write("a.txt", "two");
  folder_.SetTime("a.txt", time);
  Pass(1000);
  EXPECT_EQ(Get("/a.txt").body, "two");
}

TEST_F(StaticFilesTest, WhatIsNotToBeServedIsNotFound) {
  TempFolder outside;
  outside.Write("secret.txt", "secret");
  folder_.Write("a.txt", "a");
  folder_.Write(".hidden", "hidden");
  folder_.Write(".git/config", "hidden");
  folder_.Write("dir/.env", "hidden");
  folder_.Write("dir/b.txt", "b");
  folder_.Write("a%2e.txt", "percent");
  folder_.Link("out.txt", outside / "secret.txt");
  folder_.Link("out", outside.path());
  folder_.Link("up", "../..");
  folder_.Link("absolute.txt", folder_ / "a.txt");
  folder_.Link("loop", "loop");
  folder_.Link("dangling", "nowhere");
  folder_.Link("passwd", "/etc/passwd");
  folder_.Link("self", "/proc/self/exe");
  folder_.Write("linked/x.txt", "x");
  folder_.Link("linked/index.html", outside / "secret.txt");
  folder_.Write("in/x.txt", "x");
  folder_.Link("in/link.txt", "../dir/b.txt");
  folder_.Link("in/folder", "../dir");
  ASSERT_EQ(mkfifo((folder_ / "fifo").c_str(), 0644), 0);
  ASSERT_EQ(mknod((folder_ / "socket").c_str(), S_IFSOCK | 0644, 0), 0);
  const bool device = mknod((folder_ / "device").c_str(), S_IFCHR | 0644, makedev(1, 5)) == 0;
  if (!device) std::printf("SKIPPED: no device may be made here\n");
  Open();

  for (const char* target : {
           "/..", "/../", "/../../../../etc/passwd", "/%2e%2e/etc/passwd", "/%2e%2e/", "/..%2fetc%2fpasswd", "/..%2f",
           "/dir/../a.txt", "/dir/%2e%2e/a.txt", "/./a.txt", "/dir%2fb.txt", "/a.txt%00", "/a.txt%00.html", "/%00",
           "//etc/passwd", "///etc/passwd", "/etc/passwd", "/\\etc\\passwd", "/..\\..\\etc\\passwd", "/.hidden",
           "/%2ehidden", "/.git/config", "/%2Egit/config", "/dir/.env", "/dir/%2eenv", "/out.txt", "/out/secret.txt",
           "/out/", "/up/", "/up/etc/passwd", "/absolute.txt", "/loop", "/dangling", "/passwd", "/self", "/linked/",
           "/linked/index.html", "/fifo", "/socket", "/device", "/a.txt/", "/a.txt/b", "/nothing", "/nothing/", "/dir/",
           "/", "/a.txt%", "/a.txt%2", "/%zz", "*", "/a.txt%20", "/A.TXT", "/a.txt.",
       }) {
    const Answer answer = Get(target);
    EXPECT_EQ(answer.status, 404) << target;
    EXPECT_EQ(answer.body, "404 Not Found\n") << target;
    EXPECT_EQ(Head(target).status, 404) << target;
  }
  EXPECT_EQ(Get("/a.txt").body, "a");
  EXPECT_EQ(Get("/a%2etxt").body, "a") << "a dot inside of a name";
  EXPECT_EQ(Get("/a%252e.txt").body, "percent") << "decoded once";
  EXPECT_EQ(Get("/in/link.txt").body, "b") << "a link that stays inside";
  EXPECT_EQ(Get("/in/folder/b.txt").body, "b");
}

TEST_F(StaticFilesTest, NoFileThatIsNoRegularOneIsOpened) {
  ASSERT_EQ(mkfifo((folder_ / "fifo").c_str(), 0644), 0);
  Open();
  EXPECT_EQ(Get("/fifo").status, 404);
  EXPECT_GT(kernel_.opens, 0) << "it was looked at";
  EXPECT_EQ(kernel_.opens_to_read, 0);
  EXPECT_EQ(kernel_.reads, 0);
}

// Under one name: what a cache remembers of it must not outlive it.
TEST_F(StaticFilesTest, AFileThatBecomesSomethingElseIsThat) {
  folder_.Write("a", "file");
  folder_.Write("far/away/b", "at the end");
  Open();
  EXPECT_EQ(Get("/a").body, "file");
  EXPECT_TRUE(Get("/a").at_once);
  const auto becomes = [&](const std::function<void()>& make) {
    folder_.Remove("a");
    make();
    Pass(1000);
    return Get("/a");
  };
  const Answer folder = becomes([&] { folder_.Write("a/index.html", "inside"); });
  EXPECT_EQ(folder.status, 301);
  EXPECT_EQ(Line(folder, "Location"), "/a/");
  EXPECT_EQ(Get("/a/").body, "inside");
  const int opens_to_read = kernel_.opens_to_read;
  const Answer fifo = becomes([&] { ASSERT_EQ(mkfifo((folder_ / "a").c_str(), 0644), 0); });
  EXPECT_EQ(fifo.status, 404);
  EXPECT_EQ(Get("/a/").status, 404) << "the folder's index went with it";
  EXPECT_EQ(kernel_.opens_to_read, opens_to_read);
  folder_.Link("chain2", "far/../chain1");
  folder_.Link("chain1", "far/away/b");
  EXPECT_EQ(becomes([&] { folder_.Link("a", "chain2"); }).body, "at the end");
  folder_.Remove("chain1");
  folder_.Link("chain1", "../outside");
  Pass(1000);
  EXPECT_EQ(Get("/a").status, 404) << "a link in the middle leads out now";
  EXPECT_EQ(becomes([&] { folder_.Write("a", "again"); }).body, "again");
}

TEST_F(StaticFilesTest, ARootThatIsDeletedServesNothingAfterARecheck) {
  folder_.Write("a", "file");
  Open();
  EXPECT_EQ(Get("/a").body, "file");
  std::filesystem::remove_all(folder_.path());
  EXPECT_EQ(Get("/a").body, "file") << "remembered, for less than a recheck";
  Pass(1000);
  EXPECT_EQ(Get("/a").status, 404);
  EXPECT_EQ(Get("/").status, 404);
  ASSERT_EQ(mkdir(folder_.path().c_str(), 0755), 0);
  folder_.Write("a", "another folder's");
  EXPECT_EQ(Get("/a").status, 404) << "the root is the folder that was opened, not its name";
}

TEST_F(StaticFilesTest, AFileThatMayNotBeReadIsNotToldFromNone) {
  folder_.Write("a.txt", "a");
  Open();
  kernel_.open_error = EACCES;
  EXPECT_EQ(Get("/a.txt").status, 404);
}

TEST_F(StaticFilesTest, AFolderIsItsIndex) {
  folder_.Write("index.html", "root");
  folder_.Write("dir/index.html", "dir");
  folder_.Write("odd/index.html/x", "x");
  Open();
  EXPECT_EQ(Get("/").body, "root");
  EXPECT_EQ(Line(Get("/"), "Content-Type"), "text/html; charset=utf-8");
  EXPECT_TRUE(Get("/").at_once);
  EXPECT_EQ(Get("/dir/").body, "dir");
  EXPECT_TRUE(Get("/dir/").at_once);
  EXPECT_EQ(Get("//dir//").body, "dir");
  EXPECT_EQ(Get("/odd/").status, 404);
}

TEST_F(StaticFilesTest, AFolderWithoutItsSlashRedirects) {
  folder_.Write("dir/index.html", "dir");
  folder_.Write("a b/x", "x");
  folder_.Write("\\evil.example/x", "x");
  Open();
  const std::pair<const char*, const char*> kCases[] = {
      {"/dir", "/dir/"},
      {"/dir?a=b&c=%20", "/dir/?a=b&c=%20"},
      {"//dir", "/dir/"},
      {"///dir", "/dir/"},
      {"/d%69r", "/d%69r/"},
      {"/a%20b", "/a%20b/"},
      {"/\\evil.example", "/%5Cevil.example/"},
      {"/%5Cevil.example", "/%5Cevil.example/"},
  };
  for (const auto& [target, location] : kCases) {
    const Answer answer = Get(target);
    EXPECT_EQ(answer.status, 301) << target;
    EXPECT_EQ(Line(answer, "Location"), location) << target;
  }
}

TEST_F(StaticFilesTest, HeadSaysTheSameWithoutAByte) {
  folder_.Write("a.html", "hello");
  folder_.Write("large.bin", std::string(3000, 'x'));
  Open({.cached_file_bytes_max = 2000});
  const Answer cold = Head("/a.html");
  EXPECT_EQ(cold.length, 5u);
  EXPECT_EQ(kernel_.reads, 0);
  const Answer get = Get("/a.html");
  EXPECT_EQ(cold.lines, get.lines);
  const Answer warm = Head("/a.html");
  EXPECT_EQ(warm.lines, get.lines);
  EXPECT_EQ(warm.length, 5u);
  EXPECT_EQ(Head("/a.html", {{"Range", "bytes=0-0"}}).status, 200) << "ranges are GET's";
  const Answer large = Head("/large.bin");
  EXPECT_EQ(large.length, 3000u);
  EXPECT_EQ(large.lines, Get("/large.bin").lines);
  EXPECT_TRUE(Head("/large.bin").at_once);
}

TEST_F(StaticFilesTest, ConditionsAndRanges) {
  folder_.Write("a.txt", "0123456789");
  folder_.Write("large.txt", std::string(3000, 'x'));
  Open({.cached_file_bytes_max = 2000});
  for (const std::string target : {"/a.txt", "/large.txt"}) {
    const std::string size = target == "/a.txt" ? "10" : "3000";
    const Answer whole = Get(target);
    const std::string etag = Line(whole, "ETag");
    const std::string modified = Line(whole, "Last-Modified");
    for (const Method method : {Method::kGet, Method::kHead}) {
      const Answer same = Get(target, {{"If-None-Match", etag}}, method);
      EXPECT_EQ(same.status, 304);
      EXPECT_TRUE(same.at_once);
      EXPECT_EQ(same.lines, "ETag: " + etag + "\r\n");
      EXPECT_EQ(same.body, "");
      EXPECT_EQ(Get(target, {{"If-Modified-Since", modified}}, method).status, 304);
      EXPECT_EQ(Get(target, {{"If-None-Match", "\"x\""}, {"If-Modified-Since", modified}}, method).status, 200);
      EXPECT_EQ(Get(target, {{"If-Match", "\"x\""}}, method).status, 412);
      EXPECT_EQ(Get(target, {{"If-Match", etag}}, method).status, 200);
      EXPECT_EQ(Get(target, {{"If-Unmodified-Since", "Sun, 06 Nov 1994 08:49:37 GMT"}}, method).status, 412);
    }
    const Answer part = Get(target, {{"Range", "bytes=2-4"}});
    EXPECT_EQ(part.status, 206);
    EXPECT_EQ(part.length, 3u);
    EXPECT_EQ(Line(part, "Content-Range"), "bytes 2-4/" + size);
    EXPECT_EQ(Line(part, "ETag"), etag);
    EXPECT_EQ(Get(target, {{"Range", "bytes=2-4"}, {"If-Range", etag}}).status, 206);
    EXPECT_EQ(Get(target, {{"Range", "bytes=2-4"}, {"If-Range", "\"x\""}}).status, 200);
    EXPECT_EQ(Get(target, {{"Range", "bytes=2-4"}, {"If-Range", modified}}).status, 200);
    EXPECT_EQ(Get(target, {{"Range", "bytes=2-4,6-7"}}).status, 200);
    EXPECT_EQ(Get(target, {{"Range", "bytes=2-4"}, {"If-None-Match", etag}}).status, 304);
    const Answer behind = Get(target, {{"Range", "bytes=3000-"}});
    EXPECT_EQ(behind.status, 416);
    EXPECT_EQ(Line(behind, "Content-Range"), "bytes */" + size);
  }
  EXPECT_EQ(Get("/a.txt", {{"Range", "bytes=2-4"}}).body, "234");
  EXPECT_EQ(Get("/a.txt", {{"Range", "bytes=-3"}}).body, "789");
  EXPECT_EQ(Get("/a.txt", {{"Range", "bytes=8-"}}).body, "89");
}

TEST_F(StaticFilesTest, CompressedSiblings) {
  folder_.Write("a.js", "plain");
  folder_.Write("a.js.gz", "zipped");
  folder_.Write("a.js.br", "brotli");
  folder_.Write("b.js", "plain");
  Open();
  const Answer plain = Get("/a.js");
  EXPECT_EQ(plain.body, "plain");
  EXPECT_EQ(Line(plain, "Vary"), "Accept-Encoding");
  EXPECT_EQ(Line(plain, "Content-Encoding"), "");
  const Answer brotli = Get("/a.js", {{"Accept-Encoding", "gzip, deflate, br"}});
  EXPECT_EQ(brotli.body, "brotli");
  EXPECT_EQ(Line(brotli, "Content-Encoding"), "br");
  EXPECT_EQ(Line(brotli, "Vary"), "Accept-Encoding");
  EXPECT_EQ(Line(brotli, "Content-Type"), "text/javascript; charset=utf-8");
  EXPECT_EQ(Line(brotli, "Last-Modified"), Line(plain, "Last-Modified"));
  const Answer gzip = Get("/a.js", {{"Accept-Encoding", "gzip"}});
  EXPECT_EQ(gzip.body, "zipped");
  EXPECT_EQ(Line(gzip, "Content-Encoding"), "gzip");
  EXPECT_TRUE(Get("/a.js", {{"Accept-Encoding", "gzip"}}).at_once);
  EXPECT_NE(Line(gzip, "ETag"), Line(plain, "ETag"));
  EXPECT_NE(Line(gzip, "ETag"), Line(brotli, "ETag"));

  const Answer same = Get("/a.js", {{"Accept-Encoding", "gzip"}, {"If-None-Match", Line(gzip, "ETag")}});
  EXPECT_EQ(same.status, 304);
  EXPECT_EQ(Line(same, "Vary"), "Accept-Encoding");
  EXPECT_EQ(Get("/a.js", {{"If-None-Match", Line(gzip, "ETag")}}).status, 200) << "another representation";
  const Answer part = Get("/a.js", {{"Accept-Encoding", "gzip"}, {"Range", "bytes=0-2"}});
  EXPECT_EQ(part.body, "zip");
  EXPECT_EQ(Line(part, "Content-Encoding"), "gzip");

  EXPECT_EQ(Line(Get("/b.js", {{"Accept-Encoding", "gzip"}}), "Vary"), "");
  EXPECT_EQ(Line(Get("/a.js.gz"), "Content-Type"), "application/gzip") << "asked for by its own name";
  EXPECT_EQ(Line(Get("/a.js.gz"), "Content-Encoding"), "");
}

TEST_F(StaticFilesTest, SiblingsComeAndGo) {
  folder_.Write("a.js", "plain");
  Open();
  const Headers gzip = {{"Accept-Encoding", "gzip"}};
  EXPECT_EQ(Get("/a.js", gzip).body, "plain");
  folder_.Write("a.js.gz", "zipped");
  Pass(1000);
  EXPECT_EQ(Get("/a.js", gzip).body, "zipped");
  folder_.Age("a.js.gz", 7200);
  Pass(1000);
  EXPECT_EQ(Get("/a.js", gzip).body, "plain") << "older than its file";
  EXPECT_EQ(Line(Get("/a.js"), "Vary"), "");
  folder_.Write("a.js.gz", "zipped again");
  Pass(1000);
  EXPECT_EQ(Get("/a.js", gzip).body, "zipped again");
  folder_.Remove("a.js.gz");
  Pass(1000);
  EXPECT_EQ(Get("/a.js", gzip).body, "plain");
}

TEST_F(StaticFilesTest, ASiblingIsARegularFileOfTheFolderToo) {
  TempFolder outside;
  outside.Write("x.gz", "secret");
  folder_.Write("a.js", "plain");
  folder_.Write("a.js.br/x", "a folder");
  folder_.Link("a.js.gz", outside / "x.gz");
  folder_.Write("b.js", "plain");
  ASSERT_EQ(mkfifo((folder_ / "b.js.gz").c_str(), 0644), 0);
  folder_.Write("c.js.gz", "alone");
  Open();
  const Headers any = {{"Accept-Encoding", "gzip, br"}};
  EXPECT_EQ(Get("/a.js", any).body, "plain");
  EXPECT_EQ(Get("/b.js", any).body, "plain");
  EXPECT_EQ(Get("/c.js", any).status, 404) << "a sibling of nothing";
}

TEST_F(StaticFilesTest, SizesAroundTheBound) {
  constexpr size_t kMax = 1 << 20;
  Open();
  for (const size_t size : {size_t{0}, size_t{1}, StaticFiles::kPieceBytes - size_t{1}, size_t{StaticFiles::kPieceBytes},
                            StaticFiles::kPieceBytes + size_t{1}, kMax - 1, kMax, kMax + 1}) {
    const std::string name = absl::StrCat("f", size);
    std::string content(size, '\0');
    for (size_t i = 0; i < size; ++i) content[i] = static_cast<char>(i * 7 + i / 251);
    folder_.Write(name, content);
    const Answer answer = Get("/" + name);
    EXPECT_EQ(answer.status, 200) << size;
    EXPECT_EQ(answer.length, size);
    EXPECT_EQ(answer.streams, size > kMax) << size;
    if (!answer.streams) {
      EXPECT_TRUE(answer.body == content) << size;
    }
    EXPECT_EQ(Get("/" + name).at_once, size <= kMax);
  }
  EXPECT_EQ(Get("/f0", {{"Range", "bytes=0-"}}).status, 200);
}

// What is known of a large file may be a second old; what goes out is of the file that was opened.
TEST_F(StaticFilesTest, ALargeFileIsWhatItIsWhenItIsOpened) {
  folder_.Write("large.bin", std::string(3000, 'x'));
  Open({.cached_file_bytes_max = 2000});
  const Answer first = Get("/large.bin");
  EXPECT_EQ(first.length, 3000u);
  folder_.Replace("large.bin", std::string(4000, 'y'));
  const Answer second = Get("/large.bin");
  EXPECT_EQ(second.status, 200);
  EXPECT_EQ(second.length, 4000u);
  EXPECT_NE(Line(second, "ETag"), Line(first, "ETag"));
  const Answer part = Get("/large.bin", {{"Range", "bytes=-1"}, {"If-Range", Line(first, "ETag")}});
  EXPECT_EQ(part.status, 200) << "a part of one does not go with one of the other";
}

TEST_F(StaticFilesTest, WhatIsNotInMemoryIsReadByHelpers) {
  folder_.Write("a.txt", "hello");
  kernel_.cold = true;
  Open();
  const auto asked = Begin("/a.txt");
  EXPECT_FALSE(asked->over());
  EXPECT_EQ(runner_.jobs.size(), 1u);
  EXPECT_EQ(Finish(asked.get()).body, "hello");
  EXPECT_TRUE(Get("/a.txt").at_once);
  Pass(1000);
  const Answer checked = Get("/a.txt");
  EXPECT_FALSE(checked.at_once) << "a helper had to look";
  EXPECT_EQ(checked.body, "hello");
}

TEST_F(StaticFilesTest, ManyWhoAskForOneFileReadItOnce) {
  folder_.Write("a.txt", "hello");
  kernel_.cold = true;
  runner_.queue_max = 1000;
  Open();
  std::vector<std::unique_ptr<Asked>> all;
  for (int i = 0; i < 50; ++i) all.push_back(Begin("/a.txt"));
  for (const auto& asked : all) EXPECT_EQ(Finish(asked.get()).body, "hello");
  EXPECT_EQ(kernel_.reads, 2) << "without a wait, in vain, and by a helper";
}

TEST_F(StaticFilesTest, WhoReadsForOthersMayGiveUp) {
  folder_.Write("a.txt", "hello");
  kernel_.cold = true;
  runner_.queue_max = 1000;
  Open();
  const auto first = Begin("/a.txt");
  // Up to its read.
  while (kernel_.reads == 0) {
    runner_.Run();
    stepped_.shard.RunTurn(0);
  }
  const auto second = Begin("/a.txt");
  const auto third = Begin("/a.txt");
  {
    Shard::Enter enter(&stepped_.shard);
    first->Cancel();
  }
  EXPECT_EQ(Finish(second.get()).body, "hello");
  EXPECT_EQ(Finish(third.get()).body, "hello");
  EXPECT_EQ(Finish(first.get()).status, 503);
}

TEST_F(StaticFilesTest, FewFilesAreReadIntoTheCacheAtATime) {
  for (int i = 0; i < 40; ++i) folder_.Write(absl::StrCat("f", i), absl::StrCat("content ", i));
  kernel_.cold = true;
  runner_.queue_max = 1000;
  Open();
  std::vector<std::unique_ptr<Asked>> all;
  for (int i = 0; i < 40; ++i) all.push_back(Begin(absl::StrCat("/f", i)));
  // All looks are over, and reads have begun.
  for (int turns = 0; turns < 3; ++turns) {
    for (size_t jobs = runner_.jobs.size(); jobs != 0; --jobs) runner_.Run();
    stepped_.shard.RunTurn(0);
  }
  EXPECT_EQ(runner_.jobs.size(), StaticFiles::kReadsMax);
  for (int i = 0; i < 40; ++i) EXPECT_EQ(Finish(all[static_cast<size_t>(i)].get()).body, absl::StrCat("content ", i));
}

TEST_F(StaticFilesTest, AFileThatChangesWhileItIsReadIsReadAgain) {
  folder_.Write("a.txt", "one");
  Open();
  bool changed = false;
  kernel_.on_read = [&] {
    if (!std::exchange(changed, true)) folder_.Write("a.txt", "twofold");
  };
  const Answer answer = Get("/a.txt");
  EXPECT_EQ(answer.body, "twofold");
  EXPECT_EQ(answer.length, 7u);
}

TEST_F(StaticFilesTest, AFileThatNeverHoldsStillGoesOutWithoutSayingWhatItIs) {
  folder_.Write("a.txt", "0");
  Open();
  int changes = 0;
  kernel_.on_read = [&] { folder_.Write("a.txt", std::string(static_cast<size_t>(++changes) + 1, 'x')); };
  const Answer answer = Get("/a.txt");
  EXPECT_EQ(answer.status, 200);
  EXPECT_TRUE(answer.streams);
  EXPECT_EQ(Line(answer, "Content-Type"), "text/plain; charset=utf-8");
  EXPECT_EQ(Line(answer, "ETag"), "");
  EXPECT_EQ(Line(answer, "Last-Modified"), "");
  EXPECT_LE(changes, 8);
}

TEST_F(StaticFilesTest, ErrorsThatAreNotTheClients) {
  folder_.Write("a.txt", "hello");
  Open();
  for (const int error : {EMFILE, ENFILE, ENOMEM}) {
    kernel_.open_error = error;
    const Answer answer = Get("/a.txt");
    EXPECT_EQ(answer.status, 503) << error;
    EXPECT_EQ(Line(answer, "Retry-After"), "1");
  }
  kernel_.open_error = EIO;
  EXPECT_EQ(Get("/a.txt").status, 500);
  kernel_.open_error = 0;
  kernel_.cold = true;
  runner_.queue_max = 0;
  EXPECT_EQ(Get("/a.txt").status, 503) << "too many wait for the helpers";
  kernel_.cold = false;
  EXPECT_EQ(Get("/a.txt").body, "hello") << "and no error is remembered";
}

TEST_F(StaticFilesTest, TheCacheKeepsToItsBudget) {
  constexpr uint64_t kBudget = 1 << 20;
  for (int i = 0; i < 100; ++i) folder_.Write(absl::StrCat("f", i), std::string(50'000, 'x'));
  const uint64_t before = alloc::SharedBytes::Live().bytes;
  Open({.cache_bytes_max = kBudget});
  for (int round = 0; round < 2; ++round) {
    for (int i = 0; i < 100; ++i) {
      EXPECT_EQ(Get(absl::StrCat("/f", i)).body.size(), 50'000u);
      EXPECT_LE(alloc::SharedBytes::Live().bytes - before, kBudget);
    }
  }
  EXPECT_GE(alloc::SharedBytes::Live().bytes - before, kBudget * 9 / 10);
}

TEST_F(StaticFilesTest, WithoutACacheAllIsStreamed) {
  folder_.Write("a.txt", "hello");
  Open({.cache_bytes_max = 0});
  for (int i = 0; i < 2; ++i) {
    const Answer answer = Get("/a.txt");
    EXPECT_EQ(answer.status, 200);
    EXPECT_TRUE(answer.streams);
    EXPECT_EQ(answer.length, 5u);
  }
}

TEST_F(StaticFilesTest, EachShardHasItsOwn) {
  folder_.Write("a.txt", "hello");
  Open();
  core::SteppedShard other({.id = 1});
  other.shard.SetJobRunner(&runner_);
  const Action copy = action_;
  Get("/a.txt");
  EXPECT_TRUE(Get("/a.txt").at_once);
  Asked first(&other, &copy, Method::kGet, "/a.txt", {});
  const Answer answer = first.Take();
  EXPECT_EQ(answer.body, "hello");
  EXPECT_FALSE(answer.at_once) << "it knows nothing of the other's cache";
  Asked again(&other, &action_, Method::kGet, "/a.txt", {});
  EXPECT_TRUE(again.Take().at_once) << "copies on one shard share one";
}

TEST_F(StaticFilesTest, TwoFoldersOnOneShardAreTwo) {
  folder_.Write("a.txt", "one");
  Open();
  const Action one = action_;
  TempFolder second;
  second.Write("a.txt", "two");
  auto opened = StaticFiles::Open({.root = second.path(), .media_types = ""});
  ASSERT_TRUE(opened.ok());
  EXPECT_EQ(Get("/a.txt").body, "one");
  action_ = opened->action();
  EXPECT_EQ(Get("/a.txt").body, "two");
  action_ = one;
  EXPECT_EQ(Get("/a.txt").body, "one");
}

TEST_F(StaticFilesTest, BehindAPatternTheRestOfThePathCounts) {
  folder_.Write("a.txt", "a");
  folder_.Write("files/b.txt", "b");
  folder_.Write("index.html", "index");
  folder_.Write("dir/index.html", "dir");
  Open();
  Router router;
  router.Get("/files/{path...}", action_);
  const auto get = [&](const std::string& target) {
    RequestBuilder built(Method::kGet, target);
    const Router::Found found = router.Find(built.request());
    EXPECT_NE(found.route, nullptr) << target;
    Asked asked(&stepped_, &found.route->action, &built.request());
    return Finish(&asked);
  };
  EXPECT_EQ(get("/files/a.txt").body, "a");
  EXPECT_EQ(get("/files/b.txt").status, 404);
  EXPECT_EQ(get("/files/files/b.txt").body, "b");
  EXPECT_EQ(get("/files/").body, "index");
  EXPECT_EQ(get("/files/dir/").body, "dir");
  EXPECT_EQ(get("/files/dir%2findex.html").status, 404);
  EXPECT_EQ(get("/files/dir").status, 301);
  EXPECT_EQ(Line(get("/files/dir"), "Location"), "/files/dir/");
}

TEST(StaticFilesOpen, SaysWhatToMend) {
  TempFolder folder;
  folder.Write("file", "x");
  const auto none = StaticFiles::Open({.root = folder / "nothing"});
  EXPECT_EQ(none.status().code(), absl::StatusCode::kNotFound);
  EXPECT_NE(none.status().message().find("nothing"), absl::string_view::npos);
  EXPECT_NE(none.status().message().find("create it"), absl::string_view::npos);
  const auto file = StaticFiles::Open({.root = folder / "file"});
  EXPECT_EQ(file.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_TRUE(StaticFiles::Open({.root = folder.path()}).ok());
}

}  // namespace

// No stream is run here.
BodyWriter::Room BodyWriter::Write(alloc::Lease) { std::abort(); }

}  // namespace mooring::server::http
