// SPDX-License-Identifier: BSD-3-Clause
// Codes by name. Where two names share a number (WSA_IO_PENDING and ERROR_IO_PENDING) the one that
// Winsock's pages use is printed.
#include <cstdio>

#include "tests/wine/probe.h"

namespace probe {
namespace {

struct Name {
  DWORD code;
  const char* text;
};

#define CODE(name) \
  Name { static_cast<DWORD>(name), #name }
constexpr Name kNames[] = {
    CODE(WSA_INVALID_HANDLE),
    CODE(WSA_NOT_ENOUGH_MEMORY),
    CODE(WSA_INVALID_PARAMETER),
    CODE(WSA_OPERATION_ABORTED),
    CODE(WSA_IO_INCOMPLETE),
    CODE(WSA_IO_PENDING),
    CODE(WSAEINTR),
    CODE(WSAEBADF),
    CODE(WSAEACCES),
    CODE(WSAEFAULT),
    CODE(WSAEINVAL),
    CODE(WSAEMFILE),
    CODE(WSAEWOULDBLOCK),
    CODE(WSAEINPROGRESS),
    CODE(WSAEALREADY),
    CODE(WSAENOTSOCK),
    CODE(WSAEDESTADDRREQ),
    CODE(WSAEMSGSIZE),
    CODE(WSAEPROTOTYPE),
    CODE(WSAENOPROTOOPT),
    CODE(WSAEPROTONOSUPPORT),
    CODE(WSAESOCKTNOSUPPORT),
    CODE(WSAEOPNOTSUPP),
    CODE(WSAEPFNOSUPPORT),
    CODE(WSAEAFNOSUPPORT),
    CODE(WSAEADDRINUSE),
    CODE(WSAEADDRNOTAVAIL),
    CODE(WSAENETDOWN),
    CODE(WSAENETUNREACH),
    CODE(WSAENETRESET),
    CODE(WSAECONNABORTED),
    CODE(WSAECONNRESET),
    CODE(WSAENOBUFS),
    CODE(WSAEISCONN),
    CODE(WSAENOTCONN),
    CODE(WSAESHUTDOWN),
    CODE(WSAETIMEDOUT),
    CODE(WSAECONNREFUSED),
    CODE(WSAEHOSTUNREACH),
    CODE(WSASYSNOTREADY),
    CODE(WSAVERNOTSUPPORTED),
    CODE(WSANOTINITIALISED),
    CODE(WSAEDISCON),
    CODE(WSAHOST_NOT_FOUND),
    CODE(WSATRY_AGAIN),
    CODE(WSANO_RECOVERY),
    CODE(WSANO_DATA),
    CODE(WSATYPE_NOT_FOUND),
    CODE(WSASERVICE_NOT_FOUND),
    CODE(ERROR_NOT_SUPPORTED),
    CODE(ERROR_NETNAME_DELETED),
    CODE(ERROR_INSUFFICIENT_BUFFER),
    CODE(ERROR_MORE_DATA),
    CODE(WAIT_TIMEOUT),
    CODE(ERROR_ABANDONED_WAIT_0),
    CODE(ERROR_NOACCESS),
    CODE(ERROR_NOT_FOUND),
    CODE(ERROR_CONNECTION_REFUSED),
    CODE(ERROR_CONNECTION_ABORTED),
    CODE(ERROR_PORT_UNREACHABLE),
    CODE(ERROR_TIMEOUT),
    CODE(WAIT_FAILED),
    CODE(WAIT_IO_COMPLETION),
};
#undef CODE

}  // namespace

std::string error_name(DWORD code) {
  for (const Name& name : kNames) {
    if (name.code == code) return name.text;
  }
  return std::to_string(code);
}

std::string rc(long long result) {
  return result == -1 ? error_name(static_cast<DWORD>(WSAGetLastError())) : std::to_string(result);
}

std::string rc_socket(SOCKET s) {
  return s == INVALID_SOCKET ? error_name(static_cast<DWORD>(WSAGetLastError())) : "socket";
}

std::string rc_bool(BOOL result) { return result ? "TRUE" : error_name(GetLastError()); }

#ifdef _WIN32
namespace {

void* recovery[5];

void recover() { __builtin_longjmp(recovery, 1); }

LONG WINAPI caught(EXCEPTION_POINTERS* fault) {
  fault->ContextRecord->Rip = reinterpret_cast<DWORD64>(&recover);
  return EXCEPTION_CONTINUE_EXECUTION;
}

}  // namespace

std::string guarded(const std::function<std::string()>& call) {
  SetUnhandledExceptionFilter(caught);
  if (__builtin_setjmp(recovery) != 0) return "a crash";
  return call();
}
#else
std::string guarded(const std::function<std::string()>& call) { return call(); }
#endif

std::string hex(unsigned long long value) {
  char text[32];
  std::snprintf(text, sizeof text, "0x%llx", value);
  return text;
}

}  // namespace probe
