// SPDX-License-Identifier: BSD-3-Clause
// What only a listener has; other sockets hold a null pointer in its place.
#pragma once

#include <cstdint>
#include <deque>
#include <vector>

#include "stack/request.h"

struct tcp_pcb;

namespace millrace {

class Socket;
struct Finisher;

struct Listening {
  std::deque<Socket*> queue;  ///< connections that nobody has accepted yet; it owns a reference to each
  /// So many at its front are anybody's, and told of. The rest waits for the word whether an AcceptEx
  /// takes them: on whichever Stack it was posted, the shim looks before it says (winsock-rules 158).
  size_t n_offered = 0;
  uint32_t backlog = 0;
  /// Urgent data in the segment that completes a handshake, before there is a socket.
  struct {
    const tcp_pcb* pcb = nullptr;
    uint32_t number = 0;
  } early_urgent;

  std::vector<SOCKET> twins;  ///< with several Stacks: the handles of the same one on the others

  RequestQueue accepts;               ///< of AcceptEx; the shim serves it
  Finisher* on_connection = nullptr;  ///< called when connections wait, after the lock
  SOCKET accepts_for = 0;             ///< the application's listener, of this one or its twin
  bool serves_accepts = false;        ///< a thread is at it
  bool serves_again = false;
};

}  // namespace millrace
