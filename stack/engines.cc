// SPDX-License-Identifier: BSD-3-Clause
#include "stack/engines.h"

#include <dlfcn.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <vector>

#include "dpdk_io/startup_error.h"

extern "C" {
/// The engine as a shared library (engine_image.S).
extern const char millrace_engine_image[];
extern const char millrace_engine_image_end[];
millrace::Stack* millrace_make_stack(const millrace::StackArguments& arguments);
}

namespace millrace {
namespace {

using MakeStack = decltype(millrace_make_stack)*;

[[noreturn]] void refuse(uint32_t index, const std::string& why) {
  throw StartupError("Stack " + std::to_string(index), "its copy of the engine cannot be loaded: " + why,
                     "set stacks = 1 in [stack], or allow memory files and dlopen");
}

/// @return a descriptor that stays open
int memory_file_of_image(uint32_t index) {
  const std::string name = "millrace-engine-" + std::to_string(index);
  const int file = memfd_create(name.c_str(), MFD_CLOEXEC);
  if (file < 0) refuse(index, std::strerror(errno));
  for (const char* at = millrace_engine_image; at != millrace_engine_image_end;) {
    const ssize_t n = write(file, at, static_cast<size_t>(millrace_engine_image_end - at));
    if (n <= 0) refuse(index, std::strerror(errno));
    at += n;
  }
  return file;
}

MakeStack load(uint32_t index) {
  // Debuggers open the path, too: it must name this process for them.
  const std::string path = "/proc/" + std::to_string(getpid()) + "/fd/" +
                           std::to_string(memory_file_of_image(index));
  void* const engine = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (engine == nullptr) refuse(index, dlerror());
  void* const door = dlsym(engine, "millrace_make_stack");
  if (door == nullptr) refuse(index, dlerror());
  return reinterpret_cast<MakeStack>(door);
}

}  // namespace

Stack* make_stack(const StackArguments& arguments) {
  static std::vector<MakeStack> copies = {millrace_make_stack};
  while (copies.size() <= arguments.index) {
    copies.push_back(load(static_cast<uint32_t>(copies.size())));
  }
  return copies[arguments.index](arguments);
}

}  // namespace millrace
