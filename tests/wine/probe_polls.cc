// SPDX-License-Identifier: BSD-3-Clause
// Rules 93 and 161 to 168: select, WSAPoll.
#include "tests/wine/probe.h"

namespace probe {
namespace {

fd_set set_of(SOCKET s) {
  fd_set set;
  FD_ZERO(&set);
  FD_SET(s, &set);
  return set;
}

void refusals(const Pair& pair) {
  timeval moment{0, 0};
  fd_set empty;
  FD_ZERO(&empty);
  fd_set* const none = nullptr;
  say("R161.no_sets", rc(select(0, none, none, none, &moment)));
  say("R161.empty_sets", rc(select(0, &empty, &empty, &empty, &moment)));
  fd_set bad = set_of(0x1234);
  say("R161.no_socket", rc(select(0, &bad, nullptr, nullptr, &moment)));
  say("R161.set_is_unchanged", bad.fd_count);
  FD_SET(pair.a, &bad);
  say("R161.no_socket_among_others", rc(select(0, &bad, nullptr, nullptr, &moment)));
  fd_set idle = set_of(pair.b);
  moment.tv_usec = 20'000;
  say("R161.timeout", rc(select(0, &idle, nullptr, nullptr, &moment)));
  say("R161.timeout_empties_sets", idle.fd_count);
  say("R161.timeval_is_untouched", moment.tv_usec);
  fd_set twice = set_of(pair.a);
  twice.fd_array[twice.fd_count++] = pair.a;
  say("R162.listed_twice", rc(select(0, nullptr, &twice, nullptr, &moment)));
  timeval wrong{-1, 0};
  fd_set writable = set_of(pair.a);
  say("R161.negative_time", rc(select(0, nullptr, &writable, nullptr, &wrong)));
}

void readiness() {
  const SOCKET listener = listening();
  say("R163.idle_listener", is_ready(listener, 'r', 0));
  Address to = name_of(listener);
  connect(tcp(), to.get(), to.length);
  say("R163.listener_with_connection", is_ready(listener, 'r'));
  say("R163.listener_is_writable", is_ready(listener, 'w', 0));
  say("R163.unconnected_is_readable", is_ready(tcp(), 'r', 0));
  say("R163.unconnected_is_writable", is_ready(tcp(), 'w', 0));
  say("R166.unbound_datagram_is_writable", is_ready(udp(), 'w', 0));
  say("R166.unbound_datagram_is_readable", is_ready(udp(), 'r', 0));
  Pair pair = connected();
  say("R163.connected_is_writable", is_ready(pair.a, 'w', 0));
  say("R163.connected_is_readable", is_ready(pair.a, 'r', 0));
  shutdown(pair.b, SD_SEND);
  say("R163.ended_is_readable", is_ready(pair.a, 'r'));
  say("R163.ended_is_writable", is_ready(pair.a, 'w', 0));
  say("R163.shut_is_writable", is_ready(pair.b, 'w', 0));
  pair = connected();
  reset(pair.b);
  say("R93.reset_is_readable", is_ready(pair.a, 'r'));
  say("R93.reset_is_writable", is_ready(pair.a, 'w', 0));
  say("R93.reset_is_exceptional", is_ready(pair.a, 'x', 0));
  pair = connected();
  send(pair.b, "U", 1, MSG_OOB);
  say("R163.urgent_is_exceptional", is_ready(pair.a, 'x'));
  say("R163.urgent_is_readable", is_ready(pair.a, 'r', 0));
  set_option(pair.a, SOL_SOCKET, SO_OOBINLINE, 1);
  say("R163.inline_is_readable", is_ready(pair.a, 'r'));
  pair = connected();
  std::string result;
  Thread waiting([&pair, &result] {
    fd_set set = set_of(pair.a);
    timeval patience{5, 0};
    result = rc(select(0, &set, nullptr, nullptr, &patience));
  });
  Sleep(100);
  closesocket(pair.a);
  say("R165.close_wakes_select", waiting.ends());
  waiting.join();
  say("R165.result", result);
}

std::string names_of(SHORT revents) {
  std::string text;
  const struct {
    SHORT bit;
    const char* name;
  } bits[] = {{POLLERR, "ERR"},       {POLLHUP, "HUP"},       {POLLNVAL, "NVAL"},
              {POLLRDNORM, "RDNORM"}, {POLLRDBAND, "RDBAND"}, {POLLWRNORM, "WRNORM"},
              {POLLPRI, "PRI"}};
  for (const auto& bit : bits) {
    if ((revents & bit.bit) != 0) text += std::string(" ") + bit.name;
  }
  return text;
}

std::string poll_of(SOCKET s, SHORT events, int timeout_ms = 0) {
  WSAPOLLFD one{s, events, 0x7777};
  const int n = WSAPoll(&one, 1, timeout_ms);
  return n < 0 ? rc(n) : std::to_string(n) + names_of(one.revents);
}

/// Each entry's own words, behind the result.
std::string poll_of(WSAPOLLFD first, WSAPOLLFD second, int timeout_ms = 0) {
  WSAPOLLFD two[] = {first, second};
  const int n = WSAPoll(two, 2, timeout_ms);
  return (n < 0 ? rc(n) : std::to_string(n)) + " |" + names_of(two[0].revents) + " |" +
         names_of(two[1].revents);
}

void polling_many() {
  const SOCKET idle = listening(), ready = udp();
  const WSAPOLLFD skipped{INVALID_SOCKET, POLLERR, 0x7777}, none{0xabacac, POLLIN, 0x7777};
  say("R168.negative_beside_idle", poll_of(skipped, {idle, POLLIN, 0x7777}));
  say("R168.negative_beside_ready", poll_of(skipped, {ready, POLLOUT, 0x7777}));
  say("R168.no_socket_beside_idle", poll_of({idle, POLLIN, 0x7777}, none));
  say("R168.no_socket_beside_ready", poll_of({ready, POLLOUT, 0x7777}, none));
  say("R168.no_socket_beside_idle_waits", poll_of({idle, POLLIN, 0x7777}, none, 20));
  say("R168.two_of_no_socket", poll_of(skipped, none));
  say("R168.listed_twice", poll_of({ready, POLLOUT, 0x7777}, {ready, POLLOUT, 0x7777}));
  int n_refused = 0;
  for (const int bit : {1, 2, 4, 8, 0x20, 0x40, 0x80, 0x400, 0x800, 0x1000, 0x2000, 0x4000, 0x8000}) {
    n_refused += poll_of(ready, static_cast<SHORT>(bit)) == "WSAEINVAL" ? 1 : 0;
  }
  say("R168.refused_bits", n_refused);
}

void polling_ends() {
  const SHORT all = POLLRDNORM | POLLRDBAND | POLLWRNORM;
  Pair pair = connected();
  set_option(pair.a, SOL_SOCKET, SO_OOBINLINE, 1);
  send(pair.b, "U", 1, MSG_OOB);
  is_ready(pair.a, 'r');
  say("R168.urgent_inline", poll_of(pair.a, all));
  pair = connected();
  shutdown(pair.b, SD_RECEIVE);
  settle();
  say("R168.shut_for_receiving", poll_of(pair.b, all));
  say("R168.peer_shut_for_receiving", poll_of(pair.a, all));
  closesocket(pair.b);
  is_ready(pair.a, 'r');
  say("R168.closed_unasked", poll_of(pair.a, 0));
  pair = connected();
  reset(pair.b);
  is_ready(pair.a, 'r');
  say("R93.reset_unasked", poll_of(pair.a, 0));
  const SOCKET failed = tcp();
  Address to = nobody();
  connect(failed, to.get(), to.length);
  say("R168.failed_blocking_connect", poll_of(failed, all));
  const SOCKET target = bound(udp());
  to = name_of(target);
  sendto(udp(), "a", 1, 0, to.get(), to.length);
  is_ready(target, 'r');
  say("R168.datagram_with_data", poll_of(target, all));
  pair = connected();
  std::string result;
  Thread waiting([&pair, &result] { result = poll_of(pair.a, POLLIN, 5000); });
  Sleep(100);
  closesocket(pair.a);
  say("R168.close_wakes_poll", waiting.ends());
  waiting.join();
  say("R168.closed_meanwhile", result);
}

void polling() {
  const SHORT all = POLLRDNORM | POLLRDBAND | POLLWRNORM;
  const SOCKET listener = listening();
  say("R168.idle_listener", poll_of(listener, all));
  Address to = name_of(listener);
  connect(tcp(), to.get(), to.length);
  is_ready(listener, 'r');
  say("R168.listener_with_connection", poll_of(listener, all));
  Pair pair = connected();
  say("R168.idle", poll_of(pair.a, all));
  say("R168.nothing_asked", poll_of(pair.a, 0));
  put(pair.b, "a");
  is_ready(pair.a, 'r');
  say("R168.data", poll_of(pair.a, all));
  say("R168.data_read_only", poll_of(pair.a, POLLRDNORM));
  say("R168.in", poll_of(pair.a, POLLIN));
  shutdown(pair.b, SD_SEND);
  settle();
  say("R168.end_with_data", poll_of(pair.a, all));
  got(pair.a);
  say("R168.end", poll_of(pair.a, all));
  say("R168.shut_for_sending", poll_of(pair.b, all));
  pair = connected();
  reset(pair.b);
  is_ready(pair.a, 'r');
  say("R93.poll_after_reset", poll_of(pair.a, all));
  say("R93.error_after_reset", option(pair.a, SOL_SOCKET, SO_ERROR));
  pair = connected();
  send(pair.b, "U", 1, MSG_OOB);
  is_ready(pair.a, 'x');
  say("R168.urgent", poll_of(pair.a, all));
  say("R168.datagram", poll_of(bound(udp()), all));
  say("R168.unbound_datagram", poll_of(udp(), all));
  say("R168.unconnected", poll_of(tcp(), all));
  const SOCKET failed = tcp();
  nonblocking(failed);
  to = nobody();
  connect(failed, to.get(), to.length);
  is_ready(failed, 'x', 8000);
  say("R168.failed_connect", poll_of(failed, all));
  say("R168.no_socket", poll_of(0x1234, all));
  say("R168.POLLPRI", poll_of(pair.a, POLLPRI));
  say("R168.nothing_at_all", rc(WSAPoll(nullptr, 0, 0)));
  say("R168.null", guarded([&] { return rc(WSAPoll(nullptr, 1, 0)); }));
  say("R168.timeout", poll_of(listening(), POLLRDNORM, 20));
}

}  // namespace

void polls() {
  refusals(connected());
  readiness();
  polling();
  polling_many();
  polling_ends();
}

}  // namespace probe
