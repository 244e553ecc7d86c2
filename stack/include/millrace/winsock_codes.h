// SPDX-License-Identifier: BSD-3-Clause
// Winsock's numbers, all of them: errors, statuses, and the constants that calls take.
//
// Invariant: every value is Windows' own (tests/spi_shim/abi_*_test.cc); nothing here clashes with
// a system header, whichever comes first. A constant whose name glibc or Linux also uses carries
// the prefix WS_ (WS_AF_INET6 is 23, WS_SOL_SOCKET 0xffff); all others have their Windows name.
#ifndef MILLRACE_WINSOCK_CODES_H_
#define MILLRACE_WINSOCK_CODES_H_

#include "millrace/winsock_constants.h"
#include "millrace/winsock_errors.h"
#include "millrace/winsock_ntstatus.h"

#endif  // MILLRACE_WINSOCK_CODES_H_
