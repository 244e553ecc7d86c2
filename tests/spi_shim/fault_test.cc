// SPDX-License-Identifier: BSD-3-Clause
// Transfers into and out of memory that is not there: WSAEFAULT, no crash, and nothing is lost. The
// other procedures are in fault_procedures_test.cc, signal handlers in fault_handler_test.cc.
#include <cstring>

#define MILLRACE_USE_WS_PREFIX
#include "tests/support/pages.h"
#include "tests/support/spi.h"
#include "winsock2.h"

namespace millrace::test {
namespace {

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
MILLRACE_ALL_SPI_CONNECTIONS(Recv_E6);
class Recv_E6_Datagrams : public Recv_E6 {};
MILLRACE_BOTH_SPI_FAMILIES(Recv_E6_Datagrams);

TEST_P(Recv_E6, ABadBufferTakesNothingFromTheStream) {
  const auto [client, server] = ws().pair(kind());
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
  const auto [client, server] = ws().pair(kind());
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
  const auto [client, server] = ws().pair(kind());
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

TEST_P(Recv_E6_Datagrams, ABadAddressKeepsTheDatagram) {
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
  const auto [client, server] = ws().pair(kind());
  WSABUF bad{8, nullptr};
  for (INT* const nowhere : wild<INT>(none_)) {
    EXPECT_EQ(
        ws().table.lpWSPRecv(server, &bad, 1, &n_, &flags_, nullptr, nullptr, nullptr, nowhere),
        SOCKET_ERROR);
    EXPECT_EQ(ws().table.lpWSPListen(server, 1, nowhere), SOCKET_ERROR);
    EXPECT_EQ(ws().table.lpWSPCloseSocket(0x7770, nowhere), SOCKET_ERROR);
  }
  (void)client;
}

class Overlapped_E6 : public Recv_E6 {
 protected:
  void SetUp() override {
    Recv_E6::SetUp();
    std::memset(&overlap_.overlapped, 0x5a, sizeof overlap_.overlapped);
    overlap_.overlapped.hEvent = event_;
    std::memcpy(&as_given_, &overlap_.overlapped, sizeof as_given_);
  }
  void TearDown() override {
    overlap_.overlapped.hEvent = event_;  // closed with it
    Recv_E6::TearDown();
  }
  void expect_nothing_started(int result) {
    expect_fault(result);
    EXPECT_EQ(std::memcmp(&as_given_, &overlap_.overlapped, sizeof as_given_), 0);
    EXPECT_FALSE(overlap_.is_signalled());
    EXPECT_EQ(counters()["requests_started"], requests_);
  }

  Overlap overlap_;
  const HANDLE event_ = overlap_.overlapped.hEvent;
  WSAOVERLAPPED as_given_{};
  const uint64_t requests_ = counters()["requests_started"];
};
MILLRACE_ALL_SPI_CONNECTIONS(Overlapped_E6);

int n_routines = 0;
void CALLBACK count_routine(DWORD, DWORD, LPWSAOVERLAPPED, DWORD) { ++n_routines; }

TEST_P(Overlapped_E6, AFailedStartLeavesTheOverlappedAloneAndNothingCompletes) {
  const auto [client, server] = ws().pair(kind());
  const WSPPROC_TABLE& t = ws().table;
  n_routines = 0;
  for (char* const bad : wild<char>(none_)) {
    WSABUF buffer{8, bad};
    expect_nothing_started(recv(server, &buffer, 1, &n_, &flags_, overlap_.get()));
    expect_nothing_started(t.lpWSPRecv(server, &buffer, 1, &n_, &flags_, overlap_.get(),
                                       count_routine, nullptr, &ws().error));
    expect_nothing_started(
        t.lpWSPSend(server, &buffer, 1, &n_, 0, overlap_.get(), nullptr, nullptr, &ws().error));
  }
  for (WSATHREADID* const bad : wild<WSATHREADID>(none_)) {
    if (bad == nullptr) continue;  // this thread
    expect_nothing_started(t.lpWSPRecv(server, &good_, 1, &n_, &flags_, overlap_.get(),
                                       count_routine, bad, &ws().error));
  }
  ASSERT_EQ(ws().send(client, "later"), 5);  // would have completed each of them
  EXPECT_EQ(ws().recv(server), "later");
  EXPECT_EQ(SleepEx(0, TRUE), 0u);
  EXPECT_EQ(n_routines, 0);
  EXPECT_FALSE(overlap_.is_signalled());
}

TEST_P(Overlapped_E6, AReadOnlyOverlappedStartsNothing) {
  const auto [client, server] = ws().pair(kind());
  const uint64_t before = counters()["requests_started"];
  for (void* const bad : wild_outputs(none_, read_only_, sizeof(WSAOVERLAPPED))) {
    auto* const overlapped = static_cast<WSAOVERLAPPED*>(bad);
    expect_fault(recv(server, &good_, 1, &n_, &flags_, overlapped));
    expect_fault(
        ws().table.lpWSPSend(client, &good_, 1, &n_, 0, overlapped, nullptr, nullptr, &ws().error));
  }
  EXPECT_EQ(counters()["requests_started"], before);
  EXPECT_EQ(ws().readable_bytes(server), 0) << "nothing was sent";
}

TEST_P(Overlapped_E6, ASocketWithoutTheFlagIgnoresABadOne) {  // contract: B5
  const SOCKET s = ws().socket(family(), WS_SOCK_DGRAM, 0);
  ASSERT_EQ(ws().bind(s, Address::loopback(family())), 0);
  const SOCKET from = ws().datagram(family());
  ASSERT_EQ(ws().send_to(from, "as ever", ws().name_of(s)), 7);
  EXPECT_EQ(recv(s, &good_, 1, &n_, &flags_, none_.bad<WSAOVERLAPPED>()), 0);
  EXPECT_EQ(std::string(memory_, n_), "as ever");
}

TEST_P(Recv_E6_Datagrams, ADatagramStaysForTheNextReceive) {
  const SOCKET s = ws().datagram(family());
  ASSERT_EQ(ws().bind(s, Address::loopback(family())), 0);
  const SOCKET from = ws().datagram(family());
  ASSERT_EQ(ws().send_to(from, "whole", ws().name_of(s)), 5);
  for (void* const bad : wild_outputs(none_, read_only_, 3)) {
    WSABUF two[] = {{2, memory_}, {3, static_cast<char*>(bad)}};
    expect_fault(recv(s, two, 2, &n_, &flags_));
  }
  EXPECT_EQ(recv(s, &good_, 1, &n_, &flags_), 0);
  EXPECT_EQ(std::string(memory_, n_), "whole");
}

TEST_P(Recv_E6, EachPageOfALargeBufferIsLookedAt) {
  const auto [client, server] = ws().pair(kind());
  constexpr size_t kPages = 16;
  auto* const map = static_cast<char*>(
      mmap(nullptr, kPages * kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  std::memset(map, 'm', kPages * kPage);
  WSABUF buffer{kPages * kPage, map};
  ASSERT_EQ(ws().send(client, "x"), 1);
  for (size_t page = 0; page < kPages; ++page) {
    ASSERT_EQ(mprotect(map + page * kPage, kPage, PROT_READ), 0);
    expect_fault(recv(server, &buffer, 1, &n_, &flags_));
    ASSERT_EQ(mprotect(map + page * kPage, kPage, PROT_READ | PROT_WRITE), 0);
  }
  EXPECT_EQ(std::string(map, kPages * kPage), std::string(kPages * kPage, 'm')) << "unchanged";
  EXPECT_EQ(recv(server, &buffer, 1, &n_, &flags_), 0);
  EXPECT_EQ(std::string(map, 2), "xm");
  munmap(map, kPages * kPage);
}

TEST_P(Recv_E6, APointerThatIsNotAlignedForItsTypeIsAFault) {
  const auto [client, server] = ws().pair(kind());
  ASSERT_EQ(ws().send(client, "kept"), 4);
  alignas(16) char room[128] = {};
  std::memcpy(room + 4, &good_, sizeof good_);
  expect_fault(recv(server, reinterpret_cast<WSABUF*>(room + 4), 1, &n_, &flags_));
  expect_fault(recv(server, &good_, 1, reinterpret_cast<DWORD*>(room + 1), &flags_));
  expect_fault(recv(server, &good_, 1, &n_, reinterpret_cast<DWORD*>(room + 2)));
  expect_fault(recv(server, &good_, 1, &n_, &flags_, reinterpret_cast<WSAOVERLAPPED*>(room + 4)));
  WSABUF odd{4, room + 1};  // bytes may lie anywhere
  EXPECT_EQ(recv(server, &odd, 1, &n_, &flags_), 0);
  EXPECT_EQ(std::string(room + 1, n_), "kept");
}

class Send_E6 : public SpiFamilyTest {};
MILLRACE_ALL_SPI_CONNECTIONS(Send_E6);
class Send_E6_Datagrams : public SpiFamilyTest {};
MILLRACE_BOTH_SPI_FAMILIES(Send_E6_Datagrams);

TEST_P(Send_E6_Datagrams, ABadBufferSendsNoDatagram) {
  const Pages pages;
  const SOCKET to = ws().datagram(family()), from = ws().datagram(family());
  ASSERT_EQ(ws().bind(to, Address::loopback(family())), 0);
  Address name = ws().name_of(to);
  const INT length = name.length;
  char good[] = "good";
  DWORD n = 0;
  const auto send = [&](LPWSABUF buffers, DWORD count, LPDWORD bytes) {
    EXPECT_EQ(ws().table.lpWSPSendTo(from, buffers, count, bytes, 0, name.get(), length, nullptr,
                                     nullptr, nullptr, &ws().error),
              SOCKET_ERROR);
    EXPECT_EQ(ws().error, WSAEFAULT);
  };
  for (char* const bad : wild<char>(pages)) {
    WSABUF buffers[] = {{4, good}, {4, bad}};
    send(buffers, 2, &n);
  }
  WSABUF one{4, good};
  for (DWORD* const bad : wild<DWORD>(pages)) send(&one, 1, bad);
  for (WSABUF* const bad : wild<WSABUF>(pages)) send(bad, 1, &n);
  EXPECT_EQ(ws().send_to(from, "first", name), 5);
  EXPECT_EQ(ws().recv(to), "first") << "nothing came before it";
}

TEST_P(Send_E6, ABadBufferSendsNothing) {
  const auto [client, server] = ws().pair(kind());
  const Pages pages;
  char good[] = "good";
  DWORD n = 0;
  for (char* const bad : wild<char>(pages)) {
    WSABUF buffers[] = {{4, good}, {4, bad}};
    EXPECT_EQ(
        ws().table.lpWSPSend(client, buffers, 2, &n, 0, nullptr, nullptr, nullptr, &ws().error),
        SOCKET_ERROR);
    EXPECT_EQ(ws().error, WSAEFAULT);
  }
  const Pages constant(PROT_READ);  // may be sent
  WSABUF buffer{8, constant.across_the_edge(8)};
  EXPECT_EQ(ws().table.lpWSPSend(client, &buffer, 1, &n, 0, nullptr, nullptr, nullptr, &ws().error),
            0);
  EXPECT_EQ(ws().recv_all(server, 8), std::string(8, '\0'));
  const SOCKET udp = ws().datagram(family());
  WSABUF one{4, good};
  EXPECT_EQ(ws().table.lpWSPSendTo(udp, &one, 1, &n, 0, pages.across_the_edge<WS_sockaddr>(16), 28,
                                   nullptr, nullptr, nullptr, &ws().error),
            SOCKET_ERROR);
  EXPECT_EQ(ws().error, WSAEFAULT);
}

}  // namespace
}  // namespace millrace::test
