// SPDX-License-Identifier: BSD-3-Clause
// TransmitFile and TransmitPackets. A file is a Linux file descriptor: (HANDLE)(intptr_t)fd. See
// EXTENSIONS.md.
#pragma once

#include "mswsock.h"

namespace millrace {

// Their prototypes are those of mswsock.h; errors by GetLastError.
BOOL PASCAL transmit_file(SOCKET hSocket, HANDLE hFile, DWORD nNumberOfBytesToWrite,
                          DWORD nNumberOfBytesPerSend, LPOVERLAPPED lpOverlapped,
                          LPTRANSMIT_FILE_BUFFERS lpTransmitBuffers, DWORD dwReserved) noexcept;
BOOL PASCAL transmit_packets(SOCKET hSocket, LPTRANSMIT_PACKETS_ELEMENT lpPacketArray,
                             DWORD nElementCount, DWORD nSendSize, LPOVERLAPPED lpOverlapped,
                             DWORD dwFlags) noexcept;

}  // namespace millrace
