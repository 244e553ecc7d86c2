// SPDX-License-Identifier: BSD-3-Clause
// Rules 85 and 144 to 159: WSAEventSelect and WSAEnumNetworkEvents.
#include <cstring>
#include <vector>

#include "tests/wine/probe.h"

namespace probe {
namespace {

constexpr LONG kAll = FD_READ | FD_WRITE | FD_OOB | FD_ACCEPT | FD_CONNECT | FD_CLOSE;

std::string names_of(LONG mask) {
  const struct {
    LONG bit;
    const char* name;
  } bits[] = {{FD_READ, "READ"},     {FD_WRITE, "WRITE"},     {FD_OOB, "OOB"},
              {FD_ACCEPT, "ACCEPT"}, {FD_CONNECT, "CONNECT"}, {FD_CLOSE, "CLOSE"}};
  std::string text;
  for (const auto& bit : bits) {
    if ((mask & bit.bit) != 0) text += (text.empty() ? "" : "+") + std::string(bit.name);
  }
  return text.empty() ? "none" : text;
}

/// A socket's events, and the event object for them.
struct Selected {
  explicit Selected(SOCKET socket, LONG mask = kAll) : s(socket), event(WSACreateEvent()) {
    WSAEventSelect(s, event, mask);
  }
  ~Selected() { WSACloseEvent(event); }
  Selected(const Selected&) = delete;
  Selected& operator=(const Selected&) = delete;

  /// What is recorded, once something is; "none" after a while.
  std::string heard(DWORD timeout_ms = 2000) {
    std::string what = now();
    for (DWORD waited = 0; what == "none" && waited < timeout_ms; waited += 5) {
      WaitForSingleObject(event, 5);
      what = now();
    }
    return what;
  }
  std::string now() {
    std::memset(&record, 0, sizeof record);
    const int result = WSAEnumNetworkEvents(s, event, &record);
    return result == 0 ? names_of(record.lNetworkEvents) : rc(result);
  }
  std::string silence() {
    settle();
    return now();
  }

  SOCKET s;
  WSAEVENT event;
  WSANETWORKEVENTS record{};
};

void reading() {
  const Pair pair = connected();
  Selected b(pair.b);
  say("R150.connected_is_writable", b.heard());
  say("R150.once", b.silence());
  say("R144.nonblocking", got(pair.b));
  put(pair.a, "abcd");
  say("R146.read", b.heard());
  say("R155.code", b.record.iErrorCode[FD_READ_BIT]);
  say("R155.event_is_reset", signal_of(b.event));
  say("R155.record_is_cleared", b.now());
  put(pair.a, "efgh");
  say("R147.new_data", b.heard(500));
  say("R148.partial", got(pair.b, 2));
  say("R148.read_again", b.heard(500));
  say("R146.the_rest", got(pair.b));
  say("R146.no_more", b.silence());
  say("R146.failing_receive", got(pair.b));
  put(pair.a, "x");
  say("R146.read_after_failing_receive", b.heard());
  got(pair.b);
  Operation operation;
  operation.recv(pair.b);
  b.now();
  put(pair.a, "yz");
  say("R85.overlapped_result", operation.finished(pair.b));
  say("R85.no_event", b.silence());
  send(pair.a, "U", 1, MSG_OOB);
  say("R146.urgent", b.heard());
  say("R146.urgent_byte", got(pair.b, 1, MSG_OOB));
  put(pair.b, "q");
  say("R151.send_tells_nothing", b.silence());
}

void selecting() {
  const Pair pair = connected();
  u_long off = 0;
  u_long on = 1;
  {
    Selected b(pair.b, FD_READ);
    say("R144.blocking_again", rc(ioctlsocket(pair.b, static_cast<LONG>(FIONBIO), &off)));
    say("R144.nonblocking_again", rc(ioctlsocket(pair.b, static_cast<LONG>(FIONBIO), &on)));
    put(pair.a, "1");
    say("R149.read", signal_of(b.event, 2000));
    WSAResetEvent(b.event);
    say("R149.select_again", rc(WSAEventSelect(pair.b, b.event, FD_READ)));
    say("R149.unfetched_is_recorded_anew", b.heard(200));
    WSAEventSelect(pair.b, b.event, FD_READ);
    say("R149.fetched_is_not_repeated", b.silence());
    say("R145.mask_without_read", rc(WSAEventSelect(pair.b, b.event, FD_WRITE)));
    say("R145.write_is_told", b.heard(200));
    say("R145.cancel", rc(WSAEventSelect(pair.b, nullptr, 0)));
    put(pair.a, "2");
    say("R145.nothing_after_cancel", b.silence());
    say("R144.blocking_after_cancel", rc(ioctlsocket(pair.b, static_cast<LONG>(FIONBIO), &off)));
    say("R159.null_event", rc(WSAEventSelect(pair.b, nullptr, FD_READ)));
    say("R159.bad_socket", rc(WSAEventSelect(0x1234, b.event, FD_READ)));
    say("R159.unknown_events", rc(WSAEventSelect(pair.b, b.event, 0x4000)));
    WSANETWORKEVENTS record;
    say("R155.bad_socket", rc(WSAEnumNetworkEvents(0x1234, b.event, &record)));
    say("R155.null_record",
        guarded([&] { return rc(WSAEnumNetworkEvents(pair.b, b.event, nullptr)); }));
    say("R155.without_event", rc(WSAEnumNetworkEvents(pair.b, nullptr, &record)));
  }
  const Pair other = connected();
  put(other.a, "early");
  is_ready(other.b, 'r');
  Selected late(other.b, FD_READ);
  say("R149.true_already", late.heard());
  is_ready(other.b, 'r', 0);
  say("R156.select_tells_nothing", late.silence());
}

void connecting() {
  const SOCKET listener = listening();
  Selected l(listener);
  say("R146.listener_at_first", l.silence());
  const SOCKET client = tcp();
  Selected c(client);
  say("R146.client_at_first", c.silence());
  Address to = name_of(listener);
  say("R146.connect", rc(connect(client, to.get(), to.length)));
  say("R146.accept_event", l.heard());
  say("R146.connect_event", [&c] {
    std::string all = c.heard();
    if (all.find("WRITE") == std::string::npos) all += "+" + c.heard();
    return all;
  }());
  say("R152.connect_code", c.record.iErrorCode[FD_CONNECT_BIT]);
  const SOCKET server = keep(accept(listener, nullptr, nullptr));
  say("R157.inherits_nonblocking", got(server));
  put(client, "a");
  say("R157.inherits_event", signal_of(l.event, 2000));
  settle();
  WSANETWORKEVENTS record{};
  WSAEnumNetworkEvents(server, nullptr, &record);
  say("R157.inherits_mask", names_of(record.lNetworkEvents));
  say("R146.no_second_accept", l.now());
  const SOCKET second = tcp();
  connect(second, to.get(), to.length);
  say("R146.accept_event_again", l.heard());
  const SOCKET refused = tcp();
  Selected r(refused);
  to = nobody();
  connect(refused, to.get(), to.length);
  say("R150.failed_connect", r.heard(8000));
  say("R150.failed_connect_code",
      error_name(static_cast<DWORD>(r.record.iErrorCode[FD_CONNECT_BIT])));
}

void closing() {
  Pair pair = connected();
  {
    Selected b(pair.b);
    b.heard();
    shutdown(pair.a, SD_SEND);
    say("R152.graceful", b.heard());
    say("R152.graceful_code", b.record.iErrorCode[FD_CLOSE_BIT]);
    say("R152.once", b.silence());
    say("R87.recv", got(pair.b));
    say("R152.not_after_recv", b.silence());
  }
  pair = connected();
  {
    Selected b(pair.b);
    b.heard();
    reset(pair.a);
    say("R152.reset", b.heard());
    say("R152.reset_code", error_name(static_cast<DWORD>(b.record.iErrorCode[FD_CLOSE_BIT])));
  }
  pair = connected();
  {
    Selected b(pair.b);
    b.heard();
    put(pair.a, "last");
    shutdown(pair.a, SD_SEND);
    settle();
    say("R153.data_and_close", b.heard());
    say("R153.data", got(pair.b));
    say("R153.afterwards", b.silence());
  }
  pair = connected();
  {
    Selected b(pair.b);
    b.heard();
    shutdown(pair.b, SD_RECEIVE);
    say("R154.own_sd_receive", b.silence());
    shutdown(pair.a, SD_RECEIVE);
    say("R154.peers_sd_receive", b.silence());
    closesocket(pair.b);
    say("R134.after_closesocket", signal_of(b.event, 60));
  }
  const SOCKET datagram = udp();
  Selected d(datagram);
  say("R150.unbound_datagram", d.silence());
  bound(datagram);
  say("R150.bound_datagram", d.heard());
  put_to(udp(), "m", name_of(datagram));
  say("R146.datagram", d.heard());
}

void full() {
  const Pair pair = connected();
  Selected a(pair.a);
  a.heard();
  std::vector<char> block(65536, 'x');
  int n = 0;
  int sent = 0;
  while (n < 4000 && (sent = send(pair.a, block.data(), static_cast<int>(block.size()), 0)) > 0)
    ++n;
  say("R150.full", rc(sent));
  say("R150.nothing_while_full", a.now());
  nonblocking(pair.b);
  const std::string write = [&a, &pair, &block] {
    for (int i = 0; i < 2000; ++i) {
      while (recv(pair.b, block.data(), static_cast<int>(block.size()), 0) > 0) continue;
      if (WaitForSingleObject(a.event, 1) == WAIT_OBJECT_0) return a.now();
    }
    return std::string("never");
  }();
  say("R150.room_again", write);
}

}  // namespace

void events() {
  reading();
  selecting();
  connecting();
  closing();
  full();
}

}  // namespace probe
