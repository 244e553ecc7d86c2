// SPDX-License-Identifier: BSD-3-Clause
// Microsoft's extension functions as a test uses them: fetched by GUID, on a listener of the test's own.
#pragma once

#include <memory>
#include <tuple>

#include "mswsock.h"
#include "tests/spi_shim/ports_support.h"

namespace millrace::test {

constexpr DWORD kAddressBytes = sizeof(WS_sockaddr_in6) + 16;

/// One AcceptEx on a fresh socket.
struct Accepting {
  explicit Accepting(Winsock& ws, ConnectionKind kind, DWORD data = 0)
      : data_bytes(data), socket(ws.socket(kind)), overlap(data + 2 * kAddressBytes) {}
  DWORD data_bytes;
  SOCKET socket;
  Overlap overlap;
};

class ExtensionTest : public SpiFamilyTest {
 protected:
  void SetUp() override {
    SpiFamilyTest::SetUp();
    std::tie(listener, address) = ws().listener(kind());
    ws().fetch(listener, WSAID_ACCEPTEX, accept_ex);
    ws().fetch(listener, WSAID_GETACCEPTEXSOCKADDRS, get_sockaddrs);
    ws().fetch(listener, WSAID_CONNECTEX, connect_ex);
    ws().fetch(listener, WSAID_DISCONNECTEX, disconnect_ex);
  }
  /// @return the last error
  DWORD accept(Accepting& a) { return accept_on(listener, a, a.socket); }
  DWORD accept_on(SOCKET l, Accepting& a, SOCKET s) {
    DWORD n = 0;
    const BOOL done = accept_ex(l, s, a.overlap.memory.data(), a.data_bytes,
                                kAddressBytes, kAddressBytes, &n, a.overlap.get());
    return done ? 0 : GetLastError();
  }
  int update(SOCKET s) {
    INT error = 0;
    const int result = ws().table.lpWSPSetSockOpt(s, WS_SOL_SOCKET, SO_UPDATE_ACCEPT_CONTEXT,
                                                  reinterpret_cast<const CHAR*>(&listener),
                                                  sizeof listener, &error);
    return result == 0 ? 0 : error;
  }
  SOCKET connect() {
    const SOCKET s = ws().socket(kind());
    EXPECT_EQ(ws().connect(s, address), 0) << ws().error;
    return s;
  }
  DWORD connect(SOCKET s, const Address& to, Overlap& overlap, std::string_view text = "") {
    const BOOL done = connect_ex(s, to.get(), to.length, const_cast<char*>(text.data()),
                                 static_cast<DWORD>(text.size()), nullptr, overlap.get());
    return done ? 0 : GetLastError();
  }
  SOCKET bound() {
    const SOCKET s = ws().socket(kind());
    EXPECT_EQ(ws().bind(s, Address::any(family())), 0);
    return s;
  }

  SOCKET listener = INVALID_SOCKET;
  Address address;
  LPFN_ACCEPTEX accept_ex = nullptr;
  LPFN_GETACCEPTEXSOCKADDRS get_sockaddrs = nullptr;
  LPFN_CONNECTEX connect_ex = nullptr;
  LPFN_DISCONNECTEX disconnect_ex = nullptr;
};

}  // namespace millrace::test
