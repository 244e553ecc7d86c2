// SPDX-License-Identifier: BSD-3-Clause
// Blocking calls that end from outside: WSPCancelBlockingCall, and the blocking hook that a program's
// own table of upcalls names.
#include <atomic>
#include <thread>

#define MILLRACE_USE_WS_PREFIX
#include "tests/support/spi.h"
#include "winsock2.h"

namespace millrace::test {
namespace {

class Recv_E3 : public SpiFamilyTest {
 protected:
  /// Cancels as soon as there is a call to cancel.
  void cancel_what_waits() {
    EXPECT_TRUE(eventually([this] {
      INT error = 0;
      if (ws().table.lpWSPCancelBlockingCall(&error) == 0) return true;
      EXPECT_EQ(error, WSAEINVAL);
      return false;
    }));
  }
};
MILLRACE_ALL_SPI_CONNECTIONS(Recv_E3);

TEST_P(Recv_E3, ABlockingReceiveIsInterruptedAndTheStreamStaysWhole) {
  const auto [client, server] = ws().pair(kind());
  std::atomic<bool> was_interrupted{false};
  std::thread receiver([&was_interrupted, table = ws().table, s = server] {
    Winsock mine(table);
    EXPECT_EQ(mine.recv(s), "");
    EXPECT_EQ(mine.error, WSAEINTR);
    was_interrupted = true;
    EXPECT_EQ(mine.recv(s), "afterwards");
  });
  cancel_what_waits();
  // Sent earlier, it might be received: a call that is done first is not cancelled.
  EXPECT_TRUE(eventually([&] { return was_interrupted.load(); }));
  EXPECT_EQ(ws().send(client, "afterwards"), 10);
  receiver.join();
}

TEST_P(Recv_E3, APeekADatagramReceiveAnAcceptAndASelectAreInterruptedToo) {
  const auto [client, server] = ws().pair(kind());
  const auto [l, address] = ws().listener(kind());
  const SOCKET udp = ws().datagram(family());
  ASSERT_EQ(ws().bind(udp, Address::loopback(family())), 0);
  std::thread waiter([table = ws().table, s = server, listener = l, udp] {
    Winsock mine(table);
    EXPECT_EQ(mine.recv(s, 10, WS_MSG_PEEK), "");
    EXPECT_EQ(mine.error, WSAEINTR);
    EXPECT_EQ(mine.recv(udp), "");
    EXPECT_EQ(mine.error, WSAEINTR);
    EXPECT_EQ(mine.accept(listener), INVALID_SOCKET);
    EXPECT_EQ(mine.error, WSAEINTR);
    EXPECT_FALSE(mine.is_ready(s, 'r', 60'000));
    EXPECT_EQ(mine.error, WSAEINTR);
    Overlap pending(10);
    EXPECT_EQ(mine.post_recv(s, pending), SOCKET_ERROR);
    EXPECT_EQ(mine.result(s, pending, true), SOCKET_ERROR);
    EXPECT_EQ(mine.error, WSAEINTR) << "the wait ends, the receive does not";
    EXPECT_EQ(mine.result(s, pending, true), 4);
  });
  for (int i = 0; i < 5; ++i) cancel_what_waits();
  EXPECT_EQ(ws().send(client, "data"), 4);
  waiter.join();
  const SOCKET late = ws().socket(kind());  // the listener is intact
  EXPECT_EQ(ws().connect(late, address), 0);
  EXPECT_NE(ws().accept(l), INVALID_SOCKET);
}

TEST_P(Recv_E3, ACancelledSendTellsWhatWentOut) {
  const auto [client, server] = ws().pair(kind());
  const std::string much(4 << 20, 'x');
  std::atomic<int> sent{0};
  std::thread sender([&, table = ws().table, s = client] {
    Winsock mine(table);
    sent = mine.send(s, much);
  });
  wait_until_somebody_waits();
  cancel_what_waits();
  sender.join();
  ASSERT_GT(sent.load(), 0);
  ASSERT_LT(static_cast<size_t>(sent.load()), much.size());
  EXPECT_EQ(ws().recv_all(server, static_cast<size_t>(sent.load())).size(),
            static_cast<size_t>(sent.load()));
}

TEST_P(Recv_E3, WithNothingThatBlocksThereIsNothingToCancel) {  // winsock-rules 203
  EXPECT_EQ(ws().table.lpWSPCancelBlockingCall(&ws().error), SOCKET_ERROR);
  EXPECT_EQ(ws().error, WSAEINVAL);
}

/// A program with a blocking hook on its main thread.
class Recv_E4 : public testing::TestWithParam<ConnectionKind> {
 protected:
  static BOOL CALLBACK hook(DWORD_PTR context) {
    auto& self = *reinterpret_cast<Recv_E4*>(context);
    ++self.n_hooked_;
    return self.on_hook_ ? self.on_hook_() : TRUE;
  }

  void SetUp() override {
    current_ = this;
    WSPUPCALLTABLE table{};
    table.lpWPUSetEvent = [](WSAEVENT, LPINT) -> BOOL { return TRUE; };
    table.lpWPUResetEvent = [](WSAEVENT, LPINT) -> BOOL { return TRUE; };
    table.lpWPUQueryBlockingCallback = [](DWORD, LPBLOCKINGCALLBACK* callback, PDWORD_PTR context,
                                          LPINT) -> int {
      const bool is_mine = std::this_thread::get_id() == current_->main_;
      *callback = is_mine ? hook : nullptr;
      *context = reinterpret_cast<DWORD_PTR>(current_);
      return 0;
    };
    WSPDATA data{};
    WSAPROTOCOL_INFOW info{};
    WSPPROC_TABLE procedures{};
    ASSERT_EQ(WSPStartup(MAKEWORD(2, 2), &data, &info, table, &procedures), 0);
    ws_ = std::make_unique<Winsock>(procedures);
  }

  void TearDown() override {
    on_hook_ = nullptr;
    ws_->close_all();
    EXPECT_EQ(ws_->table.lpWSPCleanup(&ws_->error), 0);
    current_ = nullptr;
  }

  inline static Recv_E4* current_ = nullptr;
  const std::thread::id main_ = std::this_thread::get_id();
  std::unique_ptr<Winsock> ws_;
  std::function<BOOL()> on_hook_;
  std::atomic<int> n_hooked_{0};
};
MILLRACE_ALL_SPI_CONNECTIONS(Recv_E4);

TEST_P(Recv_E4, FromABlockingHookEveryCallIsRefused) {  // winsock-rules 205
  const auto [client, server] = ws_->pair(GetParam());
  Winsock inside(ws_->table);
  std::atomic<int> n_refused{0};
  on_hook_ = [&, c = client, s = server] {
    EXPECT_EQ(inside.recv(s), "");
    EXPECT_EQ(inside.error, WSAEINPROGRESS);
    EXPECT_EQ(inside.send(c, "x"), SOCKET_ERROR);
    EXPECT_EQ(inside.error, WSAEINPROGRESS);
    EXPECT_EQ(inside.stream(WS_AF_INET), INVALID_SOCKET);
    EXPECT_EQ(inside.error, WSAEINPROGRESS);
    EXPECT_FALSE(inside.is_ready(s, 'r'));
    EXPECT_EQ(inside.error, WSAEINPROGRESS);
    EXPECT_EQ(inside.close(s), SOCKET_ERROR);
    EXPECT_EQ(inside.error, WSAEINPROGRESS);
    EXPECT_EQ(inside.table.lpWSPCleanup(&inside.error), SOCKET_ERROR);
    EXPECT_EQ(inside.error, WSAEINPROGRESS);
    ++n_refused;
    return TRUE;
  };
  std::thread sender([&, table = ws_->table, c = client] {
    Winsock mine(table);
    EXPECT_TRUE(eventually([&] { return n_refused >= 3; }));
    EXPECT_EQ(mine.send(c, "at last"), 7) << "another thread is not in the hook";
  });
  EXPECT_EQ(ws_->recv(server), "at last");
  sender.join();
}

TEST_P(Recv_E4, AHookThatSaysNoInterruptsTheCall) {  // winsock-rules 204
  const auto [client, server] = ws_->pair(GetParam());
  on_hook_ = [&] { return n_hooked_ < 3 ? TRUE : FALSE; };
  EXPECT_EQ(ws_->recv(server), "");
  EXPECT_EQ(ws_->error, WSAEINTR);
  on_hook_ = nullptr;
  EXPECT_EQ(ws_->send(client, "whole"), 5);
  EXPECT_EQ(ws_->recv(server), "whole");
}

TEST_P(Recv_E4, AHookMayCancelTheCallItRunsIn) {
  const auto [client, server] = ws_->pair(GetParam());
  on_hook_ = [&] {
    INT error = 0;
    EXPECT_EQ(ws_->table.lpWSPCancelBlockingCall(&error), 0);
    return TRUE;
  };
  Winsock mine(ws_->table);
  EXPECT_EQ(mine.recv(server), "");
  EXPECT_EQ(mine.error, WSAEINTR);
  EXPECT_GE(n_hooked_, 1);
}

TEST_P(Recv_E4, WithoutAHookTheCallSimplyWaits) {
  const auto [client, server] = ws_->pair(GetParam());
  std::string got;
  std::thread receiver([&, table = ws_->table, s = server] {
    Winsock mine(table);
    got = mine.recv(s);
  });
  const int before = n_hooked_;
  EXPECT_EQ(ws_->send(client, "plain"), 5);
  receiver.join();
  EXPECT_EQ(got, "plain");
  EXPECT_EQ(n_hooked_, before);
}

}  // namespace
}  // namespace millrace::test
