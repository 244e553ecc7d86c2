// SPDX-License-Identifier: BSD-3-Clause
#include "apps/http_connection.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <limits>
#include <string_view>

namespace millrace::http {
namespace {

constexpr int kMostAccepting = 64;
constexpr size_t kMostResponseBytes = 64 * 1024;  // of pipelined requests, in one send
constexpr std::string_view kPlainText = "Hello, World!";

struct File {
  int fd = -1;
  uint64_t n_bytes = 0;
  std::string name;
};

/// A regular file, or a folder's index.html. fd is -1 where there is none.
File open_below(int root_fd, const std::string& path) {
  File file;
  file.name = '.' + path;
  if (file.name.ends_with('/')) file.name += "index.html";
  file.fd = openat(root_fd, file.name.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  struct stat status {};
  if (file.fd >= 0 && (fstat(file.fd, &status) != 0 || !S_ISREG(status.st_mode))) {
    close(file.fd);
    file.fd = -1;
  }
  file.n_bytes = static_cast<uint64_t>(status.st_size);
  return file;
}

/// A Windows program has a HANDLE here; millrace takes the descriptor.
HANDLE handle_of(int fd) { return reinterpret_cast<HANDLE>(static_cast<intptr_t>(fd)); }

}  // namespace

Connection::Connection(Listener& listener)
    : OVERLAPPED{},
      listener_(listener),
      socket_(WSASocketW(listener.family, SOCK_STREAM, IPPROTO_TCP, nullptr, 0, WSA_FLAG_OVERLAPPED)) {
  const std::lock_guard lock(listener.mutex);
  listener.connections.insert(this);
}

Connection::~Connection() {
  if (file_fd_ >= 0) close(file_fd_);
  if (socket_ != INVALID_SOCKET) closesocket(socket_);
}

void Connection::end() {
  {
    const std::lock_guard lock(listener_.mutex);
    listener_.connections.erase(this);
  }
  delete this;
}

Listener::~Listener() {
  for (Connection* const connection : connections) delete connection;
}

// Where there are no more sockets, the next connection that ends makes room.
int Connection::accept(Listener& listener) {
  constexpr DWORD kNameBytes = sizeof(sockaddr_in6) + 16;
  while (listener.n_accepting.fetch_add(1) < kMostAccepting) {
    auto* const c = new Connection(listener);
    DWORD n = 0;
    const bool is_started =
        c->socket_ != INVALID_SOCKET &&
        (listener.site.accept_ex(listener.socket, c->socket_, c->buffer_, 0, kNameBytes, kNameBytes, &n, c) ||
         WSAGetLastError() == ERROR_IO_PENDING);
    if (is_started) continue;  // the port is told, even of a client that was there already
    const int error = WSAGetLastError();
    c->end();
    listener.n_accepting.fetch_sub(1);
    return error;
  }
  listener.n_accepting.fetch_sub(1);
  return 0;
}

void Connection::complete(OVERLAPPED* overlapped, bool is_ok, DWORD n_bytes) {
  auto* const connection = static_cast<Connection*>(overlapped);
  Listener& listener = connection->listener_;
  if (connection->state_ == State::kAccepting) {
    listener.n_accepting.fetch_sub(1);
    (void)accept(listener);
  }
  Next next = is_ok ? Next::kDone : Next::kOver;
  while (next == Next::kDone) next = connection->step(n_bytes);
  if (next == Next::kPending) return;
  connection->end();
  (void)accept(listener);
}

/// @param[in,out] n_bytes  what the last operation moved; with kDone: the next one
Connection::Next Connection::step(DWORD& n_bytes) {
  switch (state_) {
    case State::kAccepting:
      return begin(n_bytes);
    case State::kReceiving:
      if (n_bytes == 0) return Next::kOver;
      received_.append(buffer_, n_bytes);
      return answer(n_bytes);
    case State::kSending:
      response_.clear();
      if (file_fd_ >= 0) close(file_fd_);
      file_fd_ = -1;
      if (!is_last_) return answer(n_bytes);
      // Closed with something unread, it would be reset, and the client might miss the response.
      state_ = State::kDraining;
      return shutdown(socket_, SD_SEND) == 0 ? receive(n_bytes) : Next::kOver;
    case State::kDraining:
      break;
  }
  return n_bytes == 0 ? Next::kOver : receive(n_bytes);
}

Connection::Next Connection::begin(DWORD& n_bytes) {
  const HANDLE handle = reinterpret_cast<HANDLE>(socket_);
  const int on = 1;
  if (setsockopt(socket_, SOL_SOCKET, SO_UPDATE_ACCEPT_CONTEXT,
                 reinterpret_cast<const char*>(&listener_.socket), sizeof listener_.socket) != 0 ||
      setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, reinterpret_cast<const char*>(&on), sizeof on) != 0 ||
      CreateIoCompletionPort(handle, listener_.site.port, 0, 0) == nullptr ||
      !SetFileCompletionNotificationModes(handle, FILE_SKIP_COMPLETION_PORT_ON_SUCCESS)) {
    return Next::kOver;
  }
  state_ = State::kReceiving;
  return receive(n_bytes);
}

Connection::Next Connection::receive(DWORD& n_bytes) {
  WSABUF buffer{sizeof buffer_, buffer_};
  DWORD flags = 0;
  if (WSARecv(socket_, &buffer, 1, &n_bytes, &flags, this, nullptr) == 0) return Next::kDone;
  return WSAGetLastError() == WSA_IO_PENDING ? Next::kPending : Next::kOver;
}

// As many responses as there are whole requests, up to the first file.
Connection::Next Connection::answer(DWORD& n_bytes) {
  std::string_view rest = received_;
  while (!is_last_ && file_fd_ < 0 && response_.size() < kMostResponseBytes) {
    Request request;
    const int status = take_request(rest, request);
    if (status < 0) break;
    if (status == 0) {
      is_last_ = !request.keeps_alive;
      respond(request);
    } else {
      is_last_ = true;
      append_error(response_, status, false, false);
    }
  }
  received_.erase(0, received_.size() - rest.size());
  if (response_.empty()) {
    state_ = State::kReceiving;
    return receive(n_bytes);
  }
  state_ = State::kSending;
  return send(n_bytes);
}

void Connection::respond(const Request& request) {
  if (request.path == "/plaintext") {
    append_head(response_, 200, "text/plain", kPlainText.size(), request.keeps_alive);
    if (!request.is_head) response_ += kPlainText;
  } else if (!respond_with_file(request)) {
    append_error(response_, 404, request.is_head, request.keeps_alive);
  }
}

bool Connection::respond_with_file(const Request& request) {
  if (listener_.site.root_fd < 0) return false;
  const File file = open_below(listener_.site.root_fd, request.path);
  if (file.fd < 0) return false;
  // TransmitFile counts in 32 bits.
  const bool is_served = file.n_bytes <= std::numeric_limits<int32_t>::max();
  if (is_served) append_head(response_, 200, type_of(file.name), file.n_bytes, request.keeps_alive);
  if (is_served && !request.is_head && file.n_bytes != 0) {
    file_fd_ = file.fd;
    file_bytes_ = static_cast<DWORD>(file.n_bytes);
  } else {
    close(file.fd);
  }
  return is_served;
}

Connection::Next Connection::send(DWORD& n_bytes) {
  const auto head_bytes = static_cast<DWORD>(response_.size());
  if (file_fd_ < 0) {
    WSABUF buffer{head_bytes, response_.data()};
    if (WSASend(socket_, &buffer, 1, &n_bytes, 0, this, nullptr) == 0) return Next::kDone;
  } else {
    Offset = OffsetHigh = 0;  // of the file
    TRANSMIT_FILE_BUFFERS around{response_.data(), head_bytes, nullptr, 0};
    if (listener_.site.transmit_file(socket_, handle_of(file_fd_), file_bytes_, 0, this, &around, 0)) {
      return Next::kDone;
    }
  }
  return WSAGetLastError() == WSA_IO_PENDING ? Next::kPending : Next::kOver;
}

}  // namespace millrace::http
