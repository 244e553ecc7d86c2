// SPDX-License-Identifier: BSD-3-Clause
// EAL starts once per process, so a test of how it starts, or one with a peer in another process,
// runs this same program again as a child. The first word says which part the child plays.
#pragma once

#include <sched.h>

#include <cstdio>
#include <string>
#include <vector>

namespace millrace::test {

/// Starts EAL with the other words and prints what came of it: "started", or what() of the error.
inline constexpr const char* kStartEal = "--start-eal";
/// The same after rte_eal_init, as an application may call it.
inline constexpr const char* kForeignEal = "--foreign-eal";
/// Sends back what its memif port receives, until its standard input ends.
inline constexpr const char* kMemifEcho = "--memif-echo";

/// The child's main, if the first word is one of the above; otherwise -1.
int child_main(const std::vector<std::string>& words);

/// Runs a child that starts EAL and returns the last line it wrote to stdout.
std::string start_eal_in_child(const std::string& words, const char* part = kStartEal);

/// A child that echoes on the other end of net_memif0; it ends with this object.
class MemifEcho {
 public:
  MemifEcho();
  ~MemifEcho();
  MemifEcho(const MemifEcho&) = delete;
  MemifEcho& operator=(const MemifEcho&) = delete;

 private:
  FILE* input_;
};

/// The test process's affinity before main called eal_start.
extern cpu_set_t affinity_before_eal;
/// Words of net_memif0 and its peer that say where they meet.
std::string memif_meeting_point(int process_id);
std::string memif_socket(int process_id);

}  // namespace millrace::test
