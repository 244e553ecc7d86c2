// SPDX-License-Identifier: BSD-3-Clause
// Two sockets, thousands of mixed calls, and a small model that says what each completion must be.
//
//   socket A ── Stack ── wire ── mirror ── wire ── the same Stack ── socket B
//
// The mirror on the wire's other end swaps the addresses of each segment, so A's connection to the
// peer arrives at a listener of A's own Stack; and it loses, doubles and delays segments. The model
// of one end is a queue of posted receives and two numbers, bytes sent and bytes received: what is
// received continues the stream where the last receive ended, in the order of posting, and each
// started request ends exactly once. A seed repeats its run exactly. MILLRACE_MODEL_STEPS in the
// environment makes it longer.
#include <algorithm>
#include <array>
#include <cstdlib>
#include <deque>

#include "tests/support/app.h"

namespace millrace::test {
namespace {

constexpr int kSteps = 10'000;  // of one seed
constexpr uint16_t kPort = 80;
constexpr uint32_t kOwners = 3;
constexpr size_t kMostPosted = 12;

int n_steps() {
  const char* const wanted = std::getenv("MILLRACE_MODEL_STEPS");
  return wanted == nullptr ? kSteps : std::atoi(wanted);
}

class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed * 0x9e3779b97f4a7c15u + 1) {}
  size_t below(size_t n) {  // xorshift64
    state_ ^= state_ << 13;
    state_ ^= state_ >> 7;
    state_ ^= state_ << 17;
    return static_cast<size_t>(state_ % n);
  }
  bool chance(size_t percent) { return below(100) < percent; }

 private:
  uint64_t state_;
};

struct PostedReceive {
  Posted* posted;
  uint32_t owner;
  size_t room;
};

/// One socket and what the model knows of it.
struct End {
  std::unique_ptr<App> app;
  End* other = nullptr;
  std::deque<PostedReceive> receives;  ///< in the order of posting
  std::deque<Posted*> sends;
  size_t n_sent = 0;      ///< bytes handed over, those of waiting sends included
  size_t n_received = 0;  ///< bytes
  size_t n_received_at_close = 0;
  int last_signal = 0;
  bool has_shut_send = false;
  bool has_shut_receive = false;
  bool is_closed = false;
  bool is_abortive = false;   ///< closed by a reset
  bool lost_sends = false;    ///< closed while sends waited: the stream ends anywhere
  bool has_failed = false;    ///< the connection was reset under it
  uint32_t cancelled = 0;     ///< bit set of owners whose receives were cancelled just now

  bool peer_may_reset() const {
    return other->is_closed && (other->is_abortive || n_sent > other->n_received_at_close);
  }
};

class Recv_Model : public FamilyTest {
 protected:
  Recv_Model() : random_(1) {}

  void SetUp() override {
    FamilyTest::SetUp();
    peer().filter = [this](const Frame& frame) { return mirror(frame); };
    listener_ = std::make_unique<App>(*this, Transport::kTcp, family());
    ASSERT_EQ(listener_->bind(kPort), WsaError::kOk);
    ASSERT_EQ(listener_->listen(), WsaError::kOk);
  }
  void TearDown() override {
    for (End& end : ends_) end.app.reset();
    listener_.reset();
    loss_percent_ = 0;
    run();
    peer().filter = nullptr;
    FamilyTest::TearDown();
  }

  // ---- the wire ----

  bool mirror(const Frame& frame) {
    if (!frame.tcp) return false;
    Frame back = frame;
    std::swap(back.to, back.from);
    std::swap(back.ip->source, back.ip->target);
    if (loss_percent_ != 0 && random_.chance(loss_percent_)) return true;
    if (loss_percent_ != 0 && random_.chance(2)) delayed_.push_back(back);
    if (loss_percent_ != 0 && random_.chance(2)) peer().send(back);
    peer().send(back);
    if (!delayed_.empty() && random_.chance(20)) {
      peer().send(delayed_.front());
      delayed_.pop_front();
    }
    return true;
  }

  // ---- the life of a pair ----

  void open_pair() {
    loss_percent_ = 0;
    delayed_.clear();
    for (End& end : ends_) end = End{};
    ends_[0].other = &ends_[1];
    ends_[1].other = &ends_[0];
    ends_[0].app = std::make_unique<App>(*this, Transport::kTcp, family());
    ASSERT_EQ(ends_[0].app->connect(at_peer(kPort)), WsaError::kWouldBlock);
    run();
    ends_[1].app = listener_->accept();
    ASSERT_NE(ends_[1].app, nullptr);
    for (End& end : ends_) {
      if (random_.chance(20)) {
        end.app->options().receive_buffer_bytes = static_cast<uint32_t>(random_.below(60'000));
      }
    }
    loss_percent_ = random_.below(4);
  }

  /// Without losses everything that was sent has to arrive, and the end of the stream behind it.
  void finish_pair() {
    loss_percent_ = 0;
    for (int i = 0; i < 4000 && !is_over(); ++i) {
      for (End& end : ends_) {
        if (!end.is_closed && !end.has_shut_send) shut_down(end, SD_SEND);
        if (!end.is_closed && !end.has_shut_receive && end.receives.empty()) post_receive(end);
      }
      advance(20);
      check_both();
    }
    EXPECT_TRUE(is_over()) << "A sent " << ends_[0].n_sent << ", B got " << ends_[1].n_received
                           << "; B sent " << ends_[1].n_sent << ", A got " << ends_[0].n_received;
    for (End& end : ends_) {
      if (!end.is_closed) close(end);
    }
    run();
    check_both();
    for (End& end : ends_) EXPECT_TRUE(end.receives.empty()) << "a receive never ended";
  }

  /// Whoever can still hear has heard everything.
  bool is_over() const {
    return std::all_of(ends_.begin(), ends_.end(), [](const End& end) {
      return end.is_closed || end.has_failed || end.has_shut_receive || end.other->is_closed ||
             (end.n_received == end.other->n_sent && end.other->sends.empty());
    });
  }

  // ---- calls ----

  void post_receive(End& end) {
    std::vector<size_t> rooms(1 + random_.below(3));
    size_t room = 0;
    for (size_t& r : rooms) room += r = random_.below(3000);
    if (room == 0) rooms[0] = room = 1;
    const auto owner = static_cast<uint32_t>(1 + random_.below(kOwners));
    end.app->owner = owner;
    Posted& posted = end.app->post_receive(rooms);
    const WsaError started = posted.started;
    if (started == WsaError::kOk || started == WsaError::kIoPending) {
      EXPECT_FALSE(end.is_closed || end.has_shut_receive);
      end.receives.push_back({&posted, owner, room});
    } else if (end.has_shut_receive) {
      EXPECT_EQ(started, WsaError::kShutdown);
    } else {
      EXPECT_TRUE(started == WsaError::kConnReset && end.peer_may_reset());
      end.has_failed = true;
    }
    if (started == WsaError::kOk) {
      EXPECT_EQ(end.receives.front().posted, &posted) << "it overtook another receive";
    }
  }

  void receive_now(End& end, uint32_t flags) {
    const size_t room = 1 + random_.below(5000);
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
      EXPECT_TRUE(got.error == WsaError::kConnReset && end.peer_may_reset());
      end.has_failed = true;
    }
  }

  void send(End& end) {
    const Bytes bytes = pattern(1 + random_.below(4000), end.n_sent);
    Posted& posted = end.app->post_send(bytes);
    if (posted.started == WsaError::kOk || posted.started == WsaError::kIoPending) {
      EXPECT_FALSE(end.has_shut_send || end.is_closed);
      end.n_sent += bytes.size();
      end.sends.push_back(&posted);
    } else if (end.has_shut_send && posted.started == WsaError::kShutdown) {
      return;
    } else {
      EXPECT_TRUE(posted.started == WsaError::kConnReset ||
                  posted.started == WsaError::kConnAborted);
      EXPECT_TRUE(end.other->is_closed);
      end.has_failed = true;
    }
  }

  void shut_down(End& end, int how) {
    EXPECT_EQ(end.app->shutdown(how), WsaError::kOk);
    end.has_shut_send |= how != SD_RECEIVE;
    end.has_shut_receive |= how != SD_SEND;
  }

  void cancel(End& end) {
    const auto owner = static_cast<uint32_t>(1 + random_.below(kOwners));
    {
      const Stack::Guard guard(stack());
      stack().cancel_requests_of(owner);
    }
    for (End& each : ends_) each.cancelled = 1u << owner;
    check_both();
    for (End& each : ends_) each.cancelled = 0;
    for (const PostedReceive& receive : end.receives) EXPECT_NE(receive.owner, owner);
  }

  void close(End& end) {
    check(end);
    end.is_abortive = random_.chance(30);
    end.app->options().linger = end.is_abortive;
    end.app->options().linger_s = 0;
    end.lost_sends = std::any_of(end.sends.begin(), end.sends.end(),
                                 [](const Posted* send) { return send->is_pending(); });
    end.n_received_at_close = end.n_received;
    EXPECT_EQ(end.app->close(), WsaError::kOk);
    end.is_closed = true;
    check(end);
    EXPECT_TRUE(end.receives.empty()) << "contract: E17";
  }

  // ---- what must be true ----

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

  void check(End& end) {
    while (!end.sends.empty() && !end.sends.front()->is_pending()) {
      const Posted& send = *end.sends.front();
      EXPECT_EQ(send.n_signals, 1);
      if (send.error() != WsaError::kOk) {
        EXPECT_TRUE(end.is_closed || end.other->is_closed || send.error() != WsaError::kConnReset);
        end.lost_sends = true;
      }
      end.sends.pop_front();
    }
    bool is_behind_a_pending_one = false;
    for (auto it = end.receives.begin(); it != end.receives.end();) {
      const Posted& posted = *it->posted;
      if (posted.is_pending()) {
        is_behind_a_pending_one = true;
        EXPECT_EQ(posted.n_signals, 0);
        ++it;
        continue;
      }
      EXPECT_EQ(posted.n_signals, 1) << "exactly once";
      check_completed(end, *it, is_behind_a_pending_one);
      it = end.receives.erase(it);
    }
  }

  void check_completed(End& end, const PostedReceive& receive, bool is_behind_a_pending_one) {
    const Posted& posted = *receive.posted;
    const bool was_cancelled = (end.cancelled & 1u << receive.owner) != 0;
    switch (posted.error()) {
      case WsaError::kOk:
        EXPECT_FALSE(is_behind_a_pending_one) << "contract: B16";
        EXPECT_GT(posted.signalled_as, end.last_signal);
        end.last_signal = posted.signalled_as;
        expect_continues(end, posted.bytes(), receive.room);
        end.n_received += posted.n_bytes();
        break;
      case WsaError::kOperationAborted:
        EXPECT_TRUE(end.is_closed || was_cancelled);
        EXPECT_EQ(posted.n_bytes(), 0u);
        break;
      case WsaError::kConnReset:
        EXPECT_TRUE(end.peer_may_reset());
        EXPECT_FALSE(is_behind_a_pending_one);
        end.has_failed = true;
        break;
      default:
        ADD_FAILURE() << "a receive ended with " << static_cast<int>(posted.error());
    }
  }

  void check_both() {
    for (End& end : ends_) check(end);
  }

  void step() {
    End& end = ends_[random_.below(2)];
    if (!end.is_closed && !end.has_failed) {
      const size_t what = random_.below(1000);
      if (what < 300) {
        if (end.receives.size() < kMostPosted) post_receive(end);
      } else if (what < 560) {
        if (end.sends.size() < kMostPosted) send(end);
      } else if (what < 700) {
        receive_now(end, 0);
      } else if (what < 780) {
        receive_now(end, WS_MSG_PEEK);
      } else if (what < 850) {
        cancel(end);
      } else if (what < 853) {
        shut_down(end, static_cast<int>(random_.below(3)));
      } else if (what < 856) {
        close(end);
      }
    }
    if (random_.chance(40)) {
      advance(10 * (1 + random_.below(10)));
    } else if (random_.chance(50)) {
      run();
    }
    check_both();
  }

  bool pair_is_done() const {
    return std::all_of(ends_.begin(), ends_.end(), [](const End& end) {
      return end.is_closed || end.has_failed || end.other->is_closed;
    });
  }

  Random random_;
  size_t loss_percent_ = 0;
  std::deque<Frame> delayed_;
  std::unique_ptr<App> listener_;
  std::array<End, 2> ends_;
};

TEST_P(Recv_Model, EveryCompletionIsThePredictedOne) {
  constexpr uint64_t kSeeds = 5;
  constexpr int kStepsOfAPair = 400;
  const int steps = n_steps();
  for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    random_ = Random(seed * 2 + family());
    int n_pairs = 0;
    for (int i = 0, of_pair = kStepsOfAPair; i < steps; ++i, ++of_pair) {
      if (of_pair >= kStepsOfAPair || pair_is_done()) {
        if (n_pairs++ != 0) finish_pair();
        open_pair();
        of_pair = 0;
      }
      step();
      ASSERT_FALSE(HasFailure()) << "step " << i;
    }
    finish_pair();
    ASSERT_FALSE(HasFailure());
  }
}
MILLRACE_BOTH_FAMILIES(Recv_Model);

}  // namespace
}  // namespace millrace::test
