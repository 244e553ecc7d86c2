// SPDX-License-Identifier: BSD-3-Clause
// Windows, buffers and delayed ACKs: how much may be in flight, in either direction, and when the
// Stack says so.
#include "tests/support/connected_test.h"

namespace millrace::test {
namespace {

class Tcp_Window : public ConnectedTest {
 protected:
  void restart_with_window(uint32_t bytes) {
    config.tcp.receive_window_bytes = bytes;
    restart();
  }
  /// What the peer may still send: the right edge of the last ACK less what it has sent.
  uint32_t last_window() {
    uint32_t window = 0;
    while (const auto segment = flow->next()) window = *segment->window;
    return window;
  }
  /// Fills the receive window until it is shut, without anybody reading. @return bytes sent
  size_t fill_window() {
    size_t sent = 0;
    for (size_t room = 1; room != 0;) {
      const size_t n = std::min<size_t>(room, 1000);
      flow->send(tcp().psh().ack().data(pattern(n, sent)));
      sent += n;
      advance(20);  // past the delayed ACK
      room = last_window();
    }
    return sent;
  }
};
MILLRACE_BOTH_FAMILIES(Tcp_Window);

TEST_P(Tcp_Window, ShutsWhenNobodyReadsAndOpensAsDataIsRead) {
  restart_with_window(16'384);
  const size_t sent = fill_window();
  EXPECT_GE(sent, 15'000u);
  EXPECT_LE(sent, 17'000u);
  EXPECT_TRUE(same(app->drain(), pattern(sent)));
  run();
  EXPECT_GE(last_window(), 8'192u);
  flow->stream(pattern(8'000, sent), 1000);
  EXPECT_TRUE(same(app->drain(), pattern(8'000, sent)));
}

TEST_P(Tcp_Window, AShutWindowIsReportedToAProbe) {
  restart_with_window(8192);
  (void)fill_window();
  const uint32_t end = flow->own_next();
  flow->send(tcp().seq(end).ack().data("?"));
  run();
  const auto answer = flow->next();
  ASSERT_TRUE(answer);
  EXPECT_LT(*answer->window, 1000);
  const Bytes got = app->drain();
  EXPECT_GE(got.size() + 1, end - 1);
  run();
  EXPECT_GE(last_window(), 4096u);
}

TEST_P(Tcp_Window, OpensAlsoForOneWhoReadsLittleByLittle) {
  restart_with_window(16'384);
  const size_t sent = fill_window();
  peer().forget();
  size_t read = 0;
  while (read < 8'192) read += app->receive(100).bytes.size();
  run();
  EXPECT_GE(last_window(), 4'096u);
  EXPECT_EQ(app->drain().size(), sent - read);
}

TEST_P(Tcp_Window, APendingReceiveKeepsItOpen) {
  restart_with_window(8192);
  constexpr size_t kBytes = 100'000;
  Posted& receive = app->post_receive(kBytes);
  flow->stream(pattern(kBytes), 1000);
  EXPECT_FALSE(receive.is_pending());  // done with the first burst
  const Bytes first = receive.bytes();
  Bytes rest = app->drain();
  EXPECT_TRUE(same(first, pattern(first.size())));
  EXPECT_TRUE(same(rest, pattern(rest.size(), first.size())));
}

TEST_P(Tcp_Window, OfThePeerIsNeverOverrun) {
  reconnect(3000);
  const Bytes data = pattern(20'000);
  ASSERT_EQ(app->send(data).bytes, data.size());
  Bytes got;
  while (got.size() < data.size()) {
    size_t in_flight = 0;
    while (const auto segment = flow->next()) {
      in_flight += segment->payload.size();
      got.insert(got.end(), segment->payload.begin(), segment->payload.end());
    }
    ASSERT_LE(in_flight, 3000u);
    ASSERT_GT(in_flight, 0u);
    flow->send(tcp().ack());
  }
  EXPECT_TRUE(same(got, data));
}

TEST_P(Tcp_Window, OfThePeerThatIsShutIsProbedAndUsedWhenItOpens) {
  reconnect(0);
  ASSERT_EQ(app->send("patience").error, WsaError::kOk);
  flow->expect_nothing();
  advance(20'000);
  size_t n_probes = 0;
  while (const auto segment = flow->next()) {
    EXPECT_LE(segment->payload.size(), 1u);
    ++n_probes;
    flow->send(tcp().ack(1));
  }
  EXPECT_GE(n_probes, 1u);
  flow->window = 1000;
  flow->send(tcp().ack(1));
  run();
  Bytes got;
  advance(5'000);
  while (const auto segment = flow->next()) {
    const size_t at = *segment->seq - 1;
    const Bytes& part = segment->payload;
    if (got.size() < at + part.size()) got.resize(at + part.size());
    std::copy(part.begin(), part.end(), got.begin() + static_cast<ptrdiff_t>(at));
    flow->send(tcp().ack());
  }
  EXPECT_EQ(got, bytes_of("patience"));
}

TEST_P(Tcp_Window, OfThePeerIsScaledByWhatItsSynSaid) {
  Flow scaled(*this, family(), 41000, 80);
  scaled.connect(1460, 4);
  run();
  const auto accepted = listener->accept();
  ASSERT_NE(accepted, nullptr);
  scaled.window = 10'000;  // 160,000 bytes
  scaled.send(tcp().ack());
  ASSERT_EQ(accepted->send(pattern(200'000)).bytes, 200'000u);
  Bytes got;
  for (int i = 0; i < 1000 && got.size() < 150'000; ++i) {
    const auto segment = scaled.next();
    if (segment) {
      got.insert(got.end(), segment->payload.begin(), segment->payload.end());
      scaled.send(tcp().ack());
    }
  }
  EXPECT_TRUE(same(got, pattern(got.size())));
  EXPECT_GE(got.size(), 150'000u);
}

// SO_RCVBUF below the window: a peer that heeds the window cannot make us hold more than a little
// above it, and reading opens the window again.
class Tcp_ReceiveBuffer : public Tcp_Window {};
MILLRACE_BOTH_FAMILIES(Tcp_ReceiveBuffer);

TEST_P(Tcp_ReceiveBuffer, LimitsTheWindowOnceTheFirstOneIsUsedUp) {
  restart_with_window(65'536);
  app->options().receive_buffer_bytes = 16'384;
  app->apply_options();
  size_t sent = 0;
  while (sent < 60'000) {  // the first window was announced already
    flow->stream(pattern(1000, sent));
    sent += 1000;
    EXPECT_TRUE(same(app->drain(), pattern(1000, sent - 1000)));
  }
  advance(20);
  (void)last_window();
  const size_t held = fill_window();
  EXPECT_LE(held, 24'000u);
  EXPECT_EQ(app->drain().size(), held);
}

TEST_P(Tcp_ReceiveBuffer, OpensTheWindowAgainWhenASmallBufferWasReadEmpty) {
  restart_with_window(65'536);
  app->options().receive_buffer_bytes = 8'192;
  app->apply_options();
  for (size_t sent = 0; sent < 60'000; sent += 1000) {
    flow->stream(pattern(1000, sent));
    (void)app->drain();
  }
  advance(20);
  (void)last_window();
  (void)fill_window();
  (void)app->drain();
  advance(20);
  EXPECT_GE(last_window(), 4'096u) << "the peer has to probe to find out that there is room";
}

TEST_P(Tcp_ReceiveBuffer, SettingAnotherOptionDoesNotTakeWindowAway) {
  restart_with_window(65'536);
  app->options().receive_buffer_bytes = 32'768;
  app->apply_options();
  for (size_t sent = 0; sent < 60'000; sent += 1000) {
    flow->stream(pattern(1000, sent));
    (void)app->drain();
    if (sent % 10'000 == 0) {
      app->options().no_delay = !app->options().no_delay;
      app->apply_options();
    }
  }
  advance(20);
  (void)last_window();
  (void)fill_window();
  (void)app->drain();
  flow->send(tcp().seq(flow->own_next()).ack().data("?"));
  advance(20);
  EXPECT_GE(last_window(), 16'384u);
}

class Tcp_DelayedAck : public ConnectedTest {};
MILLRACE_BOTH_FAMILIES(Tcp_DelayedAck);

TEST_P(Tcp_DelayedAck, OneSegmentIsAcknowledgedAfterAShortTime) {
  flow->send(tcp().psh().ack().data("one"));
  flow->expect_nothing();
  advance(500);  // RFC 9293 3.8.6.3: less than 0.5 s
  flow->expect(tcp().seq(1).ack(4));
  flow->expect_nothing();
  EXPECT_EQ(app->text(), "one");
}

TEST_P(Tcp_DelayedAck, EverySecondSegmentIsAcknowledgedAtOnce) {
  flow->send(tcp().ack().data(pattern(1000)));
  flow->expect_nothing();
  flow->send(tcp().ack().data(pattern(1000, 1000)));
  flow->expect(tcp().ack(2001));
  EXPECT_TRUE(same(app->drain(), pattern(2000)));
}

TEST_P(Tcp_DelayedAck, RidesOnDataThatGoesBack) {
  flow->send(tcp().ack().data("question"));
  run();
  EXPECT_EQ(app->text(), "question");
  ASSERT_EQ(app->send("answer").error, WsaError::kOk);
  flow->expect(tcp().ack(9).data("answer"));
  flow->send(tcp().ack());
  advance(500);
  flow->expect_nothing();
  EXPECT_EQ(counters().timer_visits, 0u) << "no timer looked at what had been acknowledged";
}

class Tcp_LongDelayedAck : public ConnectedTest {
 protected:
  Tcp_LongDelayedAck() { config.tcp.delayed_ack_ms = 40; }
};
MILLRACE_BOTH_FAMILIES(Tcp_LongDelayedAck);

TEST_P(Tcp_LongDelayedAck, WaitsForAsLongAsConfigured) {
  for (uint32_t i = 1; i <= 70; ++i) {  // of delays, more than there are slots for
    flow->send(tcp().psh().ack().data("one"));
    run();
    advance(30);
    flow->expect_nothing();
    advance(10);
    flow->expect(tcp().ack(1 + 3 * i));
  }
}

TEST_P(Tcp_LongDelayedAck, IsOverWithASecondSegmentAndBeginsAnewWithAThird) {
  flow->send(tcp().psh().ack().data("one"));
  run();
  advance(20);
  flow->send(tcp().psh().ack().data("two"));
  flow->expect(tcp().ack(7));
  advance(10);
  flow->send(tcp().psh().ack().data("six"));
  run();
  advance(40);  // at the latest; the first one's time is as good
  flow->expect(tcp().ack(10));
  advance(100);
  flow->expect_nothing();
  EXPECT_EQ(counters().timer_visits, 1u);
}

class Tcp_SendBuffer : public ConnectedTest {};
MILLRACE_BOTH_FAMILIES(Tcp_SendBuffer);

TEST_P(Tcp_SendBuffer, ANonblockingSendTakesWhatFitsAndThenWouldBlock) {
  reconnect(0);
  app->options().send_buffer_bytes = 20'000;
  app->apply_options();
  const Outcome first = app->send(pattern(50'000));
  EXPECT_EQ(first.error, WsaError::kOk);
  EXPECT_EQ(first.bytes, 20'000u);
  EXPECT_EQ(app->send("x").error, WsaError::kWouldBlock);
  EXPECT_FALSE(app->socket().is_writable());
  flow->window = 0xffff;
  flow->send(tcp().ack());
  EXPECT_TRUE(same(flow->collect(20'000), pattern(20'000)));
  run();
  EXPECT_TRUE(app->socket().is_writable());
}

TEST_P(Tcp_SendBuffer, AnOverlappedSendIsDoneWhenItsLastByteIsTaken) {
  const Bytes data = pattern(config.tcp.send_buffer_bytes * 2);
  Posted& send = app->post_send(data);
  ASSERT_EQ(send.started, WsaError::kIoPending);
  Posted& behind = app->post_send(bytes_of("behind"));
  ASSERT_EQ(behind.started, WsaError::kIoPending);
  EXPECT_EQ(app->send("jumps the queue").error, WsaError::kWouldBlock);
  Bytes both = data;
  for (const char c : std::string("behind")) both.push_back(static_cast<uint8_t>(c));
  EXPECT_TRUE(same(flow->collect(both.size()), both));
  ASSERT_FALSE(send.is_pending());
  EXPECT_EQ(send.error(), WsaError::kOk);
  EXPECT_EQ(send.n_bytes(), data.size());
  EXPECT_FALSE(behind.is_pending());
  EXPECT_LT(send.signalled_as, behind.signalled_as);
}

TEST_P(Tcp_SendBuffer, ShutdownWaitsForOverlappedSends) {
  const Bytes data = pattern(config.tcp.send_buffer_bytes + 50'000);
  Posted& send = app->post_send(data);
  ASSERT_EQ(send.started, WsaError::kIoPending);
  ASSERT_EQ(app->shutdown(SD_SEND), WsaError::kOk);
  EXPECT_TRUE(same(flow->collect(data.size()), data));
  run();
  EXPECT_TRUE(flow->has_fin() || (flow->next() && flow->has_fin()));
  EXPECT_EQ(send.error(), WsaError::kOk);
}

TEST_P(Tcp_SendBuffer, NagleHoldsSmallSegmentsBackUntilTheAck) {
  ASSERT_EQ(app->send("a").error, WsaError::kOk);
  flow->expect(tcp().ack().data("a"));
  ASSERT_EQ(app->send("b").error, WsaError::kOk);
  ASSERT_EQ(app->send("c").error, WsaError::kOk);
  flow->expect_nothing();
  flow->send(tcp().ack());
  flow->expect(tcp().ack().data("bc"));
}

TEST_P(Tcp_SendBuffer, NoDelaySendsAtOnce) {
  app->options().no_delay = true;
  app->apply_options();
  for (const char* text : {"a", "b", "c"}) {
    ASSERT_EQ(app->send(text).error, WsaError::kOk);
    flow->expect(tcp().ack().data(text));
  }
}

// An empty pool delays a send; it does not fail it, and nothing is lost.
TEST_P(Tcp_SendBuffer, AnEmptyPoolDelaysASend) {
  Posted* send = nullptr;
  {
    const auto taken = exhaust_pool();
    send = &app->post_send(pattern(5000));
    EXPECT_EQ(send->started, WsaError::kIoPending);
    advance(100);
    EXPECT_TRUE(send->is_pending());
    EXPECT_GT(counters().mbuf_alloc_failed, 0u);
  }
  advance(200);
  EXPECT_TRUE(same(flow->collect(5000), pattern(5000)));
  EXPECT_FALSE(send->is_pending());
}

// The pool runs dry after n more mbufs, for every n that a small exchange gets through: nothing
// breaks, and once there are mbufs again everything arrives.
TEST_P(Tcp_SendBuffer, AShortageOfMbufsAtAnyPointOnlyDelays) {
  for (uint16_t n = 0; n < 25; ++n) {
    Flow other(*this, family(), static_cast<uint16_t>(41000 + n), 80);
    std::unique_ptr<App> accepted;
    {
      const auto taken = exhaust_pool(n);
      other.send(tcp().syn().seq(0).mss(1460));
      run();
      peer().forget();
    }
    // Whatever became of it, the SYN and its answer come again.
    other.send(tcp().syn().seq(0).mss(1460));
    advance(10);
    const auto answer = other.next();
    ASSERT_TRUE(answer && answer->has(Segment::kSyn)) << n;
    while (other.next()) {
    }
    other.send(tcp().seq(1).ack(1));
    run();
    accepted = listener->accept();
    ASSERT_NE(accepted, nullptr) << n;
    Posted* send = nullptr;
    {
      const auto taken = exhaust_pool(n);
      other.send(tcp().seq(1).ack(1).data("question"));
      send = &accepted->post_send(pattern(4000));
      (void)accepted->shutdown(SD_SEND);
      run();
    }
    EXPECT_EQ(accepted->text(), "question");
    Bytes got(4000);
    size_t n_got = 0;
    for (int i = 0; i < 600 && !(n_got == 4000 && other.has_fin()); ++i) {
      advance(100);
      while (const auto segment = other.next()) {
        const size_t at = *segment->seq - 1;
        if (at != n_got) continue;  // again, or behind a hole
        std::copy(segment->payload.begin(), segment->payload.end(),
                  got.begin() + static_cast<ptrdiff_t>(at));
        n_got += segment->payload.size();
      }
      other.send(tcp().seq(9).ack(static_cast<uint32_t>(1 + n_got)));
    }
    EXPECT_EQ(n_got, 4000u) << n;
    EXPECT_TRUE(same(got, pattern(4000)));
    EXPECT_TRUE(other.has_fin()) << n;
    EXPECT_FALSE(send->is_pending());
  }
}

}  // namespace
}  // namespace millrace::test
