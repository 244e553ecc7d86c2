// SPDX-License-Identifier: BSD-3-Clause
// millrace-lat: measures round trips and throughput of millrace's sockets, or of the Linux
// kernel's.
//
//   millrace-lat server     --config a.toml --address 10.0.0.1:7777     and ports 7, 9 and 19
//   millrace-lat ping-pong  --config b.toml --address 10.0.0.1:7777 --size 64 --json out.json
//   millrace-lat throughput --config b.toml --address 10.0.0.1:7777 --size 65536 --receive
//   millrace-lat under-load --config b.toml --address 10.0.0.1:7777 --rate 50000 --connections 8 --hlog out.hlog
//   millrace-lat under-load --kernel --address 10.0.0.1:7777 --sweep --json sweep.json
//   millrace-lat ping-pong  --kernel --spin --self --udp
//
// --self runs the server in this process, too, on a second thread: all that the embedded loopback,
// which other processes cannot see, allows.
#include <arpa/inet.h>

#include <CLI/CLI.hpp>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <thread>

#include "apps/lat_report.h"
#include "apps/lat_server.h"
#include "apps/lat_stages.h"

namespace millrace::lat {
namespace {

struct CommandLine {
  Options options;
  bool is_udp = false;
  bool is_tcp = false;
  bool is_sctp = false;
  std::string config_path;
};

/// "10.0.0.1:7777"
Peer parse_peer(const std::string& text) {
  const size_t colon = text.rfind(':');
  Peer peer;
  if (colon == std::string::npos ||
      inet_pton(AF_INET, text.substr(0, colon).c_str(), &peer.address_be) != 1) {
    throw CLI::ValidationError("--address", "'" + text + "' is not like 10.0.0.1:7777");
  }
  uint16_t port = 0;
  if (!CLI::detail::lexical_cast(text.substr(colon + 1), port) || port == 0) {
    throw CLI::ValidationError("--address", "'" + text + "' has no port, 1..65535");
  }
  peer.port_be = htons(port);
  return peer;
}

void add_common(CLI::App& app, CommandLine& line) {
  Options& options = line.options;
  app.add_option("--address", options.address_text, "IPv4 address and port of the server")
      ->default_str(options.address_text);
  app.add_option("--config", line.config_path, "millrace's configuration; default: MILLRACE_CONFIG")
      ->check(CLI::ExistingFile);
  app.add_option("--json", options.json_path, "write results and counters to this file");
  app.add_flag("--nonblocking,--spin", options.is_nonblocking,
               "receive on nonblocking sockets, spinning, instead of in blocking calls");
  app.add_flag("--stages", options.shows_stages, "show where the time of received packets went, stage by stage");
  auto* const kernel = app.add_flag("--kernel", options.is_kernel, "use the kernel's sockets instead of millrace's");
  app.add_flag("--sctp", line.is_sctp, "messages over SCTP; of a server: instead of TCP")->excludes(kernel);
  app.add_option("--congestion", options.congestion,
                 "the kernel's congestion control, such as cubic");
}

void add_load(CLI::App& app, Options& options) {
  app.add_option("--rate", options.rate_per_s, "messages a second, of all connections; of a sweep the first")
      ->check(CLI::Range(1.0, 1e8))
      ->capture_default_str();
  app.add_option("--connections", options.n_connections, "messages are spread over as many")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  app.add_flag("--sweep", options.sweeps, "rising rates, up to what is not kept up with or too slow: the knee");
  app.add_option("--step", options.step, "of a sweep: from one rate to the next, times")
      ->check(CLI::Range(1.05, 10.0))
      ->capture_default_str();
  app.add_option("--limit-us", options.limit_us, "of a sweep: the most p99; 0: ten times the first rate's")
      ->check(CLI::Range(0.0, 1e6));
  app.add_option("--hgrm", options.hgrm_path, "write HdrHistogram's percentile distribution, of a sweep the knee's");
  app.add_option("--hlog", options.hlog_path, "write HdrHistogram's log: each second, of a sweep each rate");
}

void add_client(CLI::App& app, CommandLine& line) {
  Options& options = line.options;
  auto* const udp = app.add_flag("--udp", line.is_udp, "datagrams");
  auto* const tcp = app.add_flag("--tcp", line.is_tcp, "a stream (default)")->excludes(udp);
  app.get_option("--sctp")->excludes(udp)->excludes(tcp);
  app.add_option("--size", options.size_bytes, "bytes of a message")
      ->check(CLI::Range(1, 1 << 20))
      ->capture_default_str();
  app.add_option("--duration", options.duration_s, "seconds that count")
      ->check(CLI::Range(0.01, 1e6))
      ->capture_default_str();
  app.add_flag("--self", options.serves_itself, "run the server in this process, too");
}

extern "C" void on_signal(int) { is_stopping = true; }

void catch_signals() {
  struct sigaction action {};
  action.sa_handler = on_signal;
  action.sa_flags = static_cast<int>(SA_RESETHAND);  // the second one ends the process
  for (const int signal : {SIGINT, SIGTERM}) sigaction(signal, &action, nullptr);
}

/// The server of --self; ends with its scope.
class OwnServer {
 public:
  OwnServer(Transport& transport, const Options& options) {
    if (!options.serves_itself) return;
    server_ = std::make_unique<Server>(transport, options);
    thread_ = std::thread([this] {
      try {
        server_->run();
      } catch (const std::exception& e) {
        std::fprintf(stderr, "millrace-lat: server: %s\n", e.what());
        is_stopping = true;
      }
    });
  }
  ~OwnServer() {
    is_stopping = true;
    if (thread_.joinable()) thread_.join();
  }
  OwnServer(const OwnServer&) = delete;
  OwnServer& operator=(const OwnServer&) = delete;

 private:
  std::unique_ptr<Server> server_;
  std::thread thread_;
};

void serve(Transport& transport, const Options& options) {
  {
    Server server(transport, options);
    std::printf("listening on %s\n", options.address_text.c_str());
    std::fflush(stdout);
    server.run();
  }
  const Counters counters = transport.counters();
  report_server(options, counters);
  show_stages(options, counters);
}

/// @return the exit code
int run(const CLI::App& app, const Options& options) {
  catch_signals();
  const bool is_server = app.got_subcommand("server");
  const auto transport =
      options.is_kernel ? make_kernel_transport(options.is_nonblocking, options.congestion)
      : is_server && options.protocol == Protocol::kTcp ? make_port_transport(options.is_nonblocking, options.address)
                        : make_spi_transport(options.is_nonblocking);
  if (is_server) {
    serve(*transport, options);
    return EXIT_SUCCESS;
  }
  const OwnServer own_server(*transport, options);
  const auto tell = [&](const auto& result) {
    const Counters counters = transport->counters();
    report(options, result, counters);
    show_stages(options, counters);
  };
  if (app.got_subcommand("ping-pong")) {
    const PingPongResult result = ping_pong(*transport, options);
    tell(result);
    return result.round_trips.count() != 0 ? EXIT_SUCCESS : EXIT_FAILURE;
  }
  if (app.got_subcommand("under-load") && options.sweeps) {
    const SweepResult result = sweep(*transport, options);
    tell(result);
    return result.knee < result.rates.size() ? EXIT_SUCCESS : EXIT_FAILURE;
  }
  if (app.got_subcommand("under-load")) {
    const LoadResult result = under_load(*transport, options, options.rate_per_s);
    tell(result);
    return result.n_unanswered == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
  }
  const BulkResult result = throughput(*transport, options);
  tell(result);
  const bool may_lose = options.protocol == Protocol::kUdp;
  return result.received.n_wrong_bytes == 0 && (may_lose || result.is_complete()) ? EXIT_SUCCESS
                                                                                  : EXIT_FAILURE;
}

int main(int argc, char** argv) {
  CommandLine line;
  Options& options = line.options;
  options.address_text = "127.0.0.1:7777";
  CLI::App app("Measures round trips and throughput of millrace's sockets, or of the kernel's.");
  app.require_subcommand(1);
  auto* const server = app.add_subcommand("server", "echo on TCP and UDP; millrace: and over TCP echo, discard and chargen on ports "
                                        "7, 9 and 19 of the same address; until a signal comes");
  auto* const ping = app.add_subcommand("ping-pong", "one message under way at a time");
  auto* const bulk = app.add_subcommand("throughput", "as many messages as possible, one way");
  auto* const load = app.add_subcommand("under-load", "messages at a given rate, whether or not they come back");
  for (auto* const each : {server, ping, bulk, load}) add_common(*each, line);
  for (auto* const each : {ping, bulk, load}) add_client(*each, line);
  add_load(*load, options);
  ping->add_option("--warmup", options.warmup_s, "seconds before those")
      ->check(CLI::Range(0.0, 1e6))
      ->capture_default_str();
  ping->add_option("--hgrm", options.hgrm_path, "write HdrHistogram's percentile distribution");
  bulk->add_flag("--receive", options.server_sends, "the server sends");
  bulk->add_flag("--verify", options.verifies, "compare every byte received");
  try {
    app.parse(argc, argv);
    options.protocol = line.is_udp ? Protocol::kUdp : line.is_sctp ? Protocol::kSctp : Protocol::kTcp;
    options.address = parse_peer(options.address_text);
    if (line.is_udp && options.size_bytes > 65507) {
      throw CLI::ValidationError("--size", "a datagram has at most 65507 bytes");
    }
    if (load->parsed()) {
      options.is_nonblocking = true;  // it must not wait for what is late
      if (options.size_bytes < 8) throw CLI::ValidationError("--size", "a message carries its number: 8 bytes");
    }
  } catch (const CLI::ParseError& e) {
    return app.exit(e);
  }
  if (!line.config_path.empty()) setenv("MILLRACE_CONFIG", line.config_path.c_str(), 1);
  try {
    return run(app, options);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "millrace-lat: %s\n", e.what());
    return EXIT_FAILURE;
  }
}

}  // namespace
}  // namespace millrace::lat

int main(int argc, char** argv) { return millrace::lat::main(argc, argv); }
