// SPDX-License-Identifier: BSD-3-Clause
// Loaned receives through the SPI: the functions are fetched by GUID, every error is provoked, and
// every kind of call lends.
#include <sys/mman.h>

#include <cstring>

#include "tests/support/loans.h"

#define MILLRACE_USE_WS_PREFIX
#include "winsock2.h"

namespace millrace::test {
namespace {

class Spi_Extensions : public SpiFamilyTest {
 protected:
  int get(SOCKET s, GUID* id, DWORD id_bytes, void* function, DWORD function_bytes) {
    ws().error = 0;
    n_ = 77;
    return ws().table.lpWSPIoctl(s, SIO_GET_EXTENSION_FUNCTION_POINTER, id, id_bytes, function,
                                 function_bytes, &n_, nullptr, nullptr, nullptr, &ws().error);
  }
  DWORD n_ = 0;
};
MILLRACE_BOTH_SPI_FAMILIES(Spi_Extensions);

TEST_P(Spi_Extensions, AreFoundByTheirGuidOnAnySocket) {
  for (const int type : {WS_SOCK_STREAM, WS_SOCK_DGRAM}) {
    const Lender lender(ws(), ws().socket(family(), type));
    EXPECT_NE(lender.recv_loan, nullptr);
    EXPECT_NE(lender.return_loan, nullptr);
  }
}

TEST_P(Spi_Extensions, AnUnknownGuidIsRefused) {  // winsock-rules 173
  GUID id = WSAID_MILLRACE_RECVLOAN;
  ++id.Data4[7];
  void* function = this;
  EXPECT_EQ(get(ws().stream(family()), &id, sizeof id, &function, sizeof function), SOCKET_ERROR);
  EXPECT_EQ(ws().error, WSAEINVAL);
  EXPECT_EQ(function, this);
  EXPECT_EQ(n_, 0u);
}

TEST_P(Spi_Extensions, ShortAndMissingBuffersAreRefused) {
  const SOCKET s = ws().stream(family());
  GUID id = WSAID_MILLRACE_RECVLOAN;
  void* function = nullptr;
  auto* const wild = reinterpret_cast<GUID*>(16);
  for (const auto& [in, in_bytes, out, out_bytes] :
       std::initializer_list<std::tuple<GUID*, DWORD, void*, DWORD>>{
           {&id, sizeof id - 1, &function, sizeof function},
           {nullptr, sizeof id, &function, sizeof function},
           {wild, sizeof id, &function, sizeof function},
           {&id, sizeof id, &function, sizeof function - 1},
           {&id, sizeof id, nullptr, sizeof function},
           {&id, sizeof id, wild, sizeof function}}) {
    EXPECT_EQ(get(s, in, in_bytes, out, out_bytes), SOCKET_ERROR);
    EXPECT_EQ(ws().error, WSAEFAULT);
  }
  EXPECT_EQ(function, nullptr);
}

class Recv_Z2 : public SpiFamilyTest {
 protected:
  void SetUp() override {
    SpiFamilyTest::SetUp();
    std::tie(client, server) = ws().pair(kind());
    lender = std::make_unique<Lender>(ws(), server);
  }
  SOCKET client = INVALID_SOCKET, server = INVALID_SOCKET;
  std::unique_ptr<Lender> lender;
};
MILLRACE_ALL_SPI_CONNECTIONS(Recv_Z2);
class Recv_Z2_Datagrams : public Recv_Z2 {};
MILLRACE_BOTH_SPI_FAMILIES(Recv_Z2_Datagrams);

TEST_P(Recv_Z2, LendsWhatArrivedWithoutACopy) {
  const auto before = counters();
  const uint64_t n_copied = has_messages() ? 5 : 0;  // out of libusrsctp
  ASSERT_EQ(ws().send(client, "hello"), 5);
  Lent lent = lender->borrow(server);
  ASSERT_EQ(lent.result, 0) << lent.error;
  EXPECT_EQ(lent.text(), "hello");
  const auto held = counters();
  EXPECT_EQ(held.at("bytes_copied"), before.at("bytes_copied") + n_copied);
  EXPECT_EQ(held.at("bytes_lent"), before.at("bytes_lent") + 5);
  EXPECT_EQ(held.at("bytes_delivered"), before.at("bytes_delivered") + 5);
  EXPECT_EQ(held.at("loans_outstanding"), 1u);
  std::vector<WSABUF> twice = lent.buffers;
  EXPECT_EQ(lender->give_back(lent.buffers), 0);
  EXPECT_EQ(counters().at("loans_outstanding"), 0u);
  EXPECT_EQ(lender->give_back(twice), WSAEINVAL);
  EXPECT_EQ(lender->give_back(lent.buffers), WSAEINVAL) << "it was left empty";
}

TEST_P(Recv_Z2, TheWholeOfAStreamByLoan) {
  std::string data(300'000, '\0');
  for (size_t i = 0; i < data.size(); ++i) data[i] = static_cast<char>(i * 31 >> 3);
  std::string got;
  for (size_t sent = 0; got.size() < data.size();) {
    const size_t part = std::min<size_t>(20'000, data.size() - sent);
    if (part != 0) {
      ASSERT_EQ(ws().send(client, std::string_view(data).substr(sent, part)),
                static_cast<int>(part));
    }
    sent += part;
    Lent lent = lender->borrow(server, 8);
    ASSERT_EQ(lent.result, 0) << lent.error;
    got += lent.text();
    EXPECT_EQ(lender->give_back(lent.buffers), 0);
  }
  EXPECT_TRUE(got == data);
}

TEST_P(Recv_Z2, LoansOfAClosedSocketAreBackAlready) {
  ASSERT_EQ(ws().send(client, "forgotten"), 9);
  Lent lent = lender->borrow(server);
  ASSERT_EQ(lent.count, 1u);
  ASSERT_EQ(ws().close(server), 0);
  EXPECT_EQ(counters().at("loans_outstanding"), 0u);
  EXPECT_EQ(counters().at("loans_reclaimed"), 1u);
  EXPECT_EQ(lender->give_back(lent.buffers), WSAEINVAL);
  EXPECT_EQ(lender->borrow(server).error, WSAENOTSOCK);
}

TEST_P(Recv_Z2, AnOverlappedLoanIsFilledWhenItComes) {
  WSABUF array[4] = {};
  DWORD count = 4, n = 77, flags = 0;
  INT error = 0;
  Overlap overlap;
  ASSERT_EQ(lender->recv_loan(server, array, &count, &n, &flags, nullptr, nullptr, overlap.get(),
                              nullptr, nullptr, &error),
            SOCKET_ERROR);
  ASSERT_EQ(error, WSA_IO_PENDING);
  EXPECT_EQ(count, 4u);
  EXPECT_EQ(n, 77u);  // contract: C5
  EXPECT_FALSE(overlap.is_signalled());
  ASSERT_EQ(ws().send(client, "late"), 4);
  EXPECT_EQ(ws().result(server, overlap, true), 4);
  EXPECT_TRUE(overlap.is_signalled());
  ASSERT_EQ(count, 1u);
  std::vector<WSABUF> lent(array, array + 1);
  EXPECT_EQ(std::string(lent[0].buf, lent[0].len), "late");
  EXPECT_EQ(lender->give_back(lent), 0);
}

TEST_P(Recv_Z2, AnOverlappedLoanCallsItsRoutine) {
  static DWORD n_done;
  n_done = 0;
  WSABUF array[4] = {};
  DWORD count = 4, flags = 0;
  INT error = 0;
  WSAOVERLAPPED overlapped{};
  const auto on_done = [](DWORD, DWORD n, LPWSAOVERLAPPED, DWORD) { n_done = n; };
  ASSERT_EQ(ws().send(client, "there"), 5);
  ASSERT_TRUE(ws().is_ready(server, 'r', 20'000));
  ASSERT_EQ(lender->recv_loan(server, array, &count, nullptr, &flags, nullptr, nullptr, &overlapped,
                              on_done, nullptr, &error),
            0);
  EXPECT_EQ(count, 1u);
  EXPECT_EQ(n_done, 0u);
  EXPECT_EQ(SleepEx(0, TRUE), DWORD{WAIT_IO_COMPLETION});
  EXPECT_EQ(n_done, 5u);
  std::vector<WSABUF> lent(array, array + 1);
  EXPECT_EQ(lender->give_back(lent), 0);
}

TEST_P(Recv_Z2_Datagrams, ADatagramComesWithItsSource) {
  const SOCKET to = ws().datagram(family()), from = ws().datagram(family());
  ASSERT_EQ(ws().bind(to, Address::loopback(family())), 0);
  ASSERT_EQ(ws().bind(from, Address::loopback(family())), 0);
  const std::string fragmented(5'000, 'f');
  ASSERT_EQ(ws().send_to(from, fragmented, ws().name_of(to)), 5'000);
  Lent narrow = lender->borrow(to, 1);
  EXPECT_EQ(narrow.error, WSAEMSGSIZE);
  ASSERT_GT(narrow.count, 1u);
  Lent lent = lender->borrow(to, narrow.count, 0, true);
  ASSERT_EQ(lent.result, 0) << lent.error;
  EXPECT_TRUE(lent.text() == fragmented);
  EXPECT_EQ(lent.from, ws().name_of(from));
  EXPECT_EQ(lender->give_back(lent.buffers), 0);
}

TEST_P(Recv_Z2, MemoryThatIsNotThereIsRefusedAndTakesNothing) {  // contract: E6
  ASSERT_EQ(ws().send(client, "x"), 1);
  void* const page = mmap(nullptr, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  auto* const read_only = static_cast<WSABUF*>(page);
  auto* const wild = reinterpret_cast<WSABUF*>(16);
  WSABUF good[2] = {};
  INT error = 0;
  const auto expect_fault = [&](WSABUF* array, DWORD* count, DWORD* n, DWORD* flags,
                                WS_sockaddr* from, INT* length) {
    error = 0;
    EXPECT_EQ(lender->recv_loan(server, array, count, n, flags, from, length, nullptr, nullptr,
                                nullptr, &error),
              SOCKET_ERROR);
    EXPECT_EQ(error, WSAEFAULT);
  };
  DWORD count = 2, n = 0, flags = 0;
  auto* const wild_dword = reinterpret_cast<DWORD*>(wild);
  Address from;
  expect_fault(nullptr, &count, &n, &flags, nullptr, nullptr);
  expect_fault(read_only, &count, &n, &flags, nullptr, nullptr);
  expect_fault(good, nullptr, &n, &flags, nullptr, nullptr);
  expect_fault(good, wild_dword, &n, &flags, nullptr, nullptr);
  expect_fault(good, &count, nullptr, &flags, nullptr, nullptr);
  expect_fault(good, &count, &n, wild_dword, nullptr, nullptr);
  expect_fault(good, &count, &n, &flags, from.get(), nullptr);
  EXPECT_EQ(count, 2u);
  for (WSABUF* const array : {static_cast<WSABUF*>(nullptr), read_only, wild}) {
    EXPECT_EQ(lender->return_loan(array, 2, &error), SOCKET_ERROR);
    EXPECT_EQ(error, WSAEFAULT);
  }
  EXPECT_EQ(lender->return_loan(nullptr, 0, &error), 0);
  munmap(page, 4096);
  EXPECT_EQ(ws().recv(server), "x");
}

class Recv_Z4 : public Recv_Z2 {};
MILLRACE_ALL_SPI_CONNECTIONS(Recv_Z4);

TEST_P(Recv_Z4, WhoHoldsAWholeWindowIsRefusedWhileAnotherConnectionGoesOn) {
  const auto [other_client, other_server] = ws().pair(kind());
  ASSERT_EQ(ws().set_nonblocking(client), 0);
  const std::string block(10'000, 'b');
  size_t sent = 0, held_bytes = 0;
  std::vector<WSABUF> held;
  Lent lent;
  ASSERT_EQ(ws().set_nonblocking(server), 0);
  // The last bytes of the window come when the sender's persist timer says so.
  EXPECT_TRUE(eventually([&] {
    if (const int n = ws().send(client, block); n > 0) sent += static_cast<size_t>(n);
    lent = lender->borrow(server);
    EXPECT_TRUE(lent.result == 0 || lent.error == WSAENOBUFS || lent.error == WSAEWOULDBLOCK);
    held_bytes += lent.n_bytes;
    held.insert(held.end(), lent.buffers.begin(), lent.buffers.end());
    return lent.error == WSAENOBUFS;
  }));
  ASSERT_EQ(ws().set_nonblocking(server, false), 0);
  EXPECT_EQ(lender->borrow(server).error, WSAENOBUFS) << "a blocking call would wait for itself";
  EXPECT_EQ(ws().send(other_client, "go on"), 5);
  Lent others = lender->borrow(other_server);
  EXPECT_EQ(others.text(), "go on");
  EXPECT_EQ(lender->give_back(others.buffers), 0);
  EXPECT_EQ(lender->give_back(held), 0);
  while (held_bytes < sent) {
    const std::string part = ws().recv(server, 65536, MSG_PARTIAL);  // the last one may not be whole
    ASSERT_FALSE(part.empty());
    held_bytes += part.size();
  }
  EXPECT_EQ(held_bytes, sent);
}

}  // namespace
}  // namespace millrace::test
