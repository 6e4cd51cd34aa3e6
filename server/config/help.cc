// SPDX-License-Identifier: Apache-2.0
#include "server/config/help.h"

#include <cstddef>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "server/config/arguments.h"
#include "server/config/flags.h"
#include "server/config/keys.h"

namespace mooring::server::config {
namespace {

constexpr size_t kColumn = 36;
constexpr size_t kWidth = 118;

// "  --drain-deadline=TIME             text, which goes on below itself".
std::string Line(const std::string& flag, const std::string& text) {
  std::string out = absl::StrCat("  ", flag);
  if (out.size() + 2 > kColumn) {
    absl::StrAppend(&out, "\n", std::string(kColumn, ' '));
  } else {
    out.resize(kColumn, ' ');
  }
  size_t column = kColumn;
  for (absl::string_view word : absl::StrSplit(text, ' ')) {
    if (column + word.size() > kWidth) {
      absl::StrAppend(&out, "\n", std::string(kColumn, ' '));
      column = kColumn;
    } else if (column > kColumn) {
      out += ' ';
      ++column;
    }
    absl::StrAppend(&out, word);
    column += word.size();
  }
  return out + "\n";
}

std::string Placeholder(const Form& form) {
  switch (form.kind) {
    case Kind::kText: return "=TEXT";
    case Kind::kBool: return "";
    case Kind::kCount: return "=N";
    case Kind::kBytes:
    case Kind::kMemory: return "=SIZE";
    case Kind::kSeconds:
    case Kind::kMilliseconds: return "=TIME";
    case Kind::kEndpoint: return "=ADDRESS";
    case Kind::kCpus: return "=0-3,8";
    case Kind::kChoice: break;
  }
  return absl::StrCat("=", absl::StrJoin(form.words, "|", [](std::string* out, const Word& word) { out->append(word.word); }));
}

std::string FlagLine(const std::string& flag, const Form& form, const std::string& default_value, const std::string& help) {
  const bool off = form.kind == Kind::kBool || default_value.empty();
  return Line(absl::StrCat("--", flag, Placeholder(form)), off ? help : absl::StrCat(help, " (", default_value, ")"));
}

std::string WithNoFlag(const Program& program) {
  std::vector<std::string> listens;
  for (const Listener& each : program.listeners) listens.push_back(absl::StrCat(each.service.name, " on ", each.address));
  if (!program.default_listen.empty()) {
    listens.push_back(absl::StrReplaceAll(program.default_listen, {{"=", " on "}, {",", ", "}}));
  }
  return listens.empty() ? "" : absl::StrCat("      With no flag: ", absl::StrJoin(listens, ", "), ".");
}

std::string ServiceLines(const Program& program) {
  const bool only_one = program.listeners.size() == 1 && program.offered.empty();
  std::string text = only_one                  ? "\nListener (NAME= may be left out):\n"
                     : program.offered.empty() ? "\nListeners:\n"
                                               : "\nServices:\n";
  const auto line = [&text](const Service& service) {
    const std::string named = absl::StrFormat("  %-11s %s", service.name, service.summary);
    absl::StrAppend(&text, absl::StripTrailingAsciiWhitespace(named), "\n");
  };
  for (const Listener& listener : program.listeners) line(listener.service);
  for (const Service& service : program.offered) line(service);
  return text;
}

}  // namespace

std::string HelpText(const Program& program) {
  std::string text;
  if (!program.summary.empty()) absl::StrAppend(&text, program.summary, "\n\n");
  absl::StrAppend(&text, "Usage: ", program.name, " [--flag=value ...]", WithNoFlag(program), "\n",
                  "       ", program.name, " check [--flag=value ...]     whether that would work; binds nothing (-t, too)\n",
                  "       ", program.name, " doctor [--help]              whether this machine is ready, and for how many\n\n");
  const char* const what = program.offered.empty() ? "NAME" : "SERVICE";
  const std::string pad(7 - std::string(what).size(), ' ');
  absl::StrAppend(
      &text,
      "  --listen=", what, "=HOST:PORT[,...]", pad, "  what to serve where; numeric addresses, [::]:PORT is IPv6 and IPv4\n",
      "           ", what, "=unix:PATH", pad, "        or on a Unix-domain socket, to which owner and group may connect\n",
      Line("--config=FILE", absl::StrCat("what flags and MOORING_... do not say (/etc/", program.name, "/", program.name,
                                         ".toml, where that is)")));
  for (const Key& key : Keys()) absl::StrAppend(&text, FlagLine(FlagOf(key), key.form, key.default_value, key.help));
  absl::StrAppend(&text, "  --version, --help\n");
  for (const Service* service : ServicesWithSettings(program)) {
    absl::StrAppend(&text, "\nFlags of ", service->name, ", for those of its listeners that say nothing else in the file:\n");
    for (const ServiceSetting& setting : service->settings) {
      absl::StrAppend(&text, FlagLine(FlagOf(*service, setting), FormOf(setting), setting.default_value, setting.help));
    }
  }
  const std::vector<OwnFlag> own = OwnFlags(KnownFlags(program));
  if (!own.empty()) absl::StrAppend(&text, "\nFlags of ", program.name, ":\n");
  for (const OwnFlag& flag : own) {
    absl::StrAppend(&text, "  --", flag.name, "=", flag.default_value, "\n        ", flag.help, "\n");
  }
  absl::StrAppend(&text, ServiceLines(program),
                  "\n"
                  "TIME is 30, 30s, 500ms, 5m or 1h; SIZE 65536, 64KiB or 1MB. Each flag is a variable, too: MOORING_DRAIN_DEADLINE.\n"
                  "SIGTERM, SIGINT or SIGQUIT drains: listeners close, every request received is answered, connections end.\n"
                  "SIGHUP reads the file anew.\n"
                  "Exit codes: 0 all finished, 1 could not start, 2 a bad flag or file, 3 the deadline cut some, 4 second signal.\n");
  return text;
}

}  // namespace mooring::server::config
