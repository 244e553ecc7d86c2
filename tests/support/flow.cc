// SPDX-License-Identifier: BSD-3-Clause
#include "tests/support/flow.h"

#include <algorithm>
#include <array>

#include "tests/support/wire_bytes.h"

namespace millrace::test {
namespace {

uint32_t length_of(const Segment& segment) {
  return static_cast<uint32_t>(segment.payload.size()) + segment.has(Segment::kSyn) +
         segment.has(Segment::kFin);
}

bool is_after(uint32_t a, uint32_t b) { return static_cast<int32_t>(a - b) > 0; }

template <typename T>
bool fits(const std::optional<T>& expected, const std::optional<T>& got) {
  return !expected || expected == got;
}

bool fits(const Segment& expected, const Segment& got) {
  constexpr uint8_t kCompared = Segment::kFin | Segment::kSyn | Segment::kRst | Segment::kAck;
  return (expected.flags & kCompared) == (got.flags & kCompared) && fits(expected.seq, got.seq) &&
         fits(expected.ack, got.ack) && fits(expected.window, got.window) &&
         fits(expected.urgent, got.urgent) && fits(expected.mss, got.mss) &&
         fits(expected.window_scale, got.window_scale) && expected.payload == got.payload;
}

}  // namespace

Flow::Flow(StackTest& world, uint8_t family, uint16_t own_port, uint16_t stack_port, Host host)
    : world_(world), family_(family), host_(host), own_port_(own_port), stack_port_(stack_port) {}

Bytes Flow::frame_of(const Segment& segment) {
  Segment absolute = segment;
  absolute.source_port = own_port_;
  absolute.target_port = stack_port_;
  absolute.seq = own_isn_ + segment.seq.value_or(own_next_);
  if (segment.has(Segment::kAck)) {
    absolute.ack = their_isn_.value_or(0) + segment.ack.value_or(their_next_);
  }
  if (!absolute.window) absolute.window = window;
  if (clock) {
    const uint32_t theirs = their_timestamps ? their_timestamps->first : 0;
    Bytes option = {1, 1, 8, 10};
    put32(option, *clock);
    put32(option, echo.value_or(theirs));
    absolute.more_options.insert(absolute.more_options.begin(), option.begin(), option.end());
  }
  Frame frame = ip_frame(family_, host_);
  frame.to = world_.peer().stack_mac();
  frame.from = world_.peer().mac();
  frame.tcp = absolute;
  return build(frame);
}

Bytes Flow::sack(const std::vector<std::pair<uint32_t, uint32_t>>& ranges) const {
  Bytes option = {5, static_cast<uint8_t>(2 + 8 * ranges.size())};
  for (const auto& [left, right] : ranges) {
    for (const uint32_t number : {left + their_isn_.value_or(0), right + their_isn_.value_or(0)}) {
      for (int shift = 24; shift >= 0; shift -= 8) {
        option.push_back(static_cast<uint8_t>(number >> shift));
      }
    }
  }
  return option;
}

void Flow::send(const Segment& segment) {
  world_.peer().send(frame_of(segment));
  const uint32_t end = segment.seq.value_or(own_next_) + length_of(segment);
  if (is_after(end, own_next_)) own_next_ = end;
}

bool Flow::is_mine(const Frame& frame) const {
  return frame.tcp && frame.ip->target == address_of(host_, family_) &&
         frame.tcp->source_port == stack_port_ && frame.tcp->target_port == own_port_;
}

void Flow::note_timestamps(const Segment& segment) {
  const Bytes& options = segment.more_options;
  constexpr std::array<uint8_t, 2> kOption = {8, 10};
  const auto at = std::search(options.begin(), options.end(), kOption.begin(), kOption.end());
  their_timestamps.reset();
  if (options.end() - at < 10) return;
  const auto offset = static_cast<size_t>(at - options.begin());
  their_timestamps = {get32(options, offset + 2), get32(options, offset + 6)};
}

std::optional<Segment> Flow::next() {
  world_.run();
  const auto arrival = world_.peer().next([this](const Frame& frame) { return is_mine(frame); });
  if (!arrival) return std::nullopt;
  arrived_at_ms_ = arrival->at_ms;
  Segment segment = *arrival->frame.tcp;
  note_timestamps(segment);
  if (segment.has(Segment::kSyn) && !their_isn_) their_isn_ = segment.seq;
  segment.seq = *segment.seq - their_isn_.value_or(0);
  if (segment.ack) segment.ack = *segment.ack - own_isn_;
  has_fin_ |= segment.has(Segment::kFin);
  const uint32_t end = *segment.seq + length_of(segment);
  if (their_isn_ && is_after(end, their_next_)) their_next_ = end;
  return segment;
}

void Flow::expect(const Segment& expected, Where where) {
  const std::optional<Segment> got = next();
  if (!got) {
    GTEST_MESSAGE_AT_(where.file_name(), static_cast<int>(where.line()), "nothing came, expected",
                      testing::TestPartResult::kNonFatalFailure)
        << " " << text(expected);
    return;
  }
  if (fits(expected, *got)) return;
  GTEST_MESSAGE_AT_(where.file_name(), static_cast<int>(where.line()), "got",
                    testing::TestPartResult::kNonFatalFailure)
      << " " << text(*got) << ", expected " << text(expected);
}

void Flow::expect_nothing(Where where) {
  const std::optional<Segment> got = next();
  if (!got) return;
  GTEST_MESSAGE_AT_(where.file_name(), static_cast<int>(where.line()), "got",
                    testing::TestPartResult::kNonFatalFailure)
      << " " << text(*got) << ", expected nothing";
}

void Flow::connect(uint16_t mss, std::optional<uint8_t> scale, Where where) {
  TcpWriter syn = tcp().syn().mss(mss);
  if (scale) syn.window_scale(*scale);
  if (offers_sack) syn.sack_permitted();
  send(syn);
  expect(tcp().syn().seq(0).ack(1), where);
  send(tcp().ack());
}

void Flow::accept(uint16_t mss, Where where) {
  world_.run();
  const auto arrival = world_.peer().next([this](const Frame& frame) {
    return frame.tcp && frame.tcp->target_port == own_port_ &&
           (frame.tcp->flags & Segment::kSyn) != 0;
  });
  if (!arrival) {
    ADD_FAILURE_AT(where.file_name(), static_cast<int>(where.line())) << "the Stack sent no SYN";
    return;
  }
  stack_port_ = *arrival->frame.tcp->source_port;
  their_isn_ = arrival->frame.tcp->seq;
  their_next_ = 1;
  send(tcp().syn().ack().mss(mss));
  expect(tcp().ack(1).seq(1), where);
}

void Flow::stream(const Bytes& bytes, size_t size) {
  for (size_t at = 0; at < bytes.size(); at += size) {
    const auto begin = bytes.begin() + static_cast<ptrdiff_t>(at);
    const auto n = static_cast<ptrdiff_t>(std::min(size, bytes.size() - at));
    send(tcp().psh().ack().data(Bytes(begin, begin + n)));
    world_.run();
  }
}

Bytes Flow::collect(size_t n, Where where) {
  Bytes all;
  while (all.size() < n) {
    const uint32_t due = their_next_;
    const std::optional<Segment> segment = next();
    if (!segment) {
      ADD_FAILURE_AT(where.file_name(), static_cast<int>(where.line()))
          << "the Stack sent " << all.size() << " of " << n << " bytes";
      return all;
    }
    if (segment->payload.empty()) continue;
    EXPECT_EQ(segment->seq, due) << "out of order";
    all.insert(all.end(), segment->payload.begin(), segment->payload.end());
    send(tcp().ack());
  }
  return all;
}

}  // namespace millrace::test
