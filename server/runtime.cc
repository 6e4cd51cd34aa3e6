// SPDX-License-Identifier: Apache-2.0
#include "server/runtime.h"

#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <exception>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "alloc/heap.h"
#include "core/limits.h"
#include "core/topology.h"

namespace mooring::server {
namespace {

// SECURITY.md: where a wait on a peer has no deadline, start-up says so. Empty when there is nothing to say.
std::string DeadlinesOff(const Service& service) {
  std::string text;
  if (service.options.idle_timeout_s == 0 && !service.options.own_deadlines) {
    absl::StrAppend(&text, "note: ", service.name, " has no idle deadline: a silent peer keeps its connection\n");
  }
  if (service.options.write_stall_s == 0) {
    absl::StrAppend(&text, "note: ", service.name,
                    " has no write-stall deadline: a peer that never reads keeps its connection\n");
  }
  return text;
}

// For what a killed predecessor's rings still hold (net/claim.h). nginx, too, tries for about so long.
constexpr uint32_t kClaimPatienceMs = 2000;

// Runs what the program has given us; empty, or what it threw.
template <class F>
std::string WhatItThrows(F&& f) {
  try {
    f();
  } catch (const std::exception& error) {
    return error.what();
  } catch (...) {
    return "an exception";
  }
  return "";
}

sigset_t Signals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  return set;
}

// HOST:PORT by which this machine itself reaches what listens there.
std::string Reachable(const net::Endpoint& endpoint) {
  const std::string full = endpoint.ToString();
  const std::string host = full.substr(0, full.rfind(':'));
  return absl::StrCat(host == "0.0.0.0" ? "127.0.0.1" : host == "[::]" ? "[::1]" : host, ":", endpoint.address().port());
}

// A command for a shell that says hello at `endpoint`.
std::string TryIt(const std::string& hello, const net::Endpoint& endpoint) {
  if (hello == kTryUrl) {
    if (endpoint.is_unix()) {
      return absl::StrCat("curl --unix-socket '", absl::StrReplaceAll(endpoint.path(), {{"'", "'\\''"}}), "' http://localhost/");
    }
    return absl::StrCat("curl http://", Reachable(endpoint), "/");
  }
  const std::string pipe = absl::StrCat(hello, " | nc -q 1 ");
  if (endpoint.is_unix()) {
    return absl::StrCat(pipe, "-U '", absl::StrReplaceAll(endpoint.path(), {{"'", "'\\''"}}), "'");
  }
  const std::string reachable = Reachable(endpoint);
  const size_t colon = reachable.rfind(':');
  std::string host = reachable.substr(0, colon);
  if (host.front() == '[') host = host.substr(1, host.size() - 2);
  return absl::StrCat(pipe, host, " ", reachable.substr(colon + 1));
}

}  // namespace

void BlockSignals() {
  const sigset_t set = Signals();
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  signal(SIGPIPE, SIG_IGN);
}

Runtime::Runtime(const Program& program, const Options& options, core::Kernel* kernel, net::TransportChoice transport,
                 core::Clock* clock)
    : program_(program), options_(options), kernel_(kernel), choice_(std::move(transport)), clock_(clock) {}

Runtime::~Runtime() {
  StopAll();
  if (signal_fd_ >= 0) close(signal_fd_);
}

absl::Status Runtime::Start() {
  absl::StatusOr<core::DescriptorLimit> limit = core::RaiseDescriptorLimit();
  if (!limit.ok()) return limit.status();
  absl::StatusOr<std::vector<int>> allowed = core::AllowedCpus();
  if (!allowed.ok()) return allowed.status();
  absl::StatusOr<core::Placement> placement =
      core::Place({.cpus = options_.cpus, .shards = options_.shards}, *allowed);
  if (!placement.ok()) return placement.status();
  placement_ = *std::move(placement);
  const net::TransportKind kind = choice_.provider->kind();
  plan_ = core::MakePlan({.shards = static_cast<int>(placement_.cpu_of_shard.size()),
                          .descriptors_soft = limit->soft,
                          .max_connections = options_.max_connections,
                          .descriptor_taker = net::TakesDescriptors(kind) ? std::string(net::Name(kind)) : "",
                          .listeners = static_cast<int>(options_.listen.size())});
  core::GrowDescriptorTable(plan_.descriptors);
  if (plan_.credit != 0) credit_ = std::make_unique<net::Credit>(static_cast<int64_t>(plan_.credit));

  absl::Status status = StartShards();
  if (status.ok()) status = StartControl();
  if (status.ok()) status = ClaimEndpoints();
  if (!status.ok()) StopAll();
  return status;
}

void Runtime::MakeShard(uint32_t id, int cpu) {
  DataShard& data = shards_[id];
  data.shard = std::make_unique<core::Shard>(core::Shard::Options{.id = id, .clock = clock_});
  // A slot of the slab may outlive its direct slot by a turn, so there are some more of them.
  data.engine = std::make_unique<net::Engine>(
      data.shard.get(), net::Engine::Options{.connections_max = plan_.slots_per_shard + 1024,
                                             .shards = static_cast<uint32_t>(shards_.size()),
                                             .credit = credit_.get()});
  core::ShardThread::Options thread = {.cpu = cpu, .name = absl::StrCat("shard-", id)};
  thread.set_up = [this, &data] { return SetUp(data); };
  thread.tear_down = [this, &data] { TearDown(data); };
  data.thread = std::make_unique<core::ShardThread>(data.shard.get(), std::move(thread));
}

absl::Status Runtime::SetUp(DataShard& data) {
  net::TransportOptions options;
  options.connections_max = plan_.slots_per_shard;
  options.shards = static_cast<uint32_t>(shards_.size());
  absl::StatusOr<std::unique_ptr<net::Transport>> transport =
      choice_.provider->Open(data.shard.get(), data.engine->events(), options);
  if (!transport.ok()) return transport.status();
  data.transport = *std::move(transport);
  if (data.shard->id() == 0) transport_ = data.transport->Describe();
  data.shard->SetPort(data.transport.get());
  data.engine->SetTransport(data.transport.get());
  const std::string threw = WhatItThrows([&] {
    for (const auto& make : program_.per_shard) make(data.shard->locals());
    for (const ListenOption& listen : options_.listen) {
      data.handlers.push_back(listen.service->make());
      data.engine->AddListener(listen.name, data.handlers.back().get(), listen.service->options);
    }
  });
  return threw.empty() ? absl::OkStatus() : absl::InternalError(absl::StrCat("setting up a shard: ", threw));
}

void Runtime::BeginServing(DataShard& data, const std::vector<Handed>& handed) {
  const std::string threw = WhatItThrows([&] {
    for (const auto& start : program_.on_start) start();
  });
  data.started = threw.empty();
  if (!data.started) data.shard->PostAlways(control_.get(), [this, threw] { OnStartFailed(threw); });
  for (size_t id = 0; id < handed.size(); ++id) {
    const auto& [fd, backlog, shared] = handed[id];
    if (data.started) {
      data.engine->Listen(static_cast<net::ListenerId>(id), fd, backlog, shared);
    } else {
      close(fd);
    }
  }
}

void Runtime::TearDown(DataShard& data) {
  if (data.started) {
    const std::string threw = WhatItThrows([&] {
      for (const auto& stop : program_.on_stop) stop();
    });
    if (!threw.empty()) std::fprintf(stderr, "%s: stopping a shard: %s\n", program_.name.c_str(), threw.c_str());
  }
  data.shard->locals().Clear();
  data.transport.reset();
}

void Runtime::OnStartFailed(const std::string& why) {
  if (draining_) return;
  std::fprintf(stderr, "%s: starting a shard: %s\n", program_.name.c_str(), why.c_str());
  exit_code_ = kExitFailedStart;
  Drain();
}

absl::Status Runtime::StartShards() {
  shards_.resize(placement_.cpu_of_shard.size());
  shards_unserved_ = shards_left_ = shards_.size();
  for (uint32_t id = 0; id < shards_.size(); ++id) MakeShard(id, placement_.cpu_of_shard[id]);
  std::vector<core::Shard*> all;
  for (DataShard& data : shards_) all.push_back(data.shard.get());
  directory_ = std::make_unique<core::Shards>(std::move(all));
  blocking_ = std::make_unique<core::BlockingPool>(core::BlockingPool::Options{});
  for (DataShard& data : shards_) data.shard->SetJobRunner(blocking_.get());
  std::vector<net::Engine*> engines;
  for (DataShard& data : shards_) engines.push_back(data.engine.get());
  for (DataShard& data : shards_) data.engine->SetPeers(engines);
  for (DataShard& data : shards_) {
    if (absl::Status status = data.thread->Start(); !status.ok()) return status;
  }
  for (DataShard& data : shards_) data.thread->Go();
  return absl::OkStatus();
}

absl::Status Runtime::StartControl() {
  control_ = std::make_unique<core::Shard>(
      core::Shard::Options{.id = static_cast<uint32_t>(shards_.size()), .clock = clock_, .mailbox_capacity = 4096});
  control_->SetShards(directory_.get());
  control_->SetJobRunner(blocking_.get());
  control_engine_ = std::make_unique<net::Engine>(control_.get(), net::Engine::Options{.connections_max = 64});
  core::Shard::Enter enter(control_.get());
  net::TransportOptions options;
  options.connections_max = 64;
  options.sq_entries = 64;
  options.cq_entries = 256;
  absl::StatusOr<std::unique_ptr<net::Transport>> transport =
      choice_.provider->Open(control_.get(), control_engine_->events(), options);
  if (!transport.ok()) return transport.status();
  control_transport_ = *std::move(transport);
  control_->SetPort(control_transport_.get());
  control_engine_->SetTransport(control_transport_.get());

  const sigset_t set = Signals();
  signal_fd_ = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
  if (signal_fd_ < 0) return absl::InternalError(absl::StrCat("signalfd failed: ", strerror(errno)));
  if (const int result = control_transport_->Watch(signal_fd_, POLLIN, this); result < 0) {
    return absl::InternalError(absl::StrCat("cannot watch for signals: ", strerror(-result)));
  }
  return absl::OkStatus();
}

absl::Status Runtime::ClaimEndpoints() {
  const int somaxconn = net::ReadSomaxconn();
  const int listeners = static_cast<int>(options_.listen.size());
  net::ClaimOptions claim_options;
  claim_options.shards = static_cast<int>(shards_.size());
  claim_options.backlog = net::Backlog(plan_.slots_per_shard, listeners, somaxconn);
  claim_options.somaxconn = somaxconn;
  claim_options.patience_ms = kClaimPatienceMs;
  std::vector<net::Claim> claims;
  for (const ListenOption& listen : options_.listen) {
    claim_options.user_timeout_ms = listen.service->options.write_stall_s * 1000;
    absl::StatusOr<net::Claim> claim = net::Claim::Take(kernel_, listen.endpoint, claim_options);
    if (!claim.ok()) return claim.status();
    claims.push_back(*std::move(claim));
  }
  claims_ = std::move(claims);  // all are ours: hand them out
  core::Shard::Enter enter(control_.get());
  for (DataShard& data : shards_) {
    std::vector<Handed> handed;
    for (net::Claim& claim : claims_) {
      handed.push_back({claim.Release(static_cast<int>(data.shard->id())), claim.backlog(), claim.shared()});
    }
    control_->PostAlways(data.shard.get(), [this, &data, handed] { BeginServing(data, handed); });
  }
  return absl::OkStatus();
}

std::string Runtime::Plan() const {
  std::string text = absl::StrCat("transport: ", transport_, "\nheap: ", alloc::HeapName(), "\n", plan_.ToString());
  if (text.back() != '\n') text += '\n';
  if (!choice_.note.empty()) absl::StrAppend(&text, "note: ", choice_.note, "\n");
  for (const std::string& note : placement_.notes) absl::StrAppend(&text, "note: ", note, "\n");
  for (size_t i = 0; i < claims_.size(); ++i) {
    absl::StrAppend(&text, "listening: ", options_.listen[i].name, " on ", claims_[i].endpoint().ToString(), "\n");
  }
  for (size_t i = 0; i < claims_.size(); ++i) {
    const std::string& hello = options_.listen[i].service->try_it;
    if (!hello.empty()) absl::StrAppend(&text, "try: ", TryIt(hello, claims_[i].endpoint()), "\n");
  }
  std::set<const Service*> said;
  for (const ListenOption& listen : options_.listen) {
    if (said.insert(listen.service).second) absl::StrAppend(&text, DeadlinesOff(*listen.service));
  }
  return text;
}

int Runtime::Run() {
  control_->Run();
  StopAll();
  return exit_code_;
}

void Runtime::OnReady(uint32_t) {
  signalfd_siginfo info;
  while (read(signal_fd_, &info, sizeof(info)) == sizeof(info)) {
    if (!draining_) {
      std::fprintf(stderr, "%s: %s: draining, at most %u s; a second signal ends at once\n",
                   program_.name.c_str(), info.ssi_signo == SIGINT ? "SIGINT" : "SIGTERM", options_.drain_deadline_s);
      Drain();
    } else {
      std::fprintf(stderr, "%s: second signal: ending at once\n", program_.name.c_str());
      _exit(kExitSecondSignal);
    }
  }
}

void Runtime::Drain() {
  draining_ = true;
  for (net::Claim& claim : claims_) claim.Withdraw();
  for (DataShard& data : shards_) {
    control_->PostAlways(data.shard.get(), [this, &data] {
      data.engine->BeginDrain([this, &data] { OnPartDrained(data); },
                              [this, &data] {
                                data.shard->PostAlways(control_.get(), [this] { OnShardServed(); });
                              });
    });
  }
  deadline_.argument = this;
  deadline_.call = [](void* self) { static_cast<Runtime*>(self)->Cut(); };
  control_->wheel().Arm(&deadline_, core::TimerKind::kFunction,
                        control_->now_ms() + int64_t{options_.drain_deadline_s} * 1000);
}

void Runtime::OnShardServed() {
  if (--shards_unserved_ > 0) return;
  for (DataShard& data : shards_) {
    control_->PostAlways(data.shard.get(), [this, &data] {
      data.after_background = [this, &data] { OnPartDrained(data); };
      data.shard->background().Cancel();
      data.shard->background().OnEmpty([](void* self) { static_cast<DataShard*>(self)->after_background(); }, &data);
    });
  }
}

void Runtime::OnPartDrained(DataShard& data) {
  if (--data.drains_left > 0) return;
  data.shard->PostAlways(control_.get(), [this] { OnShardDrained(); });
}

void Runtime::OnShardDrained() {
  if (--shards_left_ > 0) return;
  control_->wheel().Cancel(&deadline_);
  if (exit_code_ == kExitCut) {
    std::fprintf(stderr, "%s: drained; the deadline cut %llu connections\n", program_.name.c_str(),
                 static_cast<unsigned long long>(cut_));
  } else {
    std::fprintf(stderr, "%s: drained\n", program_.name.c_str());
  }
  control_->Stop();
}

void Runtime::Cut() {
  exit_code_ = kExitCut;
  for (DataShard& data : shards_) {
    net::Engine* engine = data.engine.get();
    core::Shard* shard = data.shard.get();
    control_->PostAlways(shard, [this, engine, shard] {
      const uint32_t cut = engine->CutAll();
      shard->background().Cancel();
      shard->PostAlways(control_.get(), [this, cut] { cut_ += cut; });
    });
  }
  deadline_.call = [](void* self) {
    std::fprintf(stderr, "%s: a service did not end when it was cancelled; ending without it\n",
                 static_cast<Runtime*>(self)->program_.name.c_str());
    _exit(kExitCut);
  };
  control_->wheel().Arm(&deadline_, core::TimerKind::kFunction, control_->now_ms() + kSecondDeadlineMs);
}

void Runtime::StopAll() {
  for (DataShard& data : shards_) {
    if (data.thread != nullptr) data.thread->Stop();
  }
  for (DataShard& data : shards_) {
    if (data.thread != nullptr) data.thread->AwaitStopped();
  }
  if (blocking_ != nullptr && !blocking_->End(kSecondDeadlineMs * core::kNanosPerMs)) {
    std::fprintf(stderr, "%s: a job that blocks has not ended; ending without it\n", program_.name.c_str());
    _exit(exit_code_ == kExitFinished ? kExitCut : exit_code_);
  }
  blocking_.reset();
  for (DataShard& data : shards_) {
    if (data.thread != nullptr) data.thread->Join();
  }
  if (control_ != nullptr) {
    core::Shard::Enter enter(control_.get());
    control_->wheel().Cancel(&deadline_);
    control_transport_.reset();
  }
}

}  // namespace mooring::server
