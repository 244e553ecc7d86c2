// SPDX-License-Identifier: BSD-3-Clause
// millrace-rio: counts the datagrams that come to a port, received by registered I/O. Written as it
// would be for Windows: nothing here knows millrace, and the configuration is what MILLRACE_CONFIG
// names.
//
//   millrace-rio [--port N] [--receives N] [--bytes N] [--wait poll|event|port] [--sequence]
//
// A line per second in which something came, and one at the end (SIGINT, SIGTERM). With --sequence
// each datagram starts with its number, 8 bytes and big-endian, from 0 on, as sockperf's do; there
// may be one sender then, and what does not come is reported as lost.
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <iostream>
#include <string>
#include <string_view>

#include "apps/rio_receiver.h"

namespace millrace {
namespace {

volatile std::sig_atomic_t is_stopping = 0;

[[noreturn]] void refuse(const std::string& why) {
  std::cerr << "millrace-rio: " << why
            << "\nusage: millrace-rio [--port N] [--receives N] [--bytes N] "
               "[--wait poll|event|port] [--sequence]\n";
  std::exit(2);
}

unsigned long number_of(std::string_view name, const char* text, unsigned long least,
                        unsigned long most) {
  char* end = nullptr;
  const unsigned long value = std::strtoul(text, &end, 10);
  if (end == text || *end != '\0' || value < least || value > most) {
    refuse(std::string(name) + " is a number from " + std::to_string(least) + " to " +
           std::to_string(most));
  }
  return value;
}

RioWait wait_of(std::string_view text) {
  if (text == "poll") return RioWait::kPoll;
  if (text == "event") return RioWait::kEvent;
  if (text == "port") return RioWait::kPort;
  refuse("--wait is poll, event or port");
}

RioOptions options_of(int argc, char** argv) {
  RioOptions options;
  for (int i = 1; i < argc; ++i) {
    const std::string_view name = argv[i];
    if (name == "--sequence") {
      options.has_sequence = true;
      continue;
    }
    if (i + 1 == argc) refuse("what is " + std::string(name) + "?");
    const char* const value = argv[++i];
    if (name == "--port") {
      options.port = static_cast<uint16_t>(number_of(name, value, 1, 65535));
    } else if (name == "--receives") {
      options.receives = static_cast<DWORD>(number_of(name, value, 1, 16384));
    } else if (name == "--bytes") {
      options.bytes = static_cast<DWORD>(number_of(name, value, 1, 65536));
    } else if (name == "--wait") {
      options.wait = wait_of(value);
    } else {
      refuse("what is " + std::string(name) + "?");
    }
  }
  return options;
}

using Clock = std::chrono::steady_clock;

/// What came since the last report, per second.
class Report {
 public:
  explicit Report(const RioReceiver& receiver) : receiver_(receiver) {}

  void tell_if_due() {
    const auto now = Clock::now();
    if (now - since_ < std::chrono::seconds(1)) return;
    const RioTotals& totals = receiver_.totals();
    if (totals.datagrams != before_.datagrams) {
      const double seconds = std::chrono::duration<double>(now - since_).count();
      const auto rate = [seconds](uint64_t n) {
        return static_cast<uint64_t>(static_cast<double>(n) / seconds);
      };
      std::cout << rate(totals.datagrams - before_.datagrams) << " datagrams/s "
                << rate(totals.bytes - before_.bytes) << " bytes/s, "
                << receiver_.sequence().n_lost() << " lost so far" << std::endl;
    }
    before_ = totals;
    since_ = now;
  }

  void tell_totals() const {
    const RioTotals& totals = receiver_.totals();
    const Sequence& sequence = receiver_.sequence();
    std::cout << "received " << totals.datagrams << " datagrams " << totals.bytes << " bytes, lost "
              << sequence.n_lost() << " late " << sequence.n_late() << " double "
              << sequence.n_double() << " cut " << totals.n_cut << " failed " << totals.n_failed
              << std::endl;
  }

 private:
  const RioReceiver& receiver_;
  RioTotals before_;
  Clock::time_point since_ = Clock::now();
};

int receive(const RioOptions& options) {
  WSADATA data;
  if (const int error = WSAStartup(MAKEWORD(2, 2), &data); error != 0) {
    std::cerr << "millrace-rio: WSAStartup: Winsock error " << error << '\n';
    return EXIT_FAILURE;
  }
  {
    RioReceiver receiver(options);
    Report report(receiver);
    std::cout << "listening on port " << options.port << std::endl;
    while (is_stopping == 0) {
      receiver.take();
      report.tell_if_due();
    }
    report.tell_totals();
  }
  return WSACleanup();
}

}  // namespace
}  // namespace millrace

int main(int argc, char** argv) {
  for (const int number : {SIGINT, SIGTERM}) {
    std::signal(number, [](int) { millrace::is_stopping = 1; });
  }
  return millrace::receive(millrace::options_of(argc, argv));
}
