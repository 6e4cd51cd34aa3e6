// SPDX-License-Identifier: Apache-2.0
#include "server/config/flags.h"

#include "server/config/keys.h"

namespace mooring::server::config {

std::vector<KnownFlag> KnownFlags(const Program& program) {
  std::vector<KnownFlag> known = {{.name = kListenFlag}, {.name = kConfigFlag}};
  for (const Key& key : Keys()) known.push_back({.name = FlagOf(key), .is_bool = key.form.kind == Kind::kBool});
  for (const Service* service : ServicesWithSettings(program)) {
    for (const ServiceSetting& setting : service->settings) known.push_back({.name = FlagOf(*service, setting)});
  }
  return known;
}

}  // namespace mooring::server::config
