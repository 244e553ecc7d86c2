// SPDX-License-Identifier: BSD-3-Clause
// What millrace is compared with: echo (7), discard (9) and chargen (19) over TCP on the Linux kernel, one
// thread, one epoll, as lean as it gets: level-triggered, no allocation per message, TCP_NODELAY.
//
//   bench-epoll-server --address 10.0.0.2 [--spin]      --spin: epoll_wait returns at once, and again
//
// An echo that does not fit into the send buffer is waited for, as millrace-lat's server does.
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

namespace millrace {
namespace {

constexpr uint16_t kEcho = 7;
constexpr uint16_t kDiscard = 9;
constexpr uint16_t kChargen = 19;
constexpr int kMostEvents = 256;
constexpr size_t kBufferBytes = 256 * 1024;
constexpr size_t kEchoBytes = 32 * 1024;

volatile std::sig_atomic_t is_stopping = 0;

[[noreturn]] void fail(const char* call) {
  throw std::runtime_error(std::string(call) + ": " + std::strerror(errno));
}

struct Connection {
  int fd = -1;
  uint16_t service = 0;
  bool is_listener = false;
  bool waits_for_room = false;
  std::string unsent;    ///< of an echo
  size_t at_pattern = 0;  ///< of chargen: what comes next
};

class Server {
 public:
  explicit Server(const std::string& address) : buffer_(kBufferBytes), pattern_(make_pattern()) {
    epoll_ = epoll_create1(EPOLL_CLOEXEC);
    if (epoll_ < 0) fail("epoll_create1");
    for (const uint16_t port : {kEcho, kDiscard, kChargen}) listen_on(address, port);
  }

  void run(bool spins) {
    std::array<epoll_event, kMostEvents> events;
    while (is_stopping == 0) {
      const int n = epoll_wait(epoll_, events.data(), kMostEvents, spins ? 0 : -1);
      for (int i = 0; i < n; ++i) {
        auto* const connection = static_cast<Connection*>(events[static_cast<size_t>(i)].data.ptr);
        if (connection->is_listener) {
          accept_all(*connection);
        } else if (!serve(*connection, events[static_cast<size_t>(i)].events)) {
          close(connection->fd);
          delete connection;
        }
      }
    }
  }

 private:
  // RFC 864's pattern, whole periods: 95 lines of 72 characters.
  static std::string make_pattern() {
    std::string bytes;
    for (size_t line = 0; line < size_t{32} * 95; ++line) {
      for (size_t i = 0; i < 72; ++i) bytes += static_cast<char>(' ' + (line + i) % 95);
      bytes += "\r\n";
    }
    return bytes;
  }

  void listen_on(const std::string& address, uint16_t port) {
    auto* const listener = new Connection;  // for as long as the process lives
    listener->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    listener->service = port;
    listener->is_listener = true;
    const int on = 1;
    setsockopt(listener->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    sockaddr_in name{};
    name.sin_family = AF_INET;
    name.sin_port = htons(port);
    if (inet_pton(AF_INET, address.c_str(), &name.sin_addr) != 1) throw std::runtime_error("no address: " + address);
    if (bind(listener->fd, reinterpret_cast<sockaddr*>(&name), sizeof name) != 0) fail("bind");
    if (listen(listener->fd, SOMAXCONN) != 0) fail("listen");
    watch(*listener, EPOLL_CTL_ADD, EPOLLIN);
  }

  void watch(Connection& connection, int what, uint32_t events) const {
    epoll_event event{};
    event.events = events;
    event.data.ptr = &connection;
    if (epoll_ctl(epoll_, what, connection.fd, &event) != 0) fail("epoll_ctl");
  }

  void accept_all(const Connection& listener) const {
    for (;;) {
      const int fd = accept4(listener.fd, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
      if (fd < 0) return;
      const int on = 1;
      setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
      auto* const connection = new Connection;
      connection->fd = fd;
      connection->service = listener.service;
      const bool sends = listener.service == kChargen;
      watch(*connection, EPOLL_CTL_ADD, sends ? EPOLLIN | EPOLLOUT : EPOLLIN);
    }
  }

  /// @return false: it has ended
  bool serve(Connection& connection, uint32_t events) {
    if (connection.waits_for_room) return flush(connection);
    if ((events & EPOLLOUT) != 0 && !generate(connection)) return false;
    return (events & ~EPOLLOUT) == 0 || take(connection);
  }

  bool take(Connection& connection) {
    const bool is_echo = connection.service == kEcho;
    const ssize_t n = recv(connection.fd, buffer_.data(), is_echo ? kEchoBytes : buffer_.size(), 0);
    if (n <= 0) return n < 0 && errno == EAGAIN;
    if (!is_echo) return true;
    ssize_t sent = send(connection.fd, buffer_.data(), static_cast<size_t>(n), MSG_NOSIGNAL);
    if (sent == n) return true;
    if (sent < 0 && errno != EAGAIN) return false;
    sent = sent < 0 ? 0 : sent;
    connection.unsent.assign(buffer_.data() + sent, static_cast<size_t>(n - sent));
    connection.waits_for_room = true;
    watch(connection, EPOLL_CTL_MOD, EPOLLOUT);
    return true;
  }

  bool flush(Connection& connection) const {
    const ssize_t sent = send(connection.fd, connection.unsent.data(), connection.unsent.size(), MSG_NOSIGNAL);
    if (sent < 0) return errno == EAGAIN;
    connection.unsent.erase(0, static_cast<size_t>(sent));
    if (!connection.unsent.empty()) return true;
    connection.waits_for_room = false;
    watch(connection, EPOLL_CTL_MOD, EPOLLIN);
    return true;
  }

  // The send buffer takes a part of it; the next part has to begin where that ended.
  bool generate(Connection& connection) {
    size_t& at = connection.at_pattern;
    const ssize_t sent = send(connection.fd, pattern_.data() + at, pattern_.size() - at, MSG_NOSIGNAL);
    if (sent < 0) return errno == EAGAIN;
    at = (at + static_cast<size_t>(sent)) % pattern_.size();
    return true;
  }

  int epoll_ = -1;
  std::vector<char> buffer_;
  std::string pattern_;
};

}  // namespace
}  // namespace millrace

int main(int argc, char** argv) {
  std::string address = "127.0.0.1";
  bool spins = false;
  CLI::App app("Echo, discard and chargen on the kernel's TCP, by epoll.");
  app.add_option("--address", address, "IPv4 address")->capture_default_str();
  app.add_flag("--spin", spins, "never sleep");
  CLI11_PARSE(app, argc, argv);
  struct sigaction action {};
  action.sa_handler = [](int) { millrace::is_stopping = 1; };
  for (const int number : {SIGINT, SIGTERM}) sigaction(number, &action, nullptr);
  try {
    millrace::Server server(address);
    std::puts("listening");
    std::fflush(stdout);
    server.run(spins);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "bench-epoll-server: %s\n", e.what());
    return EXIT_FAILURE;
  }
}
