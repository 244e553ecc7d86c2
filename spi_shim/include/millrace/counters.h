// SPDX-License-Identifier: BSD-3-Clause
// The provider's counters, for programs that want to show or check them.
//
// Names are stable words such as "bytes_copied" and "bytes_delivered" (copied / delivered is 1.00 when
// each received byte was copied once), "mbufs_in_use", and "PORT.rx_pkts" for each port.
#ifndef MILLRACE_COUNTERS_H_
#define MILLRACE_COUNTERS_H_

/// millrace_counters calls visit once for each counter of the running provider, in a fixed order.
///
/// @param visit    called before the return, without locks that an SPI call would need
/// @param context  handed to visit
/// @return 0; WSANOTINITIALISED outside WSPStartup .. WSPCleanup
extern "C" __attribute__((visibility("default"))) int millrace_counters(void (*visit)(void* context, const char* name,
                                               unsigned long long value),
                                 void* context);

#endif  // MILLRACE_COUNTERS_H_
