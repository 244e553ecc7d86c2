// SPDX-License-Identifier: BSD-3-Clause
// The Transport over the Winsock SPI: each method is one call through the table of WSPStartup.
// Blocking sockets bound a receive by SO_RCVTIMEO, nonblocking ones (FIONBIO) spin in the caller.
#pragma once

#include <cstring>
#include <stdexcept>

#include "apps/lat_transport.h"
#include "millrace/counters.h"
#include "millrace/stages.h"
#include "winsock2.h"
#include "ws2spi.h"

namespace millrace::lat {

[[noreturn]] inline void fail(const char* call, INT error) {
  throw std::runtime_error(std::string(call) + " failed: Winsock error " + std::to_string(error));
}

inline sockaddr_in sockaddr_of(const Peer& peer) {
  sockaddr_in name{};
  name.sin_family = AF_INET;
  name.sin_port = peer.port_be;
  name.sin_addr.s_addr = peer.address_be;
  return name;
}

// What a receive or send returns when it did not succeed.
inline size_t outcome_of(const char* call, INT error) {
  switch (error) {
    case WSAEWOULDBLOCK:
    case WSAETIMEDOUT:
    case WSAENOBUFS:  // these four befall datagrams while a link comes and goes
    case WSAENETDOWN:
    case WSAENETUNREACH:
    case WSAEHOSTUNREACH:
      return kNothing;
    case WSAEDISCON:  // of messages: a graceful end
    case WSAECONNRESET:
    case WSAECONNABORTED:
    case WSAENETRESET:
      return 0;
    default:
      fail(call, error);
  }
}

class SpiTransport : public Transport {
 public:
  explicit SpiTransport(bool is_nonblocking) : is_nonblocking_(is_nonblocking) {
    WSAPROTOCOL_INFOW protocols[8];
    DWORD room_bytes = sizeof protocols;
    INT error = 0;
    if (WSCEnumProtocols(nullptr, protocols, &room_bytes, &error) < 1) {
      fail("WSCEnumProtocols", error);
    }
    WSPDATA data;
    error = WSPStartup(MAKEWORD(2, 2), &data, protocols, WSPUPCALLTABLE{}, &spi_);
    if (error != 0) fail("WSPStartup", error);
    is_started_ = true;
  }
  ~SpiTransport() override { end(); }
  SpiTransport(const SpiTransport&) = delete;
  SpiTransport& operator=(const SpiTransport&) = delete;

  Handle listen(const Peer& local, Protocol protocol) override {
    const SOCKET s = open(type_of(protocol), &local);
    INT error = 0;
    if (spi_.lpWSPListen(s, SOMAXCONN, &error) != 0) fail("WSPListen", error);
    set_nonblocking(s, true);  // a connection may vanish between wait_readable and accept
    return s;
  }

  std::optional<Handle> accept(Handle listener) override {
    INT error = 0;
    const SOCKET s = spi_.lpWSPAccept(listener, nullptr, nullptr, nullptr, 0, &error);
    if (s != INVALID_SOCKET) {
      prepare(s, true);
      return s;
    }
    if (error == WSAEWOULDBLOCK || error == WSAECONNRESET) return std::nullopt;
    fail("WSPAccept", error);
  }

  Handle bind_datagrams(const Peer& local) override {
    const SOCKET s = open(SOCK_DGRAM, &local);
    prepare(s, false);
    return s;
  }

  Handle connect(Protocol protocol, const Peer& peer) override {
    const SOCKET s = open(type_of(protocol), nullptr);
    const sockaddr_in name = sockaddr_of(peer);
    INT error = 0;
    if (spi_.lpWSPConnect(s, reinterpret_cast<const sockaddr*>(&name), sizeof name, nullptr,
                          nullptr, nullptr, nullptr, &error) != 0) {
      close(s);
      fail("WSPConnect", error);
    }
    prepare(s, is_stream(protocol));
    return s;
  }

  void close(Handle handle) noexcept override {
    INT error;
    spi_.lpWSPCloseSocket(handle, &error);
  }

  void end_sending(Handle handle) override {
    INT error = 0;
    if (spi_.lpWSPShutdown(handle, SD_SEND, &error) != 0) fail("WSPShutdown", error);
  }

  size_t receive(Handle handle, std::span<char> into) override {
    WSABUF buffer{static_cast<ULONG>(into.size()), into.data()};
    DWORD n = 0;
    DWORD flags = 0;
    INT error = 0;
    const int result =
        spi_.lpWSPRecv(handle, &buffer, 1, &n, &flags, nullptr, nullptr, nullptr, &error);
    return result == 0 ? n : outcome_of("WSPRecv", error);
  }

  size_t receive_from(Handle handle, std::span<char> into, Peer& from) override {
    WSABUF buffer{static_cast<ULONG>(into.size()), into.data()};
    sockaddr_in name;
    INT name_bytes = sizeof name;
    DWORD n = 0;
    DWORD flags = 0;
    INT error = 0;
    if (spi_.lpWSPRecvFrom(handle, &buffer, 1, &n, &flags, reinterpret_cast<sockaddr*>(&name),
                           &name_bytes, nullptr, nullptr, nullptr, &error) != 0) {
      const size_t outcome = outcome_of("WSPRecvFrom", error);
      return outcome == 0 ? kNothing : outcome;  // a peer's closed port is not the socket's end
    }
    from = {name.sin_addr.s_addr, name.sin_port};
    return n;
  }

  size_t send(Handle handle, std::span<const char> bytes) override {
    WSABUF buffer{static_cast<ULONG>(bytes.size()), const_cast<char*>(bytes.data())};
    DWORD n = 0;
    INT error = 0;
    const int result = spi_.lpWSPSend(handle, &buffer, 1, &n, 0, nullptr, nullptr, nullptr, &error);
    return result == 0 ? n : outcome_of("WSPSend", error);
  }

  size_t send_to(Handle handle, std::span<const char> bytes, const Peer& to) override {
    WSABUF buffer{static_cast<ULONG>(bytes.size()), const_cast<char*>(bytes.data())};
    const sockaddr_in name = sockaddr_of(to);
    DWORD n = 0;
    INT error = 0;
    const int result =
        spi_.lpWSPSendTo(handle, &buffer, 1, &n, 0, reinterpret_cast<const sockaddr*>(&name),
                         sizeof name, nullptr, nullptr, nullptr, &error);
    return result == 0 ? n : outcome_of("WSPSendTo", error);
  }

  void wait_readable(std::span<const Handle> handles, std::vector<Handle>& readable) override {
    fd_set reads;
    FD_ZERO(&reads);
    for (const Handle handle : handles) FD_SET(handle, &reads);
    timeval timeout{0, kReceiveTimeoutMs * 1000};
    INT error = 0;
    if (spi_.lpWSPSelect(0, &reads, nullptr, nullptr, &timeout, &error) < 0)
      fail("WSPSelect", error);
    readable.insert(readable.end(), reads.fd_array, reads.fd_array + reads.fd_count);
  }

  Counters counters() const override {
    Counters all;
    millrace_counters(
        [](void* context, const char* name, unsigned long long value) {
          static_cast<Counters*>(context)->values.emplace_back(name, value);
        },
        &all);
    millrace_stages(
        [](void* context, const millrace_stage* stage) {
          static_cast<Counters*>(context)->stages.push_back({stage->name, stage->sentence, stage->count,
                                                             stage->p50_ns, stage->p99_ns, stage->p999_ns,
                                                             stage->max_ns, stage->sum_ns});
        },
        &all);
    return all;
  }

 protected:
  /// WSPCleanup: what is pending has ended.
  void end() noexcept {
    INT error;
    if (std::exchange(is_started_, false)) spi_.lpWSPCleanup(&error);
  }

  // What a socket needs before bytes go through it.
  void prepare(SOCKET s, bool is_stream) {
    if (is_stream) set_no_delay(s);
    set_option(s, SOL_SOCKET, SO_RCVTIMEO, kReceiveTimeoutMs);
    set_nonblocking(s, is_nonblocking_);  // an accepted socket has its listener's mode
  }

 private:
  static int type_of(Protocol protocol) {
    if (protocol == Protocol::kSctp) return SOCK_SEQPACKET;
    return protocol == Protocol::kTcp ? SOCK_STREAM : SOCK_DGRAM;
  }

  void set_no_delay(SOCKET s) {
    constexpr int kSctpNoDelay = 3;
    DWORD type = 0;
    INT bytes = sizeof type, error = 0;
    (void)spi_.lpWSPGetSockOpt(s, SOL_SOCKET, SO_TYPE, reinterpret_cast<CHAR*>(&type), &bytes, &error);
    if (type == SOCK_SEQPACKET) return set_option(s, IPPROTO_SCTP, kSctpNoDelay, TRUE);
    set_option(s, IPPROTO_TCP, TCP_NODELAY, TRUE);
  }

  SOCKET open(int type, const Peer* local) {
    INT error = 0;
    const SOCKET s = spi_.lpWSPSocket(AF_INET, type, 0, nullptr, 0, WSA_FLAG_OVERLAPPED, &error);
    if (s == INVALID_SOCKET) fail("WSPSocket", error);
    if (local == nullptr) return s;
    const sockaddr_in name = sockaddr_of(*local);
    if (spi_.lpWSPBind(s, reinterpret_cast<const sockaddr*>(&name), sizeof name, &error) != 0) {
      fail("WSPBind", error);
    }
    return s;
  }

  void set_nonblocking(SOCKET s, bool is_on) {
    u_long on = is_on ? 1 : 0;
    DWORD n = 0;
    INT error = 0;
    if (spi_.lpWSPIoctl(s, static_cast<DWORD>(FIONBIO), &on, sizeof on, nullptr, 0, &n, nullptr,
                        nullptr, nullptr, &error) != 0) {
      fail("WSPIoctl(FIONBIO)", error);
    }
  }

  void set_option(SOCKET s, int level, int name, DWORD value) {
    INT error = 0;
    if (spi_.lpWSPSetSockOpt(s, level, name, reinterpret_cast<const CHAR*>(&value), sizeof value,
                             &error) != 0) {
      fail("WSPSetSockOpt", error);
    }
  }

  WSPPROC_TABLE spi_{};
  bool is_started_ = false;
  bool is_nonblocking_;
};

}  // namespace millrace::lat
