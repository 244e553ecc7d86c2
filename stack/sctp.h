// SPDX-License-Identifier: BSD-3-Clause
// An SCTP socket: whole messages, reliably and in order, over one association (RFC 9260), one-to-one style.
//
// libusrsctp keeps what arrives until the Inbox has room, so that its window closes on a peer whose reader
// is slow. From the Inbox on the way is the one of TCP and UDP; what a message means there says delivery.h
// (contract: B10, B11, B12, E15).
#pragma once

#include "stack/connection.h"
#include "stack/delivery.h"
#include "stack/sctp_association.h"

namespace millrace {

class SctpSocket final : public Connection {
 public:
  SctpSocket(Stack& stack, uint8_t family);

  WsaError bind(Endpoint endpoint) override;
  WsaError listen(int backlog) override;
  Outcome receive(const ReceiveCall& call) override;
  Outcome send(const SendCall& call) override;
  WsaError shutdown(int how) override;
  bool is_readable() const noexcept override;
  bool is_writable() const noexcept override;
  bool has_exception() const noexcept override { return state_ == State::kFailed; }
  void apply_options() noexcept override;
  std::optional<uint64_t> connected_since_ns() const noexcept override;
  std::optional<uint32_t> path_mtu() const noexcept override;
  uint32_t max_message_bytes() const noexcept override { return UINT32_MAX; }
  void flush_sends() noexcept override;
  std::optional<Endpoint> peer() const noexcept override;
  void settle() noexcept override;
  void retry() noexcept override;
  void loans_returned(uint32_t bytes) noexcept override;
  int fits(const IcmpError&) const noexcept override { return -1; }
  bool on_icmp_error(const IcmpError&) noexcept override { return false; }
  void on_port_lost() noexcept override;

  /// libusrsctp has news: a message, room, an end, or, for a listener, a connection.
  void note() noexcept;
  /// A connection for this listener. @owner takes the endpoint
  void take_connection(SctpEndpoint* endpoint, const SctpPath& path, uint16_t peer_port) noexcept;
  /// With MSG_PARTIAL or, by the catalog's other entry, without it.
  uint32_t service_flags() const noexcept {
    return options.whole_messages ? kWholeSctpServiceFlags : kSctpServiceFlags;
  }

 protected:
  WsaError receive_refusal(const ReceiveCall& call) const noexcept override;
  bool can_take(uint32_t flags) const noexcept override;
  Outcome take(BufferCursor& to, uint32_t flags, const FromAddress& from) noexcept override;
  Outcome take_loans(LoanCursor& to, const FromAddress& from) noexcept override;
  bool is_shut_by_loans() const noexcept override { return loans.n_mbufs != 0 && !has_room(); }
  uint32_t events_now() const noexcept override;
  WsaError start_connect(const Endpoint& peer) override;
  bool has_input() const noexcept override { return has_something(0); }
  void release_pcb(bool graceful) noexcept override;
  bool linger(uint64_t deadline_ns) override;

 private:
  ~SctpSocket() override = default;

  void hold_flow(const SctpFlow& flow);
  void begin(uint64_t now_ns) noexcept;
  void end(WsaError why) noexcept;
  void drop_endpoint(bool graceful) noexcept;
  void set_heartbeat() noexcept;

  // What arrives (sctp_recv.cc).
  bool has_room() const noexcept;
  bool takes_parts() const noexcept { return !options.whole_messages; }
  bool is_stuck() const noexcept;
  bool has_something(uint32_t flags) const noexcept;
  bool would_fill(const Request& request) const noexcept;
  void pull() noexcept;
  bool pull_one() noexcept;
  bool has_news() const noexcept;
  bool is_cut_off_next() const noexcept;
  void deliver(pbuf* part, bool ends_message) noexcept;
  void end_message() noexcept;
  void serve_arrival() noexcept;
  void on_notification(std::span<const char> bytes) noexcept;
  void on_association_change(std::span<const char> bytes) noexcept;
  void on_restart() noexcept;
  void serve_receives() noexcept;
  Outcome take_counted(BufferCursor& to, uint32_t flags) noexcept;
  Outcome lend_message(LoanCursor& to) noexcept;
  WsaError end_of_association() const noexcept;

  // What is sent (sctp_send.cc).
  WsaError send_refusal() const noexcept;
  uint32_t write(BufferCursor& from, uint32_t flags) noexcept;
  void serve_sends() noexcept;
  void end_sends() noexcept;
  void note_refusal(int error) noexcept;
  void shut_send() noexcept;
  bool everything_is_acknowledged() const noexcept;
  bool is_over() const noexcept;
  void serve_disconnects() noexcept;

  bool has_failed_sends_ = false;  ///< with the association's end something was lost
  bool is_in_message_ = false;  ///< what libusrsctp has of the last message sent is not all
  bool takes_nothing_ = false;  ///< libusrsctp, for this association, any more
  bool awaits_end_ = false;  ///< while pulling: the last part may be its message's end
  bool is_cut_off_ = false;  ///< the association ended in the middle of a message of the peer's
  SctpEndpoint* endpoint_ = nullptr;
  uint64_t connected_at_ns_ = 0;
  std::optional<SctpFlow> flow_;
  Endpoint peer_;
};

}  // namespace millrace
