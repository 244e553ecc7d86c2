// SPDX-License-Identifier: BSD-3-Clause
// memp.c's mem_malloc: lwIP's control blocks and segments from free lists, one per size class.
//
// A TCP segment costs an allocation on the way out and a release with its acknowledgement; a free list
// makes both a handful of instructions. A block is | size class (8 bytes) | what lwIP asked for |. Freed
// blocks stay on their list, so memory follows the peak. Guarded by the Stack's lock, as all of lwIP is.
// Under AddressSanitizer every block comes from the heap, so that it sees a use after free.
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>

namespace {

struct Block {
  uint64_t size_class;
  Block* next_free;  // where lwIP's bytes begin
};

constexpr size_t kHeader = offsetof(Block, next_free);
constexpr size_t kStep = 64;
constexpr size_t kClasses = 8;  // up to 512 bytes with the header; larger blocks are rare

#if defined(__SANITIZE_ADDRESS__)
constexpr bool kKeepsFreed = false;
#else
constexpr bool kKeepsFreed = true;
#endif

std::array<Block*, kClasses> free_blocks;

}  // namespace

extern "C" {

void* millrace_slab_malloc(size_t size) {
  const size_t size_class = (size + kHeader - 1) / kStep;
  Block* block = nullptr;
  if (kKeepsFreed && size_class < kClasses && free_blocks[size_class] != nullptr) {
    block = free_blocks[size_class];
    free_blocks[size_class] = block->next_free;
  } else {
    block = static_cast<Block*>(std::malloc((size_class + 1) * kStep));
    if (block == nullptr) return nullptr;
    block->size_class = size_class;
  }
  return &block->next_free;
}

void millrace_slab_free(void* memory) {
  auto* const block = reinterpret_cast<Block*>(static_cast<char*>(memory) - kHeader);
  if (!kKeepsFreed || block->size_class >= kClasses) {
    std::free(block);
    return;
  }
  block->next_free = free_blocks[block->size_class];
  free_blocks[block->size_class] = block;
}
}
