// SPDX-License-Identifier: BSD-3-Clause
// A TCP socket: one lwIP pcb, or a listener and the connections nobody has accepted yet. The pcb is gone where the
// connection is (connection.h).
#pragma once

#include <memory>
#include <vector>

#include "lwip/tcp.h"
#include "stack/connection.h"

namespace millrace {

class TcpSocket final : public Connection {
 public:
  TcpSocket(Stack& stack, uint8_t family);

  WsaError bind(Endpoint endpoint) override;
  WsaError listen(int backlog) override;
  WsaError listen_as_twin(const Endpoint& endpoint, int backlog) override;
  Outcome send(const SendCall& call) override;
  WsaError shutdown(int how) override;
  bool is_readable() const noexcept override;
  bool is_writable() const noexcept override;
  bool has_exception() const noexcept override {
    return state_ == State::kFailed || (!options.oob_inline && has_urgent());
  }
  SHORT poll_events() const noexcept override;
  void apply_options() noexcept override;
  uint64_t readable_bytes() const noexcept override;
  bool is_at_mark() const noexcept override;
  std::optional<uint64_t> connected_since_ns() const noexcept override {
    return state_ == State::kConnected ? std::optional(connected_at_ns_) : std::nullopt;
  }
  std::optional<uint32_t> path_mtu() const noexcept override;
  std::optional<TcpInfo> info() const noexcept override;
  void flush_sends() noexcept override;
  std::optional<Endpoint> peer() const noexcept override;
  void settle() noexcept override;
  void retry() noexcept override;
  void loans_returned(uint32_t bytes) noexcept override;
  int fits(const IcmpError& error) const noexcept override;
  bool on_icmp_error(const IcmpError& error) noexcept override;
  void on_port_lost() noexcept override;
  /// Into the cache, what the next segment for this TcpSocket will touch.
  static void fetch(const void* socket) noexcept;
  /// Its holes are to be told of, once at the end of the turn. @return false: at once
  static bool acknowledge_later(tcp_pcb& pcb) noexcept;
  /// A segment's urgent pointer says that the byte with this sequence number is urgent.
  static void on_urgent(tcp_pcb& pcb, uint32_t number) noexcept;

 protected:
  WsaError receive_refusal(const ReceiveCall& call) const noexcept override;
  bool can_take(uint32_t flags) const noexcept override;
  Outcome take(BufferCursor& to, uint32_t flags, const FromAddress& from) noexcept override;
  Outcome take_loans(LoanCursor& to, const FromAddress& from) noexcept override;
  bool is_shut_by_loans() const noexcept override;
  uint32_t events_now() const noexcept override;
  WsaError start_connect(const Endpoint& peer) override;
  bool has_input() const noexcept override { return !source_of(0).empty(); }
  void release_pcb(bool graceful) noexcept override;
  bool linger(uint64_t deadline_ns) override;

 private:
  ~TcpSocket() override = default;

  // lwIP's callbacks: they touch only their own socket, and mark it dirty.
  static err_t on_accept(void* arg, tcp_pcb* pcb, err_t error);
  static err_t on_connected(void* arg, tcp_pcb* pcb, err_t error);
  static err_t on_receive(void* arg, tcp_pcb* pcb, pbuf* p, err_t error);
  static err_t on_sent(void* arg, tcp_pcb* pcb, u16_t bytes);
  static void on_error(void* arg, err_t error);

  // Urgent data (tcp_urgent.cc).
  bool has_urgent() const noexcept { return urgent_ != nullptr && !urgent_->inbox.empty(); }
  bool expects_urgent() const noexcept { return urgent_ != nullptr && !urgent_->announced.empty(); }
  void announce(const tcp_pcb& pcb, uint32_t number) noexcept;
  err_t deliver_marked(pbuf* p) noexcept;
  void deliver_urgent(pbuf* byte) noexcept;
  void end_receive(uint8_t marks) noexcept;
  void bring_inline() noexcept;
  void mark_urgent() noexcept;

  WsaError make_pcb();
  WsaError start_listening(int backlog);
  WsaError end_error(err_t error) const noexcept;
  void apply_keep_alive() noexcept;
  void abandon(WsaError why) noexcept;
  void adopt(tcp_pcb& pcb) noexcept;
  void forget_pcb() noexcept;
  WsaError choose_local(netif& route, const Endpoint& peer);
  void deliver(pbuf* p) noexcept;
  bool has_no_room() const noexcept;
  err_t squeeze(pbuf* p) noexcept;
  void discard(pbuf* p) noexcept;
  void fill(Request& request, pbuf*& p) noexcept;
  void end_filling() noexcept;
  void credit(uint32_t bytes) noexcept;
  void catch_up(tcp_pcb& pcb) noexcept;
  Inbox& source_of(uint32_t flags) noexcept;
  const Inbox& source_of(uint32_t flags) const noexcept;
  WsaError end_of_stream() const noexcept;
  [[gnu::cold]] void end_receives() noexcept;  // settle() is every turn's
  WsaError send_refusal() const noexcept;
  uint32_t write(BufferCursor& from, uint32_t flags) noexcept;
  void serve_sends() noexcept;
  [[gnu::cold]] void serve_disconnects() noexcept;
  uint32_t send_buffer() const noexcept;
  uint32_t send_room() const noexcept;
  bool everything_is_acknowledged() const noexcept;

  // In the order of socket.h: hot before cold.
  bool is_filling_ = false;  ///< the first receive got bytes in this turn and is not full
  bool owes_sacks_ = false;  ///< something came behind a hole in this turn
  uint32_t in_flight_ = 0;    ///< bytes written and not acknowledged
  uint32_t to_credit_ = 0;    ///< bytes taken in this turn, not yet given back to the window
  uint32_t held_back_ = 0;    ///< credit not given, because SO_RCVBUF is below the full window
  tcp_pcb* pcb_ = nullptr;
  struct Urgent {
    Inbox inbox;                      ///< urgent bytes, a parcel each, for MSG_OOB
    std::vector<uint32_t> announced;  ///< sequence numbers of urgent bytes to come, in order
    uint32_t next_number = 0;         ///< of the byte that lwIP delivers next, while some are announced
  };
  std::unique_ptr<Urgent> urgent_;  ///< null: the peer never had something urgent
  uint64_t sent_bytes_ = 0;      ///< as written to lwIP
  uint64_t received_bytes_ = 0;  ///< as lwIP delivered them
  uint64_t connected_at_ns_ = 0;
  Endpoint peer_;
};

}  // namespace millrace
