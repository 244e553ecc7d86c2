// SPDX-License-Identifier: BSD-3-Clause
#include "stack/loan.h"

#include <algorithm>
#include <bit>
#include <utility>

#include "lwip/pbuf.h"
#include "stack/lwip/port.h"
#include "stack/socket.h"

namespace millrace {
namespace {

constexpr uint32_t kLeastChains = 64;

uint32_t n_chains_for(uint32_t most) { return std::bit_ceil(std::max(most, kLeastChains)); }

void append(LoanAccount& account, pbuf& p) {
  loan_of(&p).older = account.newest;
  loan_of(&p).newer = nullptr;
  (account.newest == nullptr ? account.oldest : loan_of(account.newest).newer) = &p;
  account.newest = &p;
  ++account.n_mbufs;
  account.bytes += p.len;
}

void remove(LoanAccount& account, pbuf& p) {
  const Loan& loan = loan_of(&p);
  (loan.older == nullptr ? account.oldest : loan_of(loan.older).newer) = loan.newer;
  (loan.newer == nullptr ? account.newest : loan_of(loan.newer).older) = loan.older;
  --account.n_mbufs;
  account.bytes -= p.len;
}

}  // namespace

uint32_t lend(pbuf*& from, LoanCursor& to) noexcept {
  Socket& owner = to.owner();
  Stack& stack = owner.stack();
  uint32_t room = std::min(to.room(), owner.loan_room());
  uint32_t lent = 0;
  while (from != nullptr) {
    pbuf* const p = from;
    if (p->len != 0 && room == 0) break;
    from = cut_head(p);
    if (p->len == 0) {
      pbuf_free(p);
      continue;
    }
    --room;
    lent += p->len;
    to.push({p->len, static_cast<CHAR*>(p->payload)});
    stack.loans.add(*p, owner, stack.last_turn_ns());
  }
  return lent;
}

Loans::Loans(uint32_t most, Counters& counters)
    : most_(most), counters_(counters), chains_(n_chains_for(most)) {}

// Mbufs lie side by side, more than 2 KiB each: this gives each a chain of its own, neighbors next
// to each other. A hash that scatters costs a cache miss per loan.
pbuf*& Loans::chain_of(const void* address) noexcept {
  constexpr unsigned kMbufShift = 11;
  return chains_[reinterpret_cast<uintptr_t>(address) >> kMbufShift & (chains_.size() - 1)];
}

void Loans::add(pbuf& p, Socket& owner, uint64_t now_ns) noexcept {
  pbuf*& chain = chain_of(p.payload);
  p.next = chain;
  chain = &p;
  loan_of(&p).owner = &owner;
  loan_of(&p).since_ns = now_ns;
  append(owner.loans, p);
  ++n_;
  ++counters_.loans_made;
  ++counters_.loans_outstanding;
  counters_.bytes_lent += p.len;
}

pbuf* Loans::take_out(const WSABUF& buffer) noexcept {
  for (pbuf** link = &chain_of(buffer.buf); *link != nullptr; link = &(*link)->next) {
    pbuf* const p = *link;
    if (p->payload != buffer.buf) continue;
    if (p->len != buffer.len) return nullptr;
    *link = p->next;
    p->next = nullptr;
    return p;
  }
  return nullptr;
}

void Loans::end(pbuf& p) noexcept {
  --n_;
  --counters_.loans_outstanding;
  pbuf_free(&p);
}

uint32_t Loans::give_back(std::span<WSABUF> buffers) noexcept {
  uint32_t n = 0;
  Socket* owner = nullptr;
  uint32_t bytes = 0;
  for (WSABUF& buffer : buffers) {
    pbuf* const p = take_out(buffer);
    if (p == nullptr) continue;
    ++n;
    // The window opens once for all that lies together, so that it is news worth a segment.
    Socket* const lender = loan_of(p).owner;
    if (lender != owner && owner != nullptr) owner->loans_returned(std::exchange(bytes, 0));
    owner = lender;
    bytes += p->len;
    remove(owner->loans, *p);
    ++counters_.loans_returned;
    end(*p);
    buffer = {0, nullptr};
  }
  if (owner != nullptr) owner->loans_returned(bytes);
  return n;
}

void Loans::reclaim(LoanAccount& account) noexcept {
  while (account.oldest != nullptr) {
    pbuf& p = *account.oldest;
    (void)take_out({p.len, static_cast<CHAR*>(p.payload)});
    remove(account, p);
    ++counters_.loans_reclaimed;
    end(p);
  }
}

uint64_t oldest_since_ns(const LoanAccount& account) noexcept {
  return loan_of(account.oldest).since_ns;
}

}  // namespace millrace
