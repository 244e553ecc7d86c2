// SPDX-License-Identifier: BSD-3-Clause
// SCTP's CRC32c (RFC 9260 6.8): by software, by the device, and where a port says so by nobody.
#include <rte_mbuf.h>

#include <cstring>

#include "dpdk_io/pool.h"
#include "stack/sctp_wire.h"
#include "stack/tx_checksum.h"
#include "tests/support/sctp_test.h"

namespace millrace::test {
namespace {

TEST(SctpChecksum, IsThatOfThePublishedVectors) {  // RFC 3720 B.4
  Bytes bytes(32, 0);
  EXPECT_EQ(sctp_checksum(bytes), 0x8a9136aau);
  std::fill(bytes.begin(), bytes.end(), uint8_t{0xff});
  EXPECT_EQ(sctp_checksum(bytes), 0x62a8ab43u);
  for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<uint8_t>(i);
  EXPECT_EQ(sctp_checksum(bytes), 0x46dd794eu);
  EXPECT_EQ(sctp_checksum(std::span(bytes).first(31)), sctp_checksum(Bytes(bytes.begin(), bytes.end() - 1)));
}

class SctpOffload : public testing::TestWithParam<ConnectionKind> {
 protected:
  /// What the device is asked for, of a frame with this protocol.
  uint64_t asked_for(uint8_t protocol, uint16_t in_software) {
    Frame frame = ip_frame(GetParam().family);
    frame.ip->protocol = protocol;
    frame.payload = Bytes(100, 0);
    const Bytes bytes = build(frame);
    Pool pool("offload", 7, 2048, 0);
    rte_mbuf* const m = rte_pktmbuf_alloc(pool.get());
    std::memcpy(rte_pktmbuf_append(m, static_cast<uint16_t>(bytes.size())), bytes.data(), bytes.size());
    request_tx_checksum(m, in_software);
    const uint64_t flags = m->ol_flags & RTE_MBUF_F_TX_L4_MASK;
    EXPECT_EQ(m->l2_len + m->l3_len, bytes.size() - 100);
    rte_pktmbuf_free(m);
    return flags;
  }
};
MILLRACE_BOTH_FAMILIES(SctpOffload);

TEST_P(SctpOffload, TheDeviceIsAskedForWhatSoftwareHasLeft) {
  EXPECT_EQ(asked_for(kSctp, 0), uint64_t{RTE_MBUF_F_TX_SCTP_CKSUM});
  EXPECT_EQ(asked_for(kSctp, kGenSctp), 0u);
  EXPECT_EQ(asked_for(99, 0), 0u);
}

class SctpUnverified : public SctpFixture {
 protected:
  void SetUp() override {
    config.ports.front().checksum = ChecksumPolicy::kOff;
    FamilyTest::SetUp();
  }
  void TearDown() override {
    listener.reset();
    run();
    FamilyTest::TearDown();
  }
};
MILLRACE_BOTH_FAMILIES(SctpUnverified);

TEST_P(SctpUnverified, APortThatVerifiesNothingTakesAPacketWithoutAChecksum) {  // as a Linux peer on a veth sends them
  listen();
  Association remote(*this, family(), 40000, kSctpPort);
  remote.connect();
  const auto app = listener->accept();
  ASSERT_NE(app, nullptr);
  Bytes packet = remote.packet_of(remote.data(bytes_of("unsummed")), remote.tag());
  std::fill_n(packet.begin() + 8, 4, uint8_t{0});
  remote.send_raw(packet);
  run();
  EXPECT_EQ(app->text(), "unsummed");
  EXPECT_EQ(counters().rx_sctp_bad, 0u);
  app->socket().options.linger = true;
}

}  // namespace
}  // namespace millrace::test
