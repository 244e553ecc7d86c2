// SPDX-License-Identifier: BSD-3-Clause
// Rules of the receive contract that are about the call itself: its prototype, what it returns and
// writes, and how the same result is told in every way in which it can be asked for.
#include <algorithm>
#include <type_traits>
#include <vector>

#define MILLRACE_USE_WS_PREFIX
#include "tests/support/spi.h"
#include "winsock2.h"

namespace millrace::test {
namespace {

TEST(Recv_C1, ThePrototypeIsTheSpecifiedOne) {
  using Specified = int (*)(SOCKET s, LPWSABUF lpBuffers, DWORD dwBufferCount,
                            LPDWORD lpNumberOfBytesRecvd, LPDWORD lpFlags,
                            LPWSAOVERLAPPED lpOverlapped,
                            LPWSAOVERLAPPED_COMPLETION_ROUTINE lpCompletionRoutine,
                            LPWSATHREADID lpThreadId, LPINT lpErrno);
  static_assert(std::is_same_v<decltype(WSPPROC_TABLE::lpWSPRecv), Specified>);
  WSPDATA data{};
  WSPPROC_TABLE table{};
  WSAPROTOCOL_INFOW info{};
  ASSERT_EQ(WSPStartup(MAKEWORD(2, 2), &data, &info, {}, &table), 0);
  INT error = 0;
  ASSERT_NE(table.lpWSPRecv, nullptr) << "reached through the table";
  EXPECT_EQ(table.lpWSPCleanup(&error), 0);
}

class Receiving : public SpiFamilyTest {
 protected:
  void SetUp() override {
    SpiFamilyTest::SetUp();
    std::tie(client_, server_) = ws().pair(kind());
  }

  int recv(LPWSAOVERLAPPED overlapped = nullptr, DWORD flags = 0, size_t room = 16) {
    memory_.assign(room, '.');
    WSABUF buffer{static_cast<ULONG>(room), memory_.data()};
    n_ = kUntouched;
    flags_ = flags;
    ws().error = 0;
    return ws().table.lpWSPRecv(server_, &buffer, 1, &n_, &flags_, overlapped, nullptr, nullptr,
                                &ws().error);
  }

  /// Nothing started, nothing written: of messages the end is an error (contract: C4 C5 E15).
  void expect_end(LPWSAOVERLAPPED overlapped = nullptr) {
    EXPECT_EQ(recv(overlapped), has_messages() ? SOCKET_ERROR : 0);
    EXPECT_EQ(ws().error, graceful_end());
    EXPECT_EQ(n_, has_messages() ? kUntouched : 0u);
  }

  static constexpr DWORD kUntouched = 0xdeadbeef;
  SOCKET client_ = INVALID_SOCKET;
  SOCKET server_ = INVALID_SOCKET;
  std::string memory_;
  DWORD n_ = 0;
  DWORD flags_ = 0;
};

class Recv_C5 : public Receiving {};
MILLRACE_ALL_SPI_CONNECTIONS(Recv_C5);

TEST_P(Recv_C5, CountAndFlagsAreWrittenWhenDoneAndLeftAloneOtherwise) {  // winsock-rules 31, 40
  Overlap pending;
  EXPECT_EQ(recv(pending.get(), MSG_PARTIAL), SOCKET_ERROR);
  EXPECT_EQ(ws().error, WSA_IO_PENDING);
  EXPECT_EQ(n_, kUntouched);
  EXPECT_EQ(flags_, DWORD{MSG_PARTIAL});
  ASSERT_EQ(ws().send(client_, "pending"), 7);
  DWORD got = 0, flags = 0;
  ASSERT_TRUE(ws().table.lpWSPGetOverlappedResult(server_, pending.get(), &got, TRUE, &flags,
                                                  &ws().error));
  EXPECT_EQ(n_, kUntouched);
  ASSERT_EQ(ws().set_nonblocking(server_), 0);
  EXPECT_EQ(recv(nullptr, MSG_PARTIAL), SOCKET_ERROR);
  EXPECT_EQ(ws().error, WSAEWOULDBLOCK);
  EXPECT_EQ(n_, kUntouched);  // winsock-rules 26
  EXPECT_EQ(flags_, DWORD{MSG_PARTIAL});
  ASSERT_EQ(ws().send(client_, "done"), 4);
  while (recv(nullptr, MSG_PARTIAL) != 0) ASSERT_EQ(ws().error, WSAEWOULDBLOCK);
  EXPECT_EQ(n_, 4u);
  EXPECT_EQ(flags_, 0u);
}

class Recv_E16 : public Receiving {};
MILLRACE_ALL_SPI_CONNECTIONS(Recv_E16);

TEST_P(Recv_E16, PendingIsTheErrorOfAReceiveThatHasStartedNonblockingOrNot) {
  Overlap first, second;
  EXPECT_EQ(recv(first.get()), SOCKET_ERROR);
  EXPECT_EQ(ws().error, WSA_IO_PENDING);
  ASSERT_EQ(ws().set_nonblocking(server_), 0);
  EXPECT_EQ(recv(second.get()), SOCKET_ERROR);
  EXPECT_EQ(ws().error, WSA_IO_PENDING);  // winsock-rules 40
  ASSERT_EQ(ws().close(server_), 0);
  for (Overlap* overlap : {&first, &second}) EXPECT_TRUE(overlap->is_signalled());
}

class Recv_B3 : public Receiving {};
MILLRACE_ALL_SPI_CONNECTIONS(Recv_B3);

TEST_P(Recv_B3, BuffersArePostedFilledAsDataArrivesAndThenTheCompletionIsShown) {
  char first[3], second[4];
  WSABUF buffers[] = {{3, first}, {4, second}};
  Overlap overlap;
  ASSERT_EQ(ws().table.lpWSPRecv(server_, buffers, 2, &n_, &flags_, overlap.get(), nullptr, nullptr,
                                 &ws().error),
            SOCKET_ERROR);
  ASSERT_EQ(ws().error, WSA_IO_PENDING);
  EXPECT_FALSE(overlap.is_signalled());
  EXPECT_EQ(overlap.overlapped.Internal, 0x103u);  // winsock-rules 41
  ASSERT_EQ(ws().send(client_, "abcdefg"), 7);
  EXPECT_EQ(ws().result(server_, overlap, true), 7);
  EXPECT_TRUE(overlap.is_signalled());
  EXPECT_EQ(std::string(first, 3) + std::string(second, 4), "abcdefg");
}

class Recv_B8 : public Receiving {};
MILLRACE_ALL_SPI_CONNECTIONS(Recv_B8);

TEST_P(Recv_B8, TheArrayIsTheCallersAgainAtOnceHoweverLongItIs) {  // winsock-rules 43
  for (const size_t n_buffers : {1u, 4u, 5u, 100u}) {
    std::string memory(n_buffers * 2, '.');
    std::vector<WSABUF> array;
    for (size_t i = 0; i < n_buffers; ++i) array.push_back({2, memory.data() + 2 * i});
    Overlap overlap;
    ASSERT_EQ(ws().table.lpWSPRecv(server_, array.data(), static_cast<DWORD>(n_buffers), &n_,
                                   &flags_, overlap.get(), nullptr, nullptr, &ws().error),
              SOCKET_ERROR);
    ASSERT_EQ(ws().error, WSA_IO_PENDING);
    std::fill(array.begin(), array.end(), WSABUF{0xffffffff, nullptr});
    array = {};
    const std::string text(n_buffers * 2, static_cast<char>('a' + n_buffers % 26));
    ASSERT_EQ(ws().send(client_, text), static_cast<int>(text.size()));
    EXPECT_EQ(ws().result(server_, overlap, true), static_cast<int>(text.size()));
    EXPECT_EQ(memory, text);
  }
}

class Recv_B14 : public Receiving {};
MILLRACE_ALL_SPI_CONNECTIONS(Recv_B14);

TEST_P(Recv_B14, TheResultCallGivesAmountAndFlagsOfACompletedReceive) {  // winsock-rules 76
  Overlap overlap;
  ASSERT_EQ(recv(overlap.get()), SOCKET_ERROR);
  DWORD n = kUntouched, flags = kUntouched;
  const auto result = [&] {
    return ws().table.lpWSPGetOverlappedResult(server_, overlap.get(), &n, FALSE, &flags,
                                               &ws().error);
  };
  EXPECT_FALSE(result());
  EXPECT_EQ(ws().error, WSA_IO_INCOMPLETE);
  EXPECT_EQ(n, kUntouched);  // winsock-rules 75
  ASSERT_EQ(ws().send(client_, "twelve bytes"), 12);
  EXPECT_TRUE(eventually(result));
  EXPECT_EQ(n, 12u);
  EXPECT_EQ(flags, 0u);
  EXPECT_EQ(overlap.overlapped.InternalHigh, 12u);
  n = 0;
  EXPECT_TRUE(result()) << "as often as it is asked";
  EXPECT_EQ(n, 12u);
}

class Recv_B12 : public Receiving {};
MILLRACE_ALL_SPI_CONNECTIONS(Recv_B12);

// winsock-rules 87, 88, 89
TEST_P(Recv_B12, AGracefulEndIsTheSameEveryTimeAndAnAbortiveOneIsAReset) {
  ASSERT_EQ(ws().send(client_, "last words"), 10);
  ASSERT_EQ(ws().shutdown(client_, SD_SEND), 0);
  EXPECT_EQ(ws().recv_all(server_, 10), "last words");
  for (int i = 0; i < 2; ++i) expect_end();
  Overlap at_once;
  expect_end(at_once.get());
  EXPECT_EQ(at_once.is_signalled(), !has_messages());

  const auto [other_client, other_server] = ws().pair(kind());
  const WS_linger hard{1, 0};
  ASSERT_EQ(ws().table.lpWSPSetSockOpt(other_client, WS_SOL_SOCKET, WS_SO_LINGER,
                                       reinterpret_cast<const CHAR*>(&hard), sizeof hard,
                                       &ws().error),
            0);
  ASSERT_EQ(ws().close(other_client), 0);
  for (int i = 0; i < 2; ++i) {  // winsock-rules 91
    EXPECT_EQ(ws().recv(other_server), "");
    EXPECT_EQ(ws().error, WSAECONNRESET);
  }
}

class Recv_B1 : public SpiFamilyTest {};
MILLRACE_ALL_SPI_CONNECTIONS(Recv_B1);

TEST_P(Recv_B1, ABindingMadeByConnectAcceptOrSendToIsAsGoodAsBind) {
  const SOCKET receiver = ws().datagram(family());
  ASSERT_EQ(ws().bind(receiver, Address::loopback(family())), 0);
  const SOCKET sender = ws().datagram(family());
  EXPECT_EQ(ws().recv(sender), "");
  EXPECT_EQ(ws().error, WSAEINVAL);  // contract: E12
  ASSERT_EQ(ws().send_to(sender, "knock", ws().name_of(receiver)), 5);
  Address from;
  EXPECT_EQ(ws().recv_from(receiver, from), "knock");
  ASSERT_EQ(ws().send_to(receiver, "who is there", from), 12);
  EXPECT_EQ(ws().recv(sender), "who is there");
  const SOCKET connected = ws().datagram(family());
  ASSERT_EQ(ws().connect(connected, ws().name_of(receiver)), 0);
  ASSERT_EQ(ws().send_to(receiver, "by connect", ws().name_of(connected)), 10);
  EXPECT_EQ(ws().recv(connected), "by connect");
  const auto [client, server] = ws().pair(kind());
  ASSERT_EQ(ws().send(client, "by accept"), 9);
  EXPECT_EQ(ws().recv(server), "by accept");
}

}  // namespace
}  // namespace millrace::test
