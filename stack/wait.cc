// SPDX-License-Identifier: BSD-3-Clause
// A Stack's waiting: who turns it, who sleeps, and how a blocked call is woken, cancelled, or lent to
// an APC meanwhile. See wait.h.
#include <pthread.h>
#include <sched.h>
#include <time.h>

#include <algorithm>
#include <chrono>

#include "stack/siblings.h"
#include "stack/stack.h"

namespace millrace {

bool Stack::wait(Waiter& waiter, uint64_t deadline_ns) noexcept {
  while (!waiter.has_news() && (deadline_ns == kNoDeadline || now_ns() < deadline_ns)) {
    if (leader_ == nullptr) {
      lead(waiter, deadline_ns);
    } else {
      follow(waiter, deadline_ns);
    }
  }
  // Somebody has to go on turning; a promoted follower that leaves passes the role on, too.
  if (leader_ == nullptr && followers_ != nullptr) followers_->wake.release();
  return waiter.is_ready.exchange(false);
}

void Stack::lead(Waiter& waiter, uint64_t deadline_ns) noexcept {
  leader_ = &waiter;
  uint64_t idle_since_ns = last_turn_ns_;
  while (!waiter.has_news() && last_turn_ns_ < deadline_ns) {
    bool moved = turn();
    if (has_posted()) {
      show_posted();
      lock_.lock();
    } else if (lock_.is_wanted()) {
      lock_.give_way();
    }
    if (is_time_to_sweep()) {
      lock_.unlock();
      moved |= sweep();
      lock_.lock();
    }
    if (moved) {
      idle_since_ns = last_turn_ns_;
    } else if (config_.stack.idle == IdlePolicy::kSleep) {
      idle(idle_since_ns);
    } else {
      let_others_run(idle_since_ns);
    }
  }
  leader_ = nullptr;
}

// Whoever waits here also turns those siblings that nobody else turns: what it waits for, or what
// others wait for with nobody to lead them, may arrive there. Without any lock of ours held.
bool Stack::sweep() noexcept {
  bool moved = false, turns_siblings = false;
  for (Stack* const sibling : siblings_.stacks()) {
    if (sibling == this) continue;
    moved |= sibling->turn_if_neglected();
    turns_siblings |= sibling->is_turned_by(pthread_self());
  }
  turns_siblings_.store(turns_siblings, std::memory_order_relaxed);
  return moved;
}

// Looking at a Stack that another core turns costs both of them a cache miss: not in every turn.
bool Stack::is_time_to_sweep() noexcept {
  constexpr uint64_t kPeriodNs = 5'000;
  if (siblings_.stacks().size() == 1) return false;
  if (!turns_siblings_.load(std::memory_order_relaxed) && last_turn_ns_ < next_sweep_ns_) {
    return false;
  }
  next_sweep_ns_ = last_turn_ns_ + kPeriodNs;
  return true;
}

// A Stack is its last turner's until that one has been away for a while.
bool Stack::turn_if_neglected() noexcept {
  constexpr uint64_t kPatienceNs = 20'000;
  const uint64_t last_turn_ns = last_turn_ns_;
  const bool is_mine = is_turned_by(pthread_self());
  if (!is_mine && now_ns() - last_turn_ns < kPatienceNs) return false;
  if (!lock_.try_lock()) return false;
  ++n_guards_;
  const bool moved = leader_ == nullptr && turn();
  leave();
  return moved;
}

// idle = "sleep": after spin_us without a frame, let the core go for as long as a timer allows.
void Stack::idle(uint64_t& idle_since_ns) noexcept {
  if (last_turn_ns_ - idle_since_ns < uint64_t{config_.stack.spin_us} * 1000) return;
  constexpr timespec kNap{0, 50'000};
  lock_.unlock();
  nanosleep(&kNap, nullptr);
  lock_.lock();
}

// idle = "spin": what is waited for may be stuck in the kernel's softirq thread of this very core (AF_XDP,
// af_packet), which would not run before the scheduler's next tick, 4 ms away.
void Stack::let_others_run(uint64_t& idle_since_ns) noexcept {
  constexpr uint64_t kPatienceNs = 100'000;
  if (last_turn_ns_ - idle_since_ns < kPatienceNs) return;
  lock_.unlock();
  sched_yield();
  lock_.lock();
  idle_since_ns = last_turn_ns_;
}

void Stack::follow(Waiter& waiter, uint64_t deadline_ns) noexcept {
  Waiter** link = &followers_;
  while (*link != nullptr) link = &(*link)->next_follower;
  *link = &waiter;
  waiter.next_follower = nullptr;
  waiter.is_asleep = true;
  const uint64_t now = now_ns();
  lock_.unlock();
  if (waiter.has_news()) {
    // another Stack's socket told it before it was asleep
  } else if (deadline_ns == kNoDeadline) {
    waiter.wake.acquire();
  } else {
    const auto left = std::chrono::nanoseconds(deadline_ns > now ? deadline_ns - now : 0);
    (void)waiter.wake.try_acquire_for(left);
  }
  lock_.lock();
  waiter.is_asleep = false;
  for (link = &followers_; *link != &waiter; link = &(*link)->next_follower) {
  }
  *link = waiter.next_follower;
}

// A completion routine may wait inside the wait in which it runs, so this may be entered again by
// the same thread; each wait has a Waiter of its own.
WaitEnd Stack::block(Waiter& waiter, uint64_t deadline_ns) noexcept {
  BlockingHook hook;
  if (application.blocking_hook != nullptr) {
    lock_.unlock();
    hook = application.blocking_hook();
    lock_.lock();
  }
  waiter.thread = application.thread();
  waiter.next_blocked = blocked_;
  blocked_ = &waiter;
  application.begin_wait(waiter);
  WaitEnd end = WaitEnd::kTimedOut;
  for (;;) {
    const bool is_ready = hook.call == nullptr ? wait(waiter, deadline_ns)
                                               : wait_with_hook(waiter, deadline_ns, hook);
    if (waiter.is_cancelled) {
      end = WaitEnd::kCancelled;
    } else if (is_ready) {
      end = WaitEnd::kReady;
    } else if (waiter.is_poked.exchange(false)) {
      lock_.unlock();
      application.run_apcs();
      lock_.lock();
      continue;
    }
    break;
  }
  application.end_wait(waiter);
  Waiter** link = &blocked_;
  while (*link != &waiter) link = &(*link)->next_blocked;
  *link = waiter.next_blocked;
  return end;
}

// The hook runs between slices of the wait, and ends it by returning FALSE (winsock-rules 204).
bool Stack::wait_with_hook(Waiter& waiter, uint64_t deadline_ns,
                           const BlockingHook& hook) noexcept {
  constexpr uint64_t kSliceNs = 100'000;
  for (;;) {
    const uint64_t slice_end = std::min(deadline_ns, now_ns() + kSliceNs);
    if (wait(waiter, slice_end)) return true;
    if (waiter.has_news() || now_ns() >= deadline_ns) return false;
    lock_.unlock();
    const bool goes_on = hook.call(hook.context) != FALSE;
    lock_.lock();
    waiter.is_cancelled |= !goes_on;
    if (waiter.is_cancelled) return false;
  }
}

// contract: E3
uint32_t Stack::cancel_blocked(std::optional<uint32_t> thread) noexcept {
  uint32_t n = 0;
  for (Waiter* waiter = blocked_; waiter != nullptr; waiter = waiter->next_blocked) {
    if (waiter->is_cancelled || (thread && waiter->thread != *thread)) continue;
    waiter->is_cancelled = true;
    waiter->notify();
    ++n;
  }
  return n;
}

// ---- completions ----

void Stack::post(const Completion& completion) {
  ++counters.completions;
  Finisher* const finisher = completion.tell.finisher;
  if (finisher != nullptr && finisher->at_once != nullptr) {
    const Sampled& sampled = completion.sampled;
    if (sampled.since_ns != 0) [[unlikely]] (void)stages.on_told(sampled.since_ns);
    finisher->at_once(*finisher, completion);
    return;
  }
  posted_.push_back(completion);
  for (const ResultWatch* watch = watches_; watch != nullptr; watch = watch->next) {
    if (watch->overlapped == completion.tell.overlapped) watch->waiter->notify();
  }
}

void Stack::post(const EventSignal& signal) {
  const bool is_repeated = signal.window == nullptr && signal.message == 0 && !signals_.empty() &&
                           signals_.back().event == signal.event;
  if (!is_repeated) signals_.push_back(signal);
}

namespace {
thread_local uint32_t n_showing_here = 0;  // this thread's share of n_showing_

/// Its stage "return" begins, which ends where the caller has it.
[[gnu::cold, gnu::noinline]] void tell_sampled(Completion& completion, Stages& stages,
                                               const Application& application) {
  completion.sampled.since_ns = stages.on_told(completion.sampled.since_ns);
  const Overlapped& tell = completion.tell;
  const bool will_ask = tell.routine == nullptr && completion.packets.port == nullptr;
  if (will_ask && tell.overlapped != nullptr) application.note_told(completion);
}
}

void Stack::show_posted() noexcept {
  thread_local std::vector<Completion> showing;  // keeps its memory from one turn to the next
  std::vector<Completion> mine;
  mine.swap(showing);
  mine.swap(posted_);
  std::vector<EventSignal> signals;
  signals.swap(signals_);
  const Application shown_to = application;
  n_showing_.fetch_add(1, std::memory_order_relaxed);  // under the lock: nobody misses it
  ++n_showing_here;
  lock_.unlock();
  for (Completion& completion : mine) {
    if (completion.sampled.since_ns != 0) [[unlikely]] tell_sampled(completion, stages, shown_to);
    completion.show(shown_to);
  }
  for (const EventSignal& signal : signals) signal.show(shown_to);
  --n_showing_here;
  n_showing_.fetch_sub(1, std::memory_order_release);
  mine.clear();
  showing.swap(mine);
}

// Whoever asks from inside an upcall does not wait for itself.
void Stack::finish_showing() noexcept {
  while (has_posted() || n_showing_.load(std::memory_order_acquire) > n_showing_here) {
    if (has_posted()) {
      show_posted();
      lock_.lock();
    } else {
      lock_.give_way();
    }
  }
}

// Posted under the lock, shown after it: between the two there is nothing to sleep for.
template <typename Sleep>
void Stack::watch(Waiter& waiter, const WSAOVERLAPPED& overlapped, Sleep sleep) noexcept {
  ResultWatch mine{&overlapped, &waiter, watches_};
  watches_ = &mine;
  for (bool goes_on = true; goes_on && is_pending(overlapped);) {
    if (has_posted()) {
      show_posted();
      lock_.lock();
    } else if (n_showing_.load(std::memory_order_acquire) != 0) {
      lock_.give_way();
    } else {
      goes_on = sleep();
    }
  }
  ResultWatch** link = &watches_;
  while (*link != &mine) link = &(*link)->next;
  *link = mine.next;
}

WsaError Stack::wait_until_shown(const WSAOVERLAPPED& overlapped) noexcept {
  Waiter waiter;
  WsaError error = WsaError::kOk;
  watch(waiter, overlapped, [&] {
    if (block(waiter, kNoDeadline) == WaitEnd::kCancelled) error = WsaError::kIntr;
    return error == WsaError::kOk;
  });
  return error;
}

void Stack::watch_until_shown(Waiter& waiter, const WSAOVERLAPPED& overlapped,
                              uint64_t deadline_ns) noexcept {
  watch(waiter, overlapped, [&] { return wait(waiter, deadline_ns); });
}

}  // namespace millrace
