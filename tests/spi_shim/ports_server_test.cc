// SPDX-License-Identifier: BSD-3-Clause
// Servers and clients as programs for Windows have them, whatever their connections are of: a completion
// port, AcceptEx, ConnectEx, overlapped transfers and DisconnectEx.
#include <map>
#include <memory>

#include "tests/spi_shim/extensions_support.h"

namespace millrace::test {
namespace {

class PortsServer : public ExtensionTest {
 protected:
  void SetUp() override {
    ExtensionTest::SetUp();
    ASSERT_TRUE(port.add(listener, kListener));
  }
  void send(SOCKET s, std::string_view text, Overlap& sent) {
    WSABUF buffer{static_cast<ULONG>(text.size()), const_cast<CHAR*>(text.data())};
    const int result =
        ws().table.lpWSPSend(s, &buffer, 1, nullptr, 0, sent.get(), nullptr, nullptr, &ws().error);
    EXPECT_TRUE(result == 0 || ws().error == WSA_IO_PENDING) << ws().error;
  }
  static constexpr ULONG_PTR kListener = 1, kServer = 2, kClient = 3;
  PortOfTest port;
};
MILLRACE_ALL_SPI_CONNECTIONS(PortsServer);

TEST_P(PortsServer, TalksToAClientFromItsFirstMessageToItsEnd) {
  Accepting accepting(ws(), kind(), 64);
  ASSERT_TRUE(port.add(accepting.socket, kServer));
  const SOCKET client = bound();
  ASSERT_TRUE(port.add(client, kClient));
  Overlap connecting, answer(64), sent, ending, end(64);
  ASSERT_EQ(accept(accepting), static_cast<DWORD>(ERROR_IO_PENDING));
  ASSERT_EQ(connect(client, address, connecting, "question"), static_cast<DWORD>(ERROR_IO_PENDING));
  for (int i = 0; i < 2; ++i) {  // the connection is there at both ends, in whatever order they say so
    const Packet packet = port.take();
    ASSERT_TRUE(packet.ok) << packet.error;
    EXPECT_EQ(packet.bytes, 8u);
    EXPECT_EQ(packet.key, packet.overlapped == accepting.overlap.get() ? kListener : kClient);
  }
  EXPECT_EQ(std::string(accepting.overlap.memory.data(), 8), "question");
  ASSERT_EQ(update(accepting.socket), 0);
  ASSERT_EQ(ws().post_recv(client, answer), SOCKET_ERROR);
  ASSERT_EQ(ws().error, WSA_IO_PENDING);
  send(accepting.socket, "answer", sent);
  EXPECT_EQ(port.take().key, kServer);
  const Packet received = port.take();
  EXPECT_EQ(received.key, kClient);
  ASSERT_EQ(received.overlapped, answer.get());
  EXPECT_EQ(std::string(answer.memory.data(), received.bytes), "answer");

  ASSERT_EQ(ws().post_recv(accepting.socket, end), SOCKET_ERROR);
  ASSERT_FALSE(disconnect_ex(client, ending.get(), 0, 0));
  ASSERT_EQ(GetLastError(), static_cast<DWORD>(ERROR_IO_PENDING));
  std::map<OVERLAPPED*, Packet> last;
  for (int i = 0; i < 2; ++i) {
    const Packet packet = port.take();
    last[packet.overlapped] = packet;
  }
  ASSERT_EQ(last.count(ending.get()), 1u);
  EXPECT_TRUE(last[ending.get()].ok) << last[ending.get()].error;
  ASSERT_EQ(last.count(end.get()), 1u);
  EXPECT_EQ(last[end.get()].ok, has_messages() ? FALSE : TRUE);  // contract: B12 E15
  EXPECT_EQ(ws().result(accepting.socket, end, false), has_messages() ? SOCKET_ERROR : 0);
  EXPECT_EQ(ws().error, graceful_end());
}

TEST_P(PortsServer, ServesManyClientsAtOnceFromOneThread) {
  constexpr size_t kMany = 5;  // at once: as many as the listener lets wait
  std::vector<std::unique_ptr<Accepting>> servers;
  std::vector<std::unique_ptr<Overlap>> connects;
  std::vector<SOCKET> clients;
  std::vector<std::string> hellos;  // the operations' own until they have ended
  for (size_t i = 0; i < kMany; ++i) hellos.push_back("client " + std::to_string(i));
  for (size_t i = 0; i < kMany; ++i) {
    servers.push_back(std::make_unique<Accepting>(ws(), kind(), 16));
    ASSERT_TRUE(port.add(servers.back()->socket, kServer));
    ASSERT_EQ(accept(*servers.back()), static_cast<DWORD>(ERROR_IO_PENDING));
  }
  for (size_t i = 0; i < kMany; ++i) {
    connects.push_back(std::make_unique<Overlap>());
    clients.push_back(bound());
    ASSERT_TRUE(port.add(clients.back(), kClient));
    ASSERT_EQ(connect(clients.back(), address, *connects.back(), hellos[i]), static_cast<DWORD>(ERROR_IO_PENDING));
  }
  std::map<ULONG_PTR, size_t> n_packets;
  for (size_t i = 0; i < 2 * kMany; ++i) {
    const Packet packet = port.take();
    ASSERT_TRUE(packet.ok) << packet.error;
    ++n_packets[packet.key];
  }
  EXPECT_EQ(n_packets[kListener], kMany);
  EXPECT_EQ(n_packets[kClient], kMany);
  for (const auto& server : servers) {  // each answers with what it has got
    const int n = ws().result(listener, server->overlap, false);
    ASSERT_GT(n, 0) << ws().error;
    const std::string got(server->overlap.memory.data(), static_cast<size_t>(n));
    EXPECT_EQ(ws().send(server->socket, got), n);
  }
  for (size_t i = 0; i < kMany; ++i) EXPECT_EQ(ws().recv(clients[i]), hellos[i]);
}

TEST_P(PortsServer, AConnectExThatIsCancelledOrRefusedHasOnePacket) {
  const SOCKET client = bound();
  ASSERT_TRUE(port.add(client, kClient));
  Overlap connecting;
  ASSERT_EQ(ws().close(listener), 0);
  ASSERT_EQ(connect(client, address, connecting, "hello"), static_cast<DWORD>(ERROR_IO_PENDING));
  (void)CancelIoEx(as_handle(client), connecting.get());
  const Packet packet = port.take();
  EXPECT_FALSE(packet.ok);
  EXPECT_TRUE(packet.error == ERROR_OPERATION_ABORTED || packet.error == ERROR_CONNECTION_REFUSED) << packet.error;
  EXPECT_TRUE(port.is_empty());
}

}  // namespace
}  // namespace millrace::test
