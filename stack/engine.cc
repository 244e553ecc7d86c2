// SPDX-License-Identifier: BSD-3-Clause
// The door of a copy of the engine: all that is looked up by name in one that was loaded (engines.h).
#include "stack/engines.h"
#include "stack/stack.h"

extern "C" __attribute__((visibility("default"))) millrace::Stack* millrace_make_stack(
    const millrace::StackArguments& arguments) {
  return new millrace::Stack(arguments.config, arguments.clock, arguments.pool, arguments.loop,
                             arguments.queues, &arguments.siblings, arguments.index);
}
