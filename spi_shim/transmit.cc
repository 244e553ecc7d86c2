// SPDX-License-Identifier: BSD-3-Clause
// A transmission is a row of sends, one after the other: memory as it is, files a piece at a time.
//
// Overlapped, the end of one send starts the next: its completion comes here first (Finisher), on
// whichever thread shows it. Invariant: one thread at a time is at work on a transmission; n_due counts
// who wants it to go on.
#include "spi_shim/transmit.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <vector>

#include "spi_shim/call.h"
#include "spi_shim/connect_ex.h"
#include "spi_shim/last_error.h"
#include "spi_shim/listeners.h"
#include "spi_shim/overlapped.h"

namespace millrace {
namespace {

constexpr size_t kPieceBytes = 256 * 1024;      // of a file, on a stream
constexpr uint64_t kMostBytes = 2'147'483'646;  // in one call, says TransmitFile

/// What is to be sent: memory, or a part of a file.
struct Element {
  const char* memory = nullptr;
  int fd = -1;
  off_t offset = 0;
  uint64_t bytes = 0;
  bool ends_packet = false;
};

struct Transmission : Finisher {
  SOCKET inner = 0;
  bool is_stream = true;
  DWORD flags = 0;
  Overlapped tell;  ///< the caller's
  std::vector<Element> elements;
  size_t at = 0;
  uint32_t done_bytes = 0;
  WsaError error = WsaError::kOk;
  std::vector<std::vector<char>> pieces;
  std::vector<WSABUF> buffers;
  std::atomic<uint32_t> n_due{0};

  bool is_over() const { return error != WsaError::kOk || at == elements.size(); }
  bool add_file(Element& element, size_t bytes);
  bool gather();
  bool step();
  void end();
};

/// @return false: the file has less, or cannot be read
bool Transmission::add_file(Element& element, size_t bytes) {
  std::vector<char>& piece = pieces.emplace_back(bytes);
  for (size_t n = 0; n < bytes;) {
    const ssize_t part = pread(element.fd, piece.data() + n, bytes - n,
                               element.offset + static_cast<off_t>(n));
    if (part <= 0) return false;
    n += static_cast<size_t>(part);
  }
  element.offset += static_cast<off_t>(bytes);
  buffers.push_back({static_cast<ULONG>(bytes), piece.data()});
  return true;
}

/// The buffers of the next send: on a stream one element or a piece of it, else one packet.
bool Transmission::gather() {
  buffers.clear();
  pieces.clear();
  for (bool is_whole = false; !is_whole && at != elements.size();) {
    Element& element = elements[at];
    uint64_t n = element.bytes;
    if (element.memory != nullptr) {
      buffers.push_back({static_cast<ULONG>(n), const_cast<char*>(element.memory)});
    } else {
      if (is_stream) n = std::min<uint64_t>(n, kPieceBytes);
      if (!add_file(element, n)) return false;
    }
    element.bytes -= n;
    is_whole = is_stream || element.ends_packet;
    if (element.bytes == 0) ++at;
  }
  return true;
}

/// One send. @return false: there is none any more, or it failed
bool Transmission::step() {
  if (is_over()) return false;
  if (!gather()) {
    error = WsaError::kInval;
    return false;
  }
  Stack* const stack = stack_of(inner);
  if (stack == nullptr) {
    error = WsaError::kNotInitialised;
    return false;
  }
  const Stack::Guard guard(*stack);
  Socket* const socket = stack->find(inner);
  if (socket == nullptr) {
    error = WsaError::kOperationAborted;
    return false;
  }
  SendCall sending;
  sending.buffers = buffers;
  sending.tell = tell;
  if (tell.overlapped != nullptr) sending.tell.finisher = this;
  socket->ref();
  const Outcome outcome = socket->send(sending);
  socket->unref();
  if (outcome.error == WsaError::kOk && tell.overlapped == nullptr) done_bytes += outcome.bytes;
  if (outcome.error != WsaError::kOk && outcome.error != WsaError::kIoPending) error = outcome.error;
  return error == WsaError::kOk;
}

/// The last word to the caller of an overlapped transmission.
void Transmission::end() {
  Stack* const stack = stack_of(inner);
  if (stack == nullptr) return;
  const Stack::Guard guard(*stack);
  Socket* const socket = stack->find(inner);
  Outcome outcome{error, done_bytes, 0};
  if (socket != nullptr && error == WsaError::kOk && (flags & TF_REUSE_SOCKET) != 0) {
    outcome.error = disconnect_for_reuse(*socket, inner, tell, done_bytes);
    if (outcome.error == WsaError::kIoPending) return;
  } else if (socket != nullptr && error == WsaError::kOk && (flags & TF_DISCONNECT) != 0) {
    (void)socket->shutdown(SD_SEND);
  }
  const bool has_packet = socket != nullptr && tell.has_packet;
  stack->post({tell, outcome, socket, has_packet ? socket->port_link.target : PacketTarget{}});
}

void go_on(Transmission& transmission) {
  if (transmission.n_due.fetch_add(1) != 0) return;
  do {
    if (!transmission.step()) {
      transmission.end();
      delete &transmission;
      return;
    }
  } while (transmission.n_due.fetch_sub(1) != 1);
}

bool on_sent(Finisher& self, Completion& completion) {
  auto& transmission = static_cast<Transmission&>(self);
  transmission.done_bytes += completion.outcome.bytes;
  if (completion.outcome.error != WsaError::kOk) transmission.error = completion.outcome.error;
  const Inside inside;
  go_on(transmission);
  return true;
}

/// Without a WSAOVERLAPPED: blocks.
BOOL run_blocking(Transmission& transmission) noexcept {
  while (transmission.step()) {
  }
  if (transmission.error != WsaError::kOk) return fail_with(static_cast<DWORD>(transmission.error));
  if ((transmission.flags & TF_REUSE_SOCKET) != 0) {
    return disconnect_ex(transmission.inner, nullptr, TF_REUSE_SOCKET, 0);
  }
  INT error = 0;
  if ((transmission.flags & TF_DISCONNECT) == 0) return TRUE;
  const Call call(transmission.inner, &error);
  if (call) (void)call.socket().shutdown(SD_SEND);
  return TRUE;
}

BOOL start(SOCKET s, std::unique_ptr<Transmission> transmission, LPOVERLAPPED overlapped) noexcept {
  const Inside inside;
  const OverlappedArguments arguments{overlapped};
  reset_event(arguments);
  {
    INT error = 0;
    const Call call(s, &error);
    if (!call) return fail_with(static_cast<DWORD>(error));
    if (!arguments.is_there) return fail_with(WSAEFAULT);
    if (!call.socket().is_connected()) return fail_with(WSAENOTCONN);
    transmission->inner = call.inner();
    transmission->is_stream = call.socket().transport() == Transport::kTcp;
    transmission->tell = overlapped_of(call.socket(), arguments, std::nullopt);
    if (transmission->tell.overlapped != nullptr) mark_pending(*overlapped);
  }
  transmission->call = on_sent;
  if (transmission->tell.overlapped == nullptr) return run_blocking(*transmission);
  go_on(*transmission.release());
  return fail_with(ERROR_IO_PENDING);
}

/// @return nothing: no such file, or it has less
std::optional<Element> file_part(HANDLE file, int64_t offset, uint64_t bytes) noexcept {
  const auto fd = static_cast<int>(reinterpret_cast<intptr_t>(file));
  struct stat about;
  if (fstat(fd, &about) != 0 || !S_ISREG(about.st_mode)) return std::nullopt;
  Element element;
  element.fd = fd;
  element.offset = offset < 0 ? lseek(fd, 0, SEEK_CUR) : offset;
  if (element.offset < 0 || element.offset > about.st_size) return std::nullopt;
  const auto left = static_cast<uint64_t>(about.st_size - element.offset);
  if (bytes > left) return std::nullopt;
  element.bytes = bytes == 0 ? left : bytes;
  return element;
}

Element memory_part(const void* memory, uint64_t bytes) noexcept {
  Element element;
  element.memory = static_cast<const char*>(memory);
  element.bytes = bytes;
  return element;
}

}  // namespace

BOOL PASCAL transmit_file(SOCKET hSocket, HANDLE hFile, DWORD nNumberOfBytesToWrite, DWORD,
                          LPOVERLAPPED lpOverlapped, LPTRANSMIT_FILE_BUFFERS lpTransmitBuffers,
                          DWORD dwReserved) noexcept {
  constexpr DWORD kKnown = TF_DISCONNECT | TF_REUSE_SOCKET | TF_WRITE_BEHIND | TF_USE_SYSTEM_THREAD |
                           TF_USE_KERNEL_APC;
  const bool reuses_without_end =
      (dwReserved & TF_REUSE_SOCKET) != 0 && (dwReserved & TF_DISCONNECT) == 0;
  if ((dwReserved & ~kKnown) != 0 || reuses_without_end) return fail_with(WSAEINVAL);
  if (!is_running()) return fail_with(WSANOTINITIALISED);
  TRANSMIT_FILE_BUFFERS around{};
  if (lpTransmitBuffers != nullptr) {
    if (!can_read(lpTransmitBuffers)) return fail_with(WSAEFAULT);
    around = *lpTransmitBuffers;
    if (!can_read(static_cast<const void*>(around.Head), around.HeadLength) ||
        !can_read(static_cast<const void*>(around.Tail), around.TailLength)) {
      return fail_with(WSAEFAULT);
    }
  }
  auto transmission = std::make_unique<Transmission>();
  transmission->flags = dwReserved;
  if (around.HeadLength != 0) {
    transmission->elements.push_back(memory_part(around.Head, around.HeadLength));
  }
  if (hFile != nullptr) {
    if (lpOverlapped != nullptr && !can_read(lpOverlapped)) return fail_with(WSAEFAULT);
    const int64_t offset = lpOverlapped == nullptr
                               ? -1
                               : static_cast<int64_t>(uint64_t{lpOverlapped->OffsetHigh} << 32 |
                                                      lpOverlapped->Offset);
    const auto part = file_part(hFile, offset, nNumberOfBytesToWrite);
    if (!part) return fail_with(ERROR_INVALID_HANDLE);
    if (part->bytes > kMostBytes) return fail_with(WSAEINVAL);
    if (part->bytes != 0) transmission->elements.push_back(*part);
  }
  if (around.TailLength != 0) {
    transmission->elements.push_back(memory_part(around.Tail, around.TailLength));
  }
  {
    INT error = 0;
    const Call call(hSocket, &error);
    if (!call) return fail_with(static_cast<DWORD>(error));
    if (call.socket().transport() != Transport::kTcp) {
      return fail_with(call.socket().peer().has_value() ? WSAEOPNOTSUPP : WSAENOTCONN);
    }
  }
  return start(hSocket, std::move(transmission), lpOverlapped);
}

BOOL PASCAL transmit_packets(SOCKET hSocket, LPTRANSMIT_PACKETS_ELEMENT lpPacketArray,
                             DWORD nElementCount, DWORD, LPOVERLAPPED lpOverlapped,
                             DWORD dwFlags) noexcept {
  constexpr DWORD kKnown = TP_DISCONNECT | TP_REUSE_SOCKET | TP_USE_SYSTEM_THREAD | TP_USE_KERNEL_APC;
  const bool reuses_without_end = (dwFlags & TP_REUSE_SOCKET) != 0 && (dwFlags & TP_DISCONNECT) == 0;
  if ((dwFlags & ~kKnown) != 0 || reuses_without_end) return fail_with(WSAEINVAL);
  if (!is_running()) return fail_with(WSANOTINITIALISED);
  if (!can_read_objects(lpPacketArray, nElementCount)) return fail_with(WSAEFAULT);
  auto transmission = std::make_unique<Transmission>();
  transmission->flags = dwFlags;
  uint64_t total = 0;
  for (DWORD i = 0; i < nElementCount; ++i) {
    const TRANSMIT_PACKETS_ELEMENT& one = lpPacketArray[i];
    const DWORD kind = one.dwElFlags & (TP_ELEMENT_MEMORY | TP_ELEMENT_FILE);
    std::optional<Element> element;
    if (kind == TP_ELEMENT_MEMORY) {
      if (!can_read(static_cast<const void*>(one.pBuffer), one.cLength)) return fail_with(WSAEFAULT);
      element = memory_part(one.pBuffer, one.cLength);
    } else if (kind == TP_ELEMENT_FILE) {
      element = file_part(one.hFile, one.nFileOffset.QuadPart, one.cLength);
      if (!element) return fail_with(ERROR_INVALID_HANDLE);
    } else {
      return fail_with(WSAEINVAL);
    }
    element->ends_packet = (one.dwElFlags & TP_ELEMENT_EOP) != 0;
    total += element->bytes;
    transmission->elements.push_back(*element);
  }
  if (total > kMostBytes) return fail_with(WSAEINVAL);
  return start(hSocket, std::move(transmission), lpOverlapped);
}

}  // namespace millrace
