// SPDX-License-Identifier: BSD-3-Clause
// Loaned receives as a program makes them: the two functions fetched by GUID, and calls whose error
// is a value.
#pragma once

#include <string>
#include <vector>

#include "millrace/loan.h"
#include "tests/support/spi.h"

namespace millrace::test {

/// What one loaned receive returned.
struct Lent {
  int result = 0;
  INT error = 0;
  DWORD count = 0;
  DWORD n_bytes = 0;
  std::vector<WSABUF> buffers;  ///< the first `count`, on success
  Address from;

  std::string text() const {
    std::string all;
    for (const WSABUF& buffer : buffers) all.append(buffer.buf, buffer.len);
    EXPECT_EQ(all.size(), n_bytes);
    return all;
  }
};

class Lender {
 public:
  /// Asks any socket for the two functions.
  Lender(Winsock& ws, SOCKET s) {
    ws.fetch(s, WSAID_MILLRACE_RECVLOAN, recv_loan);
    ws.fetch(s, WSAID_MILLRACE_RETURNLOAN, return_loan);
  }

  Lent borrow(SOCKET s, DWORD room = 64, DWORD flags = 0, bool wants_from = false) const {
    Lent lent;
    lent.buffers.resize(room);
    lent.count = room;
    lent.result =
        recv_loan(s, lent.buffers.data(), &lent.count, &lent.n_bytes, &flags,
                  wants_from ? lent.from.get() : nullptr, wants_from ? &lent.from.length : nullptr,
                  nullptr, nullptr, nullptr, &lent.error);
    lent.buffers.resize(lent.result == 0 ? lent.count : 0);
    return lent;
  }
  /// @return 0 or the error
  INT give_back(std::vector<WSABUF>& buffers) const {
    INT error = 0;
    const int result = return_loan(buffers.data(), static_cast<DWORD>(buffers.size()), &error);
    EXPECT_EQ(result, error == 0 ? 0 : SOCKET_ERROR);
    return error;
  }

  LPFN_MILLRACE_RECVLOAN recv_loan = nullptr;
  LPFN_MILLRACE_RETURNLOAN return_loan = nullptr;
};

}  // namespace millrace::test
