// SPDX-License-Identifier: BSD-3-Clause
#include "stack/path_mtu.h"

#include <algorithm>

#include "lwip/priv/tcp_priv.h"
#include "lwip/prot/ethernet.h"
#include "lwip/prot/ip4.h"
#include "stack/demux.h"
#include "stack/icmp_errors.h"
#include "stack/lwip/port.h"
#include "stack/lwip_glue.h"
#include "stack/recovery.h"

namespace millrace {
namespace {

// RFC 1191 7.1: of a router that does not say how long a packet may be.
uint16_t plateau_below(uint16_t bytes) noexcept {
  constexpr std::array<uint16_t, 7> kPlateaus{32000, 17914, 8166, 4352, 2002, 1492, 1006};
  const auto below = std::find_if(kPlateaus.begin(), kPlateaus.end(),
                                  [bytes](uint16_t plateau) { return plateau < bytes; });
  return below == kPlateaus.end() ? kLeastMtu4 : *below;
}

}  // namespace

size_t PathMtus::slot_of(const IpAddress& to) noexcept {
  uint32_t hash = to.family;
  for (const uint8_t byte : to.bytes) hash = hash * 31 + byte;
  return hash % kEntries;
}

uint16_t PathMtus::find(const IpAddress& to, uint64_t now_ns) const noexcept {
  const Entry& entry = entries_[slot_of(to)];
  return entry.mtu != 0 && entry.to == to && now_ns < entry.until_ns ? entry.mtu : uint16_t{0};
}

void PathMtus::learn(const IpAddress& to, uint16_t mtu, uint64_t now_ns) noexcept {
  entries_[slot_of(to)] = {to, mtu, now_ns + kLifeNs};
  is_empty_ = false;
}

bool on_packet_too_big(const IcmpError& error) noexcept {
  if (!engine.finds_path_mtu) return false;
  const bool is_6 = error.local.address.family == 6;
  tcp_pcb* const pcb = engine.demux->find(to_lwip(error.local.address), error.local.port,
                                          to_lwip(error.remote.address), error.remote.port);
  if (pcb == nullptr || !TCP_SEQ_BETWEEN(error.sequence, pcb->lastack, pcb->snd_nxt - 1))
    return false;
  Recovery* const recovery = Recovery::of(*pcb);
  if (recovery == nullptr) return false;
  uint32_t mtu = error.mtu;
  if (is_6 && mtu < kLeastMtu6) return false;  // RFC 8201 4
  if (mtu == 0) mtu = plateau_below(error.quoted_bytes);
  const auto bytes = static_cast<uint16_t>(std::clamp<uint32_t>(mtu, kLeastMtu4, UINT16_MAX));
  if (!recovery->on_path_mtu(mss_of(bytes, is_6))) return false;
  engine.path_mtus->learn(error.remote.address, bytes, engine.clock->now_ns());
  return true;
}

// The header is ours, just made, and says nothing of fragments. RFC 1624 for the checksum.
void forbid_fragments(uint8_t* frame, uint8_t protocol, bool has_checksum) noexcept {
  uint8_t* const header = frame + SIZEOF_ETH_HDR;
  const bool is_ours = frame[12] == 0x08 && frame[13] == 0x00 && header[9] == protocol;
  if (!is_ours || (header[6] | header[7]) != 0) return;
  header[6] = IP_DF >> 8;
  if (!has_checksum) return;
  uint32_t sum = (~(uint32_t{header[10]} << 8 | header[11]) & 0xffff) + IP_DF;
  sum = (sum & 0xffff) + (sum >> 16);
  header[10] = static_cast<uint8_t>(~sum >> 8);
  header[11] = static_cast<uint8_t>(~sum);
}

}  // namespace millrace

/// What lwIP's ip6.c, ip6_frag.c and tcp.c ask of nd6.c, which would look through its table for each packet.
extern "C" u16_t millrace_destination_mtu6(const ip6_addr_t* to, netif* out) {
  using namespace millrace;
  const u16_t most = netif_mtu6(out);
  if (engine.path_mtus->empty()) return most;
  ip_addr_t key{};
  ip_addr_copy_from_ip6(key, *to);
  const uint16_t mtu = engine.path_mtus->find(from_lwip(key), engine.clock->now_ns());
  return mtu == 0 ? most : std::min(most, mtu);
}

/// For lwIP's tcp_in.c: the MSS that a connection begins with. IPv6's comes from millrace_destination_mtu6.
extern "C" u16_t millrace_eff_send_mss(u16_t mss, netif* out, const ip_addr_t* to) {
  using namespace millrace;
  const u16_t most = tcp_eff_send_mss_netif(mss, out, to);
  if (!engine.finds_path_mtu || IP_IS_V6(to)) return most;
  const uint16_t mtu = engine.path_mtus->find(from_lwip(*to), engine.clock->now_ns());
  return mtu == 0 ? most : std::min(most, mss_of(mtu, false));
}
