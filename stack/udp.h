// SPDX-License-Identifier: BSD-3-Clause
// A UDP socket: whole messages in, whole messages out.
//
// The pcb stays unconnected in lwIP even when the socket is connected: lwIP would answer strangers
// with "port unreachable", where Winsock lets their datagrams vanish (contract: B2).
#pragma once

#include <cstring>

#include "lwip/udp.h"
#include "stack/delivery.h"
#include "stack/groups.h"
#include "stack/lwip/port.h"
#include "stack/packet_info.h"
#include "stack/socket.h"

namespace millrace {

class UdpSocket final : public Socket {
 public:
  UdpSocket(Stack& stack, uint8_t family);

  WsaError bind(Endpoint endpoint) override;
  WsaError listen(int) override { return WsaError::kOpNotSupp; }
  Socket* take_pending(WsaError& error, bool may_wait) override;
  WsaError connect(const Endpoint& peer) override;
  Outcome send(const SendCall& call) override;
  Outcome send_message(const SendCall& call, const SendControl& control) override;
  std::optional<uint32_t> path_mtu() const noexcept override;
  uint32_t max_message_bytes() const noexcept override;
  WsaError shutdown(int how) override;
  bool is_readable() const noexcept override { return can_take(0); }
  bool is_writable() const noexcept override { return true; }
  void apply_options() noexcept override;
  bool is_connected() const noexcept override { return peer_.has_value(); }
  std::optional<Endpoint> peer() const noexcept override { return peer_; }
  int fits(const IcmpError& error) const noexcept override;
  bool on_icmp_error(const IcmpError& error) noexcept override;
  void on_port_lost() noexcept override;
  WsaError change_groups(const GroupChange& change) override;
  WsaError join_leaf(const Endpoint& group, bool sends, bool receives) override;
  const Groups& groups() const noexcept { return groups_; }
  /// True for the pcb of a socket that asks for nothing but source and payload.
  static bool wants_no_more(const udp_pcb& pcb) noexcept { return pcb.recv == on_receive; }
  /// A datagram that is for this socket unless another peer sent it. @owner takes p
  void arrive(pbuf* p, const Endpoint& source) noexcept;
  /// The same with what its headers said, for a socket that may want to know.
  void arrive(pbuf* p, const Endpoint& source, const PacketInfo& info) noexcept;

 protected:
  WsaError receive_refusal(const ReceiveCall& call) const noexcept override;
  bool can_take(uint32_t flags) const noexcept override {
    return has_enough(inbox_, kUdpServiceFlags, flags) || icmp_error_ != WsaError::kOk ||
           stack_.is_cut_off(*this);
  }
  Outcome take(BufferCursor& to, uint32_t flags, const FromAddress& from) noexcept override;
  Outcome take_loans(LoanCursor& to, const FromAddress& from) noexcept override;
  uint32_t events_now() const noexcept override {
    return (can_take(0) ? FD_READ : 0u) | (is_bound_ ? FD_WRITE : 0u);  // winsock-rules 150
  }
  void release_pcb(bool graceful) noexcept override;

 private:
  ~UdpSocket() override = default;

  static void on_receive(void* arg, udp_pcb* pcb, pbuf* p, const ip_addr_t* address, u16_t port);
  static void on_receive_noting(void* arg, udp_pcb* pcb, pbuf* p, const ip_addr_t* address,
                                u16_t port);

  // Messages with control data (udp_message.cc).
  class Differing;
  Outcome fill_message(BufferCursor& to, uint32_t flags, const FromAddress& from) noexcept;
  WsaError control_refusal(const SendControl& control, const IpAddress& to) const noexcept;

  static Endpoint source_of(const Parcel& parcel) noexcept;
  WsaError make_pcb();
  WsaError bind_implicitly();
  /// @owner takes p if true
  bool drop_strangers(pbuf* p, const Endpoint& source) noexcept {
    if (!peer_.has_value() || *peer_ == source) return false;
    ++stack_.counters.rx_wrong_peer;
    pbuf_free(p);
    return true;
  }
  /// @param source  as the caller will see it. @owner takes p
  void keep(pbuf* p, const Endpoint& source) noexcept {
    Parcel& parcel = parcel_of(p);
    parcel.family = source.address.family;
    parcel.source_port = source.port;
    parcel.zone = source.address.zone;
    std::memcpy(parcel.source, source.address.bytes.data(), 16);
    deliver(p);
    stack_.mark_dirty(*this);
  }
  void deliver(pbuf* p) noexcept;
  void serve(Request& request) noexcept;
  WsaError take_error() noexcept;
  Outcome fill(BufferCursor& to, uint32_t flags, const FromAddress& from) noexcept;
  WsaError misfit(const pbuf* message, LoanCursor& to) const noexcept;
  Outcome lend_message(LoanCursor& to, const FromAddress& from) noexcept;
  pbuf* gather(std::span<const WSABUF> buffers, uint32_t bytes) noexcept;
  WsaError transmit(pbuf* p, uint32_t bytes, const Endpoint& to) noexcept;
  const ip_addr_t* source_through(netif& route, const ip_addr_t& bound, const ip_addr_t& to) const;

  udp_pcb* pcb_ = nullptr;
  std::optional<Endpoint> peer_;
  WsaError icmp_error_ = WsaError::kOk;  ///< for the next receive
  Groups groups_;
  bool is_send_only_ = false;  ///< WSPJoinLeaf
  bool is_receive_only_ = false;
};

}  // namespace millrace
