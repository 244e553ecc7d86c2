// SPDX-License-Identifier: BSD-3-Clause
// Byte stream or message, on the wire: TCP is the first row of the table, UDP the last, whatever
// the flags say. The other rows, which no transport of ours has, are in delivery_test.cc.
#include "tests/support/connected_test.h"

namespace millrace::test {
namespace {

class Recv_B11 : public ConnectedTest {};
MILLRACE_BOTH_FAMILIES(Recv_B11);

TEST_P(Recv_B11, ATcpStreamHasNoMessages) {
  for (const uint32_t flags : {0u, uint32_t{MSG_PARTIAL}}) {
    flow->send(tcp().psh().ack().data("one"));
    flow->send(tcp().psh().ack().data("two"));
    run();
    const Received both = app->receive(100, flags);
    EXPECT_EQ(both.bytes, bytes_of("onetwo"));
    EXPECT_EQ(both.flags, 0u);
    flow->send(tcp().psh().ack().data("long"));
    run();
    EXPECT_EQ(app->receive(3, flags).bytes, bytes_of("lon"));
    EXPECT_EQ(app->receive(3, flags).bytes, bytes_of("g"));
  }
}

class Recv_B10 : public FamilyTest {};
MILLRACE_BOTH_FAMILIES(Recv_B10);

TEST_P(Recv_B10, UdpLosesTheExcessAndNeverSetsMsgPartial) {
  App udp(*this, Transport::kUdp, family());
  ASSERT_EQ(udp.bind(5000), WsaError::kOk);
  for (const uint32_t flags : {0u, uint32_t{MSG_PARTIAL}}) {
    for (const char* text : {"longer than the room", "next"}) {
      peer().send(udp_frame(family(), 6000, 5000, bytes_of(text)));
    }
    run();
    const Received cut = udp.receive(6, flags);
    EXPECT_EQ(cut.error, WsaError::kMsgSize);
    EXPECT_EQ(cut.bytes, bytes_of("longer"));
    EXPECT_EQ(cut.flags, 0u);
    const Received next = udp.receive(100, flags);
    EXPECT_EQ(next.bytes, bytes_of("next"));
    EXPECT_EQ(next.flags, 0u);
  }
}

TEST_P(Recv_B10, UdpSendsNoParts) {
  App udp(*this, Transport::kUdp, family());
  ASSERT_EQ(udp.connect(at_peer(6000)), WsaError::kOk);
  EXPECT_EQ(udp.post_send(bytes_of("part"), MSG_PARTIAL).started, WsaError::kOpNotSupp);
}

}  // namespace
}  // namespace millrace::test
