// SPDX-License-Identifier: Apache-2.0
// notes: lines kept in PostgreSQL: "add TEXT" keeps one, anything else shows them. Each shard has one connection to the
// database, on which its peers take turns. The table: create table notes (id bigserial primary key, text text not null)
#include <libpq-fe.h>

#include "absl/flags/flag.h"
#include "mooring/mooring.h"

using namespace mooring;
ABSL_FLAG(std::string, database, "dbname=notes", "how libpq connects to it");
using Result = std::unique_ptr<PGresult, decltype(&PQclear)>;
struct Shared {
  std::unique_ptr<PGconn, decltype(&PQfinish)> link{nullptr, PQfinish};
  Semaphore turn{1};
};

Task<PGconn*> Open() {
  PGconn* const link = PQconnectStart(absl::GetFlag(FLAGS_database).c_str());
  for (auto next = PGRES_POLLING_WRITING; next != PGRES_POLLING_OK && next != PGRES_POLLING_FAILED;) {
    const auto ready = co_await WaitFd(PQsocket(link), next == PGRES_POLLING_READING ? POLLIN : POLLOUT, Seconds(5));
    next = ready.ok() ? PQconnectPoll(link) : PGRES_POLLING_FAILED;
  }
  PQsetnonblocking(link, 1);
  co_return link;
}

Task<Result> Ask(PGconn* link, const char* statement, const char* text) {
  PQsendQueryParams(link, statement, text != nullptr, nullptr, &text, nullptr, nullptr, 0);
  Result last{nullptr, PQclear};
  for (int unsent = PQflush(link);; unsent = PQflush(link)) {
    if (unsent == 1 || PQisBusy(link)) {
      const auto ready = co_await WaitFd(PQsocket(link), unsent == 1 ? POLLIN | POLLOUT : POLLIN, Seconds(5));
      if (!ready.ok() || !PQconsumeInput(link)) co_return Result{nullptr, PQclear};  // no answer
    } else if (PGresult* const next = PQgetResult(link)) {
      last.reset(next);
    } else {
      co_return last;
    }
  }
}

Task<> Notes(Connection& conn) {
  auto& [link, turn] = Local<Shared>();
  while (auto line = co_await conn.ReadLine()) {
    const std::string words(*line);
    const char* const text = words.starts_with("add ") ? words.c_str() + 4 : nullptr;
    const char* sql = text ? "insert into notes(text) values($1)" : "select text from notes order by id limit 1000";
    if (const bool mine = co_await turn.Acquire(); !mine) co_return;
    if (link == nullptr) link.reset(co_await Open());
    const Result result = co_await Ask(link.get(), sql, text);
    const std::string error = result == nullptr ? "no answer" : PQresultErrorMessage(result.get());
    if (result == nullptr || PQstatus(link.get()) != CONNECTION_OK) link.reset();
    turn.Release();
    for (int i = 0; i < PQntuples(result.get()); ++i) conn.Write(PQgetvalue(result.get(), i, 0) + std::string("\n"));
    conn.Write(error.empty() ? "OK\n" : "ERR " + error.substr(0, error.find('\n')) + "\n");
  }
}

int main(int argc, char** argv) { return Server(argc, argv).PerShard<Shared>().Listen("127.0.0.1:7004", Notes).Run(); }
