// SPDX-License-Identifier: BSD-3-Clause
// A Connection is a socket that connects or listens, whatever its protocol: the states that it goes through,
// and the calls that lead from one to the next.
//
//   kOpen -> (bind) -> kOpen -> listen -> kListening
//                            -> connect -> kConnecting -> kConnected -> kEnded     kFailed: connect failed
//
// kEnded: the connection is gone. Whether that was graceful says end_error_: what had arrived is still
// delivered, then the end or the error, every time (winsock-rules 87, 91). A ConnectEx is a send that waits for
// the connection: it fails with it, or goes out first on it.
#pragma once

#include "stack/socket.h"

namespace millrace {

class Connection : public Socket {
 public:
  using Socket::Socket;

  WsaError connect(const Endpoint& peer) final;
  Outcome connect_ex(const Endpoint& peer, const SendCall& call) final;
  Outcome disconnect(const Overlapped& tell, bool for_reuse) final;
  uint32_t cancel(const Cancelled& which) noexcept final;
  SHORT poll_events() const noexcept override;
  bool is_listening() const noexcept final { return state_ == State::kListening; }
  bool is_connected() const noexcept final { return state_ == State::kConnected; }

 protected:
  enum class State : uint8_t { kOpen, kListening, kConnecting, kConnected, kEnded, kFailed };

  WsaError event_error(uint32_t event) const noexcept final;
  /// Ends with begin_connecting(), or with an error and nothing changed.
  virtual WsaError start_connect(const Endpoint& peer) = 0;
  void begin_connecting() noexcept;
  /// Something to receive, whatever has ended.
  virtual bool has_input() const noexcept = 0;
  /// The connection is gone: sends that wait end as it did.
  [[gnu::cold]] void fail_sends() noexcept;

  WsaError end_error_ = WsaError::kOk;
  State state_ = State::kOpen;
  bool peer_closed_ = false;
  bool was_accepted_ = false;
  bool has_failed_ = false;   ///< to connect, blocking: it may try again
  bool chose_local_ = false;  ///< address and port, for a connection without a bind
  bool awaits_memory_ = false;

 private:
  WsaError connect_refusal() const noexcept;
};

}  // namespace millrace
