// SPDX-License-Identifier: BSD-3-Clause
// The last step of winsock2.h: the calls, structures and flags of winsock_calls.h and winsock_names.h
// under their plain names.
//
// A call is declared once more, by its plain name, for the same symbol: `socket` here is millrace_ws2_socket
// to the linker, and no macro, so std::bind and anybody's method connect() stay what they are. The C
// library's namesakes have been hidden by winsock2.h, but for select, which the arguments' types tell apart.
// If <sys/socket.h> or <netdb.h> came before winsock2.h, it could not hide them: then the types of addresses
// tell the two apart, and calls without addresses are macros with arguments.
#ifndef MILLRACE_WINSOCK_PLAIN_CALLS_H_
#define MILLRACE_WINSOCK_PLAIN_CALLS_H_

#include <cstddef>
#include <type_traits>

#define MILLRACE_PLAIN(name) decltype(WS_##name) name MILLRACE_SYMBOL(name)

#ifdef MILLRACE_LIBC_SOCKETS_CAME_FIRST
#define accept(...) WS_accept(__VA_ARGS__)
#define getsockopt(...) WS_getsockopt(__VA_ARGS__)
#define listen(...) WS_listen(__VA_ARGS__)
#define setsockopt(...) WS_setsockopt(__VA_ARGS__)
#define shutdown(...) WS_shutdown(__VA_ARGS__)
#define socket(...) WS_socket(__VA_ARGS__)
#define recv(...) WS_recv(__VA_ARGS__)
#define recvfrom(...) WS_recvfrom(__VA_ARGS__)
#define send(...) WS_send(__VA_ARGS__)
#define sendto(...) WS_sendto(__VA_ARGS__)
#else
MILLRACE_PLAIN(accept);
MILLRACE_PLAIN(getsockopt);
MILLRACE_PLAIN(listen);
MILLRACE_PLAIN(setsockopt);
MILLRACE_PLAIN(shutdown);
MILLRACE_PLAIN(socket);
MILLRACE_PLAIN(recv);
MILLRACE_PLAIN(recvfrom);
MILLRACE_PLAIN(send);
MILLRACE_PLAIN(sendto);
#endif

#ifdef MILLRACE_LIBC_NAMES_CAME_FIRST
#define gai_strerror(...) WS_gai_strerror(__VA_ARGS__)
#define gethostbyaddr(...) WS_gethostbyaddr(__VA_ARGS__)
#define gethostbyname(...) WS_gethostbyname(__VA_ARGS__)
#define getprotobyname(...) WS_getprotobyname(__VA_ARGS__)
#define getprotobynumber(...) WS_getprotobynumber(__VA_ARGS__)
#define getservbyname(...) WS_getservbyname(__VA_ARGS__)
#define getservbyport(...) WS_getservbyport(__VA_ARGS__)
#else
MILLRACE_PLAIN(gai_strerror);
MILLRACE_PLAIN(gethostbyaddr);
MILLRACE_PLAIN(gethostbyname);
MILLRACE_PLAIN(getprotobyname);
MILLRACE_PLAIN(getprotobynumber);
MILLRACE_PLAIN(getservbyname);
MILLRACE_PLAIN(getservbyport);
#endif

// Told apart by the types of addresses, where the C library's are visible.
MILLRACE_PLAIN(bind);
MILLRACE_PLAIN(connect);
MILLRACE_PLAIN(freeaddrinfo);
MILLRACE_PLAIN(getaddrinfo);
MILLRACE_PLAIN(getnameinfo);
MILLRACE_PLAIN(getpeername);
MILLRACE_PLAIN(getsockname);
MILLRACE_PLAIN(inet_ntoa);
MILLRACE_PLAIN(select);

/// A select of nothing has no types to tell the two apart: nullptr, NULL or 0 for all three sets and the time.
/// An int that is no literal passes, too, with the same answer: the type is all that can be seen of it.
/// @errors WSAEINVAL, as of any select without sets
template <typename... Nothing>
  requires(sizeof...(Nothing) == 4 && ((std::is_null_pointer_v<Nothing> || std::is_same_v<Nothing, int> ||
                                        std::is_same_v<Nothing, decltype(NULL)>) && ...))
int select(int nfds, Nothing... /*nothing*/) noexcept {
  return WS_select(nfds, nullptr, nullptr, nullptr, nullptr);
}

// <unistd.h> has it, which comes with most C++ headers.
#define gethostname(...) WS_gethostname(__VA_ARGS__)

// --- Structures ----------------------------------------------------------------------------------
#define addrinfo WS_addrinfo
#define addrinfoW WS_addrinfoW
#define hostent WS_hostent
#define pollfd WS_pollfd
#define protoent WS_protoent
#define servent WS_servent

// --- Flags ---------------------------------------------------------------------------------------
#undef AI_ADDRCONFIG
#define AI_ADDRCONFIG WS_AI_ADDRCONFIG
#undef AI_ALL
#define AI_ALL WS_AI_ALL
#undef AI_CANONNAME
#define AI_CANONNAME WS_AI_CANONNAME
#undef AI_NUMERICHOST
#define AI_NUMERICHOST WS_AI_NUMERICHOST
#undef AI_NUMERICSERV
#define AI_NUMERICSERV WS_AI_NUMERICSERV
#undef AI_PASSIVE
#define AI_PASSIVE WS_AI_PASSIVE
#undef AI_V4MAPPED
#define AI_V4MAPPED WS_AI_V4MAPPED
#undef EAI_AGAIN
#define EAI_AGAIN WS_EAI_AGAIN
#undef EAI_BADFLAGS
#define EAI_BADFLAGS WS_EAI_BADFLAGS
#undef EAI_FAIL
#define EAI_FAIL WS_EAI_FAIL
#undef EAI_FAMILY
#define EAI_FAMILY WS_EAI_FAMILY
#undef EAI_MEMORY
#define EAI_MEMORY WS_EAI_MEMORY
#undef EAI_NODATA
#define EAI_NODATA WS_EAI_NODATA
#undef EAI_NONAME
#define EAI_NONAME WS_EAI_NONAME
#undef EAI_SERVICE
#define EAI_SERVICE WS_EAI_SERVICE
#undef EAI_SOCKTYPE
#define EAI_SOCKTYPE WS_EAI_SOCKTYPE
#undef NI_DGRAM
#define NI_DGRAM WS_NI_DGRAM
#undef NI_MAXHOST
#define NI_MAXHOST WS_NI_MAXHOST
#undef NI_MAXSERV
#define NI_MAXSERV WS_NI_MAXSERV
#undef NI_NAMEREQD
#define NI_NAMEREQD WS_NI_NAMEREQD
#undef NI_NOFQDN
#define NI_NOFQDN WS_NI_NOFQDN
#undef NI_NUMERICHOST
#define NI_NUMERICHOST WS_NI_NUMERICHOST
#undef NI_NUMERICSERV
#define NI_NUMERICSERV WS_NI_NUMERICSERV
#undef POLLERR
#define POLLERR WS_POLLERR
#undef POLLHUP
#define POLLHUP WS_POLLHUP
#undef POLLIN
#define POLLIN WS_POLLIN
#undef POLLNVAL
#define POLLNVAL WS_POLLNVAL
#undef POLLOUT
#define POLLOUT WS_POLLOUT
#undef POLLPRI
#define POLLPRI WS_POLLPRI
#undef POLLRDBAND
#define POLLRDBAND WS_POLLRDBAND
#undef POLLRDNORM
#define POLLRDNORM WS_POLLRDNORM
#undef POLLWRBAND
#define POLLWRBAND WS_POLLWRBAND
#undef POLLWRNORM
#define POLLWRNORM WS_POLLWRNORM
// The resolver's errors under the names that Winsock 1 gave them.
#undef HOST_NOT_FOUND
#define HOST_NOT_FOUND WSAHOST_NOT_FOUND
#undef TRY_AGAIN
#define TRY_AGAIN WSATRY_AGAIN
#undef NO_RECOVERY
#define NO_RECOVERY WSANO_RECOVERY
#undef NO_DATA
#define NO_DATA WSANO_DATA
#undef h_errno
#define h_errno WSAGetLastError()

#endif  // MILLRACE_WINSOCK_PLAIN_CALLS_H_
