// SPDX-License-Identifier: BSD-3-Clause
// Linux' futex: a word in the caller's structure, and a thread that sleeps in the kernel until it changes.
#pragma once

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <ctime>

#include "windows.h"

namespace millrace {

using Word = uint32_t;

inline Word load(const Word* word) noexcept { return __atomic_load_n(word, __ATOMIC_ACQUIRE); }

inline bool replace(Word* word, Word& expected, Word to) noexcept {
  return __atomic_compare_exchange_n(word, &expected, to, false, __ATOMIC_SEQ_CST, __ATOMIC_ACQUIRE);
}

/// Sleeps while the word is as expected. @return false: the time is over
inline bool sleep_while(Word* word, Word expected, DWORD ms = INFINITE) noexcept {
  const timespec limit{static_cast<time_t>(ms / 1000), static_cast<long>(ms % 1000) * 1'000'000};
  const long result = syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, expected,
                              ms == INFINITE ? nullptr : &limit, nullptr, 0);
  return result == 0 || errno != ETIMEDOUT;
}

inline void wake(Word* word, int n) noexcept {
  (void)syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, n, nullptr, nullptr, 0);
}

template <typename T>
Word* word_of(T* object) noexcept {
  return reinterpret_cast<Word*>(object);
}

}  // namespace millrace
