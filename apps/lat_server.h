// SPDX-License-Identifier: BSD-3-Clause
// The server of millrace-lat: echoes on TCP, or SCTP, and UDP, and takes part in throughput runs.
#pragma once

#include <vector>

#include "apps/lat_bulk.h"

namespace millrace::lat {

/// One thread serves all sockets. It waits for all of them, and then stays with one that was alone
/// in having something, so that a ping-pong costs one receive and one send per message and no wait.
/// A throughput run has the thread for itself; others wait until it is over.
class Server {
 public:
  /// Listens on options.address, TCP and UDP; where the protocol is SCTP, that instead of TCP.
  Server(Transport& transport, const Options& options);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  /// Serves until is_stopping.
  void run();

 private:
  enum class Served : uint8_t { kMessage, kNoMessage, kEnded };

  struct Connection {
    Handle handle;
    bool is_echo = false;       ///< what came first was no BulkRequest
    std::vector<char> opening;  ///< what came first, until that is known
  };

  void serve(Handle handle, bool is_alone);
  void stay_with(Handle handle);
  Served serve_once(Handle handle);
  Served accept_one();
  Served answer_datagram();
  Served answer(Connection& connection);
  bool open(Connection& connection, std::span<const char> bytes);
  void take_part(Handle handle, Protocol protocol, const BulkRequest& request, const Peer* peer);

  Transport& transport_;
  bool is_nonblocking_;
  Protocol protocol_;  ///< of connections
  Handle listener_;
  Handle datagrams_;
  std::vector<Connection> connections_;
  std::vector<Handle> handles_;  ///< of all sockets, as wait_readable takes them
  std::vector<char> buffer_;
  BulkReport last_report_;
};

}  // namespace millrace::lat
