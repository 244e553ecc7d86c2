// SPDX-License-Identifier: BSD-3-Clause
// The fixture of tests that begin with a connection: the peer has connected to port 80, the
// application has accepted it, and nothing is in flight.
#pragma once

#include <memory>

#include "tests/support/app.h"
#include "tests/support/flow.h"

namespace millrace::test {

class ConnectedTest : public FamilyTest {
 protected:
  void SetUp() override {
    FamilyTest::SetUp();
    establish();
  }
  void TearDown() override {
    disband();
    FamilyTest::TearDown();
  }

  void establish(uint16_t mss = 1460) {
    listener = std::make_unique<App>(*this, Transport::kTcp, family());
    ASSERT_EQ(listener->bind(80), WsaError::kOk);
    ASSERT_EQ(listener->listen(), WsaError::kOk);
    flow = std::make_unique<Flow>(*this, family(), 40000, 80);
    flow->connect(mss);
    run();
    app = listener->accept();
    ASSERT_NE(app, nullptr);
  }
  void disband() {
    app.reset();
    listener.reset();
    flow.reset();
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
    app.reset();
    run();
    peer().forget();
    flow = std::make_unique<Flow>(*this, family(), 40001, 80);
    flow->window = window;
    flow->connect();
    run();
    app = listener->accept();
    ASSERT_NE(app, nullptr);
  }

  std::unique_ptr<App> listener;
  std::unique_ptr<App> app;
  std::unique_ptr<Flow> flow;
};

}  // namespace millrace::test
