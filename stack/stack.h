// SPDX-License-Identifier: BSD-3-Clause
// A Stack is one lwIP instance on one queue of its ports, with its timers and sockets, under one lock.
//
//   turn():  receive burst -> lwIP -> sockets    timers    sockets settle    transmit burst
//
// Invariants: everything in a Stack is touched only with its lock held, and no application code runs
// under it: completions are posted under the lock and shown by Guard after it. Nobody owns a thread
// here: whoever waits turns (wait()), and a Keeper turns when nobody did for a millisecond.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "dpdk_io/clock.h"
#include "stack/address.h"
#include "stack/application.h"
#include "stack/completion.h"
#include "stack/config.h"
#include "stack/counters.h"
#include "stack/loan.h"
#include "stack/lock.h"
#include "stack/port_table.h"
#include "stack/request.h"
#include "stack/wait.h"

struct netif;
struct pbuf;

namespace millrace {

struct IcmpError;
class Demux;
class Dhcp;
class Gate;
class Netif;
class Pool;
class Port;
class Routes;
class Socket;

/// One queue of a configured port.
struct PortQueue {
  Port* port;
  uint16_t queue;
  const PortConfig* config;
};

enum class Transport : uint8_t { kTcp, kUdp };

/// What a DHCP server gives.
struct Lease {
  Prefix address;
  std::optional<IpAddress> gateway;

  friend bool operator==(const Lease&, const Lease&) noexcept = default;
};

class Stack {
 public:
  /// @param loop  a ring port of its own, for 127.0.0.1 and ::1
  /// @throws StartupError
  Stack(const Config& config, const Clock& clock, Pool& pool, Port& loop,
        std::span<const PortQueue> queues);
  ~Stack();
  Stack(const Stack&) = delete;
  Stack& operator=(const Stack&) = delete;

  class Guard;

  // ---- turning; with the lock held ----

  /// One receive burst per interface, due timers, sockets that changed, one transmit burst.
  /// @return true if a frame was received, a connection's timer was served, or a completion waits to
  /// be shown
  bool turn() noexcept;
  /// Sends what calls have queued since the last turn.
  void flush() noexcept;
  /// Blocks until the waiter is notified; turns the Stack, or sleeps while another thread does.
  /// The lock is released meanwhile. @return false when the deadline (clock ns) passed first
  /// A poke ends it, too.
  bool wait(Waiter& waiter, uint64_t deadline_ns) noexcept;
  /// The same for a blocking call: runs the thread's APCs and its blocking hook meanwhile, and ends
  /// when WSPCancelBlockingCall says so (winsock-rules 36, 203, 204).
  WaitEnd block(Waiter& waiter, uint64_t deadline_ns) noexcept;
  /// Blocks until the operation's completion was shown. @errors kIntr: cancelled
  WsaError wait_until_shown(const WSAOVERLAPPED& overlapped) noexcept;
  /// Cancels what the thread is blocked in; if that is nothing, what any thread is blocked in
  /// (contract: E3). @return how many calls
  uint32_t cancel_blocked(uint32_t thread) noexcept;
  /// The thread exits: what it started ends with kOperationAborted (contract: B21).
  void cancel_requests_of(uint32_t thread) noexcept;
  /// Ends every socket, and waits until the calls blocked in them have left. No new ones may come.
  void end_calls() noexcept;
  /// Turns until closed connections have sent all they had: a program that sends, closes and cleans
  /// up expects its peer to get everything (winsock-rules 6).
  void finish_sending(uint64_t deadline_ns) noexcept;
  uint64_t now_ns() const noexcept { return clock_.now_ns(); }
  /// When somebody last turned; the Keeper's reason to act.
  uint64_t last_turn_ns() const noexcept { return last_turn_ns_; }

  // ---- sockets; with the lock held ----

  /// A new socket without a handle. @return null: max_sockets are open (WSAEMFILE)
  Socket* open(Transport transport, uint8_t family);
  /// Gives a socket its handle; the table holds one reference from now on.
  SOCKET insert(Socket& socket);
  /// @return null for a handle that is not, or no longer, a socket's (contract: E7)
  Socket* find(SOCKET handle) const noexcept;
  /// Takes the handle away and drops the table's reference.
  void erase(SOCKET handle) noexcept;

  /// Registers a local endpoint. @errors kAddrInUse, kAcces, kAddrNotAvail  (winsock-rules 197, 198)
  WsaError claim(Socket& socket, Endpoint& wanted);
  /// Chooses a port for a connection from this address. @errors kNoBufs: all are in use to that peer
  WsaError claim_for(Socket& socket, Endpoint& local, const Endpoint& peer);
  void unclaim(Socket& socket) noexcept;
  /// Brings an ICMP error to the socket that it is about. @return false: there is none
  bool on_icmp_error(const IcmpError& error) noexcept;
  /// A datagram to a group or broadcast, its IP header gone: for each socket that wants it.
  /// @owner takes it
  void deliver_to_all(pbuf* datagram, netif& in) noexcept;
  /// What is about to be sent to a group, for those here that are in it.
  void loop_to_group(const pbuf& datagram, const Endpoint& source, const Endpoint& group,
                     const netif& on) noexcept;
  /// True while the port that the socket depends on is lost (removed, or without a link for good),
  /// or its address, which was a lease.
  bool is_cut_off(const Socket& socket) const noexcept {
    return (n_lost_ports_ != 0 || has_lost_address_) && depends_on_lost_port(socket);
  }
  /// Index of the interface, or of its link's, that has this address of ours. @return 0: none has
  uint32_t interface_with(const IpAddress& address) const noexcept;
  bool has_interface(uint32_t index) const noexcept;

  // ---- leases; with the lock held ----

  /// True when each interface that asks for an address has one.
  bool has_leases() noexcept;
  /// What a DHCP server gave for the link with this number, or nothing any more. Where the address
  /// comes from does not matter here: another Stack may have asked.
  void apply_lease(uint8_t link, const std::optional<Lease>& lease);
  /// Blocks until has_leases(). @throws StartupError  dhcp_timeout_ms passed
  void wait_for_leases();
  /// The client of dhcp.h has news.
  void note_lease(const netif& n, const std::optional<Lease>& lease) noexcept;
  /// True for an address of one of our interfaces, or the wildcard.
  bool is_own(const IpAddress& address) const noexcept;

  // ---- what sockets need of their Stack ----

  Request* new_request();
  void free_request(Request& request) noexcept;
  void post(const Completion& completion);
  /// Settle this socket before the turn ends (Socket::settle). Each at most once per turn.
  void mark_dirty(Socket& socket);
  /// Try again at the next fast timer: the socket found no memory, and no packet will wake it.
  void retry_later(Socket& socket);
  /// Less than an eighth of the mbufs was left lately: they are for acknowledgements and for those
  /// who read.
  bool mbufs_are_scarce() const noexcept { return mbufs_are_scarce_; }
  bool has_posted() const noexcept { return !posted_.empty(); }
  /// True while a waiting thread turns the Stack.
  bool is_led() const noexcept { return leader_ != nullptr; }
  Application application;  ///< set once, before the first request

  StackLock& lock() noexcept { return lock_; }
  const Config& config() const noexcept { return config_; }
  uint64_t n_sockets() const noexcept { return n_sockets_; }

  /// The sockets whose callers hold loans, in no order.
  std::vector<LoanHolder> loan_holders() const;

  /// Where lwIP's control blocks are; whoever calls lwIP for one goes through it.
  Demux& demux() noexcept { return *demux_; }

  Counters counters;
  Loans loans;

 private:
  friend class Socket;
  struct Slot {
    Socket* socket = nullptr;
    uint32_t generation = 1;
  };

  /// A thread in wait_until_shown().
  struct ResultWatch {
    const WSAOVERLAPPED* overlapped;
    Waiter* waiter;
    ResultWatch* next;
  };

  SOCKET handle_of(uint64_t slot) const noexcept;
  void lead(Waiter& waiter, uint64_t deadline_ns) noexcept;
  void follow(Waiter& waiter, uint64_t deadline_ns) noexcept;
  void idle(uint64_t& idle_since_ns) noexcept;
  bool wait_with_hook(Waiter& waiter, uint64_t deadline_ns, const BlockingHook& hook) noexcept;
  void show_posted() noexcept;
  void settle_dirty() noexcept;
  void run_timers(uint64_t now) noexcept;
  void run_second_timers() noexcept;
  void poll_links() noexcept;
  void count_mbufs() noexcept;
  void run_tenth_timers() noexcept;
  void ask_for_leases();
  void take_leases();
  template <typename Wants>
  uint32_t give_to_each(pbuf* datagram, const Endpoint& source, uint16_t port, Wants wants);
  bool depends_on_lost_port(const Socket& socket) const noexcept;
  void drain_lwip() noexcept;

  const Config config_;
  const Clock& clock_;
  Pool& pool_;
  StackLock lock_;
  std::unique_ptr<Demux> demux_;
  std::unique_ptr<Gate> gate_;
  std::unique_ptr<Routes> routes_;
  std::vector<std::unique_ptr<Netif>> netifs_;  ///< [0] is the loopback
  std::vector<Slot> slots_;
  std::vector<uint32_t> free_slots_;
  PortTable ports_;
  uint64_t n_sockets_ = 0;
  std::vector<Completion> posted_;
  std::vector<Socket*> dirty_;
  std::vector<Socket*> retry_;
  std::vector<std::unique_ptr<Request>> free_requests_;
  bool mbufs_are_scarce_ = false;
  uint32_t n_lost_ports_ = 0;
  bool has_lost_address_ = false;  ///< a lease ended once
  std::unique_ptr<Dhcp> dhcp_;     ///< if an interface asks for an address
  uint32_t n_guards_ = 0;  ///< calls inside, blocked ones too
  Waiter* leader_ = nullptr;
  Waiter* followers_ = nullptr;
  Waiter* blocked_ = nullptr;  ///< in block()
  ResultWatch* watches_ = nullptr;
  std::atomic<uint32_t> n_showing_{0};  ///< threads that show completions just now
  uint64_t last_turn_ns_ = 0;
  uint64_t next_timer_ns_ = 0;
  uint64_t next_slow_ns_ = 0;
  uint64_t next_second_ns_ = 0;
  uint64_t next_tenth_ns_ = 0;
};

/// Holds the lock; on the way out sends what was queued, unlocks, and shows completions.
class Stack::Guard {
 public:
  explicit Guard(Stack& stack) noexcept : stack_(stack) {
    stack_.lock_.lock();
    ++stack_.n_guards_;
  }
  ~Guard() {
    --stack_.n_guards_;
    stack_.flush();
    if (stack_.has_posted()) {
      stack_.show_posted();  // unlocks
    } else {
      stack_.lock_.unlock();
    }
  }
  Guard(const Guard&) = delete;
  Guard& operator=(const Guard&) = delete;

 private:
  Stack& stack_;
};

}  // namespace millrace
