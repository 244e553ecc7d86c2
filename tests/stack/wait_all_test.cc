// SPDX-License-Identifier: BSD-3-Clause
// MSG_WAITALL: a receive that completes when it is full, when the connection ends, or when it is
// cancelled, and not before (winsock-rules 128).
#include "tests/support/connected_test.h"

namespace millrace::test {
namespace {

class Recv_WaitAll : public ConnectedTest {
 protected:
  void SetUp() override {
    ConnectedTest::SetUp();
    app->options().is_nonblocking = false;
  }
  Posted& post(size_t room) { return app->post_receive({room}, WS_MSG_WAITALL); }
  void arrives(std::string_view text) {
    flow->send(tcp().ack().data(text));
    run();
  }
};
MILLRACE_BOTH_FAMILIES(Recv_WaitAll);

TEST_P(Recv_WaitAll, CompletesWhenItIsFull) {
  Posted& all = app->post_receive({2, 0, 4}, WS_MSG_WAITALL);
  Posted& next = app->post_receive(10);
  for (const char* text : {"1", "23", "4", "5"}) {
    arrives(text);
    EXPECT_TRUE(all.is_pending());
  }
  arrives("67");
  EXPECT_EQ(all.text(), "123456");
  EXPECT_EQ(next.text(), "7");
}

TEST_P(Recv_WaitAll, BeginsWithWhatIsThere) {
  arrives("abc");
  Posted& all = post(5);
  EXPECT_EQ(all.started, WsaError::kIoPending);
  EXPECT_EQ(app->socket().readable_bytes(), 0u);
  arrives("de");
  EXPECT_EQ(all.text(), "abcde");
}

TEST_P(Recv_WaitAll, IsDoneAtOnceWhenAllIsThere) {
  arrives("abcdef");
  Posted& all = post(5);
  EXPECT_EQ(all.started, WsaError::kOk);
  EXPECT_EQ(all.text(), "abcde");
}

TEST_P(Recv_WaitAll, ABlockingOneWaitsForTheRest) {
  arrives("ab");
  flow->send(tcp().ack().data("cd"));  // on the wire, for the turns of the call
  flow->send(tcp().ack().data("efg"));
  const Received received = app->receive(6, WS_MSG_WAITALL);
  EXPECT_EQ(received.error, WsaError::kOk);
  EXPECT_EQ(received.bytes, bytes_of("abcdef"));
}

TEST_P(Recv_WaitAll, TheEndOfTheStreamCompletesItWithWhatItHas) {
  Posted& all = post(10);
  Posted& behind = post(10);
  arrives("abc");
  flow->send(tcp().fin().ack());
  run();
  ASSERT_FALSE(all.is_pending());
  EXPECT_EQ(all.text(), "abc");
  EXPECT_EQ(behind.text(), "");
  EXPECT_EQ(post(10).started, WsaError::kOk);
}

TEST_P(Recv_WaitAll, TheEndMayHaveComeBefore) {
  arrives("abc");
  flow->send(tcp().fin().ack());
  run();
  EXPECT_EQ(app->receive(10, WS_MSG_WAITALL).bytes, bytes_of("abc"));
}

TEST_P(Recv_WaitAll, AResetDoesNotTakeWhatItHas) {
  Posted& all = post(10);
  Posted& behind = post(10);
  arrives("abc");
  flow->send(tcp().rst());
  run();
  ASSERT_FALSE(all.is_pending());
  EXPECT_EQ(all.text(), "abc");
  EXPECT_EQ(behind.error(), WsaError::kConnReset);
}

TEST_P(Recv_WaitAll, CancelledItReportsWhatItHas) {  // winsock-rules 141
  app->owner = 7;
  Posted& all = post(10);
  Posted& behind = post(10);
  arrives("abc");
  {
    const Stack::Guard guard(stack());
    stack().cancel_requests_of(7);
  }
  ASSERT_FALSE(all.is_pending());
  EXPECT_EQ(all.error(), WsaError::kOk);
  EXPECT_EQ(all.text(), "abc");
  EXPECT_EQ(behind.error(), WsaError::kOperationAborted);
  arrives("def");
  EXPECT_EQ(app->text(), "def");
}

TEST_P(Recv_WaitAll, ClosedItIsAborted) {  // contract: E17
  Posted& all = post(10);
  arrives("abc");
  EXPECT_EQ(app->close(), WsaError::kOk);
  EXPECT_EQ(all.error(), WsaError::kOperationAborted);
}

TEST_P(Recv_WaitAll, GoesOnBehindUrgentData) {
  Posted& all = post(6);
  flow->send(tcp().ack().urg(4).data("abc!de"));
  run();
  EXPECT_TRUE(all.is_pending());
  arrives("f");
  EXPECT_EQ(all.text(), "abcdef");
  flow->send(tcp().ack().urg(4).data("abc?def"));
  run();
  EXPECT_EQ(app->receive(6, WS_MSG_WAITALL).bytes, bytes_of("abcdef"));
}

TEST_P(Recv_WaitAll, OpensTheWindowByWhatItTakes) {
  constexpr size_t kBytes = 1'500'000;  // several windows
  Posted& all = post(kBytes);
  for (size_t at = 0; at < kBytes; at += 1000) {
    flow->stream(pattern(1000, at));
    peer().forget();
  }
  ASSERT_FALSE(all.is_pending());
  EXPECT_TRUE(same(all.bytes(), pattern(kBytes)));
}

TEST_P(Recv_WaitAll, Refusals) {
  for (const uint32_t with : {WS_MSG_OOB, WS_MSG_PEEK, MSG_PARTIAL}) {
    EXPECT_EQ(app->receive(10, WS_MSG_WAITALL | with).error, WsaError::kOpNotSupp);
  }
  app->options().is_nonblocking = true;
  EXPECT_EQ(app->receive(10, WS_MSG_WAITALL).error, WsaError::kOpNotSupp);
  EXPECT_EQ(post(10).started, WsaError::kOpNotSupp);
  app->options().is_nonblocking = false;
  EXPECT_EQ(app->borrow(4, WS_MSG_WAITALL).error, WsaError::kOpNotSupp);
  App udp(*this, Transport::kUdp, family());
  ASSERT_EQ(udp.bind(5000), WsaError::kOk);
  udp.options().is_nonblocking = false;
  EXPECT_EQ(udp.receive(10, WS_MSG_WAITALL).error, WsaError::kOpNotSupp);
}

}  // namespace
}  // namespace millrace::test
