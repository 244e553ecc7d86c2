// SPDX-License-Identifier: BSD-3-Clause
// A test of the Winsock 2 calls: started before and ended after, sockets closed, no mbuf left.
//
//   const SOCKET s = open(SOCK_STREAM);       closed by the fixture
//   EXPECT_EQ(error_of(bind(s, ...)), WSAEFAULT);
//
// Invariant: written as a program for Windows is, with plain names.
#pragma once

// clang-format off
#include "winsock2.h"
#include "ws2tcpip.h"
#include "millrace/counters.h"

#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <map>
#include <string>
#include <thread>
#include <utility>
#include <vector>
// clang-format on

namespace millrace::test {

inline uint64_t mbufs_in_use() {
  uint64_t value = 0;
  millrace_counters(
      [](void* context, const char* name, unsigned long long n) {
        if (std::string(name) == "mbufs_in_use") *static_cast<uint64_t*>(context) = n;
      },
      &value);
  return value;
}

/// Looks again and again until it is so. @return false: not within 20 s
inline bool eventually(const std::function<bool()>& condition) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::yield();
  }
  return true;
}

/// The error of a call that has to fail.
template <typename Result>
int error_of(Result result) {
  EXPECT_EQ(result, static_cast<Result>(-1)) << "it should have failed";
  return WSAGetLastError();
}

inline sockaddr_in loopback(u_short port_be = 0) {
  sockaddr_in a{};
  a.sin_family = AF_INET;
  a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  a.sin_port = port_be;
  return a;
}

class Ws2Test : public testing::Test {
 protected:
  void SetUp() override {
    WSADATA data;
    ASSERT_EQ(WSAStartup(MAKEWORD(2, 2), &data), 0);
    mbufs_at_start_ = mbufs_in_use();
  }
  void TearDown() override {
    for (const SOCKET s : sockets_) closesocket(s);
    EXPECT_TRUE(eventually([this] { return mbufs_in_use() <= mbufs_at_start_; }));
    EXPECT_EQ(WSACleanup(), 0);
    EXPECT_EQ(error_of(WSACleanup()), WSANOTINITIALISED);
  }

  SOCKET keep(SOCKET s) {
    EXPECT_NE(s, INVALID_SOCKET) << WSAGetLastError();
    sockets_.push_back(s);
    return s;
  }
  SOCKET open(int type) { return keep(socket(AF_INET, type, 0)); }

  /// Bound to the loopback address, and listening if it is a stream.
  std::pair<SOCKET, sockaddr_in> bound(int type) {
    const SOCKET s = open(type);
    sockaddr_in a = loopback();
    EXPECT_EQ(bind(s, reinterpret_cast<sockaddr*>(&a), sizeof a), 0) << WSAGetLastError();
    int length = sizeof a;
    EXPECT_EQ(getsockname(s, reinterpret_cast<sockaddr*>(&a), &length), 0);
    EXPECT_EQ(length, int{sizeof a});
    if (type == SOCK_STREAM) {
      EXPECT_EQ(listen(s, 5), 0);
    }
    return {s, a};
  }

  /// Both ends of a connection.
  std::pair<SOCKET, SOCKET> connected() {
    const auto [listener, address] = bound(SOCK_STREAM);
    const SOCKET client = open(SOCK_STREAM);
    EXPECT_EQ(connect(client, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    return {client, keep(accept(listener, nullptr, nullptr))};
  }

 private:
  std::vector<SOCKET> sockets_;
  uint64_t mbufs_at_start_ = 0;
};

/// Of windows.h: with a provider, and without.
class Win32Test : public testing::TestWithParam<bool> {
 protected:
  void SetUp() override {
    WSADATA data;
    if (GetParam()) {
      ASSERT_EQ(WSAStartup(MAKEWORD(2, 2), &data), 0);
    }
  }
  void TearDown() override {
    if (GetParam()) {
      EXPECT_EQ(WSACleanup(), 0);
    }
  }
};
#define MILLRACE_WITH_AND_WITHOUT_WINSOCK(suite)                            \
  INSTANTIATE_TEST_SUITE_P(Winsock, suite, testing::Bool(), [](const auto& test) { \
    return test.param ? "started" : "not_started";                          \
  })

constexpr DWORD kTimeout = WAIT_TIMEOUT;

}  // namespace millrace::test
