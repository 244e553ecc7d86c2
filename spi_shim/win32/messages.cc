// SPDX-License-Identifier: BSD-3-Clause
// FormatMessage: an error of Winsock has the text that the C library has for the same error.
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string>

#include "spi_shim/last_error.h"
#include "spi_shim/ws2_32/text.h"

using namespace millrace;

namespace {

struct Twin {
  DWORD error;
  int number;  // errno's
};

constexpr Twin kTwins[] = {
    {WSAEINTR, EINTR},
    {WSAEBADF, EBADF},
    {WSAEACCES, EACCES},
    {WSAEFAULT, EFAULT},
    {WSAEINVAL, EINVAL},
    {WSAEMFILE, EMFILE},
    {WSAEWOULDBLOCK, EWOULDBLOCK},
    {WSAEINPROGRESS, EINPROGRESS},
    {WSAEALREADY, EALREADY},
    {WSAENOTSOCK, ENOTSOCK},
    {WSAEDESTADDRREQ, EDESTADDRREQ},
    {WSAEMSGSIZE, EMSGSIZE},
    {WSAEPROTOTYPE, EPROTOTYPE},
    {WSAENOPROTOOPT, ENOPROTOOPT},
    {WSAEPROTONOSUPPORT, EPROTONOSUPPORT},
    {WSAESOCKTNOSUPPORT, ESOCKTNOSUPPORT},
    {WSAEOPNOTSUPP, EOPNOTSUPP},
    {WSAEPFNOSUPPORT, EPFNOSUPPORT},
    {WSAEAFNOSUPPORT, EAFNOSUPPORT},
    {WSAEADDRINUSE, EADDRINUSE},
    {WSAEADDRNOTAVAIL, EADDRNOTAVAIL},
    {WSAENETDOWN, ENETDOWN},
    {WSAENETUNREACH, ENETUNREACH},
    {WSAENETRESET, ENETRESET},
    {WSAECONNABORTED, ECONNABORTED},
    {WSAECONNRESET, ECONNRESET},
    {WSAENOBUFS, ENOBUFS},
    {WSAEISCONN, EISCONN},
    {WSAENOTCONN, ENOTCONN},
    {WSAESHUTDOWN, ESHUTDOWN},
    {WSAETIMEDOUT, ETIMEDOUT},
    {WSAECONNREFUSED, ECONNREFUSED},
    {WSAEHOSTDOWN, EHOSTDOWN},
    {WSAEHOSTUNREACH, EHOSTUNREACH},
    {WSA_OPERATION_ABORTED, ECANCELED},
    {ERROR_INVALID_HANDLE, EBADF},
    {ERROR_INVALID_PARAMETER, EINVAL},
    {ERROR_NOT_ENOUGH_MEMORY, ENOMEM},
    {ERROR_CONNECTION_REFUSED, ECONNREFUSED},
    {ERROR_CONNECTION_ABORTED, ECONNABORTED},
    {ERROR_NETNAME_DELETED, ECONNRESET},
    {ERROR_TIMEOUT, ETIMEDOUT},
};

std::string text_of(DWORD error) {
  for (const Twin& twin : kTwins) {
    if (twin.error == error) return std::strerror(twin.number);
  }
  switch (error) {
    case 0:
      return "Success";
    case WSASYSNOTREADY:
      return "The network is not ready; stderr says why";
    case WSAVERNOTSUPPORTED:
      return "This version of Winsock is not supported";
    case WSANOTINITIALISED:
      return "WSAStartup has not been called";
    case WSA_IO_PENDING:
      return "The operation goes on";
    case WSA_IO_INCOMPLETE:
      return "The operation has not ended yet";
    case WSAHOST_NOT_FOUND:
      return "No such host";
    case WSATRY_AGAIN:
      return "The name server does not answer";
    case WSANO_RECOVERY:
      return "The name server failed";
    case WSANO_DATA:
      return "The name has no such entry";
    case WSATYPE_NOT_FOUND:
      return "No such service";
    default:
      return "Error " + std::to_string(error);
  }
}

template <typename Char>
DWORD format(DWORD flags, DWORD error, Char* buffer, DWORD room) {
  if ((flags & FORMAT_MESSAGE_FROM_SYSTEM) == 0) return fail_with(ERROR_INVALID_PARAMETER), 0;
  std::string text = text_of(error);
  // Windows ends a message with a line's end, unless it is asked to fold them.
  if ((flags & FORMAT_MESSAGE_MAX_WIDTH_MASK) == 0) text += ".\r\n";
  if ((flags & FORMAT_MESSAGE_ALLOCATE_BUFFER) != 0) {
    room = static_cast<DWORD>(text.size()) + 1;
    auto* const memory = static_cast<Char*>(std::malloc(room * sizeof(Char)));
    if (memory == nullptr) return fail_with(ERROR_NOT_ENOUGH_MEMORY), 0;
    std::memcpy(static_cast<void*>(buffer), &memory, sizeof memory);
    buffer = memory;
  }
  if (!copy_text(text, buffer, room)) return fail_with(ERROR_INSUFFICIENT_BUFFER), 0;
  return static_cast<DWORD>(std::char_traits<Char>::length(buffer));
}

}  // namespace

DWORD WINAPI FormatMessageA(DWORD dwFlags, LPCVOID, DWORD dwMessageId, DWORD, LPSTR lpBuffer,
                            DWORD nSize, void*) noexcept {
  return format(dwFlags, dwMessageId, lpBuffer, nSize);
}

DWORD WINAPI FormatMessageW(DWORD dwFlags, LPCVOID, DWORD dwMessageId, DWORD, LPWSTR lpBuffer,
                            DWORD nSize, void*) noexcept {
  return format(dwFlags, dwMessageId, lpBuffer, nSize);
}
