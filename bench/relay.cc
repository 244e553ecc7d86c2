// SPDX-License-Identifier: BSD-3-Clause
// A path that is worse than a cable: forwards frames between two interfaces and on the way loses,
// reorders, doubles, damages, delays and slows them (this kernel may have no netem). Both directions
// are delayed and slowed; frames of more than 100 bytes, which carry data, suffer the rest.
//
//   relay IF-A IF-B [--loss P] [--burst FRAMES] [--reorder P --late-us US] [--duplicate P] [--corrupt P]
//                   [--delay-us US] [--rate-mbit M --queue FRAMES] [--seed N]      P in percent
//
// Ends with SIGTERM or SIGINT, and says what it did. Invariant: frames that are not picked keep their
// order.
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <deque>
#include <map>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::microseconds;
using std::chrono::nanoseconds;

constexpr size_t kDataBytes = 100;  // longer frames carry data
constexpr size_t kMostBytes = 2048;
constexpr size_t kHeaderBytes = 54;  // damage hits behind Ethernet, IPv4 and TCP
constexpr size_t kMostQueued = 65536;

std::atomic<bool> is_stopping{false};

struct Impairment {
  double loss = 0, reorder = 0, duplicate = 0, corrupt = 0, rate_mbit = 0;  // the first four in %
  uint32_t burst = 1, late_us = 1000, delay_us = 0, queue = 100;
};

class Interface {
 public:
  explicit Interface(const std::string& name)
      : fd_(socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK, htons(ETH_P_ALL))) {
    sockaddr_ll address{};
    address.sll_family = AF_PACKET;
    address.sll_protocol = htons(ETH_P_ALL);
    address.sll_ifindex = static_cast<int>(if_nametoindex(name.c_str()));
    if (fd_ < 0 || address.sll_ifindex == 0 ||
        bind(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
      throw std::runtime_error(name + ": no such interface, or not root");
    }
    const int bytes = 32 << 20, on = 1;
    setsockopt(fd_, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof bytes);
    setsockopt(fd_, SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof bytes);
    setsockopt(fd_, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof on);
  }
  ~Interface() { close(fd_); }
  Interface(const Interface&) = delete;
  Interface& operator=(const Interface&) = delete;

  int fd() const { return fd_; }
  /// @return bytes, 0: nothing is there
  size_t receive(std::array<char, kMostBytes>& frame) const {
    const ssize_t n = recv(fd_, frame.data(), frame.size(), MSG_TRUNC);
    if (n > static_cast<ssize_t>(frame.size())) throw std::runtime_error("a frame is too long: switch GSO and GRO off");
    return n < 0 ? 0 : static_cast<size_t>(n);
  }
  void send(const std::vector<char>& frame) const {
    while (::send(fd_, frame.data(), frame.size(), 0) < 0 && (errno == EAGAIN || errno == ENOBUFS)) {
      pollfd out{fd_, POLLOUT, 0};
      poll(&out, 1, 1);
    }
  }

 private:
  int fd_;
};

/// One direction.
class Lane {
 public:
  Lane(const Interface& from, const Interface& to, const Impairment& how, uint64_t seed)
      : from_(from), to_(to), how_(how), random_(seed) {}

  bool take() {
    std::array<char, kMostBytes> frame;
    bool any = false;
    for (int i = 0; i < 64; ++i) {
      const size_t n = from_.receive(frame);
      if (n == 0) break;
      any = true;
      accept({frame.data(), frame.data() + n});
    }
    return any;
  }
  bool give() {
    const auto now = Clock::now();
    bool any = false;
    for (; !queue_.empty() && queue_.front().due <= now; queue_.pop_front()) {
      to_.send(queue_.front().frame);
      any = true;
    }
    for (; !late_.empty() && late_.begin()->first <= now; late_.erase(late_.begin())) {
      to_.send(late_.begin()->second);
      any = true;
    }
    return any;
  }
  bool is_empty() const { return queue_.empty() && late_.empty(); }
  void report(const char* name) const {
    std::fprintf(stderr,
                 "%s: %lu frames, lost %lu, overflowed %lu, late %lu, doubled %lu, damaged %lu\n",
                 name, n_frames_, n_lost_, n_overflowed_, n_late_, n_doubled_, n_damaged_);
  }

 private:
  struct Queued {
    Clock::time_point due;
    std::vector<char> frame;
  };

  bool happens(double percent) {
    return percent > 0 && std::uniform_real_distribution<>(0, 100)(random_) < percent;
  }
  bool is_lost() {
    if (burst_left_ != 0) return --burst_left_, true;
    if (!happens(how_.loss / how_.burst)) return false;
    burst_left_ = how_.burst - 1;
    return true;
  }
  /// When a link of this rate is done with the frame. @return false: its queue is full
  bool pass_link(size_t bytes, Clock::time_point& at) {
    if (how_.rate_mbit == 0) return true;
    const auto begin = std::max(at, link_free_at_);
    const nanoseconds frame_time(static_cast<int64_t>(static_cast<double>(bytes) * 8e3 / how_.rate_mbit));
    if (begin - at > frame_time * how_.queue) return false;
    at = link_free_at_ = begin + frame_time;
    return true;
  }
  void accept(std::vector<char> frame) {
    ++n_frames_;
    const bool has_data = frame.size() > kDataBytes;
    auto due = Clock::now();
    if (has_data && is_lost()) {
      ++n_lost_;
      return;
    }
    if (queue_.size() >= kMostQueued || !pass_link(frame.size(), due)) {
      ++n_overflowed_;
      return;
    }
    due += microseconds(how_.delay_us);
    if (has_data && happens(how_.corrupt)) {
      ++n_damaged_;
      frame[kHeaderBytes + random_() % (frame.size() - kHeaderBytes)] ^= 0x10;
    }
    if (has_data && happens(how_.reorder)) {
      ++n_late_;
      late_.emplace(due + microseconds(how_.late_us), std::move(frame));
      return;
    }
    if (has_data && happens(how_.duplicate)) {
      ++n_doubled_;
      queue_.push_back({due, frame});
    }
    queue_.push_back({due, std::move(frame)});
  }

  const Interface& from_;
  const Interface& to_;
  const Impairment how_;
  std::mt19937_64 random_;
  std::deque<Queued> queue_;
  std::multimap<Clock::time_point, std::vector<char>> late_;
  Clock::time_point link_free_at_{};
  uint32_t burst_left_ = 0;
  uint64_t n_frames_ = 0, n_lost_ = 0, n_overflowed_ = 0, n_late_ = 0, n_doubled_ = 0,
           n_damaged_ = 0;
};

void run(const std::string& a_name, const std::string& b_name, const Impairment& how,
         uint64_t seed) {
  const Interface a(a_name), b(b_name);
  Lane there(a, b, how, seed), back(b, a, how, seed + 1);
  std::puts("relaying");
  std::fflush(stdout);
  while (!is_stopping) {
    bool moved = there.take();
    moved |= back.take();
    moved |= there.give();
    moved |= back.give();
    if (moved || !there.is_empty() || !back.is_empty()) continue;
    std::array<pollfd, 2> waits = {pollfd{a.fd(), POLLIN, 0}, pollfd{b.fd(), POLLIN, 0}};
    poll(waits.data(), waits.size(), 100);
  }
  there.report(a_name.c_str());
  back.report(b_name.c_str());
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("forwards frames between two interfaces, badly");
  Impairment how;
  std::string a, b;
  uint64_t seed = 1;
  const auto percent = CLI::Range(0.0, 100.0);
  app.add_option("a", a)->required();
  app.add_option("b", b)->required();
  app.add_option("--loss", how.loss, "percent of the data frames")->check(percent);
  app.add_option("--burst", how.burst, "frames lost together")->check(CLI::Range(1, 1000));
  app.add_option("--reorder", how.reorder, "percent that come late")->check(percent);
  app.add_option("--late-us", how.late_us, "how late");
  app.add_option("--duplicate", how.duplicate, "percent that come twice")->check(percent);
  app.add_option("--corrupt", how.corrupt, "percent with a wrong bit")->check(percent);
  app.add_option("--delay-us", how.delay_us, "one way");
  app.add_option("--rate-mbit", how.rate_mbit, "of the bottleneck; 0: none");
  app.add_option("--queue", how.queue, "frames that wait before the bottleneck");
  app.add_option("--seed", seed);
  CLI11_PARSE(app, argc, argv);
  std::signal(SIGTERM, [](int) { is_stopping = true; });
  std::signal(SIGINT, [](int) { is_stopping = true; });
  try {
    run(a, b, how, seed);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "relay: %s\n", e.what());
    return 1;
  }
}
