// SPDX-License-Identifier: BSD-3-Clause
// The entries, the choice among them, and WSCEnumProtocols.
//
// Invariant: what a provider publishes without being a file system, and the answers that WSASocket
// and WSAEnumProtocols give on Windows.
#include "spi_shim/catalog.h"

#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

#include "ws2spi.h"

namespace millrace {
namespace {

DWORD id_of(const CatalogMatch& match) {
  EXPECT_EQ(match.error == WsaError::kOk, match.entry != nullptr);
  return match.entry == nullptr ? 0 : match.entry->dwCatalogEntryId;
}

TEST(Catalog, PublishesTcpAndUdpForBothFamilies) {  // winsock-rules 15, 69
  ASSERT_EQ(catalog().size(), MILLRACE_SCTP ? 8U : 4U);
  std::set<std::u16string> names;
  DWORD id = 1001;
  for (const WSAPROTOCOL_INFOW& e : catalog().first(4)) {
    EXPECT_EQ(e.dwCatalogEntryId, id++);
    EXPECT_EQ(e.ProviderId, kProviderId);
    EXPECT_EQ(e.dwServiceFlags1 & XP1_IFS_HANDLES, 0U);
    EXPECT_EQ(e.dwServiceFlags1, e.iSocketType == WS_SOCK_STREAM ? 0x66U : 0x609U);
    EXPECT_EQ(e.dwProviderFlags, 8U);
    EXPECT_EQ(e.ProtocolChain.ChainLen, 1);
    EXPECT_EQ(e.iVersion, 2);
    EXPECT_EQ(e.iMaxSockAddr, e.iAddressFamily == WS_AF_INET ? 16 : 28);
    EXPECT_EQ(e.iMinSockAddr, e.iMaxSockAddr);
    EXPECT_EQ(e.iProtocol, e.iSocketType == WS_SOCK_STREAM ? 6 : 17);
    EXPECT_EQ(e.iNetworkByteOrder, BIGENDIAN);
    EXPECT_EQ(e.dwMessageSize, e.iSocketType == WS_SOCK_STREAM ? 0U : 65467U);
    names.insert(e.szProtocol);
  }
  EXPECT_EQ(names, (std::set<std::u16string>{u"millrace TCP/IP", u"millrace TCP/IPv6",
                                             u"millrace UDP/IP", u"millrace UDP/IPv6"}));
}

TEST(Catalog, PublishesSctpWithMsgPartialAndWithout) {
  DWORD id = 1005;
  for (const WSAPROTOCOL_INFOW& e : catalog().subspan(4)) {
    const bool is_whole = id > 1006;
    EXPECT_EQ(e.dwCatalogEntryId, id++);
    EXPECT_EQ(e.iSocketType, WS_SOCK_SEQPACKET);
    EXPECT_EQ(e.iProtocol, WS_IPPROTO_SCTP);
    EXPECT_EQ(e.dwServiceFlags1 & XP1_PARTIAL_MESSAGE, is_whole ? 0U : DWORD{XP1_PARTIAL_MESSAGE});
    EXPECT_EQ(e.dwServiceFlags1 & ~DWORD{XP1_PARTIAL_MESSAGE},
              DWORD{XP1_MESSAGE_ORIENTED | XP1_GUARANTEED_DELIVERY | XP1_GUARANTEED_ORDER | XP1_GRACEFUL_CLOSE});
    EXPECT_EQ(e.dwMessageSize, 0xffffffffU);
  }
}

TEST(CatalogFind, HasSctpWhereItWasBuiltIn) {
  EXPECT_EQ(catalog_find(WS_AF_INET, WS_SOCK_SEQPACKET, WS_IPPROTO_SCTP).error,
            MILLRACE_SCTP ? WsaError::kOk : WsaError::kSocktNoSupport);
  EXPECT_EQ(catalog_find(WS_AF_INET6, 0, WS_IPPROTO_SCTP).error,
            MILLRACE_SCTP ? WsaError::kOk : WsaError::kProtoNoSupport);
}

TEST(CatalogFind, OfSctpsEntriesTakesTheOneThatIsNamed) {
  if (!MILLRACE_SCTP) GTEST_SKIP() << "a build without SCTP";
  for (const DWORD id : {1005U, 1006U, 1007U, 1008U}) {
    const WSAPROTOCOL_INFOW info = *catalog_entry(id);
    EXPECT_EQ(id_of(catalog_find(FROM_PROTOCOL_INFO, FROM_PROTOCOL_INFO, FROM_PROTOCOL_INFO, &info)), id);
  }
  EXPECT_EQ(id_of(catalog_find(WS_AF_INET, WS_SOCK_SEQPACKET, 0)), 1005U);
  EXPECT_EQ(id_of(catalog_find(WS_AF_INET6, 0, WS_IPPROTO_SCTP)), 1006U);
}

TEST(Catalog, FindsAnEntryByItsId) {
  for (const WSAPROTOCOL_INFOW& e : catalog()) EXPECT_EQ(catalog_entry(e.dwCatalogEntryId), &e);
  EXPECT_EQ(catalog_entry(0), nullptr);
  EXPECT_EQ(catalog_entry(1009), nullptr);
}

struct Choice {
  int af, type, protocol;
  DWORD id;
};

TEST(CatalogFind, TakesTheFirstEntryThatFits) {
  const Choice choices[] = {
      {WS_AF_INET, WS_SOCK_STREAM, WS_IPPROTO_TCP, 1001},
      {WS_AF_INET6, WS_SOCK_STREAM, WS_IPPROTO_TCP, 1002},
      {WS_AF_INET, WS_SOCK_DGRAM, WS_IPPROTO_UDP, 1003},
      {WS_AF_INET6, WS_SOCK_DGRAM, WS_IPPROTO_UDP, 1004},
      {WS_AF_INET, WS_SOCK_STREAM, 0, 1001},
      {WS_AF_INET6, WS_SOCK_DGRAM, 0, 1004},
      {WS_AF_INET, 0, 0, 1001},
      {WS_AF_INET6, 0, 0, 1002},
      {WS_AF_INET6, 0, WS_IPPROTO_UDP, 1004},
      {0, 0, WS_IPPROTO_TCP, 1001},
      {0, 0, WS_IPPROTO_UDP, 1003},
      {0, WS_SOCK_DGRAM, WS_IPPROTO_UDP, 1003},
  };
  for (const Choice& c : choices) {
    EXPECT_EQ(id_of(catalog_find(c.af, c.type, c.protocol)), c.id)
        << c.af << ' ' << c.type << ' ' << c.protocol;
  }
}

struct Refusal {
  int af, type, protocol;
  WsaError error;
};

TEST(CatalogFind, SaysWhatDoesNotFit) {  // winsock-rules 14
  const Refusal refusals[] = {
      {0, 0, 0, WsaError::kInval},
      {0, WS_SOCK_STREAM, 0, WsaError::kInval},
      {0, -1, 0, WsaError::kInval},
      {-1, WS_SOCK_STREAM, WS_IPPROTO_UDP, WsaError::kAfNoSupport},
      {-1, -1, -1, WsaError::kAfNoSupport},
      {AF_BTH, WS_SOCK_STREAM, 0, WsaError::kAfNoSupport},
      {10, WS_SOCK_STREAM, 0, WsaError::kAfNoSupport},  // Linux' AF_INET6
      {WS_AF_INET, -1, 0, WsaError::kSocktNoSupport},
      {0, -1, -1, WsaError::kSocktNoSupport},
      {0, -1, WS_IPPROTO_UDP, WsaError::kSocktNoSupport},
      {WS_AF_INET, WS_SOCK_RAW, WS_IPPROTO_ICMP, WsaError::kSocktNoSupport},
      {WS_AF_INET6, WS_SOCK_RDM, 0, WsaError::kSocktNoSupport},
      {WS_AF_INET, 0, -1, WsaError::kProtoNoSupport},
      {0, WS_SOCK_STREAM, -1, WsaError::kProtoNoSupport},
      {0, 0, 0xDEAD, WsaError::kProtoNoSupport},
      {WS_AF_INET, WS_SOCK_STREAM, WS_IPPROTO_UDP, WsaError::kProtoNoSupport},
      {WS_AF_INET6, WS_SOCK_DGRAM, WS_IPPROTO_TCP, WsaError::kProtoNoSupport},
  };
  for (const Refusal& r : refusals) {
    const CatalogMatch match = catalog_find(r.af, r.type, r.protocol);
    EXPECT_EQ(match.entry, nullptr);
    EXPECT_EQ(match.error, r.error) << r.af << ' ' << r.type << ' ' << r.protocol;
  }
}

TEST(CatalogFind, FillsInFromTheProtocolInfo) {
  const WSAPROTOCOL_INFOW udp6 = *catalog_entry(1004);
  EXPECT_EQ(id_of(catalog_find(FROM_PROTOCOL_INFO, FROM_PROTOCOL_INFO, FROM_PROTOCOL_INFO, &udp6)),
            1004U);
  EXPECT_EQ(id_of(catalog_find(0, 0, 0, &udp6)), 1004U);
  EXPECT_EQ(id_of(catalog_find(WS_AF_INET, 0, FROM_PROTOCOL_INFO, &udp6)), 1003U);
}

TEST(CatalogFind, ArgumentsOutrankTheProtocolInfo) {
  const WSAPROTOCOL_INFOW udp4 = *catalog_entry(1003);
  EXPECT_EQ(id_of(catalog_find(WS_AF_INET6, WS_SOCK_STREAM, WS_IPPROTO_TCP, &udp4)), 1002U);
}

TEST(CatalogFind, RefusesAProtocolInfoWithoutAFamilyOfOurs) {
  for (const int family : {0, -1, 10}) {
    WSAPROTOCOL_INFOW info{};
    info.iAddressFamily = family;
    EXPECT_EQ(catalog_find(0, 0, WS_IPPROTO_UDP, &info).error, WsaError::kAfNoSupport) << family;
  }
}

TEST(CatalogFind, IgnoresWhatElseTheProtocolInfoSays) {
  WSAPROTOCOL_INFOW info = *catalog_entry(1001);
  info.dwCatalogEntryId = 77;
  info.dwServiceFlags1 = 0;
  EXPECT_EQ(catalog_find(0, 0, 0, &info).entry, catalog_entry(1001));
}

// --- WSCEnumProtocols ----------------------------------------------------------------------------

constexpr DWORD kEntryBytes = sizeof(WSAPROTOCOL_INFOW);

constexpr unsigned kEntries = MILLRACE_SCTP ? 8 : 4;

TEST(EnumProtocols, AsksForTheRoomItNeeds) {  // winsock-rules 16
  DWORD length = 0;
  INT error = 0;
  EXPECT_EQ(WSCEnumProtocols(nullptr, nullptr, &length, &error), SOCKET_ERROR);
  EXPECT_EQ(error, WSAENOBUFS);
  EXPECT_EQ(length, kEntries * kEntryBytes);

  std::vector<WSAPROTOCOL_INFOW> entries(kEntries);
  length = kEntries * kEntryBytes - 1;
  error = 0;
  EXPECT_EQ(WSCEnumProtocols(nullptr, entries.data(), &length, &error), SOCKET_ERROR);
  EXPECT_EQ(error, WSAENOBUFS);
  EXPECT_EQ(length, kEntries * kEntryBytes);
  EXPECT_EQ(entries[0].dwCatalogEntryId, 0U) << "a failed call must not write";
}

TEST(EnumProtocols, CopiesTheCatalog) {
  std::vector<WSAPROTOCOL_INFOW> entries(kEntries + 1);
  DWORD length = (kEntries + 1) * kEntryBytes;
  INT error = 4711;
  ASSERT_EQ(WSCEnumProtocols(nullptr, entries.data(), &length, &error), int{kEntries});
  EXPECT_EQ(error, 4711);
  for (std::size_t i = 0; i < kEntries; ++i) {
    EXPECT_EQ(entries[i].dwCatalogEntryId, catalog()[i].dwCatalogEntryId);
    EXPECT_EQ(std::u16string(entries[i].szProtocol), catalog()[i].szProtocol);
  }
  EXPECT_EQ(entries[kEntries].dwCatalogEntryId, 0U);
}

TEST(EnumProtocols, ReportsOnlyTheProtocolsInTheList) {
  INT udp_only[] = {WS_IPPROTO_ICMP, WS_IPPROTO_UDP, 0};
  std::vector<WSAPROTOCOL_INFOW> entries(2);
  DWORD length = 2 * kEntryBytes;
  INT error = 0;
  ASSERT_EQ(WSCEnumProtocols(udp_only, entries.data(), &length, &error), 2);
  EXPECT_EQ(entries[0].dwCatalogEntryId, 1003U);
  EXPECT_EQ(entries[1].dwCatalogEntryId, 1004U);

  INT none_of_ours[] = {WS_IPPROTO_ICMP, 0};
  EXPECT_EQ(WSCEnumProtocols(none_of_ours, entries.data(), &length, &error), 0);
}

TEST(EnumProtocols, NeedsAPlaceForTheLength) {
  WSAPROTOCOL_INFOW entry{};
  INT error = 0;
  EXPECT_EQ(WSCEnumProtocols(nullptr, &entry, nullptr, &error), SOCKET_ERROR);
  EXPECT_EQ(error, WSAEFAULT);
}

}  // namespace
}  // namespace millrace
