// SPDX-License-Identifier: Apache-2.0
#include "server/config/document.h"

#include <cstddef>
#include <set>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "server/config/keys.h"
#include "server/settings.h"

namespace mooring::server::config {
namespace {

constexpr size_t kWidth = 100;

std::string Sentence(std::string text) {
  if (!text.empty()) text[0] = absl::ascii_toupper(static_cast<unsigned char>(text[0]));
  if (!text.empty() && text.back() != '.') text += '.';
  return text;
}

// Comment lines.
std::string Comment(const std::string& text) {
  std::string out = "#";
  size_t column = 1;
  for (absl::string_view word : absl::StrSplit(text, ' ')) {
    if (column + 1 + word.size() > kWidth) {
      out += "\n#";
      column = 1;
    }
    absl::StrAppend(&out, " ", word);
    column += 1 + word.size();
  }
  return out + "\n";
}

std::string Entry(const std::string& name, const Form& form, const std::string& default_value, const std::string& help,
                  const std::string& reason, bool fixed) {
  const Value value = ParseValue(form, {default_value}).value_or(Value());
  return absl::StrCat(Comment(absl::StrCat(Sentence(help), fixed ? " Fixed at start." : "")),
                      Comment(absl::StrCat("It is ", Allowed(form), ".")),
                      reason.empty() ? "" : Comment(absl::StrCat("Why: ", reason, ".")), "#", name, " = ", ToToml(form, value),
                      "\n\n");
}

// A listener whose options are said in full, as its service has them.
ListenerSettings InFull(const Service& service) {
  const net::ServiceOptions& options = service.options;
  ListenerSettings out;
  out.options = {.first_byte_s = options.first_byte_s,
                 .idle_s = options.idle_timeout_s,
                 .write_stall_s = options.write_stall_s,
                 .max_age_s = options.max_age_s,
                 .queue_high_bytes = options.queue_high_bytes,
                 .queue_low_bytes = options.queue_low_bytes,
                 .queue_cap_bytes = options.queue_cap_bytes,
                 .drop_when_full = options.drop_when_full,
                 .defer_accept = options.defer_accept};
  return out;
}

const Service* Find(const Program& program, absl::string_view name) {
  for (const Service& each : program.offered) {
    if (each.name == name) return &each;
  }
  return nullptr;
}

// Its tables: the first has the keys of all services, further ones what is different with them.
std::string ListenerTables(const Program& program) {
  std::string text;
  const Service* first = nullptr;
  for (absl::string_view part : absl::StrSplit(program.default_listen, ',')) {
    const std::vector<std::string> halves = absl::StrSplit(part, absl::MaxSplits('=', 1));
    const Service& service = *Find(program, halves[0]);
    absl::StrAppend(&text, Comment(absl::StrCat("The service ", service.name, ": ", service.summary, ".")),
                    "[[listener]]\nname = \"", service.name, "\"\nservice = \"", service.name, "\"\naddress = \"", halves[1],
                    "\"\n\n");
    const ListenerSettings full = InFull(service);
    std::set<std::string> own;
    for (const ServiceSetting& setting : service.settings) own.insert(setting.name);
    for (const ListenerKey& key : ListenerKeys()) {
      if (own.count(key.name) != 0 || (key.name == "idle" && service.options.own_deadlines)) continue;
      const Value value = key.get(full);
      if (first != nullptr && value == key.get(InFull(*first))) continue;
      absl::StrAppend(&text, Entry(key.name, key.form, ToText(key.form, value), key.help, key.reason, key.fixed));
    }
    for (const ServiceSetting& setting : service.settings) {
      absl::StrAppend(&text, Entry(setting.name, FormOf(setting), setting.default_value, setting.help, setting.reason, false));
    }
    if (first == nullptr) {
      first = &service;
      absl::StrAppend(&text, Comment("All of these are for listeners of other services, too."), "\n");
    }
  }
  return text;
}

// For a cell of a table.
std::string Cell(const std::string& text) { return absl::StrReplaceAll(text, {{"|", "\\|"}}); }
std::string Code(const std::string& text) { return text.empty() ? "" : absl::StrCat("`", text, "`"); }

constexpr char kIntroduction[] = R"(# Configuration

(Written by `bazel run //server/config:document` from the table in `server/config/keys.cc`.)

A key has one name: `drain.deadline` in the file is `--drain-deadline` on the command line and `MOORING_DRAIN_DEADLINE` in
the environment; those of `[runtime]` drop their section: `--shards`, `MOORING_SHARDS`. Where several say something, the
flag holds, else the variable, else the file, else the default.

- **The file** is TOML: `--config=FILE`, or `MOORING_CONFIG`, or `/etc/mooringd/mooringd.toml` where that exists; start-up
  says which one was read. `server/config/mooringd.toml` is one with every key and a comment. At most 1 MiB, and a regular
  file: it is read once more at SIGHUP (`/dev/null` is one without a word).
- **Values**: a number, or a string with a unit: `30` or `"30s"`, `"500ms"`, `"5m"`, `"1h"`; `65536` or `"64KiB"`, `"1MB"`
  (K and M are 1,000, Ki and Mi 1,024). Numbers without a unit are seconds or bytes; those of `watchdog_warn` are
  milliseconds. On the command line and in the environment it is the same without quotes.
- **`mooringd check --config FILE`** (`mooringd -t`) says whether a configuration is good, and ends with 0 or 2. It makes
  every service as it would be, so that a folder that is not there is found, and binds and writes nothing. Errors, here
  and at start, are a line each: file, line and key, what is wrong, what is allowed. Keys and `MOORING_` variables that
  nobody knows are errors.
- **`--listen`** (`MOORING_LISTEN`) replaces the file's `[[listener]]` tables as a whole, their limits too; they are still
  checked. Without either, a program listens where it always does.
- **SIGHUP** reads the file anew, with the same flags and variables. Keys marked *fixed* cannot change while the server
  runs (a listener's: while it listens): a reload that changes one is refused as a whole and names it. All else holds for new
  connections.
- **Programs made with the library** have all of this: NAME looks for `/etc/NAME/NAME.toml`. Their listeners are their own;
  a `[[listener]]` with such a listener's `name`, and without `service`, gives it another `address` and limits. Flags that
  a program defines with ABSL_FLAG are flags only.

)";

std::string Row(const std::string& name, const std::string& flag, const std::string& default_value, const std::string& help,
                const Form& form, const std::string& reason) {
  return absl::StrCat("| ", name, " | ", flag, " | ", default_value, " | ", Cell(Sentence(help)), " ", Cell(Sentence(Allowed(form))),
                      " | ", Cell(Sentence(reason)), " |\n");
}

}  // namespace

std::string ExampleFile(const Program& program) {
  std::string text = absl::StrCat(
      "# ", program.name, ".toml, which ", program.name, " looks for in /etc/", program.name, "; --config=FILE names another.\n#\n",
      Comment(absl::StrCat("Every key is here with its default, behind a '#': take that away and say something else. `", program.name,
                           " check --config FILE` says whether the file is good, and SIGHUP has a running server read it anew.")),
      Comment("Flags and variables say the same and go first: drain.deadline is --drain-deadline and MOORING_DRAIN_DEADLINE; "
              "those of [runtime] drop the section: --shards, MOORING_SHARDS."),
      "\n");
  for (const Section& section : Sections()) {
    absl::StrAppend(&text, Comment(Sentence(section.help)), "[", section.name, "]\n\n");
    for (const Key& key : Keys()) {
      if (key.section != section.name) continue;
      absl::StrAppend(&text, Entry(key.name, key.form, key.default_value, key.help, key.reason, key.fixed));
    }
  }
  absl::StrAppend(&text,
                  Comment("What to listen on: a table for each. Without any, it is what follows; --listen replaces them all."),
                  Comment("name: letters, digits, '-', '_' and '.'; no two alike. It may be left out: the service's name is taken."),
                  "\n", ListenerTables(program));
  absl::StripTrailingAsciiWhitespace(&text);
  return text + "\n";
}

std::string Reference(const Program& program) {
  std::string text = kIntroduction;
  for (const Section& section : Sections()) {
    absl::StrAppend(&text, "## [", section.name, "]\n\n", Sentence(section.help), "\n\n",
                    "| key | flag | default | what it is | why |\n|---|---|---|---|---|\n");
    for (const Key& key : Keys()) {
      if (key.section != section.name) continue;
      absl::StrAppend(&text, Row(absl::StrCat(Code(key.name), key.fixed ? " *fixed*" : ""), Code("--" + FlagOf(key)),
                                 Code(key.default_value), key.help, key.form, key.reason));
    }
    text += "\n";
  }
  absl::StrAppend(&text,
                  "## [[listener]]\n\nWhat to listen on: a table for each. They have no flags beside `--listen`.\n\n"
                  "| key | default | what it is | why |\n|---|---|---|---|\n"
                  "| `name` | the service's | What plan, metrics and admin interface call it: letters, digits, `-`, `_`, `.`; no two alike. "
                  "Two of one service without names are `line` and `line-2`. | |\n"
                  "| `service` | | What it speaks: one of `mooringd --help`. | |\n"
                  "| `address` | | `HOST:PORT`, numeric; `[::]:PORT` is IPv6 and IPv4; or `unix:PATH`. | |\n");
  for (const ListenerKey& key : ListenerKeys()) {
    absl::StrAppend(&text, "| ", Code(key.name), key.fixed ? " *fixed*" : "", " | ", key.default_value.empty() ? "its service's" : Code(key.default_value), " | ",
                    Cell(Sentence(key.help)), " ", Cell(Sentence(Allowed(key.form))), " | ", Cell(Sentence(key.reason)), " |\n");
  }
  for (const Service* service : ServicesWithSettings(program)) {
    absl::StrAppend(&text, "\n## Settings of the service ", service->name, "\n\n",
                    "In a `[[listener]]` of it. The flag (and its variable) holds for those of its listeners that say nothing "
                    "themselves.\n\n| key | flag | default | what it is | why |\n|---|---|---|---|---|\n");
    for (const ServiceSetting& setting : service->settings) {
      absl::StrAppend(&text, Row(Code(setting.name), Code("--" + FlagOf(*service, setting)), Code(setting.default_value),
                                 setting.help, FormOf(setting), setting.reason));
    }
  }
  return text;
}

}  // namespace mooring::server::config
