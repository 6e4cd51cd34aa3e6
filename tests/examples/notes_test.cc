// SPDX-License-Identifier: Apache-2.0
// docs/examples/notes.cc, with a PostgreSQL of the test's own: a cluster in a folder of its own, at a Unix path.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "tests/examples/example.h"
#include "tests/scenario/client.h"
#include "tests/server/daemon.h"

namespace mooring::examples {
namespace {

using scenario::Client;

// Where Debian keeps the newest version's programs; empty: it has none.
std::string PostgresPrograms() {
  std::string newest;
  std::error_code none;
  for (const auto& version : std::filesystem::directory_iterator("/usr/lib/postgresql", none)) {
    const std::string programs = version.path().string() + "/bin";
    if (std::filesystem::exists(programs + "/postgres") && programs > newest) newest = programs;
  }
  return newest;
}

// A cluster in a folder. Its server refuses to be root; then it is the package's user.
class Cluster {
 public:
  explicit Cluster(const std::string& programs) : programs_(programs) {
    char folder[] = "/tmp/mooring-notes.XXXXXX";  // not in the test's own: a socket's path has at most 107 bytes
    folder_ = mkdtemp(folder);
    if (getuid() == 0) {
      user_ = getpwnam("postgres");
      EXPECT_NE(user_, nullptr);
      EXPECT_EQ(chown(folder_.c_str(), user_->pw_uid, user_->pw_gid), 0);
    }
    setenv("PATH", (programs_ + ":" + std::getenv("PATH")).c_str(), 1);  // it looks for itself there
    server::Daemon initdb(
        {"--auth=trust", "--username=notes", "--encoding=UTF8", "--locale=C", "--no-sync", "-D", Data()},
        AsUser("initdb"));
    EXPECT_EQ(initdb.AwaitExit(), 0) << initdb.err();
  }
  ~Cluster() {
    if (server_ != nullptr) Stop();
    std::filesystem::remove_all(folder_);
  }

  void Start() {
    server_ = std::make_unique<server::Daemon>(
        std::vector<std::string>{"-D", Data(), "-k", folder_, "-c", "listen_addresses=", "-c", "log_line_prefix=",
                                 "-c", "fsync=off", "-c", "autovacuum=off"},
        AsUser("postgres"));
    server_->AwaitLine("LOG:  database system is ready to accept connections");
  }
  // As the example's first lines have it.
  void MakeTable() {
    server::Daemon psql({"-h", folder_, "-U", "notes", "-c",
                         "create table notes (id bigserial primary key, text text not null)", "postgres"},
                        AsUser("psql"));
    EXPECT_EQ(psql.AwaitExit(), 0) << psql.err();
  }
  void Stop() {
    server_->Signal(SIGINT);  // its fast shutdown: breaks the connections
    EXPECT_EQ(server_->AwaitExit(), 0) << server_->err();
    server_.reset();
  }
  std::string Address() const { return "host=" + folder_ + " user=notes dbname=postgres"; }

 private:
  std::string Data() const { return folder_ + "/data"; }
  server::Daemon::Options AsUser(const std::string& program) const {
    server::Daemon::Options options;
    options.binary = programs_ + "/" + program;
    options.before_exec = [user = user_] {
      if (user != nullptr && (setgroups(0, nullptr) != 0 || setgid(user->pw_gid) != 0 || setuid(user->pw_uid) != 0)) {
        return false;
      }
      return prctl(PR_SET_PDEATHSIG, SIGQUIT) == 0;  // a test that dies takes it with it
    };
    return options;
  }

  const std::string programs_;
  std::string folder_;
  const passwd* user_ = nullptr;
  std::unique_ptr<server::Daemon> server_;
};

class NotesExample : public testing::Test {
 protected:
  void SetUp() override {
    const std::string programs = PostgresPrograms();
    if (programs.empty()) GTEST_SKIP() << "NO PostgreSQL HERE, notes is not tested: apt-get install postgresql";
    cluster_ = std::make_unique<Cluster>(programs);
  }

  std::unique_ptr<Cluster> cluster_;
};

TEST_F(NotesExample, KeepsLinesInTheDatabase) {
  cluster_->Start();
  cluster_->MakeTable();
  Example notes("notes", {"--shards=2", "--database=" + cluster_->Address()});
  Client client(notes.port());
  EXPECT_EQ(client.Exchange("list\n", 3), "OK\n");
  EXPECT_EQ(client.Exchange("add first\n", 3), "OK\n");
  EXPECT_EQ(client.Exchange("add '); drop table notes; --\n", 3), "OK\n");
  const std::string list = "first\n'); drop table notes; --\nOK\n";
  EXPECT_EQ(client.Exchange("list\n", list.size()), list);
  // What the database refuses does not end the connection.
  const std::string refused = "ERR ERROR:  invalid byte sequence for encoding \"UTF8\": 0xff\n";
  ASSERT_EQ(client.Exchange("add \xff\n", refused.size()), refused);
  EXPECT_EQ(client.Exchange("list\n", list.size()), list);
  client.Close();
  notes.ExpectDrained();

  Example again("notes", {"--database=" + cluster_->Address()});
  Client reader(again.port());
  EXPECT_EQ(reader.Exchange("list\n", list.size()), list);
}

TEST_F(NotesExample, ManyWriteAtOnce) {
  cluster_->Start();
  cluster_->MakeTable();
  Example notes("notes", {"--shards=2", "--database=" + cluster_->Address()});
  std::vector<Client> clients;
  std::string adds, answers;
  for (int i = 0; i < 25; ++i) {
    adds += "add note " + std::to_string(i) + "\n";
    answers += "OK\n";
  }
  for (int i = 0; i < 8; ++i) clients.emplace_back(notes.port());
  for (Client& client : clients) ASSERT_TRUE(client.Send(adds));
  for (Client& client : clients) EXPECT_EQ(client.Receive(answers.size()), answers);
  ASSERT_TRUE(clients[0].Send("list\n"));
  clients[0].ShutdownWrite();
  const std::string list = clients[0].ReceiveToFin();
  for (int i = 0; i < 25; ++i) {
    size_t times = 0;
    const std::string line = "note " + std::to_string(i) + "\n";
    for (size_t at = list.find(line); at != std::string::npos; at = list.find(line, at + 1)) ++times;
    EXPECT_EQ(times, 8u) << line;
  }
  clients.clear();
  notes.ExpectDrained();
}

TEST_F(NotesExample, OutlivesTheDatabase) {
  cluster_->Start();
  cluster_->MakeTable();
  cluster_->Stop();
  Example notes("notes", {"--shards=1", "--database=" + cluster_->Address()});
  Client client(notes.port());
  ASSERT_TRUE(client.Send("add too early\n"));
  ASSERT_EQ(client.Receive(4), "ERR ");
  client = Client(notes.port());
  cluster_->Start();
  EXPECT_EQ(client.Exchange("add one\n", 3), "OK\n");
  cluster_->Stop();
  Client meanwhile(notes.port());
  ASSERT_TRUE(meanwhile.Send("add lost\n"));
  ASSERT_EQ(meanwhile.Receive(4), "ERR ");
  cluster_->Start();
  EXPECT_EQ(client.Exchange("add two\nlist\n", 14), "OK\none\ntwo\nOK\n");
  client.Close();
  meanwhile.Close();
  notes.ExpectDrained();
}

}  // namespace
}  // namespace mooring::examples
