// SPDX-License-Identifier: BSD-3-Clause
// What a Stack needs of the program above it: its events, its threads' APCs, its blocking hooks.
//
// The shim fills this in from the table of upcalls; the defaults are a program that has none of it.
// Everything here is called without the Stack's lock, except begin_wait, end_wait and thread, which
// stay inside the provider.
#pragma once

#include "stack/completion.h"
#include "stack/wait.h"

namespace millrace {

/// Called again and again while a call of its thread blocks; null: the thread has none.
struct BlockingHook {
  LPBLOCKINGCALLBACK call = nullptr;
  DWORD_PTR context = 0;
};

struct Application {
  void (*signal_event)(HANDLE event) = [](HANDLE) {};
  /// WSPAsyncSelect's message. @param detail  the event, and its error in the upper half
  void (*post_message)(HWND window, UINT message, SOCKET s, LPARAM detail) = [](HWND, UINT, SOCKET,
                                                                               LPARAM) {};
  /// Queues the completion's routine to the thread that started the operation (contract: B19).
  void (*queue_routine)(const Completion& completion) = [](const Completion&) {};
  /// Queues a packet to the completion's port.
  void (*queue_packet)(const Completion& completion) = [](const Completion&) {};
  /// Before a sampled receive is told by its event, or by nothing: its caller will ask how it ended.
  void (*note_told)(const Completion& completion) = [](const Completion&) {};
  /// Names the calling thread; 0: nobody in particular.
  uint32_t (*thread)() = [] { return 0u; };
  /// Between these two, an APC that is queued to the calling thread pokes the waiter.
  void (*begin_wait)(Waiter& waiter) = [](Waiter&) {};
  void (*end_wait)(Waiter& waiter) = [](Waiter&) {};
  /// Runs the APCs queued to the calling thread. @return false: there were none
  bool (*run_apcs)() = [] { return false; };
  /// Null: no thread has hooks.
  BlockingHook (*blocking_hook)() = nullptr;
};

}  // namespace millrace
