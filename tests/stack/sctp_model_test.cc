// SPDX-License-Identifier: BSD-3-Clause
// The model of support/model.h over SCTP's messages: each receive gets a piece of one message and never of
// two, with the rest told of by MSG_PARTIAL; where parts are not taken, all of it or WSAEMSGSIZE. The end of
// the association is told behind all that was sent before it.
#include "tests/support/model.h"

namespace millrace::test {
namespace {

class Recv_Model : public ModelTest {
 protected:
  // An address of its own keeps the mirror's true: otherwise INITs list the Stack's, by which each end would
  // find a second path to the other, past the mirror.
  void listen() override {
    listener = std::make_unique<App>(*this, transport(), family());
    ASSERT_EQ(listener->bind(at_stack(kPort)), WsaError::kOk);
    ASSERT_EQ(listener->listen(), WsaError::kOk);
  }
  std::unique_ptr<App> make_client() override {
    auto client = std::make_unique<App>(*this, transport(), family());
    EXPECT_EQ(client->bind(at_stack(0)), WsaError::kOk);
    whole_messages_ = random.chance(30);
    client->options().whole_messages = listener->options().whole_messages = whole_messages_;
    return client;
  }
  void choose_options(End& end) override {
    if (whole_messages_ || !random.chance(30)) return;
    end.app->options().receive_buffer_bytes = static_cast<uint32_t>(2000 + random.below(60'000));
    end.app->apply_options();
  }
  uint32_t partial(size_t percent) {
    return !whole_messages_ && random.chance(percent) ? uint32_t{MSG_PARTIAL} : 0;
  }

  void post_receive(End& end) override {
    PostedReceive receive{};
    const WsaError started = start_receive(end, partial(30), receive);
    if (started == WsaError::kOk || started == WsaError::kIoPending) {
      EXPECT_FALSE(end.is_closed || end.has_shut_receive);
      end.receives.push_back(receive);
    } else {
      expect_refusal(end, started, receive.room);
    }
    if (started == WsaError::kOk) {
      EXPECT_EQ(end.receives.front().posted, receive.posted) << "it overtook another receive";
    }
  }

  void receive_now(End& end, uint32_t flags) override {
    const size_t room = 1 + random.below(5000);
    flags |= partial(30);
    const Received got = end.app->receive(room, flags);
    if (end.has_shut_receive) {
      EXPECT_EQ(got.error, WsaError::kShutdown);
    } else if (!end.receives.empty()) {
      EXPECT_EQ(got.error, WsaError::kWouldBlock) << "contract: B16, winsock-rules 84";
    } else if (got.error == WsaError::kOk) {
      expect_piece(end, got.bytes, got.flags, room, flags);
      if ((flags & WS_MSG_PEEK) == 0) return taken(end, got.bytes.size());
      const Received same_again = end.app->receive(got.bytes.size(), flags);
      EXPECT_EQ(same_again.bytes, got.bytes) << "a peek takes nothing";
    } else if (got.error != WsaError::kWouldBlock) {
      expect_refusal(end, got.error, room);
    }
  }

  void send(End& end) override { send(end, partial(20)); }

  void send(End& end, uint32_t flags) {
    const size_t most = !whole_messages_ && random.chance(3) ? 100'000 : 4000;
    const Bytes bytes = pattern(1 + random.below(most), end.n_sent);
    end.app->owner = 0;  // sends end with their association: what is cancelled in part leaves a part
    Posted& posted = end.app->post_send(bytes, flags);
    if (posted.started == WsaError::kOk || posted.started == WsaError::kIoPending) {
      EXPECT_FALSE(end.has_shut_send || end.is_closed);
      end.n_sent += bytes.size();
      end.sends.push_back({&posted, bytes.size()});
      end.is_in_message = (flags & MSG_PARTIAL) != 0;
      if (!end.is_in_message) end.message_ends.push_back(end.n_sent);
    } else if (!end.has_shut_send || posted.started != WsaError::kShutdown) {
      // Receives go on: the end stands behind what has arrived.
      EXPECT_TRUE(is_ending()) << "an end that nobody made: " << static_cast<int>(posted.started);
      const bool is_reset = posted.started == WsaError::kConnReset && peer_may_reset(end);
      EXPECT_TRUE(is_reset || posted.started == WsaError::kConnAborted);
      end.lost_sends = true;
    }
  }

  bool peer_may_reset(const End& end) const override {
    // A message that was begun when one of them shut down is never finished: that ends as an abort does.
    return end.was_lost_at_close() || (is_ending() && has_begun(*end.other));
  }

  void check_completed(End& end, const PostedReceive& receive, bool is_behind_a_pending_one) override {
    const Posted& posted = *receive.posted;
    if (posted.error() == WsaError::kOk) {
      expect_in_turn(end, posted, is_behind_a_pending_one);
      expect_piece(end, posted.bytes(), posted.flags(), receive.room, receive.flags);
      return taken(end, posted.n_bytes());
    }
    EXPECT_FALSE(is_behind_a_pending_one);
    expect_refusal(end, posted.error(), receive.room);
  }

  // ---- what must be true ----

  static bool has_begun(const End& end) { return end.is_in_message || end.lost_sends || !end.sends.empty(); }
  bool is_ending() const {
    return std::any_of(ends.begin(), ends.end(), [](const End& end) { return end.has_shut_send || end.is_closed; });
  }

  void expect_piece(const End& end, const Bytes& bytes, uint32_t told, size_t room, uint32_t flags) {
    const End& from = *end.other;
    const size_t behind = end.n_received + bytes.size();
    const size_t message_end = from.message_ends.empty() ? SIZE_MAX : from.message_ends.front();
    EXPECT_FALSE(bytes.empty()) << "no message is empty";
    EXPECT_LE(bytes.size(), room);
    EXPECT_LE(behind, from.n_sent);
    EXPECT_LE(behind, message_end) << "of two messages";
    EXPECT_TRUE(same(bytes, pattern(bytes.size(), end.n_received)));
    EXPECT_EQ(told, behind == message_end ? 0 : uint32_t{MSG_PARTIAL});
    if (told == 0) return;
    EXPECT_FALSE(whole_messages_) << "contract: B10 b";
    const bool is_stuck = bytes.size() >= end.app->options().receive_buffer_bytes;
    const bool may_be_short = (flags & MSG_PARTIAL) != 0 || is_stuck || is_ending();
    EXPECT_TRUE(may_be_short || bytes.size() == room) << "contract: B10 a; " << bytes.size() << " of " << room;
  }
  static void taken(End& end, size_t n_bytes) {
    end.n_received += n_bytes;
    std::deque<size_t>& message_ends = end.other->message_ends;
    if (!message_ends.empty() && message_ends.front() == end.n_received) message_ends.pop_front();
  }

  /// Of a receive.
  void expect_refusal(End& end, WsaError error, size_t room) {
    if (end.has_shut_receive && error == WsaError::kShutdown) return;
    if (error != WsaError::kMsgSize) {
      EXPECT_TRUE(error != WsaError::kConnAborted || has_begun(end)) << "without a reason of its own";
      return expect_end(end, error);
    }
    EXPECT_TRUE(whole_messages_);
    ASSERT_FALSE(end.other->message_ends.empty());
    EXPECT_GT(end.other->message_ends.front() - end.n_received, room) << "it would have fitted";
  }
  void expect_end(End& end, WsaError error) {
    end.has_failed = true;
    EXPECT_TRUE(is_ending()) << "an end that nobody made: " << static_cast<int>(error);
    if (error == WsaError::kConnReset) {
      EXPECT_TRUE(peer_may_reset(end));
    } else if (error == WsaError::kDiscon) {
      // What the other end's library had taken was sent before the end.
      const std::deque<size_t>& message_ends = end.other->message_ends;
      const bool is_complete = message_ends.empty() || message_ends.front() > end.other->n_done;
      EXPECT_TRUE(is_complete || end.has_shut_receive) << "the end before the last message";
    } else {
      EXPECT_EQ(error, WsaError::kConnAborted);
    }
  }

  void finish_sending() override {
    for (int i = 0; i < 4000 && !is_over(); ++i) {
      for (End& end : ends) {
        if (is_deaf(end)) continue;
        if (end.is_in_message && !end.has_shut_send) send(end, 0);
        if (!end.has_shut_receive && end.receives.empty()) post_receive(end);
      }
      advance(20);
      check_both();
    }
    EXPECT_TRUE(is_over()) << "A sent " << ends[0].n_sent << ", B got " << ends[1].n_received << "; B sent "
                           << ends[1].n_sent << ", A got " << ends[0].n_received;
    if (is_deaf(ends[0]) || is_deaf(ends[1])) return;
    if (!ends[0].has_shut_send && !ends[1].has_shut_send) shut_down(ends[random.below(2)], SD_SEND);
    for (int i = 0; i < 100; ++i) advance(20);
    check_both();
    for (End& end : ends) {
      if (end.has_shut_receive || end.has_failed) continue;
      EXPECT_TRUE(end.receives.empty()) << "the end is not told";
      expect_refusal(end, end.app->receive().error, SIZE_MAX);
    }
  }
  static bool is_deaf(const End& end) { return end.is_closed || end.has_failed; }
  /// Whoever can still hear has heard everything.
  bool is_over() const {
    return std::all_of(ends.begin(), ends.end(), [](const End& end) {
      return is_deaf(end) || end.has_shut_receive || end.other->is_closed ||
             (end.n_received == end.other->n_sent && end.other->sends.empty());
    });
  }

 private:
  bool whole_messages_ = false;
};

TEST_P(Recv_Model, EveryCompletionIsThePredictedOne) { play(); }
INSTANTIATE_TEST_SUITE_P(Messages, Recv_Model,
                         testing::Values(ConnectionKind(4, Transport::kSctp), ConnectionKind(6, Transport::kSctp)),
                         family_name);

}  // namespace
}  // namespace millrace::test
