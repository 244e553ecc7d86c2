// SPDX-License-Identifier: BSD-3-Clause
// Asks who holds loans the way dpdk-telemetry.py does: over DPDK's own socket. EAL is started with
// telemetry here, and without in the other tests.
#include "stack/telemetry.h"

#include <rte_eal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>

#include "dpdk_io/eal.h"
#include "tests/support/app.h"

namespace millrace::test {
namespace {

class Stack_Telemetry : public FamilyTest {
 protected:
  void SetUp() override {
    config.stack.stages_sample = 1;
    FamilyTest::SetUp();
    telemetry_add(stack());  // as Runtime does
    socket_ = socket(AF_UNIX, SOCK_SEQPACKET, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const std::string path = std::string(rte_eal_get_runtime_dir()) + "/dpdk_telemetry.v2";
    ASSERT_LT(path.size(), sizeof address.sun_path);
    std::memcpy(address.sun_path, path.c_str(), path.size());
    ASSERT_EQ(connect(socket_, reinterpret_cast<sockaddr*>(&address), sizeof address), 0) << path;
    read_reply();  // the greeting
  }
  void TearDown() override {
    close(socket_);
    telemetry_remove(stack());
    FamilyTest::TearDown();
  }

  std::string read_reply() {
    std::string reply(16384, '\0');
    const ssize_t n = read(socket_, reply.data(), reply.size());
    reply.resize(n < 0 ? 0 : static_cast<size_t>(n));
    return reply;
  }
  std::string ask(const std::string& command) {
    EXPECT_EQ(write(socket_, command.data(), command.size()), static_cast<ssize_t>(command.size()));
    return read_reply();
  }
  void arrives(uint16_t port, size_t n) {
    peer().send(udp_frame(family(), 6000, port, pattern(n)));
    run();
  }

  int socket_ = -1;
};
MILLRACE_BOTH_FAMILIES(Stack_Telemetry);

TEST_P(Stack_Telemetry, ListsWhoHoldsLoansAndSinceWhenTheOldestFirst) {
  EXPECT_EQ(ask("/millrace/loans"), "{\"/millrace/loans\":{}}");
  App late(*this, Transport::kUdp, family());
  App early(*this, Transport::kUdp, family());
  ASSERT_EQ(late.bind(5000), WsaError::kOk);
  ASSERT_EQ(early.bind(5001), WsaError::kOk);
  arrives(5001, 100);
  arrives(5001, 200);
  Lent first = early.borrow();
  Lent second = early.borrow();
  advance(5'000);
  arrives(5000, 50);
  Lent third = late.borrow();
  advance(10);
  const std::string reply = ask("/millrace/loans");
  const size_t of_early = reply.find("\"mbufs\":2,\"bytes\":300,\"oldest_ms\":5010");
  const size_t of_late = reply.find("\"mbufs\":1,\"bytes\":50,\"oldest_ms\":10");
  ASSERT_NE(of_early, std::string::npos) << reply;
  ASSERT_NE(of_late, std::string::npos) << reply;
  EXPECT_LT(of_early, of_late);
  for (Lent* lent : {&first, &second, &third}) give_back(stack(), lent->buffers);
  EXPECT_EQ(ask("/millrace/loans"), "{\"/millrace/loans\":{}}");
}

TEST_P(Stack_Telemetry, SaysHowLongPacketsWereInEachStage) {
  App app(*this, Transport::kUdp, family());
  ASSERT_EQ(app.bind(5000), WsaError::kOk);
  advance(1);
  arrives(5000, 100);
  advance(5);
  EXPECT_EQ(app.receive().bytes.size(), 100u);
  const std::string waited =
      "\"inbox\":{\"count\":1,\"p50_ns\":5000000,\"p99_ns\":5000000,\"p999_ns\":5000000,"
      "\"max_ns\":5000000,\"sum_ns\":5000000}";
  for (const char* const command : {"/millrace/stages", "/millrace/stages,0"}) {
    const std::string reply = ask(command);
    EXPECT_NE(reply.find(waited), std::string::npos) << reply;
    EXPECT_NE(reply.find("\"return\":{\"count\":1,"), std::string::npos) << reply;
  }
  EXPECT_EQ(ask("/millrace/stages,1"), "{\"/millrace/stages\":null}") << "there is no such Stack";
}

TEST_P(Stack_Telemetry, AStackThatIsGoneIsNotAsked) {
  telemetry_remove(stack());
  stop();
  EXPECT_EQ(ask("/millrace/loans"), "{\"/millrace/loans\":{}}");
  start();
  telemetry_add(stack());
}

}  // namespace
}  // namespace millrace::test

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  if (testing::GTEST_FLAG(list_tests)) return RUN_ALL_TESTS();
  const std::string prefix = "millrace_tel_" + std::to_string(getpid());
  millrace::eal_start({"--no-huge", "-m", "256", "--no-pci", "--file-prefix=" + prefix});
  const int result = RUN_ALL_TESTS();
  std::filesystem::remove_all(rte_eal_get_runtime_dir());
  return result;
}
