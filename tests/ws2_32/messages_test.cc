// SPDX-License-Identifier: BSD-3-Clause
// WSARecvMsg and WSASendMsg, and a socket of both families, as a program for Windows has them.
#include "mswsock.h"
#include "tests/ws2_32/ws2.h"

namespace millrace::test {
namespace {

static_assert(WSA_CMSG_LEN(sizeof(IN_PKTINFO)) == 24 && WSA_CMSG_SPACE(sizeof(IN_PKTINFO)) == 24);
static_assert(WSA_CMSG_LEN(sizeof(IN6_PKTINFO)) == 36 && WSA_CMSG_SPACE(sizeof(IN6_PKTINFO)) == 40);
static_assert(WSA_CMSG_LEN(sizeof(INT)) == 20 && WSA_CMSG_SPACE(sizeof(INT)) == 24);

using Ws2_Messages = Ws2Test;

TEST_F(Ws2_Messages, ADatagramTellsItsDestination) {
  auto [s, address] = bound(SOCK_DGRAM);
  const DWORD on = 1;
  ASSERT_EQ(setsockopt(s, IPPROTO_IP, IP_PKTINFO, reinterpret_cast<const char*>(&on), sizeof on),
            0);
  char text[] = "hello";
  WSABUF buffer{5, text};
  WSAMSG message{};
  message.name = reinterpret_cast<sockaddr*>(&address);
  message.namelen = sizeof address;
  message.lpBuffers = &buffer;
  message.dwBufferCount = 1;
  DWORD n = 0;
  ASSERT_EQ(WSASendMsg(open(SOCK_DGRAM), &message, 0, &n, nullptr, nullptr), 0)
      << WSAGetLastError();
  EXPECT_EQ(n, 5u);

  char got[16], control[WSA_CMSG_SPACE(sizeof(IN_PKTINFO))];
  WSABUF room{sizeof got, got};
  sockaddr_in from{};
  message = {};
  message.name = reinterpret_cast<sockaddr*>(&from);
  message.namelen = sizeof from;
  message.lpBuffers = &room;
  message.dwBufferCount = 1;
  message.Control = {sizeof control, control};
  ASSERT_EQ(WSARecvMsg(s, &message, &n, nullptr, nullptr), 0) << WSAGetLastError();
  EXPECT_EQ(std::string(got, n), "hello");
  const WSACMSGHDR* const object = WSA_CMSG_FIRSTHDR(&message);
  ASSERT_NE(object, nullptr);
  EXPECT_EQ(object->cmsg_level, IPPROTO_IP);
  EXPECT_EQ(object->cmsg_type, IP_PKTINFO);
  IN_PKTINFO info;
  std::memcpy(&info, WSA_CMSG_DATA(object), sizeof info);
  EXPECT_EQ(info.ipi_addr.s_addr, htonl(INADDR_LOOPBACK));
  EXPECT_EQ(WSA_CMSG_NXTHDR(&message, object), nullptr);
}

TEST_F(Ws2_Messages, StreamsHaveNone) {
  const SOCKET s = open(SOCK_STREAM);
  WSAMSG message{};
  DWORD n = 0;
  EXPECT_EQ(error_of(WSARecvMsg(s, &message, &n, nullptr, nullptr)), WSAEOPNOTSUPP);
  EXPECT_EQ(error_of(WSASendMsg(s, &message, 0, &n, nullptr, nullptr)), WSAEOPNOTSUPP);
}

TEST_F(Ws2_Messages, OneListenerServesBothFamilies) {
  const SOCKET s = keep(socket(AF_INET6, SOCK_STREAM, 0));
  const DWORD off = 0;
  ASSERT_EQ(
      setsockopt(s, IPPROTO_IPV6, IPV6_V6ONLY, reinterpret_cast<const char*>(&off), sizeof off), 0);
  sockaddr_in6 any{};
  any.sin6_family = AF_INET6;
  ASSERT_EQ(bind(s, reinterpret_cast<sockaddr*>(&any), sizeof any), 0) << WSAGetLastError();
  ASSERT_EQ(listen(s, 5), 0);
  int length = sizeof any;
  ASSERT_EQ(getsockname(s, reinterpret_cast<sockaddr*>(&any), &length), 0);
  const sockaddr_in there = loopback(any.sin6_port);
  const SOCKET client = open(SOCK_STREAM);
  ASSERT_EQ(connect(client, reinterpret_cast<const sockaddr*>(&there), sizeof there), 0);
  sockaddr_in6 from{};
  length = sizeof from;
  EXPECT_NE(keep(accept(s, reinterpret_cast<sockaddr*>(&from), &length)), INVALID_SOCKET);
  EXPECT_TRUE(IN6_IS_ADDR_V4MAPPED(&from.sin6_addr));
}

}  // namespace
}  // namespace millrace::test
