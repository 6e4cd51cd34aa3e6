// SPDX-License-Identifier: Apache-2.0
// Keys: the table of all that can be set: flags, environment, file, help, example and docs/CONFIGURATION.md come from it.
//
// A key has one name: drain.deadline in the file is --drain-deadline and MOORING_DRAIN_DEADLINE; those of [runtime] drop
// the section: --shards, MOORING_SHARDS.
//
// Threads:  constant.
#ifndef MOORING_SERVER_CONFIG_KEYS_H_
#define MOORING_SERVER_CONFIG_KEYS_H_

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "server/config/value.h"
#include "server/program.h"
#include "server/settings.h"

namespace mooring::server::config {

// Default of admin.listen: a port that nothing well known has, on loopback.
inline constexpr char kAdminListen[] = "127.0.0.1:7070";

template <class Of>
struct KeyOf {
  std::string section;        // "runtime"
  std::string name;           // [a-z_]+
  Form form;
  std::string default_value;  // as one would write it; of a [[listener]] key empty: its service's
  std::string help;           // a clause
  std::string reason;         // why the default is what it is
  bool fixed = false;         // at start: a reload that changes it is refused
  void (*set)(const Value& value, Of* of) = nullptr;
  Value (*get)(const Of& of) = nullptr;
};
using Key = KeyOf<Settings>;
using ListenerKey = KeyOf<ListenerSettings>;

struct Section {
  std::string name;
  std::string help;
};
const std::vector<Section>& Sections();

const std::vector<Key>& Keys();                  // by section, in the order of Sections()
const std::vector<ListenerKey>& ListenerKeys();  // beside name, address, service and the service's own settings

Form FormOf(const ServiceSetting& setting);
// The services of a program that have settings, no two of one name.
std::vector<const Service*> ServicesWithSettings(const Program& program);

// "drain-deadline", without the dashes in front.
std::string FlagOf(const Key& key);
std::string FlagOf(const Service& service, const ServiceSetting& setting);
// MOORING_DRAIN_DEADLINE.
std::string EnvironmentOf(const std::string& flag);
// "drain.deadline".
std::string NameOf(const Key& key);

}  // namespace mooring::server::config

#endif  // MOORING_SERVER_CONFIG_KEYS_H_
