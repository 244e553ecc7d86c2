// SPDX-License-Identifier: BSD-3-Clause
// Memberships come in three shapes, which all become a GroupChange:
//
//   IP_ADD_MEMBERSHIP and its kin     ip_mreq, ip_mreq_source    an interface by its address, or
//   0.0.0.index IPV6_ADD_MEMBERSHIP               ipv6_mreq                  an interface by its
//   index MCAST_JOIN_GROUP and its kin      group_req, group_source_req   both families, by index
#include "spi_shim/multicast.h"

#include <arpa/inet.h>

#include <cstring>

#include "stack/groups.h"

namespace millrace {
namespace {

constexpr uint32_t kMostIndex = 0x00ffffff;  // as an IPv4 address: 0.x.x.x

template <typename T>
bool read(T& into, const CHAR* value, int length) noexcept {
  if (length < static_cast<int>(sizeof into)) return false;
  std::memcpy(&into, value, sizeof into);
  return true;
}

IpAddress address_of(const WS_in_addr& in) noexcept {
  IpAddress address = IpAddress::any(4);
  std::memcpy(address.bytes.data(), &in, 4);
  return address;
}

IpAddress address_of(const WS_in6_addr& in) noexcept {
  IpAddress address = IpAddress::any(6);
  std::memcpy(address.bytes.data(), &in, 16);
  return address;
}

/// An interface as IPv4 options name it. @errors kAddrNotAvail: no interface has the address
WsaError read_interface(const Stack& stack, const WS_in_addr& name, uint32_t& index) noexcept {
  const IpAddress address = address_of(name);
  uint32_t number;
  std::memcpy(&number, &name, sizeof number);
  number = ntohl(number);
  index = number <= kMostIndex ? number : stack.interface_with(address);
  if (number == 0 || (index != 0 && stack.has_interface(index))) return WsaError::kOk;
  return WsaError::kAddrNotAvail;
}

struct Named {
  int level;
  int name;
  GroupAction action;
};
constexpr Named kMembers[] = {{WS_IPPROTO_IP, WS_IP_ADD_MEMBERSHIP, GroupAction::kJoin},
                              {WS_IPPROTO_IP, WS_IP_DROP_MEMBERSHIP, GroupAction::kLeave},
                              {WS_IPPROTO_IPV6, WS_IPV6_ADD_MEMBERSHIP, GroupAction::kJoin},
                              {WS_IPPROTO_IPV6, WS_IPV6_DROP_MEMBERSHIP, GroupAction::kLeave}};
constexpr Named kSources[] = {
    {WS_IPPROTO_IP, WS_IP_ADD_SOURCE_MEMBERSHIP, GroupAction::kJoinSource},
    {WS_IPPROTO_IP, WS_IP_DROP_SOURCE_MEMBERSHIP, GroupAction::kLeaveSource},
    {WS_IPPROTO_IP, WS_IP_BLOCK_SOURCE, GroupAction::kBlock},
    {WS_IPPROTO_IP, WS_IP_UNBLOCK_SOURCE, GroupAction::kUnblock}};
constexpr Named kProtocolIndependent[] = {
    {0, WS_MCAST_JOIN_GROUP, GroupAction::kJoin},
    {0, WS_MCAST_LEAVE_GROUP, GroupAction::kLeave},
    {0, WS_MCAST_JOIN_SOURCE_GROUP, GroupAction::kJoinSource},
    {0, WS_MCAST_LEAVE_SOURCE_GROUP, GroupAction::kLeaveSource},
    {0, WS_MCAST_BLOCK_SOURCE, GroupAction::kBlock},
    {0, WS_MCAST_UNBLOCK_SOURCE, GroupAction::kUnblock}};

template <size_t N>
const Named* find(const Named (&table)[N], int level, int name) noexcept {
  for (const Named& named : table) {
    if (named.level == level && named.name == name) return &named;
  }
  return nullptr;
}

WsaError change_member4(Socket& socket, GroupChange change, const CHAR* value, int length) {
  WS_ip_mreq request;
  if (!read(request, value, length)) return WsaError::kFault;
  change.group = address_of(request.imr_multiaddr);
  const WsaError error = read_interface(socket.stack(), request.imr_interface, change.interface);
  return error == WsaError::kOk ? socket.change_groups(change) : error;
}

WsaError change_source4(Socket& socket, GroupChange change, const CHAR* value, int length) {
  WS_ip_mreq_source request;
  if (!read(request, value, length)) return WsaError::kFault;
  change.group = address_of(request.imr_multiaddr);
  change.source = address_of(request.imr_sourceaddr);
  const WsaError error = read_interface(socket.stack(), request.imr_interface, change.interface);
  return error == WsaError::kOk ? socket.change_groups(change) : error;
}

WsaError change_member6(Socket& socket, GroupChange change, const CHAR* value, int length) {
  WS_ipv6_mreq request;
  if (!read(request, value, length)) return WsaError::kFault;
  change.group = address_of(request.ipv6mr_multiaddr);
  change.interface = request.ipv6mr_interface;
  return socket.change_groups(change);
}

WsaError read_address(const WS_sockaddr_storage& from, uint8_t family, IpAddress& into) noexcept {
  WsaError error = WsaError::kOk;
  const auto endpoint =
      endpoint_from(reinterpret_cast<const WS_sockaddr*>(&from), sizeof from, family, error);
  if (!endpoint) return error;
  into = endpoint->address;
  into.zone = 0;
  return WsaError::kOk;
}

WsaError change_any(Socket& socket, uint8_t family, GroupChange change, const CHAR* value,
                    int length) {
  const bool has_source =
      change.action != GroupAction::kJoin && change.action != GroupAction::kLeave;
  WS_group_source_req request{};
  const size_t needed = has_source ? sizeof request : sizeof(WS_group_req);
  if (length < static_cast<int>(needed)) return WsaError::kFault;
  std::memcpy(&request, value, needed);  // group_req is its beginning
  WsaError error = read_address(request.gsr_group, family, change.group);
  if (error == WsaError::kOk && has_source) {
    error = read_address(request.gsr_source, family, change.source);
  }
  change.interface = request.gsr_interface;
  return error == WsaError::kOk ? socket.change_groups(change) : error;
}
static_assert(offsetof(WS_group_req, gr_group) == offsetof(WS_group_source_req, gsr_group));

/// IP_MULTICAST_IF, IPV6_MULTICAST_IF.
WsaError set_interface(Socket& socket, uint8_t family, const CHAR* value, int length) noexcept {
  uint32_t wanted;
  if (!read(wanted, value, length)) return WsaError::kFault;
  uint32_t index = wanted;
  if (family == 4) {
    WS_in_addr name;
    std::memcpy(&name, &wanted, sizeof name);
    const WsaError error = read_interface(socket.stack(), name, index);
    if (error != WsaError::kOk) return error;
  } else if (index != 0 && !socket.stack().has_interface(index)) {
    return WsaError::kAddrNotAvail;
  }
  socket.options.multicast_interface = index;
  socket.options.multicast_interface_as_set = wanted;
  return WsaError::kOk;
}

SOCKET fail(const Call& call, WsaError error) noexcept {
  (void)call.fail(error);
  return INVALID_SOCKET;
}

}  // namespace

std::optional<WsaError> set_multicast_option(Socket& socket, int level, int name, const CHAR* value,
                                             int length) noexcept {
  const int own_level = socket.family() == 4 ? WS_IPPROTO_IP : WS_IPPROTO_IPV6;
  const bool is_other_half = socket.options.dual_mode && level == WS_IPPROTO_IP;
  if (level != own_level && !is_other_half) return std::nullopt;
  const uint8_t family = level == WS_IPPROTO_IP ? 4 : 6;
  const bool is_datagram = socket.transport() == Transport::kUdp;
  if (name == (level == WS_IPPROTO_IP ? WS_IP_MULTICAST_IF : WS_IPV6_MULTICAST_IF)) {
    return is_datagram ? set_interface(socket, family, value, length) : WsaError::kNoProtoOpt;
  }
  const Named* const member = find(kMembers, level, name);
  const Named* const source = find(kSources, level, name);
  const Named* const any = find(kProtocolIndependent, 0, name);
  if (member == nullptr && source == nullptr && any == nullptr) return std::nullopt;
  if (!is_datagram) return WsaError::kNoProtoOpt;
  GroupChange change;
  change.action = (member != nullptr ? member : source != nullptr ? source : any)->action;
  if (any != nullptr) return change_any(socket, family, change, value, length);
  if (source != nullptr) return change_source4(socket, change, value, length);
  return level == WS_IPPROTO_IP ? change_member4(socket, change, value, length)
                                : change_member6(socket, change, value, length);
}

// A leaf of IP multicast is the socket itself: no other descriptor is made. Data for a connecting
// leaf and QOS are not IP's.
SOCKET WSPAPI wsp_join_leaf(SOCKET s, const WS_sockaddr* name, int namelen, LPWSABUF lpCallerData,
                            LPWSABUF, LPQOS, LPQOS, DWORD dwFlags, LPINT lpErrno) noexcept {
  const Call call(s, lpErrno);
  if (!call) return INVALID_SOCKET;
  Socket& socket = call.socket();
  if (socket.transport() != Transport::kUdp) return fail(call, WsaError::kOpNotSupp);
  WsaError error = WsaError::kOk;
  const auto group = endpoint_for(socket, name, namelen, error);
  if (!group) return fail(call, error);
  if (lpCallerData != nullptr) {
    return fail(call, can_read(lpCallerData) ? WsaError::kNoProtoOpt : WsaError::kFault);
  }
  if (dwFlags != JL_SENDER_ONLY && dwFlags != JL_RECEIVER_ONLY && dwFlags != JL_BOTH) {
    return fail(call, WsaError::kInval);
  }
  error = socket.join_leaf(*group, dwFlags != JL_RECEIVER_ONLY, dwFlags != JL_SENDER_ONLY);
  return error == WsaError::kOk ? s : fail(call, error);
}

}  // namespace millrace
