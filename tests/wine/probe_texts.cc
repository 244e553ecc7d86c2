// SPDX-License-Identifier: BSD-3-Clause
// Addresses as text and back, byte order, names of hosts and services by number.
#include <cstring>

#include "tests/wine/probe.h"

namespace probe {
namespace {

/// inet_pton, then inet_ntop: the text that an address has.
std::string there_and_back(int af, const char* text) {
  unsigned char bytes[16];
  const int result = inet_pton(af, text, bytes);
  if (result != 1) return "pton " + rc(result);
  char back[64];
  return inet_ntop(af, bytes, back, sizeof back) != nullptr ? back : "ntop " + rc(-1);
}

void pton() {
  const char* const four[] = {"127.0.0.1", "1.2.3.4",   "255.255.255.255", "1.2.3",
                              "1.2.3.4.5", "256.1.1.1", "1.2.3.4 ",        " 1.2.3.4",
                              "",          "a.b.c.d",   "01.2.3.4",        "0x1.2.3.4"};
  for (const char* const text : four) {
    say((std::string("text.pton_4 '") + text + "'").c_str(), there_and_back(AF_INET, text));
  }
  const char* const six[] = {"::",
                             "::1",
                             "2001:DB8::1",
                             "1:2:3:4:5:6:7:8",
                             "1:0:0:2:0:0:0:3",
                             "::ffff:1.2.3.4",
                             "::1.2.3.4",
                             "1:2:3:4:5:6:7",
                             ":::",
                             "1::2::3",
                             "12345::",
                             "g::",
                             "fe80::1%1",
                             "",
                             "1:0:2:3:4:5:6:7",
                             "[::1]"};
  for (const char* const text : six) {
    say((std::string("text.pton_6 '") + text + "'").c_str(), there_and_back(AF_INET6, text));
  }
  unsigned char bytes[16] = {127, 0, 0, 1};
  char room[64];
  say("text.pton_family", rc(inet_pton(77, "1.2.3.4", bytes)));
  say("text.ntop_family", inet_ntop(77, bytes, room, sizeof room) != nullptr ? "text" : rc(-1));
  say("text.ntop_short", inet_ntop(AF_INET, bytes, room, 5) != nullptr ? "text" : rc(-1));
  say("text.ntop_exact", inet_ntop(AF_INET, bytes, room, 10) != nullptr ? "text" : rc(-1));
}

std::string parsed(int af, const char* text) {
  char copy[64];
  std::strcpy(copy, text);
  Address address;
  const int result = WSAStringToAddressA(copy, af, nullptr, address.get(), &address.length);
  if (result != 0) return rc(result);
  char back[64];
  DWORD room = sizeof back;
  const int n =
      WSAAddressToStringA(address.get(), static_cast<DWORD>(address.length), nullptr, back, &room);
  return (n == 0 ? std::string(back) : rc(n)) + " length " + std::to_string(address.length);
}

void winsock_texts() {
  const char* const four[] = {"127.0.0.1", "1.2.3.4:80", "1.2.3.4:0", "1.2.3.4:65536", "1.2.3.4:",
                              "1.2.3",     "",           "name",      "1.2.3.4x"};
  for (const char* const text : four) {
    say((std::string("text.address_4 '") + text + "'").c_str(), parsed(AF_INET, text));
  }
  const char* const six[] = {"::1",         "[::1]:80", "[::1]", "fe80::1%5", "1:2:3:4:5:6:7:8",
                             "[::1]:65536", ":",        ""};
  for (const char* const text : six) {
    say((std::string("text.address_6 '") + text + "'").c_str(), parsed(AF_INET6, text));
  }
  say("text.address_family", parsed(77, "1.2.3.4"));
  Address address = local(80);
  char text[64];
  DWORD room = 3;
  say("text.short", rc(WSAAddressToStringA(address.get(), static_cast<DWORD>(address.length),
                                           nullptr, text, &room)));
  say("text.short_length", room);
  room = sizeof text;
  say("text.short_address", rc(WSAAddressToStringA(address.get(), 4, nullptr, text, &room)));
  say("text.good", rc(WSAAddressToStringA(address.get(), static_cast<DWORD>(address.length),
                                          nullptr, text, &room)));
  say("text.length", room);
  room = sizeof text;
  say("text.null_address",
      guarded([&] { return rc(WSAAddressToStringA(nullptr, 16, nullptr, text, &room)); }));
  int length = 4;
  char one[] = "1.2.3.4";
  say("text.short_room", rc(WSAStringToAddressA(one, AF_INET, nullptr, address.get(), &length)));
  say("text.short_room_length", length);
  say("text.null_string", guarded([&] {
        return rc(WSAStringToAddressA(nullptr, AF_INET, nullptr, address.get(), &length));
      }));
  say("text.inet_addr", hex(inet_addr("1.2.3.4")));
  say("text.inet_addr_bad", hex(inet_addr("1.2.3.4.5")));
  in_addr four_bytes;
  four_bytes.s_addr = htonl(0x01020304);
  say("text.inet_ntoa", inet_ntoa(four_bytes));
}

void byte_order() {
  say("order.htons", hex(htons(0x1234)));
  say("order.htonl", hex(htonl(0x12345678)));
  say("order.htonll", hex(htonll(0x123456789ABCDEF0)));
  const SOCKET s = tcp();
  u_long wide = 0;
  u_short narrow = 0;
  say("order.WSAHtonl", rc(WSAHtonl(s, 0x12345678, &wide)));
  say("order.WSAHtonl_value", hex(wide));
  say("order.WSANtohs", rc(WSANtohs(s, 0x1234, &narrow)));
  say("order.WSANtohs_value", hex(narrow));
  say("order.WSAHtonl_no_socket", rc(WSAHtonl(0x1234, 1, &wide)));
  say("order.WSAHtonl_null", guarded([&] { return rc(WSAHtonl(s, 1, nullptr)); }));
  say("order.WSAHtons_null", guarded([&] { return rc(WSAHtons(s, 1, nullptr)); }));
}

}  // namespace

void texts() {
  pton();
  winsock_texts();
  byte_order();
}

namespace {

/// Entries of getaddrinfo: "1: 2 1 6 port 80", or the error.
std::string resolved(const char* node, const char* service, int flags, int af, int type,
                     int protocol) {
  addrinfo hints{};
  hints.ai_flags = flags;
  hints.ai_family = af;
  hints.ai_socktype = type;
  hints.ai_protocol = protocol;
  addrinfo* first = nullptr;
  const int result = getaddrinfo(node, service, &hints, &first);
  if (result != 0) return error_name(static_cast<DWORD>(result));
  std::string text;
  int n = 0;
  for (const addrinfo* one = first; one != nullptr; one = one->ai_next) {
    ++n;
    text += " " + std::to_string(one->ai_family) + "/" + std::to_string(one->ai_socktype) + "/" +
            std::to_string(one->ai_protocol) + " port " +
            std::to_string(ntohs(reinterpret_cast<sockaddr_in*>(one->ai_addr)->sin_port)) +
            " length " + std::to_string(one->ai_addrlen) +
            (one->ai_canonname != nullptr ? one->ai_canonname : "");
  }
  freeaddrinfo(first);
  return std::to_string(n) + ":" + text;
}

void addrinfo_by_number() {
  const char* const host = family() == AF_INET ? "127.0.0.1" : "::1";
  const char* const other = family() == AF_INET ? "::1" : "127.0.0.1";
  say("name.stream", resolved(host, "80", 0, AF_UNSPEC, SOCK_STREAM, 0));
  say("name.datagram", resolved(host, "80", 0, AF_UNSPEC, SOCK_DGRAM, 0));
  say("name.tcp", resolved(host, "80", 0, AF_UNSPEC, SOCK_STREAM, IPPROTO_TCP));
  say("name.no_type", resolved(host, "80", 0, AF_UNSPEC, 0, 0));
  say("name.no_service", resolved(host, nullptr, 0, AF_UNSPEC, SOCK_STREAM, 0));
  say("name.empty_service", resolved(host, "", 0, AF_UNSPEC, SOCK_STREAM, 0));
  say("name.neither", resolved(nullptr, nullptr, 0, AF_UNSPEC, SOCK_STREAM, 0));
  say("name.passive", resolved(nullptr, "80", AI_PASSIVE, family(), SOCK_STREAM, 0));
  say("name.loopback", resolved(nullptr, "80", 0, family(), SOCK_STREAM, 0));
  say("name.other_family", resolved(other, "80", AI_NUMERICHOST, family(), SOCK_STREAM, 0));
  say("name.numeric", resolved(host, "80", AI_NUMERICHOST, AF_UNSPEC, SOCK_STREAM, 0));
  say("name.not_numeric", resolved("localhost", "80", AI_NUMERICHOST, AF_UNSPEC, SOCK_STREAM, 0));
  say("name.numeric_service", resolved(host, "http", AI_NUMERICSERV, AF_UNSPEC, SOCK_STREAM, 0));
  say("name.bad_family", resolved(host, "80", 0, 77, SOCK_STREAM, 0));
  say("name.bad_type", resolved(host, "80", 0, AF_UNSPEC, 77, 0));
  say("name.bad_flags", resolved(host, "80", AI_CANONNAME | AI_PASSIVE, AF_UNSPEC, SOCK_STREAM, 0));
  say("name.canonical_without_node",
      resolved(nullptr, "80", AI_CANONNAME, AF_UNSPEC, SOCK_STREAM, 0));
  say("name.bad_service", resolved(host, "nosuchservice", 0, AF_UNSPEC, SOCK_STREAM, 0));
  say("name.http", resolved(host, "http", 0, AF_UNSPEC, SOCK_STREAM, 0));
  say("name.type_against_protocol", resolved(host, "80", 0, AF_UNSPEC, SOCK_STREAM, IPPROTO_UDP));
}

std::string named(const Address& address, int length, DWORD host_room, DWORD service_room,
                  int flags) {
  char host[256] = {};
  char service[64] = {};
  const int result = getnameinfo(reinterpret_cast<const sockaddr*>(&address.storage), length,
                                 host_room != 0 ? host : nullptr, host_room,
                                 service_room != 0 ? service : nullptr, service_room, flags);
  return result == 0 ? std::string(host) + " " + service : error_name(static_cast<DWORD>(result));
}

}  // namespace

void resolver() {
  addrinfo_by_number();
  const Address address = local(80);
  say("name.getnameinfo", named(address, address.length, 256, 64, NI_NUMERICHOST | NI_NUMERICSERV));
  say("name.getnameinfo_host", named(address, address.length, 256, 0, NI_NUMERICHOST));
  say("name.getnameinfo_service", named(address, address.length, 0, 64, NI_NUMERICSERV));
  say("name.getnameinfo_http", named(address, address.length, 0, 64, 0));
  say("name.getnameinfo_nothing", named(address, address.length, 0, 0, 0));
  say("name.getnameinfo_short", named(address, 4, 256, 64, NI_NUMERICHOST | NI_NUMERICSERV));
  say("name.getnameinfo_little_room",
      named(address, address.length, 2, 64, NI_NUMERICHOST | NI_NUMERICSERV));
  Address unknown = address;
  unknown.storage.ss_family = 77;
  say("name.getnameinfo_family", named(unknown, unknown.length, 256, 64, NI_NUMERICHOST));
  const servent* const http = getservbyname("http", "tcp");
  say("name.getservbyname",
      http != nullptr ? std::to_string(ntohs(static_cast<u_short>(http->s_port))) : rc(-1));
  say("name.getservbyname_unknown",
      getservbyname("nosuchservice", "tcp") != nullptr ? "found" : rc(-1));
  const protoent* const tcp_entry = getprotobyname("tcp");
  say("name.getprotobyname", tcp_entry != nullptr ? std::to_string(tcp_entry->p_proto) : rc(-1));
  say("name.getprotobyname_unknown",
      getprotobyname("nosuchprotocol") != nullptr ? "found" : rc(-1));
  const protoent* const udp_entry = getprotobynumber(17);
  say("name.getprotobynumber", udp_entry != nullptr ? udp_entry->p_name : rc(-1));
  const hostent* const host = gethostbyname("127.0.0.1");
  say("name.gethostbyname",
      host != nullptr ? std::to_string(host->h_addrtype) + " " + std::to_string(host->h_length)
                      : rc(-1));
  char name[256];
  say("name.gethostname", rc(gethostname(name, sizeof name)));
  say("name.gethostname_short", rc(gethostname(name, 1)));
  say("name.gethostname_null", guarded([&] { return rc(gethostname(nullptr, 100)); }));
}

}  // namespace probe
