// SPDX-License-Identifier: BSD-3-Clause
// TransmitFile and TransmitPackets.
#include <sys/mman.h>
#include <unistd.h>

#include "mswsock.h"
#include "tests/spi_shim/ports_support.h"

namespace millrace::test {
namespace {

class TransmitTest : public SpiFamilyTest {
 protected:
  void SetUp() override {
    SpiFamilyTest::SetUp();
    std::tie(client, server) = ws().pair(family());
    ws().fetch(client, WSAID_TRANSMITFILE, transmit_file);
    ws().fetch(client, WSAID_TRANSMITPACKETS, transmit_packets);
    fd = memfd_create("transmit_test", 0);
    ASSERT_GT(fd, 0);
  }
  void TearDown() override {
    ::close(fd);
    SpiFamilyTest::TearDown();
  }
  HANDLE file_of(const std::string& text) {
    EXPECT_EQ(::write(fd, text.data(), text.size()), static_cast<ssize_t>(text.size()));
    EXPECT_EQ(::lseek(fd, 0, SEEK_SET), 0);
    return reinterpret_cast<HANDLE>(static_cast<intptr_t>(fd));
  }
  static std::string pattern(size_t n) {
    std::string text(n, 0);
    for (size_t i = 0; i < n; ++i) text[i] = static_cast<char>(i * 7 + i / 251);
    return text;
  }

  SOCKET client = INVALID_SOCKET, server = INVALID_SOCKET;
  LPFN_TRANSMITFILE transmit_file = nullptr;
  LPFN_TRANSMITPACKETS transmit_packets = nullptr;
  int fd = -1;
  char head[4] = {'h', 'e', 'a', 'd'}, tail[4] = {'t', 'a', 'i', 'l'};
  TRANSMIT_FILE_BUFFERS around{head, 4, tail, 4};
};

class TransmitFile : public TransmitTest {};
class TransmitPackets : public TransmitTest {};
MILLRACE_BOTH_SPI_FAMILIES(TransmitFile);
MILLRACE_BOTH_SPI_FAMILIES(TransmitPackets);

TEST_P(TransmitFile, SendsHeadFileAndTailAndBlocksWithoutAnOverlapped) {
  ASSERT_TRUE(transmit_file(client, file_of("file"), 0, 0, nullptr, &around, 0));
  EXPECT_EQ(ws().recv_all(server, 12), "headfiletail");
  EXPECT_TRUE(transmit_file(client, nullptr, 0, 0, nullptr, &around, TF_DISCONNECT));
  EXPECT_EQ(ws().recv_all(server, 100), "headtail") << "and the end of the stream";
}

TEST_P(TransmitFile, OverlappedItTakesItsOffsetFromThereAndQueuesOnePacket) {
  const std::string text = pattern(3'000'000);
  PortOfTest port;
  ASSERT_TRUE(port.add(client, 4));
  Overlap overlap;
  overlap.overlapped.Offset = 1000;
  ASSERT_FALSE(transmit_file(client, file_of(text), 2'500'000, 0, overlap.get(), &around,
                             TF_DISCONNECT));
  ASSERT_EQ(GetLastError(), static_cast<DWORD>(ERROR_IO_PENDING));
  EXPECT_EQ(ws().recv_all(server, 4'000'000), "head" + text.substr(1000, 2'500'000) + "tail");
  const Packet packet = port.take();
  EXPECT_TRUE(packet.ok);
  EXPECT_EQ(packet.bytes, 2'500'008u);
  EXPECT_EQ(packet.overlapped, overlap.get());
  EXPECT_TRUE(port.is_empty());
  EXPECT_TRUE(overlap.is_signalled());
}

TEST_P(TransmitFile, CancellingEndsItWithOnePacket) {
  PortOfTest port;
  ASSERT_TRUE(port.add(client, 4));
  Overlap overlap;
  ASSERT_FALSE(transmit_file(client, file_of(pattern(20'000'000)), 0, 0, overlap.get(), nullptr, 0));
  EXPECT_TRUE(eventually([&] { return CancelIoEx(as_handle(client), overlap.get()) != FALSE; }));
  const Packet packet = port.take();
  EXPECT_FALSE(packet.ok);
  EXPECT_EQ(packet.error, ERROR_OPERATION_ABORTED);
  EXPECT_TRUE(port.is_empty());
}

TEST_P(TransmitFile, ArgumentsAreChecked) {
  EXPECT_FALSE(transmit_file(client, nullptr, 0, 0, nullptr, &around, TF_REUSE_SOCKET));
  EXPECT_EQ(GetLastError(), static_cast<DWORD>(WSAEINVAL));
  EXPECT_FALSE(transmit_file(client, reinterpret_cast<HANDLE>(intptr_t{9999}), 0, 0, nullptr, &around,
                             0));
  EXPECT_EQ(GetLastError(), ERROR_INVALID_HANDLE);
  EXPECT_FALSE(transmit_file(ws().stream(family()), nullptr, 0, 0, nullptr, &around, 0));
  EXPECT_EQ(GetLastError(), static_cast<DWORD>(WSAENOTCONN));
  const SOCKET datagram = ws().datagram(family());
  EXPECT_FALSE(transmit_file(datagram, nullptr, 0, 0, nullptr, &around, 0));
  EXPECT_EQ(GetLastError(), static_cast<DWORD>(WSAENOTCONN));
  ASSERT_EQ(ws().connect(datagram, Address::loopback(family(), 9)), 0);
  EXPECT_FALSE(transmit_file(datagram, nullptr, 0, 0, nullptr, &around, 0));
  EXPECT_EQ(GetLastError(), static_cast<DWORD>(WSAEOPNOTSUPP));
}

TEST_P(TransmitPackets, SendsMemoryAndFilesInTheirOrder) {
  TRANSMIT_PACKETS_ELEMENT elements[3]{};
  elements[0].dwElFlags = TP_ELEMENT_MEMORY;
  elements[0].cLength = 4;
  elements[0].pBuffer = head;
  elements[1].dwElFlags = TP_ELEMENT_FILE;
  elements[1].cLength = 3;
  elements[1].nFileOffset.QuadPart = 2;
  elements[1].hFile = file_of("0123456");
  elements[2] = elements[0];
  elements[2].pBuffer = tail;
  Overlap overlap;
  ASSERT_FALSE(transmit_packets(client, elements, 3, 0, overlap.get(), TP_DISCONNECT));
  ASSERT_EQ(GetLastError(), static_cast<DWORD>(ERROR_IO_PENDING));
  EXPECT_EQ(ws().recv_all(server, 100), "head234tail");
  EXPECT_EQ(ws().result(client, overlap, true), 11);
}

TEST_P(TransmitPackets, AnEndOfPacketIsTheEndOfADatagram) {
  const SOCKET to = ws().datagram(family()), from = ws().datagram(family());
  ASSERT_EQ(ws().bind(to, Address::loopback(family())), 0);
  ASSERT_EQ(ws().connect(from, ws().name_of(to)), 0);
  TRANSMIT_PACKETS_ELEMENT elements[3]{};
  for (auto& e : elements) {
    e.dwElFlags = TP_ELEMENT_MEMORY;
    e.cLength = 4;
    e.pBuffer = head;
  }
  elements[1].pBuffer = tail;
  elements[1].dwElFlags |= TP_ELEMENT_EOP;
  ASSERT_TRUE(transmit_packets(from, elements, 3, 0, nullptr, 0));
  EXPECT_EQ(ws().recv(to), "headtail");
  EXPECT_EQ(ws().recv(to), "head");
}

}  // namespace
}  // namespace millrace::test
