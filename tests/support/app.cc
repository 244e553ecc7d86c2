// SPDX-License-Identifier: BSD-3-Clause
#include "tests/support/app.h"

#include <arpa/inet.h>

#include <algorithm>
#include <cstring>

namespace millrace::test {
namespace {

std::vector<WSABUF> wsabufs_of(std::vector<Bytes>& buffers) {
  std::vector<WSABUF> out;
  for (Bytes& buffer : buffers) {
    out.push_back({static_cast<ULONG>(buffer.size()), reinterpret_cast<CHAR*>(buffer.data())});
  }
  return out;
}

Endpoint endpoint_of(const WS_sockaddr_in6& from) {
  Endpoint endpoint{IpAddress::any(from.sin6_family == WS_AF_INET ? 4 : 6), ntohs(from.sin6_port)};
  if (endpoint.address.family == 4) {
    WS_sockaddr_in v4;
    std::memcpy(&v4, &from, sizeof v4);
    std::memcpy(endpoint.address.bytes.data(), &v4.sin_addr, 4);
  } else {
    std::memcpy(endpoint.address.bytes.data(), &from.sin6_addr, 16);
  }
  return endpoint;
}

}  // namespace

Posted::Posted(const std::vector<size_t>& rooms) {
  for (const size_t room : rooms) buffers.emplace_back(room, kUntouched);
  overlapped.Internal = 0;
  overlapped.InternalHigh = 0xdead;
  overlapped.hEvent = this;
}

Posted::~Posted() {
  const bool is_owed = started == WsaError::kOk || started == WsaError::kIoPending;
  EXPECT_EQ(n_signals, is_owed ? 1 : 0) << "completions of one operation";
  EXPECT_FALSE(is_pending());
}

Bytes Posted::bytes() const {
  Bytes all;
  for (const Bytes& buffer : buffers) all.insert(all.end(), buffer.begin(), buffer.end());
  const auto end = all.begin() + n_bytes();
  EXPECT_TRUE(std::all_of(end, all.end(), [](uint8_t byte) { return byte == kUntouched; }))
      << "bytes behind the amount that was reported have changed";
  return {all.begin(), end};
}

std::string Posted::text() const {
  const Bytes all = bytes();
  return {all.begin(), all.end()};
}

void Posted::on_event(HANDLE posted) {
  static int n_signalled = 0;
  auto& self = *static_cast<Posted*>(posted);
  ++self.n_signals;
  self.signalled_as = ++n_signalled;
}

Bytes Lent::bytes() const {
  Bytes all;
  for (const WSABUF& buffer : buffers) all.insert(all.end(), buffer.buf, buffer.buf + buffer.len);
  EXPECT_EQ(all.size(), n_bytes);
  return all;
}

std::string Lent::text() const {
  const Bytes all = bytes();
  return {all.begin(), all.end()};
}

WsaError give_back(Stack& stack, std::vector<WSABUF>& buffers) {
  const Stack::Guard guard(stack);
  size_t n_taken = 0;
  return stack.take_back(buffers, n_taken, true);
}

WsaError give_back_one(Stack& stack, WSABUF buffer) {
  std::vector<WSABUF> one = {buffer};
  return give_back(stack, one);
}

App::App(StackTest& world, Transport transport, uint8_t family, uint32_t on) : world_(world) {
  Stack& stack = world.stack(on);
  const Stack::Guard guard(stack);
  stack.application.signal_event = Posted::on_event;
  socket_ = stack.open(transport, family);
  handle_ = stack.insert(*socket_);
  socket_->options.is_nonblocking = true;
  socket_->options.is_overlapped = true;
}

App::App(StackTest& world, Socket& accepted) : world_(world), socket_(&accepted) {
  handle_ = accepted.stack().insert(accepted);
}

App::~App() {
  (void)close();
  const Stack::Guard guard(socket_->stack());
  socket_->stack().erase(handle_);
  socket_->unref();
}

WsaError App::bind(const Endpoint& endpoint) {
  const Stack::Guard guard(socket_->stack());
  return socket_->bind(endpoint);
}

WsaError App::bind(uint16_t port) { return bind({IpAddress::any(socket_->family()), port}); }

WsaError App::listen(int backlog) {
  const Stack::Guard guard(socket_->stack());
  return socket_->listen(backlog);
}

std::unique_ptr<App> App::accept() {
  const Stack::Guard guard(socket_->stack());
  WsaError error = WsaError::kOk;
  Socket* const accepted = socket_->accept(error);
  if (accepted != nullptr) return std::unique_ptr<App>(new App(world_, *accepted));
  ADD_FAILURE() << "no connection to accept: " << static_cast<int>(error);
  return nullptr;
}

WsaError App::accept_error() {
  const Stack::Guard guard(socket_->stack());
  WsaError error = WsaError::kOk;
  Socket* const accepted = socket_->accept(error);
  if (accepted == nullptr) return error;
  accepted->reset();
  accepted->unref();
  return WsaError::kOk;
}

WsaError App::connect(const Endpoint& peer) {
  const Stack::Guard guard(socket_->stack());
  return socket_->connect(peer);
}

WsaError App::shutdown(int how) {
  const Stack::Guard guard(socket_->stack());
  return socket_->shutdown(how);
}

WsaError App::close() {
  const Stack::Guard guard(socket_->stack());
  return socket_->close();
}

void App::apply_options() {
  const Stack::Guard guard(socket_->stack());
  socket_->apply_options();
}

Outcome App::send(const Bytes& bytes, const std::optional<Endpoint>& to) {
  const WSABUF buffer{static_cast<ULONG>(bytes.size()),
                      const_cast<CHAR*>(reinterpret_cast<const CHAR*>(bytes.data()))};
  const Stack::Guard guard(socket_->stack());
  return socket_->send({std::span(&buffer, 1), 0, to, {}});
}

Outcome App::send_urgent(std::string_view text) {
  const WSABUF buffer{static_cast<ULONG>(text.size()), const_cast<CHAR*>(text.data())};
  const Stack::Guard guard(socket_->stack());
  return socket_->send({std::span(&buffer, 1), WS_MSG_OOB, std::nullopt, {}});
}

Received App::receive(size_t room, uint32_t flags) {
  std::vector<Bytes> buffers = {Bytes(room)};
  const std::vector<WSABUF> wsabufs = wsabufs_of(buffers);
  WS_sockaddr_in6 from{};
  INT length = sizeof from;
  const bool is_message = socket_->transport() == Transport::kUdp;
  FromAddress wanted;
  if (is_message) wanted = {reinterpret_cast<WS_sockaddr*>(&from), &length};
  Outcome outcome;
  {
    const Stack::Guard guard(socket_->stack());
    outcome = socket_->receive({wsabufs, flags, wanted, {}});
  }
  buffers[0].resize(outcome.bytes);
  Received received{outcome.error, std::move(buffers[0]), std::nullopt, outcome.flags};
  if (is_message && from.sin6_family != 0) received.from = endpoint_of(from);
  return received;
}

Outcome App::receive_into(std::vector<Bytes>& buffers, uint32_t flags) {
  const std::vector<WSABUF> wsabufs = wsabufs_of(buffers);
  const Stack::Guard guard(socket_->stack());
  return socket_->receive({wsabufs, flags, {}, {}});
}

std::string App::text(size_t room) {
  const Received received = receive(room);
  EXPECT_EQ(received.error, WsaError::kOk);
  return {received.bytes.begin(), received.bytes.end()};
}

Bytes App::drain() {
  Bytes all;
  for (;;) {
    const Received received = receive();
    if (received.error == WsaError::kWouldBlock) return all;
    EXPECT_EQ(received.error, WsaError::kOk);
    if (received.error != WsaError::kOk || received.bytes.empty()) return all;
    all.insert(all.end(), received.bytes.begin(), received.bytes.end());
  }
}

Lent App::borrow(size_t room, uint32_t flags) {
  std::vector<WSABUF> array(room, WSABUF{0xffffffff, nullptr});
  WS_sockaddr_in6 from{};
  INT length = sizeof from;
  const bool is_message = socket_->transport() == Transport::kUdp;
  FromAddress wanted;
  if (is_message) wanted = {reinterpret_cast<WS_sockaddr*>(&from), &length};
  Lent lent;
  {
    const Stack::Guard guard(socket_->stack());
    LoanCursor to(*socket_, array);
    const Outcome outcome = socket_->receive({array, flags, wanted, {}, &to});
    lent.error = outcome.error;
    lent.n_bytes = outcome.bytes;
    lent.count = to.count();
  }
  if (lent.error != WsaError::kOk) return lent;
  if (is_message) lent.from = endpoint_of(from);
  lent.buffers.assign(array.begin(), array.begin() + lent.count);
  EXPECT_TRUE(std::all_of(array.begin() + lent.count, array.end(),
                          [](const WSABUF& b) { return b.buf == nullptr; }))
      << "WSABUFs behind the count that was reported have changed";
  return lent;
}

Posted& App::post_borrow(std::vector<WSABUF>& array, DWORD& count) {
  Posted& posted = *posted_.emplace_back(std::make_unique<Posted>(std::vector<size_t>{}));
  const Stack::Guard guard(socket_->stack());
  LoanCursor to(*socket_, array, &count);
  finish(posted, socket_->receive({array, 0, {}, tell_of(posted), &to}));
  if (posted.started == WsaError::kOk) to.report();
  return posted;
}

Posted& App::post_receive(const std::vector<size_t>& rooms, uint32_t flags) {
  Posted& posted = *posted_.emplace_back(std::make_unique<Posted>(rooms));
  std::vector<WSABUF> wsabufs = wsabufs_of(posted.buffers);
  FromAddress from;
  if (socket_->transport() == Transport::kUdp) {
    from = {reinterpret_cast<WS_sockaddr*>(&posted.from), &posted.from_length};
  }
  const Stack::Guard guard(socket_->stack());
  finish(posted, socket_->receive({wsabufs, flags, from, tell_of(posted)}));
  // contract: B8, the array is the caller's again.
  std::fill(wsabufs.begin(), wsabufs.end(), WSABUF{0xffffffff, nullptr});
  return posted;
}

Posted& App::post_send(const Bytes& bytes, uint32_t flags) {
  Posted& posted = *posted_.emplace_back(std::make_unique<Posted>(std::vector<size_t>{}));
  posted.buffers = {bytes};
  std::vector<WSABUF> wsabufs = wsabufs_of(posted.buffers);
  const Stack::Guard guard(socket_->stack());
  finish(posted, socket_->send({wsabufs, flags, std::nullopt, tell_of(posted)}));
  std::fill(wsabufs.begin(), wsabufs.end(), WSABUF{0xffffffff, nullptr});
  return posted;
}

Posted& App::post_change(uint32_t event, const IpAddress& to) {
  Posted& posted = *posted_.emplace_back(std::make_unique<Posted>(std::vector<size_t>{}));
  const Stack::Guard guard(socket_->stack());
  finish(posted, socket_->await_change(tell_of(posted), event, to));
  return posted;
}

Overlapped App::tell_of(Posted& posted) const {
  return {.overlapped = &posted.overlapped, .event = &posted, .owner = owner};
}

void App::finish(Posted& posted, const Outcome& outcome) {
  posted.started = outcome.error;
  if (outcome.error == WsaError::kOk) ++world_.n_expected_completions;
  if (outcome.error != WsaError::kIoPending) return;
  ++world_.n_expected_completions;
  ++world_.n_expected_started;
}

}  // namespace millrace::test
