// SPDX-License-Identifier: BSD-3-Clause
#include "spi_shim/routines.h"

#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "spi_shim/stages.h"
#include "spi_shim/startup.h"

namespace millrace {
namespace {

/// A completion on its way to the thread that runs its routine.
struct RoutineCall {
  Completion completion;
  std::unique_ptr<RoutineCall> next;  ///< behind it, deferred

  void run() const {  // contract: B20
    note_taken(completion.sampled);
    completion.tell.routine(static_cast<DWORD>(completion.outcome.error), completion.outcome.bytes,
                            completion.tell.overlapped, completion.outcome.flags);
  }
};

/// Calls that nobody uses; no memory is allocated per completion.
struct Spares {
  std::mutex mutex;
  std::vector<std::unique_ptr<RoutineCall>> calls;

  std::unique_ptr<RoutineCall> take() {
    const std::lock_guard guard(mutex);
    if (calls.empty()) return std::make_unique<RoutineCall>();
    std::unique_ptr<RoutineCall> call = std::move(calls.back());
    calls.pop_back();
    return call;
  }

  void give_back(std::unique_ptr<RoutineCall> call) {
    const std::lock_guard guard(mutex);
    calls.push_back(std::move(call));
  }
};

Spares& spares() {
  static Spares& all = *new Spares;  // never destroyed: threads end after static objects do
  return all;
}

/// A routine that runs on this thread, on the stack of the thunk that called it.
struct Running {
  const Socket* socket;
  Running* outer;  ///< the routine in whose alertable wait this one runs
  std::unique_ptr<RoutineCall> first_deferred;
  RoutineCall* last_deferred = nullptr;

  void defer(std::unique_ptr<RoutineCall> call) {
    RoutineCall* const last = call.get();
    (last_deferred == nullptr ? first_deferred : last_deferred->next) = std::move(call);
    last_deferred = last;
  }

  std::unique_ptr<RoutineCall> take_deferred() {
    std::unique_ptr<RoutineCall> call = std::move(first_deferred);
    if (call != nullptr) first_deferred = std::move(call->next);
    if (first_deferred == nullptr) last_deferred = nullptr;
    return call;
  }
};

constinit thread_local Running* innermost = nullptr;

void CALLBACK thunk(DWORD_PTR context) {
  std::unique_ptr<RoutineCall> call(reinterpret_cast<RoutineCall*>(context));
  for (Running* running = innermost; running != nullptr; running = running->outer) {
    if (running->socket == call->completion.socket) return running->defer(std::move(call));
  }
  Running running{call->completion.socket, innermost, nullptr};
  innermost = &running;
  while (call != nullptr) {
    call->run();
    spares().give_back(std::exchange(call, running.take_deferred()));
  }
  innermost = running.outer;
}

}  // namespace

void queue_routine(const Completion& completion) noexcept {
  std::unique_ptr<RoutineCall> call = spares().take();
  call->completion = completion;
  WSATHREADID thread = completion.tell.thread;
  INT ignored = 0;
  const auto context = reinterpret_cast<DWORD_PTR>(call.get());
  if (upcalls().lpWPUQueueApc(&thread, thunk, context, &ignored) == 0) {
    (void)call.release();  // the thunk's now
  } else {
    spares().give_back(std::move(call));
  }
}

void drop_routine(LPWSAUSERAPC apc, DWORD_PTR context) noexcept {
  if (apc == thunk) spares().give_back(std::unique_ptr<RoutineCall>(reinterpret_cast<RoutineCall*>(context)));
}

}  // namespace millrace
