// SPDX-License-Identifier: BSD-3-Clause
// A Loan is received payload that its caller reads in place: a WSABUF that points into the mbuf
// (contract: Z2, Z4). Lending is another way of taking, beside scatter(); nothing is copied.
//
//   Inbox or burst --lend()--> the caller's WSABUFs --Loans::give_back()--> pool
//                                                   --Loans::reclaim() at close--> pool
//
// Invariant: an mbuf is in a chain of Loans and in its socket's LoanAccount exactly while a caller
// has its address. The entry stands in the mbuf's private area (lwip/port.h Loan), so a loan costs
// no allocation; an address that a caller brings is only ever compared, never followed.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "millrace/winsock_codes.h"
#include "millrace/winsock_types.h"
#include "stack/counters.h"

struct pbuf;

namespace millrace {

class Socket;

/// What the callers of one socket hold, oldest first. Kept by Loans.
struct LoanAccount {
  pbuf* oldest = nullptr;
  pbuf* newest = nullptr;
  uint32_t n_mbufs = 0;
  uint64_t bytes = 0;
};

/// Where a loaned receive puts what it lends: for it, what BufferCursor is for one that copies.
class LoanCursor {
 public:
  LoanCursor() = default;  ///< of a receive that copies
  /// @param count  where an overlapped call is told how many were filled
  LoanCursor(Socket& owner, std::span<WSABUF> array, DWORD* count = nullptr)
      : owner_(&owner),
        array_(array.data()),
        count_(count),
        room_(static_cast<uint32_t>(array.size())) {}

  bool is_set() const { return owner_ != nullptr; }
  Socket& owner() const { return *owner_; }
  bool at_end() const { return n_ == room_; }
  uint32_t room() const { return room_ - n_; }
  /// WSABUFs that were filled; after kMsgSize how many the message needs.
  uint32_t count() const { return n_needed_ != 0 ? n_needed_ : n_; }
  void need(uint32_t n) { n_needed_ = n; }
  void push(const WSABUF& buffer) { array_[n_++] = buffer; }
  void report() const {
    if (count_ != nullptr) *count_ = count();
  }

 private:
  Socket* owner_ = nullptr;
  WSABUF* array_ = nullptr;
  DWORD* count_ = nullptr;
  uint32_t room_ = 0;
  uint32_t n_ = 0;
  uint32_t n_needed_ = 0;
};

/// Lend hands the chain's mbufs over, a WSABUF each: in array order, whole.
///
/// @param[in,out] from  chain of pbufs; what was lent is cut off its front, empty pbufs are freed;
///                      null when all is gone
/// @param[in,out] to    advanced by what was lent
/// @return bytes lent; with some of the chain left, the array is full or the caller holds too much
/// @source contract Z2
uint32_t lend(pbuf*& from, LoanCursor& to) noexcept;

/// Every loan of a Stack, found by the address of its payload. Guarded by the Stack's lock.
class Loans {
 public:
  /// @param most  mbufs that all callers together may hold
  Loans(uint32_t most, Counters& counters);
  Loans(const Loans&) = delete;
  Loans& operator=(const Loans&) = delete;

  uint32_t room() const { return most_ - n_; }
  /// @pre room() != 0. @owner takes p, a single pbuf
  void add(pbuf& p, Socket& owner, uint64_t now_ns) noexcept;
  /// Frees each mbuf and credits its socket; a WSABUF that was given back is left empty.
  /// @return how many were; the others are not on loan here, or not with that length
  uint32_t give_back(std::span<WSABUF> buffers) noexcept;
  /// What a socket's callers forgot, when it closes.
  void reclaim(LoanAccount& account) noexcept;

 private:
  pbuf*& chain_of(const void* address) noexcept;
  pbuf* take_out(const WSABUF& buffer) noexcept;
  void end(pbuf& p) noexcept;

  const uint32_t most_;
  Counters& counters_;
  uint32_t n_ = 0;
  std::vector<pbuf*> chains_;  ///< linked by pbuf::next, which a loan has no other use for
};

/// A socket whose callers hold loans, as telemetry shows it.
struct LoanHolder {
  SOCKET socket = 0;
  uint32_t n_mbufs = 0;
  uint64_t bytes = 0;
  uint64_t oldest_ms = 0;
};

/// When the account's oldest loan was made; only while there is one.
uint64_t oldest_since_ns(const LoanAccount& account) noexcept;

}  // namespace millrace
