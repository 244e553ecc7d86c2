// SPDX-License-Identifier: BSD-3-Clause
// Windows' files have names of either case.
#include "ws2tcpip.h"
