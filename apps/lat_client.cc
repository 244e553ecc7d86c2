// SPDX-License-Identifier: BSD-3-Clause
#include "apps/lat_client.h"

#include <algorithm>
#include <cstring>
#include <stdexcept>

#include "apps/lat_connected.h"

namespace millrace::lat {
namespace {

constexpr uint64_t kDatagramPatienceNs = 100'000'000;
constexpr uint64_t kStreamPatienceNs = 5'000'000'000;
constexpr uint64_t kDrainPatienceNs = 30'000'000'000;
constexpr int kAttempts = 50;  // of a datagram that must get through

/// Sends one message at a time and waits for it to come back.
class Pinger {
 public:
  Pinger(Transport& transport, Handle handle, const Options& options)
      : transport_(transport),
        handle_(handle),
        is_stream_(is_stream(options.protocol)),
        message_(options.size_bytes, 'm'),
        reply_(options.size_bytes) {}

  /// @return false: a datagram or its reply was lost, or the run is being stopped
  bool round_trip(uint64_t sequence, uint64_t start_ns) {
    std::memcpy(message_.data(), &sequence, std::min(sizeof sequence, message_.size()));
    if (!is_stream_) {
      (void)transport_.send(handle_, message_);
    } else if (!send_all(transport_, handle_, message_) && !is_stopping) {
      throw std::runtime_error("the server ended the connection");
    }
    return is_stream_ ? receive_stream(start_ns) : receive_datagram(start_ns);
  }

 private:
  bool receive_stream(uint64_t start_ns) {
    for (size_t have = 0; have < reply_.size();) {
      const size_t n = transport_.receive(handle_, std::span(reply_).subspan(have));
      if (n == 0) throw std::runtime_error("the server ended the connection");
      if (n != kNothing) {
        have += n;
      } else if (is_stopping.load(std::memory_order_relaxed)) {
        return false;
      } else if (now_ns() - start_ns > kStreamPatienceNs) {
        throw std::runtime_error("no reply for 5 s");
      }
    }
    if (reply_ != message_) throw std::runtime_error("a reply differs from its message");
    return true;
  }

  bool receive_datagram(uint64_t start_ns) {
    for (;;) {
      const size_t n = transport_.receive(handle_, reply_);
      // Anything else is the late reply to a message that counted as lost.
      if (n == reply_.size() && reply_ == message_) return true;
      if (is_stopping.load(std::memory_order_relaxed)) return false;
      if (n == kNothing && now_ns() - start_ns > kDatagramPatienceNs) return false;
    }
  }

  Transport& transport_;
  Handle handle_;
  bool is_stream_;
  std::vector<char> message_;
  std::vector<char> reply_;
};

/// A stream that has been sent: waits until the server has read it all and closes.
void wait_for_end(Transport& transport, Handle handle) {
  std::array<char, 64> bytes;
  const uint64_t end = now_ns() + kDrainPatienceNs;
  while (now_ns() < end && !is_stopping) {
    if (transport.receive(handle, bytes) == 0) return;
  }
}

/// Datagrams: goes on when the server has answered once, so that what follows meets a working path.
void wait_for_server(Transport& transport, Handle handle, const Options& options) {
  if (is_stream(options.protocol)) return;
  Options small = options;
  small.size_bytes = sizeof(uint64_t);
  Pinger pinger(transport, handle, small);
  for (uint64_t i = 1; i <= kAttempts; ++i) {
    if (pinger.round_trip(i, now_ns())) return;
    if (is_stopping) return;
  }
  throw std::runtime_error("no answer from " + options.address_text);
}

BulkReport fetch_report(Transport& transport, const Options& options) {
  const Connected connection(transport, options);
  const Handle handle = connection.handle();
  const BulkRequest request;
  BulkReport report;
  std::array<char, sizeof report> bytes;
  for (int i = 0; i < kAttempts && !is_stopping; ++i) {
    if (options.protocol == Protocol::kUdp || i == 0)
      (void)transport.send(handle, bytes_of(request));
    const uint64_t start = now_ns();
    size_t have = 0;
    while (have < bytes.size() && now_ns() - start < kDatagramPatienceNs) {
      const size_t n = transport.receive(handle, std::span(bytes).subspan(have));
      if (n == 0) break;
      if (n != kNothing) have += n;
    }
    if (have < bytes.size()) continue;
    if (std::memcmp(bytes.data(), report.magic.data(), report.magic.size()) != 0) continue;
    std::memcpy(&report, bytes.data(), sizeof report);
    return report;
  }
  throw std::runtime_error("no report from " + options.address_text);
}

}  // namespace

PingPongResult ping_pong(Transport& transport, const Options& options) {
  const Connected connection(transport, options);
  wait_for_server(transport, connection.handle(), options);
  Pinger pinger(transport, connection.handle(), options);
  PingPongResult result;
  uint64_t start = now_ns();
  const uint64_t first = start + ns_of(options.warmup_s);
  const uint64_t end = first + ns_of(options.duration_s);
  // One at least: a warm-up's last message may have been under way for longer than the whole run.
  const auto is_over = [&] { return is_stopping || (start >= end && result.elapsed_ns != 0); };
  for (uint64_t sequence = 0; !is_over(); ++sequence) {
    const bool is_back = pinger.round_trip(sequence, start);
    const uint64_t now = now_ns();
    if (start >= first) {
      if (is_back) {
        result.round_trips.record(now - start);
      } else if (!is_stopping) {
        ++result.n_lost;
      }
      result.elapsed_ns = now - first;
    }
    start = now;
  }
  return result;
}

BulkResult throughput(Transport& transport, const Options& options) {
  BulkRequest request;
  request.size_bytes = options.size_bytes;
  request.duration_ms = static_cast<uint32_t>(options.duration_s * 1000);
  request.kind = options.server_sends ? BulkKind::kServerSends : BulkKind::kClientSends;
  request.verifies = options.verifies;
  BulkResult result;
  {
    const Connected connection(transport, options);
    const Handle handle = connection.handle();
    wait_for_server(transport, handle, options);
    (void)send_all(transport, handle, bytes_of(request));
    if (options.server_sends) {
      result.received = receive_bulk(transport, handle, options.protocol, request);
    } else {
      result.sent = send_bulk(transport, handle, options.protocol, request, nullptr);
      if (is_stream(options.protocol)) wait_for_end(transport, handle);
    }
  }
  const BulkReport other = fetch_report(transport, options);
  (options.server_sends ? result.sent : result.received) = other;
  return result;
}

}  // namespace millrace::lat
