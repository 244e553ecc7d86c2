// SPDX-License-Identifier: BSD-3-Clause
// WSPAccept with a condition function (winsock-rules 187), and what a connection inherits.
#define MILLRACE_USE_WS_PREFIX
#include <thread>

#include "tests/support/network_events.h"

namespace millrace::test {
namespace {

/// What a condition function saw, and what it is to say.
struct Judge {
  explicit Judge(int says = CF_ACCEPT) : verdict(says) {}

  int verdict;
  int n_calls = 0;
  Address caller, callee;
  bool has_nothing_else = true;
  std::thread::id thread;
  std::function<void()> meanwhile = [] {};
};

Address address_in(const WSABUF* id) {
  Address address;
  EXPECT_NE(id, nullptr);
  address.length = static_cast<INT>(id->len);
  std::copy_n(id->buf, id->len, reinterpret_cast<CHAR*>(address.get()));
  return address;
}

int CALLBACK judge(LPWSABUF caller_id, LPWSABUF caller_data, LPQOS sqos, LPQOS gqos,
                   LPWSABUF callee_id, LPWSABUF callee_data, GROUP* g, DWORD_PTR context) {
  auto& judge = *reinterpret_cast<Judge*>(context);
  ++judge.n_calls;
  judge.caller = address_in(caller_id);
  judge.callee = address_in(callee_id);
  judge.has_nothing_else = caller_data == nullptr && sqos == nullptr && gqos == nullptr &&
                           callee_data != nullptr && callee_data->len == 0 && g == nullptr;
  judge.thread = std::this_thread::get_id();
  judge.meanwhile();
  return judge.verdict;
}

class Winsock_R187 : public NetworkEventsTest, public testing::WithParamInterface<int> {
 protected:
  void SetUp() override {
    NetworkEventsTest::SetUp();
    std::tie(l, address) = ws().listener(GetParam());
  }
  SOCKET caller() {
    const SOCKET s = ws().stream(GetParam());
    EXPECT_EQ(ws().connect(s, address), 0) << ws().error;
    return s;
  }
  SOCKET accept(Judge& by) { return ws().accept_if(l, judge, reinterpret_cast<DWORD_PTR>(&by)); }

  SOCKET l = INVALID_SOCKET;
  Address address;
};
MILLRACE_BOTH_SPI_FAMILIES(Winsock_R187);

TEST_P(Winsock_R187, TheConditionSeesBothAddressesOnTheCallingThread) {
  const SOCKET client = caller();
  Judge by;
  const SOCKET server = accept(by);
  ASSERT_NE(server, INVALID_SOCKET) << ws().error;
  EXPECT_EQ(by.n_calls, 1);
  EXPECT_EQ(by.caller, ws().name_of(client));
  EXPECT_EQ(by.callee, address);
  EXPECT_TRUE(by.has_nothing_else);
  EXPECT_EQ(by.thread, std::this_thread::get_id());
  ASSERT_EQ(ws().send(client, "hello"), 5);
  EXPECT_EQ(ws().recv(server), "hello");
}

TEST_P(Winsock_R187, RejectResetsTheCaller) {
  const SOCKET client = caller();
  Judge by(CF_REJECT);
  EXPECT_EQ(accept(by), INVALID_SOCKET);
  EXPECT_EQ(ws().error, WSAECONNREFUSED);
  EXPECT_EQ(ws().recv(client), "");
  EXPECT_EQ(ws().error, WSAECONNRESET);
  EXPECT_FALSE(ws().is_ready(l, 'r'));
}

TEST_P(Winsock_R187, DeferLeavesTheConnectionFirstInTheQueue) {
  const SOCKET first = caller();
  ASSERT_TRUE(ws().is_ready(l, 'r', 10'000));
  Judge by(CF_DEFER);
  EXPECT_EQ(accept(by), INVALID_SOCKET);
  EXPECT_EQ(ws().error, WSATRY_AGAIN);
  EXPECT_TRUE(ws().is_ready(l, 'r'));
  EXPECT_EQ(accept(by), INVALID_SOCKET);
  EXPECT_EQ(ws().error, WSATRY_AGAIN);
  EXPECT_EQ(by.caller, ws().name_of(first)) << "asked about another one";
  by.verdict = CF_ACCEPT;
  const SOCKET server = accept(by);
  ASSERT_NE(server, INVALID_SOCKET);
  EXPECT_EQ(ws().peer_of(server), ws().name_of(first));
  ASSERT_EQ(ws().send(first, "x"), 1);
  EXPECT_EQ(ws().recv(server), "x");
}

TEST_P(Winsock_R187, ADeferredConnectionWaitsForAnAcceptWithoutACondition) {
  const SOCKET client = caller();
  Judge by(CF_DEFER);
  EXPECT_EQ(accept(by), INVALID_SOCKET);
  const SOCKET server = ws().accept(l);
  ASSERT_NE(server, INVALID_SOCKET);
  EXPECT_EQ(ws().peer_of(server), ws().name_of(client));
}

TEST_P(Winsock_R187, TheConditionMayCallTheProvider) {
  const SOCKET client = caller();
  Judge by;
  by.meanwhile = [&] {
    EXPECT_EQ(ws().send(client, "before you are accepted"), 23);
    EXPECT_FALSE(ws().is_ready(l, 'r')) << "the connection can be had twice";
  };
  const SOCKET server = accept(by);
  ASSERT_NE(server, INVALID_SOCKET);
  EXPECT_EQ(ws().recv(server), "before you are accepted");
}

TEST_P(Winsock_R187, TheConditionMayCloseTheListener) {
  const SOCKET client = caller();
  Judge by(CF_DEFER);
  by.meanwhile = [&] { EXPECT_EQ(ws().close(l), 0); };
  EXPECT_EQ(accept(by), INVALID_SOCKET);
  EXPECT_EQ(ws().error, WSAEINTR);
  EXPECT_EQ(ws().recv(client), "");
  EXPECT_EQ(ws().error, WSAECONNRESET);
}

TEST_P(Winsock_R187, NobodyIsAskedAboutNobody) {
  Judge by;
  ASSERT_EQ(ws().set_nonblocking(l), 0);
  EXPECT_EQ(accept(by), INVALID_SOCKET);
  EXPECT_EQ(ws().error, WSAEWOULDBLOCK);
  EXPECT_EQ(by.n_calls, 0);
}

TEST_P(Winsock_R187, DeferDoesNotEnableTheEventAgain) {
  ASSERT_EQ(select(l, FD_ACCEPT), 0);
  (void)caller();
  ASSERT_TRUE(comes());
  EXPECT_EQ(taken(l), FD_ACCEPT);
  Judge by(CF_DEFER);
  EXPECT_EQ(accept(by), INVALID_SOCKET);
  EXPECT_EQ(ws().error, WSATRY_AGAIN);
  EXPECT_FALSE(is_signalled());
  EXPECT_EQ(taken(l), 0);
  by.verdict = CF_REJECT;
  EXPECT_EQ(accept(by), INVALID_SOCKET);
  EXPECT_EQ(taken(l), 0) << "nobody waits any more";
}

TEST_P(Winsock_R187, ConditionalAcceptIsAnOptionOfSocketsThatDoNotListenYet) {
  const SOCKET s = ws().stream(GetParam());
  EXPECT_EQ(ws().option(s, WS_SOL_SOCKET, SO_CONDITIONAL_ACCEPT), 0);
  EXPECT_EQ(ws().set_option(s, WS_SOL_SOCKET, SO_CONDITIONAL_ACCEPT, 1), 0);
  EXPECT_EQ(ws().option(s, WS_SOL_SOCKET, SO_CONDITIONAL_ACCEPT), 1);
  EXPECT_EQ(ws().set_option(l, WS_SOL_SOCKET, SO_CONDITIONAL_ACCEPT, 1), SOCKET_ERROR);
  EXPECT_EQ(ws().error, WSAEINVAL);
}

using Winsock_R157 = NetworkEventsTest;

TEST_F(Winsock_R157, AnAcceptedSocketInheritsMaskAndEvent) {
  const auto [l, address] = ws().listener(WS_AF_INET);
  ASSERT_EQ(select(l, FD_ACCEPT | FD_READ | FD_WRITE), 0);
  const SOCKET client = ws().stream(WS_AF_INET);
  ASSERT_EQ(ws().connect(client, address), 0);
  ASSERT_TRUE(comes());
  EXPECT_EQ(taken(l), FD_ACCEPT);
  const SOCKET server = ws().accept(l);
  ASSERT_NE(server, INVALID_SOCKET) << ws().error;
  EXPECT_TRUE(is_signalled());
  EXPECT_EQ(taken(server), FD_WRITE);
  ASSERT_EQ(ws().send(client, "x"), 1);
  EXPECT_TRUE(comes());
  EXPECT_EQ(taken(l), 0);
  EXPECT_EQ(taken(server), FD_READ);
}

}  // namespace
}  // namespace millrace::test
