// SPDX-License-Identifier: BSD-3-Clause
// The application's end: a socket of the Stack under test, used as the SPI uses it, but never in a
// way that waits, because the test's own thread has to turn the Stack.
//
// Every call takes the Stack's lock and shows completions on its way out. When an App goes, it
// closes its socket and checks that each overlapped operation was completed exactly once, and that
// none that was refused was completed at all (contract: C3, C4).
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "stack/socket.h"
#include "tests/support/stack_test.h"

namespace millrace::test {

/// One overlapped operation with everything that has to stay in place until it is complete.
class Posted {
 public:
  /// Buffers are filled with this, so that a byte too many shows.
  static constexpr uint8_t kUntouched = 0xee;

  explicit Posted(const std::vector<size_t>& rooms);
  ~Posted();
  Posted(const Posted&) = delete;
  Posted& operator=(const Posted&) = delete;

  /// What the call itself returned: kOk, kIoPending, or why it was refused.
  WsaError started = WsaError::kInval;
  bool is_pending() const { return millrace::is_pending(overlapped); }
  /// How it ended; only when it is not pending.
  WsaError error() const { return outcome_of(overlapped).error; }
  uint32_t n_bytes() const { return outcome_of(overlapped).bytes; }
  uint32_t flags() const { return outcome_of(overlapped).flags; }
  /// The first n_bytes() of the buffers. Fails the test if anything behind them was touched.
  Bytes bytes() const;
  std::string text() const;
  /// How often the event was signalled.
  int n_signals = 0;
  /// Its place among all signalled events of the process.
  int signalled_as = 0;

  WSAOVERLAPPED overlapped{};
  std::vector<Bytes> buffers;
  WS_sockaddr_in6 from{};
  INT from_length = sizeof(WS_sockaddr_in6);

  static void on_event(HANDLE posted);
};

struct Received {
  WsaError error = WsaError::kOk;
  Bytes bytes;
  std::optional<Endpoint> from;  ///< datagrams
  uint32_t flags = 0;
};

/// What a loaned receive came to.
struct Lent {
  WsaError error = WsaError::kOk;
  uint32_t n_bytes = 0;
  uint32_t count = 0;           ///< filled, or what a message needs
  std::vector<WSABUF> buffers;  ///< the first `count` of the array, on success
  std::optional<Endpoint> from;

  Bytes bytes() const;
  std::string text() const;
};

/// Gives loans back; a WSABUF for which that was right is left empty.
WsaError give_back(Stack& stack, std::vector<WSABUF>& buffers);
WsaError give_back_one(Stack& stack, WSABUF buffer);

class App {
 public:
  /// @param on  the index of its Stack
  App(StackTest& world, Transport transport, uint8_t family, uint32_t on = 0);
  ~App();
  App(const App&) = delete;
  App& operator=(const App&) = delete;

  WsaError bind(const Endpoint& endpoint);
  /// To the wildcard address.
  WsaError bind(uint16_t port);
  WsaError listen(int backlog = 5);
  /// The connection that waits; fails the test and returns null when there is none.
  std::unique_ptr<App> accept();
  WsaError accept_error();
  /// kWouldBlock for a stream that has begun to connect.
  WsaError connect(const Endpoint& peer);
  WsaError shutdown(int how);
  WsaError close();

  Outcome send(const Bytes& bytes, const std::optional<Endpoint>& to = std::nullopt);
  Outcome send(std::string_view text) { return send(bytes_of(text)); }
  Outcome send_urgent(std::string_view text);
  Received receive(size_t room = 65536, uint32_t flags = 0);
  /// The same into several buffers, which come back one by one.
  Outcome receive_into(std::vector<Bytes>& buffers, uint32_t flags = 0);
  /// One receive that must succeed, as text.
  std::string text(size_t room = 65536);
  /// Receives until there is no more for now, end of stream included. Fails the test on an error.
  Bytes drain();

  /// One loaned receive into an array of this many WSABUFs.
  Lent borrow(size_t room = 64, uint32_t flags = 0);
  /// The same as an overlapped call: array and count stay the caller's until it completes.
  Posted& post_borrow(std::vector<WSABUF>& array, DWORD& count);

  Posted& post_receive(const std::vector<size_t>& rooms, uint32_t flags = 0);
  Posted& post_receive(size_t room) { return post_receive(std::vector<size_t>{room}); }
  Posted& post_send(const Bytes& bytes, uint32_t flags = 0);
  /// SIO_ADDRESS_LIST_CHANGE and its kin, by the event's name.
  Posted& post_change(uint32_t event, const IpAddress& to = {});

  /// The thread that overlapped calls are posted in the name of.
  uint32_t owner = 0;

  /// Applies what the test changed in options().
  void apply_options();
  SocketOptions& options() { return socket_->options; }
  Socket& socket() { return *socket_; }

 private:
  App(StackTest& world, Socket& accepted);
  Overlapped tell_of(Posted& posted) const;
  void finish(Posted& posted, const Outcome& outcome);

  StackTest& world_;
  Socket* socket_;
  SOCKET handle_;
  std::vector<std::unique_ptr<Posted>> posted_;
};

}  // namespace millrace::test
