// SPDX-License-Identifier: Apache-2.0
#include "server/runtime.h"

#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <ctime>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "alloc/heap.h"
#include "core/cgroup.h"
#include "core/limits.h"
#include "core/topology.h"
#include "server/metrics/process_figures.h"
#include "server/start_report.h"

namespace mooring::server {
namespace {

// For what a killed predecessor's rings still hold (net/claim.h). nginx, too, tries for about so long.
constexpr uint32_t kClaimPatienceMs = 2000;
constexpr int64_t kMemoryLookMs = 100;  // where memory is near its ceiling

const char* NameOf(admin::Admin::Part part) { return part == admin::Admin::Part::kAll ? "admin" : "metrics"; }

uint64_t MemoryCeiling(const RuntimeSettings& settings) {
  if (settings.memory_ceiling_bytes != 0) return settings.memory_ceiling_bytes;
  const uint64_t limit = core::MemoryLimit();
  return limit == 0 ? UINT64_MAX : limit / 100 * settings.memory_ceiling_percent;
}

}  // namespace

Runtime::Runtime(const Program& program, Options options)
    : program_(program),
      options_(std::move(options)),
      settings_(options_.settings),
      memory_(MemoryCeiling(settings_.runtime)) {}

Runtime::~Runtime() { StopAll(); }

// Start.

absl::Status Runtime::Start() {
  started_wall_s_ = time(nullptr);
  absl::StatusOr<core::DescriptorLimit> limit = core::RaiseDescriptorLimit();
  if (!limit.ok()) return limit.status();
  absl::StatusOr<std::vector<int>> allowed = core::AllowedCpus();
  if (!allowed.ok()) return allowed.status();
  absl::StatusOr<core::Placement> placement =
      core::Place({.cpus = settings_.runtime.cpus,
                   .shards = settings_.runtime.shards,
                   .quota = core::CgroupCpuQuota().value_or(0)},
                  *allowed);
  if (!placement.ok()) return placement.status();
  placement_ = *std::move(placement);
  notes_ = placement_.notes;
  const size_t shards = placement_.cpu_of_shard.size();

  const net::TransportKind kind = options_.transport.provider->kind();
  core::PlanInput input = {.shards = static_cast<int>(shards),
                           .descriptors_soft = limit->soft,
                           .max_connections = settings_.runtime.max_connections,
                           .descriptor_taker = net::TakesDescriptors(kind) ? std::string(net::Name(kind)) : "",
                           .listeners = static_cast<int>(settings_.listeners.size())};
  plan_ = core::MakePlan(input);
  input.max_connections = 0;
  connections_possible_ = std::min(core::MakePlan(input).connections_possible, uint64_t{plan_.slots_per_shard} * shards);
  core::GrowDescriptorTable(plan_.descriptors);
  SetCredit(plan_.credit);
  addresses_.SetMax(settings_.runtime.max_connections_per_address);
  rate_.SetRate(settings_.runtime.accept_rate);
  for (size_t i = 0; i < settings_.listeners.size(); ++i) {
    served_.push_back(MakeServed(settings_.listeners[i], std::move(options_.services[i])));
  }

  absl::Status status = StartShards();
  if (status.ok()) status = StartControl();
  if (status.ok()) status = ClaimAll();
  if (status.ok()) status = StartAdmin();
  if (status.ok() && !options_.inherited.left().empty()) {
    const systemd::InheritedSocket& nobodys = options_.inherited.left()[0];
    status = absl::InvalidArgumentError(absl::StrCat("the service manager's socket '", nobodys.name, "' on ", nobodys.endpoint.ToString(),
                                                     " is no listener's; FileDescriptorName= is a listener's name, or the address is"));
  }
  if (status.ok()) BeginServing();
  if (!status.ok()) StopAll();
  return status;
}

Runtime::Served Runtime::MakeServed(const ListenerSettings& listener, Configured service) {
  Served served;
  served.number = TakeNumber();
  served.handler = next_handler_++;
  served.settings = listener;
  served.service = std::move(service);
  bounds_.emplace_back();
  served.bounds = &bounds_.back();
  SetLimits(*served.bounds, listener.limits);
  return served;
}

net::ListenerBounds Runtime::BoundsOf(const Served& served) {
  return {.credit = &served.bounds->credit, .addresses = &served.bounds->addresses, .rate = &served.bounds->rate};
}

// REQUIRES: not all are in use, which Start and PlanReload look at.
net::ListenerId Runtime::TakeNumber() {
  net::ListenerId number = 0;
  while (numbers_.count(number) != 0) ++number;
  numbers_.insert(number);
  return number;
}

// Of the process. 0: none.
void Runtime::SetCredit(uint64_t connections_max) {
  credit_.Give(LimitOf(connections_max) - credit_max_);
  credit_max_ = LimitOf(connections_max);
}

// What is in use stays so: a lower bound lets nobody in until enough have gone.
void Runtime::SetLimits(Bounds& bounds, const net::ListenerLimits& limits) {
  bounds.credit.Give(LimitOf(limits.connections_max) - LimitOf(bounds.limits.connections_max));
  bounds.addresses.SetMax(limits.per_address_max);
  bounds.rate.SetRate(limits.accepts_per_s);
  bounds.limits = limits;
}

absl::Status Runtime::StartShards() {
  const size_t count = placement_.cpu_of_shard.size();
  shards_unserved_ = shards_left_ = count;
  parts_left_.assign(count, 2);
  const auto seed = static_cast<uint64_t>(options_.clock->Now());  // of chance, not of secrets
  // Receive and send blocks: at most a quarter of the ceiling.
  const uint64_t block_bytes = memory_.ceiling_bytes() == UINT64_MAX ? UINT64_MAX : memory_.ceiling_bytes() / 4 / count;
  for (uint32_t id = 0; id < count; ++id) {
    DataShard::Options options;
    options.program = &program_;
    options.id = id;
    options.cpu = placement_.cpu_of_shard[id];
    options.clock = options_.clock;
    options.provider = options_.transport.provider.get();
    options.transport.connections_max = plan_.slots_per_shard;
    options.transport.shards = static_cast<uint32_t>(count);
    // A slot of the slab may outlive its direct slot by a turn, so there are some more of them.
    options.engine.connections_max = plan_.slots_per_shard + 1024;
    options.engine.shards = static_cast<uint32_t>(count);
    options.engine.credit = &credit_;
    options.engine.addresses = &addresses_;
    options.engine.rate = &rate_;
    options.engine.block_bytes_max = block_bytes;
    options.engine.seed = seed;
    shards_.push_back(std::make_unique<DataShard>(options));
  }
  std::vector<core::Shard*> all;
  std::vector<net::Engine*> engines;
  for (auto& data : shards_) {
    all.push_back(&data->shard());
    engines.push_back(&data->engine());
  }
  directory_ = std::make_unique<core::Shards>(std::move(all));
  blocking_ = std::make_unique<core::BlockingPool>(core::BlockingPool::Options{});
  for (auto& data : shards_) {
    data->shard().SetJobRunner(blocking_.get());
    data->engine().SetPeers(engines);
  }
  for (auto& data : shards_) {
    DataShard::Makers makers;
    for (const Served& served : served_) makers.emplace_back(served.handler, served.service.make);
    if (absl::Status status = data->StartThread(std::move(makers)); !status.ok()) return status;
  }
  for (auto& data : shards_) {
    ShardView view = {.shard = &data->shard(), .engine = &data->engine(), .transport = data->transport(), .cpu = data->cpu(), .handlers = {}};
    for (const Served& served : served_) view.handlers.push_back({served.settings.name, data->At(served.handler)});
    views_.push_back(std::move(view));
  }
  for (auto& data : shards_) data->thread().Go();
  return absl::OkStatus();
}

absl::Status Runtime::StartControl() {
  control_ = std::make_unique<core::Shard>(
      core::Shard::Options{.id = static_cast<uint32_t>(shards_.size()), .clock = options_.clock, .mailbox_capacity = 4096});
  control_->SetShards(directory_.get());
  control_->SetJobRunner(blocking_.get());
  control_engine_ =
      std::make_unique<net::Engine>(control_.get(), net::Engine::Options{.connections_max = admin::Admin::kConnectionsMax});
  core::Shard::Enter enter(control_.get());
  net::TransportOptions options;
  options.connections_max = admin::Admin::kConnectionsMax;
  options.sq_entries = 64;
  options.cq_entries = 256;
  absl::StatusOr<std::unique_ptr<net::Transport>> transport =
      options_.transport.provider->Open(control_.get(), control_engine_->events(), options);
  if (!transport.ok()) return transport.status();
  control_transport_ = *std::move(transport);
  control_->SetPort(control_transport_.get());
  control_engine_->SetTransport(control_transport_.get());

  alive_.argument = this;
  alive_.call = [](void* self) { static_cast<Runtime*>(self)->SayAlive(); };
  second_.argument = this;
  second_.call = [](void* self) { static_cast<Runtime*>(self)->OnSecond(); };
  memory_timer_.argument = this;
  memory_timer_.call = [](void* self) { static_cast<Runtime*>(self)->LookAtMemory(); };
  deadline_.argument = this;
  watch_ = std::make_unique<watch::Watch>(static_cast<Control*>(this));
  return signals_.Watch(control_transport_.get(), [this](int signal) { OnSignal(signal); });
}

absl::StatusOr<std::unique_ptr<net::Claim>> Runtime::ClaimFor(const ListenerSettings& listener,
                                                              const net::ServiceOptions& options, size_t listeners) {
  const int somaxconn = net::ReadSomaxconn();
  net::ClaimOptions claim_options;
  claim_options.shards = static_cast<int>(shards_.size());
  claim_options.backlog = net::Backlog(plan_.slots_per_shard, static_cast<int>(listeners), somaxconn);
  claim_options.somaxconn = somaxconn;
  claim_options.patience_ms = kClaimPatienceMs;
  claim_options.user_timeout_ms = options.write_stall_s * 1000;
  claim_options.defer_accept = options.defer_accept;
  const auto inherited = options_.inherited.Take(listener.name, listener.endpoint);
  absl::StatusOr<net::Claim> claim =
      inherited.has_value() ? net::Claim::Inherit(options_.kernel, inherited->fd, inherited->endpoint, claim_options)
                            : net::Claim::Take(options_.kernel, listener.endpoint, claim_options);
  if (!claim.ok()) return claim.status();
  return std::make_unique<net::Claim>(*std::move(claim));
}

absl::Status Runtime::ClaimAll() {
  for (Served& served : served_) {
    absl::StatusOr<std::unique_ptr<net::Claim>> claim = ClaimFor(served.settings, served.service.options, served_.size());
    if (!claim.ok()) return claim.status();
    served.claim = *std::move(claim);
  }
  return absl::OkStatus();
}

absl::Status Runtime::StartAdmin() {
  using admin::Admin;
  core::Shard::Enter enter(control_.get());
  metrics_ = std::make_unique<metrics::Metrics>(static_cast<Control*>(this));
  admin_ = std::make_unique<Admin>(static_cast<Control*>(this), Admin::Figures{.metrics = [this] { return metrics_->Text(); },
                                                        .stats = [this] { return metrics_->StatsJson(); }});
  const AdminSettings& settings = settings_.admin;
  if (settings.listen.has_value()) {
    absl::StatusOr<net::Claim> claim = ClaimAdmin(Admin::Part::kAll, *settings.listen);
    if (claim.ok()) {
      ServeAdmin(Admin::Part::kAll, *std::move(claim));
    } else if (absl::IsAlreadyExists(claim.status()) && settings.listen_is_default) {
      // A port that nobody has asked for is no reason not to start.
      notes_.push_back(absl::StrCat("there is no admin interface: ", std::string(claim.status().message()),
                                    "; --admin-listen=HOST:PORT gives it another address, off says that none is wanted"));
    } else {
      return claim.status();
    }
  }
  if (settings.metrics_listen.has_value()) {
    absl::StatusOr<net::Claim> claim = ClaimAdmin(Admin::Part::kReadOnly, *settings.metrics_listen);
    if (!claim.ok()) return claim.status();
    ServeAdmin(Admin::Part::kReadOnly, *std::move(claim));
  }
  return absl::OkStatus();
}

absl::StatusOr<net::Claim> Runtime::ClaimAdmin(admin::Admin::Part part, const net::Endpoint& endpoint) {
  const auto inherited = options_.inherited.Take(NameOf(part), endpoint);
  const net::ClaimOptions options = {
      .shards = 1, .backlog = static_cast<int>(admin::Admin::kConnectionsMax), .patience_ms = kClaimPatienceMs};
  absl::StatusOr<net::Claim> claim =
      inherited.has_value() ? net::Claim::Inherit(options_.kernel, inherited->fd, inherited->endpoint, options)
                            : net::Claim::Take(options_.kernel, endpoint, options);
  if (claim.ok()) return claim;
  return absl::Status(claim.status().code(), absl::StrCat(NameOf(part), ": ", std::string(claim.status().message())));
}

void Runtime::ServeAdmin(admin::Admin::Part part, net::Claim claim) {
  admin_listeners_.push_back({.part = part, .claim = std::move(claim), .handler = nullptr, .id = 0});
  AdminListener& listener = admin_listeners_.back();
  const net::Endpoint& endpoint = listener.claim.endpoint();
  listener.handler = admin_->MakeHandler(part, endpoint);
  listener.id = control_engine_->AddListener(NameOf(part), listener.handler.get(), admin_->options());
  control_engine_->Listen(listener.id, listener.claim.Release(0), listener.claim.backlog(), listener.claim.shared());
  said_.push_back(absl::StrCat(NameOf(part), ": ", UrlOf(endpoint)));
  if (std::string warning = admin::Admin::Warning(part, endpoint); !warning.empty()) notes_.push_back(std::move(warning));
}

void Runtime::BeginServing() {
  core::Shard::Enter enter(control_.get());
  struct Part {
    const Served* served;
    std::vector<DataShard::Socket> sockets;  // by shard
  };
  std::vector<Part> parts;
  for (const Served& served : served_) {
    Part part = {.served = &served, .sockets = {}};
    for (size_t shard = 0; shard < shards_.size(); ++shard) {
      part.sockets.push_back({served.claim->Release(static_cast<int>(shard)), served.claim->backlog(), served.claim->shared()});
    }
    parts.push_back(std::move(part));
  }
  // served_ is not touched before all have answered: reloads wait.
  reloading_ = true;
  OnEach(
      [this, parts = std::move(parts)](DataShard& data) {
        const std::string threw = data.Begin();
        if (!threw.empty()) data.shard().PostAlways(control_.get(), [this, threw] { OnStartFailed(threw); });
        for (const Part& part : parts) {
          const DataShard::Socket& socket = part.sockets[data.shard().id()];
          if (threw.empty()) {
            data.Serve(part.served->number, part.served->settings.name, part.served->handler, part.served->service.options,
                       BoundsOf(*part.served), socket);
          } else {
            close(socket.fd);
          }
        }
      },
      [this] {
        reloading_ = false;
        if (state_ != ServerState::kServing) return;
        ReloadDone();
      });
  control_->wheel().Arm(&second_, core::TimerKind::kFunction, control_->now_ms() + 1000);
  SayAlive();
}

void Runtime::OnStartFailed(const std::string& why) {
  if (exit_code_ == kExitFailedStart) return;
  std::fprintf(stderr, "%s: starting a shard: %s\n", program_.name.c_str(), why.c_str());
  exit_code_ = kExitFailedStart;
  BeginDrain();
}

std::string Runtime::Report() const {
  std::string text = absl::StrCat("transport: ", views_[0].transport->Describe(), "\nheap: ", alloc::HeapName(), "\n", plan_.ToString());
  if (text.back() != '\n') text += '\n';
  if (!settings_.file.empty()) absl::StrAppend(&text, "configuration: ", settings_.file, "\n");
  if (!options_.transport.note.empty()) absl::StrAppend(&text, "note: ", options_.transport.note, "\n");
  for (const std::string& note : notes_) absl::StrAppend(&text, "note: ", note, "\n");
  for (const Served& served : served_) {
    absl::StrAppend(&text, "listening: ", served.settings.name, " on ", served.claim->endpoint().ToString(), "\n");
  }
  for (const std::string& line : said_) absl::StrAppend(&text, line, "\n");
  for (const Served& served : served_) {
    const std::string& hello = served.settings.service->try_it;
    if (!hello.empty()) absl::StrAppend(&text, "try: ", TryIt(hello, served.claim->endpoint()), "\n");
  }
  std::set<std::string> said;
  for (const Served& served : served_) {
    const std::string off = DeadlinesOff(served.settings.service->name, served.service.options);
    if (said.insert(off).second) text += off;
  }
  return text;
}

// Running.

int Runtime::Run() {
  control_->Run();
  StopAll();
  return exit_code_;
}

void Runtime::OnEach(std::function<void(DataShard&)> what, std::function<void()> then) {
  struct Round {
    std::function<void(DataShard&)> what;
    std::function<void()> then;
    size_t left;  // the control shard's
  };
  auto round = std::make_shared<Round>(Round{std::move(what), std::move(then), shards_.size()});
  for (auto& each : shards_) {
    DataShard* const data = each.get();
    // What they hold ends on the control shard: it may be files, which take their time.
    control_->PostAlways(&data->shard(), [this, data, round]() mutable {
      round->what(*data);
      data->shard().PostAlways(control_.get(), [round = std::move(round)] {
        if (--round->left == 0 && round->then) round->then();
      });
    });
  }
}

// What the service manager's watchdog waits for. That the data shards turn is the stall watchdog's to see.
void Runtime::SayAlive() {
  const int64_t interval_ms = options_.notify.watchdog_interval_ms();
  if (interval_ms == 0) return;
  options_.notify.Alive().IgnoreError();
  control_->wheel().Arm(&alive_, core::TimerKind::kFunction, control_->now_ms() + interval_ms);
}

void Runtime::OnSecond() {
  control_->wheel().Arm(&second_, core::TimerKind::kFunction, control_->now_ms() + 1000);
  metrics_->Tick();
  watch_->OnSecond();
  if (!memory_timer_.armed()) LookAtMemory();
  if (state_ == ServerState::kDraining) ReportDrain();
}

void Runtime::LookAtMemory() {
  const int before = memory_.step();
  const uint64_t resident = metrics::ReadResidentBytes();
  const int step = memory_.Look(resident);
  const auto say = [this, before, step, resident] {
    if (step == before) return;
    log().Say(step > before ? Log::Level::kWarning : Log::Level::kInfo,
              step == 0   ? "memory is below its ceiling again"
              : step == 1 ? "memory is near its ceiling: new connections are reset"
                          : "memory is at its ceiling: idle connections are closed, new ones reset",
              {{"resident_bytes", resident}, {"ceiling_bytes", memory_.ceiling_bytes()}});
  };
  // When all shards go by it. Said again to them at each look at step 2: they close some of their idle ones each time.
  if (step != before || step == 2) OnEach([step](DataShard& data) { data.engine().SetMemoryPressure(step); }, say);
  if (memory_.near()) {
    control_->wheel().Arm(&memory_timer_, core::TimerKind::kFunction, control_->now_ms() + kMemoryLookMs);
  }
}

void Runtime::OnSignal(int signal) {
  switch (signal) {
    case SIGHUP: return ReloadNow();
    case SIGUSR1: return ReopenFiles();
    default: break;
  }
  if (state_ == ServerState::kServing && exit_code_ == kExitFinished) return StartDrain(Signals::Name(signal));
  log().Say(Log::Level::kWarning, "second signal: ending at once", {{"signal", std::string_view(Signals::Name(signal))}});
  log().Settle(kSettleMs);
  _exit(kExitSecondSignal);
}

std::vector<ServedListener> Runtime::listeners() const {
  std::vector<ServedListener> all;
  for (const Served& served : served_) {
    all.push_back({.name = served.settings.name,
                   .service = served.settings.service->name,
                   .endpoint = served.claim->endpoint(),
                   .id = served.number,
                   .open = served.open && state_ != ServerState::kDraining});
  }
  return all;
}

void Runtime::StopAll() {
  for (auto& data : shards_) data->thread().Stop();
  for (auto& data : shards_) data->thread().AwaitStopped();
  if (blocking_ != nullptr && !blocking_->End(kSecondDeadlineMs * core::kNanosPerMs)) {
    log().Say(Log::Level::kError, "a job that blocks has not ended; ending without it");
    log().Settle(kSettleMs);
    _exit(exit_code_ == kExitFinished ? kExitCut : exit_code_);
  }
  blocking_.reset();
  for (auto& data : shards_) data->thread().Join();
  if (control_ != nullptr && control_transport_ != nullptr) {
    core::Shard::Enter enter(control_.get());
    for (core::CallTimer* timer : {&deadline_, &second_, &alive_, &memory_timer_}) control_->wheel().Cancel(timer);
    control_transport_.reset();
  }
}

}  // namespace mooring::server
