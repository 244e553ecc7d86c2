// SPDX-License-Identifier: BSD-3-Clause
// AcceptEx: connections of a listener and its twins go to sockets that programs have made before.
//
//   AcceptEx ──► the listener's queue ──┐
//                                       ├─► serve_one: the socket's handle names the connection now
//   a connection, on any Stack ─────────┘      └─► a receive on it, if wanted ──► the completion
//
// Invariant: one thread at a time serves a listener; whoever comes meanwhile leaves word. So neither a
// request nor a connection is given away twice, and both are taken in their order.
#include "spi_shim/accept_ex.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <utility>

#include "spi_shim/call.h"
#include "spi_shim/last_error.h"
#include "spi_shim/listeners.h"
#include "spi_shim/overlapped.h"
#include "stack/sockaddr.h"

namespace millrace {
namespace {

constexpr DWORD kAddressExtra = 16;  // beyond the address, says AcceptEx

/// One AcceptEx. It goes with the operation.
struct Acceptance : Finisher {
  SOCKET listener = 0;
  Transport transport = Transport::kTcp;  ///< of both
  SOCKET socket = 0;  ///< for the connection
  char* buffer = nullptr;
  DWORD data_bytes = 0, local_bytes = 0, remote_bytes = 0;
  bool is_receiving = false;
  PacketTarget target;
};

bool on_connections(Finisher& self, Completion& completion) noexcept;
Finisher connection_news{on_connections};

/// Shows an end of the operation where its caller waits for it: on the listener's Stack, with the
/// listener's port.
void tell_end(const Acceptance& acceptance, Overlapped tell, const Outcome& outcome) noexcept {
  tell.finisher = nullptr;
  Stack* const stack = stack_of(acceptance.listener);
  if (stack == nullptr) return;  // the provider has ended
  const Stack::Guard guard(*stack);
  stack->post({tell, outcome, nullptr, acceptance.target});
}

/// The receive of an AcceptEx has ended, or the AcceptEx was cancelled before it had a connection.
bool on_end(Finisher& self, Completion& completion) {
  const std::unique_ptr<Acceptance> acceptance(static_cast<Acceptance*>(&self));
  if (!acceptance->is_receiving) {
    if (Stack* const stack = stack_of(acceptance->socket); stack != nullptr) {
      const Stack::Guard guard(*stack);
      if (Socket* const socket = stack->find(acceptance->socket)) socket->accepting_on = 0;
    }
    return false;
  }
  tell_end(*acceptance, completion.tell, completion.outcome);
  return true;
}

void store_addresses(const Acceptance& acceptance, const Socket& connection) noexcept {
  char* const local = acceptance.buffer + acceptance.data_bytes;
  const auto store = [](const Endpoint& endpoint, char* to, DWORD room) {
    WS_sockaddr_storage address{};
    INT length = sizeof address;
    store_endpoint(endpoint, reinterpret_cast<WS_sockaddr*>(&address), &length);
    std::memcpy(to, &address, std::min<size_t>(room, static_cast<size_t>(length)));
  };
  if (acceptance.local_bytes != 0) store(connection.shown(connection.local()), local, acceptance.local_bytes);
  store(connection.shown(*connection.peer()), local + acceptance.local_bytes, acceptance.remote_bytes);
}

/// A connection that nobody has accepted, of the listener or a twin. @owner gives a reference
Socket* take_connection(std::span<const SOCKET> all, SOCKET& from) noexcept {
  for (const SOCKET one : all) {
    Stack* const stack = stack_of(one);
    if (stack == nullptr) continue;
    const Stack::Guard guard(*stack);
    Socket* const listener = stack->find(one);
    WsaError error = WsaError::kOk;
    if (listener == nullptr) continue;
    from = one;
    if (Socket* const connection = listener->accept(error, false)) return connection;
  }
  return nullptr;
}

void give_back(SOCKET listener, Socket& connection) noexcept {
  const Stack::Guard guard(connection.stack());
  if (Socket* const socket = connection.stack().find(listener)) {
    socket->give_back(connection, false);
  } else {
    connection.reset();
  }
  connection.unref();
}

/// What the connection takes over from the socket that was made for it.
void dress(Socket& connection, const SocketOptions& options, const PortLink& link) noexcept {
  connection.options = options;
  connection.port_link = link;
  connection.context = Context::kAccepted;
  connection.apply_options();
}

/// The handle of the socket names the connection now. @return false: there is no such socket any more
bool hand_over(Acceptance& acceptance, Socket& connection) noexcept {
  Stack* const home = stack_of(acceptance.socket);
  if (home == nullptr) return false;
  Stack& there = connection.stack();
  SocketOptions options;
  PortLink link;
  {
    const Stack::Guard guard(*home);
    Socket* const socket = home->find(acceptance.socket);
    if (socket == nullptr) return false;
    options = socket->options;
    link = socket->port_link;
    if (home == &there) {
      dress(connection, options, link);
      Socket* const old = home->replace(acceptance.socket, connection);
      (void)old->close();
      old->unref();
      return true;
    }
  }
  const SOCKET old_handle = acceptance.socket;
  {
    const Stack::Guard guard(there);
    dress(connection, options, link);
    acceptance.socket = there.insert(connection);
  }
  move_handle(old_handle, acceptance.socket);
  const Stack::Guard guard(*home);
  if (Socket* const old = home->find(old_handle)) (void)old->close();
  home->erase(old_handle);
  return true;
}

/// The socket has its connection: the end of the operation, or a receive first.
void complete(std::unique_ptr<Acceptance> acceptance, const Overlapped& tell,
              Socket& connection) noexcept {
  Outcome outcome;
  {
    const Stack::Guard guard(connection.stack());
    store_addresses(*acceptance, connection);
    if (acceptance->data_bytes != 0) {
      const WSABUF buffer{acceptance->data_bytes, acceptance->buffer};
      acceptance->is_receiving = true;
      ReceiveCall call{{&buffer, 1}, 0, {}, tell, nullptr};
      connection.options.is_overlapped = true;
      const bool skips_success = std::exchange(connection.port_link.skips_success, false);
      outcome = connection.receive(call);
      connection.port_link.skips_success = skips_success;
      if (outcome.error == WsaError::kOk || outcome.error == WsaError::kIoPending) {
        (void)acceptance.release();  // on_end's
      }
    }
    connection.unref();
  }
  if (acceptance != nullptr) tell_end(*acceptance, tell, outcome);
}

/// Calls change(socket) with its lock. @return false: it is gone, or what change returns
template <typename Change>
bool with_socket(SOCKET inner, Change change) noexcept {
  Stack* const stack = stack_of(inner);
  if (stack == nullptr) return false;
  const Stack::Guard guard(*stack);
  Socket* const socket = stack->find(inner);
  return socket != nullptr && change(*socket);
}

/// Nobody asks for the connections that wait: from now on they are anybody's.
void offer(std::span<const SOCKET> all) noexcept {
  for (const SOCKET one : all) {
    (void)with_socket(one, [](Socket& socket) { return socket.offer_connections(), true; });
  }
}

/// @return false: there is no request, or no connection
bool serve_one(SOCKET listener) noexcept {
  Stack* const stack = stack_of(listener);
  if (stack == nullptr) return false;
  std::vector<SOCKET> all;
  bool is_asked = false;
  {
    const Stack::Guard guard(*stack);
    const Socket* const socket = stack->find(listener);
    if (socket == nullptr) return false;
    is_asked = socket->has_accepts();
    const auto twins = socket->twins();
    all.assign(1, listener);
    all.insert(all.end(), twins.begin(), twins.end());
  }
  if (!is_asked) {
    offer(all);
    return false;
  }
  SOCKET from = 0;
  Socket* const connection = take_connection(all, from);
  if (connection == nullptr) return false;
  Completion request;
  {
    const Stack::Guard guard(*stack);
    Socket* const socket = stack->find(listener);
    if (socket != nullptr && socket->has_accepts()) request = socket->take_accept();
  }
  if (request.tell.finisher == nullptr) {  // cancelled meanwhile
    give_back(from, *connection);
    return true;
  }
  std::unique_ptr<Acceptance> acceptance(static_cast<Acceptance*>(request.tell.finisher));
  acceptance->target = request.packets;
  if (!hand_over(*acceptance, *connection)) {
    give_back(from, *connection);
    tell_end(*acceptance, request.tell, {WsaError::kOperationAborted});
    return true;
  }
  complete(std::move(acceptance), request.tell, *connection);
  return true;
}

/// The same with what makes it a listener.
template <typename Change>
bool with_listener(SOCKET listener, Change change) noexcept {
  return with_socket(listener, [&](Socket& socket) {
    return socket.listening != nullptr && change(*socket.listening);
  });
}

void serve(SOCKET listener) noexcept {
  const Inside inside;
  const bool is_mine = with_listener(listener, [](Listening& l) {
    l.serves_again = l.serves_accepts;
    return !std::exchange(l.serves_accepts, true);
  });
  if (!is_mine) return;
  for (bool goes_on = true; goes_on;) {
    while (serve_one(listener)) {
    }
    goes_on = with_listener(listener, [](Listening& l) {
      l.serves_accepts = l.serves_again;
      return std::exchange(l.serves_again, false);
    });
  }
}

bool on_connections(Finisher&, Completion& completion) noexcept {
  serve(completion.packets.key);
  return true;
}

/// Connections that come to it, or wait there, are served. With no lock held.
void watch_connections(SOCKET listener, std::span<const SOCKET> twins) noexcept {
  const auto watch = [listener](Listening& l) {
    l.accepts_for = listener;
    l.on_connection = &connection_news;
    return true;
  };
  for (const SOCKET twin : twins) (void)with_listener(twin, watch);
  (void)with_listener(listener, watch);
}

/// Marks the socket as taken. @errors kNotSock; kInval: it is no fresh one of the listener's transport
WsaError take_socket(SOCKET s, const Acceptance& acceptance, const OVERLAPPED* overlapped,
                     SOCKET& inner) noexcept {
  INT ignored = 0;
  const Call call(s, &ignored);
  if (!call) return WsaError::kNotSock;
  Socket& socket = call.socket();
  const bool has_name = socket.local().port != 0 && !socket.was_reused;
  if (socket.transport() != acceptance.transport || has_name || socket.is_connected() ||
      socket.is_listening() || socket.peer().has_value() || socket.accepting_on != 0) {
    return WsaError::kInval;
  }
  socket.accepting_on = acceptance.listener;
  socket.accepting = overlapped;
  inner = call.inner();
  return WsaError::kOk;
}

void release_socket(SOCKET inner) noexcept {
  (void)with_socket(inner, [](Socket& s) {
    s.accepting_on = 0;
    return true;
  });
}

/// @return an error; kIoPending: it has begun
WsaError start(SOCKET s, std::unique_ptr<Acceptance> acceptance, SOCKET accept_socket,
               LPOVERLAPPED overlapped) noexcept {
  const OverlappedArguments arguments{overlapped};
  if (!arguments.is_there) return WsaError::kFault;
  reset_event(arguments);
  std::vector<SOCKET> twins;
  {
    INT error = 0;
    const Call call(s, &error);
    if (!call) return static_cast<WsaError>(error);
    if (!call.socket().is_listening()) return WsaError::kInval;
    acceptance->listener = call.inner();
    acceptance->transport = call.socket().transport();
    const auto now = call.socket().twins();
    twins.assign(now.begin(), now.end());
  }
  const WsaError unfit = take_socket(accept_socket, *acceptance, overlapped, acceptance->socket);
  if (unfit != WsaError::kOk) return unfit;
  const SOCKET listener = acceptance->listener, inner = acceptance->socket;
  watch_connections(listener, twins);
  WsaError error = WsaError::kNotSock;
  (void)with_socket(listener, [&](Socket& socket) {
    Overlapped tell = overlapped_of(socket, arguments, std::nullopt);
    tell.overlapped = overlapped;
    tell.finisher = acceptance.get();
    error = socket.start_accept(tell).error;
    if (error == WsaError::kIoPending) (void)acceptance.release();
    return true;
  });
  if (error != WsaError::kIoPending) {
    release_socket(inner);
    return error;
  }
  serve(listener);
  return error;
}

DWORD address_bytes(uint8_t family) noexcept {
  return family == 4 ? sizeof(WS_sockaddr_in) : sizeof(WS_sockaddr_in6);
}

}  // namespace

BOOL PASCAL accept_ex(SOCKET sListenSocket, SOCKET sAcceptSocket, PVOID lpOutputBuffer,
                      DWORD dwReceiveDataLength, DWORD dwLocalAddressLength,
                      DWORD dwRemoteAddressLength, LPDWORD, LPOVERLAPPED lpOverlapped) noexcept {
  const Inside inside;
  INT error = 0;
  if (stacks_for_call(&error).empty()) return fail_with(static_cast<DWORD>(error));
  if (lpOverlapped == nullptr) return fail_with(ERROR_INVALID_PARAMETER);  // winsock-rules 188
  uint8_t family = 4;
  {
    const Call call(sListenSocket, &error);
    if (!call) return fail_with(static_cast<DWORD>(error));
    family = call.socket().family();
  }
  const DWORD needed = address_bytes(family) + kAddressExtra;  // winsock-rules 189
  const size_t bytes =
      size_t{dwReceiveDataLength} + dwLocalAddressLength + dwRemoteAddressLength;
  if (dwRemoteAddressLength < needed ||
      (dwLocalAddressLength != 0 && dwLocalAddressLength < needed) ||
      !can_write(lpOutputBuffer, bytes)) {
    return fail_with(WSAEFAULT);
  }
  auto acceptance = std::make_unique<Acceptance>();
  acceptance->call = on_end;
  acceptance->buffer = static_cast<char*>(lpOutputBuffer);
  acceptance->data_bytes = dwReceiveDataLength;
  acceptance->local_bytes = dwLocalAddressLength;
  acceptance->remote_bytes = dwRemoteAddressLength;
  return fail_with(static_cast<DWORD>(
      start(sListenSocket, std::move(acceptance), sAcceptSocket, lpOverlapped)));
}

VOID PASCAL get_accept_ex_sockaddrs(PVOID lpOutputBuffer, DWORD dwReceiveDataLength,
                                    DWORD dwLocalAddressLength, DWORD, WS_sockaddr** LocalSockaddr,
                                    LPINT LocalSockaddrLength, WS_sockaddr** RemoteSockaddr,
                                    LPINT RemoteSockaddrLength) noexcept {
  char* const local = static_cast<char*>(lpOutputBuffer) + dwReceiveDataLength;
  char* const remote = local + dwLocalAddressLength;
  ADDRESS_FAMILY family;
  std::memcpy(&family, remote, sizeof family);
  const auto length = static_cast<INT>(address_bytes(family == WS_AF_INET ? 4 : 6));
  *LocalSockaddr = dwLocalAddressLength == 0 ? nullptr : reinterpret_cast<WS_sockaddr*>(local);
  *LocalSockaddrLength = dwLocalAddressLength == 0 ? 0 : length;
  *RemoteSockaddr = reinterpret_cast<WS_sockaddr*>(remote);
  *RemoteSockaddrLength = length;
}

void end_accept_on(SOCKET s) noexcept {
  SOCKET listener = 0;
  const WSAOVERLAPPED* overlapped = nullptr;
  {
    INT ignored = 0;
    const Call call(s, &ignored);
    if (!call || call.socket().accepting_on == 0) return;
    listener = std::exchange(call.socket().accepting_on, 0);
    overlapped = call.socket().accepting;
  }
  (void)with_socket(listener, [overlapped](Socket& socket) {
    return socket.cancel({.overlapped = overlapped}) != 0;
  });
}

}  // namespace millrace
