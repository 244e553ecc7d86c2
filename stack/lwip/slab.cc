// SPDX-License-Identifier: BSD-3-Clause
// memp.c's mem_malloc, and the memory of sockets: control blocks and segments from free lists, one per
// size class.
//
// A TCP segment costs an allocation on the way out and a release with its acknowledgement; a free list
// makes both a handful of instructions. A block is | size class (8 bytes) | what was asked for |. Blocks
// are cut from chunks of a huge page's size, which the kernel is asked to back with one: a hundred
// thousand connections lie on some forty of them, and the TLB holds them all. Freed blocks stay on
// their list, so memory follows the peak. Guarded by the Stack's lock, as all of lwIP is. Under
// AddressSanitizer every block comes from the heap, so that it sees a use after free.
#include "stack/lwip/slab.h"

#include <sys/mman.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>

namespace {

struct Block {
  uint64_t size_class;
  Block* next_free;  // where the caller's bytes begin
};

constexpr size_t kHeader = offsetof(Block, next_free);
constexpr size_t kStep = millrace::kSlabStep;
static_assert(kHeader == millrace::kSlabHeader);
constexpr size_t kClasses = 16;  // up to 1024 bytes with the header; larger blocks are rare
constexpr size_t kChunk = 2 << 20;

#if defined(__SANITIZE_ADDRESS__)
constexpr bool kKeepsFreed = false;
#else
constexpr bool kKeepsFreed = true;
#endif

std::array<Block*, kClasses> free_blocks;
char* chunk_at;
char* chunk_end;

// What is left of the old chunk is less than one block of this class, and lost.
bool open_chunk() {
  void* const chunk = std::aligned_alloc(kChunk, kChunk);
  if (chunk == nullptr) return false;
  (void)madvise(chunk, kChunk, MADV_HUGEPAGE);  // without it all works, and is slower
  chunk_at = static_cast<char*>(chunk);
  chunk_end = chunk_at + kChunk;
  return true;
}

Block* new_block(size_t bytes) {
  if (!kKeepsFreed || bytes > kStep * kClasses) return static_cast<Block*>(std::malloc(bytes));
  if (static_cast<size_t>(chunk_end - chunk_at) < bytes && !open_chunk()) return nullptr;
  auto* const block = reinterpret_cast<Block*>(chunk_at);
  chunk_at += bytes;
  return block;
}

}  // namespace

extern "C" {

void* millrace_slab_malloc(size_t size) {
  const size_t size_class = (size + kHeader - 1) / kStep;
  Block* block = nullptr;
  if (kKeepsFreed && size_class < kClasses && free_blocks[size_class] != nullptr) {
    block = free_blocks[size_class];
    free_blocks[size_class] = block->next_free;
  } else {
    block = new_block((size_class + 1) * kStep);
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
