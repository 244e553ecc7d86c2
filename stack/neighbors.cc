// SPDX-License-Identifier: BSD-3-Clause
#include "stack/neighbors.h"

#include <algorithm>
#include <cstring>

#include "lwip/etharp.h"
#include "lwip/netif.h"
#include "lwip/prot/iana.h"
#include "netif/ethernet.h"

namespace millrace {
namespace {

constexpr uint64_t kSecondNs = 1'000'000'000;
constexpr uint64_t kPatienceNs = 3 * kSecondNs;  // lwIP asks again after one
constexpr uint64_t kDoubtNs = kSecondNs;

// RFC 826, for Ethernet and IPv4.
constexpr size_t kOperation = 6, kSenderMac = 8, kSenderIp = 14;

std::array<uint8_t, 16> key_of(const uint8_t* address, uint32_t n_bytes) noexcept {
  std::array<uint8_t, 16> key{};
  std::copy_n(address, n_bytes, key.begin());
  return key;
}

const eth_addr* known_mac(uint32_t address_be, netif& in) noexcept {
  const ip4_addr_t address{address_be};
  eth_addr* mac = nullptr;
  const ip4_addr_t* same = nullptr;
  return etharp_find_addr(&in, &address, &mac, &same) < 0 ? nullptr : mac;
}

void ask(uint32_t address_be, const eth_addr& mac, netif& in) noexcept {
  pbuf* const p = pbuf_alloc(PBUF_LINK, SIZEOF_ETHARP_HDR, PBUF_RAM);
  if (p == nullptr) return;  // counted
  auto& question = *static_cast<etharp_hdr*>(p->payload);
  std::memset(&question, 0, sizeof question);
  question.hwtype = PP_HTONS(LWIP_IANA_HWTYPE_ETHERNET);
  question.proto = PP_HTONS(ETHTYPE_IP);
  question.hwlen = ETH_HWADDR_LEN;
  question.protolen = sizeof(ip4_addr_t);
  question.opcode = PP_HTONS(ARP_REQUEST);
  std::memcpy(&question.shwaddr, in.hwaddr, ETH_HWADDR_LEN);
  std::memcpy(&question.sipaddr, netif_ip4_addr(&in), sizeof question.sipaddr);
  std::memcpy(&question.dipaddr, &address_be, sizeof question.dipaddr);
  eth_addr ours;
  std::memcpy(&ours, in.hwaddr, sizeof ours);
  (void)ethernet_output(&in, p, &ours, &mac, ETHTYPE_ARP);
  pbuf_free(p);
}

// lwIP removes static entries only; this one becomes one for that.
void forget(uint32_t address_be, eth_addr mac) noexcept {
  const ip4_addr_t address{address_be};
  if (etharp_add_static_entry(&address, &mac) == ERR_OK) (void)etharp_remove_static_entry(&address);
}

}  // namespace

void Neighbors::asked(const uint8_t* address, uint32_t n_bytes, uint64_t now_ns) noexcept {
  const auto key = key_of(address, n_bytes);
  Question* place = questions_.data();
  for (Question& question : questions_) {
    if (question.address == key) {
      place = &question;
      break;
    }
    if (question.until_ns < place->until_ns) place = &question;
  }
  *place = {key, now_ns + kPatienceNs};
}

bool Neighbors::is_expected(const uint8_t* address, uint32_t n_bytes,
                            uint64_t now_ns) const noexcept {
  const auto key = key_of(address, n_bytes);
  return std::any_of(questions_.begin(), questions_.end(), [&](const Question& question) {
    return question.address == key && now_ns < question.until_ns;
  });
}

bool Neighbors::may_answer6(const uint8_t* target, uint64_t now_ns) noexcept {
  if (is_expected(target, 16, now_ns)) return true;
  ++counters_.rx_unasked_nd;
  return false;
}

bool Neighbors::may_claim4(const uint8_t* header, netif& in, uint64_t now_ns) noexcept {
  uint32_t sender;
  std::memcpy(&sender, header + kSenderIp, sizeof sender);
  const bool is_question = header[kOperation + 1] == ARP_REQUEST;
  if (!is_question && !is_expected(header + kSenderIp, 4, now_ns)) {
    ++counters_.rx_unasked_arp;
    return false;
  }
  if (sender == netif_ip4_addr(&in)->addr) {
    ++counters_.rx_arp_conflict;
    return false;
  }
  const eth_addr* const known = known_mac(sender, in);
  if (known == nullptr) return true;
  if (std::memcmp(known, header + kSenderMac, ETH_HWADDR_LEN) != 0) {
    return refuse_claim(sender, in, now_ns);
  }
  if (!is_question) settle(sender);
  return true;
}

bool Neighbors::refuse_claim(uint32_t address_be, netif& in, uint64_t now_ns) noexcept {
  ++counters_.rx_arp_conflict;
  Doubt* place = nullptr;
  for (Doubt& doubt : doubts_) {
    if (doubt.until_ns == 0) {
      place = &doubt;
    } else if (doubt.address_be == address_be && doubt.in == &in) {
      return false;
    }
  }
  if (place == nullptr) return false;
  *place = {address_be, now_ns + kDoubtNs, &in};
  ask(address_be, *known_mac(address_be, in), in);
  return false;
}

void Neighbors::settle(uint32_t address_be) noexcept {
  for (Doubt& doubt : doubts_) {
    if (doubt.address_be == address_be) doubt = {};
  }
}

void Neighbors::tick(uint64_t now_ns) noexcept {
  for (Doubt& doubt : doubts_) {
    if (doubt.until_ns == 0 || now_ns < doubt.until_ns) continue;
    const eth_addr* const known = known_mac(doubt.address_be, *doubt.in);
    if (known != nullptr) forget(doubt.address_be, *known);
    doubt = {};
  }
}

}  // namespace millrace
