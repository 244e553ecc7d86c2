// SPDX-License-Identifier: BSD-3-Clause
#include "tests/support/model.h"

namespace millrace::test {

bool ModelTest::mirror(const Frame& frame) {
  if (!frame.tcp && !(frame.ip && frame.ip->protocol == kSctp)) return false;
  Frame back = frame;
  std::swap(back.to, back.from);
  std::swap(back.ip->source, back.ip->target);
  if (loss_percent != 0 && random.chance(loss_percent)) return true;
  if (loss_percent != 0 && random.chance(2)) delayed_.push_back(back);
  if (loss_percent != 0 && random.chance(2)) peer().send(back);
  peer().send(back);
  if (!delayed_.empty() && random.chance(20)) {
    peer().send(delayed_.front());
    delayed_.pop_front();
  }
  return true;
}

void ModelTest::open_pair() {
  loss_percent = 0;
  delayed_.clear();
  for (End& end : ends) end = End{};
  ends[0].other = &ends[1];
  ends[1].other = &ends[0];
  ends[0].app = make_client();
  ASSERT_EQ(ends[0].app->connect(at_peer(kPort)), WsaError::kWouldBlock);
  run();
  ends[1].app = listener->accept();
  ASSERT_NE(ends[1].app, nullptr);
  for (End& end : ends) choose_options(end);
  loss_percent = random.below(4);
}

void ModelTest::finish_pair() {
  loss_percent = 0;
  finish_sending();
  for (End& end : ends) {
    if (!end.is_closed) close(end);
  }
  run();
  check_both();
  for (End& end : ends) EXPECT_TRUE(end.receives.empty()) << "a receive never ended";
}

WsaError ModelTest::start_receive(End& end, uint32_t flags, PostedReceive& receive) {
  std::vector<size_t> rooms(1 + random.below(3));
  size_t room = 0;
  for (size_t& r : rooms) room += r = random.below(3000);
  if (room == 0) rooms[0] = room = 1;
  const auto owner = static_cast<uint32_t>(1 + random.below(kOwners));
  end.app->owner = owner;
  receive = {&end.app->post_receive(rooms, flags), owner, room, flags};
  return receive.posted->started;
}

void ModelTest::cancel(End& end) {
  const auto owner = static_cast<uint32_t>(1 + random.below(kOwners));
  {
    const Stack::Guard guard(stack());
    stack().cancel_requests_of(owner);
  }
  for (End& each : ends) each.cancelled = 1u << owner;
  check_both();
  for (End& each : ends) each.cancelled = 0;
  for (const PostedReceive& receive : end.receives) EXPECT_NE(receive.owner, owner);
}

void ModelTest::close(End& end) {
  check(end);
  end.is_abortive = random.chance(30);
  end.app->options().linger = end.is_abortive;
  end.app->options().linger_s = 0;
  end.lost_sends |= std::any_of(end.sends.begin(), end.sends.end(),
                                [](const PostedSend& send) { return send.posted->is_pending(); });
  end.n_received_at_close = end.n_received;
  EXPECT_EQ(end.app->close(), WsaError::kOk);
  end.is_closed = true;
  check(end);
  EXPECT_TRUE(end.receives.empty()) << "contract: E17";
}

void ModelTest::check(End& end) {
  while (!end.sends.empty() && !end.sends.front().posted->is_pending()) {
    const Posted& send = *end.sends.front().posted;
    EXPECT_EQ(send.n_signals, 1);
    if (send.error() == WsaError::kOk) {
      end.n_done += end.sends.front().n_bytes;
    } else {
      EXPECT_TRUE(end.is_closed || send.error() != WsaError::kConnReset || peer_may_reset(end));
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
    if (posted.error() == WsaError::kOperationAborted) {
      EXPECT_TRUE(end.is_closed || (end.cancelled & 1u << it->owner) != 0);
      EXPECT_TRUE(end.is_closed || posted.n_bytes() == 0) << "what it has got is lost";
    } else {
      check_completed(end, *it, is_behind_a_pending_one);
    }
    it = end.receives.erase(it);
  }
}

void ModelTest::step() {
  End& end = ends[random.below(2)];
  if (!end.is_closed && !end.has_failed) {
    const size_t what = random.below(1000);
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
      shut_down(end, static_cast<int>(random.below(3)));
    } else if (what < 856) {
      close(end);
    }
  }
  if (random.chance(40)) {
    advance(10 * (1 + random.below(10)));
  } else if (random.chance(50)) {
    run();
  }
  check_both();
}

void ModelTest::play() {
  constexpr uint64_t kSeeds = 5;
  constexpr int kSteps = 10'000;  // of one seed
  constexpr int kStepsOfAPair = 400;
  const char* const wanted = std::getenv("MILLRACE_MODEL_STEPS");
  const int steps = wanted == nullptr ? kSteps : std::atoi(wanted);
  listen();
  for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    random = Random(seed * 2 + family());
    int n_pairs = 0;
    for (int i = 0, of_pair = kStepsOfAPair; i < steps; ++i, ++of_pair) {
      if (of_pair >= kStepsOfAPair || pair_is_done()) {
        if (n_pairs++ != 0) finish_pair();
        open_pair();
        of_pair = 0;
      }
      ASSERT_FALSE(HasFailure()) << "step " << i;
      step();
      ASSERT_FALSE(HasFailure()) << "step " << i;
    }
    finish_pair();
    ASSERT_FALSE(HasFailure());
  }
}

}  // namespace millrace::test
