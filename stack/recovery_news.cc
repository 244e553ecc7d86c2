// SPDX-License-Identifier: BSD-3-Clause
// What an acknowledgement tells: which segments have arrived, in what order, and which twice.
#include <algorithm>

#include "lwip/prot/tcp.h"
#include "stack/recovery.h"
#include "stack/tcp_options.h"

namespace millrace {
namespace {

constexpr uint8_t kSackKind = 5;
constexpr uint8_t kMostTolerance = 16;

}  // namespace

void Recovery::read_echo(const uint8_t* options, size_t length, News& news) const noexcept {
  Timestamps timestamps;
  news.has_echo = read_timestamps(options, length, timestamps);
  news.echo = timestamps.echo;
}

void Recovery::read_sacks(const uint8_t* options, size_t length, uint32_t ack,
                          News& news) noexcept {
  for (size_t at = 0; at + 1 < length;) {
    if (options[at] == LWIP_TCP_OPT_EOL) return;
    if (options[at] == LWIP_TCP_OPT_NOP) {
      ++at;
      continue;
    }
    const uint8_t size = options[at + 1];
    if (size < 2 || at + size > length) return;
    if (options[at] == kSackKind) {
      for (size_t b = at + 2; b + 8 <= at + size && news.n_blocks < 4; b += 8) {
        news.blocks[news.n_blocks++] = {load_be32(options + b), load_be32(options + b + 4)};
      }
    }
    at += size;
  }
  // RFC 2883 4: the first block is about a duplicate if it is below ack, or inside the second.
  if (news.n_blocks == 0) return;
  const SackBlock first = news.blocks[0];
  const bool is_below = TCP_SEQ_LEQ(first.right, ack);
  const bool is_inside = news.n_blocks > 1 && TCP_SEQ_GEQ(first.left, news.blocks[1].left) &&
                         TCP_SEQ_LEQ(first.right, news.blocks[1].right);
  if (is_below || is_inside) take_dsack(first, news);
}

void Recovery::take_dsack(const SackBlock& block, News& news) noexcept {
  if (!TCP_SEQ_LT(block.left, block.right) || TCP_SEQ_GT(block.right, ever_sent_end_)) return;
  if (TCP_SEQ_LT(block.left, una_ - pcb_.snd_wnd_max)) return;
  news.has_dsack = true;
  if (is_probing_ && block.right == probe_end_) return;  // of the probe: nothing was reordered
  if (TCP_SEQ_GEQ(una_, tolerance_grown_at_)) {          // once per round trip
    tolerance_factor_ =
        std::min<uint8_t>(static_cast<uint8_t>(tolerance_factor_ + 1), kMostTolerance);
    tolerance_grown_at_ = sent_end_;
    n_calm_repairs_ = 0;
  }
  if (may_undo_ && TCP_SEQ_GT(block.right, undo_begin_) && n_to_disprove_ != 0) {
    news.has_disproved = --n_to_disprove_ == 0;
  }
}

void Recovery::acknowledge(uint32_t ack, News& news) noexcept {
  uint32_t known_bytes = 0;
  for (const tcp_seg* s = pcb_.unacked; s != nullptr; s = s->next) {
    const uint32_t end = end_of(*s);
    if (TCP_SEQ_GT(end, ack)) break;
    if (TCP_SEQ_LEQ(end, una_)) continue;  // lwIP kept it: it had no room for that segment's data
    if ((sent_of(*s).marks & kSacked) != 0) {
      known_bytes += length_of(*s);
    } else {
      arrive(*s, news);
    }
    if (board_ != nullptr) board_->on_acknowledged(*s);
  }
  if (board_ != nullptr) board_->acknowledge(ack);
  const uint32_t acked = ack - una_;
  news.bytes += acked - std::min(acked, known_bytes);
  settle_una(ack);
}

// RFC 8985 6.2 steps 1 to 3. A retransmission that is acknowledged sooner than anything ever was is
// the first transmission's acknowledgement.
void Recovery::arrive(const tcp_seg& segment, News& news) noexcept {
  const Sent& sent = sent_of(segment);
  const uint32_t end = end_of(segment);
  const uint64_t rtt_ns = news.now_ns - std::min(sent.at_ns, news.now_ns);
  if ((sent.marks & kResent) != 0) {
    if (rtt_ns < round_trip_.least_ns()) return;
    if (news.has_echo && TCP_SEQ_LT(news.echo, timestamp_at(sent.at_ns))) return;
  } else {
    if (TCP_SEQ_LT(end, arrived_end_)) has_seen_reordering_ = true;
    if ((sent.marks & kLost) != 0) news.has_lost_original = true;
    const bool is_newest = !news.original.is_after(sent, end);
    if (is_newest) news.original = {sent.at_ns, end, std::max<uint64_t>(rtt_ns, 1)};
  }
  if (TCP_SEQ_GT(end, arrived_end_)) arrived_end_ = end;
  if (newest_.is_after(sent, end)) return;
  newest_ = {sent.at_ns, end, rtt_ns};
}

// In the order of their numbers, so that holes are found in that order. Nothing beyond what was
// sent, or that is acknowledged already.
void Recovery::take_blocks(News& news) noexcept {
  const auto begin = news.blocks.begin();
  const auto end = begin + news.n_blocks;
  std::sort(begin, end,
            [](const SackBlock& a, const SackBlock& b) { return TCP_SEQ_LT(a.left, b.left); });
  for (auto block = begin; block != end; ++block) {
    if (TCP_SEQ_LEQ(block->right, una_) || TCP_SEQ_GT(block->right, sent_end_)) continue;
    if (!TCP_SEQ_LT(block->left, block->right) || !TCP_SEQ_LT(una_, block->right)) continue;
    board().sack(*block, [&](const tcp_seg& segment) {
      news.bytes += length_of(segment);
      arrive(segment, news);
    });
  }
}

Scoreboard& Recovery::board() {
  if (board_ == nullptr) board_ = std::make_unique<Scoreboard>(pcb_, una_);
  return *board_;
}

}  // namespace millrace
