// SPDX-License-Identifier: BSD-3-Clause
#include "tests/support/spi.h"

#include <arpa/inet.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <memory>
#include <mutex>
#include <set>
#include <stdexcept>
#include <thread>

#define MILLRACE_USE_WS_PREFIX
#include "millrace/counters.h"
#include "winsock2.h"

namespace millrace::test {
namespace {

constexpr DWORD kUntouched = 0xdeadbeef;

/// Every socket of the process that is open, whoever opened it.
class OpenSockets {
 public:
  SOCKET opened(SOCKET s) {
    const std::lock_guard guard(mutex_);
    if (s != INVALID_SOCKET) sockets_.insert(s);
    return s;
  }
  void closed(SOCKET s) {
    const std::lock_guard guard(mutex_);
    sockets_.erase(s);
  }
  std::set<SOCKET> take() {
    const std::lock_guard guard(mutex_);
    return std::exchange(sockets_, {});
  }

 private:
  std::mutex mutex_;
  std::set<SOCKET> sockets_;
};
OpenSockets open_sockets;

template <typename Sockaddr>
Sockaddr as(const WS_sockaddr* address) {
  Sockaddr copy;
  std::memcpy(&copy, address, sizeof copy);
  return copy;
}

WSABUF buffer_of(std::string_view text) {
  return {static_cast<ULONG>(text.size()), const_cast<CHAR*>(text.data())};
}

}  // namespace

Address Address::any(int family, uint16_t port) {
  return of(family == WS_AF_INET ? "0.0.0.0" : "::", port);
}

Address Address::loopback(int family, uint16_t port) {
  return of(family == WS_AF_INET ? "127.0.0.1" : "::1", port);
}

Address Address::of(const std::string& text, uint16_t port) {
  Address address;
  if (text.find(':') == std::string::npos) {
    WS_sockaddr_in v4{};
    v4.sin_family = WS_AF_INET;
    v4.sin_port = htons(port);
    EXPECT_EQ(inet_pton(AF_INET, text.c_str(), &v4.sin_addr), 1) << text;
    std::memcpy(address.get(), &v4, sizeof v4);
    address.length = sizeof v4;
  } else {
    WS_sockaddr_in6 v6{};
    v6.sin6_family = WS_AF_INET6;
    v6.sin6_port = htons(port);
    EXPECT_EQ(inet_pton(AF_INET6, text.c_str(), &v6.sin6_addr), 1) << text;
    std::memcpy(address.get(), &v6, sizeof v6);
    address.length = sizeof v6;
  }
  return address;
}

uint16_t Address::port() const { return ntohs(as<WS_sockaddr_in>(get()).sin_port); }

bool Address::operator==(const Address& other) const {
  if (get()->sa_family != other.get()->sa_family || port() != other.port()) return false;
  if (get()->sa_family == WS_AF_INET) {
    const auto mine = as<WS_sockaddr_in>(get()), theirs = as<WS_sockaddr_in>(other.get());
    return std::memcmp(&mine.sin_addr, &theirs.sin_addr, 4) == 0;
  }
  const auto mine = as<WS_sockaddr_in6>(get()), theirs = as<WS_sockaddr_in6>(other.get());
  return std::memcmp(&mine.sin6_addr, &theirs.sin6_addr, 16) == 0;
}

void PrintTo(const Address& address, std::ostream* out) {
  char text[INET6_ADDRSTRLEN] = "no address";
  if (address.get()->sa_family == WS_AF_INET) {
    const auto v4 = as<WS_sockaddr_in>(address.get());
    inet_ntop(AF_INET, &v4.sin_addr, text, sizeof text);
  } else if (address.get()->sa_family == WS_AF_INET6) {
    const auto v6 = as<WS_sockaddr_in6>(address.get());
    inet_ntop(AF_INET6, &v6.sin6_addr, text, sizeof text);
  }
  *out << text << " port " << address.port();
}

std::string name_of(const ConnectionKind& kind) {
  std::string name = kind.type == WS_SOCK_SEQPACKET ? "sctp_" : "";
  return name += kind.family == WS_AF_INET ? "v4" : "v6";
}

void PrintTo(const ConnectionKind& kind, std::ostream* out) { *out << name_of(kind); }

std::vector<ConnectionKind> connection_kinds() {
  std::vector<ConnectionKind> kinds = {WS_AF_INET, WS_AF_INET6};
  INT sctp[] = {WS_IPPROTO_SCTP, 0};
  DWORD length = 0;
  INT why = 0;
  (void)WSCEnumProtocols(sctp, nullptr, &length, &why);
  if (length != 0) kinds.insert(kinds.end(), {{WS_AF_INET, WS_SOCK_SEQPACKET}, {WS_AF_INET6, WS_SOCK_SEQPACKET}});
  return kinds;
}

Overlap::Overlap(size_t room) : memory(room) { overlapped.hEvent = WSACreateEvent(); }

Overlap::~Overlap() { WSACloseEvent(overlapped.hEvent); }

bool Overlap::is_signalled() const {
  const WSAEVENT event = overlapped.hEvent;
  return WSAWaitForMultipleEvents(1, &event, FALSE, 0, FALSE) == WSA_WAIT_EVENT_0;
}

SOCKET Winsock::socket(int family, int type, DWORD flags) {
  error = 0;
  return open_sockets.opened(table.lpWSPSocket(family, type, 0, nullptr, 0, flags, &error));
}

SOCKET Winsock::socket_of(WSAPROTOCOL_INFOW info) {
  error = 0;
  return open_sockets.opened(table.lpWSPSocket(FROM_PROTOCOL_INFO, FROM_PROTOCOL_INFO,
                                               FROM_PROTOCOL_INFO, &info, 0, WSA_FLAG_OVERLAPPED,
                                               &error));
}

int Winsock::bind(SOCKET s, const Address& address) {
  error = 0;
  return table.lpWSPBind(s, address.get(), address.length, &error);
}

int Winsock::listen(SOCKET s, int backlog) {
  error = 0;
  return table.lpWSPListen(s, backlog, &error);
}

SOCKET Winsock::accept(SOCKET s, Address* from) {
  error = 0;
  return open_sockets.opened(
      from == nullptr ? table.lpWSPAccept(s, nullptr, nullptr, nullptr, 0, &error)
                      : table.lpWSPAccept(s, from->get(), &from->length, nullptr, 0, &error));
}

SOCKET Winsock::accept_if(SOCKET s, LPCONDITIONPROC condition, DWORD_PTR context) {
  error = 0;
  return open_sockets.opened(
      table.lpWSPAccept(s, nullptr, nullptr, condition, context, &error));
}

int Winsock::connect(SOCKET s, const Address& address) {
  error = 0;
  return table.lpWSPConnect(s, address.get(), address.length, nullptr, nullptr, nullptr, nullptr,
                            &error);
}

int Winsock::shutdown(SOCKET s, int how) {
  error = 0;
  return table.lpWSPShutdown(s, how, &error);
}

int Winsock::close(SOCKET s) {
  error = 0;
  const int result = table.lpWSPCloseSocket(s, &error);
  if (result == 0) open_sockets.closed(s);
  return result;
}

void Winsock::close_all() {
  for (const SOCKET s : open_sockets.take()) {
    set_nonblocking(s, false);
    const WS_linger reset{1, 0};
    table.lpWSPSetSockOpt(s, WS_SOL_SOCKET, WS_SO_LINGER, reinterpret_cast<const CHAR*>(&reset),
                          sizeof reset, &error);
    close(s);
  }
}

Address Winsock::name_of(SOCKET s) {
  error = 0;
  Address address;
  table.lpWSPGetSockName(s, address.get(), &address.length, &error);
  return address;
}

Address Winsock::peer_of(SOCKET s) {
  error = 0;
  Address address;
  table.lpWSPGetPeerName(s, address.get(), &address.length, &error);
  return address;
}

std::string Winsock::recv(SOCKET s, size_t room, DWORD flags) {
  error = 0;
  std::string bytes(room, '\0');
  WSABUF buffer = buffer_of(bytes);
  DWORD n = kUntouched;
  const int result = table.lpWSPRecv(s, &buffer, 1, &n, &flags, nullptr, nullptr, nullptr, &error);
  if (result == 0) {
    received_flags = flags;
    bytes.resize(n);
    return bytes;
  }
  EXPECT_EQ(result, SOCKET_ERROR);
  EXPECT_NE(error, 0);
  EXPECT_EQ(n, kUntouched) << "a failed call wrote a byte count";  // winsock-rules 26
  return {};
}

std::string Winsock::recv_from(SOCKET s, Address& from, size_t room) {
  error = 0;
  std::string bytes(room, '\0');
  WSABUF buffer = buffer_of(bytes);
  DWORD n = 0, flags = 0;
  from.length = sizeof(WS_sockaddr_storage);
  if (table.lpWSPRecvFrom(s, &buffer, 1, &n, &flags, from.get(), &from.length, nullptr, nullptr,
                          nullptr, &error) != 0) {
    return {};
  }
  bytes.resize(n);
  return bytes;
}

std::string Winsock::recv_all(SOCKET s, size_t n) {
  constexpr size_t kRoom = 256 * 1024;  // cleared for each call, however little comes
  std::string all;
  while (all.size() < n) {
    const std::string part = recv(s, std::min(n - all.size(), kRoom));
    if (part.empty()) break;
    all += part;
  }
  return all;
}

int Winsock::send(SOCKET s, std::string_view text, DWORD flags) {
  error = 0;
  WSABUF buffer = buffer_of(text);
  DWORD n = 0;
  const int result = table.lpWSPSend(s, &buffer, 1, &n, flags, nullptr, nullptr, nullptr, &error);
  return result == 0 ? static_cast<int>(n) : result;
}

int Winsock::send_to(SOCKET s, std::string_view text, const Address& to) {
  error = 0;
  WSABUF buffer = buffer_of(text);
  DWORD n = 0;
  const int result = table.lpWSPSendTo(s, &buffer, 1, &n, 0, to.get(), to.length, nullptr, nullptr,
                                       nullptr, &error);
  return result == 0 ? static_cast<int>(n) : result;
}

int Winsock::post_recv(SOCKET s, Overlap& overlap, DWORD flags) {
  error = 0;
  WSABUF buffer{static_cast<ULONG>(overlap.memory.size()), overlap.memory.data()};
  DWORD n = kUntouched;
  const int result =
      table.lpWSPRecv(s, &buffer, 1, &n, &flags, overlap.get(), nullptr, nullptr, &error);
  if (result != 0) {
    EXPECT_EQ(n, kUntouched);  // contract: C5
  }
  buffer = {0xffffffff, nullptr};  // contract: B8
  return result;
}

int Winsock::result(SOCKET s, Overlap& overlap, bool wait) {
  error = 0;
  DWORD n = 0;
  const BOOL ok = table.lpWSPGetOverlappedResult(s, overlap.get(), &n, wait ? TRUE : FALSE,
                                                 &overlap.flags, &error);
  return ok ? static_cast<int>(n) : SOCKET_ERROR;
}

std::string Winsock::finish(SOCKET s, Overlap& overlap) {
  const int n = result(s, overlap, true);
  return n < 0 ? std::string() : std::string(overlap.memory.data(), static_cast<size_t>(n));
}

int Winsock::set_option(SOCKET s, int level, int name, DWORD value) {
  error = 0;
  return table.lpWSPSetSockOpt(s, level, name, reinterpret_cast<const CHAR*>(&value), sizeof value,
                               &error);
}

int64_t Winsock::option(SOCKET s, int level, int name) {
  error = 0;
  DWORD value = 0;
  INT length = sizeof value;
  const int result =
      table.lpWSPGetSockOpt(s, level, name, reinterpret_cast<CHAR*>(&value), &length, &error);
  return result == 0 ? int64_t{value} : -1;
}

int Winsock::set_nonblocking(SOCKET s, bool on) {
  error = 0;
  WS_u_long value = on ? 1 : 0;
  DWORD n = 0;
  return table.lpWSPIoctl(s, WS_FIONBIO, &value, sizeof value, nullptr, 0, &n, nullptr, nullptr,
                          nullptr, &error);
}

int64_t Winsock::asked(SOCKET s, DWORD code) {
  error = 0;
  WS_u_long value = 0;
  DWORD n = 0;
  const int result = table.lpWSPIoctl(s, code, nullptr, 0, &value, sizeof value, &n, nullptr,
                                      nullptr, nullptr, &error);
  EXPECT_EQ(n, result == 0 ? sizeof value : 0u);
  return result == 0 ? int64_t{value} : -1;
}

int64_t Winsock::readable_bytes(SOCKET s) { return asked(s, WS_FIONREAD); }

int64_t Winsock::is_at_mark(SOCKET s) { return asked(s, WS_SIOCATMARK); }

bool Winsock::is_ready(SOCKET s, char what, LONG timeout_ms) {
  error = 0;
  WS_fd_set set{};
  WS_FD_SET(s, &set);
  WS_timeval timeout{timeout_ms / 1000, timeout_ms % 1000 * 1000};
  const int n = table.lpWSPSelect(0, what == 'r' ? &set : nullptr, what == 'w' ? &set : nullptr,
                                  what == 'x' ? &set : nullptr, &timeout, &error);
  return n == 1;
}

std::pair<SOCKET, Address> Winsock::listener(ConnectionKind kind) {
  const SOCKET s = socket(kind);
  EXPECT_EQ(bind(s, Address::loopback(kind.family)), 0) << error;
  EXPECT_EQ(listen(s), 0) << error;
  return {s, name_of(s)};
}

std::pair<SOCKET, SOCKET> Winsock::pair(ConnectionKind kind) {
  const auto [l, address] = listener(kind);
  const SOCKET client = socket(kind);
  EXPECT_EQ(connect(client, address), 0) << error;
  const SOCKET server = accept(l);
  EXPECT_NE(server, INVALID_SOCKET) << error;
  close(l);
  return {client, server};
}

SpiTest::SpiTest() = default;

void SpiTest::SetUp() {
  ws_ = std::make_unique<Winsock>(start());
  mbufs_at_start_ = counters()["mbufs_in_use"];
}

void SpiTest::TearDown() {
  if (ws_ == nullptr) return;
  ws().close_all();
  EXPECT_TRUE(eventually([this] { return counters()["mbufs_in_use"] <= mbufs_at_start_; }))
      << counters()["mbufs_in_use"] << " mbufs are still in use";
  INT error = 0;
  EXPECT_EQ(ws().table.lpWSPCleanup(&error), 0);
  EXPECT_EQ(ws().table.lpWSPCleanup(&error), SOCKET_ERROR) << "the test started it once more";
  EXPECT_EQ(error, WSANOTINITIALISED);
}

WSPPROC_TABLE SpiTest::start(const WSPUPCALLTABLE& upcalls) {
  WSPPROC_TABLE table{};
  WSPDATA data{};
  WSAPROTOCOL_INFOW info{};
  const int error = WSPStartup(MAKEWORD(2, 2), &data, &info, upcalls, &table);
  if (error != 0) throw std::runtime_error("WSPStartup failed: " + std::to_string(error));
  return table;
}

std::map<std::string, uint64_t> counters() {
  std::map<std::string, uint64_t> all;
  millrace_counters(
      [](void* context, const char* name, unsigned long long value) {
        (*static_cast<std::map<std::string, uint64_t>*>(context))[name] = value;
      },
      &all);
  return all;
}

bool eventually(const std::function<bool()>& condition) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::yield();
  }
  return true;
}

void wait_until_somebody_waits() {
  constexpr uint64_t kManyTurns = 100;  // a call that does not wait makes one or two
  const auto turns_of_callers = [] {
    auto now = counters();
    return now["turns"] - now["keeper_turns"];
  };
  const uint64_t before = turns_of_callers();
  EXPECT_TRUE(eventually([&] { return turns_of_callers() > before + kManyTurns; }))
      << "nobody waits";
}

}  // namespace millrace::test
