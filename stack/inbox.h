// SPDX-License-Identifier: BSD-3-Clause
// An Inbox is what arrived on a socket and nobody took: a FIFO of parcels, each a chain of pbufs.
//
// A stream's parcel is whatever one lwIP callback brought; a datagram's parcel is one message with its
// source, and a message may be several parcels, of which the last one is marked. Reading scatters
// straight from the mbufs into the caller's buffers, which is the only copy on the way from the NIC
// (contract: Z1), and frees each mbuf with its last byte.
#pragma once

#include <cstdint>

#include "stack/request.h"

struct pbuf;

namespace millrace {

/// Scatter copies from the chain into the buffers: in array order, packed, no holes.
///
/// @param[in,out] from  chain of pbufs; what was copied is cut off its front, emptied pbufs are freed;
///                      null when all is gone
/// @param[in,out] to    advanced by what was copied
/// @return bytes copied, 0 .. min(chain, room)
/// @source LPWSPRECV Remarks; contract: B7 Z1
uint32_t scatter(pbuf*& from, BufferCursor& to) noexcept;

/// The same without taking anything (MSG_PEEK); continues into following parcels if asked to.
uint32_t scatter_peek(const pbuf* from, BufferCursor& to) noexcept;

class Inbox {
 public:
  // Marks of a parcel.
  static constexpr uint8_t kEnds = 1;    ///< no read goes on behind it: a message ends here, or the
                                         ///< next byte is urgent
  static constexpr uint8_t kUrgent = 2;  ///< urgent data that is received inline
  static constexpr uint8_t kStamped = 4;  ///< its mbuf says when it was delivered (stages.h)

  Inbox() = default;
  ~Inbox() { clear(); }
  Inbox(const Inbox&) = delete;
  Inbox& operator=(const Inbox&) = delete;

  bool empty() const { return head_ == nullptr; }
  uint64_t bytes() const { return bytes_; }
  uint32_t parcels() const { return parcels_; }
  pbuf* front() const { return head_; }

  /// @param delivered_ns  0: nobody wants to know
  /// @owner takes the chain
  void push(pbuf* parcel, uint8_t marks = 0, uint64_t delivered_ns = 0) noexcept;
  /// Copies what arrived behind the last parcel into that one's mbuf, and frees its own: for who
  /// reads so slowly that small segments would hold an mbuf each. @return false: it does not fit
  /// @owner takes the chain if true
  bool merge(pbuf* parcel) noexcept;
  /// True if the last parcel makes good use of its mbuf.
  bool ends_well_filled() const noexcept;
  /// Adds marks to the parcel that was pushed last; only while there is one.
  void mark_last(uint8_t marks) noexcept;
  /// Fills from as many parcels as fit, up to a mark (take.h).
  inline uint32_t read(BufferCursor& to) noexcept;
  /// Lends as many mbufs as the array and the caller's account take, up to a mark.
  uint32_t lend(LoanCursor& to) noexcept;
  uint32_t peek(BufferCursor& to) const noexcept;
  /// Takes the first parcel out. @owner the caller
  pbuf* pop() noexcept;
  void clear() noexcept;

  /// What is there of the first message.
  struct Message {
    uint64_t bytes;
    bool is_whole;
  };
  Message first_message() const noexcept;
  uint32_t mbufs_of_first_message() const noexcept;
  bool has_whole_message() const noexcept;
  /// Drops what is left of the first message.
  void drop_message() noexcept;
  /// True when urgent data waits behind the next byte.
  bool has_urgent_ahead() const noexcept;

 private:
  template <typename Cursor, typename Take>
  inline uint32_t consume(const Cursor& to, Take take) noexcept;
  /// A receive begins with this parcel, which is stamped. @return true: its end is to be told
  [[gnu::cold]] static bool begin_sampled(pbuf* parcel, bool has_room) noexcept;
  [[gnu::cold]] static void end_sampled() noexcept;

  pbuf* head_ = nullptr;
  pbuf* tail_ = nullptr;
  uint64_t bytes_ = 0;
  uint32_t parcels_ = 0;
};

}  // namespace millrace
