// SPDX-License-Identifier: Apache-2.0
#include "net/choose_transport.h"

#include "absl/strings/str_cat.h"
#include "net/providers.h"
#include "net/uring/provider.h"

namespace mooring::net {
namespace {

absl::string_view NameOf(TransportKind kind) { return {Name(kind).data(), Name(kind).size()}; }

absl::Status Refused(TransportKind asked, const absl::Status& why) {
  return absl::Status(why.code(), absl::StrCat("--transport=", NameOf(asked), ": ", why.message(),
                                               "; or let --transport=auto or --transport=epoll serve without it"));
}

}  // namespace

absl::StatusOr<std::optional<TransportKind>> ParseTransport(std::string_view text) {
  if (text == "auto") return std::optional<TransportKind>();
  std::string known = "auto";
  for (TransportKind kind : kTransportKinds) {
    if (text == Name(kind)) return std::optional<TransportKind>(kind);
    absl::StrAppend(&known, ", ", NameOf(kind));
  }
  return absl::InvalidArgumentError(
      absl::StrCat("'", absl::string_view(text.data(), text.size()), "' is not a transport; known are ", known));
}

absl::StatusOr<TransportChoice> ChooseTransport(core::Kernel* kernel, std::optional<TransportKind> asked) {
  if (asked == TransportKind::kEpoll) return TransportChoice{MakeProvider(kernel, TransportKind::kEpoll), ""};

  const absl::StatusOr<TransportKind> best = uring::ProbeUring(kernel);
  if (!best.ok()) {
    if (asked.has_value()) return Refused(*asked, best.status());
    if (absl::IsResourceExhausted(best.status())) return best.status();
    return TransportChoice{MakeProvider(kernel, TransportKind::kEpoll),
                           absl::StrCat("io_uring is not used, epoll serves: ", best.status().message(),
                                        "; --transport=epoll says that epoll is meant and drops this note")};
  }
  if (asked == TransportKind::kUring && *best == TransportKind::kUringBase) {
    return absl::FailedPreconditionError(
        "--transport=io_uring: this kernel's io_uring is older than Linux 6.14 (uname -r tells); --transport=io_uring-base "
        "works with it, and --transport=auto chooses it by itself");
  }
  return TransportChoice{MakeProvider(kernel, asked.value_or(*best)), ""};
}

}  // namespace mooring::net
