// SPDX-License-Identifier: BSD-3-Clause
// A throughput run: one side sends as fast as it can, the other counts. Client and server play both
// roles, so both are here.
//
//   client                         server
//     BulkRequest kClientSends  ->             first bytes of a connection, or one datagram
//     bytes ...                 ->             counts
//     BulkRequest kReport       ->             on a connection of its own, or one datagram
//                               <-  BulkReport of the run that ended last
//
// With kServerSends the bytes go the other way. A stream ends by its FIN; datagrams end when there
// are none for kQuietNs, or with a kReport. Bytes have host order: both ends are this program,
// x86-64.
//
// Invariant: byte i of a stream, and byte i of each datagram, is pattern()[i % kPatternBytes]; the
// period is prime, so a lost, doubled or moved piece of a stream does not go unnoticed.
#pragma once

#include <array>
#include <optional>

#include "apps/lat_options.h"

namespace millrace::lat {

enum class BulkKind : uint8_t { kClientSends = 1, kServerSends = 2, kReport = 3 };

struct BulkRequest {
  std::array<char, 8> magic = {'m', 'r', 'l', 'a', 't', '/', '1', '?'};
  uint32_t size_bytes = 0;  // of a message
  uint32_t duration_ms = 0;
  BulkKind kind = BulkKind::kReport;
  bool verifies = false;  // the receiving side compares contents, too
  std::array<char, 6> reserved{};
};
static_assert(sizeof(BulkRequest) == 24);

/// What one side of a run saw.
struct BulkReport {
  std::array<char, 8> magic = {'m', 'r', 'l', 'a', 't', '/', '1', '='};
  uint64_t n_messages = 0;
  uint64_t n_bytes = 0;
  uint64_t n_wrong_bytes = 0;  // at least: a wrong piece counts its length
  uint64_t elapsed_ns = 0;     // first byte to last
  uint64_t longest_stall_ns = 0;  // of the receiving side: without a byte, between two
};
static_assert(sizeof(BulkReport) == 48);

/// True while `bytes` may be the start of a request: the magic, or the first part of it.
bool may_be_request(std::span<const char> bytes) noexcept;

/// @return nullopt unless bytes are exactly one request
std::optional<BulkRequest> parse_request(std::span<const char> bytes) noexcept;

template <typename Message>
std::span<const char> bytes_of(const Message& message) noexcept {
  return {reinterpret_cast<const char*>(&message), sizeof message};
}

/// Sends for the time the request says; ends a stream.
///
/// @param to  of datagrams on a socket that is not connected; null: connected
BulkReport send_bulk(Transport& transport, Handle handle, Protocol protocol,
                     const BulkRequest& request, const Peer* to);

/// Receives until the stream or the datagrams end.
BulkReport receive_bulk(Transport& transport, Handle handle, Protocol protocol,
                        const BulkRequest& request);

}  // namespace millrace::lat
