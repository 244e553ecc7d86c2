// SPDX-License-Identifier: BSD-3-Clause
#include "apps/lat_services.h"

#include <cstring>
#include <stdexcept>
#include <string>
#include <utility>

namespace millrace::lat {
namespace {

constexpr int kBacklog = 4096;      // clients that come all at once
constexpr int kMostAccepting = 64;  // of each listener
constexpr int kMostSteps = 16;      // of a connection that never has to wait, before others have their turn
constexpr ULONG_PTR kFirstError = 0x8000'0000;  // NTSTATUS: what is below is no failure
constexpr DWORD kLeastEchoBytes = 2048;       // a thousand connections with small messages take 2 MiB
constexpr DWORD kMostEchoBytes = 128 * 1024;
constexpr size_t kSinkBytes = 256 * 1024;

[[noreturn]] void fail(const char* call) {
  throw std::runtime_error(std::string(call) + " failed: Winsock error " + std::to_string(WSAGetLastError()));
}

// RFC 864: "A popular pattern is 72 character lines of the ASCII printing characters", each line one
// character further than the one before; 95 lines on, it begins again, so any number of periods is a
// stream's next piece.
constexpr size_t kPrintable = 95;
constexpr size_t kLine = 72;
constexpr size_t kPeriodBytes = kPrintable * (kLine + 2);
constexpr size_t kPeriods = 32;

std::array<char, kPeriods * kPeriodBytes> make_pattern() {
  std::array<char, kPeriods * kPeriodBytes> bytes;
  char* to = bytes.data();
  for (size_t line = 0; line < kPeriods * kPrintable; ++line) {
    for (size_t i = 0; i < kLine; ++i) *to++ = static_cast<char>(' ' + (line + i) % kPrintable);
    *to++ = '\r';
    *to++ = '\n';
  }
  return bytes;
}

// Sent by all connections; WSASend only reads it.
std::array<char, kPeriods * kPeriodBytes> pattern = make_pattern();
// Where bytes go that nobody looks at.
std::array<char, kSinkBytes> sink;

}  // namespace

/// One client, or the wait for one.
class Services::Connection {
 public:
  Connection(Listener& listener, SOCKET s) : listener_(listener), socket_(s) {
    receiving_.connection = sending_.connection = this;
  }
  ~Connection() {
    if (socket_ != INVALID_SOCKET) closesocket(socket_);
  }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  /// @return false: no AcceptEx was started
  bool accept();

  /// An operation has ended.
  void complete(Operation& operation, bool is_ok, DWORD n_bytes);

  bool is_over() const noexcept { return n_pending_ == 0 && socket_ == INVALID_SOCKET; }
  bool is_open() const noexcept { return is_open_; }
  Listener& listener() const noexcept { return listener_; }

 private:
  enum class Doing : uint8_t { kAccept, kReceive, kSend };
  enum class Next : uint8_t { kPending, kDone, kOver };

  void drive(Operation& operation, Doing did, DWORD n_bytes);
  Next begin(DWORD& n_bytes);
  void make_room(DWORD n_bytes);
  Next receive(DWORD& n_bytes);
  Next send(const char* bytes, DWORD& n_bytes);
  Next outcome(int result);
  bool is_echo() const noexcept { return listener_.service == Service::kEcho; }

  Listener& listener_;
  SOCKET socket_;
  int n_pending_ = 0;  ///< packets that will come
  bool is_open_ = false;
  Doing doing_ = Doing::kAccept;  ///< what receiving_ is for: of an echo it sends, too
  Operation receiving_;
  Operation sending_;  ///< chargen's
  DWORD buffer_bytes_ = 0;
  bool was_full_ = false;  ///< what came last filled the buffer
  std::unique_ptr<char[]> buffer_;
  char names_[2 * (sizeof(sockaddr_in) + 16)];  ///< AcceptEx wants the room
};

bool Services::Connection::accept() {
  constexpr DWORD kNameBytes = sizeof(sockaddr_in) + 16;
  DWORD n = 0;
  if (!listener_.services.accept_ex_(listener_.socket, socket_, names_, 0, kNameBytes, kNameBytes, &n,
                                     &receiving_) &&
      WSAGetLastError() != ERROR_IO_PENDING) {
    return false;
  }
  ++n_pending_;  // the port is told, even of a client that was there already
  return true;
}

void Services::Connection::complete(Operation& operation, bool is_ok, DWORD n_bytes) {
  --n_pending_;
  const Doing did = &operation == &sending_ ? Doing::kSend : doing_;
  if (did == Doing::kAccept) is_open_ = true;
  if (is_ok && socket_ != INVALID_SOCKET) {
    drive(operation, did, n_bytes);
  } else if (socket_ != INVALID_SOCKET) {
    closesocket(socket_);
    socket_ = INVALID_SOCKET;
  }
}

void Services::Connection::drive(Operation& operation, Doing did, DWORD n_bytes) {
  Next next = Next::kDone;
  for (int i = 0; next == Next::kDone; ++i) {
    if (i == kMostSteps) {
      // As if it had ended only now: a packet with what it brought.
      if (&operation == &receiving_) doing_ = did;
      ++n_pending_;
      PostQueuedCompletionStatus(listener_.services.port_, n_bytes, kKey, &operation);
      return;
    }
    const bool has_ended = did == Doing::kReceive && n_bytes == 0;
    const bool sends = &operation == &sending_ || (is_echo() && did == Doing::kReceive);
    if (has_ended) {
      next = Next::kOver;
    } else if (did == Doing::kAccept) {
      next = begin(n_bytes);
    } else if (sends) {
      was_full_ = is_echo() && n_bytes == buffer_bytes_;
      next = is_echo() ? send(buffer_.get(), n_bytes) : send(pattern.data(), n_bytes = pattern.size());
    } else {
      next = receive(n_bytes);
    }
    did = sends ? Doing::kSend : Doing::kReceive;
  }
  if (&operation == &receiving_) doing_ = did;
  if (next == Next::kPending) {
    ++n_pending_;
  } else if (socket_ != INVALID_SOCKET) {
    closesocket(socket_);  // what else is pending ends by that, with a packet
    socket_ = INVALID_SOCKET;
  }
}

Services::Connection::Next Services::Connection::outcome(int result) {
  if (result == 0) return Next::kDone;
  return WSAGetLastError() == WSA_IO_PENDING ? Next::kPending : Next::kOver;
}

Services::Connection::Next Services::Connection::begin(DWORD& n_bytes) {
  const auto handle = reinterpret_cast<HANDLE>(socket_);
  const int on = 1;
  if (setsockopt(socket_, SOL_SOCKET, SO_UPDATE_ACCEPT_CONTEXT,
                 reinterpret_cast<const char*>(&listener_.socket), sizeof listener_.socket) != 0 ||
      setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, reinterpret_cast<const char*>(&on), sizeof on) != 0 ||
      CreateIoCompletionPort(handle, listener_.services.port_, kKey, 0) == nullptr ||
      !SetFileCompletionNotificationModes(handle, FILE_SKIP_COMPLETION_PORT_ON_SUCCESS)) {
    return Next::kOver;
  }
  if (is_echo()) make_room(kLeastEchoBytes);
  if (listener_.service == Service::kChargen) {
    drive(sending_, Doing::kSend, 0);
    if (socket_ == INVALID_SOCKET) return Next::kOver;
  }
  return receive(n_bytes);
}

// While nothing is in it: what came has been sent.
void Services::Connection::make_room(DWORD n_bytes) {
  buffer_bytes_ = n_bytes;
  buffer_ = std::make_unique_for_overwrite<char[]>(n_bytes);
}

Services::Connection::Next Services::Connection::receive(DWORD& n_bytes) {
  if (std::exchange(was_full_, false) && buffer_bytes_ < kMostEchoBytes) make_room(4 * buffer_bytes_);
  WSABUF buffer{sink.size(), sink.data()};
  if (is_echo()) buffer = {buffer_bytes_, buffer_.get()};
  DWORD flags = 0;
  return outcome(WSARecv(socket_, &buffer, 1, &n_bytes, &flags, &receiving_, nullptr));
}

Services::Connection::Next Services::Connection::send(const char* bytes, DWORD& n_bytes) {
  WSABUF buffer{n_bytes, const_cast<char*>(bytes)};
  return outcome(WSASend(socket_, &buffer, 1, &n_bytes, 0, is_echo() ? &receiving_ : &sending_, nullptr));
}

Services::Services(HANDLE port, const Peer& except) : port_(port) {
  for (const Service service : {Service::kEcho, Service::kDiscard, Service::kChargen}) {
    if (htons(static_cast<uint16_t>(service)) != except.port_be) listen(service, except.address_be);
  }
}

Services::~Services() {
  for (Connection* const connection : connections_) delete connection;
}

void Services::listen(Service service, uint32_t address_be) {
  sockaddr_in name{};
  name.sin_family = AF_INET;
  name.sin_port = htons(static_cast<uint16_t>(service));
  name.sin_addr.s_addr = address_be;
  const SOCKET s = WSASocketW(AF_INET, SOCK_STREAM, IPPROTO_TCP, nullptr, 0, WSA_FLAG_OVERLAPPED);
  if (s == INVALID_SOCKET) fail("WSASocket");
  if (bind(s, reinterpret_cast<sockaddr*>(&name), sizeof name) != 0) fail("bind");
  if (::listen(s, kBacklog) != 0) fail("listen");
  GUID id = WSAID_ACCEPTEX;
  DWORD n = 0;
  if (WSAIoctl(s, SIO_GET_EXTENSION_FUNCTION_POINTER, &id, sizeof id, &accept_ex_, sizeof accept_ex_, &n, nullptr,
               nullptr) != 0) {
    fail("WSAIoctl");
  }
  if (CreateIoCompletionPort(reinterpret_cast<HANDLE>(s), port_, kKey, 0) == nullptr) {
    fail("CreateIoCompletionPort");
  }
  accept(listeners_.emplace_back(Listener{*this, service, s}));
}

// Where there are no more sockets, the next connection that ends makes room.
void Services::accept(Listener& listener) {
  while (listener.n_accepting < kMostAccepting) {
    const SOCKET s = WSASocketW(AF_INET, SOCK_STREAM, IPPROTO_TCP, nullptr, 0, WSA_FLAG_OVERLAPPED);
    if (s == INVALID_SOCKET) return;
    auto connection = std::make_unique<Connection>(listener, s);
    if (!connection->accept()) return;
    connections_.insert(connection.release());
    ++listener.n_accepting;
  }
}

void Services::complete(const OVERLAPPED_ENTRY& packet) {
  auto& operation = *static_cast<Operation*>(packet.lpOverlapped);
  Connection& connection = *operation.connection;
  Listener& listener = connection.listener();
  const bool was_open = connection.is_open();
  connection.complete(operation, packet.Internal < kFirstError, packet.dwNumberOfBytesTransferred);
  if (!was_open) {
    --listener.n_accepting;
    ++n_open_;
  }
  if (connection.is_over()) {
    --n_open_;
    connections_.erase(&connection);
    delete &connection;
  }
  accept(listener);
}

}  // namespace millrace::lat
