// SPDX-License-Identifier: Apache-2.0
#include "server/http/body_writer.h"

#include <utility>

#include "server/http/exchange.h"

namespace mooring::server::http {

BodyWriter::Room::Room(BodyWriter* writer) : writer_(writer), inner_(writer->exchange_->conn()) {}

BodyWriter::Room BodyWriter::Write(std::string_view bytes) {
  net::Connection& conn = *exchange_->conn();
  if (exchange_->BeginPiece(bytes.size())) {
    conn.Write(bytes);
    exchange_->EndPiece(bytes.size());
  }
  return Room(this);
}

BodyWriter::Room BodyWriter::Write(alloc::Lease lease) {
  net::Connection& conn = *exchange_->conn();
  const uint32_t bytes = lease.size();
  if (exchange_->BeginPiece(bytes)) {
    conn.Write(std::move(lease));
    exchange_->EndPiece(bytes);
  }
  return Room(this);
}

BodyWriter::Room BodyWriter::Write(const alloc::SharedBytes& bytes) {
  net::Connection& conn = *exchange_->conn();
  if (exchange_->BeginPiece(bytes.size())) {
    conn.Write(bytes);
    exchange_->EndPiece(bytes.size());
  }
  return Room(this);
}

bool BodyWriter::open() const { return exchange_->open(); }
net::ConnectionId BodyWriter::id() const { return exchange_->conn()->id(); }
uint64_t BodyWriter::left() const { return exchange_->left(); }

}  // namespace mooring::server::http
