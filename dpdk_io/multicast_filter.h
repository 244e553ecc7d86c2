// SPDX-License-Identifier: BSD-3-Clause
// Which multicast MAC addresses a port lets through: a list in the device where it has one, all of
// them where it has not. Several users may want the same address, from different threads.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <mutex>

namespace millrace {

class MulticastFilter {
 public:
  using Mac = std::array<uint8_t, 6>;

  /// Of a configured port: ff02::1's address from the start, which every IPv6 host listens to.
  explicit MulticastFilter(uint16_t port_id);
  MulticastFilter(const MulticastFilter&) = delete;
  MulticastFilter& operator=(const MulticastFilter&) = delete;

  void add(const Mac& mac);
  void remove(const Mac& mac);
  /// True where the device has no list and lets all through, or drops what nobody asked for.
  bool lets_all_through() const noexcept { return lets_all_through_; }

 private:
  void tell_device();

  const uint16_t port_id_;
  std::mutex mutex_;
  std::map<Mac, uint32_t> users_;
  bool lets_all_through_ = false;
};

}  // namespace millrace
