// SPDX-License-Identifier: BSD-3-Clause
// One connection of millrace-http. It has one operation pending at any time, so that one thread at a
// time has it, whichever takes its completion from the port; nothing here is locked.
//
//   accepting ─► receiving ─► sending ─► receiving ... ─► draining ─► gone
#pragma once

#include <atomic>
#include <mutex>
#include <set>
#include <string>

#include "apps/http_message.h"
#include "winsock2.h"
// after winsock2.h, as on Windows
#include "mswsock.h"
#include "windows.h"

namespace millrace::http {

/// What all connections of a server share.
struct Site {
  int root_fd = -1;  ///< the folder that is served; -1: none
  HANDLE port = nullptr;
  LPFN_ACCEPTEX accept_ex = nullptr;
  LPFN_TRANSMITFILE transmit_file = nullptr;
};

class Connection;

struct Listener {
  Listener(const Site& shared, SOCKET s, int address_family)
      : site(shared), socket(s), family(address_family) {}
  /// After WSACleanup: nothing is pending any more.
  ~Listener();
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

  const Site& site;
  const SOCKET socket;
  const int family;
  std::atomic<int> n_accepting = 0;
  std::mutex mutex;
  std::set<Connection*> connections;
};

class Connection : public OVERLAPPED {
 public:
  /// Has as many connections wait for clients of this listener as there shall be.
  /// @return the Winsock error, 0: none
  static int accept(Listener& listener);

  /// The operation of this OVERLAPPED is complete. @param is_ok  GetQueuedCompletionStatus said TRUE
  static void complete(OVERLAPPED* overlapped, bool is_ok, DWORD n_bytes);

 private:
  enum class State { kAccepting, kReceiving, kSending, kDraining };
  /// What became of the operation that was started.
  enum class Next {
    kPending,  ///< the port will tell, perhaps another thread: this one has lost the connection
    kDone,     ///< it is complete already
    kOver,     ///< the connection has ended
  };

  friend struct Listener;
  explicit Connection(Listener& listener);
  ~Connection();
  void end();

  Next step(DWORD& n_bytes);
  Next begin(DWORD& n_bytes);
  Next receive(DWORD& n_bytes);
  Next answer(DWORD& n_bytes);
  Next send(DWORD& n_bytes);
  void respond(const Request& request);
  bool respond_with_file(const Request& request);

  Listener& listener_;
  SOCKET socket_;
  State state_ = State::kAccepting;
  bool is_last_ = false;  ///< the connection ends after what is sent now
  std::string received_;  ///< not yet taken apart
  std::string response_;  ///< heads, and contents that are not files
  int file_fd_ = -1;      ///< its content follows the response
  DWORD file_bytes_ = 0;
  char buffer_[16 * 1024];
};

}  // namespace millrace::http
