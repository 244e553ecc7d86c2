// SPDX-License-Identifier: BSD-3-Clause
// The procedures that tell how things stand: WSPGetOverlappedResult and WSPSelect.
#include <algorithm>
#include <cstddef>
#include <span>
#include <vector>

#include "spi_shim/call.h"
#include "spi_shim/overlapped.h"
#include "spi_shim/poll_list.h"
#include "spi_shim/probe.h"
#include "spi_shim/procedures.h"
#include "spi_shim/stages.h"

namespace millrace {
namespace {

BOOL WSPAPI wsp_get_overlapped_result(SOCKET s, LPWSAOVERLAPPED lpOverlapped, LPDWORD lpcbTransfer,
                                      BOOL fWait, LPDWORD lpdwFlags, LPINT lpErrno) noexcept {
  {
    const Call call(s, lpErrno);
    if (!call) return FALSE;
    const auto refuse = [&call](WsaError error) {
      call.fail(error);
      return FALSE;
    };
    if (!can_read(lpOverlapped) || !can_write(lpcbTransfer) || !can_write(lpdwFlags)) {
      return refuse(WsaError::kFault);
    }
    Stack& stack = call.socket().stack();
    if (is_pending(*lpOverlapped)) {
      if (fWait == FALSE) {
        (void)stack.spin();
      } else if (call.socket().has_routine(*lpOverlapped)) {
        return refuse(WsaError::kInval);  // contract: B18
      } else if (!can_wait_for(*lpOverlapped)) {
        return refuse(WsaError::kInvalidHandle);
      } else if (const WsaError error = stack.wait_until_shown(*lpOverlapped);
                 error != WsaError::kOk) {
        return refuse(error);
      }
    }
  }
  if (is_pending(*lpOverlapped)) {
    tell(lpErrno, WSA_IO_INCOMPLETE);
    return FALSE;
  }
  const Outcome outcome = outcome_of(*lpOverlapped);
  note_asked(*lpOverlapped);
  // contract: B14; on failure, too, as Windows does (winsock-rules 77)
  *lpcbTransfer = outcome.bytes;
  *lpdwFlags = outcome.flags;
  if (outcome.error == WsaError::kOk) return TRUE;
  tell(lpErrno, static_cast<INT>(outcome.error));
  return FALSE;
}

/// The three sets of a select.
class SelectSets {
 public:
  SelectSets(WS_fd_set* reads, WS_fd_set* writes, WS_fd_set* exceptions)
      : sets_{reads, writes, exceptions} {}

  /// Each is in memory, as far as its count reaches.
  bool are_there() const noexcept {
    return std::all_of(std::begin(sets_), std::end(sets_), [](WS_fd_set* set) {
      constexpr size_t kHead = offsetof(WS_fd_set, fd_array);
      return set == nullptr || (is_aligned(set) && can_write(set, kHead) &&
                                can_write(set, kHead + set->fd_count * sizeof(SOCKET)));
    });
  }

  UINT count() const noexcept {
    UINT n = 0;
    for (const WS_fd_set* set : sets_) n += set == nullptr ? 0 : set->fd_count;
    return n;
  }

  /// Who is asked what, in the order of their members.
  void list_in(PollList& list) {
    constexpr bool PollEntry::*kWants[] = {&PollEntry::wants_read, &PollEntry::wants_write,
                                           &PollEntry::wants_exception};
    uint32_t place = 0;
    for (size_t i = 0; i < std::size(sets_); ++i) {
      for (UINT j = 0; sets_[i] != nullptr && j < sets_[i]->fd_count; ++j) {
        PollEntry entry;
        entry.handle = inner_handle(member(i, j));
        entry.*kWants[i] = true;
        entry.place = place++;
        list.add(entry);
      }
    }
  }

  /// Leaves in each set what has an answer. @return how many
  int keep_answers(std::span<const PollEntry> entries) {
    std::vector<bool> has_answer(count());
    for (const PollEntry& entry : entries) {
      if (entry.reads || entry.writes || entry.has_exception) has_answer[entry.place] = true;
    }
    int total = 0;
    size_t place = 0;
    for (size_t i = 0; i < std::size(sets_); ++i) {
      if (sets_[i] == nullptr) continue;
      const UINT before = sets_[i]->fd_count;
      UINT kept = 0;
      for (UINT j = 0; j < before; ++j) {
        if (!has_answer[place++]) continue;
        const SOCKET s = member(i, j);
        const SOCKET* const first = sets_[i]->fd_array;
        if (std::find(first, first + kept, s) == first + kept) member(i, kept++) = s;
      }
      sets_[i]->fd_count = kept;
      total += static_cast<int>(kept);
    }
    return total;
  }

 private:
  // fd_array is as long as the caller made it: fd_count counts, not our declaration (rule 162).
  SOCKET& member(size_t set, UINT index) noexcept {
    SOCKET* const first = sets_[set]->fd_array;
    return first[index];
  }

  WS_fd_set* sets_[3];
};

uint64_t ns_of(const WS_timeval* timeout) noexcept {
  if (timeout == nullptr) return kNoDeadline;
  const uint64_t us = static_cast<uint64_t>(timeout->tv_sec) * 1'000'000 +
                      static_cast<uint64_t>(timeout->tv_usec);
  return us * 1000;
}

int WSPAPI wsp_select(int, WS_fd_set* readfds, WS_fd_set* writefds, WS_fd_set* exceptfds,
                      const PTIMEVAL timeout, LPINT lpErrno) noexcept {
  const auto fail = [&](INT error) {
    tell(lpErrno, error);
    return SOCKET_ERROR;
  };
  const Inside inside;
  if (stacks_for_call(lpErrno).empty()) return SOCKET_ERROR;
  SelectSets sets(readfds, writefds, exceptfds);
  if (!sets.are_there() || (timeout != nullptr && !can_read(timeout))) return fail(WSAEFAULT);
  if (sets.count() == 0) return fail(WSAEINVAL);
  if (timeout != nullptr && (timeout->tv_sec < 0 || timeout->tv_usec < 0)) return fail(WSAEINVAL);

  PollList list(sets.count());
  sets.list_in(list);
  const bool only_looks = ns_of(timeout) == 0;
  const PollList::Looked looked = list.look(only_looks);
  if (looked.n_unknown != 0) return fail(WSAENOTSOCK);
  uint32_t answered = looked.n_answered;
  WsaError error = WsaError::kOk;
  if (answered == 0 && !only_looks) error = list.wait(ns_of(timeout), answered);
  const int n = sets.keep_answers(list.entries());
  if (error != WsaError::kOk) return fail(static_cast<INT>(error));
  // A socket that another thread closed: readable where asked, else no socket any more (rule 165).
  return n == 0 && answered != 0 ? fail(WSAENOTSOCK) : n;
}

}  // namespace

void add_result_procedures(WSPPROC_TABLE& table) noexcept {
  table.lpWSPGetOverlappedResult = wsp_get_overlapped_result;
  table.lpWSPSelect = wsp_select;
}

}  // namespace millrace
