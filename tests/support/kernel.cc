// SPDX-License-Identifier: BSD-3-Clause
#include "tests/support/kernel.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/icmp6.h>
#include <netinet/ip_icmp.h>
#include <poll.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>

namespace millrace::test {
namespace {

constexpr int kPatienceSeconds = 30;

struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t length = 0;

  SocketAddress(const std::string& address, uint16_t port) {
    if (address.find(':') == std::string::npos) {
      auto& v4 = reinterpret_cast<sockaddr_in&>(storage);
      v4.sin_family = AF_INET;
      v4.sin_port = htons(port);
      inet_pton(AF_INET, address.c_str(), &v4.sin_addr);
      length = sizeof v4;
    } else {
      auto& v6 = reinterpret_cast<sockaddr_in6&>(storage);
      v6.sin6_family = AF_INET6;
      v6.sin6_port = htons(port);
      inet_pton(AF_INET6, address.c_str(), &v6.sin6_addr);
      length = sizeof v6;
    }
  }
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
  int family() const { return storage.ss_family; }
};

void limit_patience(int fd) {
  const timeval patience{kPatienceSeconds, 0};
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
}

uint16_t checksum(const std::string& bytes) {
  uint32_t sum = 0;
  for (size_t i = 0; i < bytes.size(); i += 2) {
    sum += static_cast<uint8_t>(bytes[i]) << 8;
    if (i + 1 < bytes.size()) sum += static_cast<uint8_t>(bytes[i + 1]);
  }
  while (sum >> 16 != 0) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<uint16_t>(~sum);
}

std::string echo_request(bool is_6, uint16_t id, uint16_t number, const std::string& payload) {
  std::string bytes(8, '\0');
  bytes[0] = static_cast<char>(is_6 ? ICMP6_ECHO_REQUEST : ICMP_ECHO);
  const uint16_t words[2] = {htons(id), htons(number)};
  std::memcpy(bytes.data() + 4, words, 4);
  bytes += payload;
  if (is_6) return bytes;  // the kernel adds the checksum: it knows the pseudo header
  const uint16_t sum = htons(checksum(bytes));
  std::memcpy(bytes.data() + 2, &sum, 2);
  return bytes;
}

}  // namespace

bool shell(const std::string& command) {
  return std::system(("{ " + command + "; } >/dev/null 2>&1").c_str()) == 0;
}

std::unique_ptr<KernelHost> KernelHost::make(std::string& why_not) {
  if (geteuid() != 0) return why_not = "needs root", nullptr;
  if (unshare(CLONE_NEWNET) != 0) {
    return why_not = std::string("no network namespace: ") + std::strerror(errno), nullptr;
  }
  std::unique_ptr<KernelHost> host(new KernelHost);
  const auto thread = host->run([] {
    return unshare(CLONE_NEWNET) == 0 ? std::to_string(syscall(SYS_gettid)) : std::string();
  });
  // The Stack's end has no address of the kernel's, and no offload that a wire would not have: a
  // frame is at most an MTU long. Checksums stay partial, as they are between neighbors on one
  // host.
  const bool is_linked =
      !thread.empty() &&
      shell(
          "ip link add d0 numrxqueues 1 numtxqueues 1 type veth peer name k0 numrxqueues 1 "
          "numtxqueues 1 netns " +
          thread) &&
      shell("sysctl -w net.ipv6.conf.d0.disable_ipv6=1; ip link set d0 up") && host->run([] {
        return shell("ip link set lo up") &&
               shell(std::string("ip addr add ") + kKernelAddress4 + "/24 dev k0") &&
               shell(std::string("ip -6 addr add ") + kKernelAddress6 + "/64 dev k0 nodad") &&
               shell("ethtool -K k0 tso off gso off gro off") && shell("ip link set k0 up");
      });
  if (is_linked) return host;
  return why_not = "no veth pair: iproute2, ethtool or the kernel's veth is missing", nullptr;
}

KernelHost::KernelHost() : thread_([this] { work(); }) {}

KernelHost::~KernelHost() {
  {
    const std::lock_guard guard(mutex_);
    is_over_ = true;
  }
  has_work_.notify_one();
  thread_.join();
}

void KernelHost::add(std::function<void()> task) {
  {
    const std::lock_guard guard(mutex_);
    tasks_.push_back(std::move(task));
  }
  has_work_.notify_one();
}

void KernelHost::work() {
  for (;;) {
    std::function<void()> task;
    {
      std::unique_lock guard(mutex_);
      has_work_.wait(guard, [this] { return is_over_ || !tasks_.empty(); });
      if (tasks_.empty()) return;
      task = std::move(tasks_.front());
      tasks_.pop_front();
    }
    task();
  }
}

KernelSocket::KernelSocket(int fd) : error(fd < 0 ? errno : 0), fd_(fd) {
  if (fd_ >= 0) limit_patience(fd_);
}

KernelSocket::~KernelSocket() {
  if (fd_ >= 0) close(fd_);
}

KernelSocket KernelSocket::listener(const std::string& address) {
  const SocketAddress at(address, 0);
  KernelSocket s(socket(at.family(), SOCK_STREAM, 0));
  if (bind(s.fd_, at.get(), at.length) != 0 || listen(s.fd_, 128) != 0) s.error = errno;
  return s;
}

KernelSocket KernelSocket::connected(const std::string& address, uint16_t port) {
  const SocketAddress to(address, port);
  KernelSocket s(socket(to.family(), SOCK_STREAM, 0));
  if (connect(s.fd_, to.get(), to.length) != 0) s.error = errno;
  return s;
}

KernelSocket KernelSocket::datagram(const std::string& address) {
  const SocketAddress at(address, 0);
  KernelSocket s(socket(at.family(), SOCK_DGRAM, 0));
  const int room = 4 << 20;
  setsockopt(s.fd_, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room);
  if (bind(s.fd_, at.get(), at.length) != 0) s.error = errno;
  return s;
}

KernelSocket KernelSocket::accept() { return KernelSocket(::accept(fd_, nullptr, nullptr)); }

bool KernelSocket::send_all(const std::string& bytes) {
  for (size_t at = 0; at < bytes.size();) {
    const ssize_t n = ::send(fd_, bytes.data() + at, bytes.size() - at, MSG_NOSIGNAL);
    if (n <= 0) return error = errno, false;
    at += static_cast<size_t>(n);
  }
  return true;
}

bool KernelSocket::send_urgent(const std::string& bytes) {
  const ssize_t n = ::send(fd_, bytes.data(), bytes.size(), MSG_OOB | MSG_NOSIGNAL);
  error = n < 0 ? errno : 0;
  return n == static_cast<ssize_t>(bytes.size());
}

// recv(MSG_OOB) does not wait; poll does.
std::string KernelSocket::recv_urgent() {
  pollfd waits{fd_, POLLPRI, 0};
  char byte;
  if (poll(&waits, 1, kPatienceSeconds * 1000) != 1 || ::recv(fd_, &byte, 1, MSG_OOB) != 1) {
    return error = errno, "";
  }
  return {byte};
}

std::string KernelSocket::recv_all(size_t n) {
  std::string all(n, '\0');
  size_t at = 0;
  while (at < n) {
    const ssize_t got = ::recv(fd_, all.data() + at, n - at, 0);
    if (got < 0) error = errno;
    if (got <= 0) break;
    at += static_cast<size_t>(got);
  }
  all.resize(at);
  return all;
}

std::string KernelSocket::recv() {
  std::string bytes(65536, '\0');
  const ssize_t n = ::recv(fd_, bytes.data(), bytes.size(), 0);
  error = n < 0 ? errno : 0;
  bytes.resize(n < 0 ? 0 : static_cast<size_t>(n));
  return bytes;
}

bool KernelSocket::send_to(const std::string& bytes, const std::string& address, uint16_t port) {
  const SocketAddress to(address, port);
  const ssize_t n = sendto(fd_, bytes.data(), bytes.size(), 0, to.get(), to.length);
  error = n < 0 ? errno : 0;
  return n == static_cast<ssize_t>(bytes.size());
}

void KernelSocket::shutdown_sending() { shutdown(fd_, SHUT_WR); }

void KernelSocket::reset() {
  const linger at_once{1, 0};
  setsockopt(fd_, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  close(std::exchange(fd_, -1));
}

uint16_t KernelSocket::port() const {
  sockaddr_storage name{};
  socklen_t length = sizeof name;
  getsockname(fd_, reinterpret_cast<sockaddr*>(&name), &length);
  return ntohs(reinterpret_cast<const sockaddr_in&>(name).sin_port);  // at the same place in both
}

int ping(const std::string& address, int n, size_t payload_bytes) {
  const bool is_6 = address.find(':') != std::string::npos;
  const SocketAddress to(address, 0);
  KernelSocket s(socket(to.family(), SOCK_RAW, is_6 ? int{IPPROTO_ICMPV6} : int{IPPROTO_ICMP}));
  int replies = 0;
  for (int i = 0; i < n; ++i) {
    std::string payload(payload_bytes, static_cast<char>('a' + i % 26));
    const std::string request = echo_request(is_6, 0x4d52, static_cast<uint16_t>(i), payload);
    if (!s.send_to(request, address, 0)) return replies;
    for (;;) {  // the socket sees all ICMP: neighbors' talk, too
      std::string reply = s.recv();
      if (reply.empty()) return replies;
      if (!is_6) reply.erase(0, 4u * (static_cast<uint8_t>(reply[0]) & 15u));
      const char wanted = static_cast<char>(is_6 ? ICMP6_ECHO_REPLY : ICMP_ECHOREPLY);
      if (reply.size() < 8 || reply[0] != wanted) continue;
      if (reply.substr(4) == request.substr(4)) ++replies;
      break;
    }
  }
  return replies;
}

int run_on_kernel_port(const std::string& vdev, const std::string& settings,
                       const std::function<bool(KernelHost&, const std::string& folder)>& prepare) {
  const std::string driver = vdev.substr(0, vdev.find(','));
  const auto skip = [](const std::string& why) {
    std::printf("SKIPPED: %s\n", why.c_str());
    return 77;
  };
  if (driver == "af_xdp" && socket(AF_XDP, SOCK_RAW, 0) < 0) return skip("the kernel has no AF_XDP");
  std::string why_not;
  const std::unique_ptr<KernelHost> host = KernelHost::make(why_not);
  if (host == nullptr) return skip(why_not);
  const std::string folder =
      std::filesystem::temp_directory_path() / ("millrace_kernel_" + std::to_string(getpid()));
  std::filesystem::create_directory(folder);
  int result = 77;
  if (prepare(*host, folder)) {
    const std::string path = folder + "/config.toml";
    std::ofstream(path) << "[eal]\nargs = [\"--no-huge\", \"-m\", \"256\", \"--no-pci\", \"--no-shconf\", "
                           "\"--no-telemetry\", \"--vdev=net_"
                        << driver << "0,iface=d0" << vdev.substr(driver.size())
                        << "\"]\n[[port]]\ndevice = \"net_" << driver << "0\"\n" << settings;
    setenv("MILLRACE_CONFIG", path.c_str(), 1);
    result = RUN_ALL_TESTS();
  }
  std::filesystem::remove_all(folder);
  return result;
}

}  // namespace millrace::test
