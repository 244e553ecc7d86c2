// SPDX-License-Identifier: BSD-3-Clause
// The fixtures of SCTP's tests: both ends in one Stack, over its looped port, or the peer driven by hand.
#pragma once

#include <memory>

#include "tests/support/app.h"
#include "tests/support/association.h"

namespace millrace::test {

inline constexpr uint16_t kSctpPort = 5000;

class SctpFixture : public FamilyTest {
 protected:
  SctpFixture() { sctp_clock = this; }
  ~SctpFixture() override { sctp_clock = nullptr; }
  std::unique_ptr<App> sctp_app() { return std::make_unique<App>(*this, Transport::kSctp, family()); }
  /// What the next connections are like.
  bool whole_messages = false;
  uint32_t receive_buffer_bytes = 262144;

  void listen() {
    listener = sctp_app();
    listener->options().whole_messages = whole_messages;
    listener->options().receive_buffer_bytes = receive_buffer_bytes;
    ASSERT_EQ(listener->bind(kSctpPort), WsaError::kOk);
    ASSERT_EQ(listener->listen(), WsaError::kOk);
  }
  std::unique_ptr<App> listener;
};

/// `client` has connected, `server` was accepted.
class SctpPairTest : public SctpFixture {
 protected:
  void SetUp() override {
    FamilyTest::SetUp();
    open();
  }
  void TearDown() override {
    close();
    FamilyTest::TearDown();
  }
  void open() {
    listen();
    client = sctp_app();
    client->options().whole_messages = whole_messages;
    ASSERT_EQ(client->connect(at_stack(kSctpPort)), WsaError::kWouldBlock);
    run();
    ASSERT_TRUE(client->socket().is_connected());
    server = listener->accept();
    ASSERT_NE(server, nullptr);
  }
  void close() {
    client.reset();
    server.reset();
    listener.reset();
    advance(1000);
  }
  void reopen() {
    close();
    open();
  }
  /// A message of any length, as fast as the other end takes it.
  void say(App& from, const Bytes& message, uint32_t flags = 0) {
    const Posted& sent = from.post_send(message, flags);
    for (int i = 0; i < 500 && sent.is_pending(); ++i) advance(10);
    run();
  }

  std::unique_ptr<App> client, server;
};

/// The peer, driven by hand, has connected to the listener, and `app` was accepted.
class SctpPeerTest : public SctpFixture {
 protected:
  void SetUp() override {
    FamilyTest::SetUp();
    open();
  }
  void TearDown() override {
    close();
    FamilyTest::TearDown();
  }
  void open() {
    listen();
    remote = std::make_unique<Association>(*this, family(), uint16_t{40000}, kSctpPort);
    remote->connect();
    app = listener->accept();
    ASSERT_NE(app, nullptr);
  }
  void close() {
    if (app != nullptr) app->socket().options.linger = true;  // {1, 0}: the peer's script is over
    app.reset();
    listener.reset();
    remote.reset();
    run();
  }

  std::unique_ptr<Association> remote;
  std::unique_ptr<App> app;
};

}  // namespace millrace::test
