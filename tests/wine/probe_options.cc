// SPDX-License-Identifier: BSD-3-Clause
// Rules 178 to 186: options.
#include <cstring>

#include "tests/wine/probe.h"

namespace probe {
namespace {

/// What getsockopt says of an option, given room bytes: "0 in 4 bytes", or the error.
std::string asked(SOCKET s, int level, int name, int room) {
  unsigned char memory[64];
  std::memset(memory, 0xEE, sizeof memory);
  int length = room;
  const int result = getsockopt(s, level, name, reinterpret_cast<char*>(memory), &length);
  if (result != 0) return rc(result);
  return "byte " + std::to_string(memory[0]) + " in " + std::to_string(length);
}

std::string set_bytes(SOCKET s, int level, int name, int length) {
  const unsigned char memory[16] = {1};
  return set_option(s, level, name, memory, length);
}

/// A truth value: how many bytes it takes, and what it is at first.
void boolean(const char* name, SOCKET s, int level, int option_name) {
  const auto tell = [name](const char* what, const std::string& value) {
    say((std::string("R179.") + name + "." + what).c_str(), value);
  };
  tell("at_first", asked(s, level, option_name, 4));
  tell("asked_1", asked(s, level, option_name, 1));
  tell("asked_2", asked(s, level, option_name, 2));
  tell("asked_0", asked(s, level, option_name, 0));
  tell("set_1_byte", set_bytes(s, level, option_name, 1));
  tell("then", asked(s, level, option_name, 4));
  tell("set_0_bytes", set_bytes(s, level, option_name, 0));
  tell("set_null", set_option(s, level, option_name, nullptr, 0));
  tell("set_77", set_option(s, level, option_name, 77));
  tell("normalised", asked(s, level, option_name, 4));
  tell("set_256", set_option(s, level, option_name, 256));
  tell("first_byte_or_all", asked(s, level, option_name, 4));
  tell("set_0", set_option(s, level, option_name, 0));
  tell("finally", asked(s, level, option_name, 8));
}

/// A number: how many bytes it takes, and what it is at first.
void number(const char* name, SOCKET s, int level, int option_name, int value) {
  const auto tell = [name](const char* what, const std::string& text) {
    say((std::string("R178.") + name + "." + what).c_str(), text);
  };
  tell("asked_3", asked(s, level, option_name, 3));
  tell("set_3_bytes", set_bytes(s, level, option_name, 3));
  tell("set", set_option(s, level, option_name, value));
  tell("then", option(s, level, option_name));
}

void buffers(SOCKET s) {
  number("SO_RCVBUF", s, SOL_SOCKET, SO_RCVBUF, 4096);
  number("SO_SNDBUF", s, SOL_SOCKET, SO_SNDBUF, 4096);
  say("R178.SO_RCVBUF_zero", set_option(s, SOL_SOCKET, SO_RCVBUF, 0));
  say("R178.SO_RCVBUF_zero_then", option(s, SOL_SOCKET, SO_RCVBUF));
  say("R178.SO_SNDBUF_zero", set_option(s, SOL_SOCKET, SO_SNDBUF, 0));
  say("R178.SO_SNDBUF_zero_then", option(s, SOL_SOCKET, SO_SNDBUF));
  number("SO_RCVTIMEO", s, SOL_SOCKET, SO_RCVTIMEO, 250);
  number("SO_SNDTIMEO", s, SOL_SOCKET, SO_SNDTIMEO, 250);
  say("R178.SO_RCVTIMEO_odd", set_option(s, SOL_SOCKET, SO_RCVTIMEO, 1237));
  say("R178.SO_RCVTIMEO_odd_then", option(s, SOL_SOCKET, SO_RCVTIMEO));
}

void lingering() {
  const SOCKET s = tcp();
  linger value{7, 7};
  int length = sizeof value;
  say("R180.at_first",
      rc(getsockopt(s, SOL_SOCKET, SO_LINGER, reinterpret_cast<char*>(&value), &length)));
  say("R180.onoff_at_first", value.l_onoff);
  say("R180.dontlinger_at_first", option(s, SOL_SOCKET, SO_DONTLINGER));
  const linger on{1, 30};
  say("R180.on", set_option(s, SOL_SOCKET, SO_LINGER, &on, sizeof on));
  say("R180.dontlinger_then", option(s, SOL_SOCKET, SO_DONTLINGER));
  getsockopt(s, SOL_SOCKET, SO_LINGER, reinterpret_cast<char*>(&value), &length);
  say("R180.seconds", value.l_linger);
  say("R180.dontlinger", set_option(s, SOL_SOCKET, SO_DONTLINGER, 1));
  getsockopt(s, SOL_SOCKET, SO_LINGER, reinterpret_cast<char*>(&value), &length);
  say("R180.onoff_then", value.l_onoff);
  say("R180.seconds_then", value.l_linger);
  say("R180.short", set_option(s, SOL_SOCKET, SO_LINGER, &on, 3));
  length = 3;
  say("R180.asked_short",
      rc(getsockopt(s, SOL_SOCKET, SO_LINGER, reinterpret_cast<char*>(&value), &length)));
  say("R180.datagram", set_option(udp(), SOL_SOCKET, SO_LINGER, &on, sizeof on));
  say("R180.datagram_dontlinger", option(udp(), SOL_SOCKET, SO_DONTLINGER));
}

void unknown(SOCKET s) {
  say("R181.unknown_option", option(s, SOL_SOCKET, 0x7654));
  say("R181.set_unknown_option", set_option(s, SOL_SOCKET, 0x7654, 1));
  say("R181.unknown_level", option(s, 0x1234, 1));
  say("R181.set_unknown_level", set_option(s, 0x1234, 1, 1));
  say("R181.unknown_tcp_option", option(s, IPPROTO_TCP, 0x7654));
  say("R181.SO_ACCEPTCONN", option(s, SOL_SOCKET, SO_ACCEPTCONN));
  say("R181.SO_ACCEPTCONN_listening", option(listening(), SOL_SOCKET, SO_ACCEPTCONN));
  say("R181.SO_ACCEPTCONN_datagram", option(udp(), SOL_SOCKET, SO_ACCEPTCONN));
  say("R181.set_SO_ACCEPTCONN", set_option(s, SOL_SOCKET, SO_ACCEPTCONN, 1));
  say("R181.SO_RCVLOWAT", option(s, SOL_SOCKET, SO_RCVLOWAT));
  say("R181.SO_SNDLOWAT", option(s, SOL_SOCKET, SO_SNDLOWAT));
  say("R181.set_SO_TYPE", set_option(s, SOL_SOCKET, SO_TYPE, 1));
  say("R181.TCP_NODELAY_of_datagram", option(udp(), IPPROTO_TCP, TCP_NODELAY));
  say("R182.SO_ERROR", option(s, SOL_SOCKET, SO_ERROR));
  say("R182.set_SO_ERROR", set_option(s, SOL_SOCKET, SO_ERROR, 5));
  say("R185.SO_TYPE_stream", option(s, SOL_SOCKET, SO_TYPE));
  say("R185.SO_TYPE_datagram", option(udp(), SOL_SOCKET, SO_TYPE));
  say("R185.SO_MAX_MSG_SIZE_datagram", option(udp(), SOL_SOCKET, SO_MAX_MSG_SIZE));
  say("R185.SO_MAX_MSG_SIZE_stream", option(s, SOL_SOCKET, SO_MAX_MSG_SIZE));
  say("R183.unconnected", option(s, SOL_SOCKET, 0x700C));  // SO_CONNECT_TIME
  say("R183.connected", option(connected().a, SOL_SOCKET, 0x700C));
  say("R183.datagram", option(udp(), SOL_SOCKET, 0x700C));
  WSAPROTOCOL_INFOW info;
  int length = sizeof info;
  say("R184.info",
      rc(getsockopt(s, SOL_SOCKET, SO_PROTOCOL_INFOW, reinterpret_cast<char*>(&info), &length)));
  say("R184.length", length);
  say("R184.type", info.iSocketType);
  say("R184.protocol", info.iProtocol);
  length = 627;
  say("R184.short",
      rc(getsockopt(s, SOL_SOCKET, SO_PROTOCOL_INFOW, reinterpret_cast<char*>(&info), &length)));
  say("R184.short_length", length);
}

}  // namespace

void options() {
  const SOCKET s = tcp();
  boolean("SO_REUSEADDR", s, SOL_SOCKET, SO_REUSEADDR);
  boolean("SO_EXCLUSIVEADDRUSE", tcp(), SOL_SOCKET, SO_EXCLUSIVEADDRUSE);
  boolean("SO_KEEPALIVE", s, SOL_SOCKET, SO_KEEPALIVE);
  boolean("SO_OOBINLINE", s, SOL_SOCKET, SO_OOBINLINE);
  boolean("SO_BROADCAST", udp(), SOL_SOCKET, SO_BROADCAST);
  boolean("SO_BROADCAST_of_stream", s, SOL_SOCKET, SO_BROADCAST);
  boolean("SO_KEEPALIVE_of_datagram", udp(), SOL_SOCKET, SO_KEEPALIVE);
  boolean("SO_DONTLINGER", s, SOL_SOCKET, SO_DONTLINGER);
  boolean("SO_DONTROUTE", s, SOL_SOCKET, SO_DONTROUTE);
  boolean("TCP_NODELAY", s, IPPROTO_TCP, TCP_NODELAY);
  buffers(s);
  const int level = family() == AF_INET ? int{IPPROTO_IP} : int{IPPROTO_IPV6};
  if (family() == AF_INET) {
    boolean("IP_PKTINFO", udp(), level, IP_PKTINFO);
    boolean("IP_RECVTTL", udp(), level, IP_RECVTTL);
    boolean("IP_MULTICAST_LOOP", udp(), level, IP_MULTICAST_LOOP);
  } else {
    boolean("IPV6_V6ONLY", udp(), level, IPV6_V6ONLY);
    boolean("IPV6_PKTINFO", udp(), level, IPV6_PKTINFO);
    boolean("IPV6_HOPLIMIT", udp(), level, IPV6_HOPLIMIT);
    boolean("IPV6_MULTICAST_LOOP", udp(), level, IPV6_MULTICAST_LOOP);
    boolean("IPV6_DONTFRAG", udp(), level, IPV6_DONTFRAG);
  }
  number("hops", s, level, family() == AF_INET ? IP_TTL : IPV6_UNICAST_HOPS, 55);
  number("multicast_hops", udp(), level,
         family() == AF_INET ? IP_MULTICAST_TTL : IPV6_MULTICAST_HOPS, 5);
  lingering();
  unknown(s);
  say("R181.set_TCP_NODELAY_of_datagram", set_option(udp(), IPPROTO_TCP, TCP_NODELAY, 1));
  say("R180.set_datagram_dontlinger", set_option(udp(), SOL_SOCKET, SO_DONTLINGER, 1));
}

void inherited_options() {
  const SOCKET listener = bound(tcp());
  const struct {
    const char* name;
    int level;
    int option;
    int value;
  } rows[] = {{"SO_REUSEADDR", SOL_SOCKET, SO_REUSEADDR, 1},
              {"SO_KEEPALIVE", SOL_SOCKET, SO_KEEPALIVE, 1},
              {"SO_OOBINLINE", SOL_SOCKET, SO_OOBINLINE, 1},
              {"SO_RCVBUF", SOL_SOCKET, SO_RCVBUF, 6000},
              {"SO_SNDBUF", SOL_SOCKET, SO_SNDBUF, 6000},
              {"SO_RCVTIMEO", SOL_SOCKET, SO_RCVTIMEO, 2500},
              {"SO_SNDTIMEO", SOL_SOCKET, SO_SNDTIMEO, 2500},
              {"TCP_NODELAY", IPPROTO_TCP, TCP_NODELAY, 1}};
  for (const auto& row : rows) set_option(listener, row.level, row.option, row.value);
  const linger on{1, 25};
  set_option(listener, SOL_SOCKET, SO_LINGER, &on, sizeof on);
  listen(listener, 5);
  Address to = name_of(listener);
  connect(tcp(), to.get(), to.length);
  const SOCKET s = keep(accept(listener, nullptr, nullptr));
  for (const auto& row : rows) {
    say((std::string("R186.") + row.name).c_str(), option(s, row.level, row.option));
  }
  linger value{};
  int length = sizeof value;
  getsockopt(s, SOL_SOCKET, SO_LINGER, reinterpret_cast<char*>(&value), &length);
  say("R186.SO_LINGER_onoff", value.l_onoff);
  say("R186.SO_LINGER_seconds", value.l_linger);
  nonblocking(listener);
  connect(tcp(), to.get(), to.length);
  const SOCKET quick = keep(accept(listener, nullptr, nullptr));
  say("R186.nonblocking", got(quick, 1));
}

}  // namespace probe
