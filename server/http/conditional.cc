// SPDX-License-Identifier: Apache-2.0
#include "server/http/conditional.h"

#include "server/http/http_date.h"

namespace mooring::server::http {
namespace {

enum class Compare : uint8_t { kStrong, kWeak };

void SkipSpace(std::string_view* text) {
  while (!text->empty() && (text->front() == ' ' || text->front() == '\t')) text->remove_prefix(1);
}

// An entity tag from the front of a list; none, and the rest of the list is lost, where there is no such thing. A comma
// may stand inside the quotes.
struct Tag {
  bool weak = false;
  std::string_view opaque;  // with its quotes
};
std::optional<Tag> TakeTag(std::string_view* list) {
  while (!list->empty() && (list->front() == ',' || list->front() == ' ' || list->front() == '\t')) {
    list->remove_prefix(1);
  }
  Tag tag;
  if (list->substr(0, 2) == "W/") {
    tag.weak = true;
    list->remove_prefix(2);
  }
  if (list->empty() || list->front() != '"') return std::nullopt;
  const size_t end = list->find('"', 1);
  if (end == std::string_view::npos) return std::nullopt;
  tag.opaque = list->substr(0, end + 1);
  list->remove_prefix(end + 1);
  SkipSpace(list);
  if (!list->empty() && list->front() != ',') return std::nullopt;
  return tag;
}

// Ours is strong, so a strong comparison fails for weak ones of theirs alone.
bool Matches(const Fields& fields, std::string_view name, std::string_view etag, Compare how) {
  for (uint32_t i = 0; i < fields.size(); ++i) {
    if (!SameIgnoringCase(fields.name(i), name)) continue;
    std::string_view list = fields.value(i);
    if (list == "*") return true;
    if (etag.empty()) continue;
    while (const std::optional<Tag> tag = TakeTag(&list)) {
      if (tag->opaque == etag && (how == Compare::kWeak || !tag->weak)) return true;
    }
  }
  return false;
}

// None for two of them too: then nobody knows which one was meant.
std::optional<int64_t> DateIn(const Fields& fields, std::string_view name, int64_t now) {
  if (fields.Count(name) != 1) return std::nullopt;
  return ParseHttpDate(*fields.Find(name), now);
}

}  // namespace

Conditions::Conditions(const Fields& fields) : fields_(&fields) {
  for (uint32_t i = 0; i < fields.size(); ++i) {
    const std::string_view name = fields.name(i);
    switch (name.size()) {
      case 5:
        if (SameIgnoringCase(name, "range")) {
          seen_ |= (seen_ & kRange) != 0 ? static_cast<uint8_t>(kSeveralRanges) : static_cast<uint8_t>(kRange);
        }
        break;
      case 8:
        if (SameIgnoringCase(name, "if-match")) seen_ |= kIfMatch;
        if (SameIgnoringCase(name, "if-range")) seen_ |= kIfRange;
        break;
      case 13:
        if (SameIgnoringCase(name, "if-none-match")) seen_ |= kIfNoneMatch;
        break;
      case 17:
        if (SameIgnoringCase(name, "if-modified-since")) seen_ |= kIfModifiedSince;
        break;
      case 19:
        if (SameIgnoringCase(name, "if-unmodified-since")) seen_ |= kIfUnmodifiedSince;
        break;
      default:
        break;
    }
  }
}

Verdict Conditions::Evaluate(const Validators& validators, int64_t now) const {
  if ((seen_ & kIfMatch) != 0) {
    if (!Matches(*fields_, "if-match", validators.etag, Compare::kStrong)) return Verdict::kPreconditionFailed;
  } else if ((seen_ & kIfUnmodifiedSince) != 0 && validators.modified_s) {
    const std::optional<int64_t> date = DateIn(*fields_, "if-unmodified-since", now);
    if (date && *validators.modified_s > *date) return Verdict::kPreconditionFailed;
  }
  if ((seen_ & kIfNoneMatch) != 0) {
    if (Matches(*fields_, "if-none-match", validators.etag, Compare::kWeak)) return Verdict::kNotModified;
  } else if ((seen_ & kIfModifiedSince) != 0 && validators.modified_s) {
    const std::optional<int64_t> date = DateIn(*fields_, "if-modified-since", now);
    if (date && *validators.modified_s <= *date) return Verdict::kNotModified;
  }
  return Verdict::kGoOn;
}

std::optional<std::string_view> Conditions::RangeFor(const Validators& validators) const {
  if ((seen_ & (kRange | kSeveralRanges)) != kRange) return std::nullopt;
  if ((seen_ & kIfRange) != 0) {
    if (validators.etag.empty() || fields_->Count("if-range") != 1) return std::nullopt;
    if (*fields_->Find("if-range") != validators.etag) return std::nullopt;
  }
  return fields_->Find("range");
}

}  // namespace mooring::server::http
