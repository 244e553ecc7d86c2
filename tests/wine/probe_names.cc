// SPDX-License-Identifier: BSD-3-Clause
// Rules 187, 194, 195, 197 to 200: names, accept and connect, who may share a port.
#include "tests/wine/probe.h"

namespace probe {
namespace {

std::string bind_to(SOCKET s, Address address) {
  return rc(bind(s, address.get(), address.length));
}

std::string bind_short(SOCKET s, int length) { return rc(bind(s, local().get(), length)); }

Address foreign() {
  Address address = local();
  if (family() == AF_INET) {
    reinterpret_cast<sockaddr_in*>(&address.storage)->sin_addr.s_addr =
        htonl(0xC0000201);  // 192.0.2.1
  } else {
    inet_pton(AF_INET6, "2001:db8::1",
              &reinterpret_cast<sockaddr_in6*>(&address.storage)->sin6_addr);
  }
  return address;
}

void binding(SOCKET (*make)(), const std::string& kind) {
  const auto tell = [&kind](const char* what, const std::string& value) {
    say(("R197." + kind + "." + what).c_str(), value);
  };
  SOCKET s = make();
  Address name;
  tell("getsockname_unbound", rc(getsockname(s, name.get(), &name.length)));
  tell("getpeername_unbound", rc(getpeername(s, name.get(), &name.length)));
  tell("short", bind_short(s, local().length - 1));
  tell("length_zero", bind_short(s, 0));
  tell("length_negative", bind_short(s, -1));
  Address other = local();
  other.storage.ss_family = 77;
  tell("family_unknown", bind_to(s, other));
  other.storage.ss_family = AF_UNSPEC;
  tell("family_unspecified", bind_to(s, other));
  tell("foreign_address", bind_to(s, foreign()));
  tell("good", bind_to(s, local()));
  tell("twice", bind_to(s, local()));
  name = name_of(s);
  tell("name_has_a_port", std::to_string(name.port() != 0));
  tell("name_is_the_address", std::to_string(name.is_local()));
  tell("name_length", std::to_string(name.length));
  tell("in_use", bind_to(make(), name));
  name.length = sizeof(sockaddr_storage);
  int room = 3;
  tell("getsockname_short", rc(getsockname(s, name.get(), &room)));
  tell("getsockname_short_length", std::to_string(room));
  tell("longer_than_needed", rc(bind(make(), local().get(), sizeof(sockaddr_storage))));
}

void listening_errors() {
  say("R197.listen_unbound", rc(listen(tcp(), 1)));
  say("R197.listen_datagram", rc(listen(bound(udp()), 1)));
  const SOCKET listener = listening();
  say("R197.listen_twice", rc(listen(listener, 3)));
  say("R197.listen_negative", rc(listen(bound(tcp()), -1)));
  say("R197.listen_somaxconn", rc(listen(bound(tcp()), SOMAXCONN)));
  say("R197.listen_connected", rc(listen(connected().a, 1)));
  say("R197.bind_listener", bind_to(listener, local()));
  say("R197.getpeername_listener", [listener] {
    Address name;
    return rc(getpeername(listener, name.get(), &name.length));
  }());
  say("R194.connect_listener", [listener] {
    Address to = nobody();
    return rc(connect(listener, to.get(), to.length));
  }());
  say("R101.accept_not_listening", rc_socket(accept(bound(tcp()), nullptr, nullptr)));
  say("R101.accept_datagram", rc_socket(accept(bound(udp()), nullptr, nullptr)));
  nonblocking(listener);
  say("R187.accept_nobody", rc_socket(accept(listener, nullptr, nullptr)));
}

void accepting() {
  const SOCKET listener = listening();
  Address to = name_of(listener);
  const SOCKET client = tcp();
  connect(client, to.get(), to.length);
  Address from;
  from.length = 4;
  say("R187.short_address", rc_socket(keep(accept(listener, from.get(), &from.length))));
  say("R187.short_address_length", from.length);
  if (!is_ready(listener, 'r', 0)) connect(tcp(), to.get(), to.length);
  from.length = sizeof(sockaddr_storage);
  const SOCKET server = keep(accept(listener, from.get(), &from.length));
  say("R187.accept", rc_socket(server));
  say("R187.address_length", from.length);
  say("R187.address_is_the_peers", from.is_local());
  connect(tcp(), to.get(), to.length);
  int length = sizeof(sockaddr_storage);
  say("R187.length_without_address", rc_socket(keep(accept(listener, nullptr, &length))));
  say("R187.length_is_left_alone", length);
  connect(tcp(), to.get(), to.length);
  say("R187.address_without_length", rc_socket(keep(accept(listener, from.get(), nullptr))));
  Address peer;
  say("R187.getpeername", rc(getpeername(server, peer.get(), &peer.length)));
  say("R187.getpeername_length", peer.length);
  say("R187.local_port_is_the_listeners", name_of(server).port() == to.port());
  say("R187.accepting_from_a_connection", rc_socket(accept(server, nullptr, nullptr)));
}

int CALLBACK condition(LPWSABUF, LPWSABUF, LPQOS, LPQOS, LPWSABUF, LPWSABUF, GROUP*,
                       DWORD_PTR wanted) {
  return static_cast<int>(wanted);
}

void conditions() {
  const SOCKET listener = listening();
  Address to = name_of(listener);
  const SOCKET client = tcp();
  connect(client, to.get(), to.length);
  is_ready(listener, 'r');
  say("R187.defer", rc_socket(WSAAccept(listener, nullptr, nullptr, condition, CF_DEFER)));
  say("R187.deferred_waits_on", is_ready(listener, 'r', 0));
  say("R187.accept_deferred",
      rc_socket(keep(WSAAccept(listener, nullptr, nullptr, condition, CF_ACCEPT))));
  const SOCKET second = tcp();
  connect(second, to.get(), to.length);
  is_ready(listener, 'r');
  say("R187.reject", rc_socket(WSAAccept(listener, nullptr, nullptr, condition, CF_REJECT)));
  say("R187.rejected_is_gone", is_ready(listener, 'r', 0));
  say("R187.rejected_peer_hears", is_ready(second, 'r'));
}

void connecting() {
  SOCKET s = tcp();
  Address to = nobody();
  say("R195.refused", rc(connect(s, to.get(), to.length)));
  say("R195.refused_again", rc(connect(s, to.get(), to.length)));
  const SOCKET listener = listening();
  to = name_of(listener);
  say("R195.usable_after_refusal", rc(connect(s, to.get(), to.length)));
  say("R194.connect_connected", rc(connect(s, to.get(), to.length)));
  say("R194.bind_connected", bind_to(s, local()));
  say("R194.connect_short", rc(connect(tcp(), to.get(), 4)));
  say("R194.connect_port_zero", rc(connect(tcp(), local().get(), local().length)));
  Address any = wildcard(to.port());
  say("R194.connect_wildcard", rc(connect(tcp(), any.get(), any.length)));
  Address other = to;
  other.storage.ss_family = family() == AF_INET ? AF_INET6 : AF_INET;
  say("R194.connect_other_family", rc(connect(tcp(), other.get(), sizeof(sockaddr_in6))));
  other.storage.ss_family = 77;
  say("R194.connect_unknown_family", rc(connect(tcp(), other.get(), other.length)));
  s = tcp();
  nonblocking(s);
  say("R194.nonblocking", rc(connect(s, to.get(), to.length)));
  say("R194.nonblocking_is_writable", is_ready(s, 'w'));
  say("R194.nonblocking_connected", rc(connect(s, to.get(), to.length)));
  s = tcp();
  nonblocking(s);
  to = nobody();
  say("R164.refused_nonblocking", rc(connect(s, to.get(), to.length)));
  say("R164.is_exceptional", is_ready(s, 'x', 8000));
  say("R164.is_writable", is_ready(s, 'w', 0));
  say("R164.error", option(s, SOL_SOCKET, SO_ERROR));
  say("R164.recv_after_it", got(s));
  say("R164.send_after_it", rc(put(s, "x")));
}

}  // namespace

void names() {
  binding(tcp, "stream");
  binding(udp, "datagram");
  listening_errors();
  accepting();
  conditions();
  connecting();
}

namespace {

std::string share(SOCKET (*make)(), int first_option, int second_option, bool first_any,
                  bool second_any) {
  const SOCKET first = make();
  const SOCKET second = make();
  if (first_option != 0) set_option(first, SOL_SOCKET, first_option, 1);
  if (second_option != 0) set_option(second, SOL_SOCKET, second_option, 1);
  Address address = first_any ? wildcard() : local();
  if (bind(first, address.get(), address.length) != 0) return "first: " + rc(-1);
  Address next = second_any ? wildcard(name_of(first).port()) : local(name_of(first).port());
  const std::string result = rc(bind(second, next.get(), next.length));
  close_all();
  return result;
}

}  // namespace

void sharing() {
  const struct {
    const char* name;
    int value;
  } kinds[] = {{"none", 0}, {"reuse", SO_REUSEADDR}, {"exclusive", SO_EXCLUSIVEADDRUSE}};
  for (const auto make : {tcp, udp}) {
    for (const auto& first : kinds) {
      for (const auto& second : kinds) {
        const std::string name = std::string("R198.") + (make == tcp ? "stream." : "datagram.") +
                                 first.name + "_then_" + second.name;
        say((name + ".same").c_str(), share(make, first.value, second.value, false, false));
        say((name + ".specific_wildcard").c_str(),
            share(make, first.value, second.value, false, true));
        say((name + ".wildcard_specific").c_str(),
            share(make, first.value, second.value, true, false));
        say((name + ".wildcard_wildcard").c_str(),
            share(make, first.value, second.value, true, true));
      }
    }
  }
  const SOCKET s = tcp();
  set_option(s, SOL_SOCKET, SO_REUSEADDR, 1);
  say("R200.exclusive_after_reuse", set_option(s, SOL_SOCKET, SO_EXCLUSIVEADDRUSE, 1));
  const SOCKET other = tcp();
  set_option(other, SOL_SOCKET, SO_EXCLUSIVEADDRUSE, 1);
  say("R200.reuse_after_exclusive", set_option(other, SOL_SOCKET, SO_REUSEADDR, 1));
  say("R200.reuse_off_after_exclusive", set_option(other, SOL_SOCKET, SO_REUSEADDR, 0));
  say("R200.reuse_after_bind", set_option(bound(tcp()), SOL_SOCKET, SO_REUSEADDR, 1));
  say("R200.exclusive_after_bind", set_option(bound(tcp()), SOL_SOCKET, SO_EXCLUSIVEADDRUSE, 1));
}

}  // namespace probe
