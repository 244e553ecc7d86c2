// SPDX-License-Identifier: BSD-3-Clause
// The Scopes of Demux: lwIP's lists hold the pcbs of one bucket, or of one port, as long as one lives.
// Only for demux.cc and demux_timers.cc, after demux.h.
#pragma once

#include <cassert>

#include "stack/demux.h"

namespace millrace {

constexpr uint32_t kNoPort = 65536;

class Demux::Scope {
 public:
  /// @param bound  the one pcb that is bound and nothing more, or null
  explicit Scope(Demux& demux, Bucket* bucket, uint32_t listen_port = kNoPort,
                 tcp_pcb* bound = nullptr) noexcept
      : demux_(demux), outer_(demux.scope_), bucket_(bucket), listen_port_(listen_port) {
    if (outer_ != nullptr) outer_->put_back();
    assert(tcp_active_pcbs == nullptr && tcp_tw_pcbs == nullptr && tcp_bound_pcbs == nullptr &&
           tcp_listen_pcbs.pcbs == nullptr);
    demux_.scope_ = this;
    load();
    tcp_bound_pcbs = bound;
  }
  /// Where this pcb is.
  Scope(Demux& demux, tcp_pcb& pcb) noexcept
      : Scope(demux, is_connection(pcb) ? &demux.bucket_of(pcb) : nullptr,
              pcb.state == LISTEN ? pcb.local_port : kNoPort,
              pcb.state == CLOSED && pcb.local_port != 0 ? &pcb : nullptr) {}
  ~Scope() {
    put_back();
    demux_.scope_ = outer_;
    if (outer_ != nullptr) outer_->load();
  }
  Scope(const Scope&) = delete;
  Scope& operator=(const Scope&) = delete;

 private:
  static bool is_connection(const tcp_pcb& pcb) noexcept {
    return pcb.state != CLOSED && pcb.state != LISTEN;
  }
  void load() noexcept {
    if (bucket_ != nullptr) {
      tcp_active_pcbs = bucket_->active;
      tcp_tw_pcbs = bucket_->time_wait;
    }
    if (listen_port_ != kNoPort) tcp_listen_pcbs.listen_pcbs = demux_.listeners_[listen_port_];
  }
  void put_back() noexcept {
    if (bucket_ != nullptr) {
      bucket_->active = tcp_active_pcbs;
      bucket_->time_wait = tcp_tw_pcbs;
      tcp_active_pcbs = nullptr;
      tcp_tw_pcbs = nullptr;
      demux_.rearm(*bucket_);
    }
    if (listen_port_ != kNoPort) {
      demux_.listeners_[listen_port_] = tcp_listen_pcbs.listen_pcbs;
      tcp_listen_pcbs.listen_pcbs = nullptr;
    }
    tcp_bound_pcbs = nullptr;
  }

  Demux& demux_;
  Scope* const outer_;
  Bucket* const bucket_;
  const uint32_t listen_port_;
};

class Demux::UdpScope {
 public:
  UdpScope(Demux& demux, uint16_t port) noexcept
      : demux_(demux), outer_(demux.udp_scope_), port_(port) {
    if (outer_ != nullptr) outer_->put_back();
    assert(udp_pcbs == nullptr);
    demux_.udp_scope_ = this;
    udp_pcbs = demux_.datagrams_[port_];
  }
  ~UdpScope() {
    put_back();
    demux_.udp_scope_ = outer_;
    if (outer_ != nullptr) udp_pcbs = demux_.datagrams_[outer_->port_];
  }
  UdpScope(const UdpScope&) = delete;
  UdpScope& operator=(const UdpScope&) = delete;

 private:
  void put_back() noexcept {
    demux_.datagrams_[port_] = udp_pcbs;
    udp_pcbs = nullptr;
  }

  Demux& demux_;
  UdpScope* const outer_;
  const uint16_t port_;
};

}  // namespace millrace
