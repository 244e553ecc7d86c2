// SPDX-License-Identifier: BSD-3-Clause
// probe                       lists the topics
// probe ADDRESS TOPIC         observes one, over 127.0.0.1 or ::1
#include "tests/wine/probe.h"

#include <cstdio>
#include <cstring>
#include <set>

namespace probe {
namespace {

struct Topic {
  const char* name;
  void (*run)();
};

constexpr Topic kTopics[] = {
    {"startup", startup},       {"sockets", sockets},
    {"names", names},           {"sharing", sharing},
    {"options", options},       {"inherited_options", inherited_options},
    {"ioctls", ioctls},         {"receive", receive},
    {"flags", flags},           {"overlapped", overlapped},
    {"routines", routines},     {"events", events},
    {"ports", ports},           {"cancel", cancel},
    {"endings", endings},       {"datagrams", datagrams},
    {"polls", polls},           {"accept_ex", accept_ex},
    {"connect_ex", connect_ex}, {"pointers", pointers},
    {"texts", texts},           {"resolver", resolver},
    {"duplicates", duplicates}, {"objects", objects},
    {"waitables", waitables},   {"messages", messages},
};

Address the_address;

int run(const char* address, const char* name) {
  for (const Topic& topic : kTopics) {
    if (std::strcmp(topic.name, name) != 0) continue;
    WSADATA data;
    if (topic.run != startup && WSAStartup(MAKEWORD(2, 2), &data) != 0) return 1;
    const bool is_v6 = std::strchr(address, ':') != nullptr;
    the_address.storage.ss_family = is_v6 ? AF_INET6 : AF_INET;
    the_address.length = is_v6 ? sizeof(sockaddr_in6) : sizeof(sockaddr_in);
    void* const host =
        is_v6
            ? static_cast<void*>(&reinterpret_cast<sockaddr_in6*>(&the_address.storage)->sin6_addr)
            : &reinterpret_cast<sockaddr_in*>(&the_address.storage)->sin_addr;
    if (inet_pton(the_address.storage.ss_family, address, host) != 1) return 1;
    topic.run();
    if (topic.run == startup) return 0;
    close_all();
    return WSACleanup();
  }
  std::fprintf(stderr, "probe: no topic %s\n", name);
  return 1;
}

}  // namespace

int family() { return the_address.storage.ss_family; }

Address local(u_short port) {
  Address address = the_address;
  address.set_port(port);
  return address;
}

void say(const char* name, const std::string& value) {
  std::printf("%s: %s\n", name, value.c_str());
  std::fflush(stdout);
}
void say(const char* name, long long value) { say(name, std::to_string(value)); }

}  // namespace probe

int main(int argc, char** argv) {
  if (argc == 3) return probe::run(argv[1], argv[2]);
  for (const auto& topic : probe::kTopics) std::printf("%s\n", topic.name);
  return argc == 1 ? 0 : 1;
}
