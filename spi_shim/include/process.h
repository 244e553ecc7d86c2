// SPDX-License-Identifier: BSD-3-Clause
// What network programs want from <process.h> is in windows.h.
#include "windows.h"
