// SPDX-License-Identifier: BSD-3-Clause
// What network programs want from <tchar.h> is in windows.h.
#include "windows.h"
