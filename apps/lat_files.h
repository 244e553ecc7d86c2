// SPDX-License-Identifier: BSD-3-Clause
// What a report is written to.
#pragma once

#include <fstream>
#include <stdexcept>
#include <string>

namespace millrace::lat {

/// Calls write(stream); nothing for an empty path. @throws std::runtime_error  it could not be written
template <typename Write>
void write_file(const std::string& path, Write&& write) {
  if (path.empty()) return;
  std::ofstream out(path);
  write(out);
  out.flush();
  if (!out) throw std::runtime_error("cannot write " + path);
}

}  // namespace millrace::lat
