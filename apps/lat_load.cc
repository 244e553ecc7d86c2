// SPDX-License-Identifier: BSD-3-Clause
#include "apps/lat_load.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>
#include <stdexcept>
#include <utility>

#include "apps/lat_connected.h"
#include "apps/lat_sweep.h"

namespace millrace::lat {
namespace {

constexpr uint64_t kPatienceNs = 1'000'000'000;  // for what is under way when nothing more is due
constexpr int kMostReceives = 64;  // of a connection, before messages that are due have their turn

/// When message i is due.
class Schedule {
 public:
  Schedule(uint64_t start_ns, double rate_per_s) : start_ns_(start_ns), interval_ns_(1e9 / rate_per_s) {}
  uint64_t due_ns(uint64_t i) const noexcept {
    return start_ns_ + static_cast<uint64_t>(static_cast<double>(i) * interval_ns_);
  }

 private:
  uint64_t start_ns_;
  double interval_ns_;
};

/// One connection of n: messages first, first + n, first + 2n ...
class Lane {
 public:
  Lane(Transport& transport, const Options& options, uint64_t first)
      : transport_(transport),
        connection_(transport, options),
        is_stream_(is_stream(options.protocol)),
        next_send_(first),
        next_reply_(first),
        n_lanes_(options.n_connections),
        message_(options.size_bytes, 'm'),
        reply_(options.size_bytes) {}

  uint64_t next_send() const noexcept { return next_send_; }
  size_t n_under_way() const noexcept { return sent_ns_.size() - n_back_; }

  /// Sends what is due, as far as the socket takes it. @param n_due  messages 0 .. n_due - 1 are
  void send(uint64_t n_due) {
    while (next_send_ < n_due) {
      if (n_sent_bytes_ == 0) std::memcpy(message_.data(), &next_send_, sizeof next_send_);
      const size_t n = transport_.send(connection_.handle(), std::span(message_).subspan(n_sent_bytes_));
      if (n == kNothing) return;
      if (n == 0) throw std::runtime_error("the server ended the connection");
      n_sent_bytes_ = is_stream_ ? n_sent_bytes_ + n : message_.size();
      if (n_sent_bytes_ < message_.size()) continue;
      n_sent_bytes_ = 0;
      sent_ns_.push_back(now_ns());
      next_send_ += n_lanes_;
    }
  }

  /// Takes what has come back: calls back(i, sent_ns) for each message.
  template <typename Back>
  void receive(Back&& back) {
    for (int i = 0; i < kMostReceives && n_under_way() != 0; ++i) {
      const size_t n = transport_.receive(connection_.handle(), std::span(reply_).subspan(have_));
      if (n == kNothing) return;
      if (n == 0 && is_stream_) throw std::runtime_error("the server ended the connection");
      have_ += n;
      if (have_ < reply_.size() && is_stream_) continue;
      const bool is_whole = have_ == reply_.size();
      have_ = 0;
      if (is_whole) take(back);
    }
  }

  /// Messages that are still under way, by number.
  template <typename Each>
  void for_each_missing(uint64_t first, Each&& each) const {
    for (size_t k = 0; k < sent_ns_.size(); ++k) {
      if (sent_ns_[k] != kBack) each(first + k * n_lanes_);
    }
  }

 private:
  static constexpr uint64_t kBack = UINT64_MAX;

  template <typename Back>
  void take(Back& back) {
    uint64_t number = 0;
    std::memcpy(&number, reply_.data(), sizeof number);
    const uint64_t first = next_reply_ % n_lanes_;
    const size_t k = static_cast<size_t>((number - first) / n_lanes_);
    const bool is_ours = number % n_lanes_ == first && k < sent_ns_.size() && sent_ns_[k] != kBack;
    if (is_stream_ && (!is_ours || number != next_reply_)) {
      throw std::runtime_error("a reply differs from its message");
    }
    if (!is_ours) return;  // a datagram that came twice, or of the run before
    back(number, std::exchange(sent_ns_[k], kBack));
    next_reply_ += n_lanes_;
    ++n_back_;
  }

  Transport& transport_;
  Connected connection_;
  bool is_stream_;
  uint64_t next_send_;
  uint64_t next_reply_;
  uint64_t n_lanes_;
  size_t n_sent_bytes_ = 0;  // of message next_send_
  size_t have_ = 0;          // of a reply
  size_t n_back_ = 0;
  std::vector<char> message_;
  std::vector<char> reply_;
  std::vector<uint64_t> sent_ns_;  // of the lane's messages in their order; kBack: it is back
};

class Run {
 public:
  Run(Transport& transport, const Options& options, double rate_per_s) : options_(options) {
    for (uint64_t i = 0; i < options.n_connections; ++i) {
      lanes_.push_back(std::make_unique<Lane>(transport, options, i));
    }
    result_.offered_per_s = rate_per_s;
    result_.n_due = std::max<uint64_t>(1, static_cast<uint64_t>(options.duration_s * rate_per_s));
    if (!options.hlog_path.empty()) result_.seconds.resize(static_cast<size_t>(std::ceil(options.duration_s)));
  }

  LoadResult run() {
    result_.start_ns = now_ns();
    const Schedule schedule(result_.start_ns, result_.offered_per_s);
    const uint64_t end_ns = schedule.due_ns(result_.n_due);
    uint64_t n_due = 0;
    uint64_t n_back_in_time = 0;
    for (uint64_t now = result_.start_ns; !is_stopping; now = now_ns()) {
      while (n_due < result_.n_due && schedule.due_ns(n_due) <= now) ++n_due;
      for (const auto& lane : lanes_) {
        lane->send(n_due);
        lane->receive([&](uint64_t i, uint64_t sent_ns) {
          const uint64_t back = now_ns();
          count(i, back - schedule.due_ns(i));
          result_.service.record(back - sent_ns);
          n_back_in_time += back <= end_ns ? 1U : 0U;
        });
      }
      if (result_.latency.count() == result_.n_due || now > end_ns + kPatienceNs) break;
    }
    result_.achieved_per_s = static_cast<double>(n_back_in_time) * 1e9 / static_cast<double>(end_ns - result_.start_ns);
    count_unanswered(schedule);
    return std::move(result_);
  }

 private:
  void count(uint64_t i, uint64_t latency_ns) {
    result_.latency.record(latency_ns);
    if (result_.seconds.empty()) return;
    const auto second = static_cast<size_t>(static_cast<double>(i) / result_.offered_per_s);
    result_.seconds[std::min(second, result_.seconds.size() - 1)].record(latency_ns);
  }

  // They have waited for so long at least.
  void count_unanswered(const Schedule& schedule) {
    const uint64_t now = now_ns();
    const auto note = [&](uint64_t i) {
      const uint64_t due = schedule.due_ns(i);
      if (due > now) return;
      count(i, now - due);
      ++result_.n_unanswered;
    };
    for (size_t i = 0; i < lanes_.size(); ++i) {
      lanes_[i]->for_each_missing(i, note);
      for (uint64_t k = lanes_[i]->next_send(); k < result_.n_due; k += lanes_.size()) note(k);
    }
  }

  const Options& options_;
  std::vector<std::unique_ptr<Lane>> lanes_;
  LoadResult result_;
};

}  // namespace

LoadResult under_load(Transport& transport, const Options& options, double rate_per_s) {
  return Run(transport, options, rate_per_s).run();
}

SweepResult sweep(Transport& transport, const Options& options) {
  return find_knee(options, [&](double rate) { return under_load(transport, options, rate); });
}

}  // namespace millrace::lat
