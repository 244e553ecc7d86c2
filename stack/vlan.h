// SPDX-License-Identifier: BSD-3-Clause
// 802.1Q tags, in software where the device does not strip and insert them.
//
//   | to (6) | from (6) | 0x8100 | priority, VLAN ID | EtherType | ...      with a tag
//            | to (6)   | from (6)                   | EtherType | ...      without: all else stays
#pragma once

#include <cstdint>

struct rte_mbuf;

namespace millrace {

inline constexpr uint16_t kVlanIdMask = 0x0fff;
inline constexpr uint32_t kVlanTagBytes = 4;

/// Takes the tag off a received frame whose first segment holds its Ethernet header whole; the mbuf says then what it
/// would say if the device had, so that it may be asked again.
/// @return the VLAN ID, which the device or the frame says; 0: untagged, or tagged with a priority
/// only
uint16_t take_vlan_tag(rte_mbuf& m) noexcept;

/// Puts a tag into a frame to be sent. Of its mbuf, which may be shared with who will send it
/// again, only the Ethernet header and the 4 bytes before it are written. @param id  1 .. 4094
void insert_vlan_tag(rte_mbuf& m, uint16_t id) noexcept;
/// The same by the device.
void request_vlan_tag(rte_mbuf& m, uint16_t id) noexcept;

}  // namespace millrace
