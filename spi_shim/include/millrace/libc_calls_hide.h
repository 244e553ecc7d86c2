// SPDX-License-Identifier: BSD-3-Clause
// Before the C library's headers in winsock2.h: its calls go by names that nobody uses, so that
// Winsock's can have theirs. libc_calls_show.h undoes it. No guards: include both in turn.
#ifdef _SYS_SOCKET_H
#define MILLRACE_LIBC_SOCKETS_CAME_FIRST
#endif
#ifdef _NETDB_H
#define MILLRACE_LIBC_NAMES_CAME_FIRST
#endif
#define accept millrace_libc_accept
#define bind millrace_libc_bind
#define connect millrace_libc_connect
#define getpeername millrace_libc_getpeername
#define getsockname millrace_libc_getsockname
#define getsockopt millrace_libc_getsockopt
#define listen millrace_libc_listen
#define recv millrace_libc_recv
#define recvfrom millrace_libc_recvfrom
#define send millrace_libc_send
#define sendto millrace_libc_sendto
#define setsockopt millrace_libc_setsockopt
#define shutdown millrace_libc_shutdown
#define socket millrace_libc_socket
#define freeaddrinfo millrace_libc_freeaddrinfo
#define gai_strerror millrace_libc_gai_strerror
#define getaddrinfo millrace_libc_getaddrinfo
#define gethostbyaddr millrace_libc_gethostbyaddr
#define gethostbyname millrace_libc_gethostbyname
#define getnameinfo millrace_libc_getnameinfo
#define getprotobyname millrace_libc_getprotobyname
#define getprotobynumber millrace_libc_getprotobynumber
#define getservbyname millrace_libc_getservbyname
#define getservbyport millrace_libc_getservbyport
