// SPDX-License-Identifier: BSD-3-Clause
// Asks the device for the checksums that software left out. In a file of its own because DPDK's
// rte_ip.h and lwIP both define struct ip6_hdr.
#pragma once

#include <cstdint>

struct rte_mbuf;

namespace millrace {

/// What lwIP has no bits for, beside its NETIF_CHECKSUM_GEN_* and _CHECK_* in an interface's chksum_flags:
/// software sums up SCTP packets, and verifies them.
inline constexpr uint16_t kGenSctp = 0x0020;
inline constexpr uint16_t kCheckSctp = 0x2000;

/// Sets the mbuf's offload flags and pseudo header sums for each checksum that is not in `in_software`.
/// @param m            a whole Ethernet frame, headers in the first segment
/// @param in_software  NETIF_CHECKSUM_GEN_* bits and kGenSctp: what has already been computed
/// @source DPDK rte_mbuf_core.h, RTE_MBUF_F_TX_L4_MASK
void request_tx_checksum(rte_mbuf* m, uint16_t in_software) noexcept;

}  // namespace millrace
