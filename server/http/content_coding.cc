// SPDX-License-Identifier: Apache-2.0
#include "server/http/content_coding.h"

#include <optional>

namespace mooring::server::http {
namespace {

std::string_view Trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

// What stands before the next `separator`, which goes from `text` with it.
std::string_view TakeUntil(char separator, std::string_view* text) {
  const size_t at = text->find(separator);
  const std::string_view part = text->substr(0, at);
  text->remove_prefix(at == std::string_view::npos ? text->size() : at + 1);
  return Trimmed(part);
}

// "0", "0.5", "1.000": in thousandths (RFC 9110, section 12.4.2).
std::optional<int> Weight(std::string_view text) {
  if (text.empty() || text.size() > 5 || (text[0] != '0' && text[0] != '1')) return std::nullopt;
  int weight = (text[0] - '0') * 1000;
  if (text.size() > 1 && text[1] != '.') return std::nullopt;
  for (size_t i = 2, unit = 100; i < text.size(); ++i, unit /= 10) {
    if (text[i] < '0' || text[i] > '9') return std::nullopt;
    weight += (text[i] - '0') * static_cast<int>(unit);
  }
  if (weight > 1000) return std::nullopt;
  return weight;
}

constexpr int kUnnamed = -1;

struct Weights {
  int of[kContentCodings] = {kUnnamed, kUnnamed, kUnnamed};
  int others = kUnnamed;  // *
};

void ReadList(std::string_view list, Weights* weights) {
  while (!list.empty()) {
    std::string_view element = TakeUntil(',', &list);
    const std::string_view name = TakeUntil(';', &element);
    std::optional<int> weight = 1000;
    while (!element.empty()) {
      const std::string_view parameter = TakeUntil(';', &element);
      if (SameIgnoringCase(parameter.substr(0, 2), "q=")) weight = Weight(parameter.substr(2));
    }
    if (!weight) continue;
    if (name == "*") weights->others = *weight;
    if (SameIgnoringCase(name, "identity")) weights->of[0] = *weight;
    if (SameIgnoringCase(name, "gzip") || SameIgnoringCase(name, "x-gzip")) weights->of[1] = *weight;
    if (SameIgnoringCase(name, "br")) weights->of[2] = *weight;
  }
}

}  // namespace

ContentCoding ChooseCoding(const Fields& fields, ContentCodings there) {
  if (there.only_identity()) return ContentCoding::kIdentity;
  Weights weights;
  for (uint32_t i = 0; i < fields.size(); ++i) {
    if (SameIgnoringCase(fields.name(i), "accept-encoding")) ReadList(fields.value(i), &weights);
  }
  ContentCoding best = ContentCoding::kIdentity;
  int best_weight = weights.of[0] == kUnnamed ? 0 : weights.of[0];
  for (const ContentCoding coding : {ContentCoding::kGzip, ContentCoding::kBrotli}) {
    if (!there.Has(coding)) continue;
    int weight = weights.of[static_cast<int>(coding)];
    if (weight == kUnnamed) weight = weights.others;
    if (weight <= 0 || weight < best_weight) continue;
    best = coding;
    best_weight = weight;
  }
  return best;
}

}  // namespace mooring::server::http
