// SPDX-License-Identifier: BSD-3-Clause
#include "apps/lat_server.h"

#include <algorithm>

namespace millrace::lat {
namespace {

constexpr size_t kBufferBytes = 256 * 1024;
constexpr int kAloneMessages = 1000;  // then the others are looked at, too
constexpr uint64_t kAloneQuietNs = 10'000'000;

}  // namespace

Server::Server(Transport& transport, const Options& options)
    : transport_(transport),
      is_nonblocking_(options.is_nonblocking),
      protocol_(options.protocol == Protocol::kSctp ? Protocol::kSctp : Protocol::kTcp),
      listener_(transport.listen(options.address, protocol_)),
      datagrams_(transport.bind_datagrams(options.address)),
      handles_{listener_, datagrams_},
      buffer_(kBufferBytes) {}

Server::~Server() {
  for (const Handle handle : handles_) transport_.close(handle);
}

void Server::run() {
  std::vector<Handle> readable;
  while (!is_stopping) {
    readable.clear();
    transport_.wait_readable(handles_, readable);
    for (const Handle handle : readable) {
      serve(handle, readable.size() == 1 && !transport_.has_other_work());
    }
  }
}

void Server::serve(Handle handle, bool is_alone) {
  if (is_alone && handle != listener_) {
    stay_with(handle);
  } else {
    (void)serve_once(handle);
  }
}

void Server::stay_with(Handle handle) {
  uint64_t quiet_since_ns = 0;
  for (int n = 0; n < kAloneMessages;) {
    const Served served = serve_once(handle);
    if (served == Served::kEnded) return;
    if (served == Served::kMessage) {
      ++n;
      quiet_since_ns = 0;
      continue;
    }
    if (!is_nonblocking_) return;  // the receive has waited
    const uint64_t now = now_ns();
    if (quiet_since_ns == 0) quiet_since_ns = now;
    if (now - quiet_since_ns > kAloneQuietNs) return;
  }
}

Server::Served Server::serve_once(Handle handle) {
  if (handle == listener_) return accept_one();
  if (handle == datagrams_) return answer_datagram();
  const auto it = std::find_if(connections_.begin(), connections_.end(),
                               [handle](const Connection& c) { return c.handle == handle; });
  const Served served = answer(*it);
  if (served == Served::kEnded) {
    transport_.close(handle);
    connections_.erase(it);
    std::erase(handles_, handle);
  }
  return served;
}

Server::Served Server::accept_one() {
  const std::optional<Handle> handle = transport_.accept(listener_);
  if (!handle) return Served::kNoMessage;
  connections_.push_back({*handle, false, {}});
  handles_.push_back(*handle);
  return Served::kMessage;
}

Server::Served Server::answer_datagram() {
  Peer from;
  const size_t n = transport_.receive_from(datagrams_, buffer_, from);
  if (n == kNothing) return Served::kNoMessage;
  const std::span<const char> bytes(buffer_.data(), n);
  if (const auto request = parse_request(bytes)) {
    take_part(datagrams_, Protocol::kUdp, *request, &from);
  } else {
    (void)transport_.send_to(datagrams_, bytes, from);  // no room: lost, as datagrams are
  }
  return Served::kMessage;
}

Server::Served Server::answer(Connection& connection) {
  // A request is read without what follows it, which is the run's.
  const size_t room =
      connection.is_echo ? buffer_.size() : sizeof(BulkRequest) - connection.opening.size();
  const size_t n = transport_.receive(connection.handle, {buffer_.data(), room});
  if (n == kNothing) return Served::kNoMessage;
  if (n == 0) return Served::kEnded;
  const std::span<const char> bytes(buffer_.data(), n);
  const bool goes_on =
      connection.is_echo ? send_all(transport_, connection.handle, bytes) : open(connection, bytes);
  return goes_on ? Served::kMessage : Served::kEnded;
}

// The first bytes of a connection decide what it is for.
bool Server::open(Connection& connection, std::span<const char> bytes) {
  connection.opening.insert(connection.opening.end(), bytes.begin(), bytes.end());
  if (const auto request = parse_request(connection.opening)) {
    take_part(connection.handle, protocol_, *request, nullptr);
    return false;
  }
  if (may_be_request(connection.opening)) return true;
  connection.is_echo = true;
  return send_all(transport_, connection.handle, connection.opening);
}

void Server::take_part(Handle handle, Protocol protocol, const BulkRequest& request,
                       const Peer* peer) {
  switch (request.kind) {
    case BulkKind::kClientSends:
      last_report_ = receive_bulk(transport_, handle, protocol, request);
      break;
    case BulkKind::kServerSends:
      last_report_ = send_bulk(transport_, handle, protocol, request, peer);
      break;
    case BulkKind::kReport:
      if (peer == nullptr) {
        (void)send_all(transport_, handle, bytes_of(last_report_));
      } else {
        (void)transport_.send_to(handle, bytes_of(last_report_), *peer);
      }
      break;
  }
}

}  // namespace millrace::lat
