/* SPDX-License-Identifier: BSD-3-Clause */
/* What lwIP asks of its platform: a random number, a checksum, an assertion. glibc has the rest. */
#ifndef MILLRACE_LWIP_CC_H
#define MILLRACE_LWIP_CC_H

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#ifdef __cplusplus
extern "C" {
#endif
unsigned int millrace_lwip_rand(void);
uint16_t millrace_lwip_checksum(const void* data, int len);
__attribute__((noreturn)) void millrace_lwip_assert(const char* message, const char* file, int line);
#ifdef __cplusplus
}
#endif

#define BYTE_ORDER LITTLE_ENDIAN
/* One instruction each, where lwIP's own are calls (lwip/def.h). */
#define lwip_htons(x) __builtin_bswap16(x)
#define lwip_htonl(x) __builtin_bswap32(x)
#define LWIP_RAND() millrace_lwip_rand()
#define LWIP_CHKSUM millrace_lwip_checksum
#define LWIP_CHKSUM_ALGORITHM 0
#define LWIP_PLATFORM_ASSERT(x) millrace_lwip_assert(x, __FILE__, __LINE__)
#define LWIP_PLATFORM_DIAG(x) \
  do {                        \
    printf x;                 \
  } while (0)

#endif
