// SPDX-License-Identifier: BSD-3-Clause
// What the owner of a socket asked to be told: WSPEventSelect and WSPAsyncSelect.
//
//   true now (Socket::events_now)  and selected  and not told yet  ->  recorded, event signalled
//                                                                  or  posted as a message
//
// An event that was told is told again only after it was re-enabled: by the call that Windows' table
// names for it (a receive, an accept, a send that found no room), and, with an event object, by news of
// the same kind (winsock-rules 146, 147). Invariant: whatever re-enables an event looks at once whether
// it is true, so none is lost between two turns.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "millrace/winsock_codes.h"
#include "millrace/winsock_types.h"
#include "stack/address.h"
#include "stack/request.h"

namespace millrace {

struct Application;

struct EventSelection {
  uint32_t mask = 0;  ///< FD_READ and its kin; 0: nothing is selected
  bool posts_messages = false;
  HANDLE event = nullptr;  ///< signalled
  HWND window = nullptr;   ///< where `message` goes, once for each event
  UINT message = 0;
  SOCKET name = INVALID_SOCKET;  ///< what the owner calls the socket: the message's wParam
};

/// An event that happened, on its way to the application; shown without the lock, as a Completion.
struct EventSignal {
  HANDLE event = nullptr;
  HWND window = nullptr;  ///< of a message, with the next three
  UINT message = 0;
  SOCKET name = INVALID_SOCKET;
  LPARAM detail = 0;

  void show(const Application& application) const noexcept;
};

/// A change of addresses or routes that somebody asked to be told of (changes.cc).
struct AwaitedChange {
  uint32_t event = 0;           ///< FD_ADDRESS_LIST_CHANGE or FD_ROUTING_INTERFACE_CHANGE
  IpAddress to;                 ///< where a route leads
  std::optional<IpAddress> by;  ///< our address there when it was asked; nothing: no route
  uint32_t request = 0;         ///< flags of the one that waits; 0: told as a network event
};

/// A socket has one once something was selected for it.
struct NetworkEvents {
  EventSelection selection;
  uint32_t recorded = 0;  ///< for WSPEnumNetworkEvents
  uint32_t told = 0;      ///< recorded or posted, and not re-enabled since
  std::array<INT, FD_MAX_EVENTS> errors{};  ///< by bit, of what is recorded
  RequestQueue changes;  ///< SIO_ADDRESS_LIST_CHANGE and its kin, overlapped
  std::vector<AwaitedChange> awaited;
  uint32_t n_asked = 0;  ///< numbers the requests
  uint32_t changed = 0;  ///< of `awaited`, what has happened since it was asked for

  /// What was recorded and nobody has fetched counts as not told: selecting anew loses nothing.
  void select(const EventSelection& wanted) noexcept {
    told = wanted.posts_messages ? 0 : told & ~recorded;
    recorded = 0;
    selection = wanted;
  }
  /// Something new came, of a kind that may have been told already.
  void note_arrival(uint32_t events) noexcept {
    if (!selection.posts_messages) told &= ~events;
  }
};

}  // namespace millrace
