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
constexpr uint16_t kCommonHeaderBytes = 12;    // libusrsctp adds it to an AF_CONN address's MTU
constexpr uint32_t kEndingSteps = 400;         // of a second each, when everything ends

sockaddr_conn address_of(uint64_t number, uint16_t port) {
  sockaddr_conn address{};
  address.sconn_family = AF_CONN;
  address.sconn_port = htons(port);
  address.sconn_addr = reinterpret_cast<void*>(number);
  return address;
}

uint64_t number_in(const sockaddr_conn& address) { return reinterpret_cast<uint64_t>(address.sconn_addr); }

SctpKey random_key() {
  SctpKey key;
  randombytes_buf(key.data(), key.size());
  return key;
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
  for (const int news : {SCTP_ASSOC_CHANGE, SCTP_SHUTDOWN_EVENT, SCTP_SEND_FAILED_EVENT, SCTP_PARTIAL_DELIVERY_EVENT}) {
    ask_for(endpoint, static_cast<uint16_t>(news));
  }
}

}  // namespace

bool has_sctp() noexcept { return true; }
Socket* new_sctp_socket(Stack& stack, uint8_t family) { return new SctpSocket(stack, family); }

SctpEngine& Stack::sctp() {
  if (sctp_ == nullptr) set_sctp_engine((sctp_ = std::make_unique<SctpEngine>(*this)).get());
  return *sctp_;
}

void close_sctp(SctpEndpoint* endpoint, bool graceful) noexcept {
  (void)usrsctp_set_upcall(endpoint, nobody_listens, nullptr);
  const linger at_once{graceful ? 0 : 1, 0};
  (void)usrsctp_setsockopt(endpoint, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  usrsctp_close(endpoint);
}

SctpEngine::SctpEngine(Stack& stack)
    : stack_(stack), key_(random_key()), associations_(key_), last_tick_ns_(stack.now_ns()) {
  usrsctp_init_nothreads(0, transmit, nullptr);
  usrsctp_enable_crc32c_offload();  // sctp_wire.cc sums up
  usrsctp_sysctl_set_sctp_ecn_enable(0);
  usrsctp_sysctl_set_sctp_pr_enable(0);  // no peer takes back the rest of a message (RFC 3758)
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
  is_ticking_ = true;
  usrsctp_handle_timers(static_cast<uint32_t>(elapsed_ms));
  is_ticking_ = false;
  if (!watched_.empty()) probe(now_ns);
  forget_idle(now_ns);
}

bool SctpEngine::is_sending() const noexcept {
  sctpstat all;
  usrsctp_get_stat(&all);
  return all.sctps_currestab != 0;
}

// ---- associations ----

void SctpEngine::hold(const SctpFlow& flow) {
  SctpAssociation* const association = associations_.find(flow);
  ++association->n_holders;
  if (association->has_several_paths()) watch(*association);
}

void SctpEngine::let_go(const SctpFlow& flow) noexcept {
  SctpAssociation* const association = associations_.find(flow);
  if (--association->n_holders != 0) return;
  association->idle_since_ns = stack_.now_ns();
  idle_.push_back({association->number(), flow.local_port, flow.peer_port});
}

void SctpEngine::forget_idle(uint64_t now_ns) noexcept {
  while (!idle_.empty()) {
    const Idle& front = idle_.front();
    SctpAssociation* const found = associations_.find(front.number, front.local_port, front.peer_port);
    const bool is_idle = found != nullptr && found->n_holders == 0;
    if (is_idle && now_ns - found->idle_since_ns < kIdleNs) return;
    if (is_idle) associations_.remove(*found);
    idle_.pop_front();
  }
}

/// libusrsctp only takes addresses that are ours.
void SctpEngine::register_numbers(uint64_t up_to) noexcept {
  while (n_registered_ < up_to) usrsctp_register_address(reinterpret_cast<void*>(++n_registered_));
}

// ---- endpoints ----

SctpEndpoint* SctpEngine::open(const SctpFlow& flow, bool tells_all, SctpSocket& owner, WsaError& error) {
  const uint64_t number = associations_.free_number(flow.local_port, flow.peer_port, true);
  register_numbers(number);
  SctpEndpoint* const endpoint = open(flow.local_port, number, owner, error);
  if (endpoint != nullptr) {
    SctpAssociation& association = associations_.add(flow, number, true);
    association.own_addresses = own_addresses(flow.path, tells_all);
  }
  return endpoint;
}

/// @param number  0: it listens
SctpEndpoint* SctpEngine::open(uint16_t port, uint64_t number, SctpSocket& owner, WsaError& error) {
  SctpEndpoint* const endpoint =
      usrsctp_socket(AF_CONN, SOCK_STREAM, IPPROTO_SCTP, nullptr, nullptr, 0, nullptr);
  if (endpoint == nullptr) {
    error = WsaError::kNoBufs;
    return nullptr;
  }
  set_up(endpoint);
  adopt(endpoint, owner);
  sockaddr_conn here = address_of(number, port);
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

WsaError SctpEngine::connect(SctpEndpoint* endpoint, const SctpFlow& flow) noexcept {
  sockaddr_conn peer = address_of(associations_.find(flow)->number(), flow.peer_port);
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
    listener.endpoint = open(port, 0, socket, error);
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

/// The next connection's packets fill what its link carries.
void SctpEngine::set_link_mtu(const SctpFlow& flow) noexcept {
  const auto it = listeners_.find(flow.local_port);
  if (it == listeners_.end()) return;
  sctp_paddrparams of_all{};
  of_all.spp_flags = SPP_PMTUD_DISABLE;
  of_all.spp_pathmtu = sctp_room(flow.path) - kCommonHeaderBytes;
  (void)set(it->second.endpoint, SCTP_PEER_ADDR_PARAMS, of_all);
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

void SctpEngine::take_restarted(SctpEndpoint* endpoint, const SctpFlow& flow) noexcept {
  const auto it = listeners_.find(flow.local_port);
  SctpSocket* const socket = it == listeners_.end() ? nullptr : listener_for(it->second, flow.path);
  if (socket == nullptr) return close_sctp(endpoint, false);
  socket->take_connection(endpoint, flow.path, flow.peer_port);
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
    const uint16_t peer_port = ntohs(peer.sconn_port);
    const SctpAssociation* const found = associations_.find(number_in(peer), port, peer_port);
    SctpSocket* const socket = found == nullptr ? nullptr : listener_for(it->second, found->flow().path);
    if (socket == nullptr) {
      ++stack_.counters.connections_refused;
      close_sctp(endpoint, false);
      continue;
    }
    socket->take_connection(endpoint, found->flow().path, peer_port);
  }
}

}  // namespace millrace
