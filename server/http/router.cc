// SPDX-License-Identifier: Apache-2.0
#include "server/http/router.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <deque>

#include "absl/container/flat_hash_map.h"
#include "server/http/filtered_action.h"
#include "server/http/percent.h"

namespace mooring::server::http {
namespace {

constexpr uint32_t BitOf(Method method) { return uint32_t{1} << static_cast<int>(method); }

[[noreturn]] void Refuse(std::string_view method, std::string_view pattern, const char* why) {
  std::fprintf(stderr, "mooring: route %.*s %.*s: %s\n", static_cast<int>(method.size()), method.data(),
               static_cast<int>(pattern.size()), pattern.data(), why);
  std::abort();
}

bool IsName(std::string_view text) {
  const auto letter = [](char c) { return c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); };
  return !text.empty() && letter(text[0]) &&
         std::all_of(text.begin(), text.end(), [&](char c) { return letter(c) || (c >= '0' && c <= '9'); });
}

std::string AllowOf(uint32_t methods) {
  if (methods & BitOf(Method::kGet)) methods |= BitOf(Method::kHead);
  methods |= BitOf(Method::kOptions);
  std::string allow;
  for (int i = 0; i < kMethods; ++i) {
    const auto method = static_cast<Method>(i);
    if ((methods & BitOf(method)) == 0) continue;
    if (!allow.empty()) allow += ", ";
    allow += Name(method);
  }
  return allow;
}

// Of a path that has routes at all.
enum class Escapes : uint8_t { kNone, kSome, kWrong };

Escapes EscapesOf(std::string_view path) {
  if (path.find('%') == std::string_view::npos) return Escapes::kNone;
  const std::optional<std::string> plain = PercentDecode(path);
  return plain && plain->find('\0') == std::string::npos ? Escapes::kSome : Escapes::kWrong;
}

struct Filter {  // one of them
  BeforeFilter before;
  AroundFilter around;
};

}  // namespace

// A tree of segments. All routes of a pattern end at the same node, to which one way leads, so a search passes each node
// at most once; it turns back where a literal segment leads nowhere and {name} might.
struct Router::Tree {
  struct Entry {
    Method method;
    std::string pattern;
    size_t filters = 0;  // how many of the tree's are around it
    Route route;
    std::deque<Action> inside;       // its layers below route.action, the innermost first; they stay where they are
    std::vector<std::string> names;  // of the pattern, from left to right

    const Action& innermost() const { return inside.empty() ? route.action : inside.front(); }
  };
  struct Entries {
    std::array<const Entry*, kMethods> by_method{};
    uint32_t methods = 0;  // BitOf each that is there

    // What answers `method`; where that is nothing, what is there is noted in `others`.
    const Entry* Find(Method method, uint32_t* others) const {
      const Entry* entry = method < Method::kOther ? by_method[static_cast<int>(method)] : nullptr;
      if (entry == nullptr && method == Method::kHead) entry = by_method[static_cast<int>(Method::kGet)];
      if (entry == nullptr) *others |= methods;
      return entry;
    }
  };
  struct Node {
    absl::flat_hash_map<std::string, std::unique_ptr<Node>> literals;  // by their decoded segment
    std::unique_ptr<Node> parameter;                                   // {name}
    Entries here;                                                      // the path ends here
    Entries rest;                                                      // {name...}: whatever follows

    const Node* Literal(std::string_view segment) const {
      if (literals.empty()) return nullptr;
      const auto found = literals.find(absl::string_view(segment.data(), segment.size()));
      return found == literals.end() ? nullptr : found->second.get();
    }
  };
  struct Search {
    Method method;
    Escapes escapes;
    std::array<Request::Parameter, Request::kParametersMax>* parameters;
    uint32_t others = 0;  // methods of routes that the path has

    // `path` is what is left behind the slash that led to `node`; `names` parameters were passed on the way.
    const Entry* Find(const Node& node, std::string_view path, size_t names) {
      const size_t slash = path.find('/');
      const std::string_view segment = path.substr(0, slash);
      const auto go_on = [&](const Node& next, size_t passed) {
        return slash == std::string_view::npos ? next.here.Find(method, &others)
                                               : Find(next, path.substr(slash + 1), passed);
      };
      const bool escaped = escapes == Escapes::kSome && segment.find('%') != std::string_view::npos;
      if (const Node* next = escaped ? node.Literal(*PercentDecode(segment)) : node.Literal(segment)) {
        if (const Entry* entry = go_on(*next, names)) return entry;
      }
      if (node.parameter != nullptr && !segment.empty()) {
        (*parameters)[names].raw = segment;
        if (const Entry* entry = go_on(*node.parameter, names + 1)) return entry;
      }
      if (node.rest.methods == 0) return nullptr;
      (*parameters)[names].raw = path;
      return node.rest.Find(method, &others);
    }
  };

  void AddEntry(Method method, std::string_view pattern, Action action, RouteOptions options, size_t filter_count);
  // Where routes of that pattern stand; its names go to the entry.
  Entries* Place(Entry* entry);
  // The route with the first `filter_count` filters around it, the first one outermost.
  void Compose(Entry* entry);

  Node root;
  std::deque<Filter> filters;  // they stay where they are
  std::deque<Entry> entries;   // in the order of adding; likewise
  std::unique_ptr<Entry> fallback;
  uint32_t methods = 0;  // of all routes
};

void Router::Tree::Compose(Entry* entry) {
  for (size_t i = entry->filters; i-- > 0;) {
    entry->inside.push_back(std::move(entry->route.action));
    const Action* inside = &entry->inside.back();
    const Filter& filter = filters[i];
    entry->route.action = filter.before ? Filtered(&filter.before, inside) : Filtered(&filter.around, inside);
  }
}

Router::Tree::Entries* Router::Tree::Place(Entry* entry) {
  const auto refuse = [entry](const char* why) { Refuse(Name(entry->method), entry->pattern, why); };
  const std::string_view pattern = entry->pattern;
  if (!pattern.starts_with('/')) refuse("a pattern begins with '/'");
  Node* node = &root;
  for (size_t at = 1;;) {
    const size_t end = std::min(pattern.find('/', at), pattern.size());
    const bool last = end == pattern.size();
    std::string_view segment = pattern.substr(at, end - at);
    if (segment.find_first_of("?#") != std::string_view::npos) refuse("a pattern is a path, without '?' and '#'");
    if (segment.starts_with('{') && segment.ends_with('}')) {
      segment = segment.substr(1, segment.size() - 2);
      const bool takes_rest = segment.ends_with("...");
      if (takes_rest) segment.remove_suffix(3);
      if (!IsName(segment)) refuse("a name has letters, digits and '_', and begins with no digit");
      if (std::find(entry->names.begin(), entry->names.end(), segment) != entry->names.end()) refuse("a name twice");
      if (entry->names.size() == Request::kParametersMax) refuse("too many names");
      if (takes_rest && !last) refuse("{name...} stands last");
      entry->names.emplace_back(segment);
      if (takes_rest) return &node->rest;
      if (node->parameter == nullptr) node->parameter = std::make_unique<Node>();
      node = node->parameter.get();
    } else {
      if (segment.find_first_of("{}") != std::string_view::npos) refuse("a name is a whole segment; else %7B and %7D");
      const std::optional<std::string> plain = PercentDecode(segment);
      if (!plain || plain->find('\0') != std::string::npos) refuse("an escape that no path has");
      std::unique_ptr<Node>& next = node->literals[*plain];
      if (next == nullptr) next = std::make_unique<Node>();
      node = next.get();
    }
    if (last) return &node->here;
    at = end + 1;
  }
}

void Router::Tree::AddEntry(Method method, std::string_view pattern, Action action, RouteOptions options,
                            size_t filter_count) {
  Entry& entry = entries.emplace_back();
  entry.method = method;
  entry.pattern = pattern;
  entry.filters = filter_count;
  entry.route = {.action = std::move(action), .options = std::move(options)};
  if (method >= Method::kOther || method == Method::kConnect) Refuse(Name(method), pattern, "no route has that method");
  if (!entry.route.action.now && !entry.route.action.later) Refuse(Name(method), pattern, "nothing to run");
  Entries* const place = Place(&entry);
  const Entry*& slot = place->by_method[static_cast<int>(method)];
  if (slot != nullptr) Refuse(Name(method), pattern, "there is a route of that method and pattern");
  slot = &entry;
  place->methods |= BitOf(method);
  methods |= BitOf(method);
  Compose(&entry);
}

Router::Router() : tree_(std::make_unique<Tree>()) {}
Router::Router(Router&&) noexcept = default;
Router::~Router() = default;

Router& Router::operator=(Router other) noexcept {
  std::swap(tree_, other.tree_);
  return *this;
}

// Made anew from the callables, because what is composed names the filters of its own tree.
Router::Router(const Router& other) : Router() {
  tree_->filters = other.tree_->filters;
  for (const Tree::Entry& entry : other.tree_->entries) {
    tree_->AddEntry(entry.method, entry.pattern, entry.innermost(), entry.route.options, entry.filters);
  }
  if (const Tree::Entry* fallback = other.tree_->fallback.get()) {
    tree_->fallback = std::make_unique<Tree::Entry>();
    tree_->fallback->filters = fallback->filters;
    tree_->fallback->route = {.action = fallback->innermost(), .options = fallback->route.options};
    tree_->Compose(tree_->fallback.get());
  }
}

Router& Router::AddAction(Method method, std::string_view pattern, Action action, RouteOptions options) {
  tree_->AddEntry(method, pattern, std::move(action), std::move(options), tree_->filters.size());
  return *this;
}

Router& Router::SetFallback(Action action, RouteOptions options) {
  if (tree_->fallback != nullptr) Refuse("GET", "(fallback)", "there is a fallback");
  if (!action.now && !action.later) Refuse("GET", "(fallback)", "nothing to run");
  tree_->fallback = std::make_unique<Tree::Entry>();
  tree_->fallback->filters = tree_->filters.size();
  tree_->fallback->route = {.action = std::move(action), .options = std::move(options)};
  tree_->Compose(tree_->fallback.get());
  return *this;
}

Router& Router::AddBefore(Before filter) {
  tree_->filters.push_back({.before = std::move(filter), .around = nullptr});
  return *this;
}

Router& Router::AddAround(Around filter) {
  tree_->filters.push_back({.before = nullptr, .around = std::move(filter)});
  return *this;
}

Router::Found Router::Find(Request& request) const {
  const std::string_view path = request.path_;
  const Tree& tree = *tree_;
  request.parameter_count_ = 0;
  if (path == "*") {
    const uint32_t of_fallback = tree.fallback != nullptr ? BitOf(Method::kGet) : 0;
    return {.route = nullptr, .allow = AllowOf(tree.methods | of_fallback)};
  }
  const Escapes escapes = EscapesOf(path);
  if (!path.starts_with('/') || escapes == Escapes::kWrong) return {};
  Tree::Search search{.method = request.method_, .escapes = escapes, .parameters = &request.parameters_};
  if (const Tree::Entry* entry = search.Find(tree.root, path.substr(1), 0)) {
    for (size_t i = 0; i < entry->names.size(); ++i) request.parameters_[i].name = entry->names[i];
    request.parameter_count_ = static_cast<uint8_t>(entry->names.size());
    return {.route = &entry->route};
  }
  if (search.others != 0) return {.route = nullptr, .allow = AllowOf(search.others)};
  if (tree.fallback == nullptr) return {};
  if (request.method_ == Method::kGet || request.method_ == Method::kHead) return {.route = &tree.fallback->route};
  return {.route = nullptr, .allow = AllowOf(BitOf(Method::kGet))};
}

}  // namespace mooring::server::http
