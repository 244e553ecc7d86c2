// SPDX-License-Identifier: BSD-3-Clause
// WSPAsyncSelect (winsock-rules 160): messages by the caller's WPUPostMessage, never under a lock.
#include <mutex>

#define MILLRACE_USE_WS_PREFIX
#include "tests/support/network_events.h"

namespace millrace::test {
namespace {

struct Message {
  HWND window;
  UINT message;
  SOCKET s;
  LONG event;
  INT error;

  friend bool operator==(const Message&, const Message&) = default;
};

/// The window of the test, and what was posted to it.
class Window {
 public:
  static HWND handle() { return reinterpret_cast<HWND>(uintptr_t{0x10020}); }
  static constexpr UINT kMessage = 0x0400 + 7;

  static BOOL WSPAPI post(HWND window, UINT message, WPARAM wParam, LPARAM lParam) {
    const std::lock_guard lock(mutex_);
    posted_.push_back({window, message, wParam, static_cast<LONG>(lParam & 0xffff),
                       static_cast<INT>(lParam >> 16 & 0xffff)});
    return TRUE;
  }
  static std::vector<Message> take() {
    const std::lock_guard lock(mutex_);
    return std::exchange(posted_, {});
  }

 private:
  static std::mutex mutex_;
  static std::vector<Message> posted_;
};
std::mutex Window::mutex_;
std::vector<Message> Window::posted_;

BOOL WSPAPI set_event(WSAEVENT event, LPINT) { return WSASetEvent(event); }
BOOL WSPAPI reset_event(WSAEVENT event, LPINT) { return WSAResetEvent(event); }

/// A program with a Ws2_32 that has windows. Sockets keep our own handles.
class Winsock_R160 : public SpiTest {
 protected:
  void SetUp() override {
    SpiTest::SetUp();
    WSPUPCALLTABLE table{};
    table.lpWPUSetEvent = set_event;
    table.lpWPUResetEvent = reset_event;
    table.lpWPUPostMessage = Window::post;
    start(table);  // the latest table is the one in use (winsock-rules 4)
    (void)Window::take();
  }
  void TearDown() override {
    ws().close_all();
    INT error = 0;
    EXPECT_EQ(ws().table.lpWSPCleanup(&error), 0);
    SpiTest::TearDown();
  }
  int select(SOCKET s, LONG mask) {
    ws().error = 0;
    return ws().table.lpWSPAsyncSelect(s, Window::handle(), Window::kMessage, mask, &ws().error);
  }
  static Message message(SOCKET s, LONG event, INT error = 0) {
    return {Window::handle(), Window::kMessage, s, event, error};
  }
  /// Turns until n messages have come.
  std::vector<Message> messages(size_t n) {
    std::vector<Message> all;
    EXPECT_TRUE(eventually([&] {
      SleepEx(0, TRUE);  // turns the Stack
      for (const Message& m : Window::take()) all.push_back(m);
      return all.size() >= n;
    }));
    return all;
  }
};

TEST_F(Winsock_R160, AMessagePerEventWithWindowMessageAndSocketAsGiven) {
  const auto [client, server] = ws().pair(WS_AF_INET);
  ASSERT_EQ(ws().send(client, "x"), 1);
  ASSERT_TRUE(ws().is_ready(server, 'r', 10'000));
  ASSERT_EQ(select(server, FD_READ | FD_WRITE | FD_CLOSE), 0);
  const std::vector<Message> both = {message(server, FD_READ), message(server, FD_WRITE)};
  EXPECT_EQ(messages(2), both);
  EXPECT_EQ(ws().set_nonblocking(server, false), SOCKET_ERROR);
  EXPECT_EQ(ws().error, WSAEINVAL);
}

TEST_F(Winsock_R160, WithoutAReceiveNewDataIsNotPostedAgain) {  // winsock-rules 147
  const auto [client, server] = ws().pair(WS_AF_INET);
  ASSERT_EQ(select(server, FD_READ | FD_CLOSE), 0);
  ASSERT_EQ(ws().send(client, "ab"), 2);
  EXPECT_EQ(messages(1), std::vector{message(server, FD_READ)});
  ASSERT_EQ(ws().send(client, "cd"), 2);
  ASSERT_TRUE(eventually([&] {
    (void)ws().is_ready(server, 'x');
    return ws().readable_bytes(server) == 4;
  }));
  EXPECT_EQ(Window::take(), std::vector<Message>{});
  EXPECT_EQ(ws().recv(server, 3), "abc");
  EXPECT_EQ(messages(1), std::vector{message(server, FD_READ)});
  EXPECT_EQ(ws().recv(server, 3), "d");
  EXPECT_EQ(Window::take(), std::vector<Message>{});
}

TEST_F(Winsock_R160, SelectingAgainPostsWhatIsTrueAgain) {  // winsock-rules 149
  const auto [client, server] = ws().pair(WS_AF_INET);
  ASSERT_EQ(select(server, FD_WRITE), 0);
  EXPECT_EQ(messages(1), std::vector{message(server, FD_WRITE)});
  ASSERT_EQ(select(server, FD_WRITE), 0);
  EXPECT_EQ(messages(1), std::vector{message(server, FD_WRITE)});
}

TEST_F(Winsock_R160, TheErrorStandsInTheUpperHalf) {
  const auto [l, address] = ws().listener(WS_AF_INET);
  ASSERT_EQ(ws().close(l), 0);
  const SOCKET client = ws().stream(WS_AF_INET);
  ASSERT_EQ(select(client, FD_CONNECT | FD_WRITE), 0);
  EXPECT_EQ(ws().connect(client, address), SOCKET_ERROR);
  EXPECT_EQ(messages(1), std::vector{message(client, FD_CONNECT, WSAECONNREFUSED)});
}

TEST_F(Winsock_R160, AnAcceptedSocketPostsUnderItsOwnName) {  // winsock-rules 157
  const auto [l, address] = ws().listener(WS_AF_INET);
  ASSERT_EQ(select(l, FD_ACCEPT | FD_READ), 0);
  const SOCKET client = ws().stream(WS_AF_INET);
  ASSERT_EQ(ws().connect(client, address), 0);
  EXPECT_EQ(messages(1), std::vector{message(l, FD_ACCEPT)});
  const SOCKET server = ws().accept(l);
  ASSERT_NE(server, INVALID_SOCKET);
  ASSERT_EQ(ws().send(client, "x"), 1);
  EXPECT_EQ(messages(1), std::vector{message(server, FD_READ)});
}

TEST_F(Winsock_R160, EventSelectAndAsyncSelectCancelEachOther) {  // winsock-rules 145
  const auto [client, server] = ws().pair(WS_AF_INET);
  const Event event;
  INT error = 0;
  ASSERT_EQ(ws().table.lpWSPEventSelect(server, event.handle(), FD_READ, &error), 0);
  ASSERT_EQ(select(server, FD_READ), 0);
  ASSERT_EQ(ws().send(client, "x"), 1);
  EXPECT_EQ(messages(1), std::vector{message(server, FD_READ)});
  EXPECT_FALSE(event.is_signalled());
  ASSERT_EQ(ws().table.lpWSPEventSelect(server, event.handle(), FD_READ, &error), 0);
  ASSERT_EQ(ws().recv(server), "x");
  ASSERT_EQ(ws().send(client, "y"), 1);
  EXPECT_TRUE(event.comes());
  EXPECT_EQ(Window::take(), std::vector<Message>{});
}

TEST_F(Winsock_R160, ZeroCancelsAndClosingPostsNothing) {  // winsock-rules 134
  const auto [client, server] = ws().pair(WS_AF_INET);
  ASSERT_EQ(select(server, FD_READ), 0);
  ASSERT_EQ(select(server, 0), 0);
  ASSERT_EQ(ws().send(client, "x"), 1);
  ASSERT_TRUE(ws().is_ready(server, 'r', 10'000));
  ASSERT_EQ(select(client, FD_CLOSE), 0);
  ASSERT_EQ(ws().close(client), 0);
  ASSERT_EQ(ws().recv(server), "x");
  EXPECT_EQ(ws().recv(server), "");
  EXPECT_EQ(Window::take(), std::vector<Message>{});
}

using Spi_AsyncSelect = NetworkEventsTest;

TEST_F(Spi_AsyncSelect, WithoutWindowsItIsRefusedButCancels) {
  const auto [client, server] = ws().pair(WS_AF_INET);
  const auto async_select = [&](LONG mask) {
    ws().error = 0;
    return ws().table.lpWSPAsyncSelect(server, Window::handle(), Window::kMessage, mask,
                                       &ws().error);
  };
  ASSERT_EQ(select(server, FD_READ), 0);
  EXPECT_EQ(async_select(FD_READ), SOCKET_ERROR);
  EXPECT_EQ(ws().error, WSAEOPNOTSUPP);
  ASSERT_EQ(ws().send(client, "x"), 1);
  EXPECT_TRUE(comes()) << "a refused call cancelled the event";
  EXPECT_EQ(async_select(0), 0);
  EXPECT_EQ(taken(server), 0);
}

}  // namespace
}  // namespace millrace::test
