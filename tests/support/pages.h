// SPDX-License-Identifier: BSD-3-Clause
// Memory that is not there, and pointers to it: what a test gives to a procedure that must not
// crash.
#pragma once

#include <gtest/gtest.h>
#include <sys/mman.h>

#include <cstddef>
#include <cstdint>
#include <vector>

namespace millrace::test {

constexpr size_t kPage = 4096;

/// A page that is there, and one behind it that is not, or that cannot be written.
class Pages {
 public:
  explicit Pages(int second = PROT_NONE)
      : first_(static_cast<char*>(
            mmap(nullptr, 2 * kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0))) {
    EXPECT_EQ(mprotect(first_ + kPage, kPage, second), 0);
  }
  ~Pages() { munmap(first_, 2 * kPage); }
  Pages(const Pages&) = delete;
  Pages& operator=(const Pages&) = delete;

  /// n bytes that end where the bad page begins.
  template <typename T = char>
  T* before_the_edge(size_t n = sizeof(T)) const {
    return reinterpret_cast<T*>(first_ + kPage - n);
  }
  /// Bytes of which the last one is in the bad page.
  template <typename T = char>
  T* across_the_edge(size_t n = sizeof(T)) const {
    return reinterpret_cast<T*>(first_ + kPage - n + 1);
  }
  template <typename T = char>
  T* bad() const {
    return reinterpret_cast<T*>(first_ + kPage);
  }

 private:
  char* first_;
};

/// Pointers to nothing: null, low, unmapped, and one that no x86-64 address can be.
template <typename T>
std::vector<T*> wild(const Pages& pages) {
  return {nullptr, reinterpret_cast<T*>(16), pages.bad<T>(), pages.across_the_edge<T>(),
          reinterpret_cast<T*>(0x8000'0000'0000'0000u)};
}

/// The same for `bytes` bytes, not null, and with pages that are there, but not to be written.
inline std::vector<void*> wild_outputs(const Pages& none, const Pages& read_only, size_t bytes) {
  std::vector<void*> all = {reinterpret_cast<void*>(16),
                            none.bad(),
                            none.across_the_edge(bytes),
                            reinterpret_cast<void*>(0x8000'0000'0000'0000u),
                            reinterpret_cast<void*>(~uintptr_t{7}),
                            read_only.bad(),
                            read_only.across_the_edge(bytes)};
  if (bytes > 8) all.push_back(none.before_the_edge(8));  // aligned, and without its end
  return all;
}

}  // namespace millrace::test
