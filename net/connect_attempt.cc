// SPDX-License-Identifier: Apache-2.0
#include "net/connect_attempt.h"

#include <cerrno>
#include <utility>

#include "net/engine.h"

namespace mooring::net {

void ConnectAttempt::Begin(core::CancelScope* scope) {
  scope_ = scope;
  if (scope->cancelled()) return Finish(ECANCELED);
  Engine* engine = Engine::Current();
  conn_ = engine->Connect(profile_, to_, from_);
  if (conn_ == nullptr) {
    outcome_.full = !engine->cut();
    return Finish(outcome_.full ? ENOBUFS : ESHUTDOWN);
  }
  scope->WaitAt(this);
  conn_->Lend(this);
  if (deadline_ms_ == 0) return;
  timer_.argument = this;
  timer_.call = [](void* self) { static_cast<ConnectAttempt*>(self)->GiveUp(ETIMEDOUT); };
  core::Shard::Current()->wheel().Arm(&timer_, core::TimerKind::kFunction, deadline_ms_);
}

void ConnectAttempt::OnOpen(Connection& conn) {
  if (timer_.armed()) core::Shard::Current()->wheel().Cancel(&timer_);
  finished_ = true;
  Engine::Current()->Own(conn);
  outcome_.connection = OwnedConnection(&conn);
  handle.resume();  // this is gone after it
}

void ConnectAttempt::OnClose(Connection& conn, CloseCause cause) {
  conn.TakeBack();
  Finish(cause == CloseCause::kConnectFailed ? conn.connect_error() : ESHUTDOWN);
}

void ConnectAttempt::GiveUp(int error) {
  if (finished_) return;
  conn_->TakeBack();
  if (error == ETIMEDOUT && conn_->cause_ == CloseCause::kNone) {
    conn_->read_parameter_ = ETIMEDOUT;  // connect_error()
    Engine::Current()->End(*conn_, CloseCause::kConnectFailed, /*abort=*/true);
  } else {
    conn_->Abort();
  }
  Finish(error);
}

void ConnectAttempt::Finish(int error) {
  finished_ = true;
  outcome_.error = error;
  core::Shard* shard = core::Shard::Current();
  if (timer_.armed()) shard->wheel().Cancel(&timer_);
  shard->MakeRunnable(handle);
}

ConnectAttempt::Outcome ConnectAttempt::await_resume() {
  scope_->Clear();
  return std::move(outcome_);
}

}  // namespace mooring::net
