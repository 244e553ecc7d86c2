// SPDX-License-Identifier: BSD-3-Clause
// Rules 119 and 120: WSARecvMsg and WSASendMsg, and what goes beside the bytes of a datagram.
#include <cstring>
#include <string>

#include "tests/wine/probe.h"

namespace probe {
namespace {

bool is_v4() { return family() == AF_INET; }
int level() { return is_v4() ? int{IPPROTO_IP} : int{IPPROTO_IPV6}; }
int packet_info() { return is_v4() ? IP_PKTINFO : IPV6_PKTINFO; }
int hops_option() { return is_v4() ? IP_RECVTTL : IPV6_HOPLIMIT; }
int hops_object() { return is_v4() ? IP_TTL : IPV6_HOPLIMIT; }
int traffic_option() { return is_v4() ? IP_RECVTOS : IPV6_RECVTCLASS; }

LPFN_WSARECVMSG receiver() { return extension<LPFN_WSARECVMSG>(udp(), WSAID_WSARECVMSG); }

/// A WSAMSG with room for everything.
struct Message {
  explicit Message(ULONG room = sizeof memory, ULONG control_room = sizeof control) {
    part = {room, memory};
    message.name = from.get();
    message.namelen = from.length;
    message.lpBuffers = &part;
    message.dwBufferCount = 1;
    message.Control = {control_room, control};
  }
  std::string receive(SOCKET s, LPWSAOVERLAPPED overlapped = nullptr) {
    bytes = 0xdead;
    return rc(receiver()(s, &message, &bytes, overlapped, nullptr));
  }
  std::string flags() const { return hex(message.dwFlags); }
  std::string text(size_t n) const { return std::string(memory, n); }

  Address from;
  char memory[64]{};
  alignas(16) char control[256]{};
  WSABUF part{};
  WSAMSG message{};
  DWORD bytes = 0;
};

/// An object of control data. @return null: there is none
const WSACMSGHDR* find(Message& message, int type) {
  WSAMSG& m = message.message;
  for (WSACMSGHDR* at = WSA_CMSG_FIRSTHDR(&m); at != nullptr; at = WSA_CMSG_NXTHDR(&m, at)) {
    if (at->cmsg_level == level() && at->cmsg_type == type) return at;
  }
  return nullptr;
}

std::string number_in(Message& message, int type) {
  const WSACMSGHDR* const object = find(message, type);
  if (object == nullptr) return "no object";
  int value = 0;
  std::memcpy(&value, WSA_CMSG_DATA(object), sizeof value);
  return std::to_string(value) + " in " + std::to_string(object->cmsg_len);
}

bool tells_local_address(Message& message) {
  const WSACMSGHDR* const object = find(message, packet_info());
  if (object == nullptr) return false;
  const Address here = local();
  const void* const told = WSA_CMSG_DATA(object);
  return is_v4() ? std::memcmp(told, &reinterpret_cast<const sockaddr_in&>(here.storage).sin_addr, 4) == 0
                 : std::memcmp(told, &reinterpret_cast<const sockaddr_in6&>(here.storage).sin6_addr,
                               16) == 0;
}

void arguments(SOCKET from, SOCKET to) {
  DWORD bytes = 0;
  say("R120.null_message", rc(receiver()(to, nullptr, &bytes, nullptr, nullptr)));
  Message message;
  say("R120.no_socket", message.receive(0x1234));
  const SOCKET unbound = udp();
  nonblocking(unbound);  // Wine would wait
  say("R120.unbound", message.receive(unbound));
  nonblocking(to);
  say("R120.nothing_there", message.receive(to));
  nonblocking(to, false);
  put_to(from, "hello", name_of(to));
  say("R120.plain", message.receive(to));
  say("R120.plain_bytes", message.bytes);
  say("R120.plain_text", message.text(5));
  say("R120.plain_flags", message.flags());
  say("R120.plain_control", message.message.Control.len);
  say("R120.plain_namelen", message.message.namelen);
  say("R120.plain_name", message.from.port() == name_of(from).port());
  Message nameless;
  nameless.message.name = nullptr;
  nameless.message.namelen = 0;
  nameless.message.Control = {0, nullptr};
  put_to(from, "x", name_of(to));
  say("R120.nothing_wanted", nameless.receive(to));
}

void truncated(SOCKET from, SOCKET to) {
  put_to(from, "too long", name_of(to));
  put_to(from, "next", name_of(to));
  Message little(3);
  say("R119.bytes", little.receive(to));
  say("R119.bytes_text", little.text(3));
  say("R119.bytes_flags", little.flags());
  say("R119.bytes_next", got(to));
  put_to(from, "peeked", name_of(to));
  Message peek;
  peek.message.dwFlags = MSG_PEEK;
  say("R120.peek", peek.receive(to));
  say("R120.peek_bytes", peek.bytes);
  say("R120.peek_next", got(to));
}

void control(SOCKET from, SOCKET to) {
  say("R119.set_packet_info", set_option(to, level(), packet_info(), 1));
  say("R119.set_hops", set_option(from, level(), is_v4() ? int{IP_TTL} : int{IPV6_UNICAST_HOPS}, 77));
  put_to(from, "info", name_of(to));
  Message info;
  say("R119.packet_info", info.receive(to));
  say("R119.packet_info_there", find(info, packet_info()) != nullptr);
  say("R119.packet_info_address", tells_local_address(info));
  const WSACMSGHDR* const object = find(info, packet_info());
  say("R119.packet_info_length", object == nullptr ? -1 : static_cast<long long>(object->cmsg_len));
  say("R119.packet_info_flags", info.flags());
  put_to(from, "short", name_of(to));
  Message little(64, 12);
  say("R119.short_control", little.receive(to));
  say("R119.short_control_text", little.text(5));
  say("R119.short_control_flags", little.flags());
  nonblocking(to);
  say("R119.short_control_next", got(to));
  nonblocking(to, false);
  say("R119.set_recvttl", set_option(to, level(), hops_option(), 1));
  say("R119.set_recvtos", set_option(to, level(), traffic_option(), 1));
  put_to(from, "both", name_of(to));
  Message both;
  say("R119.several", both.receive(to));
  say("R119.hops", number_in(both, hops_object()));
  say("R119.traffic", number_in(both, is_v4() ? int{IP_TOS} : int{IPV6_TCLASS}));
  say("R119.address_too", tells_local_address(both));
}

void overlapped(SOCKET from, SOCKET to) {
  Operation operation;
  Message message;
  say("R120.pending", message.receive(to, &operation.overlapped));
  say("R120.pending_error", error_name(WSAGetLastError()));
  put_to(from, "later", name_of(to));
  say("R120.finished", operation.finished(to));
  say("R120.finished_text", message.text(5));
  say("R120.finished_address", tells_local_address(message));
  say("R120.finished_name", message.from.port() == name_of(from).port());
}

struct Sending {
  Sending(const char* text, Address* to) : part{static_cast<ULONG>(std::strlen(text)), const_cast<char*>(text)} {
    message.lpBuffers = &part;
    message.dwBufferCount = 1;
    if (to != nullptr) {
      message.name = to->get();
      message.namelen = to->length;
    }
  }
  std::string send(SOCKET s, DWORD flags = 0) {
    bytes = 0xdead;
    return rc(WSASendMsg(s, &message, flags, &bytes, nullptr, nullptr));
  }
  WSABUF part;
  WSAMSG message{};
  DWORD bytes = 0;
};

void sends(SOCKET from, SOCKET to) {
  Address target = name_of(to);
  Sending plain("sent", &target);
  say("R120.send", plain.send(from));
  say("R120.send_bytes", plain.bytes);
  say("R120.send_arrives", got(to));
  Sending nowhere("nowhere", nullptr);
  say("R120.send_nowhere", nowhere.send(from));
  const Pair pair = datagrams_pair();
  say("R120.send_connected", Sending("to the peer", nullptr).send(pair.a));
  say("R120.send_connected_arrives", got(pair.b));
  DWORD bytes = 0;
  say("R120.send_no_socket", plain.send(0x1234));
  Operation operation;
  say("R120.send_overlapped", rc(WSASendMsg(from, &plain.message, 0, &bytes, &operation.overlapped, nullptr)));
  say("R120.send_overlapped_result", operation.finished(from));
  say("R120.send_overlapped_arrives", got(to));
}

}  // namespace

void messages() {
  const SOCKET from = bound(udp()), to = bound(udp());
  arguments(from, to);
  truncated(from, to);
  control(from, to);
  overlapped(from, to);
  sends(from, to);
}

}  // namespace probe
