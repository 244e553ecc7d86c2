// SPDX-License-Identifier: BSD-3-Clause
#include "stack/routes.h"

#include <algorithm>
#include <cstring>

#include "stack/lwip_glue.h"

namespace millrace {
namespace {

constexpr uint8_t kNoLink = 0xff;

bool can_send(const netif& n) noexcept { return netif_is_up(&n) != 0 && netif_is_link_up(&n) != 0; }

}  // namespace

Routes::Key Routes::key_of(const ip6_addr_t& address) noexcept {
  Key key;
  std::memcpy(key.data(), address.addr, sizeof key);
  return key;
}

Routes::Entry Routes::entry_of(const Prefix& to, netif& out, uint8_t link) {
  Entry entry{};
  IpAddress ones = IpAddress::any(to.address.family);
  ones.bytes.fill(0xff);
  const IpAddress mask = network_of({ones, to.length});
  const size_t bytes = to.address.family == 4 ? 4 : 16;
  std::memcpy(entry.network.data(), to.address.bytes.data(), bytes);
  std::memcpy(entry.mask.data(), mask.bytes.data(), bytes);
  entry.out = &out;
  entry.length = to.length;
  entry.link = link;
  return entry;
}

void Routes::insert(Table& table, const Entry& entry) {
  const auto is_before = [](const Entry& a, const Entry& b) {
    return a.is_own != b.is_own ? a.is_own : a.length > b.length;
  };
  table.insert(std::upper_bound(table.begin(), table.end(), entry, is_before), entry);
}

void Routes::add_own(const Prefix& own, netif& out, uint8_t link) {
  Entry entry = entry_of(own, out, link);
  entry.is_own = true;
  insert(table_of(own.address.family), entry);
  if (first_ == nullptr && &out != loop_) first_ = &out;
}

void Routes::add(const Prefix& to, const std::optional<IpAddress>& via, netif& out, uint8_t link) {
  Entry entry = entry_of(to, out, link);
  if (via.has_value()) {
    entry.has_via = true;
    entry.via = to_lwip(*via);
    if (via->family == 6) ip6_addr_assign_zone(ip_2_ip6(&entry.via), IP6_UNICAST, &out);
  }
  insert(table_of(to.address.family), entry);
  if (first_ == nullptr) first_ = &out;
}

void Routes::remove4(const netif& out) {
  std::erase_if(table4_, [&](const Entry& entry) { return entry.out == &out; });
}

const Routes::Entry* Routes::find(const Table& table, const Key& source,
                                  const Key& destination) const noexcept {
  const netif* home = nullptr;
  uint8_t link = kNoLink;
  const Entry* of_link = nullptr;
  const Entry* of_another = nullptr;
  for (const Entry& entry : table) {
    if (entry.is_own) {
      if (entry.fits(destination)) return &entry;
      if (!entry.fits(source)) continue;
      home = entry.out;
      link = entry.link;
      continue;
    }
    if (home != nullptr && home == loop_) return nullptr;
    if (of_link != nullptr && entry.length < of_link->length) break;
    if (!entry.fits(destination) || !can_send(*entry.out)) continue;
    if (home == nullptr || entry.out == home) return &entry;
    if (entry.link == link && of_link == nullptr) of_link = &entry;
    if (of_another == nullptr) of_another = &entry;
  }
  return of_link != nullptr ? of_link : of_another;
}

const Routes::Entry* Routes::find_through(const Table& table, const netif& out,
                                          const Key& key) noexcept {
  for (const Entry& entry : table) {
    if (!entry.is_own && entry.out == &out && entry.fits(key)) return &entry;
  }
  return nullptr;
}

// To all of a link: nobody's address says which. Route by the source's link, then as the rest does.
netif* Routes::find_for_all(const Table& table, const Key& source) const noexcept {
  for (const Entry& entry : table) {
    if (entry.is_own && entry.fits(source)) return entry.out;
  }
  for (const Entry& entry : table) {
    if (!entry.is_own && entry.length == 0 && can_send(*entry.out)) return entry.out;
  }
  return first_ != nullptr && can_send(*first_) ? first_ : nullptr;
}

netif* Routes::find(const ip4_addr_t* source, const ip4_addr_t& destination) const noexcept {
  const Key from = source == nullptr ? Key{} : key_of(*source);
  const Entry* const entry = find(table4_, from, key_of(destination));
  const bool is_for_all =
      ip4_addr_ismulticast(&destination) || destination.addr == IPADDR_BROADCAST;
  if (is_for_all && (entry == nullptr || entry->length == 0)) return find_for_all(table4_, from);
  if (entry == nullptr) return nullptr;
  return entry->is_own ? loop_ : entry->out;
}

netif* Routes::find(const ip6_addr_t* source, const ip6_addr_t& destination) const noexcept {
  const Key from = source == nullptr ? Key{} : key_of(*source);
  const Entry* const entry = find(table6_, from, key_of(destination));
  if (ip6_addr_ismulticast(&destination) && (entry == nullptr || entry->length == 0)) {
    return find_for_all(table6_, from);
  }
  if (entry == nullptr) return nullptr;
  return entry->is_own ? loop_ : entry->out;
}

const ip4_addr_t* Routes::next_hop(const netif& out, const ip4_addr_t& destination) const noexcept {
  const Entry* const entry = find_through(table4_, out, key_of(destination));
  if (entry == nullptr) return nullptr;
  return entry->has_via ? ip_2_ip4(&entry->via) : &destination;
}

const ip6_addr_t* Routes::next_hop(const netif& out, const ip6_addr_t& destination) const noexcept {
  const Entry* const entry = find_through(table6_, out, key_of(destination));
  if (entry == nullptr) return nullptr;
  return entry->has_via ? ip_2_ip6(&entry->via) : &destination;
}

bool Routes::is_own(const ip4_addr_t& address) const noexcept {
  for (const Entry& entry : table4_) {
    if (!entry.is_own) return false;
    if (entry.fits(key_of(address))) return true;
  }
  return false;
}

bool Routes::is_own(const ip6_addr_t& address) const noexcept {
  for (const Entry& entry : table6_) {
    if (!entry.is_own) return false;
    if (entry.fits(key_of(address))) return true;
  }
  return false;
}

// Links may share an address: a link-local one, which comes from the port's MAC.
bool Routes::is_elsewhere(const Table& table, const Key& address, uint8_t link) noexcept {
  bool is_ours = false;
  for (const Entry& entry : table) {
    if (!entry.is_own) break;
    if (!entry.fits(address)) continue;
    if (entry.link == link) return false;
    is_ours = true;
  }
  return is_ours;
}

netif* Routes::with_address(const ip4_addr_t& address) const noexcept {
  for (const Entry& entry : table4_) {
    if (!entry.is_own) return nullptr;
    if (entry.length == 32 && entry.fits(key_of(address))) return entry.out;
  }
  return nullptr;
}

}  // namespace millrace
