// SPDX-License-Identifier: BSD-3-Clause
// A build without SCTP (MILLRACE_SCTP=OFF) as a program sees it: a socket type that nobody has.
#include <gtest/gtest.h>

#include "spi_shim/catalog.h"
#include "tests/support/spi.h"

namespace millrace::test {
namespace {

class SpiSctpAbsent : public SpiFamilyTest {};
MILLRACE_BOTH_SPI_FAMILIES(SpiSctpAbsent);

TEST_P(SpiSctpAbsent, ASocketOfMessagesIsRefused) {
  EXPECT_EQ(ws().socket(family(), WS_SOCK_SEQPACKET), INVALID_SOCKET);
  EXPECT_EQ(ws().error, WSAESOCKTNOSUPPORT);
}

TEST_P(SpiSctpAbsent, SoIsOneOfAnEntryThatOtherBuildsHave) {
  WSAPROTOCOL_INFOW info = *catalog_entry(family() == WS_AF_INET ? 1001 : 1002);
  info.dwCatalogEntryId += 4;
  info.iSocketType = WS_SOCK_SEQPACKET;
  info.iProtocol = WS_IPPROTO_SCTP;
  EXPECT_EQ(ws().socket_of(info), INVALID_SOCKET);
  EXPECT_EQ(ws().error, WSAESOCKTNOSUPPORT);
}

}  // namespace
}  // namespace millrace::test
