// SPDX-License-Identifier: BSD-3-Clause
// Registered buffers: memory by number. Nothing is locked in memory, since no device writes there.
#include "spi_shim/last_error.h"
#include "spi_shim/probe.h"
#include "spi_shim/rio.h"
#include "spi_shim/rio_handles.h"
#include "spi_shim/startup.h"

namespace millrace {
namespace {

struct Buffer {
  char* memory = nullptr;
  uint32_t bytes = 0;
};

using Buffers = RioHandles<Buffer, 1>;

Buffers& buffers() {
  static Buffers& all = *new Buffers;  // never destroyed: threads end after static objects do
  return all;
}

RIO_BUFFERID refuse(WsaError error) noexcept {
  fail_with(static_cast<DWORD>(error));
  return RIO_INVALID_BUFFERID;
}

}  // namespace

// Whether each page is there is looked at here, and again per request, which is told that memory
// has gone. Only read: other threads may be writing there, and a buffer that is only sent may be
// constant.
RIO_BUFFERID PASCAL rio_register_buffer(PCHAR DataBuffer, DWORD DataLength) noexcept {
  if (!is_running()) return refuse(WsaError::kNotInitialised);
  if (DataLength == 0) return refuse(WsaError::kInval);
  if (!can_read(static_cast<const void*>(DataBuffer), DataLength)) return refuse(WsaError::kFault);
  const uint64_t handle = buffers().insert({DataBuffer, DataLength});
  return handle == 0 ? refuse(WsaError::kNoBufs) : reinterpret_cast<RIO_BUFFERID>(handle);
}

VOID PASCAL rio_deregister_buffer(RIO_BUFFERID BufferId) noexcept {
  (void)buffers().remove(reinterpret_cast<uint64_t>(BufferId));
}

WsaError find_memory(const RIO_BUF* slice, bool is_written, uint32_t least,
                     WSABUF& memory) noexcept {
  if (!can_read(slice)) return WsaError::kFault;
  const Buffer* const buffer = buffers().find(reinterpret_cast<uint64_t>(slice->BufferId));
  if (buffer == nullptr) return WsaError::kFault;
  const uint64_t end = uint64_t{slice->Offset} + slice->Length;
  if (end > buffer->bytes || slice->Length < least) return WsaError::kInval;
  memory = {slice->Length, buffer->memory + slice->Offset};
  const bool is_there = is_written ? can_write(static_cast<void*>(memory.buf), memory.len)
                                   : can_read(static_cast<const void*>(memory.buf), memory.len);
  return is_there ? WsaError::kOk : WsaError::kFault;
}

void forget_buffers() noexcept { (void)buffers().remove_all(); }

}  // namespace millrace
