// SPDX-License-Identifier: BSD-3-Clause
#include "stack/icmp_errors.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>
#include <span>

#include "lwip/icmp.h"
#include "lwip/icmp6.h"
#include "lwip/inet_chksum.h"
#include "lwip/ip.h"
#include "lwip/prot/icmp6.h"
#include "stack/lwip/port.h"
#include "stack/lwip_glue.h"
#include "stack/neighbors.h"
#include "stack/path_mtu.h"

namespace millrace {
namespace {

constexpr size_t kIcmpBytes = 8;
constexpr size_t kUpperBytes = 8;  // all that a router has to quote: ports and TCP's number
constexpr size_t kMostIp4Bytes = 60;
constexpr size_t kFragmentHeaderBytes = 8;
constexpr size_t kLookedAt = kIcmpBytes + kMostIp4Bytes + kUpperBytes;
static_assert(kLookedAt >= kIcmpBytes + IP6_HLEN + kFragmentHeaderBytes + kUpperBytes);

using Bytes = std::span<const uint8_t>;

uint16_t word_at(Bytes bytes, size_t at) {
  return static_cast<uint16_t>(bytes[at] << 8 | bytes[at + 1]);
}

// RFC 792, RFC 1122 3.2.2.1, RFC 1812 5.2.7.1, RFC 1191 4.
std::optional<IcmpReason> reason4(uint8_t type, uint8_t code) {
  using enum IcmpReason;
  constexpr std::optional<IcmpReason> kByCode[] = {
      kNetUnreachable,  kHostUnreachable, kProtocolUnreachable, kPortUnreachable,
      kPacketTooBig,    kHostUnreachable, kNetUnreachable,      kHostUnreachable,
      kHostUnreachable, kNetUnreachable,  kHostUnreachable,     kNetUnreachable,
      kHostUnreachable, kHostUnreachable, kHostUnreachable,     kHostUnreachable};
  if (type == ICMP_TE) return code == 0 ? std::optional(kTimeExceeded) : std::nullopt;
  return code < std::size(kByCode) ? kByCode[code] : std::nullopt;
}

// RFC 4443 3.1 to 3.3.
std::optional<IcmpReason> reason6(uint8_t type, uint8_t code) {
  using enum IcmpReason;
  constexpr std::optional<IcmpReason> kByCode[] = {
      kNetUnreachable,  kHostUnreachable, kHostUnreachable, kHostUnreachable,
      kPortUnreachable, kHostUnreachable, kNetUnreachable};
  if (type == ICMP6_TYPE_PTB) return kPacketTooBig;
  if (type == ICMP6_TYPE_TE) return code == 0 ? std::optional(kTimeExceeded) : std::nullopt;
  return code < std::size(kByCode) ? kByCode[code] : std::nullopt;
}

/// The upper layer's part, the same for both families. @param upper  at least kUpperBytes
bool read_upper(uint8_t protocol, Bytes upper, IcmpError& error) {
  if (protocol != IP_PROTO_UDP && protocol != IP_PROTO_TCP) return false;
  error.transport = protocol == IP_PROTO_UDP ? Transport::kUdp : Transport::kTcp;
  error.local.port = word_at(upper, 0);
  error.remote.port = word_at(upper, 2);
  if (protocol == IP_PROTO_TCP) {
    error.sequence = uint32_t{word_at(upper, 4)} << 16 | word_at(upper, 6);
  }
  return true;
}

/// @param quoted  from the quoted IP header on, as much as came
bool read_quotation4(Bytes quoted, IcmpError& error) {
  constexpr uint16_t kOffsetMask = 0x1fff;
  if (quoted.size() < IP_HLEN || quoted[0] >> 4 != 4) return false;
  const size_t header = size_t{quoted[0] & 0x0fu} * 4;
  if (header < IP_HLEN || quoted.size() < header + kUpperBytes) return false;
  error.quoted_bytes = word_at(quoted, 2);
  if (error.quoted_bytes < header + kUpperBytes) return false;
  if ((word_at(quoted, 6) & kOffsetMask) != 0) return false;  // a later fragment has no ports
  error.local.address = error.remote.address = IpAddress::any(4);
  std::copy_n(&quoted[12], 4, error.local.address.bytes.begin());
  std::copy_n(&quoted[16], 4, error.remote.address.bytes.begin());
  return std::memcmp(ip4_current_dest_addr(), &quoted[12], 4) == 0 &&
         read_upper(quoted[9], quoted.subspan(header), error);
}

// A link-local address is one of the link that the message came by.
IpAddress address6(const uint8_t* bytes, netif* in) {
  ip_addr_t address{};
  IP_SET_TYPE_VAL(address, IPADDR_TYPE_V6);
  std::memcpy(ip_2_ip6(&address)->addr, bytes, 16);
  ip6_addr_assign_zone(ip_2_ip6(&address), IP6_UNICAST, in);
  return from_lwip(address);
}

// Of extension headers we send one only, before UDP: a fragment's.
bool read_quotation6(Bytes quoted, netif* in, IcmpError& error) {
  constexpr uint16_t kOffsetMask = 0xfff8;
  if (quoted.size() < IP6_HLEN + kUpperBytes || quoted[0] >> 4 != 6) return false;
  size_t header = IP6_HLEN;
  uint8_t protocol = quoted[6];
  if (protocol == IP6_NEXTH_FRAGMENT) {
    if ((word_at(quoted, header + 2) & kOffsetMask) != 0) return false;
    protocol = quoted[header];
    header += kFragmentHeaderBytes;
  }
  if (quoted.size() < header + kUpperBytes) return false;
  if (IP6_HLEN + size_t{word_at(quoted, 4)} < header + kUpperBytes) return false;
  error.local.address = address6(&quoted[8], in);
  error.remote.address = address6(&quoted[24], in);
  return std::memcmp(ip6_current_dest_addr()->addr, &quoted[8], 16) == 0 &&
         read_upper(protocol, quoted.subspan(header), error);
}

bool has_right_checksum(pbuf* p, netif* in, bool is_6) {
  const uint16_t verified = is_6 ? NETIF_CHECKSUM_CHECK_ICMP6 : NETIF_CHECKSUM_CHECK_ICMP;
  if ((in->chksum_flags & verified) == 0) return true;
  if (!is_6) return inet_chksum_pbuf(p) == 0;
  return ip6_chksum_pseudo(p, IP6_NEXTH_ICMP6, p->tot_len, ip6_current_src_addr(),
                           ip6_current_dest_addr()) == 0;
}

/// Reads the message, which may lie in several mbufs. @return nothing: it proves nothing
std::optional<IcmpError> read_error(pbuf* p, netif* in, bool is_6) {
  std::array<uint8_t, kLookedAt> head;
  const size_t n = pbuf_copy_partial(p, head.data(), static_cast<u16_t>(head.size()), 0);
  if (n < kIcmpBytes || !has_right_checksum(p, in, is_6)) return std::nullopt;
  const auto reason = is_6 ? reason6(head[0], head[1]) : reason4(head[0], head[1]);
  if (!reason) return std::nullopt;
  IcmpError error;
  error.reason = *reason;
  error.mtu = word_at(head, 6);
  if (is_6) error.mtu |= uint32_t{word_at(head, 4)} << 16;
  const Bytes quoted(head.data() + kIcmpBytes, n - kIcmpBytes);
  const bool is_ours = is_6 ? read_quotation6(quoted, in, error) : read_quotation4(quoted, error);
  return is_ours ? std::optional(error) : std::nullopt;
}

/// Brings it to whom it is about. IPv4 datagrams may be fragmented on their way, so nobody need say
/// that they cannot; IPv6 knows no link with less than 1280 bytes (RFC 8201 4).
bool is_somebodys(const IcmpError& error) {
  if (error.reason != IcmpReason::kPacketTooBig) return engine.stack->on_icmp_error(error);
  if (error.transport == Transport::kTcp) return on_packet_too_big(error);
  const bool is_heeded = error.local.address.family == 6 && error.mtu >= kLeastMtu6 &&
                         engine.stack->on_icmp_error(error);
  if (!is_heeded) return false;
  const auto mtu = static_cast<uint16_t>(std::min<uint32_t>(error.mtu, UINT16_MAX));
  engine.path_mtus->learn(error.remote.address, mtu, engine.clock->now_ns());
  return true;
}

/// @owner  takes p
void handle_error(pbuf* p, netif* in, bool is_6) {
  const auto error = read_error(p, in, is_6);
  Counters& counters = *engine.counters;
  const bool is_heeded = error && is_somebodys(*error);
  ++(!error      ? counters.icmp_errors_bad
     : is_heeded ? counters.icmp_errors
                 : counters.icmp_errors_ignored);
  pbuf_free(p);
}

/// A neighbor advertisement's target is one whom we asked about; a short one is lwIP's to drop.
bool is_asked_for(pbuf* p) {
  std::array<uint8_t, 24> message;
  if (pbuf_copy_partial(p, message.data(), message.size(), 0) != message.size()) return true;
  return engine.neighbors->may_answer6(message.data() + 8, engine.clock->now_ns());
}

}  // namespace
}  // namespace millrace

extern "C" {

void millrace_icmp4_in(pbuf* p, netif* in) {
  const uint8_t type = pbuf_get_at(p, 0);
  if (type == ICMP_DUR || type == ICMP_TE) return millrace::handle_error(p, in, false);
  icmp_input(p, in);
}

void millrace_icmp6_in(pbuf* p, netif* in) {
  const uint8_t type = pbuf_get_at(p, 0);
  const bool is_error = type == ICMP6_TYPE_DUR || type == ICMP6_TYPE_TE || type == ICMP6_TYPE_PTB;
  if (is_error) return millrace::handle_error(p, in, true);
  // lwIP believes a redirect of any neighbor, not only of the router concerned (RFC 4861 8.1).
  const bool is_redirect = type == ICMP6_TYPE_RD;
  if (is_redirect) ++millrace::engine.counters->rx_redirect;
  if (is_redirect || (type == ICMP6_TYPE_NA && !millrace::is_asked_for(p))) {
    pbuf_free(p);
    return;
  }
  icmp6_input(p, in);
}
}
