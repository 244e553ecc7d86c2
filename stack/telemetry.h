// SPDX-License-Identifier: BSD-3-Clause
// Shows a Stack through DPDK's telemetry socket: `/millrace/loans` names the sockets whose callers
// hold received mbufs on loan, the one that has held its oldest the longest first:
//
//   {"/millrace/loans": {"SOCKET": {"mbufs": 3, "bytes": 4380, "oldest_ms": 12071}, ...}}
#pragma once

namespace millrace {

class Stack;

/// Makes a Stack visible until telemetry_remove. The first call registers the command.
void telemetry_add(Stack& stack);
/// Waits for a reader in progress; afterwards nobody reads the Stack.
void telemetry_remove(Stack& stack) noexcept;

}  // namespace millrace
