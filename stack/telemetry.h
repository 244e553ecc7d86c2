// SPDX-License-Identifier: BSD-3-Clause
// Shows a Stack through DPDK's telemetry socket: `/millrace/loans` names the sockets whose callers
// hold received mbufs on loan, the one that has held its oldest the longest first:
//
//   {"/millrace/loans": {"SOCKET": {"mbufs": 3, "bytes": 4380, "oldest_ms": 12071}, ...}}
//
// and `/millrace/stages` says how long sampled packets were in each stage of their way (STAGES.md), on all
// Stacks, or with `/millrace/stages,INDEX` on one:
//
//   {"/millrace/stages": {"burst": {"count": 81, "p50_ns": 43, "p99_ns": 91, ...}, "lwip": ...}}
#pragma once

namespace millrace {

class Stack;

/// Makes a Stack visible until telemetry_remove. The first call registers the command.
void telemetry_add(Stack& stack);
/// Waits for a reader in progress; afterwards nobody reads the Stack.
void telemetry_remove(Stack& stack) noexcept;

}  // namespace millrace
