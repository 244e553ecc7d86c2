// SPDX-License-Identifier: BSD-3-Clause
// The catalog: the protocols that millrace offers, as Winsock describes protocols.
//
// Invariant: the entries are constants. Their addresses stay valid for the life of the process, and
// an entry may be compared by address. XP1_IFS_HANDLES is clear in all of them: sockets are not
// file handles here, so they come from the upcall WPUCreateSocketHandle.
#pragma once

#include <span>

#include "millrace/winsock_codes.h"
#include "millrace/winsock_types.h"

namespace millrace {

class Socket;

/// kProviderId names millrace in every catalog entry.
inline constexpr GUID kProviderId = {
    0x5D1E96A4, 0x7C3B, 0x4E0F, {0x9B, 0x62, 0x1A, 0xD4, 0x08, 0xF7, 0xC2, 0x95}};

/// catalog is all entries, TCP before UDP before SCTP, and IPv4 before IPv6: a wildcard takes the first
/// that fits.
std::span<const WSAPROTOCOL_INFOW> catalog() noexcept;

/// catalog_entry finds an entry by dwCatalogEntryId; null when there is none.
const WSAPROTOCOL_INFOW* catalog_entry(DWORD catalog_entry_id) noexcept;

/// The entry that a socket was made from, or the listener of a connection.
const WSAPROTOCOL_INFOW& catalog_entry_of(const Socket& socket) noexcept;

struct CatalogMatch {
  const WSAPROTOCOL_INFOW* entry;  // null exactly when error is not kOk
  WsaError error;
};

/// catalog_find chooses the entry for a new socket, by the rules of WSPSocket.
///
/// @param[in] af,type,protocol  0 leaves the choice to info or, without one, to the catalog's
/// order;
///                              FROM_PROTOCOL_INFO takes info's value
/// @param[in] info              the caller's lpProtocolInfo, or null; its three numbers are used,
///                              and only where the argument says nothing else; of several entries that
///                              fit, the one that its dwCatalogEntryId names
/// @errors  kInval neither family nor protocol given; kAfNoSupport unknown family; kSocktNoSupport
///          type unknown in it; kProtoNoSupport protocol unknown, or not one of that type. For the
///          last case the page has WSAEPROTOTYPE, Windows answers WSAEPROTONOSUPPORT, and so do we
/// @source  LPWSPSOCKET Remarks; WSASocket on Windows for the order of the checks
[[nodiscard]] CatalogMatch catalog_find(int af, int type, int protocol,
                                        const WSAPROTOCOL_INFOW* info = nullptr) noexcept;

}  // namespace millrace
