// SPDX-License-Identifier: BSD-3-Clause
// The floor under every millrace number on memif: a frame's round trip between two processes with
// DPDK alone, no stack. Both spin; the server sends each frame back, the client has one under way.
//
//   bench-raw-memif server --cpu 1 &
//   bench-raw-memif client --cpu 0 --size 64        prints one JSON object, times in ns
//
// Invariant: bursts and memif's own work on the link (a peer comes or goes, rings are freed) never
// overlap. librte_net_memif does the latter on EAL's interrupt thread without a lock, and a burst
// in progress on another thread then reads freed rings. So the loop runs on that thread, too, in
// slices from an alarm. What costs: one slice's change, 20 us, every 20 ms.
#include <pthread.h>
#include <rte_alarm.h>
#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_lcore.h>
#include <rte_mbuf.h>
#include <sched.h>

#include <CLI/CLI.hpp>
#include <array>
#include <atomic>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "apps/histogram.h"

namespace millrace {
namespace {

constexpr uint32_t kHeaderBytes = 54;  // Ethernet, IPv4 and TCP: what a stack would add
constexpr uint16_t kBurst = 32;
constexpr uint64_t kSliceNs = 20'000'000;
constexpr uint64_t kPauseUs = 100;  // EAL goes from one alarm to the next when that is due already
constexpr uint64_t kLostNs = 1'000'000;
constexpr uint64_t kLinkPatienceNs = 10'000'000'000;

struct Options {
  bool is_client = false;
  std::string socket = "/millrace-raw";
  uint32_t size_bytes = 64;
  double duration_s = 5;
  double warmup_s = 1;
  int cpu = -1;
  bool uses_hugepages = false;
};

std::atomic<bool> is_stopping{false};

[[noreturn]] void fail(const std::string& what, int error) {
  throw std::runtime_error(what + ": " + rte_strerror(error));
}

class Clock {
 public:
  uint64_t now_ns() const noexcept {
    return static_cast<uint64_t>(static_cast<double>(rte_rdtsc()) * ns_per_cycle_);
  }

 private:
  double ns_per_cycle_ = 1e9 / static_cast<double>(rte_get_tsc_hz());
};

/// The port and what runs on it. start() and finished() are the main thread's; all else happens on
/// EAL's interrupt thread.
class Runner {
 public:
  explicit Runner(const Options& options);
  ~Runner();
  Runner(const Runner&) = delete;
  Runner& operator=(const Runner&) = delete;

  void start() { arm(1); }
  bool finished() const noexcept { return is_finished_.load(std::memory_order_acquire); }
  /// @return false: no result, the reason is on stderr
  bool print() const;

 private:
  static void on_alarm(void* self) { static_cast<Runner*>(self)->slice(); }
  void arm(uint64_t in_us);
  void prepare_thread();
  void slice();
  void finish() noexcept { is_finished_.store(true, std::memory_order_release); }
  bool is_linked() const noexcept;
  void echo(uint64_t end_ns) noexcept;
  void ping(uint64_t end_ns) noexcept;
  bool send_ping() noexcept;
  bool receive_pong() noexcept;

  const Options options_;
  const Clock clock_;
  cpu_set_t cpus_;
  uint16_t port_ = 0;
  rte_mempool* pool_ = nullptr;
  bool is_prepared_ = false;
  bool was_linked_ = false;
  uint64_t made_ns_ = clock_.now_ns();
  uint64_t first_ns_ = 0;  // end of the warm-up
  uint64_t end_ns_ = 0;
  uint64_t sequence_ = 0;
  uint64_t n_lost_ = 0;
  Histogram round_trips_;
  bool is_failed_ = false;
  std::atomic<bool> is_finished_{false};
};

Runner::Runner(const Options& options) : options_(options) {
  pthread_getaffinity_np(pthread_self(), sizeof cpus_, &cpus_);
  if (options.cpu >= 0) {
    CPU_ZERO(&cpus_);
    CPU_SET(static_cast<size_t>(options.cpu), &cpus_);
  }
  if (rte_eth_dev_get_port_by_name("net_memif0", &port_) != 0) fail("net_memif0", ENODEV);
  pool_ = rte_pktmbuf_pool_create("frames", 8191, 256, 0, RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
  if (pool_ == nullptr) fail("mbuf pool", rte_errno);
  const rte_eth_conf conf{};
  int error = rte_eth_dev_configure(port_, 1, 1, &conf);
  if (error == 0) error = rte_eth_rx_queue_setup(port_, 0, 2048, 0, nullptr, pool_);
  if (error == 0) error = rte_eth_tx_queue_setup(port_, 0, 2048, 0, nullptr);
  if (error == 0) error = rte_eth_dev_start(port_);
  if (error != 0) fail("net_memif0 does not start (is the server there?)", -error);
}

Runner::~Runner() {
  rte_eth_dev_stop(port_);
  rte_eth_dev_close(port_);
}

void Runner::arm(uint64_t in_us) {
  if (rte_eal_alarm_set(in_us, on_alarm, this) != 0) finish();
}

// For the mempool's cache, and to be where the user wants it: EAL puts this thread elsewhere.
void Runner::prepare_thread() {
  is_prepared_ = true;
  pthread_setaffinity_np(pthread_self(), sizeof cpus_, &cpus_);
  if (rte_thread_register() != 0) std::fprintf(stderr, "bench-raw-memif: no mempool cache\n");
}

bool Runner::is_linked() const noexcept {
  rte_eth_link link{};
  return rte_eth_link_get_nowait(port_, &link) == 0 && link.link_status == RTE_ETH_LINK_UP;
}

void Runner::slice() {
  if (!is_prepared_) prepare_thread();
  if (is_stopping) return finish();
  if (!is_linked()) {
    const bool is_hopeless = was_linked_ || clock_.now_ns() - made_ns_ > kLinkPatienceNs;
    if (options_.is_client && is_hopeless) {
      std::fprintf(stderr, "bench-raw-memif: %s\n", was_linked_ ? "the peer has gone" : "no peer");
      is_failed_ = true;
      return finish();
    }
    return arm(1000);
  }
  const uint64_t end = clock_.now_ns() + kSliceNs;
  if (options_.is_client) {
    ping(end);
    if (clock_.now_ns() >= end_ns_) return finish();
  } else {
    echo(end);
  }
  was_linked_ = true;
  arm(kPauseUs);
}

void Runner::echo(uint64_t end_ns) noexcept {
  std::array<rte_mbuf*, kBurst> frames;
  while (clock_.now_ns() < end_ns) {
    for (int i = 0; i < 64; ++i) {
      const uint16_t n = rte_eth_rx_burst(port_, 0, frames.data(), kBurst);
      if (n == 0) continue;
      const uint16_t sent = rte_eth_tx_burst(port_, 0, frames.data(), n);
      rte_pktmbuf_free_bulk(frames.data() + sent, static_cast<unsigned>(n - sent));
    }
  }
}

void Runner::ping(uint64_t end_ns) noexcept {
  uint64_t start = clock_.now_ns();
  if (!was_linked_) {
    first_ns_ = start + static_cast<uint64_t>(options_.warmup_s * 1e9);
    end_ns_ = first_ns_ + static_cast<uint64_t>(options_.duration_s * 1e9);
  }
  while (start < end_ns) {
    ++sequence_;
    bool is_back = false;
    uint64_t now = start;
    if (send_ping()) {
      do {
        is_back = receive_pong();
        now = clock_.now_ns();
      } while (!is_back && now - start < kLostNs);
    }
    if (!is_back) now = clock_.now_ns();
    if (start >= first_ns_ && start < end_ns_) {
      // The first frame on a new link may be lost; the warm-up takes it.
      if (is_back) {
        round_trips_.record(now - start);
      } else {
        ++n_lost_;
      }
    }
    start = now;
  }
}

bool Runner::send_ping() noexcept {
  rte_mbuf* const m = rte_pktmbuf_alloc(pool_);
  if (m == nullptr) return false;
  const auto length = static_cast<uint16_t>(kHeaderBytes + options_.size_bytes);
  char* const frame = rte_pktmbuf_append(m, length);
  std::memset(frame, 0xff, kHeaderBytes);  // to everybody; the server does not look
  std::memcpy(frame + kHeaderBytes, &sequence_, sizeof sequence_);
  rte_mbuf* frames[] = {m};
  if (rte_eth_tx_burst(port_, 0, frames, 1) == 1) return true;
  rte_pktmbuf_free(m);
  return false;
}

bool Runner::receive_pong() noexcept {
  std::array<rte_mbuf*, kBurst> frames;
  const uint16_t n = rte_eth_rx_burst(port_, 0, frames.data(), kBurst);
  bool is_back = false;
  for (uint16_t i = 0; i < n; ++i) {
    uint64_t sequence = 0;
    std::memcpy(&sequence, rte_pktmbuf_mtod_offset(frames[i], char*, kHeaderBytes),
                sizeof sequence);
    is_back |= sequence == sequence_;
    rte_pktmbuf_free(frames[i]);
  }
  return is_back;
}

bool Runner::print() const {
  if (!options_.is_client) return true;
  if (is_failed_ || round_trips_.count() == 0) return false;
  const Histogram& rtt = round_trips_;
  std::printf(
      "{\"test\": \"raw-memif\", \"size_bytes\": %u, \"frame_bytes\": %u, \"messages\": %llu, "
      "\"lost\": %llu, \"round_trip_ns\": {\"min\": %llu, \"mean\": %.1f, \"p50\": %llu, "
      "\"p99\": %llu, \"p99.9\": %llu, \"max\": %llu}}\n",
      options_.size_bytes, options_.size_bytes + kHeaderBytes,
      static_cast<unsigned long long>(rtt.count()), static_cast<unsigned long long>(n_lost_),
      static_cast<unsigned long long>(rtt.min()), rtt.mean(),
      static_cast<unsigned long long>(rtt.percentile(50)),
      static_cast<unsigned long long>(rtt.percentile(99)),
      static_cast<unsigned long long>(rtt.percentile(99.9)),
      static_cast<unsigned long long>(rtt.max()));
  return true;
}

// ---- start ----

std::vector<std::string> eal_words(const Options& options) {
  std::vector<std::string> words = {"bench-raw-memif", "--no-pci", "--no-telemetry",
                                    "--log-level=*:error", "--single-file-segments"};
  if (options.uses_hugepages) {
    words.push_back(std::string("--file-prefix=raw-memif-") +
                    (options.is_client ? "client" : "server"));
  } else {
    words.insert(words.end(), {"--no-huge", "-m", "128", "--no-shconf"});
  }
  words.push_back("--lcores=0@" + std::to_string(std::max(options.cpu, 0)));
  words.push_back(std::string("--vdev=net_memif0,id=0,rsize=11,bsize=2048,socket-abstract=yes") +
                  ",socket=" + options.socket +
                  (options.is_client ? ",role=client,zero-copy=yes" : ",role=server"));
  return words;
}

void start_eal(const Options& options) {
  // EAL keeps pointers to its arguments.
  static std::vector<std::string> words = eal_words(options);
  static std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  if (rte_eal_init(static_cast<int>(words.size()), argv.data()) < 0) fail("EAL", rte_errno);
}

extern "C" void on_signal(int) { is_stopping = true; }

int run(const Options& options) {
  cpu_set_t cpus;
  pthread_getaffinity_np(pthread_self(), sizeof cpus, &cpus);
  start_eal(options);
  pthread_setaffinity_np(pthread_self(), sizeof cpus, &cpus);  // EAL has pinned it
  for (const int number : {SIGINT, SIGTERM}) std::signal(number, on_signal);
  bool has_result = false;
  {
    Runner runner(options);
    if (!options.is_client) {
      std::printf("listening on %s\n", options.socket.c_str());
      std::fflush(stdout);
    }
    runner.start();
    while (!runner.finished()) std::this_thread::sleep_for(std::chrono::milliseconds(20));
    has_result = runner.print();
  }
  rte_eal_cleanup();
  return has_result ? EXIT_SUCCESS : EXIT_FAILURE;
}

}  // namespace
}  // namespace millrace

int main(int argc, char** argv) {
  millrace::Options options;
  CLI::App app("A frame's round trip over memif between two processes, without a stack.");
  app.require_subcommand(1);
  app.fallthrough();
  app.add_subcommand("server", "send every frame back, until a signal comes");
  auto* const client = app.add_subcommand("client", "measure");
  app.add_option("--socket", options.socket, "abstract socket on which the two meet");
  app.add_option("--cpu", options.cpu, "CPU to spin on; give each side its own");
  app.add_flag("--hugepages", options.uses_hugepages, "use hugepages, which takes root");
  client->add_option("--size", options.size_bytes, "payload behind 54 bytes of headers")
      ->check(CLI::Range(8, 1460));
  client->add_option("--duration", options.duration_s, "seconds that count");
  client->add_option("--warmup", options.warmup_s, "seconds before those");
  CLI11_PARSE(app, argc, argv);
  options.is_client = client->parsed();
  try {
    return millrace::run(options);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "bench-raw-memif: %s\n", e.what());
    return EXIT_FAILURE;
  }
}
