// SPDX-License-Identifier: BSD-3-Clause
// The model of support/model.h over streams: bytes in order, ends of any kind, resets where they may be.
#include "tests/support/model.h"

namespace millrace::test {
namespace {

class Recv_Model : public ModelTest {
 protected:
  void choose_options(End& end) override {
    if (random.chance(20)) end.app->options().receive_buffer_bytes = static_cast<uint32_t>(random.below(60'000));
  }

  void post_receive(End& end) override {
    PostedReceive receive{};
    const WsaError started = start_receive(end, 0, receive);
    if (started == WsaError::kOk || started == WsaError::kIoPending) {
      EXPECT_FALSE(end.is_closed || end.has_shut_receive);
      end.receives.push_back(receive);
    } else if (end.has_shut_receive) {
      EXPECT_EQ(started, WsaError::kShutdown);
    } else {
      EXPECT_TRUE(started == WsaError::kConnReset && peer_may_reset(end));
      end.has_failed = true;
    }
    if (started == WsaError::kOk) {
      EXPECT_EQ(end.receives.front().posted, receive.posted) << "it overtook another receive";
    }
  }

  void receive_now(End& end, uint32_t flags) override {
    const size_t room = 1 + random.below(5000);
    const Received got = end.app->receive(room, flags);
    if (end.has_shut_receive) {
      EXPECT_EQ(got.error, WsaError::kShutdown);
    } else if (!end.receives.empty()) {
      EXPECT_EQ(got.error, WsaError::kWouldBlock) << "contract: B16, winsock-rules 84";
    } else if (got.error == WsaError::kOk) {
      expect_continues(end, got.bytes, room);
      if (flags == 0) end.n_received += got.bytes.size();
      if ((flags & WS_MSG_PEEK) != 0) {
        const Received same_again = end.app->receive(got.bytes.size() + 1, WS_MSG_PEEK);
        EXPECT_GE(same_again.bytes.size(), got.bytes.size()) << "a peek takes nothing";
      }
    } else if (got.error != WsaError::kWouldBlock) {
      EXPECT_TRUE(got.error == WsaError::kConnReset && peer_may_reset(end));
      end.has_failed = true;
    }
  }

  void send(End& end) override {
    const Bytes bytes = pattern(1 + random.below(4000), end.n_sent);
    Posted& posted = end.app->post_send(bytes);
    if (posted.started == WsaError::kOk || posted.started == WsaError::kIoPending) {
      EXPECT_FALSE(end.has_shut_send || end.is_closed);
      end.n_sent += bytes.size();
      end.sends.push_back({&posted, bytes.size()});
    } else if (end.has_shut_send && posted.started == WsaError::kShutdown) {
      return;
    } else {
      EXPECT_TRUE(posted.started == WsaError::kConnReset || posted.started == WsaError::kConnAborted);
      EXPECT_TRUE(end.other->is_closed);
      end.has_failed = true;
    }
  }

  bool peer_may_reset(const End& end) const override { return end.was_lost_at_close(); }

  void check_completed(End& end, const PostedReceive& receive, bool is_behind_a_pending_one) override {
    const Posted& posted = *receive.posted;
    switch (posted.error()) {
      case WsaError::kOk:
        expect_in_turn(end, posted, is_behind_a_pending_one);
        expect_continues(end, posted.bytes(), receive.room);
        end.n_received += posted.n_bytes();
        break;
      case WsaError::kConnReset:
        EXPECT_TRUE(peer_may_reset(end));
        EXPECT_FALSE(is_behind_a_pending_one);
        end.has_failed = true;
        break;
      default:
        ADD_FAILURE() << "a receive ended with " << static_cast<int>(posted.error());
    }
  }

  void expect_continues(const End& end, const Bytes& bytes, size_t room) {
    EXPECT_LE(bytes.size(), room);
    EXPECT_LE(end.n_received + bytes.size(), end.other->n_sent);
    EXPECT_TRUE(same(bytes, pattern(bytes.size(), end.n_received)));
    if (!bytes.empty()) return;
    EXPECT_TRUE(end.other->has_shut_send || end.other->is_closed) << "an end that nobody made";
    if (!end.other->lost_sends && !end.other->is_abortive) {
      EXPECT_EQ(end.n_received, end.other->n_sent) << "the end before the last byte";
    }
  }

  void finish_sending() override {
    for (int i = 0; i < 4000 && !is_over(); ++i) {
      for (End& end : ends) {
        if (!end.is_closed && !end.has_shut_send) shut_down(end, SD_SEND);
        if (!end.is_closed && !end.has_shut_receive && end.receives.empty()) post_receive(end);
      }
      advance(20);
      check_both();
    }
    EXPECT_TRUE(is_over()) << "A sent " << ends[0].n_sent << ", B got " << ends[1].n_received << "; B sent "
                           << ends[1].n_sent << ", A got " << ends[0].n_received;
  }

  /// Whoever can still hear has heard everything.
  bool is_over() const {
    return std::all_of(ends.begin(), ends.end(), [](const End& end) {
      return end.is_closed || end.has_failed || end.has_shut_receive || end.other->is_closed ||
             (end.n_received == end.other->n_sent && end.other->sends.empty());
    });
  }
};

TEST_P(Recv_Model, EveryCompletionIsThePredictedOne) { play(); }
MILLRACE_BOTH_FAMILIES(Recv_Model);

}  // namespace
}  // namespace millrace::test
