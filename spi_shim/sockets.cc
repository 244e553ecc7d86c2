// SPDX-License-Identifier: BSD-3-Clause
// The procedures of a socket's life: made, named, connected, accepted, shut down, closed.
#include <arpa/inet.h>

#include <algorithm>
#include <cstring>

#include "spi_shim/call.h"
#include "spi_shim/catalog.h"
#include "spi_shim/duplicates.h"
#include "spi_shim/accept_ex.h"
#include "spi_shim/listeners.h"
#include "spi_shim/probe.h"
#include "spi_shim/procedures.h"
#include "spi_shim/rio.h"
#include "stack/delivery.h"
#include "stack/sockaddr.h"

namespace millrace {

std::optional<Endpoint> endpoint_from(const WS_sockaddr* name, int length, uint8_t family,
                                      WsaError& error) noexcept {
  const int needed = family == 4 ? sizeof(WS_sockaddr_in) : sizeof(WS_sockaddr_in6);
  if (length < needed || !can_read(name, static_cast<size_t>(needed))) {
    error = WsaError::kFault;
    return std::nullopt;
  }
  ADDRESS_FAMILY named;
  std::memcpy(&named, name, sizeof named);  // the caller's bytes need not be aligned
  if (named != (family == 4 ? WS_AF_INET : WS_AF_INET6)) {
    error = WsaError::kAfNoSupport;
    return std::nullopt;
  }
  Endpoint endpoint{IpAddress::any(family), 0};
  if (family == 4) {
    WS_sockaddr_in v4;
    std::memcpy(&v4, name, sizeof v4);
    endpoint.port = ntohs(v4.sin_port);
    std::memcpy(endpoint.address.bytes.data(), &v4.sin_addr, 4);
  } else {
    WS_sockaddr_in6 v6;
    std::memcpy(&v6, name, sizeof v6);
    endpoint.port = ntohs(v6.sin6_port);
    std::memcpy(endpoint.address.bytes.data(), &v6.sin6_addr, 16);
    if (is_link_local(endpoint.address)) endpoint.address.zone = v6.sin6_scope_id;
  }
  return endpoint;
}

std::optional<Endpoint> endpoint_for(const Socket& socket, const WS_sockaddr* name, int length,
                                     WsaError& error) noexcept {
  auto endpoint = endpoint_from(name, length, socket.family(), error);
  if (!endpoint || !is_v4_mapped(endpoint->address)) return endpoint;
  if (!socket.options.dual_mode) {
    error = WsaError::kAddrNotAvail;
    return std::nullopt;
  }
  endpoint->address = unmapped_of(endpoint->address);
  return endpoint;
}

std::optional<Endpoint> destination_for(const Socket& socket, const WS_sockaddr* name, int length,
                                        WsaError& error) noexcept {
  auto endpoint = endpoint_for(socket, name, length, error);
  if (!socket.options.dual_mode || !endpoint || socket.speaks(endpoint->address.family)) {
    return endpoint;
  }
  error = WsaError::kAddrNotAvail;
  return std::nullopt;
}

namespace {

SOCKET fail(INT error, LPINT lpErrno) noexcept {
  tell(lpErrno, error);
  return INVALID_SOCKET;
}

Transport transport_of(const WSAPROTOCOL_INFOW& entry) noexcept {
  if (entry.iProtocol == WS_IPPROTO_TCP) return Transport::kTcp;
  return entry.iProtocol == WS_IPPROTO_UDP ? Transport::kUdp : Transport::kSctp;
}

/// SCTP's sockets are the first Stack's (stack/SCTP.md). @return null: WSPCleanup was called
Stack* stack_for(Transport transport) noexcept {
  if (transport != Transport::kSctp) return stack_for_new();
  const auto stacks = running_stacks();
  return stacks.empty() ? nullptr : stacks.front();
}

SOCKET WSPAPI wsp_socket(int af, int type, int protocol, LPWSAPROTOCOL_INFOW lpProtocolInfo, GROUP,
                         DWORD dwFlags, LPINT lpErrno) noexcept {
  const Inside inside;
  if (stacks_for_call(lpErrno).empty()) return INVALID_SOCKET;
  if (lpProtocolInfo != nullptr && !can_read(lpProtocolInfo)) return fail(WSAEFAULT, lpErrno);
  if (lpProtocolInfo != nullptr && is_duplicate(*lpProtocolInfo)) {
    return open_duplicate(*lpProtocolInfo, lpErrno);
  }
  const auto [entry, error] = catalog_find(af, type, protocol, lpProtocolInfo);
  if (entry == nullptr) return fail(static_cast<INT>(error), lpErrno);
  const Transport transport = transport_of(*entry);
  const uint8_t family = entry->iAddressFamily == WS_AF_INET ? 4 : 6;
  SOCKET inner;
  {
    Stack* const stack = stack_for(transport);
    if (stack == nullptr) return fail(WSANOTINITIALISED, lpErrno);
    const Stack::Guard guard(*stack);
    Socket* const socket = stack->open(transport, family);
    if (socket == nullptr) return fail(WSAENOBUFS, lpErrno);
    socket->options.is_overlapped = (dwFlags & WSA_FLAG_OVERLAPPED) != 0;
    socket->options.is_registered = (dwFlags & WSA_FLAG_REGISTERED_IO) != 0;
    socket->options.whole_messages = entry->dwServiceFlags1 == kWholeSctpServiceFlags;
    inner = stack->insert(*socket);
    socket->unref();
  }
  return publish_or_close(inner, entry->dwCatalogEntryId, lpErrno);
}

int WSPAPI wsp_bind(SOCKET s, const WS_sockaddr* name, int namelen, LPINT lpErrno) noexcept {
  const Call call(s, lpErrno);
  if (!call) return SOCKET_ERROR;
  WsaError error = WsaError::kOk;
  const auto endpoint = endpoint_for(call.socket(), name, namelen, error);
  return endpoint ? call.done(call.socket().bind(*endpoint)) : call.fail(error);
}

int WSPAPI wsp_listen(SOCKET s, int backlog, LPINT lpErrno) noexcept {
  const Inside inside;
  SOCKET inner;
  {
    const Call call(s, lpErrno);
    if (!call) return SOCKET_ERROR;
    const WsaError error = call.socket().listen(backlog);
    if (error != WsaError::kOk) return call.fail(error);
    const bool is_alone = running_stacks().size() == 1 || call.socket().transport() == Transport::kSctp;
    if (is_alone || !call.socket().twins().empty()) return 0;
    inner = call.inner();
  }
  const WsaError error = add_twins(inner, backlog);
  if (error == WsaError::kOk) return 0;
  tell(lpErrno, static_cast<INT>(error));
  return SOCKET_ERROR;
}


bool names_nobody(const WS_sockaddr* name, int length) noexcept {
  ADDRESS_FAMILY family;
  if (length < static_cast<int>(sizeof family)) return false;
  const auto whole = static_cast<size_t>(std::min<int>(length, sizeof(WS_sockaddr_in6)));
  if (!can_read(name, whole)) return false;  // zeros before a page that is missing are no family
  std::memcpy(&family, name, sizeof family);
  return family == WS_AF_UNSPEC;
}

int WSPAPI wsp_connect(SOCKET s, const WS_sockaddr* name, int namelen, LPWSABUF, LPWSABUF, LPQOS,
                       LPQOS, LPINT lpErrno) noexcept {
  const Call call(s, lpErrno);
  if (!call) return SOCKET_ERROR;
  Socket& socket = call.socket();
  WsaError error = WsaError::kOk;
  // AF_UNSPEC takes a datagram socket's peer away (winsock-rules 113).
  if (socket.transport() == Transport::kUdp && names_nobody(name, namelen)) {
    return call.done(socket.connect({IpAddress::any(socket.family()), 0}));
  }
  const auto endpoint = endpoint_for(socket, name, namelen, error);
  return endpoint ? call.done(socket.connect(*endpoint)) : call.fail(error);
}

int WSPAPI wsp_shutdown(SOCKET s, int how, LPINT lpErrno) noexcept {
  const Call call(s, lpErrno);
  if (!call) return SOCKET_ERROR;
  if (call.socket().context != Context::kWhole) return call.fail(WsaError::kNotConn);  // rule 191
  return call.done(call.socket().shutdown(how));
}

// Disconnect data is not TCP/IP's: without it these are halves of WSPShutdown.
int disconnect(SOCKET s, LPWSABUF data, int how, LPINT lpErrno) noexcept {
  const Call call(s, lpErrno);
  if (!call) return SOCKET_ERROR;
  if (data != nullptr) {
    return call.fail(can_read(data) ? WsaError::kNoProtoOpt : WsaError::kFault);
  }
  return call.done(call.socket().shutdown(how));
}

int WSPAPI wsp_recv_disconnect(SOCKET s, LPWSABUF lpInboundDisconnectData,
                               LPINT lpErrno) noexcept {
  return disconnect(s, lpInboundDisconnectData, SD_RECEIVE, lpErrno);
}

int WSPAPI wsp_send_disconnect(SOCKET s, LPWSABUF lpOutboundDisconnectData,
                               LPINT lpErrno) noexcept {
  return disconnect(s, lpOutboundDisconnectData, SD_SEND, lpErrno);
}

int WSPAPI wsp_close_socket(SOCKET s, LPINT lpErrno) noexcept {
  const Inside inside;
  end_accept_on(s);
  // A listener's twins go first: with it goes the claim on the port, and the next one may listen there.
  std::vector<SOCKET> twins;
  if (running_stacks().size() > 1) {
    const Call call(s, lpErrno);
    if (!call) return SOCKET_ERROR;
    if (call.socket().n_handles() == 1 && call.socket().listening) twins.swap(call.socket().listening->twins);
  }
  end_twins(twins);
  const SOCKET first = first_handle(s);
  {
    const Call call(s, lpErrno);
    if (!call) return SOCKET_ERROR;
    // The socket lives as long as a descriptor of it (winsock-rules 201).
    const bool is_last = call.socket().n_handles() == 1;
    const WsaError error = is_last ? call.socket().close() : WsaError::kOk;
    if (error != WsaError::kOk) return call.fail(error);
    if (!is_last) pass_rio_socket(first, call.socket());
    call.socket().stack().erase(call.inner());
  }
  end_rio_socket(first);
  retire(s);
  return 0;
}

int name_of(const Call& call, const std::optional<Endpoint>& endpoint, WsaError missing,
            WS_sockaddr* name, LPINT namelen) noexcept {
  if (!can_write(namelen) ||
      !can_write(name, static_cast<size_t>(std::clamp<INT>(*namelen, 1, sizeof(WS_sockaddr_in6))))) {
    return call.fail(WsaError::kFault);
  }
  if (!endpoint) return call.fail(missing);
  return store_endpoint(call.socket().shown(*endpoint), name, namelen) ? 0 : call.fail(WsaError::kFault);
}

int WSPAPI wsp_get_sock_name(SOCKET s, WS_sockaddr* name, LPINT namelen, LPINT lpErrno) noexcept {
  const Call call(s, lpErrno);
  if (!call) return SOCKET_ERROR;
  const Socket& socket = call.socket();
  const bool has_name = socket.local().port != 0 && socket.context != Context::kAccepted;
  return name_of(call, has_name ? std::optional(socket.local()) : std::nullopt, WsaError::kInval,
                 name, namelen);
}

int WSPAPI wsp_get_peer_name(SOCKET s, WS_sockaddr* name, LPINT namelen, LPINT lpErrno) noexcept {
  const Call call(s, lpErrno);
  if (!call) return SOCKET_ERROR;
  const bool has_peer = call.socket().context == Context::kWhole;  // winsock-rules 191
  return name_of(call, has_peer ? call.socket().peer() : std::nullopt, WsaError::kNotConn, name,
                 namelen);
}

}  // namespace

void add_socket_procedures(WSPPROC_TABLE& table) noexcept {
  table.lpWSPSocket = wsp_socket;
  table.lpWSPBind = wsp_bind;
  table.lpWSPListen = wsp_listen;
  table.lpWSPConnect = wsp_connect;
  table.lpWSPShutdown = wsp_shutdown;
  table.lpWSPRecvDisconnect = wsp_recv_disconnect;
  table.lpWSPSendDisconnect = wsp_send_disconnect;
  table.lpWSPCloseSocket = wsp_close_socket;
  table.lpWSPGetSockName = wsp_get_sock_name;
  table.lpWSPGetPeerName = wsp_get_peer_name;
}

}  // namespace millrace
