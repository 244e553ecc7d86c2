// SPDX-License-Identifier: BSD-3-Clause
// WSARecvMsg and WSASendMsg on a UDP socket: what goes beside the bytes of a datagram.
//
// A socket that wants to be told more than the sender has another callback in lwIP, so that the
// others, and WSPRecvFrom, know nothing of it.
#include <cstring>

#include "lwip/ip.h"
#include "millrace/winsock_cmsg.h"
#include "stack/control.h"
#include "stack/lwip/port.h"
#include "stack/lwip_glue.h"
#include "stack/sockaddr.h"
#include "stack/udp.h"

namespace millrace {
namespace {

/// Control data as it grows in the caller's buffer; what does not fit whole is left out, and said.
class ControlWriter {
 public:
  explicit ControlWriter(WSABUF& control) noexcept : control_(control), room_(control.len) {
    control.len = 0;
  }
  template <typename T>
  void add(int level, int type, const T& value) noexcept {
    constexpr SIZE_T kSpace = WSA_CMSG_SPACE(sizeof value);
    if (room_ - control_.len < kSpace) {
      is_truncated_ = true;
      return;
    }
    char object[kSpace] = {};
    const WSACMSGHDR header{WSA_CMSG_LEN(sizeof value), level, type};
    std::memcpy(object, &header, sizeof header);
    std::memcpy(object + WSA_CMSG_LEN(0), &value, sizeof value);
    std::memcpy(control_.buf + control_.len, object, kSpace);
    control_.len += static_cast<ULONG>(kSpace);
  }
  bool is_truncated() const noexcept { return is_truncated_; }

 private:
  WSABUF& control_;
  const ULONG room_;
  bool is_truncated_ = false;
};

void write4(ControlWriter& to, const PacketInfo& info, uint8_t told) noexcept {
  if ((told & kTellsPacketInfo) != 0) {
    WS_in_pktinfo packet{};
    std::memcpy(&packet.ipi_addr, info.destination, sizeof packet.ipi_addr);
    packet.ipi_ifindex = info.interface;
    to.add(WS_IPPROTO_IP, WS_IP_PKTINFO, packet);
  }
  if ((told & kTellsTtl) != 0) to.add(WS_IPPROTO_IP, WS_IP_TTL, INT{info.ttl});
  if ((told & kTellsTos) != 0) to.add(WS_IPPROTO_IP, WS_IP_TOS, INT{info.tos});
  if ((told & kTellsEcn) != 0) to.add(WS_IPPROTO_IP, IP_ECN, INT{info.tos & kEcnBits});
}

void write6(ControlWriter& to, const PacketInfo& info, uint8_t told) noexcept {
  if ((told & over_ip6(kTellsPacketInfo)) != 0) {
    WS_in6_pktinfo packet{};
    std::memcpy(&packet.ipi6_addr, info.destination, sizeof packet.ipi6_addr);
    packet.ipi6_ifindex = info.interface;
    to.add(WS_IPPROTO_IPV6, WS_IPV6_PKTINFO, packet);
  }
  if ((told & over_ip6(kTellsTtl)) != 0) to.add(WS_IPPROTO_IPV6, WS_IPV6_HOPLIMIT, INT{info.ttl});
  if ((told & over_ip6(kTellsTos)) != 0) to.add(WS_IPPROTO_IPV6, WS_IPV6_TCLASS, INT{info.tos});
  const INT ecn = info.tos & kEcnBits;
  if ((told & over_ip6(kTellsEcn)) != 0) to.add(WS_IPPROTO_IPV6, IPV6_ECN, ecn);
}

}  // namespace

void UdpSocket::on_receive_noting(void* arg, udp_pcb*, pbuf* p, const ip_addr_t* address,
                                  u16_t port) {
  static_cast<UdpSocket*>(arg)->arrive(p, {from_lwip(*address), port}, current_packet_info());
}

void UdpSocket::arrive(pbuf* p, const Endpoint& source, const PacketInfo& info) noexcept {
  if (drop_strangers(p, source)) return;
  keep_packet_info(*p, info);
  keep(p, shown(source));
}

/// Fills in the whole WSAMSG. Of registered I/O, which asks for a local address, control data may be unwanted.
///
/// @errors kMsgSize: bytes or control data were truncated, as the flags say
/// @source Microsoft's pages WSAMSG and LPFN_WSARECVMSG; winsock-rules 105, 119
Outcome UdpSocket::fill_message(BufferCursor& to, uint32_t flags, const FromAddress& from) noexcept {
  WSAMSG& message = from.message();
  const pbuf& first = *inbox_.front();
  if (message.name != nullptr) {
    store_endpoint(source_of(parcel_of(inbox_.front())), message.name, &message.namelen);
  }
  uint32_t told = 0;
  if ((first.flags & PBUF_FLAG_LLBCAST) != 0) told |= MSG_BCAST;
  if ((first.flags & kWasToGroup) != 0) told |= MSG_MCAST;
  ControlWriter control(message.Control);
  const bool wants_control = from.local == nullptr || message.Control.buf != nullptr;
  if (const auto info = packet_info(first)) {
    const uint8_t wanted = wants_control ? options.tells : 0;
    info->family == 4 ? write4(control, *info, wanted) : write6(control, *info, wanted);
  }
  if (from.local != nullptr) {
    INT room = sizeof(WS_sockaddr_in6);  // a SOCKADDR_INET's
    store_endpoint(shown({destination_of(first), local_.port}), from.local, &room);
  }
  Outcome outcome = fill(to, flags, {});
  if (outcome.error == WsaError::kMsgSize) told |= WS_MSG_TRUNC;
  if (control.is_truncated()) {
    told |= WS_MSG_CTRUNC;
    outcome.error = WsaError::kMsgSize;
  }
  message.dwFlags = told;
  outcome.flags = told;
  return outcome;
}

/// The socket's options are others as long as one lives: no other call comes in between, since the
/// Stack's lock is held and sending a datagram does not wait.
class UdpSocket::Differing {
 public:
  Differing(UdpSocket& socket, const SendControl& control) noexcept
      : socket_(socket), usual_(socket.options), local_(socket.local_.address) {
    SocketOptions& options = socket.options;
    if (control.source) socket.local_.address = *control.source;
    if (control.interface != 0) {
      options.unicast_interface = options.multicast_interface = control.interface;
    }
    if (control.ttl) options.ttl = options.multicast_ttl = *control.ttl;
    if (control.tos) options.tos = *control.tos;
    if (control.ecn) {
      options.tos = static_cast<uint8_t>((options.tos & ~kEcnBits) | *control.ecn);
    }
    socket.apply_options();
  }
  ~Differing() {
    socket_.options = usual_;
    socket_.local_.address = local_;
    socket_.apply_options();
  }
  Differing(const Differing&) = delete;
  Differing& operator=(const Differing&) = delete;

 private:
  UdpSocket& socket_;
  const SocketOptions usual_;
  const IpAddress local_;
};

WsaError UdpSocket::control_refusal(const SendControl& control,
                                    const IpAddress& to) const noexcept {
  const uint32_t on = control.interface;
  if (on != 0 && !stack_.has_interface(on)) return WsaError::kAddrNotAvail;
  if (!control.source) return WsaError::kOk;
  if (!stack_.is_own(*control.source) || is_any(*control.source)) return WsaError::kAddrNotAvail;
  // No loopback address leaves the host (RFC 1122 3.2.1.3).
  const bool leaves = !stack_.is_own(to) && !is_multicast(to);
  if (is_loopback(*control.source) && leaves) return WsaError::kAddrNotAvail;
  // A host is strong: an address belongs to its interface.
  const bool is_there = on == 0 || stack_.interface_with(*control.source) == on;
  return is_there ? WsaError::kOk : WsaError::kAddrNotAvail;
}

Outcome UdpSocket::send_message(const SendCall& call, const SendControl& control) {
  if (!call.to.has_value() && !peer_.has_value()) return {WsaError::kNotConn};
  const IpAddress& to = call.to.has_value() ? call.to->address : peer_->address;
  if (const WsaError error = control_refusal(control, to); error != WsaError::kOk) return {error};
  if (const WsaError error = bind_implicitly(); error != WsaError::kOk) return {error};
  const Differing from_usual(*this, control);
  return send(call);
}

}  // namespace millrace
