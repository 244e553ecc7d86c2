// SPDX-License-Identifier: BSD-3-Clause
// A Stack is one lwIP instance on one queue of its ports, with its timers and sockets, under one lock.
//
//   turn():  receive burst -> lwIP -> sockets    timers    sockets settle    transmit burst
//
// Invariants: everything in a Stack is touched only with its lock held, and no application code runs
// under it: completions are posted under the lock and shown by Guard after it. Nobody owns a thread
// here: whoever waits turns (wait()), and a Keeper turns when nobody did for a millisecond.
//
// A process may have several, each in a copy of its own of this code, since lwIP's state is in globals
// (engines.h). What is called from outside of the copy is therefore virtual; the linker refuses the
// rest (tests/CMakeLists.txt, one_engine).
#pragma once

#include <pthread.h>

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
#include "stack/network_events.h"
#include "stack/queries.h"
#include "stack/request.h"
#include "stack/stages.h"
#include "stack/wait.h"

struct netif;
struct pbuf;

namespace millrace {

struct IcmpError;
class Demux;
class Dhcp;
class Gate;
class Neighbors;
class Netif;
class PathMtus;
class Pool;
class Port;
class Routes;
class Siblings;
class Socket;
class SctpEngine;
class SynCookies;
struct FourTuple;
struct PacketInfo;

/// Held by a Stack while it receives from, or sends to, a queue that others use, too.
struct SharedQueue {
  PoliteLock receiving, sending;
};

/// One queue of a configured port.
struct PortQueue {
  Port* port;
  uint16_t queue;
  const PortConfig* config;
  SharedQueue* shared = nullptr;  ///< null: no other Stack uses it
};

enum class Transport : uint8_t { kTcp, kUdp, kSctp };

class Stack {
 public:
  /// @param loop      a ring port of its own, for 127.0.0.1 and ::1
  /// @param siblings  null: it is the only one
  /// @throws StartupError
  Stack(const Config& config, const Clock& clock, Pool& pool, Port& loop,
        std::span<const PortQueue> queues, Siblings* siblings = nullptr, uint32_t index = 0);
  virtual ~Stack();
  Stack(const Stack&) = delete;
  Stack& operator=(const Stack&) = delete;

  class Guard;

  // ---- turning; with the lock held ----

  /// One receive burst per interface, due timers, sockets that changed, one transmit burst.
  /// @return true if a frame was received, a connection's timer was served, or a completion waits to
  /// be shown
  bool turn() noexcept;
  /// The same for a call that must not wait, and from outside: who spins turns by it. Siblings that
  /// nobody turns are turned when the call is over.
  virtual bool spin() noexcept;
  /// Sends what calls have queued since the last turn.
  void flush() noexcept;
  /// Blocks until the waiter is notified; turns the Stack, or sleeps while another thread does.
  /// The lock is released meanwhile. @return false when the deadline (clock ns) passed first
  /// A poke ends it, too.
  virtual bool wait(Waiter& waiter, uint64_t deadline_ns) noexcept;
  /// The same for a blocking call: runs the thread's APCs and its blocking hook meanwhile, and ends
  /// when WSPCancelBlockingCall says so (winsock-rules 36, 203, 204).
  virtual WaitEnd block(Waiter& waiter, uint64_t deadline_ns) noexcept;
  /// Blocks until the operation's completion was shown. @errors kIntr: cancelled
  virtual WsaError wait_until_shown(const WSAOVERLAPPED& overlapped) noexcept;
  /// One round of waiting for it: until it was shown, the waiter is poked, or the deadline passed.
  virtual void watch_until_shown(Waiter& waiter, const WSAOVERLAPPED& overlapped,
                                 uint64_t deadline_ns) noexcept;
  /// Cancels what the thread, or any thread, is blocked in (contract: E3). @return how many calls
  virtual uint32_t cancel_blocked(std::optional<uint32_t> thread) noexcept;
  /// The thread exits: what it started ends with kOperationAborted (contract: B21).
  virtual void cancel_requests_of(uint32_t thread) noexcept;
  /// Ends every socket, and waits until the calls blocked in them have left. No new ones may come.
  virtual void end_calls() noexcept;
  /// The first half of it: closes every socket, so that who waits for one leaves.
  virtual void end_sockets() noexcept;
  /// Turns. @return true while closed connections have something to send: a program that sends,
  /// closes and cleans up expects its peer to get everything (winsock-rules 6)
  virtual bool finish_sending() noexcept;
  uint64_t now_ns() const noexcept { return clock_.now_ns(); }
  /// When somebody last turned; the Keeper's reason to act. Without the lock, too.
  uint64_t last_turn_ns() const noexcept { return last_turn_ns_.load(std::memory_order_relaxed); }
  bool is_turned_by(pthread_t thread) const noexcept {
    return last_turner_.load(std::memory_order_relaxed) == thread;
  }
  /// Turns unless somebody else does. Without any Stack's lock held. @return as turn()
  virtual bool turn_if_neglected() noexcept;
  /// One turn on the Keeper's account, unless somebody is inside. Without the lock.
  virtual void keep() noexcept;

  // ---- sockets; with the lock held ----

  /// A new socket without a handle. @return null: max_sockets or max_process_sockets are open, or no
  /// memory (WSAENOBUFS)
  virtual Socket* open(Transport transport, uint8_t family);
  /// Gives a socket its handle; the table holds one reference from now on.
  virtual SOCKET insert(Socket& socket);
  /// @return null for a handle that is not, or no longer, a socket's (contract: E7)
  Socket* find(SOCKET handle) const noexcept {
    const uint64_t index = handle >> kSlotShift & kSlotMask;
    if ((handle & kMarkMask) != kMark || index >= slots_.size()) return nullptr;
    const Slot& slot = slots_[index];
    return (handle >> kGenerationShift) == slot.generation ? slot.socket : nullptr;
  }
  /// The index of the Stack that a handle names; it may be anybody's.
  static uint32_t index_in(SOCKET handle) noexcept {
    return static_cast<uint32_t>(handle >> kIndexShift & kIndexMask);
  }
  /// The handle names another socket from now on; the table has a reference of its own.
  /// @return what it named before, with the table's reference
  virtual Socket* replace(SOCKET handle, Socket& by) noexcept;
  /// Takes the handle away and drops the table's reference.
  virtual void erase(SOCKET handle) noexcept;
  /// Another handle of the socket. @return INVALID_SOCKET: it has no other
  virtual SOCKET other_handle_of(const Socket& socket, SOCKET but) const noexcept;

  /// Registers a local endpoint. @errors kAddrInUse, kAcces, kAddrNotAvail  (winsock-rules 197, 198)
  WsaError claim(Socket& socket, Endpoint& wanted);
  /// Chooses a port for a connection from this address. @errors kNoBufs: all are in use to that peer
  WsaError claim_for(Socket& socket, Endpoint& local, const Endpoint& peer);
  /// A connection whose port its caller chose: its frames shall come here.
  /// @errors kAddrInUse: another Stack has the same connection
  WsaError pin(const FourTuple& tuple);
  void unclaim(Socket& socket) noexcept;
  /// Brings an ICMP error to the socket that it is about. @return false: there is none
  bool on_icmp_error(const IcmpError& error) noexcept;
  /// A datagram to a group or broadcast, its IP header gone: for each socket that wants it.
  /// @owner takes it
  void deliver_to_all(pbuf* datagram, netif& in) noexcept;
  /// What is about to be sent to a group, for those here that are in it.
  void loop_to_group(const pbuf& datagram, const Endpoint& source, const Endpoint& group,
                     const netif& on, const PacketInfo& info) noexcept;
  /// True while the port that the socket depends on is lost (removed, or without a link for good),
  /// or its address, which was a lease.
  bool is_cut_off(const Socket& socket) const noexcept {
    return (n_lost_ports_ != 0 || has_lost_address_) && depends_on_lost_port(socket);
  }
  /// Index of the interface, or of its link's, that has this address of ours. @return 0: none has
  virtual uint32_t interface_with(const IpAddress& address) const noexcept;
  virtual bool has_interface(uint32_t index) const noexcept;
  /// All addresses of ours, the loopback's first.
  virtual std::vector<LocalInterface> local_interfaces() const;
  /// The address that packets to there come from. @return nothing: there is no route
  virtual std::optional<IpAddress> source_toward(const IpAddress& destination) const noexcept;

  // ---- leases; with the lock held ----

  /// True when each interface that asks for an address has one.
  bool has_leases() noexcept;
  /// What a DHCP server gave for the link with this number, or nothing any more. Where the address
  /// comes from does not matter here: another Stack may have asked.
  void apply_lease(uint8_t link, const std::optional<Lease>& lease);
  /// Turns, while the program starts. @return has_leases()
  /// @throws StartupError  no, and dhcp_timeout_ms have passed
  virtual bool await_leases(uint64_t waited_ns);
  /// The client of dhcp.h has news.
  void note_lease(const netif& n, const std::optional<Lease>& lease) noexcept;
  /// True for an address of one of our interfaces, or the wildcard.
  bool is_own(const IpAddress& address) const noexcept;

  // ---- what sockets need of their Stack ----

  Request* new_request();
  void free_request(Request& request) noexcept;
  virtual void post(const Completion& completion);
  void post(const EventSignal& signal);
  /// Shows what is posted, and waits until other threads have shown what they took.
  void finish_showing() noexcept;
  /// Settle this socket before the turn ends (Socket::settle). Each at most once per turn.
  void mark_dirty(Socket& socket);
  /// Try again at the next fast timer: the socket found no memory, and no packet will wake it.
  void retry_later(Socket& socket);
  /// Less than an eighth of the mbufs was left lately: they are for acknowledgements and for those
  /// who read.
  bool mbufs_are_scarce() const noexcept { return mbufs_are_scarce_; }
  /// Half of the mbufs were left lately: a connection that is fast may hold more of them.
  bool mbufs_are_plenty() const noexcept { return mbufs_are_plenty_; }
  bool has_posted() const noexcept { return !posted_.empty() || !signals_.empty(); }
  /// True while a waiting thread turns the Stack.
  bool is_led() const noexcept { return leader_ != nullptr; }
  Application application;  ///< set once, before the first request

  StackLock& lock() noexcept { return lock_; }
  const Config& config() const noexcept { return config_; }
  uint64_t n_sockets() const noexcept { return n_sockets_; }
  /// Among its siblings.
  uint32_t index() const noexcept { return index_; }
  Siblings& siblings() const noexcept { return siblings_; }

  /// Bytes that an idle TCP connection holds: control block, socket, loss recovery, its share of the
  /// table in which it is found, its handle.
  virtual uint64_t bytes_per_connection() const noexcept;

  /// The sockets whose callers hold loans, in no order.
  virtual std::vector<LoanHolder> loan_holders() const;
  /// Takes back those loans that are this Stack's; their WSABUFs are left empty.
  /// @param[in,out] n_taken  grows by how many those were
  /// @param is_last  no sibling will be asked any more
  /// @errors kInval, for the last one: some were nobody's, or not with that length
  virtual WsaError take_back(std::span<WSABUF> loaned, size_t& n_taken, bool is_last) noexcept;

  /// Where lwIP's control blocks are; whoever calls lwIP for one goes through it.
  Demux& demux() noexcept { return *demux_; }

  /// Started by the first SCTP socket; on the first Stack only.
  SctpEngine& sctp();

  Counters counters;
  Loans loans;
  Stages stages;

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

  // A handle is a multiple of 4, as on Windows, and never 0 or INVALID_SOCKET:
  // | generation (32) | index of the Stack (5) | slot (24) | 1 | 00 |
  static constexpr unsigned kSlotShift = 3, kIndexShift = 27, kGenerationShift = 32;
  static constexpr uint64_t kMark = 4, kMarkMask = 7, kSlotMask = 0xffffff, kIndexMask = 31;

  SOCKET handle_of(uint64_t slot) const noexcept;
  virtual void leave() noexcept;
  bool is_time_to_sweep() noexcept;
  bool sweep() noexcept;
  bool take_over() noexcept;
  void unpin_what_is_gone() noexcept;
  void lead(Waiter& waiter, uint64_t deadline_ns) noexcept;
  void follow(Waiter& waiter, uint64_t deadline_ns) noexcept;
  void idle(uint64_t& idle_since_ns) noexcept;
  void let_others_run(uint64_t& idle_since_ns) noexcept;
  bool wait_with_hook(Waiter& waiter, uint64_t deadline_ns, const BlockingHook& hook) noexcept;
  void show_posted() noexcept;
  template <typename Sleep>
  void watch(Waiter& waiter, const WSAOVERLAPPED& overlapped, Sleep sleep) noexcept;
  void settle_dirty() noexcept;
  void run_timers(uint64_t now) noexcept;
  void run_second_timers() noexcept;
  void poll_links() noexcept;
  void count_mbufs() noexcept;
  void run_tenth_timers() noexcept;
  void ask_for_leases();
  void take_leases();
  template <typename Wants>
  uint32_t give_to_each(pbuf* datagram, const Endpoint& source, uint16_t port,
                        const PacketInfo& info, Wants wants);
  bool depends_on_lost_port(const Socket& socket) const noexcept;
  void tell_changes(uint8_t family) noexcept;
  void drain_lwip() noexcept;

  const Config config_;
  const Clock& clock_;
  Pool& pool_;
  StackLock lock_;
  std::unique_ptr<Demux> demux_;
  std::unique_ptr<Gate> gate_;
  std::unique_ptr<PathMtus> path_mtus_;
  std::unique_ptr<Neighbors> neighbors_;
  std::unique_ptr<SynCookies> syn_cookies_;
  std::unique_ptr<Routes> routes_;
  std::unique_ptr<SctpEngine> sctp_;  ///< null: nobody has asked for SCTP
  std::vector<std::unique_ptr<Netif>> netifs_;  ///< [0] is the loopback
  std::vector<Slot> slots_;
  std::vector<uint32_t> free_slots_;
  std::unique_ptr<Siblings> alone_;
  Siblings& siblings_;
  const uint32_t index_;
  std::vector<FourTuple> pins_;  ///< connections that Steering brings here against their hash
  bool wants_sweep_ = false;     ///< when the call in hand is over
  uint64_t n_sockets_ = 0;
  std::vector<Completion> posted_;
  std::vector<EventSignal> signals_;  ///< posted as well
  std::vector<Socket*> dirty_;
  std::vector<Socket*> retry_;
  std::vector<std::unique_ptr<Request>> free_requests_;
  bool mbufs_are_scarce_ = false;
  bool mbufs_are_plenty_ = true;
  uint32_t n_lost_ports_ = 0;
  bool has_lost_address_ = false;  ///< a lease ended once
  bool has_dhcp_ = false;          ///< an interface has its address by DHCP
  std::unique_ptr<Dhcp> dhcp_;     ///< of the first Stack, which asks for all
  uint32_t n_leases_seen_ = 0;     ///< Siblings::Leases
  uint32_t n_guards_ = 0;  ///< calls inside, blocked ones too
  Waiter* leader_ = nullptr;
  Waiter* followers_ = nullptr;
  Waiter* blocked_ = nullptr;  ///< in block()
  ResultWatch* watches_ = nullptr;
  std::atomic<uint32_t> n_showing_{0};  ///< threads that show completions just now
  /// Siblings look at these two, and nothing else of theirs is beside them in the caches.
  alignas(64) std::atomic<uint64_t> last_turn_ns_{0};
  std::atomic<pthread_t> last_turner_{};  ///< with siblings
  alignas(64) uint64_t next_sweep_ns_ = 0;
  std::atomic<bool> turns_siblings_{false};  ///< as of the last sweep: this thread is their turner, too
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
  ~Guard() { stack_.leave(); }
  Guard(const Guard&) = delete;
  Guard& operator=(const Guard&) = delete;

 private:
  Stack& stack_;
};

}  // namespace millrace
