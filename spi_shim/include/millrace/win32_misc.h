// SPDX-License-Identifier: BSD-3-Clause
// Clocks, memory, text and messages: the trivia that network programs take from windows.h.
//
// The ANSI code page is UTF-8.
#ifndef MILLRACE_WIN32_MISC_H_
#define MILLRACE_WIN32_MISC_H_

#include <cstdlib>
#include <cstring>

#include "millrace/winsock_types.h"

struct SYSTEM_INFO {
  union {
    DWORD dwOemId;
    __extension__ struct {
      WORD wProcessorArchitecture;
      WORD wReserved;
    };
  };
  DWORD dwPageSize;
  LPVOID lpMinimumApplicationAddress;
  LPVOID lpMaximumApplicationAddress;
  DWORD_PTR dwActiveProcessorMask;
  DWORD dwNumberOfProcessors;
  DWORD dwProcessorType;
  DWORD dwAllocationGranularity;
  WORD wProcessorLevel;
  WORD wProcessorRevision;
};
using LPSYSTEM_INFO = SYSTEM_INFO*;
#define PROCESSOR_ARCHITECTURE_AMD64 9

#define HEAP_ZERO_MEMORY 0x8
#define GMEM_FIXED 0
#define GMEM_ZEROINIT 0x40
#define GPTR 0x40
#define LMEM_FIXED 0
#define LMEM_ZEROINIT 0x40
#define LPTR 0x40

#define FORMAT_MESSAGE_ALLOCATE_BUFFER 0x100
#define FORMAT_MESSAGE_IGNORE_INSERTS 0x200
#define FORMAT_MESSAGE_FROM_SYSTEM 0x1000
#define FORMAT_MESSAGE_MAX_WIDTH_MASK 0xFF
#define LANG_NEUTRAL 0
#define SUBLANG_DEFAULT 1
constexpr DWORD MAKELANGID(WORD primary, WORD sub) { return static_cast<DWORD>(sub << 10 | primary); }

#pragma GCC visibility push(default)
extern "C" {

// --- Clocks and the machine ----------------------------------------------------------------------
BOOL WINAPI QueryPerformanceCounter(LARGE_INTEGER* lpPerformanceCount) noexcept;
BOOL WINAPI QueryPerformanceFrequency(LARGE_INTEGER* lpFrequency) noexcept;  // of nanoseconds
DWORD WINAPI GetTickCount() noexcept;      // milliseconds since the machine started
ULONGLONG WINAPI GetTickCount64() noexcept;
DWORD WINAPI GetCurrentProcessId() noexcept;
VOID WINAPI GetSystemInfo(LPSYSTEM_INFO lpSystemInfo) noexcept;
[[noreturn]] VOID WINAPI ExitProcess(UINT uExitCode);

// --- Memory: all of it the C library's -----------------------------------------------------------
HANDLE WINAPI GetProcessHeap() noexcept;
LPVOID WINAPI HeapAlloc(HANDLE hHeap, DWORD dwFlags, SIZE_T dwBytes) noexcept;
LPVOID WINAPI HeapReAlloc(HANDLE hHeap, DWORD dwFlags, LPVOID lpMem, SIZE_T dwBytes) noexcept;
BOOL WINAPI HeapFree(HANDLE hHeap, DWORD dwFlags, LPVOID lpMem) noexcept;
HANDLE WINAPI GlobalAlloc(UINT uFlags, SIZE_T dwBytes) noexcept;
HANDLE WINAPI GlobalFree(HANDLE hMem) noexcept;
HANDLE WINAPI LocalAlloc(UINT uFlags, SIZE_T uBytes) noexcept;
HANDLE WINAPI LocalFree(HANDLE hMem) noexcept;

// --- Text ----------------------------------------------------------------------------------------
int WINAPI lstrlenA(LPCSTR lpString) noexcept;
int WINAPI lstrlenW(LPCWSTR lpString) noexcept;
int WINAPI lstrcmpA(LPCSTR lpString1, LPCSTR lpString2) noexcept;
int WINAPI lstrcmpiA(LPCSTR lpString1, LPCSTR lpString2) noexcept;
LPSTR WINAPI lstrcpyA(LPSTR lpString1, LPCSTR lpString2) noexcept;
LPSTR WINAPI lstrcpynA(LPSTR lpString1, LPCSTR lpString2, int iMaxLength) noexcept;

/// FormatMessage writes the text of an error, for Winsock's the C library's text of the same error.
///
/// @param[in] dwFlags    FORMAT_MESSAGE_FROM_SYSTEM; with FORMAT_MESSAGE_ALLOCATE_BUFFER lpBuffer is
///                       the address of a pointer that LocalFree takes
/// @param[in] Arguments  ignored, as lpSource and dwLanguageId
/// @return characters without the final zero; 0: no room, or another source than the system
DWORD WINAPI FormatMessageA(DWORD dwFlags, LPCVOID lpSource, DWORD dwMessageId, DWORD dwLanguageId,
                            LPSTR lpBuffer, DWORD nSize, void* Arguments) noexcept;
DWORD WINAPI FormatMessageW(DWORD dwFlags, LPCVOID lpSource, DWORD dwMessageId, DWORD dwLanguageId,
                            LPWSTR lpBuffer, DWORD nSize, void* Arguments) noexcept;

}  // extern "C"
#pragma GCC visibility pop

#ifdef UNICODE
#define FormatMessage FormatMessageW
#define lstrlen lstrlenW
using TCHAR = WCHAR;
#else
#define FormatMessage FormatMessageA
#define lstrlen lstrlenA
#define lstrcmp lstrcmpA
#define lstrcmpi lstrcmpiA
#define lstrcpy lstrcpyA
#define lstrcpyn lstrcpynA
using TCHAR = CHAR;
#endif
using LPTSTR = TCHAR*;
using LPCTSTR = const TCHAR*;
using PTSTR = TCHAR*;

// TEXT("x"), _T("x"): in the width that UNICODE chooses.
#ifdef UNICODE
#if __SIZEOF_WCHAR_T__ == 2
#define MILLRACE_TEXT(quoted) L##quoted
#else
#define MILLRACE_TEXT(quoted) u##quoted
#endif
#else
#define MILLRACE_TEXT(quoted) quoted
#endif
#define TEXT(quoted) MILLRACE_TEXT(quoted)
#define _TEXT(quoted) MILLRACE_TEXT(quoted)
#define _T(quoted) MILLRACE_TEXT(quoted)

#define ZeroMemory(to, bytes) std::memset((to), 0, (bytes))
#define SecureZeroMemory(to, bytes) explicit_bzero((to), (bytes))
#define FillMemory(to, bytes, value) std::memset((to), (value), (bytes))
#define CopyMemory(to, from, bytes) std::memcpy((to), (from), (bytes))
#define MoveMemory(to, from, bytes) std::memmove((to), (from), (bytes))
#define ARRAYSIZE(array) (sizeof(array) / sizeof((array)[0]))
#define _countof(array) ARRAYSIZE(array)
#define UNREFERENCED_PARAMETER(name) (void)(name)
#define CONTAINING_RECORD(address, type, field) \
  (reinterpret_cast<type*>(reinterpret_cast<CHAR*>(address) - offsetof(type, field)))
#define MAKELONG(low, high) \
  (static_cast<LONG>((static_cast<DWORD>(low) & 0xFFFF) | static_cast<DWORD>(high) << 16))
#define LOWORD(value) (static_cast<WORD>(static_cast<DWORD_PTR>(value) & 0xFFFF))
#define HIWORD(value) (static_cast<WORD>(static_cast<DWORD_PTR>(value) >> 16 & 0xFFFF))

// What Windows' compilers say about calls and declarations; x86-64 Linux has one calling convention.
#ifndef __cdecl
#define __cdecl
#define __stdcall
#define _cdecl
#define _stdcall
#define __declspec(what)
#endif

#endif  // MILLRACE_WIN32_MISC_H_
