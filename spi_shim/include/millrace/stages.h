// SPDX-License-Identifier: BSD-3-Clause
// Where the time of received packets went: how long those that were sampled ([stack] stages_sample) were in
// each stage of their way, since WSPStartup, on all Stacks.
#ifndef MILLRACE_STAGES_H_
#define MILLRACE_STAGES_H_

/// Times in nanoseconds. A percentile is the longest time of its bucket: up to 6 % more than it was.
struct millrace_stage {
  const char* name;      ///< "port", "burst", "lwip", "inbox", "scatter", "completion", "return"
  const char* sentence;  ///< from what to what
  unsigned long long count;
  unsigned long long p50_ns, p99_ns, p999_ns, max_ns;
  unsigned long long sum_ns;  ///< of all of them
};

/// millrace_stages calls visit once for each stage, in the order of the way. Any thread, at any time.
///
/// @param visit    called before the return, without locks that an SPI call would need
/// @param context  handed to visit
/// @return 0; WSANOTINITIALISED outside WSPStartup .. WSPCleanup
extern "C" __attribute__((visibility("default"))) int millrace_stages(
    void (*visit)(void* context, const struct millrace_stage* stage), void* context);

#endif  // MILLRACE_STAGES_H_
