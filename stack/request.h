// SPDX-License-Identifier: BSD-3-Clause
// A Request is one posted operation, receive or send: what to fill or empty, and whom to tell.
//
// Overlapped requests capture the caller's WSABUF array (contract: B8) and come from the Stack;
// a blocking call's request lies on the blocked thread's stack and points at the caller's array.
// Requests of a socket form a queue and are served strictly in the order of posting (contract: B16).
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "millrace/winsock_types.h"
#include "stack/completion.h"
#include "stack/loan.h"
#include "stack/wait.h"

namespace millrace {

/// Where in an array of WSABUFs the next byte goes to or comes from. Empty buffers are stepped over.
class BufferCursor {
 public:
  BufferCursor() = default;
  explicit BufferCursor(std::span<const WSABUF> buffers)
      : at_(buffers.data()), end_(buffers.data() + buffers.size()) {
    skip_empty();
  }

  bool at_end() const { return at_ == end_; }
  char* data() const { return at_->buf + offset_; }
  uint32_t contiguous() const { return at_->len - offset_; }

  /// @param n  0 .. contiguous()
  void advance(uint32_t n) {
    offset_ += n;
    if (offset_ == at_->len) {
      ++at_;
      offset_ = 0;
      skip_empty();
    }
  }

  /// @param n  at most remaining()
  void skip(uint32_t n) {
    while (n != 0) {
      const uint32_t part = std::min(n, contiguous());
      advance(part);
      n -= part;
    }
  }

  /// Bytes from here to the end of the array.
  uint64_t remaining() const {
    uint64_t sum = 0;
    for (const WSABUF* b = at_; b != end_; ++b) sum += b->len;
    return sum - offset_;
  }

 private:
  void skip_empty() {
    while (at_ != end_ && at_->len == 0) ++at_;
  }

  const WSABUF* at_ = nullptr;
  const WSABUF* end_ = nullptr;
  uint32_t offset_ = 0;
};

/// Where a receive stores the sender's address, or all that is known of a message. Null: nowhere.
struct FromAddress {
  WS_sockaddr* address = nullptr;
  INT* length = nullptr;  ///< without an address: the namelen of a WSAMSG
  /// With a WSAMSG, of registered I/O: a SOCKADDR_INET for where the datagram was sent to. Stays as it is
  /// where nobody has noted that.
  WS_sockaddr* local = nullptr;

  static FromAddress of(WSAMSG& message, WS_sockaddr* local = nullptr) noexcept {
    return {nullptr, &message.namelen, local};
  }
  /// Only of a FromAddress that was made of one.
  WSAMSG& message() const noexcept {
    return *reinterpret_cast<WSAMSG*>(reinterpret_cast<char*>(length) - offsetof(WSAMSG, namelen));
  }
};

struct Request {
  static constexpr size_t kInline = 4;

  Request* next = nullptr;
  BufferCursor cursor;
  LoanCursor loans;  ///< set: a loaned receive, and cursor is not used
  uint32_t bytes = 0;
  uint32_t flags = 0;
  const FromAddress* from = nullptr;  ///< a blocking call's own, or from_copy
  FromAddress from_copy;
  Overlapped tell;
  Waiter* waiter = nullptr;  ///< of a blocking call
  Outcome outcome;
  bool is_done = false;
  uint64_t sampled_ns = 0;  ///< when it had copied, when a blocked caller was told; 0: not sampled

  bool is_full() const { return loans.is_set() ? loans.at_end() : cursor.at_end(); }

  /// Copies the array, so that the caller's may vanish. @throws std::bad_alloc
  void capture(std::span<const WSABUF> buffers) {
    WSABUF* copy = inline_buffers_;
    if (buffers.size() > kInline) {
      more_buffers_ = std::make_unique<WSABUF[]>(buffers.size());
      copy = more_buffers_.get();
    }
    std::copy(buffers.begin(), buffers.end(), copy);
    cursor = BufferCursor({copy, buffers.size()});
  }

 private:
  WSABUF inline_buffers_[kInline];
  std::unique_ptr<WSABUF[]> more_buffers_;
};

/// FIFO of requests that lie elsewhere.
class RequestQueue {
 public:
  bool empty() const { return head_ == nullptr; }
  Request* front() const { return head_; }
  uint32_t size() const { return size_; }

  void push(Request& request) {
    request.next = nullptr;
    *tail_ = &request;
    tail_ = &request.next;
    ++size_;
  }

  void pop() { remove(*head_); }

  void remove(Request& request) {
    for (Request** link = &head_; *link != nullptr; link = &(*link)->next) {
      if (*link != &request) continue;
      *link = request.next;
      if (request.next == nullptr) tail_ = link;
      --size_;
      return;
    }
  }

 private:
  Request* head_ = nullptr;
  Request** tail_ = &head_;
  uint32_t size_ = 0;
};

}  // namespace millrace
