// SPDX-License-Identifier: BSD-3-Clause
// The client of bench/side-by-side: the kernel's sockets, one thread, the same for each server.
//
//   bench-epoll-client echo    --address A --connections 64    one message under way on each, answers a second
//   bench-epoll-client connect --address A --connections 16    connect, one message, its answer, close; a second
//   bench-epoll-client send    --address A                     as much as the server discards
//   bench-epoll-client receive --address A                     as much as the server generates
//
// Prints one JSON object. --spin never sleeps. One connection of echo needs no epoll: it receives.
#include <arpa/inet.h>
#include <linux/sockios.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "apps/histogram.h"

namespace millrace {
namespace {

constexpr uint16_t kEcho = 7;
constexpr uint16_t kDiscard = 9;
constexpr uint16_t kChargen = 19;
constexpr int kMostEvents = 256;
constexpr size_t kBulkBytes = 256 * 1024;
constexpr int kSilenceMs = 5000;

struct Options {
  std::string address = "127.0.0.1";
  size_t n_connections = 1;
  size_t size_bytes = 64;
  double duration_s = 1;
  double warmup_s = 0.2;
  bool spins = false;
  std::string hgrm_path;
};

[[noreturn]] void fail(const std::string& what) { throw std::runtime_error(what + ": " + std::strerror(errno)); }

uint64_t now_ns() {
  return static_cast<uint64_t>(std::chrono::steady_clock::now().time_since_epoch().count());
}

sockaddr_in name_of(const Options& options, uint16_t port) {
  sockaddr_in name{};
  name.sin_family = AF_INET;
  name.sin_port = htons(port);
  if (inet_pton(AF_INET, options.address.c_str(), &name.sin_addr) != 1) {
    throw std::runtime_error("no IPv4 address: " + options.address);
  }
  return name;
}

int open_socket(int flags) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);
  if (fd < 0) fail("socket");
  const int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return fd;
}

int connected(const Options& options, uint16_t port) {
  const int fd = open_socket(0);
  const sockaddr_in name = name_of(options, port);
  const timeval patience{kSilenceMs / 1000, 0};
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  if (connect(fd, reinterpret_cast<const sockaddr*>(&name), sizeof name) != 0) fail("connect");
  return fd;
}

/// What counts: from the end of the warm-up to the end.
class Window {
 public:
  explicit Window(const Options& options) {
    first_ns = now_ns() + static_cast<uint64_t>(options.warmup_s * 1e9);
    end_ns = first_ns + static_cast<uint64_t>(options.duration_s * 1e9);
  }
  bool counts(uint64_t start_ns, uint64_t now) const { return start_ns >= first_ns && now <= end_ns; }
  double per_second(double n) const { return n * 1e9 / static_cast<double>(end_ns - first_ns); }

  uint64_t first_ns;
  uint64_t end_ns;
};

void print(const char* test, const Options& options, const Histogram& times, double per_second) {
  std::printf("{\"test\": \"%s\", \"connections\": %zu, \"size_bytes\": %zu, \"spins\": %s, \"count\": %llu, "
              "\"per_s\": %.1f, \"min_ns\": %llu, \"p50_ns\": %llu, \"p90_ns\": %llu, \"p99_ns\": %llu, "
              "\"p99.9_ns\": %llu, \"max_ns\": %llu}\n",
              test, options.n_connections, options.size_bytes, options.spins ? "true" : "false",
              static_cast<unsigned long long>(times.count()), per_second,
              static_cast<unsigned long long>(times.min()), static_cast<unsigned long long>(times.percentile(50)),
              static_cast<unsigned long long>(times.percentile(90)),
              static_cast<unsigned long long>(times.percentile(99)),
              static_cast<unsigned long long>(times.percentile(99.9)), static_cast<unsigned long long>(times.max()));
  if (times.count() == 0) throw std::runtime_error("nothing came back");
  if (options.hgrm_path.empty()) return;
  std::ofstream out(options.hgrm_path);
  times.write_distribution(out, 1000);
}

/// All of an answer, however it is cut.
bool take_answer(int fd, std::vector<char>& bytes, bool spins) {
  for (size_t have = 0; have < bytes.size();) {
    const ssize_t n = recv(fd, bytes.data() + have, bytes.size() - have, spins ? MSG_DONTWAIT : 0);
    if (n > 0) have += static_cast<size_t>(n);
    if (n == 0 || (n < 0 && (errno != EAGAIN || !spins))) return false;
  }
  return true;
}

void ping(const Options& options) {
  const int fd = connected(options, kEcho);
  std::vector<char> message(options.size_bytes, 'm');
  Histogram times;
  const Window window(options);
  uint64_t start = now_ns();
  while (start < window.end_ns) {
    if (send(fd, message.data(), message.size(), MSG_NOSIGNAL) < 0) fail("send");
    if (!take_answer(fd, message, options.spins)) fail("recv");
    const uint64_t now = now_ns();
    if (window.counts(start, now)) times.record(now - start);
    start = now;
  }
  close(fd);
  print("echo", options, times, window.per_second(static_cast<double>(times.count())));
}

/// One of many connections.
struct Slot {
  int fd = -1;
  uint64_t start_ns = 0;
  size_t have = 0;
};

class Many {
 public:
  Many(const Options& options, bool reconnects)
      : options_(options),
        reconnects_(reconnects),
        name_(name_of(options, kEcho)),
        message_(options.size_bytes, 'm'),
        answer_(options.size_bytes),
        slots_(options.n_connections) {
    epoll_ = epoll_create1(EPOLL_CLOEXEC);
    if (epoll_ < 0) fail("epoll_create1");
  }

  void run() {
    for (Slot& slot : slots_) {
      if (reconnects_) {
        open(slot);
        continue;
      }
      slot.fd = connected(options_, kEcho);
      watch(slot, EPOLL_CTL_ADD, EPOLLIN);
    }
    if (!reconnects_) {
      for (Slot& slot : slots_) ask(slot);
    }
    const Window window(options_);
    uint64_t now = now_ns();
    uint64_t last = now;
    std::array<epoll_event, kMostEvents> events;
    while (now < window.end_ns) {
      const int n = epoll_wait(epoll_, events.data(), kMostEvents, options_.spins ? 0 : kSilenceMs);
      now = now_ns();
      if (n > 0) last = now;
      if (now - last > uint64_t{kSilenceMs} * 1'000'000) throw std::runtime_error("no answer for 5 s");
      for (int i = 0; i < n; ++i) {
        const epoll_event& event = events[static_cast<size_t>(i)];
        serve(*static_cast<Slot*>(event.data.ptr), event.events, window);
      }
    }
    for (const Slot& slot : slots_) close(slot.fd);
    print(reconnects_ ? "connect" : "echo", options_, times_,
          window.per_second(static_cast<double>(times_.count())));
  }

 private:
  void watch(Slot& slot, int what, uint32_t events) const {
    epoll_event event{};
    event.events = events;
    event.data.ptr = &slot;
    if (epoll_ctl(epoll_, what, slot.fd, &event) != 0) fail("epoll_ctl");
  }

  void open(Slot& slot) {
    slot.fd = open_socket(SOCK_NONBLOCK);
    slot.start_ns = now_ns();
    slot.have = 0;
    if (::connect(slot.fd, reinterpret_cast<const sockaddr*>(&name_), sizeof name_) != 0 && errno != EINPROGRESS) {
      fail("connect");
    }
    watch(slot, EPOLL_CTL_ADD, EPOLLOUT);
  }

  void ask(Slot& slot) {
    if (!reconnects_) slot.start_ns = now_ns();
    slot.have = 0;
    if (send(slot.fd, message_.data(), message_.size(), MSG_NOSIGNAL) < 0) fail("send");
  }

  void serve(Slot& slot, uint32_t events, const Window& window) {
    if ((events & EPOLLOUT) != 0 && reconnects_) {
      ask(slot);
      watch(slot, EPOLL_CTL_MOD, EPOLLIN);
      return;
    }
    const ssize_t n = recv(slot.fd, answer_.data(), answer_.size() - slot.have, MSG_DONTWAIT);
    if (n == 0 || (n < 0 && errno != EAGAIN)) fail(n == 0 ? "the server closed" : "recv");
    if (n > 0) slot.have += static_cast<size_t>(n);
    if (slot.have < answer_.size()) return;
    const uint64_t now = now_ns();
    if (window.counts(slot.start_ns, now)) times_.record(now - slot.start_ns);
    if (!reconnects_) return ask(slot);
    close(slot.fd);
    open(slot);
  }

  const Options& options_;
  bool reconnects_;
  sockaddr_in name_;
  int epoll_ = -1;
  std::vector<char> message_;
  std::vector<char> answer_;
  std::vector<Slot> slots_;
  Histogram times_;
};

/// Bytes that the peer has acknowledged, of those that the kernel took.
uint64_t acknowledged(int fd, uint64_t n_taken) {
  int n_waiting = 0;
  if (ioctl(fd, SIOCOUTQ, &n_waiting) != 0) fail("SIOCOUTQ");
  return n_taken - static_cast<uint64_t>(n_waiting);
}

void bulk(const Options& options, bool sends) {
  const int fd = connected(options, sends ? kDiscard : kChargen);
  std::vector<char> bytes(kBulkBytes, 'b');
  const Window window(options);
  const int flags = MSG_NOSIGNAL | (options.spins ? MSG_DONTWAIT : 0);
  uint64_t total = 0;
  uint64_t before = 0;
  uint64_t first = 0;
  uint64_t now = now_ns();
  for (; now < window.end_ns; now = now_ns()) {
    if (first == 0 && now >= window.first_ns) {
      first = now;
      before = sends ? acknowledged(fd, total) : total;
    }
    const ssize_t n =
        sends ? send(fd, bytes.data(), bytes.size(), flags) : recv(fd, bytes.data(), bytes.size(), flags);
    if (n == 0 || (n < 0 && (errno != EAGAIN || !options.spins))) fail(sends ? "send" : "recv");
    if (n > 0) total += static_cast<uint64_t>(n);
  }
  const uint64_t counted = (sends ? acknowledged(fd, total) : total) - before;
  close(fd);
  std::printf("{\"test\": \"%s\", \"spins\": %s, \"bytes\": %llu, \"bits_per_s\": %.0f}\n",
              sends ? "send" : "receive", options.spins ? "true" : "false",
              static_cast<unsigned long long>(counted),
              static_cast<double>(counted) * 8e9 / static_cast<double>(now - first));
  if (counted == 0) throw std::runtime_error("nothing went through");
}

int main(int argc, char** argv) {
  Options options;
  CLI::App app("The kernel's client of echo, discard and chargen servers.");
  app.require_subcommand(1);
  for (const char* const name : {"echo", "connect", "send", "receive"}) {
    auto* const test = app.add_subcommand(name);
    test->add_option("--address", options.address, "IPv4 address of the server")->capture_default_str();
    test->add_option("--connections", options.n_connections)->check(CLI::Range(1, 60000))->capture_default_str();
    test->add_option("--size", options.size_bytes, "bytes of a message")->check(CLI::Range(1, 65536));
    test->add_option("--duration", options.duration_s, "seconds that count")->check(CLI::Range(0.01, 1e6));
    test->add_option("--warmup", options.warmup_s, "seconds before those")->check(CLI::Range(0.0, 1e6));
    test->add_option("--hgrm", options.hgrm_path, "write HdrHistogram's percentile distribution");
    test->add_flag("--spin", options.spins, "never sleep");
  }
  CLI11_PARSE(app, argc, argv);
  try {
    if (app.got_subcommand("connect")) {
      Many(options, true).run();
    } else if (app.got_subcommand("echo")) {
      options.n_connections == 1 ? ping(options) : Many(options, false).run();
    } else {
      bulk(options, app.got_subcommand("send"));
    }
  } catch (const std::exception& e) {
    std::fprintf(stderr, "bench-epoll-client: %s\n", e.what());
    return EXIT_FAILURE;
  }
  return EXIT_SUCCESS;
}

}  // namespace
}  // namespace millrace

int main(int argc, char** argv) { return millrace::main(argc, argv); }
