// SPDX-License-Identifier: BSD-3-Clause
// An SCTP client that has nothing of ours: libusrsctp in a process of its own, over raw sockets of the kernel.
//
//   sctp_client ADDRESS PORT echo BYTES COUNT   messages there and back, compared byte by byte
//   sctp_client ADDRESS PORT many N             N associations at once, a message each
//   sctp_client ADDRESS PORT abort N            N associations that end with an ABORT
#include <arpa/inet.h>
#include <usrsctp.h>

#include <chrono>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

namespace {

[[noreturn]] void fail(const char* what) {
  std::fprintf(stderr, "sctp_client: %s: %s\n", what, std::strerror(errno));
  std::exit(1);
}

struct Server {
  sockaddr_storage address{};
  socklen_t bytes = 0;
  int family = AF_INET;
};

Server server_at(const char* text, uint16_t port) {
  Server server;
  auto* const v4 = reinterpret_cast<sockaddr_in*>(&server.address);
  auto* const v6 = reinterpret_cast<sockaddr_in6*>(&server.address);
  if (inet_pton(AF_INET, text, &v4->sin_addr) == 1) {
    v4->sin_family = AF_INET;
    v4->sin_port = htons(port);
    server.bytes = sizeof *v4;
    return server;
  }
  if (inet_pton(AF_INET6, text, &v6->sin6_addr) != 1) fail("address");
  server.family = v6->sin6_family = AF_INET6;
  v6->sin6_port = htons(port);
  server.bytes = sizeof *v6;
  return server;
}

struct socket* connect_to(const Server& server, size_t message_bytes) {
  struct socket* const s =
      usrsctp_socket(server.family, SOCK_STREAM, IPPROTO_SCTP, nullptr, nullptr, 0, nullptr);
  if (s == nullptr) fail("socket");
  const int buffer = static_cast<int>(message_bytes * 2 + 300'000);
  for (const int option : {SO_SNDBUF, SO_RCVBUF}) {
    usrsctp_setsockopt(s, SOL_SOCKET, option, &buffer, sizeof buffer);
  }
  const int on = 1;
  usrsctp_setsockopt(s, IPPROTO_SCTP, SCTP_NODELAY, &on, sizeof on);
  Server to = server;
  if (usrsctp_connect(s, reinterpret_cast<sockaddr*>(&to.address), to.bytes) != 0) fail("connect");
  return s;
}

void send_message(struct socket* s, const std::vector<char>& message) {
  sctp_sndinfo info{};
  const ssize_t n = usrsctp_sendv(s, message.data(), message.size(), nullptr, 0, &info, sizeof info,
                                  SCTP_SENDV_SNDINFO, 0);
  if (n != static_cast<ssize_t>(message.size())) fail("send");
}

std::vector<char> receive_message(struct socket* s) {
  std::vector<char> message;
  static std::vector<char> part(1 << 20);
  for (int flags = 0; (flags & MSG_EOR) == 0;) {
    sockaddr_storage from;
    socklen_t from_bytes = sizeof from, info_bytes = 0;
    unsigned info = 0;
    flags = 0;
    const ssize_t n = usrsctp_recvv(s, part.data(), part.size(), reinterpret_cast<sockaddr*>(&from), &from_bytes,
                                    nullptr, &info_bytes, &info, &flags);
    if (n <= 0) fail("receive");
    message.insert(message.end(), part.begin(), part.begin() + n);
  }
  return message;
}

std::vector<char> pattern(size_t bytes, size_t seed) {
  std::vector<char> message(bytes);
  for (size_t i = 0; i < bytes; ++i) message[i] = static_cast<char>(i * 31 + i / 257 + seed);
  return message;
}

void echo(const Server& server, size_t bytes, size_t n) {
  struct socket* const s = connect_to(server, bytes);
  for (size_t i = 0; i < n; ++i) {
    const auto message = pattern(bytes, i);
    send_message(s, message);
    if (receive_message(s) != message) fail("a message came back changed");
  }
  if (usrsctp_shutdown(s, SHUT_WR) != 0) fail("shutdown");
  char end;
  int flags = 0;
  socklen_t none = 0;
  unsigned info = 0;
  if (usrsctp_recvv(s, &end, 1, nullptr, &none, nullptr, &none, &info, &flags) != 0) fail("no graceful end");
  usrsctp_close(s);
}

void many(const Server& server, size_t n) {
  std::vector<struct socket*> all;
  for (size_t i = 0; i < n; ++i) all.push_back(connect_to(server, 100));
  for (size_t i = 0; i < n; ++i) send_message(all[i], pattern(100, i));
  for (size_t i = 0; i < n; ++i) {
    if (receive_message(all[i]) != pattern(100, i)) fail("another's message");
    usrsctp_close(all[i]);
  }
}

void abort_all(const Server& server, size_t n) {
  for (size_t i = 0; i < n; ++i) {
    struct socket* const s = connect_to(server, 1000);
    send_message(s, pattern(1000, i));
    const linger at_once{1, 0};
    usrsctp_setsockopt(s, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    usrsctp_close(s);
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 5) return 2;
  usrsctp_init(0, nullptr, nullptr);
  usrsctp_sysctl_set_sctp_blackhole(2);
  const Server server = server_at(argv[1], static_cast<uint16_t>(std::atoi(argv[2])));
  const std::string what = argv[3];
  const auto number = [&](int i) { return std::strtoull(argv[i], nullptr, 10); };
  if (what == "echo" && argc == 6) echo(server, number(4), number(5));
  if (what == "many") many(server, number(4));
  if (what == "abort") abort_all(server, number(4));
  // What is closed says good-bye first: the server would keep associations with nobody.
  for (int i = 0; i < 500 && usrsctp_finish() != 0; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(10));
  std::_Exit(0);  // its timers and threads end with the process
}
