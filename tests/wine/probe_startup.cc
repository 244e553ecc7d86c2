// SPDX-License-Identifier: BSD-3-Clause
// Rules 2 to 4, 7, 13 to 16, 135: start and end, making sockets, the catalog.
#include <vector>

#include "tests/wine/probe.h"

namespace probe {
namespace {

std::string version_of(WORD requested) {
  WSADATA data{};
  const int result = WSAStartup(requested, &data);
  if (result != 0) return error_name(static_cast<DWORD>(result));
  WSACleanup();
  return std::to_string(LOBYTE(data.wVersion)) + "." + std::to_string(HIBYTE(data.wVersion)) +
         " of " + std::to_string(LOBYTE(data.wHighVersion)) + "." +
         std::to_string(HIBYTE(data.wHighVersion));
}

void before_startup() {
  char byte = 0;
  DWORD n = 0;
  WSABUF one{1, &byte};
  fd_set* const none = nullptr;
  say("R7.cleanup_before_startup", rc(WSACleanup()));
  say("R7.socket_before_startup", rc_socket(socket(family(), SOCK_STREAM, 0)));
  say("R7.recv_before_startup", rc(recv(4, &byte, 1, 0)));
  say("R7.send_before_startup", rc(send(4, &byte, 1, 0)));
  say("R7.WSASend_before_startup", rc(WSASend(4, &one, 1, &n, 0, nullptr, nullptr)));
  say("R7.closesocket_before_startup", rc(closesocket(4)));
  say("R7.select_before_startup", rc(select(0, none, none, none, nullptr)));
  say("R7.getsockname_before_startup", rc(getsockname(4, nullptr, nullptr)));
}

void socket_error(const char* name, int af, int type, int protocol) {
  const SOCKET s = socket(af, type, protocol);
  say(name, rc_socket(s));
  if (s != INVALID_SOCKET) closesocket(s);
}

std::string entry_of(int type) {
  INT wanted[] = {type == SOCK_STREAM ? IPPROTO_TCP : IPPROTO_UDP, 0};
  DWORD length = 0;
  WSAEnumProtocolsW(wanted, nullptr, &length);
  std::vector<char> memory(length);
  auto* const entries = reinterpret_cast<WSAPROTOCOL_INFOW*>(memory.data());
  const int n = WSAEnumProtocolsW(wanted, entries, &length);
  for (int i = 0; i < n; ++i) {
    const WSAPROTOCOL_INFOW& entry = entries[i];
    if (entry.iAddressFamily != family() || entry.iSocketType != type) continue;
    const DWORD ifs =
        0x20000;  // XP1_IFS_HANDLES, which a provider without kernel handles may not set
    return "flags " + hex(entry.dwServiceFlags1 & ~ifs) + ", provider " +
           hex(entry.dwProviderFlags) + ", version " + std::to_string(entry.iVersion) +
           ", addresses " + std::to_string(entry.iMinSockAddr) + " to " +
           std::to_string(entry.iMaxSockAddr) + ", message " + hex(entry.dwMessageSize) +
           ", chain " + std::to_string(entry.ProtocolChain.ChainLen) + ", order " +
           std::to_string(entry.iNetworkByteOrder);
  }
  return "none";
}

}  // namespace

void startup() {
  before_startup();
  say("R3.version_0_0", version_of(MAKEWORD(0, 0)));
  say("R3.version_0_9", version_of(MAKEWORD(0, 9)));
  say("R3.version_1_0", version_of(MAKEWORD(1, 0)));
  say("R3.version_1_1", version_of(MAKEWORD(1, 1)));
  say("R3.version_2_0", version_of(MAKEWORD(2, 0)));
  say("R3.version_2_2", version_of(MAKEWORD(2, 2)));
  say("R3.version_3_7", version_of(MAKEWORD(3, 7)));
  WSADATA data;
  say("R4.first", WSAStartup(MAKEWORD(2, 2), &data));
  say("R4.second", WSAStartup(MAKEWORD(2, 2), &data));
  const SOCKET s = tcp();
  say("R4.socket", rc_socket(s));
  say("R4.one_cleanup", rc(WSACleanup()));
  say("R4.socket_lives_on", rc(listen(bound(s), 1)));
  say("R4.last_cleanup", rc(WSACleanup()));
  say("R4.one_too_many", rc(WSACleanup()));
  say("R6.socket_after_the_last", rc(closesocket(s)));
  say("R7.again", WSAStartup(MAKEWORD(2, 2), &data));
  say("R6.stale_after_restart", rc(closesocket(s)));
  say("R7.again_socket", rc_socket(tcp()));
  WSASetLastError(WSAEDISCON);
  say("R8.last_error_is_kept", error_name(static_cast<DWORD>(WSAGetLastError())));
  say("R8.last_error_is_win32s", error_name(GetLastError()));
  Thread([] { say("R8.last_error_of_another_thread", WSAGetLastError()); });
  close_all();
  WSACleanup();
}

void sockets() {
  socket_error("R14.family_unknown", 77, SOCK_STREAM, 0);
  socket_error("R14.family_minus_one", -1, SOCK_STREAM, 0);
  socket_error("R14.type_unknown", family(), 77, 0);
  socket_error("R14.type_seqpacket", family(), SOCK_SEQPACKET, 0);
  socket_error("R14.protocol_unknown", family(), SOCK_STREAM, 255);
  socket_error("R14.stream_of_udp", family(), SOCK_STREAM, IPPROTO_UDP);
  socket_error("R14.datagram_of_tcp", family(), SOCK_DGRAM, IPPROTO_TCP);
  socket_error("R13.stream", family(), SOCK_STREAM, IPPROTO_TCP);
  socket_error("R13.datagram", family(), SOCK_DGRAM, IPPROTO_UDP);
  socket_error("R13.protocol_alone", family(), 0, IPPROTO_TCP);
  socket_error("R13.type_alone", 0, SOCK_STREAM, 0);
  socket_error("R13.family_from_protocol", 0, 0, IPPROTO_UDP);
  socket_error("R13.family_alone", family(), 0, 0);
  socket_error("R13.nothing", 0, 0, 0);
  SOCKET s = keep(WSASocketW(family(), SOCK_STREAM, 0, nullptr, 0, 0));
  say("R13.without_overlapped_flag", rc_socket(s));
  say("R14.unknown_flags",
      rc_socket(keep(WSASocketW(family(), SOCK_STREAM, 0, nullptr, 0, 0x8000))));
  say("R14.no_handle_inherit", rc_socket(keep(WSASocketW(family(), SOCK_STREAM, 0, nullptr, 0,
                                                         WSA_FLAG_OVERLAPPED | 0x80))));
  s = tcp();
  say("R135.close", rc(closesocket(s)));
  say("R135.close_twice", rc(closesocket(s)));
  say("R135.bind_closed", rc(bind(s, local().get(), local().length)));
  say("R135.listen_closed", rc(listen(s, 1)));
  say("R135.accept_closed", rc_socket(accept(s, nullptr, nullptr)));
  say("R135.connect_closed", rc(connect(s, local(1).get(), local().length)));
  say("R135.recv_closed", got(s));
  say("R135.send_closed", rc(put(s, "x")));
  say("R135.shutdown_closed", rc(shutdown(s, SD_BOTH)));
  Address address;
  say("R135.getsockname_closed", rc(getsockname(s, address.get(), &address.length)));
  say("R135.getpeername_closed", rc(getpeername(s, address.get(), &address.length)));
  say("R135.getsockopt_closed", option(s, SOL_SOCKET, SO_TYPE));
  say("R135.setsockopt_closed", set_option(s, SOL_SOCKET, SO_KEEPALIVE, 1));
  u_long word = 0;
  say("R135.ioctlsocket_closed", rc(ioctlsocket(s, static_cast<LONG>(FIONREAD), &word)));
  say("R135.WSAEventSelect_closed", rc(WSAEventSelect(s, nullptr, 0)));
  say("R135.INVALID_SOCKET", rc(closesocket(INVALID_SOCKET)));
  say("R135.null_socket", rc(closesocket(0)));
  say("R135.random_socket", rc(closesocket(0x12345)));
  say("R15.stream", entry_of(SOCK_STREAM));
  say("R15.datagram", entry_of(SOCK_DGRAM));
  DWORD length = 0;
  say("R16.without_room", rc(WSAEnumProtocolsW(nullptr, nullptr, &length)));
  say("R16.length_is_told", length > 0 && length % sizeof(WSAPROTOCOL_INFOW) == 0);
  length = 1;
  WSAPROTOCOL_INFOW one;
  say("R16.too_little_room", rc(WSAEnumProtocolsW(nullptr, &one, &length)));
  INT unknown[] = {254, 0};
  length = 0;
  say("R16.protocol_that_nobody_has", rc(WSAEnumProtocolsW(unknown, nullptr, &length)));
}

}  // namespace probe
