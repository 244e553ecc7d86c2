// SPDX-License-Identifier: BSD-3-Clause
// The last stage of a received packet (stack/STAGES.md): from where its caller is about to be told to where
// the caller has it, by each way to be told. The provider's clock is the test's, so only what it delays takes
// time.
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <sstream>
#include <thread>

#include "millrace/stages.h"
#include "stack/process_clock.h"
#include "tests/spi_shim/ports_support.h"

namespace millrace::test {
namespace {

uint64_t steady_ns() {
  return static_cast<uint64_t>(std::chrono::steady_clock::now().time_since_epoch().count());
}

/// Runs, since blocking calls and Keepers need that, until a test stops it.
struct ProviderTime {
  std::atomic<uint64_t> ns{1}, running_since{0};

  uint64_t now() const {
    const uint64_t since = running_since;
    return ns + (since == 0 ? 0 : steady_ns() - since);
  }
  void stop() {
    const uint64_t at = now();
    running_since = 0;
    ns = at;
  }
  void run() { running_since = steady_ns(); }
} provider_time;

class ProviderClock final : public Clock {
 public:
  uint64_t now_ns() const noexcept override { return provider_time.now(); }
};

/// While it stands.
void pass(uint64_t ns) { provider_time.ns += ns; }

struct Spent {
  uint64_t count = 0, ns = 0;
  friend bool operator==(const Spent&, const Spent&) = default;
};
void PrintTo(const Spent& spent, std::ostream* out) { *out << spent.count << " in " << spent.ns << " ns"; }

using Way = std::map<std::string, Spent>;

Way so_far() {
  Way way;
  millrace_stages(
      [](void* context, const millrace_stage* stage) {
        (*static_cast<Way*>(context))[stage->name] = {stage->count, stage->sum_ns};
      },
      &way);
  return way;
}

class StagesTest : public SpiTest {
 protected:
  void SetUp() override {
    usual_clock_ = std::exchange(make_process_clock, []() -> std::unique_ptr<Clock> {
      return std::make_unique<ProviderClock>();
    });
    sample_every_burst();
    provider_time.run();
    SpiTest::SetUp();
    std::tie(client, server) = ws().pair(WS_AF_INET);
    provider_time.stop();
    last_ = so_far();
  }
  void TearDown() override {
    provider_time.run();
    SpiTest::TearDown();
    make_process_clock = usual_clock_;
    if (usual_config_.empty()) {
      unsetenv("MILLRACE_CONFIG");
    } else {
      setenv("MILLRACE_CONFIG", usual_config_.c_str(), 1);
    }
    std::remove(config_path_.c_str());
  }

  void send(std::string_view text) {
    ASSERT_EQ(ws().send(client, text), static_cast<int>(text.size()));
  }
  /// Turns the Stacks of both ends until it is so.
  bool arrives(const std::function<bool()>& condition) {
    return eventually([&] {
      for (const SOCKET s : {client, server}) (void)ws().is_ready(s, 'r');
      return condition();
    });
  }
  /// What was added to completion and return.
  std::pair<Spent, Spent> told() {
    const Way now = so_far();
    const auto added = [&](const char* name) {
      const Spent &before = last_.at(name), &after = now.at(name);
      return Spent{after.count - before.count, after.ns - before.ns};
    };
    const std::pair both{added("completion"), added("return")};
    last_ = now;
    return both;
  }

  SOCKET client = INVALID_SOCKET, server = INVALID_SOCKET;

 private:
  /// The configuration of this run, whose last section is [stack], and one setting more.
  void sample_every_burst() {
    const char* const usual = std::getenv("MILLRACE_CONFIG");
    usual_config_ = usual == nullptr ? "" : usual;
    config_path_ = testing::TempDir() + "millrace_stages_" + std::to_string(getpid()) + ".toml";
    std::ofstream config(config_path_);
    if (usual_config_.empty()) {
      config << "[stack]\n";
    } else {
      config << std::ifstream(usual_config_).rdbuf();
    }
    config << "\nstages_sample = 1\n";
    setenv("MILLRACE_CONFIG", config_path_.c_str(), 1);
  }

  std::unique_ptr<Clock> (*usual_clock_)() = nullptr;
  std::string usual_config_, config_path_;
  Way last_;
};

using Stages_Return = StagesTest;

constexpr Spent kOnceAtOnce{1, 0}, kNot{0, 0};

TEST_F(Stages_Return, APacketWaitsInItsPortUntilItIsTaken) {
  PortOfTest port;
  ASSERT_TRUE(port.add(server, 1));
  Overlap pending(16);
  ASSERT_EQ(ws().post_recv(server, pending), SOCKET_ERROR);
  send("hello");
  ASSERT_TRUE(arrives([&] { return pending.is_signalled(); }));
  EXPECT_EQ(told(), std::pair(kOnceAtOnce, kNot));
  pass(5'000);
  EXPECT_EQ(port.take().bytes, 5u);
  EXPECT_EQ(told(), std::pair(kNot, Spent{1, 5'000}));
  EXPECT_EQ(ws().result(server, pending, false), 5);
  EXPECT_EQ(told(), std::pair(kNot, kNot)) << "it was taken already";
}

TEST_F(Stages_Return, AnotherThreadMayTakeThePacket) {
  PortOfTest port;
  ASSERT_TRUE(port.add(server, 1));
  Overlap pending(16);
  ASSERT_EQ(ws().post_recv(server, pending), SOCKET_ERROR);
  send("hello");
  ASSERT_TRUE(arrives([&] { return pending.is_signalled(); }));
  (void)told();
  pass(6'000);
  std::thread([&] { EXPECT_EQ(port.take().bytes, 5u); }).join();
  EXPECT_EQ(told(), std::pair(kNot, Spent{1, 6'000}));
}

TEST_F(Stages_Return, WhoAsksForTheResultHasItThen) {
  Overlap pending(16);
  ASSERT_EQ(ws().post_recv(server, pending), SOCKET_ERROR);
  send("hello");
  ASSERT_TRUE(arrives([&] { return pending.is_signalled(); }));
  EXPECT_EQ(told(), std::pair(kOnceAtOnce, kNot));
  pass(7'000);
  EXPECT_EQ(ws().result(server, pending, true), 5);
  EXPECT_EQ(told(), std::pair(kNot, Spent{1, 7'000}));
  EXPECT_EQ(ws().result(server, pending, true), 5);
  EXPECT_EQ(told(), std::pair(kNot, kNot)) << "once";
}

DWORD routine_bytes = 0;
void CALLBACK on_done(DWORD, DWORD n, LPWSAOVERLAPPED, DWORD) {
  pass(1'000'000);  // not the way's any more
  routine_bytes = n;
}

TEST_F(Stages_Return, ARoutineHasItWhenItBegins) {
  char memory[16];
  WSABUF buffer{sizeof memory, memory};
  WSAOVERLAPPED overlapped{};
  DWORD flags = 0;
  INT error = 0;
  ASSERT_EQ(ws().table.lpWSPRecv(server, &buffer, 1, nullptr, &flags, &overlapped, on_done, nullptr, &error),
            SOCKET_ERROR);
  ASSERT_EQ(error, WSA_IO_PENDING);
  send("hello");
  ASSERT_TRUE(arrives([&] { return overlapped.Internal != WSS_OPERATION_IN_PROGRESS; }));
  EXPECT_EQ(told(), std::pair(kOnceAtOnce, kNot));
  pass(8'000);
  EXPECT_EQ(SleepEx(0, TRUE), static_cast<DWORD>(WAIT_IO_COMPLETION));
  EXPECT_EQ(routine_bytes, 5u);
  EXPECT_EQ(told(), std::pair(kNot, Spent{1, 8'000}));
}

TEST_F(Stages_Return, ABlockedCallIsToldAndReturns) {
  const uint64_t before = counters()["turns"];
  std::thread blocked([&] { EXPECT_EQ(ws().recv(server), "hello"); });
  // Time stands, so nobody else turns: it waits, and its first turn found nothing.
  EXPECT_TRUE(eventually([&] { return counters()["turns"] >= before + 3; }));
  send("hello");
  blocked.join();
  EXPECT_EQ(told(), std::pair(kOnceAtOnce, kOnceAtOnce));
}

TEST_F(Stages_Return, ABlockingCallWhoseFirstTurnBringsDataIsNotToldOfItButReturns) {
  send("hello");  // both ends are on one Stack, as connections to ourselves are
  EXPECT_EQ(ws().recv(server), "hello");
  EXPECT_EQ(told(), std::pair(kNot, kOnceAtOnce));
}

TEST_F(Stages_Return, ACallThatFindsDataIsNotToldOfItButReturns) {
  send("hello");
  ASSERT_TRUE(arrives([&] { return ws().is_ready(server, 'r'); }));
  pass(3'000);
  EXPECT_EQ(ws().recv(server), "hello");
  EXPECT_EQ(told(), std::pair(kNot, kOnceAtOnce));
}

TEST_F(Stages_Return, APacketOfAProviderThatHasEndedIsNobodys) {
  PortOfTest port;
  ASSERT_TRUE(port.add(server, 1));
  Overlap pending(16);
  ASSERT_EQ(ws().post_recv(server, pending), SOCKET_ERROR);
  send("hello");
  ASSERT_TRUE(arrives([&] { return pending.is_signalled(); }));
  provider_time.run();
  ws().close_all();
  INT error = 0;
  ASSERT_EQ(ws().table.lpWSPCleanup(&error), 0);
  EXPECT_EQ(millrace_stages([](void*, const millrace_stage*) {}, nullptr), WSANOTINITIALISED);
  EXPECT_EQ(port.take().bytes, 5u);
  (void)start();  // for the end of the test
}

}  // namespace
}  // namespace millrace::test
