// SPDX-License-Identifier: Apache-2.0
#include "server/config/listeners.h"

#include <algorithm>
#include <cstddef>
#include <set>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "server/config/keys.h"
#include "server/config/nearest.h"

namespace mooring::server::config {
namespace {

constexpr size_t kNameBytesMax = 64;

struct Draft {
  ListenerSettings settings;
  bool named = false;  // by the file: a number behind it would be another name
  int line = 0;        // of the file; 0: not there
};

std::string Names(const Program& program) {
  std::vector<std::string> names;
  for (const Listener& each : program.listeners) names.push_back(each.service.name);
  for (const Service& each : program.offered) names.push_back(each.name);
  return absl::StrJoin(names, ", ");
}

const Service* FindOffered(const Program& program, const std::string& name) {
  for (const Service& each : program.offered) {
    if (each.name == name) return &each;
  }
  return nullptr;
}

// The index of the program's listener `name`, or how many it has.
size_t FindOwn(const Program& program, const std::string& name) {
  const std::vector<Listener>& all = program.listeners;
  const auto is = [&](const Listener& each) { return each.service.name == name; };
  return static_cast<size_t>(std::find_if(all.begin(), all.end(), is) - all.begin());
}

// A list as --listen has it, put together.
class ListenList {
 public:
  ListenList(const Program* program, std::string where) : program_(program), where_(std::move(where)), addresses_(program->listeners.size()) {}

  // The error is behind `where`.
  absl::Status Add(absl::string_view list) {
    if (list.empty()) return absl::InvalidArgumentError(absl::StrCat("is empty; for example ", Example(), "=127.0.0.1:7000"));
    for (absl::string_view part : absl::StrSplit(list, ',')) {
      if (absl::Status status = AddOne(part); !status.ok()) return status;
    }
    return absl::OkStatus();
  }

  const std::vector<std::optional<net::Endpoint>>& addresses() const { return addresses_; }  // of the program's listeners
  std::vector<Draft>& offered() { return offered_; }

 private:
  // A name to give an example with.
  std::string Example() const {
    if (!program_->listeners.empty()) return program_->listeners[0].service.name;
    return program_->offered.empty() ? "NAME" : program_->offered[0].name;
  }

  absl::Status AddOne(absl::string_view part) {
    std::vector<std::string> halves = absl::StrSplit(part, absl::MaxSplits('=', 1));
    // A program with one listener need not be told which.
    const bool only_one = program_->listeners.size() == 1 && program_->offered.empty();
    if (halves.size() == 1 && only_one && net::Endpoint::Parse(halves[0]).ok()) {
      halves.insert(halves.begin(), program_->listeners[0].service.name);
    }
    const std::string what = program_->offered.empty() ? "NAME" : "SERVICE";
    if (halves.size() != 2) {
      return absl::InvalidArgumentError(absl::StrCat("'", part, "' is not ", what, "=HOST:PORT or ", what,
                                                     "=unix:PATH; for example ", Example(), "=127.0.0.1:7000"));
    }
    const size_t own = FindOwn(*program_, halves[0]);
    const Service* const service = FindOffered(*program_, halves[0]);
    if (own == addresses_.size() && service == nullptr) {
      return absl::InvalidArgumentError(absl::StrCat("'", halves[0], "' is not a ",
                                                     program_->offered.empty() ? "listener" : "service", "; known are ",
                                                     Names(*program_)));
    }
    absl::StatusOr<net::Endpoint> endpoint = net::Endpoint::Parse(halves[1]);
    if (!endpoint.ok()) return endpoint.status();
    if (own < addresses_.size()) {
      if (addresses_[own].has_value()) return absl::InvalidArgumentError(absl::StrCat("'", halves[0], "' has two addresses"));
      addresses_[own] = *endpoint;
    } else {
      offered_.push_back({.settings = {.name = service->name, .service = service, .endpoint = *endpoint, .said = {where_}}});
    }
    return absl::OkStatus();
  }

  const Program* const program_;
  const std::string where_;
  std::vector<std::optional<net::Endpoint>> addresses_;
  std::vector<Draft> offered_;
};

// One [[listener]] table.
class TableReader {
 public:
  TableReader(const Program* program, const ListenersSaid* said, const FileTable* table, Errors* errors)
      : program_(program), said_(said), table_(table), errors_(errors) {}

  // Into `own`, of the program's listeners, or `offered`.
  void Read(std::vector<Draft>* own, std::vector<Draft>* offered) {
    for (const FileEntry& entry : table_->entries) {
      std::string* const words[] = {&name_, &service_, &address_};
      for (size_t i = 0; i < 3; ++i) {
        if (entry.key != kWords[i]) continue;
        if (entry.written.type != Type::kText) {
          Wrong(entry, "is not text in quotes");
          return;
        }
        *words[i] = entry.written.text;
        at_[i] = &entry;
      }
    }
    Draft* const draft = Find(own, offered);
    if (draft == nullptr) return;
    if (!CheckName()) return;
    draft->line = table_->line;
    draft->settings.said.at = absl::StrCat(said_->path, ":", table_->line);
    if (at_[kAddress] != nullptr) {
      absl::StatusOr<net::Endpoint> endpoint = net::Endpoint::Parse(address_);
      if (!endpoint.ok()) return Wrong(*at_[kAddress], std::string(endpoint.status().message()));
      draft->settings.endpoint = *endpoint;
    }
    for (const FileEntry& entry : table_->entries) ReadEntry(entry, &draft->settings);
    CheckQueue(draft->settings);
    CheckTransport(draft->settings);
  }

 private:
  enum : size_t { kName, kService, kAddress };
  static constexpr const char* kWords[] = {"name", "service", "address"};

  void Wrong(const FileEntry& entry, const std::string& what) {
    errors_->Add(absl::StrCat(said_->path, ":", entry.line, ": listener.", entry.key), what, entry.line);
  }
  Draft* WrongTable(const std::string& what) {
    errors_->Add(absl::StrCat(said_->path, ":", table_->line, ": [[listener]]"), what, table_->line);
    return nullptr;
  }

  bool CheckName() {
    if (at_[kName] == nullptr) return true;
    const auto good = [](unsigned char c) { return absl::ascii_isalnum(c) || c == '-' || c == '_' || c == '.'; };
    if (!name_.empty() && name_.size() <= kNameBytesMax && std::all_of(name_.begin(), name_.end(), good)) return true;
    Wrong(*at_[kName], absl::StrCat("'", name_, "' is not a name of 1 to ", kNameBytesMax, " letters, digits, '-', '_' and '.'"));
    return false;
  }

  Draft* Find(std::vector<Draft>* own, std::vector<Draft>* offered) {
    if (at_[kService] == nullptr) {
      const size_t i = FindOwn(*program_, name_);
      if (at_[kName] != nullptr && i < own->size()) {
        Draft& draft = (*own)[i];
        if (draft.line != 0) {
          Wrong(*at_[kName], absl::StrCat("'", name_, "' is the name of the listener of line ", draft.line, ", too"));
          return nullptr;
        }
        return &draft;
      }
      if (program_->offered.empty()) {
        const std::string known = absl::StrCat("its listeners are ", Names(*program_));
        if (at_[kName] == nullptr) return WrongTable(absl::StrCat("has no name; ", program_->name, "'s own: ", known));
        Wrong(*at_[kName], absl::StrCat("'", name_, "' is no listener of ", program_->name, "; ", known));
        return nullptr;
      }
      return WrongTable(absl::StrCat("has no service; known are ", Names(*program_)));
    }
    const Service* const service = FindOffered(*program_, service_);
    if (service == nullptr) {
      if (program_->offered.empty()) {
        Wrong(*at_[kService], absl::StrCat("is not for you to say: ", program_->name, " has listeners of its own, by name: ",
                                           Names(*program_)));
        return nullptr;
      }
      std::vector<std::string> names;
      for (const Service& each : program_->offered) names.push_back(each.name);
      Wrong(*at_[kService], absl::StrCat("'", service_, "' is not a service", DidYouMean(service_, names)));
      return nullptr;
    }
    if (at_[kAddress] == nullptr) {
      return WrongTable("has no address; write address = \"HOST:PORT\" or \"unix:PATH\", e.g. \"127.0.0.1:7000\"");
    }
    offered->push_back({.settings = {.name = name_.empty() ? service_ : name_, .service = service, .values = said_->values(*service)},
                        .named = !name_.empty()});
    return &offered->back();
  }

  void ReadEntry(const FileEntry& entry, ListenerSettings* settings) {
    if (std::find(std::begin(kWords), std::end(kWords), entry.key) != std::end(kWords)) return;
    const Service& service = *settings->service;
    for (const ServiceSetting& setting : service.settings) {
      if (setting.name != entry.key) continue;
      const absl::StatusOr<Value> value = ParseValue(FormOf(setting), entry.written);
      if (!value.ok()) return Wrong(entry, std::string(value.status().message()));
      settings->values.Set(setting.name, value->text, value->number,
                           absl::StrCat(said_->path, ":", entry.line, ": listener.", entry.key));
      return;
    }
    for (const ListenerKey& key : ListenerKeys()) {
      if (key.name != entry.key) continue;
      if (key.name == "idle" && service.options.own_deadlines) return Wrong(entry, OwnDeadlines(service));
      const absl::StatusOr<Value> value = ParseValue(key.form, entry.written);
      if (!value.ok()) return Wrong(entry, std::string(value.status().message()));
      key.set(*value, settings);
      return;
    }
    std::vector<std::string> known(std::begin(kWords), std::end(kWords));
    for (const ServiceSetting& setting : service.settings) known.push_back(setting.name);
    for (const ListenerKey& key : ListenerKeys()) known.push_back(key.name);
    Wrong(entry, absl::StrCat("is not a key of a listener of ", service.name, DidYouMean(entry.key, known)));
  }

  static std::string OwnDeadlines(const Service& service) {
    std::vector<std::string> own;
    for (const ServiceSetting& setting : service.settings) {
      if (setting.kind == ServiceSetting::Kind::kSeconds) own.push_back(setting.name);
    }
    return absl::StrCat(service.name, " has deadlines of its own instead", own.empty() ? "" : ": ", absl::StrJoin(own, ", "));
  }

  void CheckTransport(const ListenerSettings& settings) {
    if (settings.options.defer_accept.value_or(false) && settings.endpoint.is_unix()) {
      WrongTable("defer_accept is for TCP; a Unix-domain socket has no such thing");
    }
  }

  // What the three are together, the service's own where nothing was said.
  void CheckQueue(const ListenerSettings& settings) {
    const OptionOverrides& said = settings.options;
    if (!said.queue_low_bytes && !said.queue_high_bytes && !said.queue_cap_bytes) return;
    const net::ServiceOptions options = said.Over(settings.service->options);
    if (options.queue_low_bytes >= options.queue_high_bytes) {
      WrongTable(absl::StrCat("queue_low is ", options.queue_low_bytes, " bytes; it must be less than queue_high, which is ",
                              options.queue_high_bytes));
    } else if (options.queue_high_bytes > options.queue_cap_bytes) {
      WrongTable(absl::StrCat("queue_high is ", options.queue_high_bytes, " bytes; it must be at most queue_cap, which is ",
                              options.queue_cap_bytes));
    }
  }

  const Program* const program_;
  const ListenersSaid* const said_;
  const FileTable* const table_;
  Errors* const errors_;
  std::string name_, service_, address_;
  const FileEntry* at_[3] = {};
};

// The program's listeners as it has them; where it has an address wrong, there is none.
std::vector<Draft> OwnDrafts(const Program& program, const ListenersSaid& said) {
  std::vector<Draft> drafts;
  for (const Listener& listener : program.listeners) {
    drafts.push_back({.settings = {.name = listener.service.name,
                                   .service = &listener.service,
                                   .endpoint = net::Endpoint::Parse(listener.address).value_or(net::Endpoint()),
                                   .limits = listener.limits,
                                   .values = said.values(listener.service),
                                   .said = {"--listen"}}});
  }
  return drafts;
}

std::string Where(const Draft& draft, const ListenersSaid& said) {
  if (draft.line != 0) return absl::StrCat(said.path, ":", draft.line, ": [[listener]]");
  return draft.settings.said.at.empty() ? "--listen" : draft.settings.said.at;
}

void CheckAddresses(const std::vector<Draft>& drafts, const ListenersSaid& said, Errors* errors) {
  for (size_t i = 0; i < drafts.size(); ++i) {
    const net::Endpoint& endpoint = drafts[i].settings.endpoint;
    if (endpoint.empty() || (!endpoint.is_unix() && endpoint.address().port() == 0)) continue;
    for (size_t before = 0; before < i; ++before) {
      if (!(drafts[before].settings.endpoint == endpoint)) continue;
      const std::string other = drafts[before].line == 0 ? "" : absl::StrCat(": line ", drafts[before].line, " has it");
      errors->Add(Where(drafts[i], said), absl::StrCat("'", endpoint.ToString(), "' is there twice", other), drafts[i].line);
      break;
    }
  }
}

void GiveNames(std::vector<Draft>* drafts, const ListenersSaid& said, Errors* errors) {
  std::set<std::string> names;
  for (const Draft& draft : *drafts) {
    if (!draft.named || names.insert(draft.settings.name).second) continue;
    errors->Add(Where(draft, said), absl::StrCat("'", draft.settings.name, "' is the name of another one, too"), draft.line);
  }
  for (Draft& draft : *drafts) {
    if (draft.named) continue;
    const std::string name = draft.settings.name;
    for (int n = 2; !names.insert(draft.settings.name).second; ++n) draft.settings.name = absl::StrCat(name, "-", n);
  }
}

}  // namespace

std::vector<ListenerSettings> ReadListeners(const Program& program, const ListenersSaid& said, Errors* errors) {
  std::vector<Draft> own = OwnDrafts(program, said);
  std::vector<Draft> offered;
  std::vector<Draft> plain = own;
  for (const FileTable& table : said.tables) TableReader(&program, &said, &table, errors).Read(&own, &offered);
  if (said.listen.has_value() || (said.tables.empty() && !program.default_listen.empty())) {
    const std::string where = said.listen.has_value() ? said.listen->where : "--listen";
    ListenList list(&program, where);
    const absl::Status status = list.Add(said.listen.has_value() ? said.listen->text : program.default_listen);
    if (!status.ok()) errors->Add(where, std::string(status.message()));
    for (size_t i = 0; i < plain.size(); ++i) {
      if (list.addresses()[i].has_value()) plain[i].settings.endpoint = *list.addresses()[i];
      plain[i].settings.said.at = where;
    }
    own = std::move(plain);
    offered = std::move(list.offered());
    for (Draft& draft : offered) draft.settings.values = said.values(*draft.settings.service);
  }
  for (size_t i = 0; i < own.size(); ++i) {
    if (!own[i].settings.endpoint.empty()) continue;
    errors->Add("--listen", std::string(net::Endpoint::Parse(program.listeners[i].address).status().message()));
  }
  std::vector<Draft> all = std::move(own);
  for (Draft& draft : offered) all.push_back(std::move(draft));
  if (all.empty() && errors->empty()) errors->Add("there is nothing to listen on");
  CheckAddresses(all, said, errors);
  GiveNames(&all, said, errors);
  std::vector<ListenerSettings> out;
  for (Draft& draft : all) out.push_back(std::move(draft.settings));
  return out;
}

}  // namespace mooring::server::config
