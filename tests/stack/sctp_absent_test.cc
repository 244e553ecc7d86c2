// SPDX-License-Identifier: BSD-3-Clause
// A build without SCTP (MILLRACE_SCTP=OFF): no socket speaks it, and a peer that does hears so from IP.
#include "tests/support/association.h"

namespace millrace::test {
namespace {

class SctpAbsent : public FamilyTest {};
MILLRACE_BOTH_FAMILIES(SctpAbsent);

TEST_P(SctpAbsent, NoSocketIsOpened) {
  const Stack::Guard guard(stack());
  EXPECT_EQ(stack().open(Transport::kSctp, family()), nullptr);
}

TEST_P(SctpAbsent, APeerHearsThatThereIsNoSuchProtocol) {
  Association remote(*this, family(), 40000, 5000);
  remote.send(remote.init(), 0);
  run();
  const auto answer = peer().next([](const Frame& frame) { return frame.icmp.has_value(); });
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->frame.icmp->type, family() == 4 ? 3 : 4);  // RFC 792; RFC 4443 3.4
  EXPECT_EQ(answer->frame.icmp->code, family() == 4 ? 2 : 1);
  EXPECT_FALSE(remote.next(Chunk::kInitAck));
}

}  // namespace
}  // namespace millrace::test
