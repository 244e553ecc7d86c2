// SPDX-License-Identifier: BSD-3-Clause
#include "stack/socket.h"

#include <algorithm>
#include <cstring>

#include "stack/lwip/slab.h"
#include "stack/prefetch.h"
#include "stack/siblings.h"

namespace millrace {

void Socket::fetch_hot() const noexcept { fetch_lines(this, &options.send_timeout_ms + 1); }

Socket::Socket(Stack& stack, Transport transport, uint8_t family)
    : transport_(transport), family_(family), stack_(stack), local_{IpAddress::any(family), 0} {
  const Config& config = stack.config();
  options.no_delay = config.tcp.nodelay;
  options.timestamps = config.tcp.timestamps;
  options.keep_alive_time_ms = config.tcp.keepalive_time_ms;
  options.keep_alive_interval_ms = config.tcp.keepalive_interval_ms;
  options.receive_buffer_bytes = transport == Transport::kUdp ? config.udp.receive_buffer_bytes
                                                              : config.tcp.receive_window_bytes;
  options.send_buffer_bytes = config.tcp.send_buffer_bytes;
  ++stack_.n_sockets_;
}

Socket::~Socket() {
  --stack_.n_sockets_;
  stack_.siblings_.n_sockets.fetch_sub(1, std::memory_order_relaxed);
}

void* Socket::operator new(size_t bytes) noexcept { return millrace_slab_malloc(bytes); }

void Socket::operator delete(void* memory) noexcept { millrace_slab_free(memory); }

bool Socket::claim(Endpoint& endpoint, WsaError& error) {
  error = stack_.claim(*this, endpoint);
  if (error != WsaError::kOk) return false;
  local_ = endpoint;
  is_bound_ = true;
  return true;
}

WsaError Socket::close() {
  if (options.linger && options.linger_s != 0 && !is_closed_) {
    if (options.is_nonblocking && !linger(0)) return WsaError::kWouldBlock;
    const bool drained = linger(deadline_after(uint32_t{options.linger_s} * 1000));
    if (!drained) {
      reset();
      return WsaError::kOk;
    }
  }
  if (is_closed_) return WsaError::kOk;  // by another thread while this one lingered
  // What is outstanding ends with this (contract: E17).
  is_closed_ = true;
  reset_pending();
  release_pcb(!(options.linger && options.linger_s == 0));
  finish_all(receives_, WsaError::kOperationAborted);
  finish_all(urgent_receives_, WsaError::kOperationAborted);
  finish_all(sends_, WsaError::kOperationAborted);
  if (events_ != nullptr) finish_all(events_->changes, WsaError::kOperationAborted);
  if (listening != nullptr) finish_all(listening->accepts, WsaError::kOperationAborted);
  finish_all(disconnects_, WsaError::kOperationAborted);
  inbox_.clear();
  stack_.loans.reclaim(loans);
  if (is_bound_) stack_.unclaim(*this);
  is_bound_ = false;
  readiness_changed();
  return WsaError::kOk;
}

uint32_t Socket::loan_room() const noexcept {
  if (loans.n_mbufs != 0 && loans.bytes >= options.receive_buffer_bytes) return 0;
  const uint32_t most = stack_.config().stack.max_loans_per_socket;
  return std::min(most - std::min(most, loans.n_mbufs), stack_.loans.room());
}

void Socket::reset() noexcept {
  if (is_closed_) return;
  options.linger = true;
  options.linger_s = 0;
  (void)close();
}

void Socket::settle() noexcept { readiness_changed(); }

void Socket::readiness_changed() noexcept {
  for (WaitLink* link = waiters_; link != nullptr; link = link->next) link->waiter->notify();
  if (events_ != nullptr) record_events();
}

uint64_t Socket::deadline_after(uint32_t timeout_ms) const noexcept {
  return timeout_ms == 0 ? kNoDeadline : stack_.now_ns() + uint64_t{timeout_ms} * 1'000'000;
}

Outcome Socket::start(RequestQueue& queue, const Overlapped& tell, const Work& work) {
  if (tell.is_limited && queue.size() >= stack_.config().stack.max_requests_per_socket) {
    return {WsaError::kWouldBlock};  // contract: E10
  }
  Request& request = *stack_.new_request();
  if (work.loans != nullptr) {
    request.loans = *work.loans;
  } else {
    request.capture(work.buffers);
    request.cursor.skip(work.done_bytes);
  }
  request.bytes = work.done_bytes;
  request.flags = work.flags;
  request.from_copy = work.from;
  request.from = &request.from_copy;
  request.tell = tell;
  (void)stack_.stages.take_sample();  // what MSG_WAITALL has got so far does not tell anybody
  mark_pending(*tell.overlapped);
  queue.push(request);
  ++stack_.counters.requests_started;
  return {WsaError::kIoPending};  // contract: E16 B3
}

Outcome Socket::wait_for(RequestQueue& queue, Request& request, uint32_t timeout_ms) noexcept {
  Waiter waiter;
  request.waiter = &waiter;
  (void)stack_.stages.take_sample();  // as in start()
  queue.push(request);
  const uint64_t deadline = deadline_after(timeout_ms);
  while (!request.is_done) {
    const WaitEnd end = block(waiter, deadline);
    if (end == WaitEnd::kReady || request.is_done) continue;
    queue.remove(request);
    // What went before the end counts: nothing is lost, and the stream stays whole.
    if (request.bytes != 0) return {WsaError::kOk, request.bytes, request.outcome.flags};
    return {end == WaitEnd::kCancelled ? WsaError::kIntr : WsaError::kTimedOut};
  }
  stack_.stages.resume(request.sampled_ns);
  return request.outcome;
}

void Socket::finish(RequestQueue& queue, Request& request, WsaError error) noexcept {
  queue.remove(request);
  request.outcome.error = error;
  request.outcome.bytes = request.bytes;
  if (request.waiter != nullptr) {
    request.is_done = true;
    if (request.sampled_ns != 0) [[unlikely]] {
      request.sampled_ns = stack_.stages.on_told(request.sampled_ns);
    }
    // A blocking call that another thread's close ends (winsock-rules 133).
    if (error == WsaError::kOperationAborted) request.outcome.error = WsaError::kIntr;
    request.waiter->notify();
    return;
  }
  if (request.loans.is_set()) request.loans.report();
  const PacketTarget target = request.tell.has_packet ? port_link.target : PacketTarget{};
  stack_.post({request.tell, request.outcome, this, target, {request.sampled_ns, stack_.index()}});
  stack_.free_request(request);
}

void Socket::complete_now(const Overlapped& tell, const Outcome& outcome) {
  if (tell.overlapped == nullptr || outcome.error != WsaError::kOk) return;
  const bool has_packet = tell.has_packet && !port_link.skips_success;  // winsock-rules 67
  stack_.post({tell, outcome, this, has_packet ? port_link.target : PacketTarget{},
               {stack_.stages.take_sample(), stack_.index()}});
}

uint32_t Socket::cancel(const Cancelled& which) noexcept {
  uint32_t n = 0;
  RequestQueue* const changes = events_ == nullptr ? nullptr : &events_->changes;
  RequestQueue* const accepts = listening == nullptr ? nullptr : &listening->accepts;
  for (RequestQueue* queue :
       {&receives_, &urgent_receives_, &sends_, &disconnects_, accepts, changes}) {
    if (queue != nullptr) n += cancel_in(*queue, which);
  }
  return n;
}

Outcome Socket::start_accept(const Overlapped& tell) {
  return listening == nullptr ? Outcome{WsaError::kInval} : start(listening->accepts, tell, {});
}

Completion Socket::take_accept() noexcept {
  Request& request = *listening->accepts.front();
  const PacketTarget target = request.tell.has_packet ? port_link.target : PacketTarget{};
  const Completion completion{request.tell, {}, this, target};
  listening->accepts.pop();
  stack_.free_request(request);
  return completion;
}

uint32_t Socket::cancel_in(RequestQueue& queue, const Cancelled& which) noexcept {
  uint32_t n = 0;
  for (Request* request = queue.front(); request != nullptr;) {
    Request* const next = request->next;
    const Overlapped& tell = request->tell;
    // Whoever takes packets needs no thread that started the operation (winsock-rules 142).
    const bool outlives_thread = which.thread_ends && port_link.target.port != nullptr &&
                                 tell.event == nullptr && tell.routine == nullptr;
    const bool is_meant = request->waiter == nullptr && !outlives_thread &&
                          (which.thread == 0 || tell.owner == which.thread) &&
                          (which.overlapped == nullptr || tell.overlapped == which.overlapped);
    if (is_meant) {
      if (which.thread_ends) request->tell.routine = nullptr;  // it has nowhere to run
      // What MSG_WAITALL has got so far is not lost (winsock-rules 141).
      const bool has_bytes = &queue != &sends_ && request->bytes != 0;
      finish(queue, *request, has_bytes ? WsaError::kOk : WsaError::kOperationAborted);
      ++n;
    }
    request = next;
  }
  return n;
}

bool Socket::has_routine(const WSAOVERLAPPED& overlapped) const noexcept {
  for (const RequestQueue* queue : {&receives_, &urgent_receives_, &sends_}) {
    for (const Request* request = queue->front(); request != nullptr; request = request->next) {
      if (request->tell.overlapped == &overlapped) return request->tell.routine != nullptr;
    }
  }
  return false;
}

void Socket::finish_all(RequestQueue& queue, WsaError error) noexcept {
  while (!queue.empty()) finish(queue, *queue.front(), error);
}

}  // namespace millrace
