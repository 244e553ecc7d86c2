// SPDX-License-Identifier: BSD-3-Clause
#include "stack/sctp_engine.h"

#include <arpa/inet.h>
#include <sodium.h>
#include <usrsctp.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "stack/sctp.h"
#include "stack/stack.h"

namespace millrace {
namespace {

constexpr uint64_t kIdleNs = 300'000'000'000;  // beyond the 180 s after which a shutdown gives up (T5)
constexpr size_t kFirstChunkAt = 12;           // behind the common header (RFC 9260 3.1)
constexpr uint8_t kCookieEcho = 10;
constexpr uint32_t kEndingSteps = 400;         // of a second each, when everything ends

sockaddr_conn address_of(uint64_t number, uint16_t port) {
  sockaddr_conn address{};
  address.sconn_family = AF_CONN;
  address.sconn_port = htons(port);
  address.sconn_addr = reinterpret_cast<void*>(number);
  return address;
}

uint64_t number_in(const sockaddr_conn& address) { return reinterpret_cast<uint64_t>(address.sconn_addr); }

uint32_t n_accepted() {
  sctpstat all;
  usrsctp_get_stat(&all);
  return all.sctps_passiveestab;
}

void nobody_listens(SctpEndpoint*, void*, int) {}

template <typename T>
bool set(SctpEndpoint* endpoint, int option, const T& value) {
  return usrsctp_setsockopt(endpoint, IPPROTO_SCTP, option, &value, sizeof value) == 0;
}

/// Each is announced in its place between the messages.
void ask_for(SctpEndpoint* endpoint, uint16_t notification) {
  sctp_event event{};
  event.se_assoc_id = SCTP_ALL_ASSOC;
  event.se_type = notification;
  event.se_on = 1;
  (void)set(endpoint, SCTP_EVENT, event);
}

/// What a connection has and accepted ones inherit: ends of messages are marked by hand, since a message may
/// be longer than the send buffer, and a part of one is news, since somebody may want parts (RFC 6458 8.1.21).
void set_up(SctpEndpoint* endpoint) {
  (void)usrsctp_set_non_blocking(endpoint, 1);
  (void)set(endpoint, SCTP_EXPLICIT_EOR, 1);
  (void)set(endpoint, SCTP_PARTIAL_DELIVERY_POINT, uint32_t{1});
  for (const int news : {SCTP_ASSOC_CHANGE, SCTP_SHUTDOWN_EVENT, SCTP_SEND_FAILED_EVENT}) {
    ask_for(endpoint, static_cast<uint16_t>(news));
  }
}

}  // namespace

void close_sctp(SctpEndpoint* endpoint, bool graceful) noexcept {
  (void)usrsctp_set_upcall(endpoint, nobody_listens, nullptr);
  const linger at_once{graceful ? 0 : 1, 0};
  (void)usrsctp_setsockopt(endpoint, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  usrsctp_close(endpoint);
}

SctpEngine::SctpEngine(Stack& stack) : stack_(stack), last_tick_ns_(stack.now_ns()) {
  randombytes_buf(key_.data(), key_.size());
  usrsctp_init_nothreads(0, transmit, nullptr);
  usrsctp_enable_crc32c_offload();  // sctp_wire.cc sums up
  usrsctp_sysctl_set_sctp_ecn_enable(0);
  usrsctp_sysctl_set_sctp_asconf_enable(0);
  usrsctp_sysctl_set_sctp_auto_asconf(0);
  usrsctp_sysctl_set_sctp_nr_outgoing_streams_default(1);
  usrsctp_sysctl_set_sctp_blackhole(0);
}

// Associations that are shutting down end when their timers have run out.
SctpEngine::~SctpEngine() {
  for (uint32_t i = 0; i < kEndingSteps && usrsctp_finish() != 0; ++i) usrsctp_handle_timers(1000);
}

void SctpEngine::tick(uint64_t now_ns) noexcept {
  const uint64_t elapsed_ms = (now_ns - last_tick_ns_) / 1'000'000;
  if (elapsed_ms == 0) return;
  last_tick_ns_ += elapsed_ms * 1'000'000;
  usrsctp_handle_timers(static_cast<uint32_t>(elapsed_ms));
  forget_idle(now_ns);
}

bool SctpEngine::is_sending() const noexcept {
  sctpstat all;
  usrsctp_get_stat(&all);
  return all.sctps_currestab != 0;
}

// ---- packets ----

uint64_t SctpEngine::number_of(const SctpPath& path) const noexcept {
  static_assert(crypto_shorthash_KEYBYTES == sizeof key_ && crypto_shorthash_BYTES == sizeof(uint64_t));
  std::array<uint8_t, 2 * (1 + 16 + 4)> bytes;
  uint8_t* at = bytes.data();
  for (const IpAddress* address : {&path.local, &path.remote}) {
    *at++ = address->family;
    at = std::copy(address->bytes.begin(), address->bytes.end(), at);
    std::memcpy(at, &address->zone, 4);
    at += 4;
  }
  uint64_t number;
  crypto_shorthash(reinterpret_cast<unsigned char*>(&number), bytes.data(), bytes.size(), key_.data());
  return number | 1;  // 0 is libusrsctp's wildcard
}

const SctpPath* SctpEngine::find(uint64_t number) const noexcept {
  if (number == last_number_) return &last_;
  if (const auto it = known_.find(number); it != known_.end()) return &it->second.path;
  const auto it = std::find_if(strangers_.begin(), strangers_.end(),
                               [number](const auto& stranger) { return stranger.first == number; });
  return it == strangers_.end() ? nullptr : &it->second;
}

void SctpEngine::input(const SctpPath& path, std::span<const uint8_t> packet, uint8_t ecn) noexcept {
  if (path != last_ || last_number_ == 0) {
    last_ = path;
    last_number_ = number_of(path);
  }
  const bool is_new = !known_.contains(last_number_) && strangers_[(n_strangers_ - 1) % strangers_.size()].first != last_number_;
  if (is_new) strangers_[n_strangers_++ % strangers_.size()] = {last_number_, path};
  const auto number = reinterpret_cast<void*>(last_number_);
  const bool may_establish = packet.size() > kFirstChunkAt && packet[kFirstChunkAt] == kCookieEcho;
  const uint32_t n_before = may_establish ? n_accepted() : 0;
  usrsctp_conninput(number, packet.data(), packet.size(), ecn);
  // The next packet finds its association only if the address that it comes to is one of ours.
  if (may_establish && n_accepted() != n_before) usrsctp_register_address(number);
}

int SctpEngine::transmit(void* address, void* packet, size_t bytes, uint8_t tos, uint8_t) {
  constexpr uint8_t kTtl = 64;
  const SctpEngine* const self = sctp_engine();
  const SctpPath* const path =
      self == nullptr ? nullptr : self->find(reinterpret_cast<uint64_t>(address));
  if (path == nullptr) return EHOSTUNREACH;
  return send_sctp(*path, {static_cast<const uint8_t*>(packet), bytes}, tos, kTtl) ? 0 : ENOBUFS;
}

void SctpEngine::hold(const SctpPath& path) { 
  Known& known = known_[number_of(path)];
  known.path = path;
  ++known.n_holders;
}

void SctpEngine::let_go(const SctpPath& path) noexcept {
  const uint64_t number = number_of(path);
  Known& known = known_[number];
  if (--known.n_holders != 0) return;
  known.idle_since_ns = stack_.now_ns();
  idle_.push_back(number);
}

void SctpEngine::forget_idle(uint64_t now_ns) noexcept {
  while (!idle_.empty()) {
    const auto it = known_.find(idle_.front());
    const bool is_idle = it != known_.end() && it->second.n_holders == 0;
    if (is_idle && now_ns - it->second.idle_since_ns < kIdleNs) return;
    if (is_idle) known_.erase(it);
    idle_.pop_front();
  }
}

// ---- endpoints ----

SctpEndpoint* SctpEngine::open(uint16_t port, const SctpPath* path, SctpSocket& owner, WsaError& error) {
  SctpEndpoint* const endpoint =
      usrsctp_socket(AF_CONN, SOCK_STREAM, IPPROTO_SCTP, nullptr, nullptr, 0, nullptr);
  if (endpoint == nullptr) {
    error = WsaError::kNoBufs;
    return nullptr;
  }
  set_up(endpoint);
  adopt(endpoint, owner);
  sockaddr_conn here = address_of(path == nullptr ? 0 : number_of(*path), port);
  if (path != nullptr) usrsctp_register_address(here.sconn_addr);
  if (usrsctp_bind(endpoint, reinterpret_cast<sockaddr*>(&here), sizeof here) != 0) {
    error = errno == EADDRINUSE ? WsaError::kAddrInUse : WsaError::kNoBufs;
    close_sctp(endpoint, true);
    return nullptr;
  }
  error = WsaError::kOk;
  return endpoint;
}

void SctpEngine::adopt(SctpEndpoint* endpoint, SctpSocket& owner) noexcept {
  (void)usrsctp_set_non_blocking(endpoint, 1);
  (void)usrsctp_set_upcall(endpoint, on_news, &owner);
}

void SctpEngine::on_news(SctpEndpoint*, void* owner, int) { static_cast<SctpSocket*>(owner)->note(); }

WsaError SctpEngine::connect(SctpEndpoint* endpoint, const SctpPath& path, uint16_t port) noexcept {
  sockaddr_conn peer = address_of(number_of(path), port);
  if (usrsctp_connect(endpoint, reinterpret_cast<sockaddr*>(&peer), sizeof peer) == 0) return WsaError::kOk;
  switch (errno) {
    case EINPROGRESS:
      return WsaError::kOk;
    case EHOSTUNREACH:
    case ENETUNREACH:
      return WsaError::kNetUnreach;
    default:
      return WsaError::kNoBufs;
  }
}

// ---- listeners ----

WsaError SctpEngine::listen(SctpSocket& socket, uint16_t port) {
  constexpr int kBacklog = 4096;  // each socket has its own on top, and refuses beyond it
  Listener& listener = listeners_[port];
  if (listener.endpoint == nullptr) {
    WsaError error;
    listener.endpoint = open(port, nullptr, socket, error);
    if (listener.endpoint == nullptr) {
      listeners_.erase(port);
      return error;
    }
    (void)usrsctp_set_upcall(listener.endpoint, on_connection, &listener);
    (void)usrsctp_listen(listener.endpoint, kBacklog);
  }
  listener.sockets.push_back(&socket);
  return WsaError::kOk;
}

void SctpEngine::stop_listening(SctpSocket& socket, uint16_t port) noexcept {
  const auto it = listeners_.find(port);
  if (it == listeners_.end()) return;
  std::erase(it->second.sockets, &socket);
  if (!it->second.sockets.empty()) return;
  close_sctp(it->second.endpoint, true);
  listeners_.erase(it);
}

void SctpEngine::on_connection(SctpEndpoint*, void* listener, int) {
  const auto& sockets = static_cast<Listener*>(listener)->sockets;
  if (!sockets.empty()) sockets.front()->note();  // it takes for all
}

/// The socket that is bound to this address of ours, or else to the wildcard.
SctpSocket* SctpEngine::listener_for(const Listener& listener, const SctpPath& path) const noexcept {
  SctpSocket* best = nullptr;
  for (SctpSocket* const socket : listener.sockets) {
    const IpAddress& address = socket->local().address;
    if (address == path.local) return socket;
    if (is_any(address) && socket->speaks(path.local.family)) best = socket;
  }
  return best;
}

void SctpEngine::take_restarted(SctpEndpoint* endpoint, const SctpPath& path, uint16_t port,
                                uint16_t peer_port) noexcept {
  const auto it = listeners_.find(port);
  SctpSocket* const socket = it == listeners_.end() ? nullptr : listener_for(it->second, path);
  if (socket == nullptr) return close_sctp(endpoint, false);
  socket->take_connection(endpoint, path, peer_port);
}

void SctpEngine::take_connections(uint16_t port) noexcept {
  const auto it = listeners_.find(port);
  if (it == listeners_.end()) return;
  for (;;) {
    sockaddr_conn peer{};
    socklen_t length = sizeof peer;
    SctpEndpoint* const endpoint =
        usrsctp_accept(it->second.endpoint, reinterpret_cast<sockaddr*>(&peer), &length);
    if (endpoint == nullptr) return;
    const SctpPath* const path = find(number_in(peer));
    SctpSocket* const socket = path == nullptr ? nullptr : listener_for(it->second, *path);
    if (socket == nullptr) {
      ++stack_.counters.connections_refused;
      close_sctp(endpoint, false);
      continue;
    }
    socket->take_connection(endpoint, SctpPath(*path), ntohs(peer.sconn_port));
  }
}

}  // namespace millrace
