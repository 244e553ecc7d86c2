// SPDX-License-Identifier: BSD-3-Clause
// The handler of SIGSEGV and SIGBUS beside the program's own: a fault or a signal that is not a
// probe's does what it would have done without the provider.
//
// Tests that end the process, or leave a handler behind, run in a child.
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdio>

#include "tests/support/pages.h"
#include "tests/support/spi.h"

namespace millrace::test {
namespace {

/// The provider, started; with what a test needs to provoke a probe's fault and one of its own.
class Started {
 public:
  Started() {
    WSPDATA data{};
    WSAPROTOCOL_INFOW info{};
    EXPECT_EQ(WSPStartup(MAKEWORD(2, 2), &data, &info, {}, &table_), 0);
  }
  void end() {
    INT error = 0;
    EXPECT_EQ(table_.lpWSPCleanup(&error), 0);
  }
  /// @return the error of a call with a bad pointer
  INT probe(void* bad) const {
    INT error = 0;
    EXPECT_EQ(
        table_.lpWSPSelect(0, static_cast<WS_fd_set*>(bad), nullptr, nullptr, nullptr, &error),
        SOCKET_ERROR);
    return error;
  }
  const WSPPROC_TABLE& table() const { return table_; }

 private:
  WSPPROC_TABLE table_{};
};

sigjmp_buf escape;
volatile sig_atomic_t n_faults = 0;
volatile sig_atomic_t n_last = 0;
bool had_info = false;
sigset_t mask_inside;
struct sigaction below;  // what chaining() calls

void count(int number) {
  n_faults = n_faults + 1;
  n_last = number;
  pthread_sigmask(SIG_SETMASK, nullptr, &mask_inside);
}

void with_info(int number, siginfo_t* info, void* context) {
  count(number);
  had_info = info != nullptr && context != nullptr && info->si_signo == number;
  siglongjmp(escape, 1);
}

void without_info(int number) {
  count(number);
  siglongjmp(escape, 1);
}

void returning(int number) { count(number); }

/// An application's handler that was put in last, and asks the earlier one first.
void chaining(int number, siginfo_t* info, void* context) {
  n_faults = n_faults + 1;
  below.sa_sigaction(number, info, context);
}

void touch(const Pages& pages) { *const_cast<volatile char*>(pages.bad()) = 1; }

/// @return true: a handler jumped out of it
bool faults(const Pages& pages) {
  if (sigsetjmp(escape, 1) != 0) return true;
  touch(pages);
  return false;
}

struct sigaction handler_of(int number) {
  struct sigaction now {};
  sigaction(number, nullptr, &now);
  return now;
}

class Spi_FaultHandler : public testing::Test {
 protected:
  void SetUp() override {
    before_ = handler_of(SIGSEGV);
    n_faults = 0;
    had_info = false;
  }
  void TearDown() override { sigaction(SIGSEGV, &before_, nullptr); }
  static void install(void (*handler)(int), int flags = 0, int blocks = 0) {
    struct sigaction mine {};
    mine.sa_handler = handler;
    mine.sa_flags = flags;
    if (blocks != 0) sigaddset(&mine.sa_mask, blocks);
    sigaction(SIGSEGV, &mine, nullptr);
  }
  static void install(void (*handler)(int, siginfo_t*, void*)) {
    struct sigaction mine {};
    mine.sa_sigaction = handler;
    mine.sa_flags = SA_SIGINFO;
    sigaction(SIGSEGV, &mine, &below);
  }

  const Pages pages_;

 private:
  struct sigaction before_ {};
};
using Spi_FaultHandlerDeathTest = Spi_FaultHandler;

TEST_F(Spi_FaultHandler, TheApplicationsOwnHandlerStillHandlesItsFaults) {
  install(with_info);
  Started provider;
  EXPECT_EQ(provider.probe(pages_.bad()), WSAEFAULT);
  EXPECT_EQ(n_faults, 0);
  EXPECT_TRUE(faults(pages_));
  EXPECT_EQ(n_faults, 1);
  EXPECT_EQ(n_last, SIGSEGV);
  EXPECT_TRUE(had_info);
  EXPECT_EQ(provider.probe(pages_.bad()), WSAEFAULT);
  EXPECT_EQ(n_faults, 1);
  provider.end();
  EXPECT_EQ(handler_of(SIGSEGV).sa_sigaction, with_info) << "the last WSPCleanup puts it back";
  EXPECT_EQ(handler_of(SIGSEGV).sa_flags & SA_SIGINFO, SA_SIGINFO);
}

TEST_F(Spi_FaultHandler, AnOldStyleHandlerToo) {
  install(without_info);
  Started provider;
  EXPECT_TRUE(faults(pages_));
  EXPECT_EQ(n_faults, 1);
  EXPECT_EQ(n_last, SIGSEGV);
  provider.end();
  EXPECT_EQ(handler_of(SIGSEGV).sa_handler, without_info);
}

TEST_F(Spi_FaultHandler, OnlyTheLastCleanupPutsItBack) {
  install(without_info);
  Started first, second;
  first.end();
  EXPECT_NE(handler_of(SIGSEGV).sa_handler, without_info);
  EXPECT_EQ(second.probe(pages_.bad()), WSAEFAULT);
  second.end();
  EXPECT_EQ(handler_of(SIGSEGV).sa_handler, without_info);
}

TEST_F(Spi_FaultHandler, ItRunsWithTheMaskThatItAskedFor) {
  for (const int flags : {0, SA_NODEFER}) {
    install(returning, flags, SIGUSR1);
    Started provider;
    raise(SIGSEGV);
    EXPECT_EQ(sigismember(&mask_inside, SIGUSR1), 1);
    EXPECT_EQ(sigismember(&mask_inside, SIGSEGV), flags == SA_NODEFER ? 0 : 1);
    sigset_t after;
    pthread_sigmask(SIG_SETMASK, nullptr, &after);
    EXPECT_EQ(sigismember(&after, SIGUSR1), 0);
    EXPECT_EQ(sigismember(&after, SIGSEGV), 0);
    provider.end();
  }
}

TEST_F(Spi_FaultHandler, ASignalThatWasSentIsDeliveredOrIgnoredAsBefore) {
  install(returning);
  Started provider;
  raise(SIGSEGV);
  EXPECT_EQ(n_faults, 1);
  provider.end();
  install(SIG_IGN);
  Started again;
  raise(SIGSEGV);
  EXPECT_EQ(again.probe(pages_.bad()), WSAEFAULT) << "and the probes go on";
  again.end();
  EXPECT_EQ(handler_of(SIGSEGV).sa_handler, SIG_IGN);
}

TEST_F(Spi_FaultHandler, ThePartOfAFileThatIsNotThereIsAFaultToo) {  // SIGBUS
  std::FILE* const file = std::tmpfile();
  ASSERT_EQ(ftruncate(fileno(file), 10), 0);
  void* const map = mmap(nullptr, 2 * kPage, PROT_READ | PROT_WRITE, MAP_SHARED, fileno(file), 0);
  ASSERT_NE(map, MAP_FAILED);
  const struct sigaction before = handler_of(SIGBUS);
  Started provider;
  EXPECT_EQ(provider.probe(static_cast<char*>(map) + kPage), WSAEFAULT);
  provider.end();
  EXPECT_EQ(handler_of(SIGBUS).sa_handler, before.sa_handler);
  munmap(map, 2 * kPage);
  std::fclose(file);
}

TEST_F(Spi_FaultHandler, AfterTheLastCleanupBadBuffersAreNotEvenLookedAt) {
  Started provider;
  provider.end();
  WSABUF buffer{8, pages_.bad()};
  DWORD n = 0, flags = 0;
  INT error = 0;
  for (auto* const overlapped : wild<WSAOVERLAPPED>(pages_)) {
    EXPECT_EQ(
        provider.table().lpWSPRecv(4, &buffer, 1, &n, &flags, overlapped, nullptr, nullptr, &error),
        SOCKET_ERROR);
    EXPECT_EQ(error, WSANOTINITIALISED);
    EXPECT_EQ(
        provider.table().lpWSPSend(4, &buffer, 1, &n, 0, overlapped, nullptr, nullptr, &error),
        SOCKET_ERROR);
    EXPECT_EQ(error, WSANOTINITIALISED);
  }
}

// ---- in a child ----

const auto kBySegv = testing::KilledBySignal(SIGSEGV);
const auto kWell = testing::ExitedWithCode(0);

/// Ends the child: well, if no expectation failed.
void leave() { std::_Exit(testing::Test::HasFailure() ? 1 : 0); }

TEST_F(Spi_FaultHandlerDeathTest, AFaultOfTheProgramEndsItAsBefore) {
  for (const auto handler : {SIG_DFL, SIG_IGN}) {
    for (const int flags : {0, SA_SIGINFO}) {
      const auto fault = [&] {
        install(handler, flags);
        const Started provider;
        EXPECT_EQ(provider.probe(pages_.bad()), WSAEFAULT);
        touch(pages_);
        leave();
      };
      EXPECT_EXIT(fault(), kBySegv, "");
    }
  }
}

TEST_F(Spi_FaultHandlerDeathTest, ASentSignalEndsItAsBefore) {
  const auto send = [] {
    install(SIG_DFL);
    const Started provider;
    kill(getpid(), SIGSEGV);
    for (;;) pause();
  };
  EXPECT_EXIT(send(), kBySegv, "");
}

TEST_F(Spi_FaultHandlerDeathTest, AHandlerForOneTimeHandlesOneFault) {
  const auto fault_twice = [this] {
    install(without_info, static_cast<int>(SA_RESETHAND));
    const Started provider;
    if (!faults(pages_) || n_faults != 1) std::_Exit(1);
    (void)faults(pages_);
    leave();
  };
  EXPECT_EXIT(fault_twice(), kBySegv, "");
}

TEST_F(Spi_FaultHandlerDeathTest, AHandlerThatCameLaterAndAsksTheEarlierOneWorks) {
  const auto chain = [this] {
    install(with_info);
    Started provider;
    install(chaining);
    EXPECT_EQ(provider.probe(pages_.bad()), WSAEFAULT);
    EXPECT_EQ(n_faults, 1);
    EXPECT_TRUE(faults(pages_));
    EXPECT_EQ(n_faults, 3) << "its own, and the first one";
    provider.end();
    EXPECT_EQ(handler_of(SIGSEGV).sa_sigaction, chaining) << "it stays";
    leave();
  };
  EXPECT_EXIT(chain(), kWell, "");
}

// It had called ours, which called it: for ever.
TEST_F(Spi_FaultHandlerDeathTest, ALaterHandlerAndASecondStartupMakeNoRing) {
  const auto ring = [this] {
    install(with_info);
    Started first;
    install(chaining);
    first.end();
    for (int i = 0; i < 20; ++i) {  // more often than there are levels: ours is on top each time
      Started again;
      n_faults = 0;
      EXPECT_EQ(again.probe(pages_.bad()), WSAEFAULT);
      EXPECT_EQ(n_faults, 0);
      EXPECT_TRUE(faults(pages_));
      EXPECT_EQ(n_faults, 2);
      again.end();
      EXPECT_EQ(handler_of(SIGSEGV).sa_sigaction, chaining);
    }
    sigaction(SIGSEGV, &below, nullptr);  // the application takes its own away: ours is there again
    Started last;
    n_faults = 0;
    EXPECT_EQ(last.probe(pages_.bad()), WSAEFAULT);
    EXPECT_TRUE(faults(pages_));
    EXPECT_EQ(n_faults, 1);
    last.end();
    EXPECT_EQ(handler_of(SIGSEGV).sa_sigaction, with_info);
    leave();
  };
  EXPECT_EXIT(ring(), kWell, "");
}

}  // namespace
}  // namespace millrace::test
