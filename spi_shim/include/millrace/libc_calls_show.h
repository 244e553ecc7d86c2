// SPDX-License-Identifier: BSD-3-Clause
// See libc_calls_hide.h.
#undef accept
#undef bind
#undef connect
#undef getpeername
#undef getsockname
#undef getsockopt
#undef listen
#undef recv
#undef recvfrom
#undef send
#undef sendto
#undef setsockopt
#undef shutdown
#undef socket
#undef freeaddrinfo
#undef gai_strerror
#undef getaddrinfo
#undef gethostbyaddr
#undef gethostbyname
#undef getnameinfo
#undef getprotobyname
#undef getprotobynumber
#undef getservbyname
#undef getservbyport
