// SPDX-License-Identifier: BSD-3-Clause
// Initial sequence numbers by RFC 6528: a clock of 4 us per number, and a keyed hash of the 4-tuple, so
// that nobody outside can guess those of a connection that is not theirs.
#include <sodium.h>

#include <array>
#include <cstring>

#include "stack/lwip/lwip_hooks.h"
#include "stack/lwip/port.h"

namespace millrace {
namespace {

using Key = std::array<unsigned char, crypto_shorthash_KEYBYTES>;

const Key& key() {
  static const Key random = [] {
    Key k;
    randombytes_buf(k.data(), k.size());
    return k;
  }();
  return random;
}

struct Tuple {
  std::array<uint32_t, 4> local{};
  std::array<uint32_t, 4> peer{};
  uint16_t local_port;
  uint16_t peer_port;
};
static_assert(std::has_unique_object_representations_v<Tuple>);

void copy_address(std::array<uint32_t, 4>& to, const ip_addr_t& from) {
  if (IP_IS_V6_VAL(from)) {
    std::memcpy(to.data(), ip_2_ip6(&from)->addr, sizeof to);
  } else {
    to[0] = ip_2_ip4(&from)->addr;
  }
}

}  // namespace
}  // namespace millrace

extern "C" uint32_t millrace_tcp_isn(const ip_addr_t* local, uint16_t local_port,
                                     const ip_addr_t* peer, uint16_t peer_port) {
  using namespace millrace;
  Tuple tuple{.local_port = local_port, .peer_port = peer_port};
  copy_address(tuple.local, *local);
  copy_address(tuple.peer, *peer);
  std::array<unsigned char, crypto_shorthash_BYTES> hash;
  crypto_shorthash(hash.data(), reinterpret_cast<const unsigned char*>(&tuple), sizeof tuple,
                   key().data());
  uint32_t number;
  std::memcpy(&number, hash.data(), sizeof number);
  return number + static_cast<uint32_t>(engine.clock->now_ns() / 4'000);
}
