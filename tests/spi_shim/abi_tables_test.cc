// SPDX-License-Identifier: BSD-3-Clause
// The two tables that cross the SPI, entry by entry: order, offsets, and the type of each pointer;
// the extension functions' pointers and ids.
//
// Invariant: 30 procedures and 15 upcalls, in Windows' order and with Windows' arguments (`long` is
// LONG). A program built against Windows' ws2spi.h indexes the tables in the same way.
#include <gtest/gtest.h>

#include <array>
#include <bit>
#include <string>

#include "abi_expect.h"
#include "mswsock.h"
#include "ws2spi.h"

// clang-format off
// --- Offsets of both tables ---------------------------------------------------------------------
LAYOUT(WSPPROC_TABLE, 240, 8)
FIELD(WSPPROC_TABLE, lpWSPAccept, 0, 8)
FIELD(WSPPROC_TABLE, lpWSPAddressToString, 8, 8)
FIELD(WSPPROC_TABLE, lpWSPAsyncSelect, 16, 8)
FIELD(WSPPROC_TABLE, lpWSPBind, 24, 8)
FIELD(WSPPROC_TABLE, lpWSPCancelBlockingCall, 32, 8)
FIELD(WSPPROC_TABLE, lpWSPCleanup, 40, 8)
FIELD(WSPPROC_TABLE, lpWSPCloseSocket, 48, 8)
FIELD(WSPPROC_TABLE, lpWSPConnect, 56, 8)
FIELD(WSPPROC_TABLE, lpWSPDuplicateSocket, 64, 8)
FIELD(WSPPROC_TABLE, lpWSPEnumNetworkEvents, 72, 8)
FIELD(WSPPROC_TABLE, lpWSPEventSelect, 80, 8)
FIELD(WSPPROC_TABLE, lpWSPGetOverlappedResult, 88, 8)
FIELD(WSPPROC_TABLE, lpWSPGetPeerName, 96, 8)
FIELD(WSPPROC_TABLE, lpWSPGetSockName, 104, 8)
FIELD(WSPPROC_TABLE, lpWSPGetSockOpt, 112, 8)
FIELD(WSPPROC_TABLE, lpWSPGetQOSByName, 120, 8)
FIELD(WSPPROC_TABLE, lpWSPIoctl, 128, 8)
FIELD(WSPPROC_TABLE, lpWSPJoinLeaf, 136, 8)
FIELD(WSPPROC_TABLE, lpWSPListen, 144, 8)
FIELD(WSPPROC_TABLE, lpWSPRecv, 152, 8)
FIELD(WSPPROC_TABLE, lpWSPRecvDisconnect, 160, 8)
FIELD(WSPPROC_TABLE, lpWSPRecvFrom, 168, 8)
FIELD(WSPPROC_TABLE, lpWSPSelect, 176, 8)
FIELD(WSPPROC_TABLE, lpWSPSend, 184, 8)
FIELD(WSPPROC_TABLE, lpWSPSendDisconnect, 192, 8)
FIELD(WSPPROC_TABLE, lpWSPSendTo, 200, 8)
FIELD(WSPPROC_TABLE, lpWSPSetSockOpt, 208, 8)
FIELD(WSPPROC_TABLE, lpWSPShutdown, 216, 8)
FIELD(WSPPROC_TABLE, lpWSPSocket, 224, 8)
FIELD(WSPPROC_TABLE, lpWSPStringToAddress, 232, 8)

LAYOUT(WSPUPCALLTABLE, 120, 8)  // winsock-rules 5
FIELD(WSPUPCALLTABLE, lpWPUCloseEvent, 0, 8)
FIELD(WSPUPCALLTABLE, lpWPUCloseSocketHandle, 8, 8)
FIELD(WSPUPCALLTABLE, lpWPUCreateEvent, 16, 8)
FIELD(WSPUPCALLTABLE, lpWPUCreateSocketHandle, 24, 8)
FIELD(WSPUPCALLTABLE, lpWPUFDIsSet, 32, 8)
FIELD(WSPUPCALLTABLE, lpWPUGetProviderPath, 40, 8)
FIELD(WSPUPCALLTABLE, lpWPUModifyIFSHandle, 48, 8)
FIELD(WSPUPCALLTABLE, lpWPUPostMessage, 56, 8)
FIELD(WSPUPCALLTABLE, lpWPUQueryBlockingCallback, 64, 8)
FIELD(WSPUPCALLTABLE, lpWPUQuerySocketHandleContext, 72, 8)
FIELD(WSPUPCALLTABLE, lpWPUQueueApc, 80, 8)
FIELD(WSPUPCALLTABLE, lpWPUResetEvent, 88, 8)
FIELD(WSPUPCALLTABLE, lpWPUSetEvent, 96, 8)
FIELD(WSPUPCALLTABLE, lpWPUOpenCurrentThread, 104, 8)
FIELD(WSPUPCALLTABLE, lpWPUCloseThread, 112, 8)

// --- Arguments and results ----------------------------------------------------------------------
SIGNATURE(LPWSPACCEPT, SOCKET(SOCKET, sockaddr*, LPINT, LPCONDITIONPROC, DWORD_PTR, LPINT))
SIGNATURE(LPWSPADDRESSTOSTRING, INT(LPSOCKADDR, DWORD, LPWSAPROTOCOL_INFOW, LPWSTR, LPDWORD, LPINT))
SIGNATURE(LPWSPASYNCSELECT, int(SOCKET, HWND, unsigned int, LONG, LPINT))
SIGNATURE(LPWSPBIND, int(SOCKET, const sockaddr*, int, LPINT))
SIGNATURE(LPWSPCANCELBLOCKINGCALL, int(LPINT))
SIGNATURE(LPWSPCLEANUP, int(LPINT))
SIGNATURE(LPWSPCLOSESOCKET, int(SOCKET, LPINT))
SIGNATURE(LPWSPCONNECT, int(SOCKET, const sockaddr*, int, LPWSABUF, LPWSABUF, LPQOS, LPQOS, LPINT))
SIGNATURE(LPWSPDUPLICATESOCKET, int(SOCKET, DWORD, LPWSAPROTOCOL_INFOW, LPINT))
SIGNATURE(LPWSPENUMNETWORKEVENTS, int(SOCKET, WSAEVENT, LPWSANETWORKEVENTS, LPINT))
SIGNATURE(LPWSPEVENTSELECT, int(SOCKET, WSAEVENT, LONG, LPINT))
SIGNATURE(LPWSPGETOVERLAPPEDRESULT, BOOL(SOCKET, LPWSAOVERLAPPED, LPDWORD, BOOL, LPDWORD, LPINT))
SIGNATURE(LPWSPGETPEERNAME, int(SOCKET, sockaddr*, LPINT, LPINT))
SIGNATURE(LPWSPGETSOCKNAME, int(SOCKET, sockaddr*, LPINT, LPINT))
SIGNATURE(LPWSPGETSOCKOPT, int(SOCKET, int, int, char*, LPINT, LPINT))
SIGNATURE(LPWSPGETQOSBYNAME, BOOL(SOCKET, LPWSABUF, LPQOS, LPINT))
SIGNATURE(LPWSPIOCTL, int(SOCKET, DWORD, LPVOID, DWORD, LPVOID, DWORD, LPDWORD, LPWSAOVERLAPPED,
          LPWSAOVERLAPPED_COMPLETION_ROUTINE, LPWSATHREADID, LPINT))
SIGNATURE(LPWSPJOINLEAF, SOCKET(SOCKET, const sockaddr*, int, LPWSABUF, LPWSABUF, LPQOS, LPQOS,
          DWORD, LPINT))
SIGNATURE(LPWSPLISTEN, int(SOCKET, int, LPINT))
SIGNATURE(LPWSPRECV, int(SOCKET, LPWSABUF, DWORD, LPDWORD, LPDWORD, LPWSAOVERLAPPED,
          LPWSAOVERLAPPED_COMPLETION_ROUTINE, LPWSATHREADID, LPINT))
SIGNATURE(LPWSPRECVDISCONNECT, int(SOCKET, LPWSABUF, LPINT))
SIGNATURE(LPWSPRECVFROM, int(SOCKET, LPWSABUF, DWORD, LPDWORD, LPDWORD, sockaddr*, LPINT,
          LPWSAOVERLAPPED, LPWSAOVERLAPPED_COMPLETION_ROUTINE, LPWSATHREADID, LPINT))
SIGNATURE(LPWSPSELECT, int(int, fd_set*, fd_set*, fd_set*, const PTIMEVAL, LPINT))
SIGNATURE(LPWSPSEND, int(SOCKET, LPWSABUF, DWORD, LPDWORD, DWORD, LPWSAOVERLAPPED,
          LPWSAOVERLAPPED_COMPLETION_ROUTINE, LPWSATHREADID, LPINT))
SIGNATURE(LPWSPSENDDISCONNECT, int(SOCKET, LPWSABUF, LPINT))
SIGNATURE(LPWSPSENDTO, int(SOCKET, LPWSABUF, DWORD, LPDWORD, DWORD, const sockaddr*, int,
          LPWSAOVERLAPPED, LPWSAOVERLAPPED_COMPLETION_ROUTINE, LPWSATHREADID, LPINT))
SIGNATURE(LPWSPSETSOCKOPT, int(SOCKET, int, int, const char*, int, LPINT))
SIGNATURE(LPWSPSHUTDOWN, int(SOCKET, int, LPINT))
SIGNATURE(LPWSPSOCKET, SOCKET(int, int, int, LPWSAPROTOCOL_INFOW, GROUP, DWORD, LPINT))
SIGNATURE(LPWSPSTRINGTOADDRESS, INT(LPWSTR, INT, LPWSAPROTOCOL_INFOW, LPSOCKADDR, LPINT, LPINT))
SIGNATURE(LPWPUCLOSEEVENT, BOOL(WSAEVENT, LPINT))
SIGNATURE(LPWPUCLOSESOCKETHANDLE, int(SOCKET, LPINT))
SIGNATURE(LPWPUCREATEEVENT, WSAEVENT(LPINT))
SIGNATURE(LPWPUCREATESOCKETHANDLE, SOCKET(DWORD, DWORD_PTR, LPINT))
SIGNATURE(LPWPUFDISSET, int(SOCKET, fd_set*))
SIGNATURE(LPWPUGETPROVIDERPATH, int(LPGUID, WCHAR*, LPINT, LPINT))
SIGNATURE(LPWPUMODIFYIFSHANDLE, SOCKET(DWORD, SOCKET, LPINT))
SIGNATURE(LPWPUPOSTMESSAGE, BOOL(HWND, UINT, WPARAM, LPARAM))
SIGNATURE(LPWPUQUERYBLOCKINGCALLBACK, int(DWORD, LPBLOCKINGCALLBACK*, PDWORD_PTR, LPINT))
SIGNATURE(LPWPUQUERYSOCKETHANDLECONTEXT, int(SOCKET, PDWORD_PTR, LPINT))
SIGNATURE(LPWPUQUEUEAPC, int(LPWSATHREADID, LPWSAUSERAPC, DWORD_PTR, LPINT))
SIGNATURE(LPWPURESETEVENT, BOOL(WSAEVENT, LPINT))
SIGNATURE(LPWPUSETEVENT, BOOL(WSAEVENT, LPINT))
SIGNATURE(LPWPUOPENCURRENTTHREAD, int(LPWSATHREADID, LPINT))
SIGNATURE(LPWPUCLOSETHREAD, int(LPWSATHREADID, LPINT))

SIGNATURE(LPWSPSTARTUP, int(WORD, LPWSPDATA, LPWSAPROTOCOL_INFOW, WSPUPCALLTABLE, LPWSPPROC_TABLE))
SIGNATURE(LPWSAUSERAPC, VOID(DWORD_PTR))
SIGNATURE(LPBLOCKINGCALLBACK, BOOL(DWORD_PTR))
SIGNATURE(LPWSAOVERLAPPED_COMPLETION_ROUTINE, void(DWORD, DWORD, LPWSAOVERLAPPED, DWORD))
SIGNATURE(LPCONDITIONPROC, int(LPWSABUF, LPWSABUF, LPQOS, LPQOS, LPWSABUF, LPWSABUF, GROUP*,
          DWORD_PTR))
SIGNATURE(LPFN_ACCEPTEX, BOOL(SOCKET, SOCKET, PVOID, DWORD, DWORD, DWORD, LPDWORD, LPOVERLAPPED))
SIGNATURE(LPFN_CONNECTEX, BOOL(SOCKET, const sockaddr*, int, PVOID, DWORD, LPDWORD, LPOVERLAPPED))
SIGNATURE(LPFN_DISCONNECTEX, BOOL(SOCKET, LPOVERLAPPED, DWORD, DWORD))
SIGNATURE(LPFN_GETACCEPTEXSOCKADDRS, VOID(PVOID, DWORD, DWORD, DWORD, sockaddr**, LPINT,
          sockaddr**, LPINT))
SIGNATURE(LPFN_TRANSMITFILE, BOOL(SOCKET, HANDLE, DWORD, DWORD, LPOVERLAPPED,
          LPTRANSMIT_FILE_BUFFERS, DWORD))
SIGNATURE(LPFN_WSARECVMSG, INT(SOCKET, LPWSAMSG, LPDWORD, LPWSAOVERLAPPED,
          LPWSAOVERLAPPED_COMPLETION_ROUTINE))
SIGNATURE(LPFN_WSASENDMSG, INT(SOCKET, LPWSAMSG, DWORD, LPDWORD, LPWSAOVERLAPPED,
          LPWSAOVERLAPPED_COMPLETION_ROUTINE))
// clang-format on

namespace {

/// table_of_indices makes a table whose n-th pointer has the value n.
template <typename Table, std::size_t kEntries>
Table table_of_indices() {
  std::array<std::uintptr_t, kEntries> slots{};
  for (std::size_t i = 0; i < kEntries; ++i) slots[i] = i;
  return std::bit_cast<Table>(slots);
}

template <typename Function>
std::uintptr_t slot_of(Function* function) {
  return std::bit_cast<std::uintptr_t>(function);
}

/// text_of writes an id as the registry does.
std::string text_of(const GUID& id) {
  std::array<char, 40> text{};
  std::snprintf(text.data(), text.size(), "%08x-%04x-%04x-%02x%02x-%02x%02x%02x%02x%02x%02x",
                id.Data1, id.Data2, id.Data3, id.Data4[0], id.Data4[1], id.Data4[2], id.Data4[3],
                id.Data4[4], id.Data4[5], id.Data4[6], id.Data4[7]);
  return text.data();
}

TEST(ProcTable, HasThirtyEntriesInWindowsOrder) {
  const auto table = table_of_indices<WSPPROC_TABLE, 30>();
  EXPECT_EQ(slot_of(table.lpWSPAccept), 0);
  EXPECT_EQ(slot_of(table.lpWSPAddressToString), 1);
  EXPECT_EQ(slot_of(table.lpWSPAsyncSelect), 2);
  EXPECT_EQ(slot_of(table.lpWSPBind), 3);
  EXPECT_EQ(slot_of(table.lpWSPCancelBlockingCall), 4);
  EXPECT_EQ(slot_of(table.lpWSPCleanup), 5);
  EXPECT_EQ(slot_of(table.lpWSPCloseSocket), 6);
  EXPECT_EQ(slot_of(table.lpWSPConnect), 7);
  EXPECT_EQ(slot_of(table.lpWSPDuplicateSocket), 8);
  EXPECT_EQ(slot_of(table.lpWSPEnumNetworkEvents), 9);
  EXPECT_EQ(slot_of(table.lpWSPEventSelect), 10);
  EXPECT_EQ(slot_of(table.lpWSPGetOverlappedResult), 11);
  EXPECT_EQ(slot_of(table.lpWSPGetPeerName), 12);
  EXPECT_EQ(slot_of(table.lpWSPGetSockName), 13);
  EXPECT_EQ(slot_of(table.lpWSPGetSockOpt), 14);
  EXPECT_EQ(slot_of(table.lpWSPGetQOSByName), 15);
  EXPECT_EQ(slot_of(table.lpWSPIoctl), 16);
  EXPECT_EQ(slot_of(table.lpWSPJoinLeaf), 17);
  EXPECT_EQ(slot_of(table.lpWSPListen), 18);
  EXPECT_EQ(slot_of(table.lpWSPRecv), 19);
  EXPECT_EQ(slot_of(table.lpWSPRecvDisconnect), 20);
  EXPECT_EQ(slot_of(table.lpWSPRecvFrom), 21);
  EXPECT_EQ(slot_of(table.lpWSPSelect), 22);
  EXPECT_EQ(slot_of(table.lpWSPSend), 23);
  EXPECT_EQ(slot_of(table.lpWSPSendDisconnect), 24);
  EXPECT_EQ(slot_of(table.lpWSPSendTo), 25);
  EXPECT_EQ(slot_of(table.lpWSPSetSockOpt), 26);
  EXPECT_EQ(slot_of(table.lpWSPShutdown), 27);
  EXPECT_EQ(slot_of(table.lpWSPSocket), 28);
  EXPECT_EQ(slot_of(table.lpWSPStringToAddress), 29);
}

TEST(UpcallTable, HasFifteenEntriesInWindowsOrder) {
  const auto table = table_of_indices<WSPUPCALLTABLE, 15>();
  EXPECT_EQ(slot_of(table.lpWPUCloseEvent), 0);
  EXPECT_EQ(slot_of(table.lpWPUCloseSocketHandle), 1);
  EXPECT_EQ(slot_of(table.lpWPUCreateEvent), 2);
  EXPECT_EQ(slot_of(table.lpWPUCreateSocketHandle), 3);
  EXPECT_EQ(slot_of(table.lpWPUFDIsSet), 4);
  EXPECT_EQ(slot_of(table.lpWPUGetProviderPath), 5);
  EXPECT_EQ(slot_of(table.lpWPUModifyIFSHandle), 6);
  EXPECT_EQ(slot_of(table.lpWPUPostMessage), 7);
  EXPECT_EQ(slot_of(table.lpWPUQueryBlockingCallback), 8);
  EXPECT_EQ(slot_of(table.lpWPUQuerySocketHandleContext), 9);
  EXPECT_EQ(slot_of(table.lpWPUQueueApc), 10);
  EXPECT_EQ(slot_of(table.lpWPUResetEvent), 11);
  EXPECT_EQ(slot_of(table.lpWPUSetEvent), 12);
  EXPECT_EQ(slot_of(table.lpWPUOpenCurrentThread), 13);
  EXPECT_EQ(slot_of(table.lpWPUCloseThread), 14);
}

TEST(ExtensionIds, AreMicrosofts) {
  EXPECT_EQ(text_of(WSAID_ACCEPTEX), "b5367df1-cbac-11cf-95ca-00805f48a192");
  EXPECT_EQ(text_of(WSAID_CONNECTEX), "25a207b9-ddf3-4660-8ee9-76e58c74063e");
  EXPECT_EQ(text_of(WSAID_DISCONNECTEX), "7fda2e11-8630-436f-a031-f536a6eec157");
  EXPECT_EQ(text_of(WSAID_GETACCEPTEXSOCKADDRS), "b5367df2-cbac-11cf-95ca-00805f48a192");
  EXPECT_EQ(text_of(WSAID_TRANSMITFILE), "b5367df0-cbac-11cf-95ca-00805f48a192");
  EXPECT_EQ(text_of(WSAID_TRANSMITPACKETS), "d9689da0-1f90-11d3-9971-00c04f68c876");
  EXPECT_EQ(text_of(WSAID_WSARECVMSG), "f689d7c8-6f1f-436b-8a53-e54fe351c322");
  EXPECT_EQ(text_of(WSAID_WSASENDMSG), "a441e712-754f-43ca-84a7-0dee44cf606d");
}

}  // namespace
