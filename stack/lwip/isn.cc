// SPDX-License-Identifier: BSD-3-Clause
// Initial sequence numbers by RFC 6528: a clock of 4 us per number, and a keyed hash of the 4-tuple, so
// that nobody outside can guess those of a connection that is not theirs.
#include "stack/lwip/isn.h"

#include <sodium.h>

#include <array>
#include <cstring>

#include "stack/lwip/lwip_hooks.h"
#include "stack/lwip/port.h"

namespace millrace {
namespace {

constexpr uint64_t kIsnSalt = 0;

using Key = std::array<unsigned char, crypto_shorthash_KEYBYTES>;

const Key& key() {
  static const Key random = [] {
    Key k;
    randombytes_buf(k.data(), k.size());
    return k;
  }();
  return random;
}

struct Hashed {
  std::array<uint32_t, 4> local{};
  std::array<uint32_t, 4> peer{};
  uint16_t local_port;
  uint16_t peer_port;
  std::array<uint32_t, 2> salt;
};
static_assert(std::has_unique_object_representations_v<Hashed>);

void copy_address(std::array<uint32_t, 4>& to, const ip_addr_t& from) {
  if (IP_IS_V6_VAL(from)) {
    std::memcpy(to.data(), ip_2_ip6(&from)->addr, sizeof to);
  } else {
    to[0] = ip_2_ip4(&from)->addr;
  }
}

}  // namespace

uint64_t secret_hash(const TcpTuple& connection, uint64_t salt) noexcept {
  Hashed hashed{.local_port = connection.local_port,
                .peer_port = connection.peer_port,
                .salt = {static_cast<uint32_t>(salt), static_cast<uint32_t>(salt >> 32)}};
  copy_address(hashed.local, connection.local);
  copy_address(hashed.peer, connection.peer);
  uint64_t hash;
  static_assert(sizeof hash == crypto_shorthash_BYTES);
  crypto_shorthash(reinterpret_cast<unsigned char*>(&hash),
                   reinterpret_cast<const unsigned char*>(&hashed), sizeof hashed, key().data());
  return hash;
}

}  // namespace millrace

extern "C" uint32_t millrace_tcp_isn(const ip_addr_t* local, uint16_t local_port,
                                     const ip_addr_t* peer, uint16_t peer_port) {
  using namespace millrace;
  if (engine.replayed_isn != nullptr) return *engine.replayed_isn;
  const uint64_t hash = secret_hash({*local, local_port, *peer, peer_port}, kIsnSalt);
  return static_cast<uint32_t>(hash) + static_cast<uint32_t>(engine.clock->now_ns() / 4'000);
}
