// SPDX-License-Identifier: BSD-3-Clause
// The fixture of tests that begin with a connection: the peer has connected to port 80, the
// application has accepted it, and nothing is in flight.
//
// What a test of both transports needs of the peer has one word: say(), end(), reset(). The rest of TCP is
// in `flow`, of SCTP in `remote`.
#pragma once

#include <memory>

#include "tests/support/app.h"
#include "tests/support/association.h"
#include "tests/support/flow.h"

namespace millrace::test {

class ConnectedTest : public FamilyTest {
 protected:
  ConnectedTest() {
    if (has_messages()) sctp_clock = this;
  }
  ~ConnectedTest() override { sctp_clock = nullptr; }

  void SetUp() override {
    FamilyTest::SetUp();
    establish();
  }
  void TearDown() override {
    disband();
    FamilyTest::TearDown();
  }

  void establish(uint16_t mss = 1460) {
    listener = std::make_unique<App>(*this, transport(), family());
    ASSERT_EQ(listener->bind(80), WsaError::kOk);
    ASSERT_EQ(listener->listen(), WsaError::kOk);
    connect_from(40000, mss);
    app = listener->accept();
    ASSERT_NE(app, nullptr);
  }
  void disband() {
    end_script(app.get());
    app.reset();
    listener.reset();
    flow.reset();
    remote.reset();
    if (has_messages()) run();
  }
  /// A new Stack out of the changed config, and a new connection.
  void restart() {
    disband();
    stop();
    start();
    establish();
  }
  /// Another connection, by a peer that offers this window from its SYN on: a window that was
  /// offered is not taken back.
  void reconnect(uint16_t window) {
    end_script(app.get());
    app.reset();
    run();
    peer().forget();
    connect_from(40001, 1460, window);
    app = listener->accept();
    ASSERT_NE(app, nullptr);
  }
  /// The peer's connection from another port, which nobody has accepted yet: its script is in the test.
  void connect_from(uint16_t port, uint16_t mss = 1460, uint16_t window = 0xffff) {
    if (has_messages()) {
      remote = std::make_unique<Association>(*this, family(), port, uint16_t{80});
      return remote->connect();
    }
    flow = std::make_unique<Flow>(*this, family(), port, 80);
    flow->window = window;
    flow->connect(mss);
    run();
  }
  /// Nobody is going to answer the socket's farewell: without one its association ends at once.
  void end_script(App* of) {
    if (of != nullptr && has_messages()) of->socket().options.linger = true;  // {1, 0}
  }

  /// One segment, or one message in a packet of its own; run() delivers it.
  void say(const Bytes& bytes) {
    if (has_messages()) return remote->say(bytes);
    flow->send(tcp().ack().data(bytes));
  }
  void say(std::string_view text) { say(bytes_of(text)); }
  /// Segments of so many bytes, or such fragments of one message, in one burst.
  void say_in_parts(const Bytes& bytes, size_t part) {
    for (size_t at = 0; at < bytes.size(); at += part) {
      const auto begin = bytes.begin() + static_cast<ptrdiff_t>(at);
      const size_t n = std::min(part, bytes.size() - at);
      const Bytes one(begin, begin + static_cast<ptrdiff_t>(n));
      if (!has_messages()) {
        flow->send(tcp().ack().data(one));
        continue;
      }
      const int flags = (at == 0 ? Chunk::kBegins : 0) | (at + n == bytes.size() ? Chunk::kEnds : 0);
      remote->say(one, static_cast<uint8_t>(flags));
    }
  }
  /// Segments or messages of at most so many bytes, with a run() after each.
  void stream(const Bytes& bytes, size_t size = 1400) {
    if (!has_messages()) return flow->stream(bytes, size);
    for (size_t at = 0; at < bytes.size(); at += size) {
      const auto begin = bytes.begin() + static_cast<ptrdiff_t>(at);
      remote->say(Bytes(begin, begin + static_cast<ptrdiff_t>(std::min(size, bytes.size() - at))));
      run();
    }
  }
  /// The frame of say(), for a test that sends it in mbufs of its own choice.
  Bytes frame_of(std::string_view text) {
    if (!has_messages()) return flow->frame_of(tcp().ack().data(text));
    Frame frame = ip_frame(family());
    frame.to = peer().stack_mac();
    frame.from = peer().mac();
    frame.ip->protocol = kSctp;
    frame.payload = remote->packet_of(remote->data(bytes_of(text)), remote->tag());
    return build(frame);
  }
  /// The Stack has acknowledged all that was said.
  bool is_acknowledged() {
    if (has_messages()) return remote->is_acknowledged();
    uint32_t acknowledged = 0;
    while (const auto segment = flow->next()) acknowledged = segment->ack.value_or(acknowledged);
    return acknowledged == flow->own_next();
  }
  /// The peer's graceful end.
  void end() {
    if (has_messages()) return remote->shut_down();
    flow->send(tcp().fin().ack());
    run();
  }
  /// Its abortive one.
  void reset() {
    if (has_messages()) {
      remote->send({Chunk::kAbort, 0, {}});
    } else {
      flow->send(tcp().rst().ack());
    }
    run();
  }
  /// What a receive answers after end(): no error of a stream (contract: B12, E15).
  WsaError graceful_end() const { return has_messages() ? WsaError::kDiscon : WsaError::kOk; }
  /// How often a delivered byte was copied.
  uint64_t copies() const { return has_messages() ? kSctpCopies : 1; }

  std::unique_ptr<App> listener;
  std::unique_ptr<App> app;
  std::unique_ptr<Flow> flow;           ///< of streams
  std::unique_ptr<Association> remote;  ///< of messages
};

}  // namespace millrace::test
