// SPDX-License-Identifier: BSD-3-Clause
// Registered I/O: buffers, request queues and completion queues. See RIO.md.
//
//   RIOReceive ──► RioRequest ──► Socket::receive ──► ... ──► Completion ──► on_rio_end
//       ▲          (a block of       the same way as every other receive          │
//       │           the slab)                                                     ▼
//       └────────── RequestSlab ◄── CompletionQueue::pop ◄── CompletionQueue::push
//
// Invariant: a block is at home in its slab, or its request is outstanding: deferred, pending in a
// Socket, or finished and in the completion queue. As many blocks exist as requests are allowed,
// and a completion queue is a list of blocks; so no request allocates, and no completion lacks
// room.
//
// Request queues and completion queues are each used by one thread at a time, as on Windows. What
// comes from Stacks may come from any thread: it meets the program's own under the completion
// queue's lock.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "mswsock.h"
#include "stack/completion.h"
#include "stack/lock.h"
#include "stack/socket.h"

namespace millrace {

class RequestSlab;

/// One RIOReceive or RIOSend.
struct RioRequest : Finisher {
  explicit RioRequest(RequestSlab& home) noexcept;

  RequestSlab& slab;
  RioRequest* next = nullptr;  ///< in whichever list it is
  WSAOVERLAPPED overlapped{};  ///< by which the Socket knows it
  RIORESULT result{};
  WSABUF data{};                  ///< without memory: the payload is not wanted
  /// The name is a SOCKADDR_INET to be filled, or to send to; Control is the RIO_CMSG_BUFFER without its
  /// head, or null.
  WSAMSG message{};
  WS_sockaddr* local = nullptr;
  char* flags_out = nullptr;  ///< a ULONG
  DWORD flags = 0;            ///< RIO_MSG_
};

/// How a completion queue tells that it is not empty.
using Notification = RIO_NOTIFICATION_COMPLETION;

/// Tells; without any lock.
void tell(const Notification& how) noexcept;

/// Finished requests, first in, first out, and the room that their queues have reserved.
class CompletionQueue : public std::enable_shared_from_this<CompletionQueue> {
 public:
  /// @param notification  null: the program polls
  CompletionQueue(uint32_t size, const Notification* notification) noexcept;

  /// Room for that many more requests. @return false: it is not there
  bool reserve(uint32_t n) noexcept;
  void release(uint32_t n) noexcept;
  /// @errors kTooManyRefs: more is reserved
  WsaError resize(uint32_t size) noexcept;
  /// A request has finished, by any thread. Tells, if that is due.
  /// @param stack  whose lock is held, and which tells after it; null: none is
  void push(RioRequest& request, Stack* stack) noexcept;
  /// Takes results, as many as there are and fit; their blocks go home.
  uint32_t pop(std::span<RIORESULT> to) noexcept;
  /// Tells once, as soon as it has a completion that is worth telling (winsock-rules 209).
  /// @errors kInval: the program polls; kAlready: that is due already
  WsaError notify() noexcept;
  /// What it has, and what still comes, is dropped.
  void close() noexcept;
  bool is_closed() const noexcept { return is_closed_.load(std::memory_order_relaxed); }

  /// Requests for it come from a socket of this Stack.
  void add_stack(uint32_t index) noexcept { stacks_.fetch_or(1u << index); }
  /// One turn of the Stacks that it is fed by.
  void turn() noexcept;

 private:
  friend class RequestSlab;
  /// Tells when the Stack's lock is left.
  struct Teller : Finisher {
    explicit Teller(CompletionQueue& q) noexcept : Finisher{on_tell}, queue(q) {}
    CompletionQueue& queue;
  };
  static bool on_tell(Finisher& self, Completion& completion) noexcept;
  RequestSlab* send_home(RioRequest& request) noexcept;

  PoliteLock lock_;  // of what follows, and of each slab's returned blocks
  RioRequest* head_ = nullptr;
  RioRequest** tail_ = &head_;
  std::atomic<uint32_t> n_{0};
  uint32_t n_worth_telling_ = 0;  ///< without RIO_MSG_DONT_NOTIFY
  uint32_t size_;
  uint32_t reserved_ = 0;
  bool is_armed_ = false;
  std::atomic<bool> is_closed_{false};
  const bool has_notification_;
  const Notification notification_;
  Teller teller_{*this};
  uint32_t n_telling_ = 0;
  std::shared_ptr<CompletionQueue> kept_;  ///< itself, while it is telling
  std::atomic<uint32_t> stacks_{0};        ///< a bit for each
};

/// The requests of one direction that a socket may have outstanding. It lives until the last of its
/// blocks is at home and its socket is closed.
class RequestSlab {
 public:
  RequestSlab(std::shared_ptr<CompletionQueue> completions, bool sends,
              void* socket_context) noexcept
      : completions_(std::move(completions)), sends_(sends), socket_context_(socket_context) {}

  /// @errors kNoBufs: no memory, or no room in the completion queue; kTooManyRefs: more are
  /// outstanding
  WsaError resize(uint32_t limit) noexcept;
  /// @return null: as many as allowed are outstanding
  RioRequest* take() noexcept;
  /// It was not started.
  void put_back(RioRequest& request) noexcept;
  /// It waits for a commit. Commits may come from other threads.
  void defer(RioRequest& request) noexcept;
  /// All that was deferred, in order. With the Stack's lock, so that commits do not overtake each
  /// other.
  RioRequest* take_deferred() noexcept;
  /// The socket is closed: deferred requests end, and the slab goes with its last block.
  static void abandon(std::unique_ptr<RequestSlab> slab) noexcept;

  CompletionQueue& completions() const noexcept { return *completions_; }
  uint32_t limit() const noexcept { return limit_; }
  bool sends() const noexcept { return sends_; }
  void* socket_context() const noexcept { return socket_context_; }

 private:
  friend class CompletionQueue;
  struct alignas(RioRequest) Storage {
    std::byte bytes[sizeof(RioRequest)];
  };

  uint32_t n_outstanding() const noexcept { return n_made_ - n_free_; }
  void collect() noexcept;
  void make() noexcept;

  const std::shared_ptr<CompletionQueue> completions_;
  const bool sends_;
  void* const socket_context_;
  uint32_t limit_ = 0;
  uint32_t n_made_ = 0;  ///< blocks that were ever used
  uint32_t n_free_ = 0;
  RioRequest* free_ = nullptr;
  std::vector<std::unique_ptr<Storage[]>> chunks_;  ///< together room for the highest limit so far
  uint32_t n_left_in_chunk_ = 0;                    ///< of the last one
  std::atomic<RioRequest*> deferred_{nullptr};      ///< the last one first

  // With the completion queue's lock:
  RioRequest* returned_ = nullptr;
  uint32_t n_returned_ = 0;
  bool is_abandoned_ = false;
  uint32_t n_awaited_ = 0;  ///< blocks that were out when it was abandoned, and still are
};

/// A socket with its two queues: what a RIO_RQ names.
struct RioSocket {
  std::atomic<SOCKET> inner{INVALID_SOCKET};  ///< a first_handle(); another descriptor's once that is closed
  Transport transport = Transport::kTcp;
  std::unique_ptr<RequestSlab> receives, sends;
};

/// A part of a registered buffer. @param least  bytes that it has to have at least
///
/// @errors kFault: the slice, the buffer or its memory is not there; kInval: it reaches beyond the
/// buffer,
///         or is too short
WsaError find_memory(const RIO_BUF* slice, bool is_written, uint32_t least,
                     WSABUF& memory) noexcept;

/// By the handles of programs. @return null: no such thing
CompletionQueue* find_completion_queue(RIO_CQ handle) noexcept;
std::shared_ptr<CompletionQueue> share_completion_queue(RIO_CQ handle) noexcept;

/// What SIO_GET_MULTIPLE_EXTENSION_FUNCTION_POINTER hands out.
const RIO_EXTENSION_FUNCTION_TABLE& rio_functions() noexcept;

/// The last descriptor was closed: its request queue is no more. Without any Stack's lock.
/// @param first  the descriptor's first_handle()
void end_rio_socket(SOCKET first) noexcept;
/// A descriptor is about to be closed, and the socket lives on: so does its request queue. With the Stack's lock.
void pass_rio_socket(SOCKET first, Socket& socket) noexcept;

/// The provider has ended: all queues and buffers are gone.
void end_registered_io() noexcept;
void forget_completion_queues() noexcept;
void forget_buffers() noexcept;

// Their prototypes are those of mswsock.h; errors by GetLastError.
RIO_BUFFERID PASCAL rio_register_buffer(PCHAR DataBuffer, DWORD DataLength) noexcept;
VOID PASCAL rio_deregister_buffer(RIO_BUFFERID BufferId) noexcept;
RIO_CQ PASCAL rio_create_completion_queue(
    DWORD QueueSize, PRIO_NOTIFICATION_COMPLETION NotificationCompletion) noexcept;
VOID PASCAL rio_close_completion_queue(RIO_CQ CQ) noexcept;
BOOL PASCAL rio_resize_completion_queue(RIO_CQ CQ, DWORD QueueSize) noexcept;
ULONG PASCAL rio_dequeue_completion(RIO_CQ CQ, PRIORESULT Array, ULONG ArraySize) noexcept;
INT PASCAL rio_notify(RIO_CQ CQ) noexcept;
RIO_RQ PASCAL rio_create_request_queue(SOCKET Socket, ULONG MaxOutstandingReceive,
                                       ULONG MaxReceiveDataBuffers, ULONG MaxOutstandingSend,
                                       ULONG MaxSendDataBuffers, RIO_CQ ReceiveCQ, RIO_CQ SendCQ,
                                       PVOID SocketContext) noexcept;
BOOL PASCAL rio_resize_request_queue(RIO_RQ RQ, DWORD MaxOutstandingReceive,
                                     DWORD MaxOutstandingSend) noexcept;

/// By its handle. @return null: no such queue, or its socket is closed
RioSocket* find_rio_socket(RIO_RQ handle) noexcept;

/// rio_requests.cc: RIOReceive and its kin.
BOOL PASCAL rio_receive(RIO_RQ SocketQueue, PRIO_BUF pData, ULONG DataBufferCount, DWORD Flags,
                        PVOID RequestContext) noexcept;
int PASCAL rio_receive_ex(RIO_RQ SocketQueue, PRIO_BUF pData, ULONG DataBufferCount,
                          PRIO_BUF pLocalAddress, PRIO_BUF pRemoteAddress, PRIO_BUF pControlContext,
                          PRIO_BUF pFlags, DWORD Flags, PVOID RequestContext) noexcept;
BOOL PASCAL rio_send(RIO_RQ SocketQueue, PRIO_BUF pData, ULONG DataBufferCount, DWORD Flags,
                     PVOID RequestContext) noexcept;
BOOL PASCAL rio_send_ex(RIO_RQ SocketQueue, PRIO_BUF pData, ULONG DataBufferCount,
                        PRIO_BUF pLocalAddress, PRIO_BUF pRemoteAddress, PRIO_BUF pControlContext,
                        PRIO_BUF pFlags, DWORD Flags, PVOID RequestContext) noexcept;

}  // namespace millrace
