// SPDX-License-Identifier: BSD-3-Clause
// The Internet checksum (RFC 1071) in software: long packets are summed by other instructions than short ones.
#include <gtest/gtest.h>

#include <numeric>
#include <vector>

#include "lwip/def.h"

namespace {

/// As RFC 1071 1 has it, a word after the other, low byte first.
uint16_t reference(const uint8_t* bytes, size_t n) {
  uint64_t sum = 0;
  for (size_t i = 0; i < n; ++i) sum += i % 2 == 0 ? uint64_t{bytes[i]} : uint64_t{bytes[i]} << 8;
  while (sum >> 16 != 0) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<uint16_t>(sum);
}

TEST(Checksum, IsTheSumOfItsWordsWhateverItsLengthAndPlace) {
  std::vector<uint8_t> bytes(9200);
  uint32_t next = 1;
  for (uint8_t& byte : bytes) byte = static_cast<uint8_t>((next = next * 1664525 + 1013904223) >> 24);
  for (const size_t at : {0u, 1u, 14u, 33u}) {
    for (size_t n = 0; n <= 1600; ++n) {
      ASSERT_EQ(millrace_lwip_checksum(&bytes[at], static_cast<int>(n)), reference(&bytes[at], n)) << at << " " << n;
    }
    ASSERT_EQ(millrace_lwip_checksum(&bytes[at], 9000), reference(&bytes[at], 9000));
  }
}

TEST(Checksum, CarriesGoRound) {
  const std::vector<uint8_t> ones(65535, 0xff);
  for (const size_t n : {2u, 64u, 256u, 1480u, 65535u}) {
    EXPECT_EQ(millrace_lwip_checksum(ones.data(), static_cast<int>(n)), reference(ones.data(), n)) << n;
  }
}

}  // namespace
