// SPDX-License-Identifier: Apache-2.0
// Nearest: which of the known names somebody meant.
//
// Threads:  any; pure.
#ifndef MOORING_SERVER_CONFIG_NEAREST_H_
#define MOORING_SERVER_CONFIG_NEAREST_H_

#include <string>
#include <string_view>
#include <vector>

namespace mooring::server::config {

// The one of `known` that the fewest changes of a letter make of `wrong` (two that changed places are one change); empty
// where more than half of it would have to change.
std::string Nearest(std::string_view wrong, const std::vector<std::string>& known);

// "; the nearest is --shards", or, where none is near, "; known are a, b, c". `before` is put before each name.
std::string DidYouMean(std::string_view wrong, const std::vector<std::string>& known, const std::string& before = {});

}  // namespace mooring::server::config

#endif  // MOORING_SERVER_CONFIG_NEAREST_H_
