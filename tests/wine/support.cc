// SPDX-License-Identifier: BSD-3-Clause
// Sockets, transfers and waits of the probes.
#include <cstring>
#include <set>
#include <utility>

#include "tests/wine/probe.h"

namespace probe {
namespace {

std::set<SOCKET> kept;

}  // namespace

SOCKET keep(SOCKET s) {
  if (s != INVALID_SOCKET) kept.insert(s);
  return s;
}

void close_all() {
  for (const SOCKET s : kept) closesocket(s);
  kept.clear();
}

SOCKET tcp() { return keep(socket(family(), SOCK_STREAM, 0)); }
SOCKET udp() { return keep(socket(family(), SOCK_DGRAM, 0)); }

Address::Address() { std::memset(&storage, 0, sizeof storage); }

u_short Address::port() const {
  return ntohs(
      reinterpret_cast<const sockaddr_in*>(&storage)->sin_port);  // both families have it there
}
void Address::set_port(u_short port) {
  reinterpret_cast<sockaddr_in*>(&storage)->sin_port = htons(port);
}

bool Address::is_local() const {
  Address other = local(port());
  return storage.ss_family == other.storage.ss_family &&
         (family() == AF_INET
              ? reinterpret_cast<const sockaddr_in*>(&storage)->sin_addr.s_addr ==
                    reinterpret_cast<const sockaddr_in*>(&other.storage)->sin_addr.s_addr
              : std::memcmp(&reinterpret_cast<const sockaddr_in6*>(&storage)->sin6_addr,
                            &reinterpret_cast<const sockaddr_in6*>(&other.storage)->sin6_addr,
                            16) == 0);
}

Address wildcard(u_short port) {
  Address address;
  address.storage.ss_family = local().storage.ss_family;
  address.length = local().length;
  address.set_port(port);
  return address;
}

Address name_of(SOCKET s) {
  Address address;
  getsockname(s, address.get(), &address.length);
  return address;
}

SOCKET bound(SOCKET s) {
  Address address = local();
  bind(s, address.get(), address.length);
  return s;
}

SOCKET listening() {
  const SOCKET s = bound(tcp());
  listen(s, 5);
  return s;
}

Address nobody() {
  const SOCKET s = bound(tcp());
  const Address address = name_of(s);
  closesocket(s);
  kept.erase(s);
  return address;
}

Pair connected() {
  const SOCKET listener = listening();
  const SOCKET a = tcp();
  Address to = name_of(listener);
  connect(a, to.get(), to.length);
  const SOCKET b = keep(accept(listener, nullptr, nullptr));
  closesocket(listener);
  kept.erase(listener);
  return {a, b};
}

Pair datagrams_pair() {
  const Pair pair{bound(udp()), bound(udp())};
  Address a = name_of(pair.a);
  Address b = name_of(pair.b);
  connect(pair.a, b.get(), b.length);
  connect(pair.b, a.get(), a.length);
  return pair;
}

void nonblocking(SOCKET s, bool on) {
  u_long value = on ? 1 : 0;
  ioctlsocket(s, static_cast<LONG>(FIONBIO), &value);
}

void reset(SOCKET s) {
  const linger at_once{1, 0};
  setsockopt(s, SOL_SOCKET, SO_LINGER, reinterpret_cast<const char*>(&at_once), sizeof at_once);
  closesocket(s);
  kept.erase(s);
}

int put(SOCKET s, const char* text) {
  return send(s, text, static_cast<int>(std::strlen(text)), 0);
}

int put_to(SOCKET s, const char* text, Address to) {
  return sendto(s, text, static_cast<int>(std::strlen(text)), 0, to.get(), to.length);
}

std::string got(SOCKET s, int room, int flags) {
  char memory[256];
  const int n = recv(s, memory, room, flags);
  return n < 0 ? rc(n) : '"' + std::string(memory, static_cast<size_t>(n)) + '"';
}

bool is_ready(SOCKET s, char what, int timeout_ms) {
  fd_set set;
  FD_ZERO(&set);
  FD_SET(s, &set);
  timeval patience{timeout_ms / 1000, timeout_ms % 1000 * 1000};
  return select(0, what == 'r' ? &set : nullptr, what == 'w' ? &set : nullptr,
                what == 'x' ? &set : nullptr, &patience) == 1;
}

bool soon(const std::function<bool()>& condition) {
  for (int i = 0; i < 1000; ++i) {
    if (condition()) return true;
    Sleep(2);
  }
  return condition();
}

void settle() { Sleep(60); }

std::string signal_of(HANDLE event, DWORD timeout_ms) {
  return WaitForSingleObject(event, timeout_ms) == WAIT_OBJECT_0 ? "signalled" : "not";
}

Operation::Operation(bool with_event) {
  if (with_event) overlapped.hEvent = WSACreateEvent();
}
Operation::~Operation() {
  if (overlapped.hEvent != nullptr) WSACloseEvent(overlapped.hEvent);
}

int Operation::recv(SOCKET s, ULONG room, LPWSAOVERLAPPED_COMPLETION_ROUTINE routine) {
  WSABUF one{room, memory};
  flags = 0;
  return WSARecv(s, &one, 1, &bytes, &flags, &overlapped, routine);
}

int Operation::send(SOCKET s, const char* text) {
  WSABUF one{static_cast<ULONG>(std::strlen(text)), const_cast<char*>(text)};
  return WSASend(s, &one, 1, &bytes, 0, &overlapped, nullptr);
}

ULONG_PTR Operation::status() const {
  return *static_cast<const volatile ULONG_PTR*>(reinterpret_cast<const ULONG_PTR*>(&overlapped));
}

std::string Operation::result(SOCKET s) {
  DWORD n = 0xdeadbeef;
  DWORD out = 0;
  if (!WSAGetOverlappedResult(s, &overlapped, &n, FALSE, &out)) {
    return error_name(static_cast<DWORD>(WSAGetLastError()));
  }
  return std::to_string(n);
}

std::string Operation::finished(SOCKET s) {
  soon([this] { return !is_pending(); });
  return result(s);
}

std::string option(SOCKET s, int level, int name) {
  int value = 0;
  int length = sizeof value;
  const int result = getsockopt(s, level, name, reinterpret_cast<char*>(&value), &length);
  return result == 0 ? std::to_string(value) : rc(result);
}

std::string set_option(SOCKET s, int level, int name, const void* value, int length) {
  return rc(setsockopt(s, level, name, static_cast<const char*>(value), length));
}
std::string set_option(SOCKET s, int level, int name, int value) {
  return set_option(s, level, name, &value, sizeof value);
}

DWORD WINAPI Thread::enter(LPVOID self) {
  Thread& thread = *static_cast<Thread*>(self);
  SetEvent(thread.begun_);
  thread.run_();
  return 0;
}

Thread::Thread(std::function<void()> run)
    : run_(std::move(run)), begun_(CreateEvent(nullptr, TRUE, FALSE, nullptr)) {
  handle_ = CreateThread(nullptr, 0, enter, this, 0, nullptr);
  WaitForSingleObject(begun_, INFINITE);
}

void Thread::join() {
  if (handle_ == nullptr) return;
  WaitForSingleObject(handle_, INFINITE);
  CloseHandle(handle_);
  CloseHandle(begun_);
  handle_ = nullptr;
}

bool Thread::ends() { return WaitForSingleObject(handle_, 2000) == WAIT_OBJECT_0; }

}  // namespace probe
