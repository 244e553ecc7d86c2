// SPDX-License-Identifier: BSD-3-Clause
// Calls about a socket as a whole: each is the procedure of the same name.
#include "spi_shim/probe.h"
#include "spi_shim/ws2_32/call.h"
#include "spi_shim/ws2_32/text.h"

using namespace millrace;
using namespace millrace::ws2;
using Table = WSPPROC_TABLE;

SOCKET WSAAPI WSASocketW(int af, int type, int protocol, LPWSAPROTOCOL_INFOW lpProtocolInfo,
                         GROUP g, DWORD dwFlags) noexcept {
  return call<&Table::lpWSPSocket>(af, type, protocol, lpProtocolInfo, g, dwFlags);
}

SOCKET WSAAPI WSASocketA(int af, int type, int protocol, LPWSAPROTOCOL_INFOA lpProtocolInfo,
                         GROUP g, DWORD dwFlags) noexcept {
  if (lpProtocolInfo == nullptr) return WSASocketW(af, type, protocol, nullptr, g, dwFlags);
  if (provider() != nullptr && !can_read(lpProtocolInfo)) {
    SetLastError(WSAEFAULT);
    return INVALID_SOCKET;
  }
  WSAPROTOCOL_INFOW wide = widen(*lpProtocolInfo);
  return WSASocketW(af, type, protocol, &wide, g, dwFlags);
}

// An overlapped socket, as on Windows, whatever SO_OPENTYPE says.
SOCKET WSAAPI WS_socket(int af, int type, int protocol) noexcept {
  return WSASocketW(af, type, protocol, nullptr, 0, WSA_FLAG_OVERLAPPED);
}

SOCKET WSAAPI WSAAccept(SOCKET s, WS_sockaddr* addr, LPINT addrlen, LPCONDITIONPROC lpfnCondition,
                        DWORD_PTR dwCallbackData) noexcept {
  return call<&Table::lpWSPAccept>(s, addr, addrlen, lpfnCondition, dwCallbackData);
}

SOCKET WSAAPI WS_accept(SOCKET s, WS_sockaddr* addr, int* addrlen) noexcept {
  return WSAAccept(s, addr, addrlen, nullptr, 0);
}

int WSAAPI WSAConnect(SOCKET s, const WS_sockaddr* name, int namelen, LPWSABUF lpCallerData,
                      LPWSABUF lpCalleeData, LPQOS lpSQOS, LPQOS lpGQOS) noexcept {
  return call<&Table::lpWSPConnect>(s, name, namelen, lpCallerData, lpCalleeData, lpSQOS, lpGQOS);
}

int WSAAPI WS_connect(SOCKET s, const WS_sockaddr* name, int namelen) noexcept {
  return WSAConnect(s, name, namelen, nullptr, nullptr, nullptr, nullptr);
}

SOCKET WSAAPI WSAJoinLeaf(SOCKET s, const WS_sockaddr* name, int namelen, LPWSABUF lpCallerData,
                          LPWSABUF lpCalleeData, LPQOS lpSQOS, LPQOS lpGQOS,
                          DWORD dwFlags) noexcept {
  return call<&Table::lpWSPJoinLeaf>(s, name, namelen, lpCallerData, lpCalleeData, lpSQOS, lpGQOS,
                                     dwFlags);
}

int WSAAPI WSADuplicateSocketW(SOCKET s, DWORD dwProcessId,
                               LPWSAPROTOCOL_INFOW lpProtocolInfo) noexcept {
  return call<&Table::lpWSPDuplicateSocket>(s, dwProcessId, lpProtocolInfo);
}

int WSAAPI WSADuplicateSocketA(SOCKET s, DWORD dwProcessId,
                               LPWSAPROTOCOL_INFOA lpProtocolInfo) noexcept {
  if (lpProtocolInfo == nullptr) return WSADuplicateSocketW(s, dwProcessId, nullptr);
  WSAPROTOCOL_INFOW wide{};
  const int result = WSADuplicateSocketW(s, dwProcessId, &wide);
  if (result == 0 && !can_write(lpProtocolInfo)) return fail(WSAEFAULT);
  if (result == 0) *lpProtocolInfo = narrow(wide);
  return result;
}

int WSAAPI WS_bind(SOCKET s, const WS_sockaddr* name, int namelen) noexcept {
  return call<&Table::lpWSPBind>(s, name, namelen);
}

int WSAAPI WS_listen(SOCKET s, int backlog) noexcept {
  return call<&Table::lpWSPListen>(s, backlog);
}

int WSAAPI WS_shutdown(SOCKET s, int how) noexcept { return call<&Table::lpWSPShutdown>(s, how); }

int WSAAPI closesocket(SOCKET s) noexcept { return call<&Table::lpWSPCloseSocket>(s); }

int WSAAPI WS_getsockname(SOCKET s, WS_sockaddr* name, int* namelen) noexcept {
  return call<&Table::lpWSPGetSockName>(s, name, namelen);
}

int WSAAPI WS_getpeername(SOCKET s, WS_sockaddr* name, int* namelen) noexcept {
  return call<&Table::lpWSPGetPeerName>(s, name, namelen);
}

int WSAAPI WS_getsockopt(SOCKET s, int level, int optname, CHAR* optval, int* optlen) noexcept {
  return call<&Table::lpWSPGetSockOpt>(s, level, optname, optval, optlen);
}

int WSAAPI WS_setsockopt(SOCKET s, int level, int optname, const CHAR* optval,
                         int optlen) noexcept {
  return call<&Table::lpWSPSetSockOpt>(s, level, optname, optval, optlen);
}

int WSAAPI WSAIoctl(SOCKET s, DWORD dwIoControlCode, LPVOID lpvInBuffer, DWORD cbInBuffer,
                    LPVOID lpvOutBuffer, DWORD cbOutBuffer, LPDWORD lpcbBytesReturned,
                    LPWSAOVERLAPPED lpOverlapped,
                    LPWSAOVERLAPPED_COMPLETION_ROUTINE lpCompletionRoutine) noexcept {
  return call<&Table::lpWSPIoctl>(s, dwIoControlCode, lpvInBuffer, cbInBuffer, lpvOutBuffer,
                                  cbOutBuffer, lpcbBytesReturned, lpOverlapped, lpCompletionRoutine,
                                  nullptr);
}

// FIONBIO reads the argument, FIONREAD and SIOCATMARK write it; the code says so in two bits.
int WSAAPI ioctlsocket(SOCKET s, LONG cmd, WS_u_long* argp) noexcept {
  const auto code = static_cast<DWORD>(cmd);
  const bool reads = (code & WS_IOC_IN) != 0;
  const bool writes = (code & WS_IOC_OUT) != 0;
  DWORD returned = 0;
  return WSAIoctl(s, code, reads ? argp : nullptr, reads ? sizeof *argp : 0,
                  writes ? argp : nullptr, writes ? sizeof *argp : 0, &returned, nullptr, nullptr);
}

BOOL WSAAPI WSAGetQOSByName(SOCKET s, LPWSABUF lpQOSName, LPQOS lpQOS) noexcept {
  return call<&Table::lpWSPGetQOSByName>(s, lpQOSName, lpQOS);
}
