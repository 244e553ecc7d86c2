// SPDX-License-Identifier: BSD-3-Clause
// Asks for a port's counters the way dpdk-telemetry.py does: over DPDK's own socket.
#include "dpdk_io/telemetry.h"

#include <gtest/gtest.h>
#include <rte_eal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>

#include "dpdk_io/port.h"
#include "tests/dpdk_io/frames.h"

namespace millrace {
namespace {

class Telemetry : public testing::Test {
 protected:
  void SetUp() override {
    socket_ = socket(AF_UNIX, SOCK_SEQPACKET, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const std::string path = std::string(rte_eal_get_runtime_dir()) + "/dpdk_telemetry.v2";
    ASSERT_LT(path.size(), sizeof(address.sun_path));
    std::strcpy(address.sun_path, path.c_str());
    ASSERT_EQ(connect(socket_, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0) << path;
    read_reply();  // the greeting
  }
  void TearDown() override { close(socket_); }

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

  int socket_ = -1;
};

TEST_F(Telemetry, ShowsAPortsCountersWhileItLives) {
  Pool pool("telemetry", 255, 2048, 0);
  auto port = Port::ring_loop("tel", pool, 64);
  const std::string id = std::to_string(port->id());
  Burst burst = test::burst_of({test::make_frame(pool, test::make_bytes(60))});
  port->tx(0, burst);
  EXPECT_NE(ask("/millrace/port").find(id), std::string::npos);
  const std::string reply = ask("/millrace/port," + id);
  EXPECT_NE(reply.find("\"driver\":\"net_ring\""), std::string::npos) << reply;
  EXPECT_NE(reply.find("\"tx_pkts\":1"), std::string::npos) << reply;
  EXPECT_NE(reply.find("\"tx_bytes\":60"), std::string::npos) << reply;
  EXPECT_NE(reply.find("\"device_rx_missed\":0"), std::string::npos) << reply;
  port.reset();
  EXPECT_EQ(ask("/millrace/port," + id).find("tx_pkts"), std::string::npos);
}

TEST_F(Telemetry, AnswersNonsenseWithNothing) {
  for (const char* command : {"/millrace/port,x", "/millrace/port,999", "/millrace/port,1x"}) {
    const std::string reply = ask(command);
    EXPECT_NE(reply.find("null"), std::string::npos) << reply;
  }
}

}  // namespace
}  // namespace millrace
