// SPDX-License-Identifier: BSD-3-Clause
// The Transport of `millrace-lat server`: as lat_spi.h, but what waits is one completion port, so that the
// services (lat_services.h) have the same thread.
//
// Each socket of the server has a Watch: while it is waited for, an operation is pending that ends when there
// is something to do. A stream's takes no bytes; a listener's takes a connection and a datagram socket's a
// datagram, which the next accept() or receive_from() returns.
#include <algorithm>
#include <cstring>
#include <map>

#include "apps/lat_services.h"
#include "apps/lat_spi.h"

namespace millrace::lat {
namespace {

constexpr ULONG kMostPackets = 64;
constexpr size_t kDatagramBytes = 65536;

[[noreturn]] void fail_last(const char* call) { fail(call, static_cast<INT>(GetLastError())); }

class PortTransport final : public SpiTransport {
 public:
  PortTransport(bool is_nonblocking, const Peer& address) : SpiTransport(is_nonblocking) {
    WSADATA data;
    if (const int error = WSAStartup(MAKEWORD(2, 2), &data); error != 0) fail("WSAStartup", error);
    port_ = CreateIoCompletionPort(INVALID_HANDLE_VALUE, nullptr, 0, 1);
    if (port_ == nullptr) fail_last("CreateIoCompletionPort");
    services_ = std::make_unique<Services>(port_, address);
  }
  ~PortTransport() override {
    WSACleanup();
    end();  // nothing is pending from here on
    CloseHandle(port_);
  }

  Handle listen(const Peer& local, Protocol protocol) override {
    const SOCKET s = SpiTransport::listen(local, protocol);
    watch(s, Kind::kListener);
    GUID id = WSAID_ACCEPTEX;
    DWORD n = 0;
    if (WSAIoctl(s, SIO_GET_EXTENSION_FUNCTION_POINTER, &id, sizeof id, &accept_ex_, sizeof accept_ex_, &n,
                 nullptr, nullptr) != 0) {
      fail("WSAIoctl", WSAGetLastError());
    }
    return s;
  }

  std::optional<Handle> accept(Handle listener) override {
    Watch& watched = *watches_.at(listener);
    if (!watched.has_result) return std::nullopt;
    watched.has_result = false;
    const SOCKET s = std::exchange(watched.accepted, INVALID_SOCKET);
    const SOCKET of = listener;
    if (setsockopt(s, SOL_SOCKET, SO_UPDATE_ACCEPT_CONTEXT, reinterpret_cast<const char*>(&of), sizeof of) != 0) {
      closesocket(s);
      return std::nullopt;
    }
    prepare(s, true);
    watch(s, Kind::kStream);
    return s;
  }

  Handle bind_datagrams(const Peer& local) override {
    const SOCKET s = SpiTransport::bind_datagrams(local);
    watch(s, Kind::kDatagrams);
    return s;
  }

  size_t receive_from(Handle handle, std::span<char> into, Peer& from) override {
    Watch& watched = *watches_.at(handle);
    if (!watched.has_result) return SpiTransport::receive_from(handle, into, from);
    watched.has_result = false;
    const size_t n = std::min<size_t>(watched.n_bytes, into.size());
    std::memcpy(into.data(), watched.datagram.get(), n);
    from = {watched.from.sin_addr.s_addr, watched.from.sin_port};
    return n;
  }

  void close(Handle handle) noexcept override {
    SpiTransport::close(handle);
    const auto it = watches_.find(handle);
    if (it == watches_.end()) return;
    std::erase(unarmed_, it->second.get());
    // What is pending brings its packet still.
    if (it->second->is_armed) ended_.push_back(std::move(it->second));
    watches_.erase(it);
  }

  /// Serves the services, too.
  void wait_readable(std::span<const Handle>, std::vector<Handle>& readable) override {
    for (Watch* const watched : std::exchange(unarmed_, {})) arm(*watched);
    OVERLAPPED_ENTRY packets[kMostPackets];
    ULONG n = 0;
    if (!GetQueuedCompletionStatusEx(port_, packets, kMostPackets, &n, kReceiveTimeoutMs, FALSE)) return;
    for (const OVERLAPPED_ENTRY& packet : std::span(packets, n)) {
      if (packet.lpCompletionKey == Services::kKey) {
        services_->complete(packet);
      } else if (Watch& watched = *static_cast<Watch*>(packet.lpOverlapped); !ended(watched)) {
        complete(watched, packet);
        readable.push_back(watched.handle);
      }
    }
  }

  bool has_other_work() const noexcept override { return services_->n_connections() != 0; }

 private:
  enum class Kind : uint8_t { kListener, kStream, kDatagrams };
  struct Watch : OVERLAPPED {
    Watch() : OVERLAPPED{} {}
    SOCKET handle = INVALID_SOCKET;
    Kind kind = Kind::kStream;
    bool is_armed = false;
    bool has_result = false;  ///< accepted, or datagram, n_bytes and from
    SOCKET accepted = INVALID_SOCKET;
    std::unique_ptr<char[]> datagram;
    DWORD n_bytes = 0;
    sockaddr_in from{};
    INT from_bytes = 0;
    char names[2 * (sizeof(sockaddr_in) + 16)];
  };

  void watch(SOCKET s, Kind kind) {
    auto made = std::make_unique<Watch>();
    made->handle = s;
    made->kind = kind;
    if (kind == Kind::kDatagrams) made->datagram = std::make_unique_for_overwrite<char[]>(kDatagramBytes);
    if (CreateIoCompletionPort(reinterpret_cast<HANDLE>(s), port_, 0, 0) == nullptr) {
      fail_last("CreateIoCompletionPort");
    }
    unarmed_.push_back(made.get());
    watches_[s] = std::move(made);
  }

  // The packet tells the end, also of what ends at once or fails.
  void arm(Watch& watched) {
    WSABUF buffer{0, nullptr};
    DWORD n = 0;
    DWORD flags = 0;
    bool is_started = false;
    switch (watched.kind) {
      case Kind::kListener:
        is_started = accept_one(watched);
        break;
      case Kind::kStream:
        is_started = WSARecv(watched.handle, &buffer, 1, &n, &flags, &watched, nullptr) == 0;
        break;
      case Kind::kDatagrams:
        buffer = {kDatagramBytes, watched.datagram.get()};
        watched.from_bytes = sizeof watched.from;
        is_started = WSARecvFrom(watched.handle, &buffer, 1, &n, &flags,
                                 reinterpret_cast<sockaddr*>(&watched.from), &watched.from_bytes, &watched,
                                 nullptr) == 0;
        break;
    }
    watched.is_armed = true;
    if (is_started || WSAGetLastError() == WSA_IO_PENDING) return;
    // Whoever looks finds out what is the matter.
    if (!PostQueuedCompletionStatus(port_, 0, 0, &watched)) fail_last("PostQueuedCompletionStatus");
  }

  bool accept_one(Watch& watched) {
    constexpr DWORD kNameBytes = sizeof(sockaddr_in) + 16;
    DWORD n = 0;
    watched.accepted = WSASocketW(AF_INET, SOCK_STREAM, IPPROTO_TCP, nullptr, 0, WSA_FLAG_OVERLAPPED);
    if (watched.accepted == INVALID_SOCKET) return false;
    return accept_ex_(watched.handle, watched.accepted, watched.names, 0, kNameBytes, kNameBytes, &n, &watched) !=
           FALSE;
  }

  void complete(Watch& watched, const OVERLAPPED_ENTRY& packet) {
    watched.is_armed = false;
    unarmed_.push_back(&watched);
    const bool is_ok = packet.Internal == 0 && watched.kind != Kind::kStream;
    watched.has_result = is_ok && (watched.kind == Kind::kDatagrams || watched.accepted != INVALID_SOCKET);
    watched.n_bytes = packet.dwNumberOfBytesTransferred;
    if (!is_ok && watched.accepted != INVALID_SOCKET) closesocket(std::exchange(watched.accepted, INVALID_SOCKET));
  }

  // A packet of a socket that was closed meanwhile: nobody waits for it.
  bool ended(const Watch& watched) {
    return std::erase_if(ended_, [&](const auto& each) { return each.get() == &watched; }) != 0;
  }

  HANDLE port_ = nullptr;
  LPFN_ACCEPTEX accept_ex_ = nullptr;
  std::unique_ptr<Services> services_;
  std::map<Handle, std::unique_ptr<Watch>> watches_;
  std::vector<Watch*> unarmed_;
  std::vector<std::unique_ptr<Watch>> ended_;
};

}  // namespace

std::unique_ptr<Transport> make_port_transport(bool is_nonblocking, const Peer& address) {
  return std::make_unique<PortTransport>(is_nonblocking, address);
}

}  // namespace millrace::lat
