// SPDX-License-Identifier: BSD-3-Clause
// What probes of Winsock are written with. The same sources are compiled by mingw, for Wine, and
// natively, for millrace; each line that they print is one observation:
//
//   R32.nonblocking: WSAEWOULDBLOCK        the rule's number, what was tried, what came of it
//
// Invariant: a line never has an address, a handle or a time, so that two implementations of the
// same rules print the same lines. Written as a program for Windows is, with plain names.
#pragma once

// clang-format off
#include <winsock2.h>
#include <ws2tcpip.h>
#include <mswsock.h>
#include <mstcpip.h>
#include <windows.h>

#include <functional>
#include <string>
// clang-format on

namespace probe {

/// A topic is a function that makes observations. Each is listed once in probe.cc.
void startup();
void sockets();
void names();
void sharing();
void options();
void inherited_options();
void ioctls();
void receive();
void flags();
void overlapped();
void routines();
void events();
void ports();
void cancel();
void endings();
void datagrams();
void polls();
void accept_ex();
void connect_ex();
void pointers();
void texts();
void resolver();
void duplicates();
void objects();
void waitables();
void messages();

/// AF_INET or AF_INET6, by the address that the program was given.
int family();

// --- Observations --------------------------------------------------------------------------------
void say(const char* name, const std::string& value);
void say(const char* name, long long value);

/// "WSAEFAULT", "ERROR_NETNAME_DELETED"; a number when it has no name here. 0 is "0".
std::string error_name(DWORD code);
/// What a call returned: its number, or for -1 the name of WSAGetLastError().
std::string rc(long long result);
/// The same for calls that return a socket: "socket".
std::string rc_socket(SOCKET s);
/// And for those that return a BOOL: "TRUE".
std::string rc_bool(BOOL result);
/// What a call said whose pointers lead nowhere; "a crash" where it took them (Wine; natively that
/// ends the process, as it should).
std::string guarded(const std::function<std::string()>& call);
/// "0x103"
std::string hex(unsigned long long value);

// --- Sockets: closed at the end of the topic, unless closed before -------------------------------
SOCKET keep(SOCKET s);
SOCKET tcp();
SOCKET udp();
void close_all();

struct Address {
  Address();
  sockaddr* get() { return reinterpret_cast<sockaddr*>(&storage); }
  u_short port() const;
  void set_port(u_short port);
  bool is_local() const;  ///< the host is the one that the program was given
  sockaddr_storage storage;
  int length = sizeof(sockaddr_storage);
};
/// The address that the program was given.
Address local(u_short port = 0);
Address wildcard(u_short port = 0);
Address name_of(SOCKET s);

/// Binds to a port of the system's choice. @return the socket
SOCKET bound(SOCKET s);
SOCKET listening();
/// A port of the local address that nobody listens on.
Address nobody();

struct Pair {
  SOCKET a;  ///< the side that connected
  SOCKET b;
};
/// Both ends of a connection.
Pair connected();
/// Two bound datagram sockets, each connected to the other.
Pair datagrams_pair();

void nonblocking(SOCKET s, bool on = true);
/// SO_LINGER {1, 0} and closesocket: the peer sees a reset.
void reset(SOCKET s);

// --- Transfers -----------------------------------------------------------------------------------
int put(SOCKET s, const char* text);
int put_to(SOCKET s, const char* text, Address to);
/// What one recv() gave: "\"abc\"", or the error's name.
std::string got(SOCKET s, int room = 100, int flags = 0);

/// Waits until a socket is readable ('r'), writable ('w') or exceptional ('x'). @return false: it
/// is not
bool is_ready(SOCKET s, char what, int timeout_ms = 2000);
/// Looks again and again until it is so. @return false: not within 2 s
bool soon(const std::function<bool()>& condition);
/// Lets what should not happen have its chance.
void settle();
/// Waits until a handle is signalled. @return "signalled" or "not"
std::string signal_of(HANDLE event, DWORD timeout_ms = 0);

/// One overlapped receive or send, with an event and room of its own.
struct Operation {
  explicit Operation(bool with_event = true);
  ~Operation();
  Operation(const Operation&) = delete;
  Operation& operator=(const Operation&) = delete;

  int recv(SOCKET s, ULONG room = 16, LPWSAOVERLAPPED_COMPLETION_ROUTINE routine = nullptr);
  int send(SOCKET s, const char* text);
  /// WSAGetOverlappedResult without waiting: "4", or the error's name.
  std::string result(SOCKET s);
  /// Waits until it is no longer pending, then the result.
  std::string finished(SOCKET s);
  bool is_pending() const { return status() == 0x103; }
  ULONG_PTR status() const;
  /// The first n bytes of its room.
  std::string text(size_t n) const { return std::string(memory, n); }

  WSAOVERLAPPED overlapped{};
  char memory[64]{};
  DWORD bytes = 0xdeadbeef;  ///< what the starting call wrote
  DWORD flags = 0;
};

/// An option of type int, or the error's name.
std::string option(SOCKET s, int level, int name);
std::string set_option(SOCKET s, int level, int name, int value);
std::string set_option(SOCKET s, int level, int name, const void* value, int length);

/// A Microsoft extension function by its id; null: there is none.
template <typename Function>
Function extension(SOCKET s, GUID id) {
  Function function = nullptr;
  DWORD bytes = 0;
  WSAIoctl(s, SIO_GET_EXTENSION_FUNCTION_POINTER, &id, sizeof id, &function, sizeof function,
           &bytes, nullptr, nullptr);
  return function;
}

/// Runs a function on a thread of its own, which has begun when the constructor returns.
class Thread {
 public:
  explicit Thread(std::function<void()> run);
  ~Thread() { join(); }
  Thread(const Thread&) = delete;
  Thread& operator=(const Thread&) = delete;
  void join();
  /// @return false: it does not end within 2 s
  bool ends();

 private:
  static DWORD WINAPI enter(LPVOID self);
  std::function<void()> run_;
  HANDLE begun_;
  HANDLE handle_;
};

}  // namespace probe
