// SPDX-License-Identifier: BSD-3-Clause
// WSPStartup and WSPCleanup: versions, the reference count, what the table holds, whose upcalls are
// used, and that everything can be started again. These tests start the provider themselves.
#include <array>
#include <atomic>
#include <bit>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "tests/support/spi.h"

namespace millrace::test {
namespace {

constexpr size_t kProcedures = sizeof(WSPPROC_TABLE) / sizeof(void*);

int start_up(WORD version, WSPDATA* data, WSPPROC_TABLE* table,
             const WSPUPCALLTABLE& upcalls = WSPUPCALLTABLE{}) {
  WSAPROTOCOL_INFOW info{};
  return WSPStartup(version, data, &info, upcalls, table);
}

int clean_up(const WSPPROC_TABLE& table) {
  INT error = 0;
  return table.lpWSPCleanup(&error) == 0 ? 0 : error;
}

struct Version {
  WORD requested;
  int result;
  WORD agreed;
};

class Spi_Startup_Versions : public testing::TestWithParam<Version> {};

TEST_P(Spi_Startup_Versions, AreAgreedOnAsDocumented) {  // winsock-rules 3
  WSPDATA data{};
  WSPPROC_TABLE table{};
  ASSERT_EQ(start_up(GetParam().requested, &data, &table), GetParam().result);
  if (GetParam().result != 0) {
    EXPECT_EQ(table.lpWSPSocket, nullptr);
    return;
  }
  EXPECT_EQ(data.wVersion, GetParam().agreed);
  EXPECT_EQ(data.wHighVersion, MAKEWORD(2, 2));
  EXPECT_NE(data.szDescription[0], u'\0');
  EXPECT_EQ(clean_up(table), 0);
}

INSTANTIATE_TEST_SUITE_P(All, Spi_Startup_Versions,
                         testing::Values(Version{MAKEWORD(0, 0), WSAVERNOTSUPPORTED, 0},
                                         Version{MAKEWORD(1, 1), WSAVERNOTSUPPORTED, 0},
                                         Version{MAKEWORD(1, 9), WSAVERNOTSUPPORTED, 0},
                                         Version{MAKEWORD(2, 1), WSAVERNOTSUPPORTED, 0},
                                         Version{MAKEWORD(2, 2), 0, MAKEWORD(2, 2)},
                                         Version{MAKEWORD(2, 3), 0, MAKEWORD(2, 2)},
                                         Version{MAKEWORD(3, 0), 0, MAKEWORD(2, 2)},
                                         Version{MAKEWORD(255, 255), 0, MAKEWORD(2, 2)}),
                         [](const auto& test) {
                           return "v" + std::to_string(LOBYTE(test.param.requested)) + "_" +
                                  std::to_string(HIBYTE(test.param.requested));
                         });

TEST(Spi_Startup, NullArgumentsAreFaults) {  // winsock-rules 2
  WSPDATA data{};
  WSPPROC_TABLE table{};
  EXPECT_EQ(start_up(MAKEWORD(2, 2), nullptr, &table), WSAEFAULT);
  EXPECT_EQ(start_up(MAKEWORD(2, 2), &data, nullptr), WSAEFAULT);
  EXPECT_TRUE(counters().empty()) << "it has started all the same";
}

TEST(Spi_Startup, FillsEveryEntryOfTheTable) {  // winsock-rules 1
  WSPDATA data{};
  WSPPROC_TABLE table{};
  ASSERT_EQ(start_up(MAKEWORD(2, 2), &data, &table), 0);
  const auto entries = std::bit_cast<std::array<void*, kProcedures>>(table);
  for (size_t i = 0; i < kProcedures; ++i) EXPECT_NE(entries[i], nullptr) << i;
  EXPECT_EQ(clean_up(table), 0);
}

TEST(Spi_Startup, CountsAndOnlyTheLastCleanupEnds) {  // winsock-rules 4, 7
  WSPDATA data{};
  WSPPROC_TABLE first{}, second{};
  ASSERT_EQ(start_up(MAKEWORD(2, 2), &data, &first), 0);
  ASSERT_EQ(start_up(MAKEWORD(2, 2), &data, &second), 0);
  Winsock ws(first);
  const auto [client, server] = ws.pair(WS_AF_INET);
  EXPECT_EQ(clean_up(first), 0);
  EXPECT_EQ(ws.send(client, "still there"), 11);
  EXPECT_EQ(ws.recv(server), "still there");
  EXPECT_EQ(clean_up(second), 0);
  EXPECT_EQ(clean_up(first), WSANOTINITIALISED);
  EXPECT_TRUE(counters().empty());
}

TEST(Spi_Startup, AFailedStartupDoesNotCount) {
  WSPDATA data{};
  WSPPROC_TABLE table{};
  ASSERT_EQ(start_up(MAKEWORD(2, 2), &data, &table), 0);
  EXPECT_EQ(start_up(MAKEWORD(1, 1), &data, &table), WSAVERNOTSUPPORTED);
  EXPECT_EQ(clean_up(table), 0);
  EXPECT_EQ(clean_up(table), WSANOTINITIALISED);
}

TEST(Spi_Startup, ABadConfigurationIsNotReadyAndCanBeMended) {
  WSPDATA data{};
  WSPPROC_TABLE table{};
  const char* const before = std::getenv("MILLRACE_CONFIG");
  const std::string right = before == nullptr ? "" : before;  // empty: the embedded loopback
  setenv("MILLRACE_CONFIG", "/nonexistent/millrace.toml", 1);
  testing::internal::CaptureStderr();
  EXPECT_EQ(start_up(MAKEWORD(2, 2), &data, &table), WSASYSNOTREADY);
  const std::string log = testing::internal::GetCapturedStderr();
  EXPECT_NE(log.find("/nonexistent/millrace.toml"), std::string::npos) << log;
  EXPECT_EQ(std::count(log.begin(), log.end(), '\n'), 1) << log;
  setenv("MILLRACE_CONFIG", right.c_str(), 1);
  ASSERT_EQ(start_up(MAKEWORD(2, 2), &data, &table), 0);
  EXPECT_EQ(clean_up(table), 0);
}

TEST(Spi_Startup, SocketsBeyondMaxSocketsAreRefusedAndTheRestGoOn) {
  const std::string path = testing::TempDir() + "millrace_max_sockets.toml";
  std::ofstream(path) << "[stack]\nmax_sockets = 4\n";
  setenv("MILLRACE_CONFIG", path.c_str(), 1);
  WSPDATA data{};
  WSPPROC_TABLE table{};
  ASSERT_EQ(start_up(MAKEWORD(2, 2), &data, &table), 0);
  unsetenv("MILLRACE_CONFIG");
  std::remove(path.c_str());
  Winsock ws(table);
  const auto [client, server] = ws.pair(WS_AF_INET);
  std::vector<SOCKET> more;
  const auto make = [&] {
    return table.lpWSPSocket(WS_AF_INET, WS_SOCK_DGRAM, 0, nullptr, 0, 0, &ws.error);
  };
  SOCKET s = INVALID_SOCKET;
  while ((s = make()) != INVALID_SOCKET) more.push_back(s);
  EXPECT_EQ(ws.error, WSAENOBUFS);
  ASSERT_FALSE(more.empty());
  EXPECT_LE(more.size(), 2u);
  EXPECT_EQ(ws.send(client, "goes on"), 7);
  EXPECT_EQ(ws.recv(server), "goes on");
  EXPECT_EQ(table.lpWSPCloseSocket(more.back(), &ws.error), 0);
  EXPECT_NE(make(), INVALID_SOCKET);
  EXPECT_EQ(clean_up(table), 0);
}

TEST(Spi_Startup, WorksAgainAtOnceAfterTheEnd) {
  for (int round = 0; round < 3; ++round) {
    WSPDATA data{};
    WSPPROC_TABLE table{};
    ASSERT_EQ(start_up(MAKEWORD(2, 2), &data, &table), 0);
    Winsock ws(table);
    const auto [client, server] = ws.pair(round % 2 == 0 ? WS_AF_INET : WS_AF_INET6);
    EXPECT_EQ(ws.send(server, "hello"), 5);
    EXPECT_EQ(ws.recv(client), "hello");
    EXPECT_EQ(clean_up(table), 0);  // with sockets open
    EXPECT_EQ(ws.send(server, "x"), SOCKET_ERROR);
    EXPECT_EQ(ws.error, WSANOTINITIALISED);
  }
}

// winsock-rules 6: with no event and no routine; the WSAOVERLAPPED itself ends as aborted.
TEST(Spi_Startup, TheLastCleanupAbortsWhatIsPendingWithoutASignal) {
  WSPDATA data{};
  WSPPROC_TABLE table{};
  ASSERT_EQ(start_up(MAKEWORD(2, 2), &data, &table), 0);
  Winsock ws(table);
  const auto [client, server] = ws.pair(WS_AF_INET);
  Overlap receive(10);
  ASSERT_EQ(ws.post_recv(server, receive), SOCKET_ERROR);
  ASSERT_EQ(ws.error, WSA_IO_PENDING);
  EXPECT_EQ(clean_up(table), 0);
  EXPECT_FALSE(receive.is_signalled());
  EXPECT_NE(receive.overlapped.Internal, WSS_OPERATION_IN_PROGRESS);
}

TEST(Spi_Startup, WithoutItEveryProcedureSaysSo) {
  WSPDATA data{};
  WSPPROC_TABLE t{};
  ASSERT_EQ(start_up(MAKEWORD(2, 2), &data, &t), 0);
  Winsock ws(t);
  const SOCKET s = ws.stream(WS_AF_INET);
  ASSERT_EQ(clean_up(t), 0);
  const Address address = Address::loopback(WS_AF_INET, 1);
  const auto expect_not_initialised = [](const char* what, auto&& call) {
    INT error = 0;
    call(&error);
    EXPECT_EQ(error, WSANOTINITIALISED) << what;
  };
  Address out;
  CHAR option[16] = {};
  INT length = sizeof option;
  DWORD n = 0, flags = 0;
  WSABUF buffer{sizeof option, option};
  WSAOVERLAPPED overlapped{};
  WS_fd_set set{1, {s}};
  expect_not_initialised("WSPSocket", [&](INT* e) {
    EXPECT_EQ(t.lpWSPSocket(WS_AF_INET, WS_SOCK_STREAM, 0, nullptr, 0, 0, e), INVALID_SOCKET);
  });
  expect_not_initialised("WSPBind",
                         [&](INT* e) { t.lpWSPBind(s, address.get(), address.length, e); });
  expect_not_initialised("WSPListen", [&](INT* e) { t.lpWSPListen(s, 1, e); });
  expect_not_initialised("WSPAccept", [&](INT* e) {
    EXPECT_EQ(t.lpWSPAccept(s, nullptr, nullptr, nullptr, 0, e), INVALID_SOCKET);
  });
  expect_not_initialised("WSPConnect", [&](INT* e) {
    t.lpWSPConnect(s, address.get(), address.length, nullptr, nullptr, nullptr, nullptr, e);
  });
  expect_not_initialised("WSPShutdown", [&](INT* e) { t.lpWSPShutdown(s, SD_BOTH, e); });
  expect_not_initialised("WSPCloseSocket", [&](INT* e) { t.lpWSPCloseSocket(s, e); });
  expect_not_initialised("WSPGetSockName",
                         [&](INT* e) { t.lpWSPGetSockName(s, out.get(), &out.length, e); });
  expect_not_initialised("WSPGetPeerName",
                         [&](INT* e) { t.lpWSPGetPeerName(s, out.get(), &out.length, e); });
  expect_not_initialised("WSPGetSockOpt", [&](INT* e) {
    t.lpWSPGetSockOpt(s, WS_SOL_SOCKET, WS_SO_TYPE, option, &length, e);
  });
  expect_not_initialised("WSPSetSockOpt", [&](INT* e) {
    t.lpWSPSetSockOpt(s, WS_SOL_SOCKET, WS_SO_RCVBUF, option, 4, e);
  });
  expect_not_initialised("WSPIoctl", [&](INT* e) {
    t.lpWSPIoctl(s, WS_FIONBIO, option, 4, nullptr, 0, &n, nullptr, nullptr, nullptr, e);
  });
  expect_not_initialised("WSPRecv", [&](INT* e) {
    t.lpWSPRecv(s, &buffer, 1, &n, &flags, nullptr, nullptr, nullptr, e);
  });
  expect_not_initialised("WSPRecvFrom", [&](INT* e) {
    t.lpWSPRecvFrom(s, &buffer, 1, &n, &flags, nullptr, nullptr, nullptr, nullptr, nullptr, e);
  });
  expect_not_initialised(
      "WSPSend", [&](INT* e) { t.lpWSPSend(s, &buffer, 1, &n, 0, nullptr, nullptr, nullptr, e); });
  expect_not_initialised("WSPSendTo", [&](INT* e) {
    t.lpWSPSendTo(s, &buffer, 1, &n, 0, address.get(), address.length, nullptr, nullptr, nullptr,
                  e);
  });
  expect_not_initialised("WSPGetOverlappedResult", [&](INT* e) {
    EXPECT_FALSE(t.lpWSPGetOverlappedResult(s, &overlapped, &n, FALSE, &flags, e));
  });
  expect_not_initialised("WSPSelect",
                         [&](INT* e) { t.lpWSPSelect(0, &set, nullptr, nullptr, nullptr, e); });
}

// ---- upcalls ----

/// A stand-in for ws2_32: handles of its own, and a count of what the provider asked.
struct Host {
  static constexpr SOCKET kFirst = 0x1000;
  std::map<SOCKET, DWORD_PTR> contexts;
  std::map<SOCKET, DWORD> catalog_entries;
  SOCKET next = kFirst;
  bool refuses = false;
  std::atomic<int> n_set_events{0};
  std::atomic<int> n_reset_events{0};
  HANDLE last_event = nullptr;
};
Host* host = nullptr;

WSPUPCALLTABLE host_upcalls() {
  WSPUPCALLTABLE table{};
  table.lpWPUCreateSocketHandle = [](DWORD entry, DWORD_PTR context, LPINT error) -> SOCKET {
    if (host->refuses) {
      *error = WSAENOBUFS;
      return INVALID_SOCKET;
    }
    const SOCKET s = host->next += 4;
    host->contexts[s] = context;
    host->catalog_entries[s] = entry;
    return s;
  };
  table.lpWPUCloseSocketHandle = [](SOCKET s, LPINT) {
    EXPECT_EQ(host->contexts.erase(s), 1u);
    return 0;
  };
  table.lpWPUQuerySocketHandleContext = [](SOCKET s, PDWORD_PTR context, LPINT error) {
    const auto it = host->contexts.find(s);
    if (it == host->contexts.end()) {
      *error = WSAENOTSOCK;
      return SOCKET_ERROR;
    }
    *context = it->second;
    return 0;
  };
  table.lpWPUSetEvent = [](WSAEVENT event, LPINT) -> BOOL {
    host->last_event = event;
    ++host->n_set_events;
    return TRUE;
  };
  table.lpWPUResetEvent = [](WSAEVENT, LPINT) -> BOOL {
    ++host->n_reset_events;
    return TRUE;
  };
  return table;
}

class Spi_Upcalls : public testing::Test {
 protected:
  void SetUp() override {
    host_ = std::make_unique<Host>();
    host = host_.get();
    WSPDATA data{};
    WSPPROC_TABLE table{};
    ASSERT_EQ(start_up(MAKEWORD(2, 2), &data, &table, host_upcalls()), 0);
    ws_ = std::make_unique<Winsock>(table);
  }
  void TearDown() override {
    EXPECT_EQ(clean_up(ws_->table), 0);
    host = nullptr;
  }
  std::unique_ptr<Host> host_;
  std::unique_ptr<Winsock> ws_;
};

TEST_F(Spi_Upcalls, NameEverySocketAcceptedOnesToo) {  // winsock-rules 9, 10
  const auto [client, server] = ws_->pair(WS_AF_INET);
  EXPECT_EQ(host->contexts.size(), 2u);
  EXPECT_TRUE(host->contexts.count(client));
  EXPECT_TRUE(host->contexts.count(server));
  EXPECT_EQ(host->catalog_entries[client], host->catalog_entries[server]);
  EXPECT_EQ(ws_->send(client, "by another name"), 15);
  EXPECT_EQ(ws_->recv(server), "by another name");
  EXPECT_EQ(ws_->close(client), 0);
  EXPECT_EQ(ws_->close(server), 0);
  EXPECT_TRUE(host->contexts.empty());
}

TEST_F(Spi_Upcalls, TellTheCatalogEntry) {
  std::vector<DWORD> entries;
  for (const int family : {WS_AF_INET, WS_AF_INET6}) {
    for (const int type : {WS_SOCK_STREAM, WS_SOCK_DGRAM}) {
      const SOCKET s = ws_->socket(family, type);
      entries.push_back(host->catalog_entries[s]);
      EXPECT_EQ(ws_->close(s), 0);
    }
  }
  std::sort(entries.begin(), entries.end());
  EXPECT_EQ(std::unique(entries.begin(), entries.end()), entries.end());
}

TEST_F(Spi_Upcalls, WhatTheyDoNotKnowIsNotASocket) {
  const SOCKET s = ws_->stream(WS_AF_INET);
  EXPECT_EQ(ws_->close(s + 4), SOCKET_ERROR);
  EXPECT_EQ(ws_->error, WSAENOTSOCK);
  EXPECT_EQ(ws_->close(static_cast<SOCKET>(host->contexts[s])), SOCKET_ERROR);
  EXPECT_EQ(ws_->error, WSAENOTSOCK);
  EXPECT_EQ(ws_->close(s), 0);
}

TEST_F(Spi_Upcalls, RefusingAHandleFailsTheCallAndLeavesNothing) {
  const auto [l, address] = ws_->listener(WS_AF_INET);
  const SOCKET client = ws_->stream(WS_AF_INET);
  ASSERT_EQ(ws_->connect(client, address), 0);
  host->refuses = true;
  EXPECT_EQ(ws_->stream(WS_AF_INET), INVALID_SOCKET);
  EXPECT_EQ(ws_->error, WSAENOBUFS);
  EXPECT_EQ(ws_->accept(l), INVALID_SOCKET);
  EXPECT_EQ(ws_->error, WSAENOBUFS);
  host->refuses = false;
  EXPECT_EQ(ws_->recv(client), "");
  EXPECT_EQ(ws_->error, WSAECONNRESET) << "the connection that got no handle is reset";
}

TEST_F(Spi_Upcalls, SetTheEventOfACompletion) {
  const auto [client, server] = ws_->pair(WS_AF_INET);
  char memory[10];
  WSABUF buffer{sizeof memory, memory};
  DWORD n = 0, flags = 0;
  WSAOVERLAPPED overlapped{};
  overlapped.hEvent = reinterpret_cast<HANDLE>(uintptr_t{0x5551});  // low bit: winsock-rules 51
  const int before = host->n_reset_events;
  ASSERT_EQ(ws_->table.lpWSPRecv(server, &buffer, 1, &n, &flags, &overlapped, nullptr, nullptr,
                                 &ws_->error),
            SOCKET_ERROR);
  ASSERT_EQ(ws_->error, WSA_IO_PENDING);
  EXPECT_EQ(host->n_reset_events, before + 1);
  EXPECT_EQ(ws_->send(client, "x"), 1);
  EXPECT_TRUE(
      ws_->table.lpWSPGetOverlappedResult(server, &overlapped, &n, TRUE, &flags, &ws_->error));
  EXPECT_TRUE(eventually([] { return host->n_set_events == 1; }));
  EXPECT_EQ(host->last_event, reinterpret_cast<HANDLE>(uintptr_t{0x5550}));
}

TEST_F(Spi_Upcalls, OfTheLatestStartupAreUsed) {  // winsock-rules 4
  WSPDATA data{};
  WSPPROC_TABLE table{};
  ASSERT_EQ(start_up(MAKEWORD(2, 2), &data, &table), 0);  // our own
  const SOCKET s = ws_->stream(WS_AF_INET);
  EXPECT_TRUE(host->contexts.empty());
  EXPECT_EQ(ws_->close(s), 0);
  EXPECT_EQ(clean_up(table), 0);
}

}  // namespace
}  // namespace millrace::test
