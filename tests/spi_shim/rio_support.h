// SPDX-License-Identifier: BSD-3-Clause
// Registered I/O as a test uses it: the table, memory with its id, and queues that close
// themselves.
#pragma once

#include <cstddef>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "mswsock.h"
#include "tests/spi_shim/ports_support.h"

namespace millrace::test {

inline void* as_context(uint64_t number) { return reinterpret_cast<void*>(number); }

/// Memory that is registered, and its parts.
class Registered {
 public:
  Registered(const RIO_EXTENSION_FUNCTION_TABLE& rio, ULONG bytes)
      : rio_(rio), memory(bytes), id(rio.RIORegisterBuffer(memory.data(), bytes)) {}
  ~Registered() { rio_.RIODeregisterBuffer(id); }
  Registered(const Registered&) = delete;
  Registered& operator=(const Registered&) = delete;

  RIO_BUF part(ULONG offset, ULONG length) const { return {id, offset, length}; }
  RIO_BUF put(std::string_view text, ULONG offset = 0) {
    std::copy(text.begin(), text.end(), memory.begin() + offset);
    return part(offset, static_cast<ULONG>(text.size()));
  }
  std::string_view text(ULONG offset, ULONG length) const {
    return {memory.data() + offset, length};
  }
  template <typename T>
  T* at(ULONG offset) {
    return reinterpret_cast<T*>(memory.data() + offset);
  }

 private:
  const RIO_EXTENSION_FUNCTION_TABLE& rio_;

 public:
  std::vector<char> memory;
  RIO_BUFFERID id;
};

/// Of a parameter's family, or IPv4.
class RioTest : public SpiTest {
 protected:
  void SetUp() override {
    SpiTest::SetUp();
    const SOCKET any = ws().datagram(WS_AF_INET);
    GUID id = WSAID_MULTIPLE_RIO;
    DWORD n = 0;
    INT error = 0;
    ASSERT_EQ(
        ws().table.lpWSPIoctl(any, SIO_GET_MULTIPLE_EXTENSION_FUNCTION_POINTER, &id, sizeof id,
                              &rio, sizeof rio, &n, nullptr, nullptr, nullptr, &error),
        0);
    ASSERT_EQ(ws().close(any), 0);
  }

  virtual int family() const { return WS_AF_INET; }
  SOCKET registered(int type) { return ws().socket(family(), type, WSA_FLAG_REGISTERED_IO); }
  /// Bound to the loopback address.
  SOCKET datagram() {
    const SOCKET s = registered(WS_SOCK_DGRAM);
    EXPECT_EQ(ws().bind(s, Address::loopback(family())), 0) << ws().error;
    return s;
  }
  /// Both ends of a connection of datagrams.
  std::pair<SOCKET, SOCKET> datagrams() {
    const SOCKET a = datagram(), b = datagram();
    EXPECT_EQ(ws().connect(a, ws().name_of(b)), 0);
    EXPECT_EQ(ws().connect(b, ws().name_of(a)), 0);
    return {a, b};
  }
  /// A client that knows nothing of registered I/O, and a connection that a registered listener
  /// took.
  std::pair<SOCKET, SOCKET> streams() {
    const SOCKET listener = registered(WS_SOCK_STREAM);
    EXPECT_EQ(ws().bind(listener, Address::loopback(family())), 0);
    EXPECT_EQ(ws().listen(listener), 0);
    const SOCKET client = ws().stream(family());
    EXPECT_EQ(ws().connect(client, ws().name_of(listener)), 0);
    const SOCKET server = ws().accept(listener);
    EXPECT_NE(server, INVALID_SOCKET);
    ws().close(listener);
    return {client, server};
  }

  RIO_CQ completion_queue(DWORD size = 64, RIO_NOTIFICATION_COMPLETION* notification = nullptr) {
    const RIO_CQ queue = rio.RIOCreateCompletionQueue(size, notification);
    EXPECT_NE(queue, RIO_INVALID_CQ) << GetLastError();
    return queue;
  }
  RIO_RQ request_queue(SOCKET s, RIO_CQ both, ULONG receives = 8, ULONG sends = 8,
                       uint64_t context = 0) {
    const RIO_RQ queue =
        rio.RIOCreateRequestQueue(s, receives, 1, sends, 1, both, both, as_context(context));
    EXPECT_NE(queue, RIO_INVALID_RQ) << GetLastError();
    return queue;
  }
  bool receive(RIO_RQ queue, RIO_BUF part, uint64_t context = 0, DWORD flags = 0) {
    return rio.RIOReceive(queue, &part, 1, flags, as_context(context)) != FALSE;
  }
  bool send(RIO_RQ queue, RIO_BUF part, uint64_t context = 0, DWORD flags = 0) {
    return rio.RIOSend(queue, &part, 1, flags, as_context(context)) != FALSE;
  }

  /// Polls, and does nothing else, until there are n.
  std::vector<RIORESULT> take(RIO_CQ queue, size_t n) {
    std::vector<RIORESULT> results(n);
    size_t n_taken = 0;
    EXPECT_TRUE(eventually([&] {
      const ULONG more = rio.RIODequeueCompletion(queue, results.data() + n_taken,
                                                  static_cast<ULONG>(n - n_taken));
      EXPECT_NE(more, ULONG{RIO_CORRUPT_CQ});
      n_taken += more;
      return n_taken == n;
    })) << n_taken
        << " of " << n << " completions";
    return results;
  }
  RIORESULT take(RIO_CQ queue) { return take(queue, 1).front(); }
  /// After a turn, too.
  bool is_empty(RIO_CQ queue) {
    RIORESULT result;
    return rio.RIODequeueCompletion(queue, &result, 1) == 0;
  }

  RIO_EXTENSION_FUNCTION_TABLE rio{};
};

class RioFamilyTest : public RioTest, public testing::WithParamInterface<int> {
 protected:
  int family() const override { return GetParam(); }
};

/// Without a value: FALSE, and that last error.
#define EXPECT_RIO_ERROR(call, code)                     \
  do {                                                   \
    SetLastError(0);                                     \
    EXPECT_FALSE(call);                                  \
    EXPECT_EQ(GetLastError(), static_cast<DWORD>(code)); \
  } while (false)

}  // namespace millrace::test
