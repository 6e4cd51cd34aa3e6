// SPDX-License-Identifier: Apache-2.0
#include "server/http/welcome.h"

#include <string_view>

#include "absl/strings/str_cat.h"

namespace mooring::server::http {
namespace {

// The empty icon keeps browsers from asking for /favicon.ico.
constexpr std::string_view kStyle = R"(<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<link rel="icon" href="data:,">
<style>
:root { --text: #1c2329; --soft: #5b6770; --line: #d9dfe3; --back: #fbfcfd; --mark: #0b6e6e; }
@media (prefers-color-scheme: dark) {
  :root { --text: #e3e8ec; --soft: #95a2ac; --line: #313a42; --back: #14191e; --mark: #5cc9c0; }
}
body { margin: 0 auto; max-width: 44rem; padding: 3rem 1.25rem; background: var(--back); color: var(--text);
  font: 1rem/1.5 system-ui, sans-serif; }
h1 { font-size: 1.6rem; margin: 0 0 .5rem; }
h1 small { color: var(--soft); font-weight: normal; font-size: 1rem; }
table { border-collapse: collapse; width: 100%; margin: 1.5rem 0; }
th, td { text-align: left; vertical-align: top; padding: .4rem 1rem .4rem 0; border-top: 1px solid var(--line); }
th { color: var(--soft); font-weight: normal; width: 9rem; }
td, code { overflow-wrap: anywhere; }
code { color: var(--mark); font-family: ui-monospace, monospace; }
p, small { color: var(--soft); }
</style>
)";

std::string Escaped(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    switch (c) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '"': out += "&quot;"; break;
      case '\'': out += "&#39;"; break;
      default: out += c;
    }
  }
  return out;
}

// The two largest units: "3 days 4 h".
std::string Age(int64_t seconds) {
  const int64_t minutes = seconds / 60, hours = minutes / 60, days = hours / 24;
  if (days > 0) return absl::StrCat(days, days == 1 ? " day " : " days ", hours % 24, " h");
  if (hours > 0) return absl::StrCat(hours, " h ", minutes % 60, " min");
  if (minutes > 0) return absl::StrCat(minutes, " min ", seconds % 60, " s");
  return absl::StrCat(seconds, " s");
}

std::string Row(std::string_view head, const std::string& html) {
  return absl::StrCat("<tr><th scope=\"row\">", std::string(head), "</th><td>", html, "</td></tr>\n");
}

std::string Count(uint64_t n, const char* what) { return absl::StrCat(n, " ", what, n == 1 ? "" : "s"); }

}  // namespace

std::string WelcomePage(const WelcomeFacts& facts) {
  const std::string name = Escaped(facts.name);
  std::string shards = Count(facts.shards, "shard");
  if (!facts.cpus.empty()) absl::StrAppend(&shards, " on CPUs ", Escaped(facts.cpus));

  std::string page =
      absl::StrCat("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<title>", name, "</title>\n");
  page += kStyle;
  absl::StrAppend(&page, "</head>\n<body>\n<h1>", name, " <small>", Escaped(facts.version),
                  "</small></h1>\n<p>It is running, and this page came from shard ", facts.shard, ".</p>\n<table>\n");
  page += Row("Running for", Age(facts.uptime_s));
  page += Row("Transport", Escaped(facts.transport));
  page += Row("Threads", shards);
  page += Row("This shard", Count(facts.connections, "connection"));
  for (const WelcomeFacts::Listener& each : facts.listeners) {
    std::string where = absl::StrCat("<code>", Escaped(each.address), "</code>");
    if (!each.summary.empty()) absl::StrAppend(&where, "<br><small>", Escaped(each.summary), "</small>");
    page += Row(Escaped(each.name), where);
  }
  absl::StrAppend(&page, "</table>\n<p>To see a folder here: <code>", name, " --http-root DIR</code></p>\n</body>\n</html>\n");
  return page;
}

}  // namespace mooring::server::http
