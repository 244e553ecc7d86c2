// SPDX-License-Identifier: BSD-3-Clause
// Name resolution, as far as it needs no network: numbers, and the files of the C library.
#include <cstring>
#include <memory>

#include "tests/ws2_32/ws2.h"

namespace millrace::test {
namespace {

class Ws2Names : public Ws2Test {};

TEST_F(Ws2Names, ANumericAddressIsOneEntryWithTheTypeOfTheHints) {
  for (const int type : {0, SOCK_STREAM, SOCK_DGRAM}) {
    addrinfo hints{};
    hints.ai_socktype = type;
    addrinfo* list = nullptr;
    ASSERT_EQ(getaddrinfo("127.0.0.1", "80", &hints, &list), 0);
    EXPECT_EQ(list->ai_family, AF_INET);
    EXPECT_EQ(list->ai_socktype, type);
    EXPECT_EQ(list->ai_addrlen, sizeof(sockaddr_in));
    EXPECT_EQ(list->ai_next, nullptr);
    EXPECT_EQ(reinterpret_cast<sockaddr_in*>(list->ai_addr)->sin_port, htons(80));
    freeaddrinfo(list);
  }
}

TEST_F(Ws2Names, AnIpv6AddressHasWindowsFamily) {
  ADDRINFOW* list = nullptr;
  ADDRINFOW hints{};
  hints.ai_flags = AI_NUMERICHOST | AI_CANONNAME;
  ASSERT_EQ(GetAddrInfoW(u"::1", u"7", &hints, &list), 0);
  EXPECT_EQ(list->ai_family, AF_INET6);
  EXPECT_EQ(list->ai_addr->sa_family, AF_INET6);
  EXPECT_TRUE(std::u16string(list->ai_canonname) == u"::1");
  FreeAddrInfoW(list);
}

TEST_F(Ws2Names, ErrorsAreWinsocksAndInTheLastErrorToo) {
  addrinfo* list = nullptr;
  addrinfo hints{};
  EXPECT_EQ(getaddrinfo(nullptr, nullptr, nullptr, &list), WSAHOST_NOT_FOUND);
  EXPECT_EQ(WSAGetLastError(), WSAHOST_NOT_FOUND);
  hints.ai_flags = AI_NUMERICHOST;
  EXPECT_EQ(getaddrinfo("nobody.invalid", nullptr, &hints, &list), EAI_NONAME);
  hints.ai_family = 99;
  EXPECT_EQ(getaddrinfo("127.0.0.1", nullptr, &hints, &list), EAI_FAMILY);
  hints.ai_family = AF_INET;
  hints.ai_socktype = 99;
  EXPECT_EQ(getaddrinfo("127.0.0.1", nullptr, &hints, &list), EAI_SOCKTYPE);
  EXPECT_EQ(list, nullptr);
  EXPECT_STRNE(gai_strerror(EAI_NONAME), gai_strerror(EAI_FAMILY));
  EXPECT_NE(gai_strerrorW(EAI_NONAME)[0], 0);
}

TEST_F(Ws2Names, AnAddressIsNamedByNumber) {
  sockaddr_in a = loopback(htons(80));
  char host[NI_MAXHOST];
  char service[NI_MAXSERV];
  auto* const address = reinterpret_cast<sockaddr*>(&a);
  ASSERT_EQ(getnameinfo(address, sizeof a, host, sizeof host, service, sizeof service,
                        NI_NUMERICHOST | NI_NUMERICSERV),
            0);
  EXPECT_STREQ(host, "127.0.0.1");
  EXPECT_STREQ(service, "80");
  WCHAR wide[NI_MAXHOST];
  ASSERT_EQ(GetNameInfoW(address, sizeof a, wide, NI_MAXHOST, nullptr, 0, NI_NUMERICHOST), 0);
  EXPECT_TRUE(std::u16string(wide) == u"127.0.0.1");
  EXPECT_EQ(getnameinfo(address, 4, host, sizeof host, nullptr, 0, 0), WSAEFAULT);
  EXPECT_EQ(getnameinfo(address, sizeof a, nullptr, 0, nullptr, 0, 0), WSAHOST_NOT_FOUND);
  a.sin_family = 77;
  EXPECT_EQ(getnameinfo(address, sizeof a, host, sizeof host, nullptr, 0, 0), WSAEAFNOSUPPORT);
}

TEST_F(Ws2Names, HostsByNumberFillWindowsStructure) {
  const hostent* const host = gethostbyname("127.0.0.1");
  ASSERT_NE(host, nullptr);
  EXPECT_EQ(host->h_addrtype, AF_INET);
  EXPECT_EQ(host->h_length, 4);
  in_addr address;
  std::memcpy(&address, host->h_addr_list[0], sizeof address);
  EXPECT_EQ(address.s_addr, htonl(INADDR_LOOPBACK));
  EXPECT_EQ(gethostbyaddr("abcd", 4, 99), nullptr);
  EXPECT_EQ(WSAGetLastError(), WSAEAFNOSUPPORT);
  EXPECT_EQ(gethostbyaddr("abcd", 2, AF_INET), nullptr);
  EXPECT_EQ(WSAGetLastError(), WSAEFAULT);
}

TEST_F(Ws2Names, AHostnameNeedsRoom) {
  char name[256];
  ASSERT_EQ(gethostname(name, sizeof name), 0);
  EXPECT_GT(std::strlen(name), 0U);
  EXPECT_EQ(error_of(gethostname(name, 1)), WSAEFAULT);
  EXPECT_EQ(error_of(gethostname(nullptr, 256)), WSAEFAULT);
  WCHAR wide[256];
  EXPECT_EQ(GetHostNameW(wide, 256), 0);
}

TEST_F(Ws2Names, UnknownServicesAndProtocolsAreNoData) {
  EXPECT_EQ(getservbyname("no-such-service", "tcp"), nullptr);
  EXPECT_EQ(WSAGetLastError(), WSANO_DATA);
  EXPECT_EQ(getservbyport(1, "no-such-protocol"), nullptr);
  EXPECT_EQ(getprotobyname("no-such-protocol"), nullptr);
  EXPECT_EQ(getprotobynumber(254), nullptr);
}

TEST_F(Ws2Names, TextAndAddressesOfAnotherFamilyAreRefused) {
  sockaddr_in6 a{};
  EXPECT_EQ(InetPtonW(AF_INET6, u"2001:db8::7", &a.sin6_addr), 1);
  WCHAR text[INET6_ADDRSTRLEN];
  ASSERT_NE(InetNtopW(AF_INET6, &a.sin6_addr, text, INET6_ADDRSTRLEN), nullptr);
  EXPECT_TRUE(std::u16string(text) == u"2001:db8::7");
  EXPECT_EQ(InetNtopW(AF_INET6, &a.sin6_addr, text, 3), nullptr);
  EXPECT_EQ(WSAGetLastError(), WSA_INVALID_PARAMETER);
  EXPECT_EQ(error_of(inet_pton(10, "::1", &a.sin6_addr)), WSAEAFNOSUPPORT) << "Linux' number";
}

}  // namespace
}  // namespace millrace::test
