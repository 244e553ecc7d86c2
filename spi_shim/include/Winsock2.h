// SPDX-License-Identifier: BSD-3-Clause
// Windows' files have names of either case.
#include "winsock2.h"
