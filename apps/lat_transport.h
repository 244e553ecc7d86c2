// SPDX-License-Identifier: BSD-3-Clause
// What millrace-lat needs of a socket interface: the little that Winsock and POSIX sockets share,
// so that one measuring code drives both and a comparison compares nothing else.
//
// - IPv4 only. Streams and SCTP's connections, which are used as streams are, have no Nagle algorithm.
// - A receive returns kNothing when nothing is there: at once in nonblocking mode, after
//   kReceiveTimeoutMs in blocking mode. Callers ask for the end of the run then, not for each
//   message.
// - What fails, but for a connection that ends, throws std::runtime_error with call and code.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace millrace::lat {

enum class Protocol : uint8_t { kTcp, kUdp, kSctp };

constexpr bool is_stream(Protocol protocol) { return protocol != Protocol::kUdp; }
constexpr const char* name_of(Protocol protocol) {
  return protocol == Protocol::kTcp ? "tcp" : protocol == Protocol::kUdp ? "udp" : "sctp";
}

using Handle = uint64_t;

/// An IPv4 endpoint, both in network byte order.
struct Peer {
  uint32_t address_be = 0;
  uint16_t port_be = 0;

  friend bool operator==(const Peer&, const Peer&) = default;
};

inline constexpr size_t kNothing = SIZE_MAX;
inline constexpr int kReceiveTimeoutMs = 100;

/// How long sampled packets were in one stage of their way (millrace/stages.h).
struct StageTimes {
  std::string name, sentence;
  uint64_t count = 0, p50_ns = 0, p99_ns = 0, p999_ns = 0, max_ns = 0, sum_ns = 0;
};

struct Counters {
  std::vector<std::pair<std::string, uint64_t>> values;
  std::vector<StageTimes> stages;  ///< in the order of the way
};

class Transport {
 public:
  virtual ~Transport() = default;

  /// @param protocol  kTcp or kSctp
  virtual Handle listen(const Peer& local, Protocol protocol) = 0;
  /// @return nullopt: no connection waits
  virtual std::optional<Handle> accept(Handle listener) = 0;
  virtual Handle bind_datagrams(const Peer& local) = 0;
  virtual Handle connect(Protocol protocol, const Peer& peer) = 0;
  virtual void close(Handle handle) noexcept = 0;
  virtual void end_sending(Handle handle) = 0;

  /// @return bytes, 0 at the end of a stream or after its reset, kNothing
  virtual size_t receive(Handle handle, std::span<char> into) = 0;
  virtual size_t receive_from(Handle handle, std::span<char> into, Peer& from) = 0;
  /// @return bytes taken, fewer than given on a nonblocking stream; 0 after a reset; kNothing: no
  /// room
  virtual size_t send(Handle handle, std::span<const char> bytes) = 0;
  virtual size_t send_to(Handle handle, std::span<const char> bytes, const Peer& to) = 0;

  /// Blocks until one of `handles` can be read, or kReceiveTimeoutMs; appends those that can.
  virtual void wait_readable(std::span<const Handle> handles, std::vector<Handle>& readable) = 0;

  /// True while whoever waits for `handles` should come back soon, because wait_readable() serves
  /// others, too.
  virtual bool has_other_work() const noexcept { return false; }

  /// What the interface counts about itself; the kernel's counts nothing.
  virtual Counters counters() const { return {}; }
};

/// millrace, through the SPI. @throws std::runtime_error when WSPStartup fails (it says why itself)
std::unique_ptr<Transport> make_spi_transport(bool is_nonblocking);

/// The same for a server: it has the services of lat_services.h on the address's other ports.
std::unique_ptr<Transport> make_port_transport(bool is_nonblocking, const Peer& address);

/// The Linux kernel's sockets; nonblocking: spins on receives. @param congestion  of streams, as in
/// TCP_CONGESTION; empty: the machine's default
std::unique_ptr<Transport> make_kernel_transport(bool is_nonblocking,
                                                 const std::string& congestion);

}  // namespace millrace::lat
