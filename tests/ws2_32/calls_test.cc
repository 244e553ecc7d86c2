// SPDX-License-Identifier: BSD-3-Clause
// The calls on sockets, on the embedded loopback.
#include <cstring>

#include "mswsock.h"
#include "tests/ws2_32/ws2.h"

namespace millrace::test {
namespace {

class Ws2Calls : public Ws2Test {
 protected:
  static WSABUF buffer(std::string& text) {
    return {static_cast<ULONG>(text.size()), text.data()};
  }
};

TEST_F(Ws2Calls, AStreamCarriesBytesBothWays) {
  const auto [client, server] = connected();
  EXPECT_EQ(send(client, "hello", 5, 0), 5);
  char text[16] = {};
  EXPECT_EQ(recv(server, text, sizeof text, MSG_PEEK), 5);
  EXPECT_EQ(recv(server, text, sizeof text, 0), 5);
  EXPECT_STREQ(text, "hello");
  std::string out = "answer";
  WSABUF one = buffer(out);
  DWORD n = 0;
  EXPECT_EQ(WSASend(server, &one, 1, &n, 0, nullptr, nullptr), 0);
  EXPECT_EQ(n, 6U);
  std::string in(16, 0);
  one = buffer(in);
  DWORD flags = 0;
  EXPECT_EQ(WSARecv(client, &one, 1, &n, &flags, nullptr, nullptr), 0);
  EXPECT_EQ(in.substr(0, n), "answer");
  EXPECT_EQ(shutdown(client, SD_SEND), 0);
  EXPECT_EQ(recv(server, text, sizeof text, 0), 0);
}

TEST_F(Ws2Calls, DatagramsTellWhereTheyComeFrom) {
  const auto [receiver, to] = bound(SOCK_DGRAM);
  const auto [sender, from] = bound(SOCK_DGRAM);
  EXPECT_EQ(sendto(sender, "one", 3, 0, reinterpret_cast<const sockaddr*>(&to), sizeof to), 3);
  sockaddr_in heard{};
  int length = sizeof heard;
  char text[16];
  EXPECT_EQ(recvfrom(receiver, text, sizeof text, 0, reinterpret_cast<sockaddr*>(&heard), &length),
            3);
  EXPECT_EQ(heard.sin_port, from.sin_port);
  EXPECT_EQ(length, int{sizeof heard});

  std::string out = "second";
  WSABUF one = buffer(out);
  DWORD n = 0;
  EXPECT_EQ(WSASendTo(sender, &one, 1, &n, 0, reinterpret_cast<const sockaddr*>(&to), sizeof to,
                      nullptr, nullptr),
            0);
  EXPECT_EQ(error_of(recvfrom(receiver, text, 2, 0, nullptr, nullptr)), WSAEMSGSIZE);
}

TEST_F(Ws2Calls, SocketMakesOverlappedSocketsAndWsaSocketDoesAsItIsTold) {
  const auto [client, server] = connected();
  std::string in(8, 0);
  WSABUF one = buffer(in);
  OVERLAPPED overlapped{};
  DWORD flags = 0;
  EXPECT_EQ(error_of(WSARecv(server, &one, 1, nullptr, &flags, &overlapped, nullptr)),
            WSA_IO_PENDING);
  DWORD n = 0;
  EXPECT_FALSE(WSAGetOverlappedResult(server, &overlapped, &n, FALSE, &flags));
  EXPECT_EQ(WSAGetLastError(), WSA_IO_INCOMPLETE);
  EXPECT_EQ(send(client, "late", 4, 0), 4);
  EXPECT_TRUE(WSAGetOverlappedResult(server, &overlapped, &n, TRUE, &flags));
  EXPECT_EQ(in.substr(0, n), "late");
}

TEST_F(Ws2Calls, ARoutineRunsInAnAlertableWaitOfItsThread) {
  static int n_called;
  n_called = 0;
  const auto [client, server] = connected();
  std::string in(8, 0);
  WSABUF one = buffer(in);
  OVERLAPPED overlapped{};
  DWORD flags = 0;
  const auto routine = [](DWORD error, DWORD bytes, LPWSAOVERLAPPED, DWORD) {
    EXPECT_EQ(error, 0U);
    EXPECT_EQ(bytes, 4U);
    ++n_called;
  };
  EXPECT_EQ(error_of(WSARecv(server, &one, 1, nullptr, &flags, &overlapped, routine)),
            WSA_IO_PENDING);
  EXPECT_EQ(send(client, "late", 4, 0), 4);
  EXPECT_EQ(n_called, 0);
  EXPECT_EQ(SleepEx(INFINITE, TRUE), DWORD{WAIT_IO_COMPLETION});
  EXPECT_EQ(n_called, 1);
}

TEST_F(Ws2Calls, IoctlsocketReadsItsArgumentOrWritesIt) {
  const auto [client, server] = connected();
  u_long on = 1;
  EXPECT_EQ(ioctlsocket(server, FIONBIO, &on), 0);
  char byte;
  EXPECT_EQ(error_of(recv(server, &byte, 1, 0)), WSAEWOULDBLOCK);
  EXPECT_EQ(send(client, "abc", 3, 0), 3);
  u_long n = 0;
  EXPECT_TRUE(eventually([&, s = server] { return ioctlsocket(s, FIONREAD, &n) == 0 && n == 3; }));
  EXPECT_EQ(error_of(ioctlsocket(server, 0x7777, &n)), WSAEOPNOTSUPP);
}

TEST_F(Ws2Calls, SelectTellsWhoIsReady) {
  const auto [client, server] = connected();
  fd_set reads;
  fd_set writes;
  FD_ZERO(&reads);
  FD_ZERO(&writes);
  FD_SET(server, &reads);
  FD_SET(client, &reads);
  FD_SET(client, &writes);
  EXPECT_EQ(send(client, "x", 1, 0), 1);
  timeval patience{20, 0};
  EXPECT_TRUE(eventually([&, c = client, s = server] {
    FD_ZERO(&reads);
    FD_SET(s, &reads);
    FD_SET(c, &reads);
    return select(0, &reads, &writes, nullptr, &patience) == 2;
  }));
  EXPECT_TRUE(FD_ISSET(server, &reads));
  EXPECT_FALSE(FD_ISSET(client, &reads));
  EXPECT_EQ(__WSAFDIsSet(client, &writes), 1);
  EXPECT_EQ(patience.tv_sec, 20);
}

TEST_F(Ws2Calls, ASelectOfNothingIsInvalidHoweverItIsWritten) {
  EXPECT_EQ(error_of(select(0, nullptr, nullptr, nullptr, nullptr)), WSAEINVAL);
  EXPECT_EQ(error_of(select(0, NULL, NULL, NULL, NULL)), WSAEINVAL);
  EXPECT_EQ(error_of(select(0, 0, 0, 0, 0)), WSAEINVAL);
  const timeval no_time{0, 0};
  EXPECT_EQ(error_of(select(0, NULL, NULL, NULL, &no_time)), WSAEINVAL);
  EXPECT_EQ(error_of(select(0, 0, 0, 0, &no_time)), WSAEINVAL);
}

TEST_F(Ws2Calls, OptionsAreSetAndRead) {
  const SOCKET s = open(SOCK_STREAM);
  BOOL on = TRUE;
  EXPECT_EQ(setsockopt(s, SOL_SOCKET, SO_KEEPALIVE, reinterpret_cast<char*>(&on), sizeof on), 0);
  on = FALSE;
  int length = sizeof on;
  EXPECT_EQ(getsockopt(s, SOL_SOCKET, SO_KEEPALIVE, reinterpret_cast<char*>(&on), &length), 0);
  EXPECT_NE(on, FALSE);
  EXPECT_EQ(error_of(setsockopt(s, SOL_SOCKET, 0x1234, reinterpret_cast<char*>(&on), sizeof on)),
            WSAENOPROTOOPT);
}

TEST_F(Ws2Calls, ProtocolsComeInBothWidths) {
  DWORD bytes = 0;
  EXPECT_EQ(error_of(WSAEnumProtocolsW(nullptr, nullptr, &bytes)), WSAENOBUFS);
  const size_t n = bytes / sizeof(WSAPROTOCOL_INFOW);
  ASSERT_GE(n, 4u);
  std::vector<WSAPROTOCOL_INFOW> wide(n);
  EXPECT_EQ(WSAEnumProtocolsW(nullptr, wide.data(), &bytes), static_cast<int>(n));
  bytes = 0;
  EXPECT_EQ(error_of(WSAEnumProtocolsA(nullptr, nullptr, &bytes)), WSAENOBUFS);
  ASSERT_EQ(bytes, n * sizeof(WSAPROTOCOL_INFOA));
  std::vector<WSAPROTOCOL_INFOA> narrow(n);
  EXPECT_EQ(WSAEnumProtocolsA(nullptr, narrow.data(), &bytes), static_cast<int>(n));
  EXPECT_STREQ(narrow[1].szProtocol, "millrace TCP/IPv6");
  EXPECT_EQ(narrow[3].iProtocol, wide[3].iProtocol);
  keep(WSASocketA(FROM_PROTOCOL_INFO, FROM_PROTOCOL_INFO, FROM_PROTOCOL_INFO, &narrow[2], 0,
                  WSA_FLAG_OVERLAPPED));
}

TEST_F(Ws2Calls, AddressesAsTextComeInBothWidths) {
  char text[] = "[fe80::1%3]:80";
  sockaddr_in6 a{};
  int length = sizeof a;
  ASSERT_EQ(WSAStringToAddressA(text, AF_INET6, nullptr, reinterpret_cast<sockaddr*>(&a), &length),
            0);
  EXPECT_EQ(a.sin6_port, htons(80));
  EXPECT_EQ(a.sin6_scope_id, 3U);
  char back[64];
  DWORD room = 5;
  EXPECT_EQ(error_of(WSAAddressToStringA(reinterpret_cast<sockaddr*>(&a), sizeof a, nullptr, back,
                                         &room)),
            WSAEFAULT);
  EXPECT_EQ(room, sizeof text);
  EXPECT_EQ(WSAAddressToStringA(reinterpret_cast<sockaddr*>(&a), sizeof a, nullptr, back, &room), 0);
  EXPECT_STREQ(back, text);
  WCHAR wide[] = u"1.2.3.4";
  sockaddr_in b{};
  length = sizeof b;
  EXPECT_EQ(WSAStringToAddressW(wide, AF_INET, nullptr, reinterpret_cast<sockaddr*>(&b), &length),
            0);
  EXPECT_STREQ(inet_ntoa(b.sin_addr), "1.2.3.4");
}

TEST_F(Ws2Calls, ByteOrderIsThatOfASocketsProtocol) {
  const SOCKET s = open(SOCK_STREAM);
  u_long word = 0;
  USHORT half = 0;
  EXPECT_EQ(WSAHtonl(s, 0x01020304, &word), 0);
  EXPECT_EQ(word, 0x04030201U);
  EXPECT_EQ(WSANtohl(s, word, &word), 0);
  EXPECT_EQ(word, 0x01020304U);
  EXPECT_EQ(WSAHtons(s, 0x0102, &half), 0);
  EXPECT_EQ(half, 0x0201);
  EXPECT_EQ(WSANtohs(s, half, &half), 0);
  EXPECT_EQ(half, 0x0102);
  EXPECT_EQ(error_of(WSAHtonl(s, 1, nullptr)), WSAEFAULT);
  EXPECT_EQ(error_of(WSAHtonl(s + 4, 1, &word)), WSAENOTSOCK);
}

TEST_F(Ws2Calls, AClosedSocketIsNone) {
  const SOCKET s = socket(AF_INET, SOCK_STREAM, 0);
  EXPECT_EQ(closesocket(s), 0);
  EXPECT_EQ(error_of(closesocket(s)), WSAENOTSOCK);
  WSAMSG message{};
  DWORD n;
  EXPECT_EQ(error_of(WSARecvMsg(s, &message, &n, nullptr, nullptr)), WSAENOTSOCK);
  EXPECT_EQ(error_of(WSASendMsg(s, &message, 0, &n, nullptr, nullptr)), WSAENOTSOCK);
}

TEST_F(Ws2Calls, AConnectionByNumberFindsItsListenerWithinItsTime) {
  const auto [listener, address] = bound(SOCK_STREAM);
  const SOCKET s = open(SOCK_STREAM);
  sockaddr_in local{};
  sockaddr_in remote{};
  DWORD local_bytes = sizeof local;
  DWORD remote_bytes = sizeof remote;
  const std::string port = std::to_string(ntohs(address.sin_port));
  const timeval patience{20, 0};
  EXPECT_TRUE(WSAConnectByNameA(s, "127.0.0.1", port.c_str(), &local_bytes,
                                reinterpret_cast<sockaddr*>(&local), &remote_bytes,
                                reinterpret_cast<sockaddr*>(&remote), &patience, nullptr))
      << WSAGetLastError();
  EXPECT_EQ(remote.sin_port, address.sin_port);
  EXPECT_NE(local.sin_port, 0);
  keep(accept(listener, nullptr, nullptr));
}

TEST_F(Ws2Calls, AListOfAddressesIsTriedToTheFirstThatAnswers) {
  const auto [listener, good] = bound(SOCK_STREAM);
  const auto [other, bad] = bound(SOCK_STREAM);
  EXPECT_EQ(closesocket(other), 0);
  struct {
    INT count = 2;
    SOCKET_ADDRESS entries[2];
  } list;
  sockaddr_in addresses[] = {bad, good};
  for (int i = 0; i < 2; ++i) {
    list.entries[i] = {reinterpret_cast<sockaddr*>(&addresses[i]), sizeof addresses[i]};
  }
  const SOCKET s = open(SOCK_STREAM);
  EXPECT_TRUE(WSAConnectByList(s, reinterpret_cast<SOCKET_ADDRESS_LIST*>(&list), nullptr, nullptr,
                               nullptr, nullptr, nullptr, nullptr))
      << WSAGetLastError();
  keep(accept(listener, nullptr, nullptr));
}

TEST_F(Ws2Calls, PollTellsDataConnectionsAndEnds) {  // winsock-rules 168
  const auto [client, server] = connected();
  const auto [listener, address] = bound(SOCK_STREAM);
  WSAPOLLFD entries[] = {{server, POLLIN, 0}, {listener, POLLRDNORM, 0}, {client, POLLOUT, 0},
                         {INVALID_SOCKET, POLLIN, 7}};
  EXPECT_EQ(WSAPoll(entries, 4, 0), 1) << WSAGetLastError();
  EXPECT_EQ(entries[0].revents, 0);
  EXPECT_EQ(entries[2].revents, POLLOUT);
  EXPECT_EQ(entries[3].revents, POLLNVAL);
  EXPECT_EQ(send(client, "x", 1, 0), 1);
  EXPECT_EQ(WSAPoll(entries, 1, -1), 1);
  EXPECT_EQ(entries[0].revents, POLLRDNORM);
  const SOCKET second = open(SOCK_STREAM);
  EXPECT_EQ(connect(second, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  EXPECT_EQ(WSAPoll(entries + 1, 1, -1), 1);
  EXPECT_EQ(entries[1].revents, POLLRDNORM);
  keep(accept(listener, nullptr, nullptr));
  char byte;
  EXPECT_EQ(recv(server, &byte, 1, 0), 1);
  EXPECT_EQ(shutdown(client, SD_SEND), 0);
  EXPECT_EQ(WSAPoll(entries, 1, -1), 1);
  EXPECT_EQ(entries[0].revents, POLLHUP);
}

TEST_F(Ws2Calls, PollTellsAResetAndRefusesWhatNobodyMayAsk) {
  const auto [client, server] = connected();
  const linger at_once{1, 0};
  EXPECT_EQ(setsockopt(client, SOL_SOCKET, SO_LINGER, reinterpret_cast<const char*>(&at_once),
                       sizeof at_once),
            0);
  EXPECT_EQ(closesocket(client), 0);
  WSAPOLLFD entries[] = {{server, 0, 0}, {client, POLLIN, 0}};
  EXPECT_EQ(WSAPoll(entries, 1, -1), 1) << WSAGetLastError();
  EXPECT_EQ(entries[0].revents, POLLERR | POLLHUP);
  EXPECT_EQ(WSAPoll(entries, 2, -1), 1) << "what is no socket is not counted";
  EXPECT_EQ(entries[1].revents, POLLNVAL);
  EXPECT_EQ(error_of(WSAPoll(entries + 1, 1, -1)), WSAENOTSOCK);
  EXPECT_EQ(error_of(WSAPoll(entries, 0, 0)), WSAEINVAL);
  EXPECT_EQ(error_of(WSAPoll(nullptr, 1, 0)), WSAEFAULT);
  entries[0].events = POLLPRI;
  EXPECT_EQ(error_of(WSAPoll(entries, 1, 0)), WSAEINVAL);
}

}  // namespace
}  // namespace millrace::test
