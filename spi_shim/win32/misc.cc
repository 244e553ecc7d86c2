// SPDX-License-Identifier: BSD-3-Clause
// Clocks, memory and text, each one of the C library's.
#include <strings.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <ctime>

#include "windows.h"

namespace {

LONGLONG monotonic_ns() noexcept {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return LONGLONG{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

void* allocate(bool zeroes, SIZE_T bytes) noexcept {
  return zeroes ? std::calloc(1, bytes == 0 ? 1 : bytes) : std::malloc(bytes == 0 ? 1 : bytes);
}

}  // namespace

BOOL WINAPI QueryPerformanceCounter(LARGE_INTEGER* lpPerformanceCount) noexcept {
  lpPerformanceCount->QuadPart = monotonic_ns();
  return TRUE;
}

BOOL WINAPI QueryPerformanceFrequency(LARGE_INTEGER* lpFrequency) noexcept {
  lpFrequency->QuadPart = 1'000'000'000;
  return TRUE;
}

ULONGLONG WINAPI GetTickCount64() noexcept {
  return static_cast<ULONGLONG>(monotonic_ns()) / 1'000'000;
}
DWORD WINAPI GetTickCount() noexcept { return static_cast<DWORD>(GetTickCount64()); }
DWORD WINAPI GetCurrentProcessId() noexcept { return static_cast<DWORD>(getpid()); }

VOID WINAPI GetSystemInfo(LPSYSTEM_INFO lpSystemInfo) noexcept {
  const long n = sysconf(_SC_NPROCESSORS_ONLN);
  *lpSystemInfo = {};
  lpSystemInfo->wProcessorArchitecture = PROCESSOR_ARCHITECTURE_AMD64;
  lpSystemInfo->dwPageSize = static_cast<DWORD>(sysconf(_SC_PAGESIZE));
  lpSystemInfo->dwAllocationGranularity = lpSystemInfo->dwPageSize;
  lpSystemInfo->dwNumberOfProcessors = static_cast<DWORD>(n);
  lpSystemInfo->dwActiveProcessorMask = n >= 64 ? ~DWORD_PTR{0} : (DWORD_PTR{1} << n) - 1;
}

[[noreturn]] VOID WINAPI ExitProcess(UINT uExitCode) { std::exit(static_cast<int>(uExitCode)); }

HANDLE WINAPI GetProcessHeap() noexcept {
  static char the_one;
  return &the_one;
}

LPVOID WINAPI HeapAlloc(HANDLE, DWORD dwFlags, SIZE_T dwBytes) noexcept {
  return allocate((dwFlags & HEAP_ZERO_MEMORY) != 0, dwBytes);
}

// Of HEAP_ZERO_MEMORY no trace here: how large the block was nobody knows.
LPVOID WINAPI HeapReAlloc(HANDLE, DWORD, LPVOID lpMem, SIZE_T dwBytes) noexcept {
  return std::realloc(lpMem, dwBytes == 0 ? 1 : dwBytes);
}

BOOL WINAPI HeapFree(HANDLE, DWORD, LPVOID lpMem) noexcept {
  std::free(lpMem);
  return TRUE;
}

HANDLE WINAPI GlobalAlloc(UINT uFlags, SIZE_T dwBytes) noexcept {
  return allocate((uFlags & GMEM_ZEROINIT) != 0, dwBytes);
}
HANDLE WINAPI LocalAlloc(UINT uFlags, SIZE_T uBytes) noexcept { return GlobalAlloc(uFlags, uBytes); }

HANDLE WINAPI GlobalFree(HANDLE hMem) noexcept {
  std::free(hMem);
  return nullptr;
}
HANDLE WINAPI LocalFree(HANDLE hMem) noexcept { return GlobalFree(hMem); }

int WINAPI lstrlenA(LPCSTR lpString) noexcept {
  return lpString == nullptr ? 0 : static_cast<int>(std::strlen(lpString));
}

int WINAPI lstrlenW(LPCWSTR lpString) noexcept {
  int n = 0;
  while (lpString != nullptr && lpString[n] != 0) ++n;
  return n;
}

int WINAPI lstrcmpA(LPCSTR lpString1, LPCSTR lpString2) noexcept {
  return std::strcmp(lpString1, lpString2);
}
int WINAPI lstrcmpiA(LPCSTR lpString1, LPCSTR lpString2) noexcept {
  return strcasecmp(lpString1, lpString2);
}
LPSTR WINAPI lstrcpyA(LPSTR lpString1, LPCSTR lpString2) noexcept {
  return std::strcpy(lpString1, lpString2);
}

LPSTR WINAPI lstrcpynA(LPSTR lpString1, LPCSTR lpString2, int iMaxLength) noexcept {
  if (iMaxLength <= 0) return lpString1;
  const size_t n = strnlen(lpString2, static_cast<size_t>(iMaxLength) - 1);
  std::memcpy(lpString1, lpString2, n);
  lpString1[n] = 0;
  return lpString1;
}
