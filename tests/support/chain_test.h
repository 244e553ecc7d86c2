// SPDX-License-Identifier: BSD-3-Clause
// The fixture of tests without a Stack: chains of pbufs on real mbufs, and an application's
// buffers. After each test every mbuf must be back in its pool.
#pragma once

#include <gtest/gtest.h>
#include <rte_mbuf.h>

#include <cstring>
#include <memory>
#include <vector>

#include "dpdk_io/pool.h"
#include "stack/inbox.h"
#include "stack/lwip/port.h"
#include "tests/support/stack_test.h"

namespace millrace::test {

class ChainTest : public testing::Test {
 protected:
  void TearDown() override { EXPECT_EQ(pool_.in_use(), 0u) << "mbufs were not given back"; }

  /// A chain whose segments have these lengths, filled with the pattern from stream_offset on.
  pbuf* chain(const std::vector<size_t>& lengths, size_t stream_offset = 0) {
    rte_mbuf* head = nullptr;
    for (const size_t length : lengths) {
      rte_mbuf* const m = rte_pktmbuf_alloc(pool_.get());
      const Bytes bytes = pattern(length, stream_offset);
      stream_offset += length;
      if (length != 0) {
        std::memcpy(rte_pktmbuf_append(m, static_cast<uint16_t>(length)), bytes.data(), length);
      }
      if (head == nullptr) {
        head = m;
      } else {
        EXPECT_EQ(rte_pktmbuf_chain(head, m), 0);
      }
    }
    return pbuf_from(head);
  }

  /// The application's buffers, one allocation each, so that AddressSanitizer sees an overrun.
  struct Buffers {
    explicit Buffers(const std::vector<size_t>& rooms) {
      for (const size_t room : rooms) {
        memory.push_back(std::make_unique<char[]>(room));
        std::memset(memory.back().get(), 0x5e, room);
        array.push_back({static_cast<ULONG>(room), memory.back().get()});
      }
    }
    BufferCursor cursor() const { return BufferCursor(array); }
    Bytes first(size_t n) const {
      Bytes bytes;
      for (const WSABUF& buffer : array) {
        const size_t part = std::min<size_t>(buffer.len, n - bytes.size());
        bytes.insert(bytes.end(), buffer.buf, buffer.buf + part);
      }
      return bytes;
    }
    std::vector<std::unique_ptr<char[]>> memory;
    std::vector<WSABUF> array;
  };

  Pool pool_{"inbox", 1023, 2048, 0};
};

}  // namespace millrace::test
