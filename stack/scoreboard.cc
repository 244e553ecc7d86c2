// SPDX-License-Identifier: BSD-3-Clause
#include "stack/scoreboard.h"

#include <algorithm>

namespace millrace {
namespace {

void clear(const tcp_seg& segment, unsigned marks) {
  Sent& sent = sent_of(segment);
  sent.marks = static_cast<uint8_t>(sent.marks & ~marks);
}

}  // namespace

void Scoreboard::pass(tcp_seg& segment) {
  holes_.push_back({&segment, begin_of(segment)});
  frontier_ = &segment;
}

void Scoreboard::arrive(tcp_seg& segment) {
  Sent& sent = sent_of(segment);
  if ((sent.marks & kLost) != 0) lost_bytes -= length_of(segment);
  clear(segment, kLost);
  sent.marks |= kSacked;
  sacked_bytes += length_of(segment);
  ++n_sacked;
}

void Scoreboard::lose(const tcp_seg& segment) {
  Sent& sent = sent_of(segment);
  if ((sent.marks & kLost) != 0) return;
  sent.marks |= kLost;
  lost_bytes += length_of(segment);
}

void Scoreboard::on_acknowledged(const tcp_seg& segment) {
  Sent& sent = sent_of(segment);
  if ((sent.marks & kLost) != 0) lost_bytes -= length_of(segment);
  if ((sent.marks & kSacked) != 0) {
    sacked_bytes -= length_of(segment);
    --n_sacked;
  }
  clear(segment, kLost | kSacked);
}

void Scoreboard::acknowledge(uint32_t una) {
  una_ = una;
  if (frontier_ != nullptr && TCP_SEQ_LEQ(end_of(*frontier_), una)) frontier_ = nullptr;
  const auto is_whole = [una](const Hole& hole) { return TCP_SEQ_GT(end_of(*hole.segment), una); };
  holes_.erase(holes_.begin(), std::find_if(holes_.begin(), holes_.end(), is_whole));
}

void Scoreboard::on_resent(const tcp_seg& segment) {
  if ((sent_of(segment).marks & kLost) != 0) lost_bytes -= length_of(segment);
  clear(segment, kLost);
}

// What is behind the frontier was sent in the order of its numbers, so the first that is not older
// than the newest arrival ends the search. It matters when that arrival was a retransmission.
bool Scoreboard::find_lost(const Newest& newest, uint64_t tolerance_ns, uint64_t now_ns,
                           uint64_t& wait_ns) {
  for (tcp_seg* s = unseen(); s != nullptr && newest.is_after(sent_of(*s), end_of(*s));
       s = s->next) {
    pass(*s);
  }
  bool has_lost = false;
  wait_ns = 0;
  for (const Hole& hole : holes_) {
    const Sent& sent = sent_of(*hole.segment);
    if ((sent.marks & kLost) != 0 || !newest.is_after(sent, end_of(*hole.segment))) continue;
    const uint64_t due_ns = sent.at_ns + newest.rtt_ns + tolerance_ns;
    if (due_ns <= now_ns) {
      lose(*hole.segment);
      has_lost = true;
    } else {
      wait_ns = std::max(wait_ns, due_ns - now_ns);
    }
  }
  return has_lost;
}

void Scoreboard::lose_all() {
  for (tcp_seg* s = unseen(); s != nullptr; s = s->next) pass(*s);
  for (const Hole& hole : holes_) lose(*hole.segment);
}

void Scoreboard::lose_longer_than(uint32_t bytes) {
  for (tcp_seg* s = unseen(); s != nullptr; s = s->next) pass(*s);
  for (const Hole& hole : holes_) {
    if (hole.segment->len > bytes) lose(*hole.segment);
  }
}

void Scoreboard::on_split(tcp_seg& segment, tcp_seg& rest) {
  if (frontier_ == &segment) frontier_ = &rest;
  const auto hole = std::find_if(holes_.begin(), holes_.end(),
                                 [&](const Hole& h) { return h.segment == &segment; });
  if (hole != holes_.end()) holes_.insert(hole + 1, {&rest, begin_of(rest)});
}

void Scoreboard::lose_first() {
  if (holes_.empty() && unseen() != nullptr) pass(*unseen());
  if (!holes_.empty()) lose(*holes_.front().segment);
}

void Scoreboard::unlose() {
  for (const Hole& hole : holes_) clear(*hole.segment, kLost);
  lost_bytes = 0;
}

void Scoreboard::forget_sacked() {
  for (tcp_seg* s = pcb_.unacked; s != nullptr; s = s->next) clear(*s, kSacked | kLost);
  holes_.clear();
  frontier_ = nullptr;
  sacked_bytes = lost_bytes = n_sacked = 0;
}

}  // namespace millrace
