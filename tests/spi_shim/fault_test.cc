// SPDX-License-Identifier: BSD-3-Clause
// Memory that is not there: every procedure answers WSAEFAULT, nothing crashes, and nothing is lost.
// Faults that are not the provider's still reach whoever handled them before.
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>

#include <algorithm>
#include <memory>
#include <source_location>

#define MILLRACE_USE_WS_PREFIX
#include "tests/support/spi.h"
#include "mstcpip.h"
#include "winsock2.h"

namespace millrace::test {
namespace {

constexpr size_t kPage = 4096;

/// A page that is there, and one behind it that is not, or that cannot be written.
class Pages {
 public:
  explicit Pages(int second = PROT_NONE)
      : first_(static_cast<char*>(mmap(nullptr, 2 * kPage, PROT_READ | PROT_WRITE,
                                       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0))) {
    EXPECT_EQ(mprotect(first_ + kPage, kPage, second), 0);
  }
  ~Pages() { munmap(first_, 2 * kPage); }
  Pages(const Pages&) = delete;
  Pages& operator=(const Pages&) = delete;

  /// n bytes that end where the bad page begins.
  template <typename T = char>
  T* before_the_edge(size_t n = sizeof(T)) const {
    return reinterpret_cast<T*>(first_ + kPage - n);
  }
  /// Bytes of which the last one is in the bad page.
  template <typename T = char>
  T* across_the_edge(size_t n = sizeof(T)) const {
    return reinterpret_cast<T*>(first_ + kPage - n + 1);
  }
  template <typename T = char>
  T* bad() const {
    return reinterpret_cast<T*>(first_ + kPage);
  }

 private:
  char* first_;
};

/// Pointers to nothing: null, low, unmapped, and one that no x86-64 address can be.
template <typename T>
std::vector<T*> wild(const Pages& pages) {
  return {nullptr, reinterpret_cast<T*>(16), pages.bad<T>(), pages.across_the_edge<T>(),
          reinterpret_cast<T*>(0x8000'0000'0000'0000u)};
}

class Recv_E6 : public SpiFamilyTest {
 protected:
  int recv(SOCKET s, LPWSABUF buffers, DWORD count, LPDWORD n, LPDWORD flags,
           LPWSAOVERLAPPED overlapped = nullptr) {
    ws().error = 0;
    return ws().table.lpWSPRecv(s, buffers, count, n, flags, overlapped, nullptr, nullptr,
                                &ws().error);
  }
  void expect_fault(int result) {
    EXPECT_EQ(result, SOCKET_ERROR);
    EXPECT_EQ(ws().error, WSAEFAULT);
  }

  char memory_[64] = {};
  WSABUF good_{sizeof memory_, memory_};
  DWORD n_ = 0;
  DWORD flags_ = 0;
  Pages none_;
  Pages read_only_{PROT_READ};
};
MILLRACE_BOTH_SPI_FAMILIES(Recv_E6);

TEST_P(Recv_E6, ABadBufferTakesNothingFromTheStream) {
  const auto [client, server] = ws().pair(family());
  ASSERT_EQ(ws().send(client, "all of it"), 9);
  for (char* const bad : wild<char>(none_)) {
    WSABUF buffer{2, bad};
    expect_fault(recv(server, &buffer, 1, &n_, &flags_));
    WSABUF two[] = {{2, memory_}, {2, bad}};
    expect_fault(recv(server, two, 2, &n_, &flags_));
  }
  WSABUF constant{8, read_only_.across_the_edge(8)};
  expect_fault(recv(server, &constant, 1, &n_, &flags_));
  WSABUF endless{0xffffffff, memory_};  // winsock-rules 27
  expect_fault(recv(server, &endless, 1, &n_, &flags_));
  WSABUF empty_one[] = {{0, none_.bad()}, {4, memory_}};  // without length there is no memory
  EXPECT_EQ(recv(server, empty_one, 2, &n_, &flags_), 0);
  EXPECT_EQ(std::string(memory_, n_), "all ");
  WSABUF up_to_the_edge{5, none_.before_the_edge(5)};
  EXPECT_EQ(recv(server, &up_to_the_edge, 1, &n_, &flags_), 0);
  EXPECT_EQ(std::string(none_.before_the_edge(5), n_), "of it");
}

TEST_P(Recv_E6, ABadArrayOfBuffersOrOutPointerTakesNothingEither) {
  const auto [client, server] = ws().pair(family());
  ASSERT_EQ(ws().send(client, "still there"), 11);
  for (WSABUF* const bad : wild<WSABUF>(none_)) expect_fault(recv(server, bad, 1, &n_, &flags_));
  auto* const last = none_.before_the_edge<WSABUF>();
  *last = good_;
  expect_fault(recv(server, last, 2, &n_, &flags_));
  for (DWORD* const bad : wild<DWORD>(none_)) {
    expect_fault(recv(server, &good_, 1, bad, &flags_));
    expect_fault(recv(server, &good_, 1, &n_, bad));
  }
  expect_fault(recv(server, &good_, 1, read_only_.bad<DWORD>(), &flags_));
  expect_fault(recv(server, &good_, 1, &n_, read_only_.bad<DWORD>()));
  EXPECT_EQ(ws().recv(server), "still there");
}

TEST_P(Recv_E6, ABadOverlappedPointerStartsNothing) {
  const auto [client, server] = ws().pair(family());
  const uint64_t before = counters()["requests_started"];
  for (WSAOVERLAPPED* const bad : wild<WSAOVERLAPPED>(none_)) {
    if (bad == nullptr) continue;  // that is a nonoverlapped call
    expect_fault(recv(server, &good_, 1, &n_, &flags_, bad));
  }
  Overlap overlap(8);
  WSABUF bad{8, none_.across_the_edge(8)};
  expect_fault(recv(server, &bad, 1, &n_, &flags_, overlap.get()));
  EXPECT_EQ(overlap.overlapped.Internal, 0u) << "contract: C4";
  EXPECT_EQ(counters()["requests_started"], before);
  ASSERT_EQ(ws().post_recv(server, overlap), SOCKET_ERROR);
  ASSERT_EQ(ws().error, WSA_IO_PENDING);
  DWORD got = 0;
  EXPECT_FALSE(ws().table.lpWSPGetOverlappedResult(server, overlap.get(), none_.bad<DWORD>(), TRUE,
                                                   &flags_, &ws().error));
  EXPECT_EQ(ws().error, WSAEFAULT);
  EXPECT_FALSE(ws().table.lpWSPGetOverlappedResult(server, none_.bad<WSAOVERLAPPED>(), &got, FALSE,
                                                   &flags_, &ws().error));
  EXPECT_EQ(ws().error, WSAEFAULT);
  EXPECT_EQ(ws().send(client, "x"), 1);
  EXPECT_EQ(ws().finish(server, overlap), "x");
}

TEST_P(Recv_E6, ABadAddressKeepsTheDatagram) {
  const SOCKET s = ws().datagram(family());
  ASSERT_EQ(ws().bind(s, Address::loopback(family())), 0);
  const SOCKET from = ws().datagram(family());
  ASSERT_EQ(ws().send_to(from, "datagram", ws().name_of(s)), 8);
  Address sender;
  const auto recv_from = [&](WS_sockaddr* address, LPINT length) {
    return ws().table.lpWSPRecvFrom(s, &good_, 1, &n_, &flags_, address, length, nullptr, nullptr,
                                    nullptr, &ws().error);
  };
  for (INT* const bad : wild<INT>(none_)) expect_fault(recv_from(sender.get(), bad));
  expect_fault(recv_from(none_.bad<WS_sockaddr>(), &sender.length));
  expect_fault(recv_from(none_.across_the_edge<WS_sockaddr>(16), &sender.length));
  EXPECT_EQ(recv_from(sender.get(), &sender.length), 0);
  EXPECT_EQ(std::string(memory_, n_), "datagram");
}

TEST_P(Recv_E6, WithoutAPlaceForTheErrorThereIsStillNoCrash) {
  const auto [client, server] = ws().pair(family());
  WSABUF bad{8, nullptr};
  for (INT* const nowhere : wild<INT>(none_)) {
    EXPECT_EQ(ws().table.lpWSPRecv(server, &bad, 1, &n_, &flags_, nullptr, nullptr, nullptr,
                                   nowhere),
              SOCKET_ERROR);
    EXPECT_EQ(ws().table.lpWSPListen(server, 1, nowhere), SOCKET_ERROR);
    EXPECT_EQ(ws().table.lpWSPCloseSocket(0x7770, nowhere), SOCKET_ERROR);
  }
  (void)client;
}

class Send_E6 : public SpiFamilyTest {};
MILLRACE_BOTH_SPI_FAMILIES(Send_E6);

TEST_P(Send_E6, ABadBufferSendsNothing) {
  const auto [client, server] = ws().pair(family());
  const Pages pages;
  char good[] = "good";
  DWORD n = 0;
  for (char* const bad : wild<char>(pages)) {
    WSABUF buffers[] = {{4, good}, {4, bad}};
    EXPECT_EQ(ws().table.lpWSPSend(client, buffers, 2, &n, 0, nullptr, nullptr, nullptr,
                                   &ws().error),
              SOCKET_ERROR);
    EXPECT_EQ(ws().error, WSAEFAULT);
  }
  const Pages constant(PROT_READ);  // may be sent
  WSABUF buffer{8, constant.across_the_edge(8)};
  EXPECT_EQ(
      ws().table.lpWSPSend(client, &buffer, 1, &n, 0, nullptr, nullptr, nullptr, &ws().error), 0);
  EXPECT_EQ(ws().recv_all(server, 8), std::string(8, '\0'));
  const SOCKET udp = ws().datagram(family());
  WSABUF one{4, good};
  EXPECT_EQ(ws().table.lpWSPSendTo(udp, &one, 1, &n, 0, pages.across_the_edge<WS_sockaddr>(16), 28,
                                   nullptr, nullptr, nullptr, &ws().error),
            SOCKET_ERROR);
  EXPECT_EQ(ws().error, WSAEFAULT);
}

class Spi_Fault : public SpiFamilyTest {
 protected:
  template <typename Result>
  void expect_fault(Result result, std::source_location where = std::source_location::current()) {
    SCOPED_TRACE(where.line());
    EXPECT_EQ(static_cast<int64_t>(result), int64_t{SOCKET_ERROR});
    EXPECT_EQ(ws().error, WSAEFAULT);
    ws().error = 0;
  }
  const Pages pages_;
};
MILLRACE_BOTH_SPI_FAMILIES(Spi_Fault);

TEST_P(Spi_Fault, NamesOptionsAndSets) {
  const WSPPROC_TABLE& t = ws().table;
  INT* const e = &ws().error;
  const auto [client, server] = ws().pair(family());
  const auto [l, address] = ws().listener(family());
  auto* const name = pages_.across_the_edge<WS_sockaddr>(16);
  INT length = 28;
  expect_fault(t.lpWSPBind(ws().stream(family()), name, 28, e));
  expect_fault(t.lpWSPConnect(ws().stream(family()), name, 28, nullptr, nullptr, nullptr, nullptr,
                              e));
  expect_fault(t.lpWSPConnect(ws().datagram(family()), pages_.bad<WS_sockaddr>(), 28, nullptr,
                              nullptr, nullptr, nullptr, e));
  expect_fault(t.lpWSPGetSockName(client, name, &length, e));
  expect_fault(t.lpWSPGetPeerName(client, name, &length, e));
  expect_fault(t.lpWSPGetPeerName(client, Address().get(), pages_.bad<INT>(), e));
  expect_fault(t.lpWSPAccept(l, name, &length, nullptr, 0, e));
  expect_fault(t.lpWSPAccept(l, Address().get(), pages_.bad<INT>(), nullptr, 0, e));
  auto* const value = pages_.across_the_edge<CHAR>(4);
  INT four = 4;
  expect_fault(t.lpWSPSetSockOpt(client, WS_SOL_SOCKET, WS_SO_RCVBUF, value, 4, e));
  expect_fault(t.lpWSPGetSockOpt(client, WS_SOL_SOCKET, WS_SO_RCVBUF, value, &four, e));
  expect_fault(t.lpWSPGetSockOpt(client, WS_SOL_SOCKET, WS_SO_RCVBUF, value, pages_.bad<INT>(), e));
  DWORD n = 0;
  expect_fault(t.lpWSPIoctl(client, WS_FIONBIO, value, 4, nullptr, 0, &n, nullptr, nullptr, nullptr,
                            e));
  expect_fault(t.lpWSPIoctl(client, WS_FIONREAD, nullptr, 0, value, 4, &n, nullptr, nullptr,
                            nullptr, e));
  expect_fault(t.lpWSPIoctl(client, WS_FIONREAD, nullptr, 0, &n, 4, pages_.bad<DWORD>(), nullptr,
                            nullptr, nullptr, e));
  auto* const three = pages_.before_the_edge<WS_fd_set>(32);
  three->fd_count = 4;
  expect_fault(t.lpWSPSelect(0, three, nullptr, nullptr, nullptr, e));
  expect_fault(t.lpWSPSelect(0, nullptr, pages_.bad<WS_fd_set>(), nullptr, nullptr, e));
  WS_fd_set one{};
  WS_FD_SET(client, &one);
  expect_fault(t.lpWSPSelect(0, &one, nullptr, nullptr, pages_.bad<WS_timeval>(), e));
  expect_fault(t.lpWSPIoctl(client, SIO_KEEPALIVE_VALS, pages_.across_the_edge<CHAR>(12), 12,
                            nullptr, 0, &n, nullptr, nullptr, nullptr, e));
  auto* const unended = pages_.before_the_edge<WCHAR>(8);
  std::fill(unended, unended + 4, u'1');
  expect_fault(t.lpWSPStringToAddress(unended, family(), nullptr, Address().get(), &length, e));
  expect_fault(t.lpWSPSocket(family(), 0, 0, pages_.bad<WSAPROTOCOL_INFOW>(), 0, 0, e));
  (void)server;
}

TEST_P(Spi_Fault, WSPStartupItself) {
  WSPDATA data{};
  WSPPROC_TABLE table{};
  WSAPROTOCOL_INFOW info{};
  EXPECT_EQ(WSPStartup(MAKEWORD(2, 2), pages_.bad<WSPDATA>(), &info, {}, &table), WSAEFAULT);
  EXPECT_EQ(WSPStartup(MAKEWORD(2, 2), &data, &info, {}, pages_.across_the_edge<WSPPROC_TABLE>()),
            WSAEFAULT);
}

// ---- faults of others ----

sigjmp_buf escape;
int n_own_faults = 0;

void on_own_fault(int, siginfo_t*, void*) {
  ++n_own_faults;
  siglongjmp(escape, 1);
}

TEST(Spi_FaultHandler, TheApplicationsOwnHandlerStillHandlesItsFaults) {
  struct sigaction mine {};
  struct sigaction before {};
  mine.sa_sigaction = on_own_fault;
  mine.sa_flags = SA_SIGINFO;
  ASSERT_EQ(sigaction(SIGSEGV, &mine, &before), 0);
  const Pages pages;
  WSPDATA data{};
  WSPPROC_TABLE table{};
  WSAPROTOCOL_INFOW info{};
  ASSERT_EQ(WSPStartup(MAKEWORD(2, 2), &data, &info, {}, &table), 0);
  INT error = 0;
  EXPECT_EQ(table.lpWSPSelect(0, pages.bad<WS_fd_set>(), nullptr, nullptr, nullptr, &error),
            SOCKET_ERROR);
  EXPECT_EQ(error, WSAEFAULT);
  EXPECT_EQ(n_own_faults, 0);
  if (sigsetjmp(escape, 1) == 0) {
    *const_cast<volatile char*>(pages.bad()) = 1;
    ADD_FAILURE() << "no fault";
  }
  EXPECT_EQ(n_own_faults, 1);
  EXPECT_EQ(table.lpWSPCleanup(&error), 0);
  struct sigaction after {};
  ASSERT_EQ(sigaction(SIGSEGV, &before, &after), 0);
  EXPECT_EQ(after.sa_sigaction, on_own_fault) << "the last WSPCleanup puts it back";
}

TEST(Spi_FaultHandlerDeathTest, AFaultOfTheProgramEndsItAsBefore) {
  const Pages pages;
  EXPECT_DEATH(
      {
        signal(SIGSEGV, SIG_DFL);
        WSPDATA data{};
        WSPPROC_TABLE table{};
        WSAPROTOCOL_INFOW info{};
        (void)WSPStartup(MAKEWORD(2, 2), &data, &info, {}, &table);
        *const_cast<volatile char*>(pages.bad()) = 1;
        std::exit(0);
      },
      "");
}

}  // namespace
}  // namespace millrace::test
