// SPDX-License-Identifier: BSD-3-Clause
// The two roles of a throughput run.
#include "apps/lat_bulk.h"

#include <algorithm>
#include <cstring>
#include <random>

namespace millrace::lat {
namespace {

constexpr size_t kPatternBytes = 65521;  // the largest prime below 2^16
constexpr size_t kMostBytes = size_t{1} << 20;
constexpr size_t kReceiveBytes = 256 * 1024;
constexpr uint64_t kQuietNs = 500'000'000;
constexpr uint64_t kMostQuietNs = 5'000'000'000;

/// The pattern again and again: any piece of up to kMostBytes can be taken out of it.
std::span<const char> pattern() {
  static const std::vector<char> bytes = [] {
    std::minstd_rand random(1);
    std::vector<char> made(kPatternBytes + kMostBytes);
    for (size_t i = 0; i < made.size(); ++i) {
      made[i] = i < kPatternBytes ? static_cast<char>(random()) : made[i - kPatternBytes];
    }
    return made;
  }();
  return bytes;
}

std::span<const char> piece_at(uint64_t offset, size_t size) {
  return pattern().subspan(offset % kPatternBytes, std::min(size, kMostBytes));
}

/// Takes note of n bytes that arrived.
class Counter {
 public:
  Counter(Protocol protocol, const BulkRequest& request)
      : is_stream_(is_stream(protocol)), verifies_(request.verifies) {}

  void count(std::span<const char> bytes, uint64_t now) {
    if (report_.n_bytes == 0) first_ns_ = now;
    report_.longest_stall_ns =
        std::max(report_.longest_stall_ns, now - first_ns_ - report_.elapsed_ns);
    report_.elapsed_ns = now - first_ns_;
    if (verifies_ && !is_as_sent(bytes)) report_.n_wrong_bytes += bytes.size();
    report_.n_bytes += bytes.size();
    ++report_.n_messages;
  }

  BulkReport finish(uint32_t size_bytes) {
    // What a receive on a stream returns is no message; whole messages are what was sent.
    if (is_stream_) report_.n_messages = report_.n_bytes / std::max<uint32_t>(size_bytes, 1);
    return report_;
  }

 private:
  bool is_as_sent(std::span<const char> bytes) const {
    const auto expected = piece_at(is_stream_ ? report_.n_bytes : 0, bytes.size());
    return std::equal(bytes.begin(), bytes.end(), expected.begin(), expected.end());
  }

  bool is_stream_;
  bool verifies_;
  uint64_t first_ns_ = 0;
  BulkReport report_;
};

}  // namespace

bool may_be_request(std::span<const char> bytes) noexcept {
  const BulkRequest model;
  return std::memcmp(bytes.data(), model.magic.data(),
                     std::min(bytes.size(), model.magic.size())) == 0;
}

std::optional<BulkRequest> parse_request(std::span<const char> bytes) noexcept {
  if (bytes.size() != sizeof(BulkRequest) || !may_be_request(bytes)) return std::nullopt;
  BulkRequest request;
  std::memcpy(&request, bytes.data(), sizeof request);
  return request;
}

BulkReport send_bulk(Transport& transport, Handle handle, Protocol protocol,
                     const BulkRequest& request, const Peer* to) {
  const bool is_stream = lat::is_stream(protocol);
  BulkReport report;
  const uint64_t start = now_ns();
  const uint64_t end = start + uint64_t{request.duration_ms} * 1'000'000;
  while (now_ns() < end && !is_stopping) {
    const auto bytes = piece_at(is_stream ? report.n_bytes : 0, request.size_bytes);
    if (is_stream) {
      if (!send_all(transport, handle, bytes)) break;
    } else {
      const size_t n =
          to == nullptr ? transport.send(handle, bytes) : transport.send_to(handle, bytes, *to);
      if (n == 0 || n == kNothing) continue;
    }
    ++report.n_messages;
    report.n_bytes += bytes.size();
  }
  if (is_stream) transport.end_sending(handle);
  report.elapsed_ns = now_ns() - start;
  return report;
}

BulkReport receive_bulk(Transport& transport, Handle handle, Protocol protocol,
                        const BulkRequest& request) {
  const bool is_stream = lat::is_stream(protocol);
  std::vector<char> buffer(kReceiveBytes);
  Counter counter(protocol, request);
  const uint64_t start = now_ns();
  uint64_t last = start;
  while (!is_stopping) {
    const size_t n = transport.receive(handle, buffer);
    if (n == kNothing) {
      const uint64_t quiet = now_ns() - last;
      const bool is_over = last - start >= uint64_t{request.duration_ms} * 1'000'000 / 2;
      if (quiet > kMostQuietNs || (!is_stream && is_over && quiet > kQuietNs)) break;
      continue;
    }
    if (n == 0) {
      if (is_stream) break;
      continue;
    }
    const std::span<const char> bytes(buffer.data(), n);
    if (!is_stream && parse_request(bytes)) break;
    last = now_ns();
    counter.count(bytes, last);
  }
  return counter.finish(request.size_bytes);
}

}  // namespace millrace::lat
