// SPDX-License-Identifier: BSD-3-Clause
// From the SOCKET that an application holds to the Stack's own, and back.
//
// With our own upcalls they are the same, and nothing is looked up. With the caller's, handles come
// from its WPUCreateSocketHandle and ours is the context that it keeps (winsock-rules 9).
#pragma once

#include "stack/socket.h"
#include "ws2spi.h"

namespace millrace {

/// The Stack's handle for an application's; the same value when it is nobody's.
SOCKET inner_handle(SOCKET s) noexcept;

/// The handle by which the Stack that made it named it, whatever that means now.
SOCKET first_handle(SOCKET s) noexcept;

/// From now on the handle `from` of a Stack means `to`, on another Stack: AcceptEx gave a connection
/// that came there to a socket that was made here. Until retire(), or forget_moves().
void move_handle(SOCKET from, SOCKET to);
void forget_moves() noexcept;
/// @return what a handle of a Stack means now
SOCKET moved_handle(SOCKET inner) noexcept;

/// Names a socket to the application. Called without the Stack's lock: it may make an upcall.
/// @return INVALID_SOCKET and the upcall's error
SOCKET publish(SOCKET inner, DWORD catalog_entry, INT& error) noexcept;

/// The same; on failure the handle is taken away, and with the last one the socket is ended.
SOCKET publish_or_close(SOCKET inner, DWORD catalog_entry, LPINT lpErrno) noexcept;

/// The application's handle is closed.
void retire(SOCKET s) noexcept;

}  // namespace millrace
