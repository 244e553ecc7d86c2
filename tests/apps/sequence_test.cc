// SPDX-License-Identifier: BSD-3-Clause
#include "apps/sequence.h"

#include <gtest/gtest.h>

#include <initializer_list>

namespace millrace {
namespace {

Sequence after(std::initializer_list<uint64_t> numbers) {
  Sequence sequence;
  for (const uint64_t number : numbers) sequence.add(number);
  return sequence;
}

void expect(const Sequence& sequence, uint64_t lost, uint64_t late, uint64_t twice) {
  EXPECT_EQ(sequence.n_lost(), lost);
  EXPECT_EQ(sequence.n_late(), late);
  EXPECT_EQ(sequence.n_double(), twice);
}

TEST(Sequence, CountsWhatIsMissing) {
  expect(after({0, 1, 2, 3}), 0, 0, 0);
  expect(after({3}), 3, 0, 0);
  expect(after({0, 5, 6, 9}), 6, 0, 0);
}

TEST(Sequence, TakesALossBackThatWasNone) {
  expect(after({0, 3, 1, 2, 4}), 0, 2, 0);
  expect(after({0, 3, 2, 4}), 1, 1, 0);
}

TEST(Sequence, TellsDoublesFromLateOnes) {
  expect(after({0, 0, 1, 1, 0}), 0, 0, 3);
  expect(after({0, 3, 1, 1, 3}), 1, 1, 2);
}

TEST(Sequence, ForgetsBeyondItsWindow) {
  constexpr uint64_t kFar = 3 * Sequence::kWindow;
  expect(after({0, kFar}), kFar - 1, 0, 0);
  expect(after({0, kFar, 0}), kFar - 1, 1, 0);
  expect(after({0, kFar, kFar - Sequence::kWindow + 1}), kFar - 2, 1, 0);
  expect(after({0, kFar, kFar - Sequence::kWindow + 1, kFar - Sequence::kWindow + 1}), kFar - 2, 1,
         1);
}

}  // namespace
}  // namespace millrace
