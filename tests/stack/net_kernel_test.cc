// SPDX-License-Identifier: BSD-3-Clause
// Addresses, VLANs, DHCP and multicast with the Linux kernel on the wire, which has ideas of its
// own about all of them: sub-interfaces of a veth, a DHCP server (dnsmasq), IGMP. net_kernel_test
// af_packet | af_xdp; exits with 77 where that cannot be had.
#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <fstream>

#define MILLRACE_USE_WS_PREFIX
#include "tests/support/kernel.h"
#include "tests/support/spi.h"

namespace millrace::test {
namespace {

KernelHost* kernel = nullptr;
std::string scratch;     // a folder of this run
bool has_vlans = false;  // the kernel's module 8021q is there

constexpr char kGroup[] = "239.1.2.3";

/// The address that the server gave, as its own file of leases has it.
std::string leased_address() {
  std::ifstream leases(scratch + "/leases");
  std::string expiry, mac, address;
  leases >> expiry >> mac >> address;
  return address;
}

/// Asks by ARP under a tag, with a packet socket on k0. @return the tag of the answer; -1: none
/// came
int ask_under_tag(uint16_t vlan, const char* address) {
  const int fd = socket(AF_PACKET, SOCK_RAW, htons(ETH_P_ALL));
  sockaddr_ll on{};
  on.sll_family = AF_PACKET;
  on.sll_protocol = htons(ETH_P_ALL);
  on.sll_ifindex = static_cast<int>(if_nametoindex("k0"));
  const int yes = 1;
  const timeval patience{5, 0};
  bind(fd, reinterpret_cast<sockaddr*>(&on), sizeof on);
  setsockopt(fd, SOL_PACKET, PACKET_AUXDATA, &yes, sizeof yes);
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  unsigned char question[64] = {0xff,
                                0xff,
                                0xff,
                                0xff,
                                0xff,
                                0xff,
                                2,
                                0,
                                0,
                                0,
                                0,
                                9,
                                0x81,
                                0,
                                static_cast<unsigned char>(vlan >> 8),
                                static_cast<unsigned char>(vlan),
                                8,
                                6,
                                0,
                                1,
                                8,
                                0,
                                6,
                                4,
                                0,
                                1,
                                2,
                                0,
                                0,
                                0,
                                0,
                                9,
                                10,
                                100,
                                0,
                                9};
  inet_pton(AF_INET, address, question + 42);
  ssize_t n = send(fd, question, sizeof question, 0);
  int tag = -1;
  while (n > 0 && tag < 0) {
    unsigned char frame[2048];
    alignas(cmsghdr) unsigned char control[256];
    iovec piece{frame, sizeof frame};
    msghdr message{};
    message.msg_iov = &piece;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    n = recvmsg(fd, &message, 0);
    const bool is_answer = n >= 42 && frame[12] == 8 && frame[13] == 6 && frame[21] == 2 &&
                           std::memcmp(frame + 28, question + 42, 4) == 0;
    if (!is_answer) continue;
    const cmsghdr* const c = CMSG_FIRSTHDR(&message);
    tpacket_auxdata aux{};
    if (c != nullptr && c->cmsg_type == PACKET_AUXDATA) std::memcpy(&aux, CMSG_DATA(c), sizeof aux);
    tag = (aux.tp_status & TP_STATUS_VLAN_VALID) != 0 ? aux.tp_vlan_tci & 0xfff : 0;
  }
  close(fd);
  return tag;
}

class NetKernel : public SpiTest {
 protected:
  /// A connection that the kernel opens to an address of ours, and a word in each direction.
  void expect_stream_to(const std::string& address) {
    const int family = address.find(':') == std::string::npos ? WS_AF_INET : WS_AF_INET6;
    const SOCKET l = ws().stream(family);
    ASSERT_EQ(ws().bind(l, Address::of(address, 0)), 0) << ws().error << ' ' << address;
    ASSERT_EQ(ws().listen(l), 0);
    const uint16_t port = ws().name_of(l).port();
    auto pending = kernel->start([&] { return KernelSocket::connected(address, port); });
    const SOCKET s = ws().accept(l);
    ASSERT_NE(s, INVALID_SOCKET) << ws().error;
    KernelSocket peer = pending.get();
    ASSERT_EQ(peer.error, 0);
    const std::string long_text(200'000, 'v');
    auto sending = kernel->start([&] { return peer.send_all(long_text); });
    EXPECT_EQ(ws().recv_all(s, long_text.size()), long_text);
    EXPECT_TRUE(sending.get());
    auto receiving = kernel->start([&] { return peer.recv_all(long_text.size()); });
    EXPECT_EQ(ws().send(s, long_text), static_cast<int>(long_text.size()));
    EXPECT_EQ(receiving.get(), long_text);
  }
};

int pings(const std::string& address) {
  auto pending = kernel->start([&] { return ping(address, 2, 100); });
  return pending.get();
}

TEST_F(NetKernel, EveryAddressIsPinged) {
  for (const char* address : {"10.78.0.2", "10.79.0.2", "fd77::2", "fd78::2"}) {
    EXPECT_EQ(pings(address), 2) << address;
  }
}

TEST_F(NetKernel, StreamsRunOverEachAddress) {
  for (const char* address : {"10.78.0.2", "10.79.0.2", "fd78::2"}) expect_stream_to(address);
}

TEST_F(NetKernel, VlansReachASubInterface) {
  if (!has_vlans) GTEST_SKIP() << "this kernel has no VLAN interfaces";
  for (const char* address : {"10.100.0.2", "fd64::2"}) {
    EXPECT_EQ(pings(address), 2) << address;
    expect_stream_to(address);
  }
}

// Without a VLAN interface, too: a tagged question for an address goes through the driver, and the
// answer comes back with the tag.
TEST_F(NetKernel, TaggedFramesPassTheDriverBothWays) {
  EXPECT_EQ(kernel->run([] { return ask_under_tag(100, "10.100.0.2"); }), 100);
}

TEST_F(NetKernel, ADhcpServersLeaseIsTheAddress) {
  const std::string address = leased_address();
  ASSERT_TRUE(address.starts_with("10.77.0.")) << address;
  EXPECT_EQ(pings(address), 2);
  expect_stream_to(address);
}

// What the kernel's IGMP hears, and what it sends to members.
TEST_F(NetKernel, GroupsAreJoinedWhereTheKernelSeesIt) {
  const int igmp = kernel->run([] {
    const int fd = socket(AF_INET, SOCK_RAW, IPPROTO_IGMP);
    ip_mreq same_group{};  // who is in no group is shown no reports of it
    inet_pton(AF_INET, kGroup, &same_group.imr_multiaddr);
    inet_pton(AF_INET, "10.77.0.1", &same_group.imr_interface);
    setsockopt(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &same_group, sizeof same_group);
    const timeval patience{10, 0};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    return fd;
  });
  ASSERT_GE(igmp, 0);
  const SOCKET s = ws().datagram(WS_AF_INET);
  ASSERT_EQ(ws().bind(s, Address::any(WS_AF_INET)), 0);
  const uint16_t port = ws().name_of(s).port();
  WS_ip_mreq request{};
  inet_pton(AF_INET, kGroup, &request.imr_multiaddr);
  inet_pton(AF_INET, "10.78.0.2", &request.imr_interface);
  INT error = 0;
  ASSERT_EQ(
      ws().table.lpWSPSetSockOpt(s, WS_IPPROTO_IP, WS_IP_ADD_MEMBERSHIP,
                                 reinterpret_cast<const CHAR*>(&request), sizeof request, &error),
      0)
      << error;
  bool is_reported = false;
  for (int i = 0; i < 20 && !is_reported; ++i) {
    unsigned char packet[256];
    const ssize_t n = recv(igmp, packet, sizeof packet, 0);
    if (n < 0) break;
    const size_t header = (packet[0] & 15u) * 4u;
    is_reported =
        packet[header] == 0x16 && std::memcmp(packet + header + 4, &request.imr_multiaddr, 4) == 0;
  }
  close(igmp);
  EXPECT_TRUE(is_reported);

  KernelSocket sender = kernel->run([] {
    KernelSocket made = KernelSocket::datagram("10.77.0.1");
    return made;
  });
  EXPECT_TRUE(sender.send_to("from the kernel", kGroup, port)) << sender.error;
  EXPECT_EQ(ws().recv(s), "from the kernel");
}

TEST_F(NetKernel, TheKernelHearsWhatIsSentToItsGroups) {
  const int fd = kernel->run([] {
    const int made = socket(AF_INET, SOCK_DGRAM, 0);
    sockaddr_in any{};
    any.sin_family = AF_INET;
    bind(made, reinterpret_cast<sockaddr*>(&any), sizeof any);
    ip_mreq request{};
    inet_pton(AF_INET, kGroup, &request.imr_multiaddr);
    inet_pton(AF_INET, "10.77.0.1", &request.imr_interface);
    setsockopt(made, IPPROTO_IP, IP_ADD_MEMBERSHIP, &request, sizeof request);
    const timeval patience{10, 0};
    setsockopt(made, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    return made;
  });
  KernelSocket member(fd);
  const SOCKET s = ws().datagram(WS_AF_INET);
  EXPECT_EQ(ws().send_to(s, "to the kernel", Address::of(kGroup, member.port())), 13) << ws().error;
  EXPECT_EQ(member.recv(), "to the kernel");
}

bool prepare(KernelHost& host, const std::string& folder) {
  kernel = &host;
  scratch = folder;
  const bool is_ready = kernel->run([] {
    const std::string server =
        "dnsmasq --conf-file=/dev/null --user=root --port=0 --interface=k0 --bind-interfaces "
        "--dhcp-authoritative --dhcp-range=10.77.0.50,10.77.0.60,255.255.255.0,2m "
        "--dhcp-leasefile=" +
        scratch + "/leases --pid-file=" + scratch + "/pid";
    has_vlans = shell("ip link add link k0 name k0.100 type vlan id 100");
    if (has_vlans) {
      shell("ip addr add 10.100.0.1/24 dev k0.100");
      shell("ip -6 addr add fd64::1/64 dev k0.100 nodad");
      shell("ip link set k0.100 up");
    }
    return shell("ip addr add 10.78.0.1/24 dev k0") && shell("ip addr add 10.79.0.1/24 dev k0") &&
           shell("ip -6 addr add fd78::1/120 dev k0 nodad") &&
           shell("ethtool -K k0 txvlan off rxvlan off") && shell(server);
  });
  if (!is_ready) std::fprintf(stderr, "skipped: no dnsmasq, or no ethtool\n");
  return is_ready;
}

/// The server removes its files when it ends; afterwards the folder is ours again.
void end_server() {
  shell("pid=$(cat " + scratch + "/pid); kill $pid; while kill -0 $pid; do sleep 0.05; done");
}

}  // namespace
}  // namespace millrace::test

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  if (argc != 2) {
    std::fprintf(stderr, "usage: %s af_packet|af_xdp [gtest flags]\n", argv[0]);
    return 2;
  }
  using namespace millrace::test;
  class EndServer : public testing::Environment {
    void TearDown() override { end_server(); }
  };
  testing::AddGlobalTestEnvironment(new EndServer);
  return run_on_kernel_port(
      argv[1],
      "addresses = [\"dhcp\", \"fd77::2/64\", \"10.78.0.2/24\", \"10.79.0.2/24\", \"fd78::2/120\"]\n"
      "[[port.vlan]]\nid = 100\naddresses = [\"10.100.0.2/24\", \"fd64::2/64\"]\n",
      prepare);
}
