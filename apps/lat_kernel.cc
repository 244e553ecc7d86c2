// SPDX-License-Identifier: BSD-3-Clause
// The Transport over the Linux kernel's sockets: what millrace is compared with. The same options
// as lat_spi.cc: TCP_NODELAY, a receive timeout, and O_NONBLOCK for spinning receives.
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <stdexcept>

#include "apps/lat_transport.h"

namespace millrace::lat {
namespace {

[[noreturn]] void fail(const char* call) {
  throw std::runtime_error(std::string(call) + " failed: " + std::strerror(errno));
}

sockaddr_in sockaddr_of(const Peer& peer) {
  sockaddr_in name{};
  name.sin_family = AF_INET;
  name.sin_port = peer.port_be;
  name.sin_addr.s_addr = peer.address_be;
  return name;
}

int fd_of(Handle handle) { return static_cast<int>(handle); }

// What a receive or send returns, by its result and errno.
size_t outcome_of(const char* call, ssize_t result) {
  if (result >= 0) return static_cast<size_t>(result);
  switch (errno) {
    case EAGAIN:
    case EINTR:
    case ENOBUFS:  // these three befall datagrams while a link comes and goes
    case ENETUNREACH:
    case EHOSTUNREACH:
      return kNothing;
    case ECONNRESET:
    case ECONNREFUSED:
    case EPIPE:
      return 0;
    default:
      fail(call);
  }
}

class KernelTransport final : public Transport {
 public:
  KernelTransport(bool is_nonblocking, std::string congestion)
      : is_nonblocking_(is_nonblocking), congestion_(std::move(congestion)) {}

  Handle listen(const Peer& local, Protocol) override {
    const int fd = open(SOCK_STREAM, &local);
    if (::listen(fd, SOMAXCONN) != 0) fail("listen");
    set_nonblocking(fd);  // a connection may vanish between wait_readable and accept
    return static_cast<Handle>(fd);
  }

  std::optional<Handle> accept(Handle listener) override {
    const int fd = ::accept(fd_of(listener), nullptr, nullptr);
    if (fd >= 0) {
      prepare(fd, true);
      return static_cast<Handle>(fd);
    }
    if (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED) return std::nullopt;
    fail("accept");
  }

  Handle bind_datagrams(const Peer& local) override {
    const int fd = open(SOCK_DGRAM, &local);
    prepare(fd, false);
    return static_cast<Handle>(fd);
  }

  Handle connect(Protocol protocol, const Peer& peer) override {
    const bool is_stream = lat::is_stream(protocol);
    const int fd = open(is_stream ? SOCK_STREAM : SOCK_DGRAM, nullptr);
    const sockaddr_in name = sockaddr_of(peer);
    if (::connect(fd, reinterpret_cast<const sockaddr*>(&name), sizeof name) != 0) {
      const int error = errno;
      ::close(fd);
      errno = error;
      fail("connect");
    }
    prepare(fd, is_stream);
    return static_cast<Handle>(fd);
  }

  void close(Handle handle) noexcept override { ::close(fd_of(handle)); }

  void end_sending(Handle handle) override {
    if (::shutdown(fd_of(handle), SHUT_WR) != 0) fail("shutdown");
  }

  size_t receive(Handle handle, std::span<char> into) override {
    return outcome_of("recv", ::recv(fd_of(handle), into.data(), into.size(), 0));
  }

  size_t receive_from(Handle handle, std::span<char> into, Peer& from) override {
    sockaddr_in name{};
    socklen_t name_bytes = sizeof name;
    const ssize_t n = ::recvfrom(fd_of(handle), into.data(), into.size(), 0,
                                 reinterpret_cast<sockaddr*>(&name), &name_bytes);
    if (n < 0) {
      (void)outcome_of("recvfrom", n);  // throws for what is not a matter of the moment
      return kNothing;                  // a peer's closed port is not the socket's end
    }
    from = {name.sin_addr.s_addr, name.sin_port};
    return static_cast<size_t>(n);
  }

  size_t send(Handle handle, std::span<const char> bytes) override {
    return outcome_of("send", ::send(fd_of(handle), bytes.data(), bytes.size(), MSG_NOSIGNAL));
  }

  size_t send_to(Handle handle, std::span<const char> bytes, const Peer& to) override {
    const sockaddr_in name = sockaddr_of(to);
    return outcome_of("sendto", ::sendto(fd_of(handle), bytes.data(), bytes.size(), MSG_NOSIGNAL,
                                         reinterpret_cast<const sockaddr*>(&name), sizeof name));
  }

  void wait_readable(std::span<const Handle> handles, std::vector<Handle>& readable) override {
    polls_.clear();
    for (const Handle handle : handles) polls_.push_back({fd_of(handle), POLLIN, 0});
    if (::poll(polls_.data(), polls_.size(), kReceiveTimeoutMs) < 0 && errno != EINTR) fail("poll");
    for (const pollfd& entry : polls_) {
      if (entry.revents != 0) readable.push_back(static_cast<Handle>(entry.fd));
    }
  }

 private:
  int open(int type, const Peer* local) const {
    const int fd = ::socket(AF_INET, type | SOCK_CLOEXEC, 0);
    if (fd < 0) fail("socket");
    if (type == SOCK_STREAM && !congestion_.empty() &&
        ::setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, congestion_.data(),
                     static_cast<socklen_t>(congestion_.size())) != 0) {
      fail("TCP_CONGESTION");
    }
    if (local == nullptr) return fd;
    set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    const sockaddr_in name = sockaddr_of(*local);
    if (::bind(fd, reinterpret_cast<const sockaddr*>(&name), sizeof name) != 0) fail("bind");
    return fd;
  }

  static void set_nonblocking(int fd) {
    const int flags = ::fcntl(fd, F_GETFL);
    if (flags < 0 || ::fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0) fail("fcntl");
  }

  static void set_option(int fd, int level, int name, int value) {
    if (::setsockopt(fd, level, name, &value, sizeof value) != 0) fail("setsockopt");
  }

  void prepare(int fd, bool is_stream) const {
    if (is_stream) set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    const timeval timeout{0, kReceiveTimeoutMs * 1000};
    if (::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout) != 0)
      fail("setsockopt");
    if (is_nonblocking_) set_nonblocking(fd);
  }

  std::vector<pollfd> polls_;
  bool is_nonblocking_;
  std::string congestion_;
};

}  // namespace

std::unique_ptr<Transport> make_kernel_transport(bool is_nonblocking,
                                                 const std::string& congestion) {
  return std::make_unique<KernelTransport>(is_nonblocking, congestion);
}

}  // namespace millrace::lat
