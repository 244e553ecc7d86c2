// SPDX-License-Identifier: BSD-3-Clause
// The SPI as a test uses it: a started provider, and calls whose error is a value.
//
//   Winsock ws(table);                       one per thread
//   const SOCKET s = ws.stream(4);
//   EXPECT_EQ(ws.recv(s), "hello");
//   EXPECT_EQ(ws.bind(s, Address()), SOCKET_ERROR);   ws.error is WSAEFAULT
//
// Nothing here looks into the stack: a test sees what a program sees.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ws2spi.h"

namespace millrace::test {

/// A sockaddr of either family.
class Address {
 public:
  Address() = default;
  static Address any(int family, uint16_t port = 0);
  static Address loopback(int family, uint16_t port = 0);
  /// "10.0.0.1" or "fd00::1"
  static Address of(const std::string& text, uint16_t port);

  WS_sockaddr* get() { return reinterpret_cast<WS_sockaddr*>(&storage_); }
  const WS_sockaddr* get() const { return reinterpret_cast<const WS_sockaddr*>(&storage_); }
  uint16_t port() const;
  /// True if host and port are the same.
  bool operator==(const Address& other) const;
  INT length = sizeof(WS_sockaddr_storage);

 private:
  WS_sockaddr_storage storage_{};
};

void PrintTo(const Address& address, std::ostream* out);

/// One overlapped operation with an event of its own, and one buffer.
struct Overlap {
  explicit Overlap(size_t room = 0);
  ~Overlap();
  Overlap(const Overlap&) = delete;
  Overlap& operator=(const Overlap&) = delete;

  bool is_signalled() const;
  WSAOVERLAPPED* get() { return &overlapped; }

  WSAOVERLAPPED overlapped{};
  std::vector<char> memory;
  DWORD flags = 0;
};

/// What a connection is of: streams of a family, if nothing else is said, or messages over SCTP.
struct ConnectionKind {
  ConnectionKind(int address_family, int socket_type = WS_SOCK_STREAM)
      : family(address_family), type(socket_type) {}
  int family;
  int type;
};
std::string name_of(const ConnectionKind& kind);
void PrintTo(const ConnectionKind& kind, std::ostream* out);
/// All that the catalog has: without SCTP (MILLRACE_SCTP=OFF) streams only.
std::vector<ConnectionKind> connection_kinds();

class Winsock {
 public:
  explicit Winsock(const WSPPROC_TABLE& procedures) : table(procedures) {}

  SOCKET socket(int family, int type, DWORD flags = WSA_FLAG_OVERLAPPED);
  SOCKET socket(ConnectionKind kind, DWORD flags = WSA_FLAG_OVERLAPPED) {
    return socket(kind.family, kind.type, flags);
  }
  /// From what WSPDuplicateSocket or the catalog said.
  SOCKET socket_of(WSAPROTOCOL_INFOW info);
  SOCKET stream(int family) { return socket(family, WS_SOCK_STREAM); }
  SOCKET datagram(int family) { return socket(family, WS_SOCK_DGRAM); }
  int bind(SOCKET s, const Address& address);
  int listen(SOCKET s, int backlog = 5);
  SOCKET accept(SOCKET s, Address* from = nullptr);
  SOCKET accept_if(SOCKET s, LPCONDITIONPROC condition, DWORD_PTR context = 0);
  int connect(SOCKET s, const Address& address);
  int shutdown(SOCKET s, int how);
  int close(SOCKET s);
  Address name_of(SOCKET s);
  Address peer_of(SOCKET s);

  /// One nonoverlapped call. On failure "" and error; error is 0 on success.
  std::string recv(SOCKET s, size_t room = 65536, DWORD flags = 0);
  std::string recv_from(SOCKET s, Address& from, size_t room = 65536);
  /// Receives until n bytes are there or the stream ends.
  std::string recv_all(SOCKET s, size_t n);
  /// @return bytes sent, or SOCKET_ERROR
  int send(SOCKET s, std::string_view text, DWORD flags = 0);
  int send_to(SOCKET s, std::string_view text, const Address& to);
  /// @return what WSPRecv returned; error is WSA_IO_PENDING when it started
  int post_recv(SOCKET s, Overlap& overlap, DWORD flags = 0);
  /// WSPGetOverlappedResult. @return bytes, or SOCKET_ERROR
  int result(SOCKET s, Overlap& overlap, bool wait);
  /// The result as text, after waiting for it.
  std::string finish(SOCKET s, Overlap& overlap);

  int set_option(SOCKET s, int level, int name, DWORD value);
  /// @return the value, or -1
  int64_t option(SOCKET s, int level, int name);
  int set_nonblocking(SOCKET s, bool on = true);
  int64_t readable_bytes(SOCKET s);
  /// SIOCATMARK. @return the value, or -1
  int64_t is_at_mark(SOCKET s);
  /// One socket, one condition. @param what  'r', 'w' or 'x'
  bool is_ready(SOCKET s, char what, LONG timeout_ms = 0);

  /// An extension function, as LPFN_ACCEPTEX and WSAID_ACCEPTEX; the test fails where there is none.
  template <typename Function>
  void fetch(SOCKET s, GUID id, Function& function) {
    DWORD n = 0;
    EXPECT_EQ(table.lpWSPIoctl(s, SIO_GET_EXTENSION_FUNCTION_POINTER, &id, sizeof id, &function, sizeof function, &n,
                               nullptr, nullptr, nullptr, &error),
              0)
        << error;
    EXPECT_EQ(n, sizeof function);
  }

  /// A listener on a port of its own choice, bound to the loopback address.
  std::pair<SOCKET, Address> listener(ConnectionKind kind);
  /// Both ends of a connection over the loopback.
  std::pair<SOCKET, SOCKET> pair(ConnectionKind kind);
  /// Closes what any Winsock has opened and nobody closed.
  void close_all();

  const WSPPROC_TABLE table;
  INT error = 0;
  DWORD received_flags = 0;  ///< what the last successful recv() wrote into lpFlags

 private:
  int64_t asked(SOCKET s, DWORD code);
};

/// Starts the provider on the embedded loopback, and ends it. Once all sockets are closed, those
/// that the test left open included, no mbuf may be in use.
class SpiTest : public testing::Test {
 protected:
  SpiTest();
  void SetUp() override;
  void TearDown() override;
  /// The Winsock of the test's own thread.
  Winsock& ws() { return *ws_; }
  static WSPPROC_TABLE start(const WSPUPCALLTABLE& upcalls = WSPUPCALLTABLE{});

 private:
  std::unique_ptr<Winsock> ws_;
  uint64_t mbufs_at_start_ = 0;
};

class SpiFamilyTest : public SpiTest, public testing::WithParamInterface<ConnectionKind> {
 protected:
  ConnectionKind kind() const { return GetParam(); }
  int family() const { return kind().family; }
  bool has_messages() const { return kind().type == WS_SOCK_SEQPACKET; }
  /// What a receive answers at the graceful end of a connection (contract: B12 E15).
  INT graceful_end() const { return has_messages() ? WSAEDISCON : 0; }
};

#define MILLRACE_SPI_SUITE(suite, kinds)           \
  INSTANTIATE_TEST_SUITE_P(Family, suite, kinds,   \
                           [](const auto& test) { return name_of(ConnectionKind(test.param)); })
#define MILLRACE_BOTH_SPI_FAMILIES(suite) MILLRACE_SPI_SUITE(suite, testing::Values(WS_AF_INET, WS_AF_INET6))
/// Over streams and over messages, where a connection is a connection.
#define MILLRACE_ALL_SPI_CONNECTIONS(suite) MILLRACE_SPI_SUITE(suite, testing::ValuesIn(connection_kinds()))

/// The provider's counters by name; empty when it does not run.
std::map<std::string, uint64_t> counters();

/// Waits, by looking again and again, until a condition holds. @return false: not within 20 s
bool eventually(const std::function<bool()>& condition);

/// Returns once another thread is inside a call that waits: such a thread turns the Stack.
void wait_until_somebody_waits();

}  // namespace millrace::test
