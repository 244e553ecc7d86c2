// SPDX-License-Identifier: BSD-3-Clause
// What the tests of WSARecvMsg and of WSASendMsg share.
#pragma once

#include <thread>

#define MILLRACE_USE_WS_PREFIX
#include "mswsock.h"
#include "tests/spi_shim/ports_support.h"
#include "tests/support/messages.h"

namespace millrace::test {

constexpr DWORD kUntouched = 0xdeadbeef;

class MessagesTest : public SpiFamilyTest {
 protected:
  void SetUp() override {
    SpiFamilyTest::SetUp();
    s = ws().datagram(family());
    ASSERT_EQ(ws().bind(s, Address::loopback(family())), 0);
    address = ws().name_of(s);
    sender = ws().datagram(family());
    ASSERT_EQ(ws().bind(sender, Address::loopback(family())), 0);
    ws().fetch(s, WSAID_WSARECVMSG, recv_msg);
    ws().fetch(s, WSAID_WSASENDMSG, send_msg);
  }
  int level() const { return family() == WS_AF_INET ? WS_IPPROTO_IP : WS_IPPROTO_IPV6; }
  int pktinfo() const { return family() == WS_AF_INET ? WS_IP_PKTINFO : WS_IPV6_PKTINFO; }
  bool has_packet_info(const Message& message) const {
    return family() == WS_AF_INET ? message.object<WS_in_pktinfo>(level(), pktinfo()).has_value()
                                  : message.object<WS_in6_pktinfo>(level(), pktinfo()).has_value();
  }
  void ask_for_packet_info() {
    ASSERT_EQ(ws().set_option(s, level(), pktinfo(), 1), 0) << ws().error;
    ASSERT_EQ(ws().option(s, level(), pktinfo()), 1);
  }
  void arrives(std::string_view text) {
    ASSERT_EQ(ws().send_to(sender, text, address), static_cast<int>(text.size()));
  }
  /// @return 0, or the error. n_bytes is what the call wrote
  DWORD receive(SOCKET socket, Message& into, WSAOVERLAPPED* overlapped = nullptr,
                LPWSAOVERLAPPED_COMPLETION_ROUTINE routine = nullptr) {
    n_bytes = kUntouched;
    const INT result = recv_msg(socket, into.get(), &n_bytes, overlapped, routine);
    EXPECT_TRUE(result == 0 || result == SOCKET_ERROR);
    return result == 0 ? 0 : GetLastError();
  }
  DWORD receive(Message& into) { return receive(s, into); }
  DWORD send(SOCKET socket, Message& message, DWORD flags = 0,
             WSAOVERLAPPED* overlapped = nullptr) {
    n_bytes = kUntouched;
    return send_msg(socket, message.get(), flags, &n_bytes, overlapped, nullptr) == 0
               ? 0
               : GetLastError();
  }
  static void direct(Message& message, Address& to) {
    message.msg.name = to.get();
    message.msg.namelen = to.length;
  }

  SOCKET s = INVALID_SOCKET, sender = INVALID_SOCKET;
  Address address;
  LPFN_WSARECVMSG recv_msg = nullptr;
  LPFN_WSASENDMSG send_msg = nullptr;
  DWORD n_bytes = 0;
};

}  // namespace millrace::test
