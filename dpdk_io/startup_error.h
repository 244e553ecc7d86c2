// SPDX-License-Identifier: BSD-3-Clause
// The one exception of the project: something the process needs at start-up is missing or wrong.
// It is thrown by eal_start, Pool, Port and the configuration, and caught in main and WSPStartup.
// what() is one line, so that it can be logged as it is: "WHERE: CAUSE; REMEDY".
#pragma once

#include <stdexcept>
#include <string>
#include <utility>

namespace millrace {

class StartupError : public std::runtime_error {
 public:
  StartupError(std::string where, std::string cause, std::string remedy)
      : std::runtime_error(where + ": " + cause + "; " + remedy),
        where_(std::move(where)),
        cause_(std::move(cause)),
        remedy_(std::move(remedy)) {}

  const std::string& where() const noexcept { return where_; }
  const std::string& cause() const noexcept { return cause_; }
  const std::string& remedy() const noexcept { return remedy_; }

 private:
  std::string where_;
  std::string cause_;
  std::string remedy_;
};

}  // namespace millrace
