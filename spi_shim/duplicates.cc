// SPDX-License-Identifier: BSD-3-Clause
#include "spi_shim/duplicates.h"

#include <unistd.h>

#include <map>
#include <mutex>

#include "spi_shim/call.h"
#include "spi_shim/catalog.h"
#include "spi_shim/listeners.h"

namespace millrace {
namespace {

class Tokens {
 public:
  DWORD add(SOCKET inner) {
    const std::lock_guard lock(mutex_);
    do {
      ++last_;
    } while (last_ == 0 || waiting_.contains(last_));  // 0 stands in the catalog's own entries
    waiting_[last_] = inner;
    return last_;
  }
  SOCKET take(DWORD token) {
    const std::lock_guard lock(mutex_);
    const auto it = waiting_.find(token);
    if (it == waiting_.end()) return INVALID_SOCKET;
    const SOCKET inner = it->second;
    waiting_.erase(it);
    return inner;
  }

 private:
  std::mutex mutex_;
  std::map<DWORD, SOCKET> waiting_;  // handles of Stacks: stale once the provider has ended
  DWORD last_ = 0;
};

Tokens& tokens() {
  static Tokens& all = *new Tokens;  // never destroyed: threads end after static objects do
  return all;
}

}  // namespace

int WSPAPI wsp_duplicate_socket(SOCKET s, DWORD dwProcessId, LPWSAPROTOCOL_INFOW lpProtocolInfo,
                                LPINT lpErrno) noexcept {
  const Call call(s, lpErrno);
  if (!call) return SOCKET_ERROR;
  if (!can_write(lpProtocolInfo)) return call.fail(WsaError::kFault);
  // A socket is memory of this process, and no other one can be given it.
  if (dwProcessId != static_cast<DWORD>(getpid())) return call.fail(WsaError::kInval);
  Socket& socket = call.socket();
  WSAPROTOCOL_INFOW info = catalog_entry_of(socket);
  info.dwProviderReserved = tokens().add(socket.stack().insert(socket));
  *lpProtocolInfo = info;
  return 0;
}

bool is_duplicate(const WSAPROTOCOL_INFOW& info) noexcept {
  return info.dwProviderReserved != 0 && info.ProviderId == kProviderId;
}

SOCKET open_duplicate(const WSAPROTOCOL_INFOW& info, LPINT lpErrno) noexcept {
  const SOCKET inner = tokens().take(info.dwProviderReserved);
  Stack* const stack = stack_of(inner);
  bool is_there = false;
  if (inner != INVALID_SOCKET && stack != nullptr) {
    const Stack::Guard guard(*stack);
    is_there = stack->find(inner) != nullptr;
  }
  if (is_there) return publish_or_close(inner, info.dwCatalogEntryId, lpErrno);
  tell(lpErrno, WSAEINVAL);
  return INVALID_SOCKET;
}

}  // namespace millrace
