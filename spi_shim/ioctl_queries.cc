// SPDX-License-Identifier: BSD-3-Clause
#include "spi_shim/ioctl_queries.h"

#include <algorithm>
#include <cstring>
#include <vector>

#define MILLRACE_USE_WS_PREFIX
#include "mstcpip.h"
#include "spi_shim/call.h"
#include "spi_shim/probe.h"
#include "stack/sockaddr.h"
#include "ws2tcpip.h"

namespace millrace {
namespace {

template <typename T>
WsaError give(const IoctlCall& call, const T& answer) noexcept {
  if (call.out_bytes < sizeof answer || !can_write(call.out, sizeof answer)) return WsaError::kFault;
  std::memcpy(call.out, &answer, sizeof answer);
  call.returned_bytes = sizeof answer;
  return WsaError::kOk;
}

template <typename T>
bool take(const IoctlCall& call, T& value) noexcept {
  if (call.in_bytes < sizeof value || !can_read(call.in, sizeof value)) return false;
  std::memcpy(&value, call.in, sizeof value);
  return true;
}

/// Room for an answer of this many bytes; else how many it takes is told.
bool has_room(const IoctlCall& call, size_t bytes) noexcept {
  call.returned_bytes = static_cast<DWORD>(bytes);
  return call.out_bytes >= bytes && can_write(call.out, bytes);
}

bool is_tcp(const IoctlCall& call) noexcept { return call.socket.transport() == Transport::kTcp; }

WsaError readable_bytes(const IoctlCall& call) noexcept {
  const uint64_t n = std::min<uint64_t>(call.socket.readable_bytes(), UINT32_MAX);
  return give(call, static_cast<WS_u_long>(n));
}

WsaError at_mark(const IoctlCall& call) noexcept {
  if (!is_tcp(call)) return WsaError::kOpNotSupp;
  return give(call, call.socket.is_at_mark() ? BOOL{TRUE} : BOOL{FALSE});
}

WsaError base_handle(const IoctlCall& call) noexcept { return give(call, call.name); }

WsaError ideal_backlog(const IoctlCall& call) noexcept {
  if (!is_tcp(call)) return WsaError::kOpNotSupp;
  const auto info = call.socket.info();
  return info ? give(call, ULONG{info->send_buffer_bytes}) : WsaError::kNotConn;
}

WsaError broadcast_address(const IoctlCall& call) noexcept {
  if (call.socket.transport() != Transport::kUdp || call.socket.family() != 4) return WsaError::kOpNotSupp;
  WS_sockaddr_in address{};
  address.sin_family = WS_AF_INET;
  address.sin_addr.S_un.S_addr = WS_INADDR_BROADCAST;
  return give(call, address);
}

std::vector<LocalInterface> interfaces_of(const IoctlCall& call) {
  std::vector<LocalInterface> all = call.socket.stack().local_interfaces();
  const uint8_t family = call.socket.family();
  std::erase_if(all, [family](const LocalInterface& i) { return i.address.address.family != family; });
  return all;
}

sockaddr_gen gen_of(const IpAddress& address) noexcept {
  sockaddr_gen gen{};
  INT length = sizeof gen;
  store_endpoint({address, 0}, &gen.Address, &length);
  return gen;
}

IpAddress mask_of(uint8_t length) noexcept {
  IpAddress mask = IpAddress::any(4);
  for (size_t i = 0; i < length; ++i) {
    mask.bytes[i / 8] = static_cast<uint8_t>(mask.bytes[i / 8] | 0x80 >> i % 8);
  }
  return mask;
}

// An INTERFACE_INFO has no room for an IPv6 address.
WsaError interface_list(const IoctlCall& call) noexcept {
  if (call.socket.family() != 4) return WsaError::kOpNotSupp;
  IpAddress all_ones = mask_of(32);
  std::vector<INTERFACE_INFO> list;
  for (const LocalInterface& i : interfaces_of(call)) {
    INTERFACE_INFO info{};
    info.iiFlags = WS_IFF_MULTICAST | (i.is_up ? WS_IFF_UP : 0u) |
                   (i.is_loopback ? WS_IFF_LOOPBACK : WS_IFF_BROADCAST);
    info.iiAddress = gen_of(i.address.address);
    info.iiBroadcastAddress = gen_of(all_ones);
    info.iiNetmask = gen_of(mask_of(i.address.length));
    list.push_back(info);
  }
  const size_t bytes = list.size() * sizeof(INTERFACE_INFO);
  if (!has_room(call, bytes)) return WsaError::kFault;
  std::memcpy(call.out, list.data(), bytes);
  return WsaError::kOk;
}

// The loopback's address is not among them, unless there is no other: it cannot be reached from outside.
WsaError address_list(const IoctlCall& call) noexcept {
  std::vector<LocalInterface> all = interfaces_of(call);
  const auto is_loopback = [](const LocalInterface& i) { return i.is_loopback; };
  if (!std::all_of(all.begin(), all.end(), is_loopback)) std::erase_if(all, is_loopback);
  const size_t one = call.socket.family() == 4 ? sizeof(WS_sockaddr_in) : sizeof(WS_sockaddr_in6);
  const size_t head = offsetof(SOCKET_ADDRESS_LIST, Address) + all.size() * sizeof(SOCKET_ADDRESS);
  const size_t bytes = std::max(head, sizeof(SOCKET_ADDRESS_LIST)) + all.size() * one;
  if (!has_room(call, bytes)) return WsaError::kFault;
  auto* const out = static_cast<CHAR*>(call.out);
  const auto count = static_cast<INT>(all.size());
  std::memcpy(out + offsetof(SOCKET_ADDRESS_LIST, iAddressCount), &count, sizeof count);
  for (size_t i = 0; i < all.size(); ++i) {
    INT length = static_cast<INT>(one);
    auto* const at = reinterpret_cast<WS_sockaddr*>(out + bytes - (all.size() - i) * one);
    store_endpoint({all[i].address.address, 0}, at, &length);
    const SOCKET_ADDRESS address{at, length};
    std::memcpy(out + offsetof(SOCKET_ADDRESS_LIST, Address) + i * sizeof address, &address,
                sizeof address);
  }
  return WsaError::kOk;
}

WsaError routing_interface(const IoctlCall& call) noexcept {
  WsaError error = WsaError::kOk;
  const auto to = endpoint_for(call.socket, static_cast<const WS_sockaddr*>(call.in),
                               static_cast<int>(std::min<uint32_t>(call.in_bytes, INT32_MAX)), error);
  if (!to) return error;
  const auto source = call.socket.stack().source_toward(to->address);
  if (!source) return WsaError::kNetUnreach;
  const size_t one = call.socket.family() == 4 ? sizeof(WS_sockaddr_in) : sizeof(WS_sockaddr_in6);
  if (!has_room(call, one)) return WsaError::kFault;
  INT length = static_cast<INT>(one);
  store_endpoint(call.socket.shown({*source, 0}), static_cast<WS_sockaddr*>(call.out), &length);
  return WsaError::kOk;
}

// What is not counted per connection is 0: BytesReordered, DupAcksIn, SynRetrans.
WsaError tcp_info(const IoctlCall& call) noexcept {
  if (!is_tcp(call)) return WsaError::kOpNotSupp;
  DWORD version;
  if (!take(call, version)) return WsaError::kFault;
  if (version != 0) return WsaError::kInval;  // there is no TCP_INFO_v1 here
  const auto info = call.socket.info();
  if (!info) return WsaError::kNotConn;
  TCP_INFO_v0 told{};
  told.State = static_cast<TCPSTATE>(info->state);
  told.Mss = info->mss_bytes;
  told.ConnectionTimeMs = info->connected_ms;
  told.TimestampsEnabled = info->has_timestamps ? 1 : 0;
  told.RttUs = info->rtt_us;
  told.MinRttUs = info->least_rtt_us;
  told.BytesInFlight = info->in_flight_bytes;
  told.Cwnd = info->congestion_window_bytes;
  told.SndWnd = info->send_window_bytes;
  told.RcvWnd = info->receive_window_bytes;
  told.RcvBuf = call.socket.options.receive_buffer_bytes;
  told.BytesOut = info->sent_bytes;
  told.BytesIn = info->received_bytes;
  told.BytesRetrans = info->resent_bytes;
  told.FastRetrans = info->resent_fast;
  told.TimeoutEpisodes = info->timeouts;
  return give(call, told);
}

WsaError flush(const IoctlCall& call) noexcept {
  call.socket.flush_sends();
  return WsaError::kOk;
}

// What Windows' page has for providers without quality of service.
WsaError no_qos(const IoctlCall&) noexcept { return WsaError::kNoProtoOpt; }

struct Row {
  uint32_t code;
  WsaError (*answer)(const IoctlCall&) noexcept;
};
constexpr Row kRows[] = {
    {WS_FIONREAD, readable_bytes},
    {WS_SIOCATMARK, at_mark},
    {SIO_BASE_HANDLE, base_handle},  // no layers: the provider's own is the only handle
    {SIO_BSP_HANDLE, base_handle},
    {SIO_BSP_HANDLE_SELECT, base_handle},
    {SIO_BSP_HANDLE_POLL, base_handle},
    {SIO_FLUSH, flush},
    {SIO_GET_BROADCAST_ADDRESS, broadcast_address},
    {SIO_GET_INTERFACE_LIST, interface_list},
    {SIO_ADDRESS_LIST_QUERY, address_list},
    {SIO_ROUTING_INTERFACE_QUERY, routing_interface},
    {SIO_IDEAL_SEND_BACKLOG_QUERY, ideal_backlog},
    {SIO_TCP_INFO, tcp_info},
    {SIO_GET_QOS, no_qos},
    {SIO_SET_QOS, no_qos},
    {SIO_GET_GROUP_QOS, no_qos},
    {SIO_SET_GROUP_QOS, no_qos},
};

}  // namespace

WsaError answer_ioctl(const IoctlCall& call, uint32_t code) noexcept {
  for (const Row& row : kRows) {
    if (row.code == code) return row.answer(call);
  }
  return WsaError::kOpNotSupp;
}

}  // namespace millrace
