// SPDX-License-Identifier: BSD-3-Clause
// Two sockets, thousands of mixed calls, and a small model that says what each completion must be.
//
//   socket A ── Stack ── wire ── mirror ── wire ── the same Stack ── socket B
//
// The mirror on the wire's other end swaps the addresses of each packet, so A's connection to the
// peer arrives at a listener of A's own Stack; and it loses, doubles and delays packets. The model
// of one end is a queue of posted receives and two numbers, bytes sent and bytes received: what is
// received continues where the last receive ended, in the order of posting, and each started request
// ends exactly once. What that means for streams says model_test.cc, for messages sctp_model_test.cc.
// A seed repeats its run exactly. MILLRACE_MODEL_STEPS in the environment makes it longer.
#pragma once

#include <algorithm>
#include <array>
#include <cstdlib>
#include <deque>

#include "tests/support/app.h"
#include "tests/support/association.h"
#include "tests/support/random.h"

namespace millrace::test {

struct PostedReceive {
  Posted* posted;
  uint32_t owner;
  size_t room;
  uint32_t flags = 0;
};

struct PostedSend {
  Posted* posted;
  size_t n_bytes;
};

/// One socket and what the model knows of it.
struct End {
  std::unique_ptr<App> app;
  End* other = nullptr;
  std::deque<PostedReceive> receives;  ///< in the order of posting
  std::deque<PostedSend> sends;
  size_t n_sent = 0;      ///< bytes handed over, those of waiting sends included
  size_t n_done = 0;      ///< bytes of sends that have completed
  size_t n_received = 0;  ///< bytes
  size_t n_received_at_close = 0;
  int last_signal = 0;
  bool has_shut_send = false;
  bool has_shut_receive = false;
  bool is_closed = false;
  bool is_abortive = false;   ///< closed by a reset
  bool lost_sends = false;    ///< closed while sends waited: the stream ends anywhere
  bool has_failed = false;    ///< the connection was reset under it, or a receive has heard of its end
  uint32_t cancelled = 0;     ///< bit set of owners whose receives were cancelled just now
  std::deque<size_t> message_ends;    ///< of messages sent and not yet received: behind which byte
  bool is_in_message = false;         ///< the last send had MSG_PARTIAL

  bool was_lost_at_close() const {
    return other->is_closed && (other->is_abortive || n_sent > other->n_received_at_close);
  }
};

class ModelTest : public FamilyTest {
 protected:
  static constexpr uint16_t kPort = 80;
  static constexpr uint32_t kOwners = 3;
  static constexpr size_t kMostPosted = 12;

  ModelTest() { sctp_clock = has_messages() ? this : nullptr; }
  ~ModelTest() override { sctp_clock = nullptr; }

  void SetUp() override {
    FamilyTest::SetUp();
    peer().filter = [this](const Frame& frame) { return mirror(frame); };
  }
  void TearDown() override {
    for (End& end : ends) end.app.reset();
    listener.reset();
    loss_percent = 0;
    run();
    peer().filter = nullptr;
    FamilyTest::TearDown();
  }

  // ---- what streams and messages have each in their own way ----

  virtual void listen() {
    listener = std::make_unique<App>(*this, transport(), family());
    ASSERT_EQ(listener->bind(kPort), WsaError::kOk);
    ASSERT_EQ(listener->listen(), WsaError::kOk);
  }
  /// A socket that is going to connect.
  virtual std::unique_ptr<App> make_client() { return std::make_unique<App>(*this, transport(), family()); }
  virtual void choose_options(End& end) = 0;
  virtual void post_receive(End& end) = 0;
  virtual void receive_now(End& end, uint32_t flags) = 0;
  virtual void send(End& end) = 0;
  virtual bool peer_may_reset(const End& end) const = 0;
  virtual void check_completed(End& end, const PostedReceive& receive, bool is_behind_a_pending_one) = 0;
  /// Without losses everything that was sent has to arrive, and the end behind it.
  virtual void finish_sending() = 0;

  // ---- the life of a pair ----

  /// Random steps of five seeds, in pairs of sockets of which none lives longer than 400.
  void play();

  void shut_down(End& end, int how) {
    EXPECT_EQ(end.app->shutdown(how), WsaError::kOk);
    end.has_shut_send |= how != SD_RECEIVE;
    end.has_shut_receive |= how != SD_SEND;
  }
  void check_both() {
    for (End& end : ends) check(end);
  }
  /// A receive of 1 to 3 buffers for random owners. @param[out] receive  what was posted
  WsaError start_receive(End& end, uint32_t flags, PostedReceive& receive);
  /// A receive that succeeded: it is the oldest, and it is told once.
  void expect_in_turn(End& end, const Posted& posted, bool is_behind_a_pending_one) {
    EXPECT_FALSE(is_behind_a_pending_one) << "contract: B16";
    EXPECT_GT(posted.signalled_as, end.last_signal);
    end.last_signal = posted.signalled_as;
  }

  Random random{1};
  size_t loss_percent = 0;
  std::unique_ptr<App> listener;
  std::array<End, 2> ends;

 private:
  bool mirror(const Frame& frame);
  void open_pair();
  void finish_pair();
  void cancel(End& end);
  void close(End& end);
  void check(End& end);
  void step();
  bool pair_is_done() const {
    return std::all_of(ends.begin(), ends.end(), [](const End& end) {
      return end.is_closed || end.has_failed || end.other->is_closed;
    });
  }

  std::deque<Frame> delayed_;
};

}  // namespace millrace::test
