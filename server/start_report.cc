// SPDX-License-Identifier: Apache-2.0
#include "server/start_report.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"

namespace mooring::server {
namespace {

// HOST:PORT by which this machine itself reaches what listens there.
std::string Reachable(const net::Endpoint& endpoint) {
  const std::string full = endpoint.ToString();
  const std::string host = full.substr(0, full.rfind(':'));
  return absl::StrCat(host == "0.0.0.0" ? "127.0.0.1" : host == "[::]" ? "[::1]" : host, ":", endpoint.address().port());
}

std::string Quoted(const std::string& path) { return absl::StrCat("'", absl::StrReplaceAll(path, {{"'", "'\\''"}}), "'"); }

}  // namespace

std::string UrlOf(const net::Endpoint& endpoint) {
  return endpoint.is_unix() ? endpoint.ToString() : absl::StrCat("http://", Reachable(endpoint), "/");
}

std::string TryIt(const std::string& hello, const net::Endpoint& endpoint) {
  if (hello == kTryUrl) {
    if (endpoint.is_unix()) return absl::StrCat("curl --unix-socket ", Quoted(endpoint.path()), " http://localhost/");
    return absl::StrCat("curl ", UrlOf(endpoint));
  }
  const std::string pipe = absl::StrCat(hello, " | nc -q 1 ");
  if (endpoint.is_unix()) return absl::StrCat(pipe, "-U ", Quoted(endpoint.path()));
  const std::string reachable = Reachable(endpoint);
  const size_t colon = reachable.rfind(':');
  std::string host = reachable.substr(0, colon);
  if (host.front() == '[') host = host.substr(1, host.size() - 2);
  return absl::StrCat(pipe, host, " ", reachable.substr(colon + 1));
}

std::string DeadlinesOff(const std::string& service, const net::ServiceOptions& options) {
  std::string text;
  if (options.idle_timeout_s == 0 && !options.own_deadlines) {
    absl::StrAppend(&text, "note: ", service, " has no idle deadline: a silent peer keeps its connection\n");
  }
  if (options.write_stall_s == 0) {
    absl::StrAppend(&text, "note: ", service,
                    " has no write-stall deadline: a peer that never reads keeps its connection\n");
  }
  return text;
}

}  // namespace mooring::server
