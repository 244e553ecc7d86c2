// SPDX-License-Identifier: BSD-3-Clause
// A Socket is what a descriptor names: its state, its Inbox, its queues of Requests, its options.
//
// Here is what all transports share: receiving, waiting, closing, being selected. TcpSocket and
// UdpSocket say what arrives and how to send. Every member is called with the Stack's lock held; the
// ones marked "blocks" give it up while they wait, and the socket may be closed meanwhile.
//
// Lifetime: counted references. The handle table has one, each call in progress has one, and so has
// the Stack while the socket is on one of its lists. lwIP's callbacks find the socket through the
// pcb's argument, which release_pcb() clears before the socket goes.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "millrace/winsock_codes.h"
#include "stack/address.h"
#include "stack/inbox.h"
#include "stack/listening.h"
#include "stack/network_events.h"
#include "stack/queries.h"
#include "stack/request.h"
#include "stack/socket_options.h"
#include "stack/stack.h"

namespace millrace {

struct GroupChange;
struct IcmpError;
struct SendControl;

/// The completion port of a socket, for its whole life (winsock-rules 70).
struct PortLink {
  PacketTarget target;
  bool skips_success = false;  ///< FILE_SKIP_COMPLETION_PORT_ON_SUCCESS
};

/// Which of a socket's overlapped operations to cancel.
struct Cancelled {
  uint32_t thread = 0;                         ///< only what this one started; 0: any
  const WSAOVERLAPPED* overlapped = nullptr;   ///< only this one
  bool thread_ends = false;
};

/// What a connection that AcceptEx or ConnectEx made lacks until its context is updated.
enum class Context : uint8_t { kWhole, kAccepted, kConnected };

struct ReceiveCall {
  std::span<const WSABUF> buffers;
  uint32_t flags = 0;
  FromAddress from;
  Overlapped tell;
  LoanCursor* loans = nullptr;  ///< lend into this, which has the array of `buffers`; do not copy
};

struct SendCall {
  std::span<const WSABUF> buffers;
  uint32_t flags = 0;
  std::optional<Endpoint> to;
  Overlapped tell;
};

class Socket {
 public:
  Socket(Stack& stack, Transport transport, uint8_t family);
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;

  /// Beside the control blocks of lwIP. @return null: no memory
  static void* operator new(size_t bytes) noexcept;
  static void operator delete(void* memory) noexcept;

  void ref() noexcept { ++n_refs_; }
  void unref() noexcept {
    if (--n_refs_ == 0) delete this;
  }

  // ---- the calls of the SPI ----

  virtual WsaError bind(Endpoint endpoint) = 0;
  virtual WsaError listen(int backlog) = 0;
  /// Blocks if it may. @return a connected socket, one reference to it is the caller's; or null and the error
  Socket* accept(WsaError& error, bool may_wait = true) {
    Socket* const socket = take_pending(error, may_wait);
    allow_events(FD_ACCEPT);
    return socket;
  }
  /// The same for a condition function's verdict: FD_ACCEPT stays as it is.
  virtual Socket* take_pending(WsaError& error, bool may_wait);
  /// A connection that was taken is the first of those that wait again. @owner takes a reference of its own
  /// @param is_offered  false: offer_connections() follows, unless another AcceptEx takes it
  virtual void give_back(Socket& pending, bool is_offered) noexcept;
  /// Listens beside a sibling's listener, whose claim on the endpoint counts for this one, too.
  virtual WsaError listen_as_twin(const Endpoint& /*endpoint*/, int /*backlog*/) {
    return WsaError::kOpNotSupp;
  }
  /// Blocks.
  virtual WsaError connect(const Endpoint& peer) = 0;
  /// Blocks. Done at once, pending or refused: contract C2 to C5, decided in recv.cc.
  virtual Outcome receive(const ReceiveCall& call);
  /// Blocks.
  virtual Outcome send(const SendCall& call) = 0;
  /// WSASendMsg: one datagram that differs from what the options say.
  /// @errors kAddrNotAvail: source or interface are not ours
  virtual Outcome send_message(const SendCall&, const SendControl&) { return {WsaError::kOpNotSupp}; }
  virtual WsaError shutdown(int how) = 0;

  // ---- what the extension functions of Windows need (spi_shim/EXTENSIONS.md) ----

  /// ConnectEx: pending until the connection is there and what `call` has is on its way.
  virtual Outcome connect_ex(const Endpoint&, const SendCall&) { return {WsaError::kOpNotSupp}; }
  /// DisconnectEx: done when the peer has acknowledged the end, for reuse when it has closed, too. Blocks
  /// without a WSAOVERLAPPED.
  virtual Outcome disconnect(const Overlapped&, bool) { return {WsaError::kNotConn}; }
  /// AcceptEx: queues it; the shim serves the queue.
  virtual Outcome start_accept(const Overlapped& tell);
  bool has_accepts() const noexcept { return listening != nullptr && !listening->accepts.empty(); }
  /// No AcceptEx wants the connections that wait: they are told of.
  virtual void offer_connections() noexcept;
  /// Takes the first one off the queue, and its target for packets; only while has_accepts().
  virtual Completion take_accept() noexcept;
  /// Memberships of groups; they end with the socket.
  virtual WsaError change_groups(const GroupChange&) { return WsaError::kNoProtoOpt; }
  /// WSPJoinLeaf, for datagrams.
  virtual WsaError join_leaf(const Endpoint&, bool, bool) { return WsaError::kOpNotSupp; }
  /// Blocks with SO_LINGER. Ends the socket: requests complete with kOperationAborted.
  /// @errors kWouldBlock: SO_LINGER with a time on a nonblocking socket; it stays open
  virtual WsaError close();
  /// Ends it at once, without a farewell to the peer's stack beyond a reset.
  virtual void reset() noexcept;

  // ---- what select and WSAPoll ask ----

  virtual bool is_readable() const noexcept = 0;
  virtual bool is_writable() const noexcept = 0;
  virtual bool has_exception() const noexcept { return false; }
  /// What is so now, as POLLRDNORM and its kin (winsock-rules 168).
  virtual SHORT poll_events() const noexcept {
    return static_cast<SHORT>((is_readable() ? WS_POLLRDNORM : 0) | (is_writable() ? WS_POLLWRNORM : 0));
  }
  void add_waiter(WaitLink& link) noexcept {
    link.next = waiters_;
    waiters_ = &link;
  }
  void remove_waiter(WaitLink& link) noexcept {
    for (WaitLink** at = &waiters_; *at != nullptr; at = &(*at)->next) {
      if (*at != &link) continue;
      *at = link.next;
      return;
    }
  }

  // ---- what WSPEventSelect and WSPAsyncSelect ask ----

  /// In place of what was selected before. The socket becomes nonblocking, whatever is selected.
  virtual void select_events(const EventSelection& wanted);
  EventSelection selection() const noexcept {
    return events_ == nullptr ? EventSelection{} : events_->selection;
  }
  /// Takes what is recorded, with the error of each. Blocks until no signal of this Stack is on its
  /// way, so that resetting the event afterwards undoes none that comes late.
  virtual uint32_t take_events(std::array<INT, FD_MAX_EVENTS>& errors) noexcept;
  /// Signals the event if something is recorded: after it was reset.
  virtual void repeat_signal() noexcept;
  /// These may be told again, and are if they are true.
  virtual void allow_events(uint32_t events) noexcept;

  // ---- what options ask ----

  /// Brings a changed option to the pcb.
  virtual void apply_options() noexcept = 0;
  WsaError last_error() const noexcept { return so_error_; }
  void set_last_error(WsaError error) noexcept { so_error_ = error; }
  /// @return nothing: it is not connected, or has no connections
  virtual std::optional<uint64_t> connected_since_ns() const noexcept { return std::nullopt; }
  virtual std::optional<uint32_t> path_mtu() const noexcept { return std::nullopt; }
  virtual std::optional<TcpInfo> info() const noexcept { return std::nullopt; }
  /// The longest message that can be sent. @return 0: no messages
  virtual uint32_t max_message_bytes() const noexcept { return 0; }
  /// SIO_FLUSH: overlapped sends of which nothing is on its way yet end with kOperationAborted.
  virtual void flush_sends() noexcept {}
  /// Posts the completion of an ioctl that is done.
  virtual void complete_ioctl(const Overlapped& tell, WsaError error);
  /// SIO_ADDRESS_LIST_CHANGE and SIO_ROUTING_INTERFACE_CHANGE, by their events' names. Blocks.
  /// @param to  where the route leads
  virtual Outcome await_change(const Overlapped& tell, uint32_t event, const IpAddress& to);
  virtual uint64_t readable_bytes() const noexcept { return inbox_.bytes(); }
  /// SIOCATMARK: no urgent data waits, or none that other data precedes (winsock-rules 170).
  virtual bool is_at_mark() const noexcept { return true; }
  virtual bool is_listening() const noexcept { return false; }
  virtual bool is_connected() const noexcept = 0;

  std::span<const SOCKET> twins() const noexcept {
    return listening == nullptr ? std::span<const SOCKET>{} : listening->twins;
  }

  Transport transport() const noexcept { return transport_; }
  uint8_t family() const noexcept { return family_; }
  bool is_bound() const noexcept { return is_bound_; }
  bool is_closed() const noexcept { return is_closed_; }
  const Endpoint& local() const noexcept { return local_; }

  // A dual-mode socket is of IPv6, but its addresses are those on the wire; callers see IPv4 mapped.

  /// As callers see it.
  Endpoint shown(Endpoint endpoint) const noexcept {
    const bool is_mapped = family_ == 6 && endpoint.address.family == 4;
    if (is_mapped) endpoint.address = mapped_of(endpoint.address);
    return endpoint;
  }
  /// The wildcard of both families: where a dual-mode socket is bound when nobody said.
  bool is_wildcard_of_both() const noexcept { return options.dual_mode && is_both(local_.address); }
  /// Its address lets it talk to addresses of this family.
  bool speaks(uint8_t family) const noexcept {
    return local_.address.family == family || is_wildcard_of_both();
  }
  static bool is_both(const IpAddress& wildcard) noexcept {
    return wildcard.family == 6 && is_any(wildcard);
  }
  virtual std::optional<Endpoint> peer() const noexcept = 0;
  Stack& stack() const noexcept { return stack_; }
  /// Descriptors of this socket; WSPDuplicateSocket makes more than one.
  uint32_t n_handles() const noexcept { return n_handles_; }

  // ---- loans ----

  /// Mbufs that they may still borrow, 0: they hold too much (contract: Z4).
  uint32_t loan_room() const noexcept;
  /// They gave back this many bytes.
  virtual void loans_returned(uint32_t /*bytes*/) noexcept {}

  // ---- what the Stack asks ----

  /// The turn's last word: completes what was filled, credits the window, wakes who waits.
  virtual void settle() noexcept;
  /// Those requests end with kOperationAborted. @return how many
  virtual uint32_t cancel(const Cancelled& which) noexcept;
  /// True while an overlapped request with this WSAOVERLAPPED and a completion routine is queued.
  virtual bool has_routine(const WSAOVERLAPPED& overlapped) const noexcept;
  /// The moment to try what failed for lack of memory.
  virtual void retry() noexcept {}
  /// Whether an ICMP error can be about what this socket sent: of several the highest answer gets
  /// it. @return negative: it cannot
  virtual int fits(const IcmpError& error) const noexcept = 0;
  /// @return false: the socket does not want to hear of it
  virtual bool on_icmp_error(const IcmpError& error) noexcept = 0;
  /// Our addresses of this family have changed, 0: none, and routes may have.
  void on_network_changed(uint8_t family) noexcept;
  /// A port is lost; if that cuts the socket off, it fails what waits (contract: E1).
  virtual void on_port_lost() noexcept = 0;

 protected:
  virtual ~Socket();

  /// What comes first in it, into the caches.
  void fetch_hot() const noexcept;

  /// Why a receive cannot start at all; kOk: it can. Does not look at the inbox.
  virtual WsaError receive_refusal(const ReceiveCall& call) const noexcept = 0;
  /// True when a receive with these flags can be answered now: data, end of stream, or a pending
  /// error.
  virtual bool can_take(uint32_t flags) const noexcept = 0;
  /// Answers a receive from what is there; only after can_take().
  virtual Outcome take(BufferCursor& to, uint32_t flags, const FromAddress& from) noexcept = 0;
  /// The same by lending; kMsgSize and kNoBufs take nothing.
  virtual Outcome take_loans(LoanCursor& to, const FromAddress& from) noexcept = 0;
  /// True when nothing can arrive before a caller gives something back.
  virtual bool is_shut_by_loans() const noexcept { return false; }
  /// Takes the pcb away from lwIP. @param graceful  false: reset
  virtual void release_pcb(bool graceful) noexcept = 0;
  /// SO_LINGER with a time: waits until all is acknowledged. @return false: time ran out
  virtual bool linger(uint64_t /*deadline_ns*/) { return true; }

  bool claim(Endpoint& endpoint, WsaError& error);
  /// Blocks until the waiter is notified, the time is over, or the call is cancelled.
  WaitEnd block(Waiter& waiter, uint64_t deadline_ns) noexcept {
    return stack_.block(waiter, deadline_ns);
  }
  uint64_t deadline_after(uint32_t timeout_ms) const noexcept;
  /// Blocks until ready() holds, the socket is closed, or the deadline passes.
  template <typename Ready>
  WsaError block_until(uint64_t deadline_ns, Ready ready);
  /// Flags that no receive takes, or not together (winsock-rules 128, 130; contract: B13).
  WsaError flags_refusal(const ReceiveCall& call, uint32_t known) const noexcept;
  static bool waits_for_all(const Request& request) {
    return (request.flags & WS_MSG_WAITALL) != 0;
  }
  /// What an overlapped operation has still to do.
  struct Work {
    std::span<const WSABUF> buffers;
    uint32_t flags = 0;
    uint32_t done_bytes = 0;
    FromAddress from = {};
    const LoanCursor* loans = nullptr;
  };
  /// Queues it: kIoPending, or kWouldBlock with too many queued (contract: E10).
  Outcome start(RequestQueue& queue, const Overlapped& tell, const Work& work);
  /// Blocks until the request, which lies on the caller's stack, was served in its turn.
  Outcome wait_for(RequestQueue& queue, Request& request, uint32_t timeout_ms) noexcept;
  /// Takes the request off its queue and tells its caller.
  void finish(RequestQueue& queue, Request& request, WsaError error) noexcept;
  void finish_all(RequestQueue& queue, WsaError error) noexcept;
  /// An operation that was done at once completes as well; one that failed does not (C2, C4).
  void complete_now(const Overlapped& tell, const Outcome& outcome);
  /// The one place that tells: wakes who waits in a call or in select, records network events.
  void readiness_changed() noexcept;
  /// FD_READ and its kin, as they are true now, whatever is selected.
  virtual uint32_t events_now() const noexcept = 0;
  /// What goes with FD_CONNECT or FD_CLOSE.
  virtual WsaError event_error(uint32_t /*event*/) const noexcept { return WsaError::kOk; }
  void note_arrival(uint32_t events) noexcept {
    if (events_ != nullptr) events_->note_arrival(events);
  }
  /// The end of a receive, however it ends, allows FD_READ and FD_OOB (winsock-rules 146).
  class Receiving;
  /// The end of a turn in which connections may have come: an AcceptEx takes them, or they are told of.
  void announce_connections() noexcept;
  /// Of one queue. @return how many
  uint32_t cancel_in(RequestQueue& queue, const Cancelled& which) noexcept;

 private:
  friend class Stack;
  void reset_pending() noexcept;  ///< connections that nobody has accepted
  WsaError loan_refusal(const ReceiveCall& call) noexcept;
  Outcome answer(const ReceiveCall& call, BufferCursor& to) noexcept;
  Outcome peek_blocking(RequestQueue& line, const ReceiveCall& call);
  void record_events() noexcept;

  // What each segment and each call touches comes first, up to the options: with a hundred thousand
  // sockets a line of the cache less is a miss less.
  bool is_dirty_ = false;

 protected:
  bool is_bound_ = false;
  bool is_closed_ = false;
  bool receive_is_shut_ = false;
  bool send_is_shut_ = false;
  const Transport transport_;
  const uint8_t family_;
  Stack& stack_;
  Inbox inbox_;
  RequestQueue receives_;
  WsaError so_error_ = WsaError::kOk;

 private:
  uint32_t n_refs_ = 1;
  WaitLink* waiters_ = nullptr;
  std::unique_ptr<NetworkEvents> events_;  ///< null: nothing was ever selected

 public:
  std::unique_ptr<Listening> listening;  ///< null: it never listened
 protected:
  RequestQueue sends_;
  RequestQueue disconnects_;

 public:
  SocketOptions options;

 private:
  uint32_t n_handles_ = 0;

 public:
  PortLink port_link;
  LoanAccount loans;  ///< what the callers of this socket hold; kept by Loans
  SOCKET accepting_on = 0;  ///< an AcceptEx on this listener is going to use this socket
  const WSAOVERLAPPED* accepting = nullptr;
  Context context = Context::kWhole;
  bool was_reused = false;

 protected:
  Endpoint local_;
  RequestQueue urgent_receives_;  ///< with MSG_OOB
};

class Socket::Receiving {
 public:
  explicit Receiving(Socket& socket) noexcept : socket_(socket) {}
  ~Receiving() {
    if (socket_.events_ != nullptr) socket_.allow_events(FD_READ | FD_OOB);
  }
  Receiving(const Receiving&) = delete;
  Receiving& operator=(const Receiving&) = delete;

 private:
  Socket& socket_;
};

template <typename Ready>
WsaError Socket::block_until(uint64_t deadline_ns, Ready ready) {
  Waiter waiter;
  WaitLink link{&waiter, nullptr};
  add_waiter(link);
  WaitEnd end = WaitEnd::kReady;
  while (!is_closed_ && !ready() && end == WaitEnd::kReady) end = block(waiter, deadline_ns);
  remove_waiter(link);
  if (is_closed_) return WsaError::kIntr;
  if (end == WaitEnd::kReady || ready()) return WsaError::kOk;
  return end == WaitEnd::kCancelled ? WsaError::kIntr : WsaError::kTimedOut;
}

}  // namespace millrace
