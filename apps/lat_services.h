// SPDX-License-Identifier: BSD-3-Clause
// The servers that every network tester knows, over TCP on a completion port, written with Winsock 2's calls:
//
//   echo      7   RFC 862   sends back what comes
//   discard   9   RFC 863   throws away what comes
//   chargen  19   RFC 864   sends lines of 72 characters without end, and throws away what comes
//
// Whoever takes the port's packets hands those of kKey to complete(), one thread at a time.
//
// Invariant: a Connection lives until each operation that it started has brought its packet.
#pragma once

#include <array>
#include <cstdint>
#include <list>
#include <memory>
#include <unordered_set>

#include "apps/lat_transport.h"
#include "winsock2.h"
// after winsock2.h, as on Windows
#include "mswsock.h"
#include "windows.h"

namespace millrace::lat {

enum class Service : uint16_t { kEcho = 7, kDiscard = 9, kChargen = 19 };

class Services {
 public:
  static constexpr ULONG_PTR kKey = 1;  ///< of the packets that are ours

  /// Listens on ports 7, 9 and 19 of this address, but for `except`'s own port.
  /// @throws std::runtime_error when a call fails
  Services(HANDLE port, const Peer& except);
  /// After WSACleanup: nothing is pending any more.
  ~Services();
  Services(const Services&) = delete;
  Services& operator=(const Services&) = delete;

  void complete(const OVERLAPPED_ENTRY& packet);

  size_t n_connections() const noexcept { return n_open_; }

 private:
  class Connection;
  struct Listener {
    Services& services;
    Service service;
    SOCKET socket;
    int n_accepting = 0;
  };
  struct Operation : OVERLAPPED {
    Operation() : OVERLAPPED{} {}
    Connection* connection = nullptr;
  };

  void listen(Service service, uint32_t address_be);
  void accept(Listener& listener);

  HANDLE port_;
  LPFN_ACCEPTEX accept_ex_ = nullptr;
  std::list<Listener> listeners_;
  std::unordered_set<Connection*> connections_;
  size_t n_open_ = 0;  ///< of those: with a client
};

}  // namespace millrace::lat
