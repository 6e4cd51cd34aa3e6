// SPDX-License-Identifier: Apache-2.0
#include "absl/strings/str_cat.h"
#include "server/doctor/rules.h"

namespace mooring::server::doctor {
namespace {

using net::TransportKind;

constexpr char kArea[] = "kernel";

// What a kernel before a version is known for, as far as somebody who runs a server meets it.
struct Quirk {
  int major;
  int minor;
  const char* name;
  const char* text;
};
constexpr Quirk kQuirks[] = {
    {5, 11, "epoll_pwait2", "before 5.11 epoll waits whole milliseconds: timers come up to one late"},
    {5, 14, "tcp_migrate_req", "before 5.14 a listener that ends resets who waits in its queue (a drain loses nobody)"},
};
// The same, for one kind of transport only.
struct UringQuirk {
  Quirk quirk;
  TransportKind kind;
};
constexpr UringQuirk kUringQuirks[] = {
    {{6, 14, "direct_descriptors",
      "before 6.14 each connection takes one of the process's descriptors, and is received from one piece at a time"},
     TransportKind::kUringBase},
    {{6, 15, "iowait", "before 6.15 a ring that sleeps counts as iowait: top shows waiting for disks that is none"},
     TransportKind::kUring},
    {{6, 15, "iowait", "before 6.15 a ring that sleeps counts as iowait: top shows waiting for disks that is none"},
     TransportKind::kUringBase},
};

void JudgeRing(const TransportFacts& transport, Findings* findings) {
  if (transport.uring.ok()) {
    findings->push_back({kArea, "io_uring", Verdict::kOk, absl::StrCat("io_uring: ", transport.features)});
    return;
  }
  const bool meant = transport.asked == TransportKind::kEpoll;  // then it says only what else there could be
  findings->push_back({kArea, "io_uring", meant ? Verdict::kNote : Verdict::kWarning,
                       absl::StrCat("no io_uring: ", transport.uring.message())});
}

void JudgeTransport(const TransportFacts& transport, Findings* findings) {
  if (!transport.kind.has_value()) {
    findings->push_back({kArea, "transport", Verdict::kProblem, std::string(transport.failure.message())});
    return;
  }
  const std::string_view name = net::Name(*transport.kind);
  findings->push_back({kArea, "transport", Verdict::kOk,
                       absl::StrCat(absl::string_view(name.data(), name.size()), " serves",
                                    transport.asked.has_value() ? ", as --transport asks" : "")});
}

}  // namespace

void JudgeKernel(const HostFacts& host, const TransportFacts& transport, Findings* findings) {
  const KernelVersion version = ParseKernelVersion(host.release);
  if (version.major == 0) {
    findings->push_back({kArea, "version", Verdict::kNote, "the kernel's version cannot be read"});
  } else {
    findings->push_back({kArea, "version", Verdict::kOk, absl::StrCat("Linux ", host.release)});
  }
  JudgeRing(transport, findings);
  JudgeTransport(transport, findings);
  if (version.major == 0) return;
  for (const Quirk& quirk : kQuirks) {
    if (version.Before(quirk.major, quirk.minor)) findings->push_back({kArea, quirk.name, Verdict::kNote, quirk.text});
  }
  for (const auto& [quirk, kind] : kUringQuirks) {
    if (kind != transport.kind || !version.Before(quirk.major, quirk.minor)) continue;
    findings->push_back({kArea, quirk.name, Verdict::kNote, quirk.text});
  }
}

}  // namespace mooring::server::doctor
