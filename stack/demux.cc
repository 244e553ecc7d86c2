// SPDX-License-Identifier: BSD-3-Clause
// Buckets and Scopes: what lwIP sees while it runs. Timers are in demux_timers.cc.
#define MILLRACE_DEMUX_ITSELF
#include "stack/demux.h"

#include <rte_jhash.h>
#include <sodium.h>
#include <sys/mman.h>

#include <algorithm>
#include <bit>
#include <cassert>
#include <new>

#include "lwip/prot/tcp.h"
#include "stack/demux_scope.h"
#include "stack/recovery.h"

namespace millrace {
namespace {

constexpr uint32_t kPorts = 65536;
// A second pcb in a bucket is one more miss of the cache for each packet.
constexpr uint32_t kBucketsPerConnection = 4;

/// Asks for huge pages: a packet's bucket is anywhere, and a small page is one more miss for each. Of a small table the
/// TLB holds the small pages, and a few connections do not make all of it resident.
void back_with_huge_pages(void* memory, size_t bytes) {
  constexpr size_t kSmall = 8 << 20;
  constexpr uintptr_t kHugePage = 2 << 20;
  if (bytes <= kSmall) return;
  const uintptr_t begin = (reinterpret_cast<uintptr_t>(memory) + kHugePage - 1) & ~(kHugePage - 1);
  const uintptr_t end = (reinterpret_cast<uintptr_t>(memory) + bytes) & ~(kHugePage - 1);
  if (begin < end) (void)madvise(reinterpret_cast<void*>(begin), end - begin, MADV_HUGEPAGE);
}

template <typename Pcb>
bool is_this(const Pcb& pcb, const ip_addr_t& local, uint16_t local_port, const ip_addr_t& peer,
             uint16_t peer_port) noexcept {
  return pcb.local_port == local_port && pcb.remote_port == peer_port &&
         ip_addr_eq(&pcb.remote_ip, &peer) && ip_addr_eq(&pcb.local_ip, &local);
}

}  // namespace

// Of pages: a bucket lies in one line of the cache, which no heap promises.
template <typename T>
Demux::Table<T> Demux::zeroed(size_t n) {
  const size_t bytes = n * sizeof(T);
  constexpr int kFlags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
  void* const memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, kFlags, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  return Table<T>(static_cast<T*>(memory), Unmap{bytes});
}

void Demux::Unmap::operator()(void* memory) const noexcept { (void)munmap(memory, bytes); }

// Nobody outside can tell which connections share a bucket: the key is another one at each start.
Demux::Demux(uint32_t most_connections, Counters& counters)
    : mask_(std::bit_ceil(std::clamp(kBucketsPerConnection * most_connections, 1u, most_buckets)) - 1),
      key_(randombytes_random()),
      buckets_(zeroed<Bucket>(size_t{mask_} + 1)),
      listeners_(zeroed<tcp_pcb_listen*>(kPorts)),
      datagrams_(zeroed<udp_pcb*>(kPorts)),
      counters_(counters) {
  back_with_huge_pages(buckets_.get(), (size_t{mask_} + 1) * sizeof(Bucket));
  tcp_ticks = tick_;
}

Demux::~Demux() {
  static_assert(kBytesPerConnection == kBucketsPerConnection * sizeof(Bucket));
}

Demux::Bucket& Demux::bucket_of(const ip_addr_t& local, uint16_t local_port, const ip_addr_t& peer,
                                uint16_t peer_port) const noexcept {
  const uint32_t ports = uint32_t{local_port} << 16 | peer_port;
  uint32_t hash;
  if (IP_IS_V6_VAL(peer)) {
    std::array<uint32_t, 9> words;
    std::copy_n(ip_2_ip6(&local)->addr, 4, words.begin());
    std::copy_n(ip_2_ip6(&peer)->addr, 4, words.begin() + 4);
    words[8] = ports;
    hash = rte_jhash_32b(words.data(), words.size(), key_);
  } else {
    hash = rte_jhash_3words(ip_2_ip4(&local)->addr, ip_2_ip4(&peer)->addr, ports, key_);
  }
  return buckets_[hash & mask_];
}

Demux::Bucket& Demux::bucket_of(const tcp_pcb& pcb) const noexcept {
  if (void* const known = pcb.ext_args[0].data; known != nullptr) {
    return *static_cast<Bucket*>(known);
  }
  return bucket_of(pcb.local_ip, pcb.local_port, pcb.remote_ip, pcb.remote_port);
}

tcp_pcb* Demux::find(const ip_addr_t& local, uint16_t local_port, const ip_addr_t& peer,
                     uint16_t peer_port) const noexcept {
  assert(scope_ == nullptr);
  tcp_pcb* pcb = bucket_of(local, local_port, peer, peer_port).active;
  while (pcb != nullptr && !is_this(*pcb, local, local_port, peer, peer_port)) pcb = pcb->next;
  return pcb;
}

bool Demux::has(const ip_addr_t& local, uint16_t local_port, const ip_addr_t& peer,
                uint16_t peer_port) const noexcept {
  assert(scope_ == nullptr);
  const Bucket& bucket = bucket_of(local, local_port, peer, peer_port);
  for (const tcp_pcb* list : {bucket.active, bucket.time_wait}) {
    for (; list != nullptr; list = list->next) {
      if (is_this(*list, local, local_port, peer, peer_port)) return true;
    }
  }
  return false;
}

// ---- on the way in ----

void Demux::tcp_in(pbuf* segment, netif* from) noexcept {
  if (segment->len < TCP_HLEN) return tcp_input(segment, from);  // which drops and counts it
  const auto& header = *static_cast<const tcp_hdr*>(segment->payload);
  const uint16_t port = lwip_ntohs(header.dest);
  const Scope scope(*this,
                    &bucket_of(*ip_current_dest_addr(), port, *ip_current_src_addr(),
                               lwip_ntohs(header.src)),
                    port);
  tcp_input(segment, from);
  Recovery::after_input();
}

void Demux::tcp_in_again(pbuf* segment, netif* from) noexcept {
  assert(scope_ != nullptr);
  const uint16_t flags = from->chksum_flags;
  from->chksum_flags = static_cast<uint16_t>(flags & ~NETIF_CHECKSUM_CHECK_TCP);
  tcp_input(segment, from);
  from->chksum_flags = flags;
}

void Demux::udp_in(pbuf* datagram, netif* from) noexcept {
  if (datagram->len < UDP_HLEN) return udp_input(datagram, from);
  const auto& header = *static_cast<const udp_hdr*>(datagram->payload);
  const UdpScope scope(*this, lwip_ntohs(header.dest));
  udp_input(datagram, from);
}

// ---- calls ----

err_t Demux::bind(tcp_pcb& pcb, const ip_addr_t& address, uint16_t port) noexcept {
  const Scope scope(*this, nullptr);
  return tcp_bind(&pcb, &address, port);
}

tcp_pcb* Demux::listen(tcp_pcb& pcb, uint8_t backlog, err_t& error) noexcept {
  const Scope scope(*this, nullptr, pcb.local_port, &pcb);
  return tcp_listen_with_backlog_and_err(&pcb, backlog, &error);
}

err_t Demux::connect(tcp_pcb& pcb, const ip_addr_t& peer, uint16_t port,
                     tcp_connected_fn done) noexcept {
  assert(!ip_addr_isany(&pcb.local_ip) && pcb.local_port != 0);
  const Scope scope(*this, &bucket_of(pcb.local_ip, pcb.local_port, peer, port), kNoPort, &pcb);
  return tcp_connect(&pcb, &peer, port, done);
}

void Demux::close(tcp_pcb& pcb) noexcept {
  if (pcb.state == LISTEN) forget_listener(pcb);
  if (pcb.state != LISTEN) Recovery::before_send(pcb);
  const Scope scope(*this, pcb);
  if (tcp_close(&pcb) != ERR_OK) tcp_abort(&pcb);
}

void Demux::abort(tcp_pcb& pcb) noexcept {
  const Scope scope(*this, pcb);
  tcp_abort(&pcb);
}

void Demux::drop(tcp_pcb& pcb) noexcept {
  const Scope scope(*this, pcb);
  tcp_abandon(&pcb, 0);
}

void Demux::shut_send(tcp_pcb& pcb) noexcept {
  Recovery::before_send(pcb);
  const Scope scope(*this, pcb);
  (void)tcp_shutdown(&pcb, 0, 1);
}

// These two touch no list, only what timers look at.
void Demux::output(tcp_pcb& pcb) noexcept {
  if (pcb.unsent != nullptr) Recovery::before_send(pcb);
  (void)Recovery::output(pcb);
  rearm(pcb);
}

// Mostly the window opens by less than lwIP would tell the peer of at once (tcp_recved()).
void Demux::recved(tcp_pcb& pcb, uint32_t bytes) noexcept {
  const uint32_t window = std::min<uint32_t>(pcb.rcv_wnd + bytes, TCP_WND_MAX(&pcb));
  const uint32_t news = pcb.rcv_nxt + window - pcb.rcv_ann_right_edge;
  if (news < TCP_WND_UPDATE_THRESHOLD) {
    pcb.rcv_wnd = window;
    if (news >= std::min<uint32_t>(TCP_WND / 2, pcb.mss)) pcb.rcv_ann_wnd = window;
    return;
  }
  while (bytes != 0) {
    const auto n = static_cast<u16_t>(std::min<uint32_t>(bytes, UINT16_MAX));
    tcp_recved(&pcb, n);
    bytes -= n;
  }
  rearm(pcb);
}

err_t Demux::bind(udp_pcb& pcb, const ip_addr_t& address, uint16_t port) noexcept {
  const UdpScope scope(*this, port);
  return udp_bind(&pcb, &address, port);
}

void Demux::with_port(uint16_t port, void (*operation)(void* context), void* context) noexcept {
  const UdpScope scope(*this, port);
  operation(context);
}

void Demux::remove(udp_pcb& pcb) noexcept {
  const UdpScope scope(*this, pcb.local_port);
  udp_remove(&pcb);
}

// lwIP itself would look only on the lists that it sees. A connection needs its listener as long as
// its handshake lasts, and then it is looked at in each tick.
void Demux::forget_listener(const tcp_pcb& listener) noexcept {
  assert(scope_ == nullptr);
  for (const Bucket* bucket : wheel_[(tick_ + 1) % kWheelSlots]) {
    for (tcp_pcb* pcb = bucket->active; pcb != nullptr; pcb = pcb->next) {
      if (static_cast<const void*>(pcb->listener) != &listener) continue;
      pcb->listener = nullptr;
      tcp_arg(pcb, nullptr);  // it was the listener's, whose socket goes now (tcp_in.c, tcp_listen_input)
    }
  }
}

// ---- all ----

bool Demux::is_sending() const noexcept {
  const auto sends = [](const tcp_pcb& pcb) {
    return pcb.state > ESTABLISHED && (pcb.unsent != nullptr || pcb.unacked != nullptr);
  };
  // Who has something to send has a timer that runs.
  for (const Bucket* bucket : wheel_[(tick_ + 1) % kWheelSlots]) {
    for (const tcp_pcb* pcb = bucket->active; pcb != nullptr; pcb = pcb->next) {
      if (sends(*pcb)) return true;
    }
  }
  return false;
}

void Demux::abort_all() noexcept {
  with_all([] {
    while (tcp_active_pcbs != nullptr) tcp_abort(tcp_active_pcbs);
    while (tcp_tw_pcbs != nullptr) tcp_abort(tcp_tw_pcbs);
  });
}

void Demux::splice_all() noexcept {
  assert(scope_ == nullptr && udp_scope_ == nullptr);
  const auto move = [](auto*& from, auto*& to) {
    while (from != nullptr) {
      auto* const pcb = from;
      from = pcb->next;
      pcb->next = to;
      to = pcb;
    }
  };
  for (uint32_t i = 0; i <= mask_; ++i) {
    if (buckets_[i].active != nullptr) move(buckets_[i].active, tcp_active_pcbs);
    if (buckets_[i].time_wait != nullptr) move(buckets_[i].time_wait, tcp_tw_pcbs);
  }
  for (uint32_t port = 0; port < kPorts; ++port) {
    if (listeners_[port] != nullptr) move(listeners_[port], tcp_listen_pcbs.listen_pcbs);
    if (datagrams_[port] != nullptr) move(datagrams_[port], udp_pcbs);
  }
}

void Demux::split_all() noexcept {
  const auto split = [](auto*& list, auto list_of) {
    while (list != nullptr) {
      auto* const pcb = list;
      list = pcb->next;
      auto*& home = list_of(*pcb);
      pcb->next = home;
      home = pcb;
    }
  };
  const auto home_of = [this](tcp_pcb& pcb) -> Bucket& {
    pcb.ext_args[0].data = nullptr;  // its addresses may be others now
    pcb.ext_args[0].data = &bucket_of(pcb);
    rearm(pcb);
    return bucket_of(pcb);
  };
  split(tcp_active_pcbs, [&](tcp_pcb& pcb) -> tcp_pcb*& { return home_of(pcb).active; });
  split(tcp_tw_pcbs, [&](tcp_pcb& pcb) -> tcp_pcb*& { return home_of(pcb).time_wait; });
  split(tcp_listen_pcbs.listen_pcbs,
        [this](tcp_pcb_listen& pcb) -> tcp_pcb_listen*& { return listeners_[pcb.local_port]; });
  split(udp_pcbs, [this](udp_pcb& pcb) -> udp_pcb*& { return datagrams_[pcb.local_port]; });
}

}  // namespace millrace
