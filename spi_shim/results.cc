// SPDX-License-Identifier: BSD-3-Clause
// The procedures that tell how things stand: WSPGetOverlappedResult and WSPSelect.
#include <algorithm>
#include <cstddef>
#include <span>
#include <vector>

#include "spi_shim/call.h"
#include "spi_shim/listeners.h"
#include "spi_shim/overlapped.h"
#include "spi_shim/probe.h"
#include "spi_shim/procedures.h"
#include "spi_shim/stages.h"
#include "stack/poll.h"

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

/// The three sets of a select as one list, in the order of their members.
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

  /// Who is asked what; no socket has been looked at.
  void list() {
    constexpr bool PollEntry::*kWants[] = {&PollEntry::wants_read, &PollEntry::wants_write,
                                           &PollEntry::wants_exception};
    uint32_t place = 0;
    for (size_t i = 0; i < std::size(sets_); ++i) {
      for (UINT j = 0; sets_[i] != nullptr && j < sets_[i]->fd_count; ++j) {
        PollEntry entry;
        entry.handle = inner_handle(member(i, j));
        entry.*kWants[i] = true;
        entry.place = place++;
        entries_.push_back(entry);
      }
    }
    sort();
  }

  /// With each Stack's lock taken once: looks at its sockets; one that has no answer is turned for those who
  /// only look. Listeners' twins join the list. @return false: one of them is not a socket
  bool look_once(bool only_looks, uint32_t& n_answered) {
    std::vector<PollEntry> twins;
    const bool are_sockets = look_at(entries_, only_looks, n_answered, &twins);
    if (!are_sockets || twins.empty()) return are_sockets;
    const size_t n = entries_.size();
    entries_.insert(entries_.end(), twins.begin(), twins.end());
    const std::span added = std::span(entries_).subspan(n);
    std::stable_sort(added.begin(), added.end(), is_before);
    (void)look_at(added, only_looks, n_answered, nullptr);
    sort();
    return true;
  }

  /// Keeps the sockets for a wait; those that other threads have closed have their answer.
  /// @return how many of these
  uint32_t keep_sockets() {
    uint32_t n_closed = 0;
    for_each_stack(entries_, [&](Stack& stack, std::span<PollEntry> some) {
      for (PollEntry& entry : some) {
        entry.socket = stack.find(entry.handle);
        if (entry.socket != nullptr) {
          entry.socket->ref();
        } else {
          ++n_closed;
          tell_closed(entry);
        }
      }
    });
    return n_closed;
  }

  void release() noexcept {
    for_each_stack(entries_, [](Stack&, std::span<PollEntry> some) {
      for (const PollEntry& entry : some) {
        if (entry.socket != nullptr) entry.socket->unref();
      }
    });
  }

  std::vector<PollEntry>& entries() noexcept { return entries_; }

  /// Leaves in each set what has an answer. @return how many
  int keep_answers() {
    std::vector<bool> has_answer(count());
    for (const PollEntry& entry : entries_) {
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

  static bool is_before(const PollEntry& a, const PollEntry& b) noexcept {
    return Stack::index_in(a.handle) < Stack::index_in(b.handle);
  }

  void sort() {
    if (running_stacks().size() == 1) return;
    std::stable_sort(entries_.begin(), entries_.end(), is_before);
  }

  /// Calls visit(stack, its entries) with each Stack's lock. @return false: a handle is no Stack's
  template <typename Visitor>
  static bool for_each_stack(std::span<PollEntry> entries, Visitor visit) noexcept {
    while (!entries.empty()) {
      const auto is_other = [&](const PollEntry& entry) { return is_before(entries.front(), entry); };
      const auto end = std::find_if(entries.begin(), entries.end(), is_other);
      const auto n = static_cast<size_t>(end - entries.begin());
      Stack* const stack = stack_of(entries.front().handle);
      if (stack == nullptr) return false;
      const Stack::Guard guard(*stack);
      visit(*stack, entries.first(n));
      entries = entries.subspan(n);
    }
    return true;
  }

  /// Readable, where that was asked (winsock-rules 165).
  static void tell_closed(PollEntry& entry) noexcept {
    entry.is_closed = true;
    entry.reads = entry.wants_read;
  }

  static uint32_t find_and_look(Stack& stack, std::span<PollEntry> some) noexcept {
    uint32_t n = 0;
    for (PollEntry& entry : some) {
      entry.socket = stack.find(entry.handle);
      if (entry.socket == nullptr) tell_closed(entry);
      n += entry.socket == nullptr || look(entry) ? 1 : 0;
    }
    return n;
  }

  static void list_twins(std::span<const PollEntry> some, std::vector<PollEntry>& twins) {
    for (const PollEntry& entry : some) {
      for (const SOCKET twin : entry.socket->twins()) {
        twins.push_back(entry);
        twins.back().handle = twin;
      }
    }
  }

  static bool look_at(std::span<PollEntry> entries, bool only_looks, uint32_t& n_answered,
                      std::vector<PollEntry>* twins) {
    bool are_sockets = true;
    return for_each_stack(entries, [&](Stack& stack, std::span<PollEntry> some) {
      uint32_t n = find_and_look(stack, some);
      const auto is_none = [](const PollEntry& entry) { return entry.socket == nullptr; };
      if (twins != nullptr) {
        are_sockets &= std::none_of(some.begin(), some.end(), is_none);
        if (are_sockets && running_stacks().size() > 1) list_twins(some, *twins);
      }
      if (n == 0 && only_looks) {
        (void)stack.spin();
        n = find_and_look(stack, some);
      }
      n_answered += n;
    }) && are_sockets;
  }

  WS_fd_set* sets_[3];
  std::vector<PollEntry> entries_;
};

/// @errors as poll()
WsaError wait_for(SelectSets& sets, const WS_timeval* timeout, uint32_t& n_answered) {
  n_answered = sets.keep_sockets();
  WsaError error = WsaError::kOk;
  if (n_answered == 0) {
    // With one Stack for all of them, that one; else whichever this thread turns.
    const auto& entries = sets.entries();
    Stack& first = entries.front().socket->stack();
    Stack* const own = &first == &entries.back().socket->stack() ? nullptr : home_stack();
    Stack& home = own == nullptr ? first : *own;
    uint64_t deadline = kNoDeadline;
    if (timeout != nullptr) {
      const uint64_t us = static_cast<uint64_t>(timeout->tv_sec) * 1'000'000 +
                          static_cast<uint64_t>(timeout->tv_usec);
      deadline = home.now_ns() + us * 1000;
    }
    error = poll(home, sets.entries(), deadline, n_answered);
  }
  sets.release();
  return error;
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

  sets.list();
  const bool only_looks = timeout != nullptr && timeout->tv_sec == 0 && timeout->tv_usec == 0;
  uint32_t answered = 0;
  if (!sets.look_once(only_looks, answered)) return fail(WSAENOTSOCK);
  WsaError error = WsaError::kOk;
  if (answered == 0 && !only_looks) error = wait_for(sets, timeout, answered);
  const int n = sets.keep_answers();
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
