// SPDX-License-Identifier: BSD-3-Clause
// Results as text for people (microseconds), as JSON for programs (nanoseconds) and as a histogram
// for HdrHistogram's plotters (microseconds).
#include "apps/lat_report.h"

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "apps/lat_files.h"
#include "apps/lat_stages.h"

namespace millrace::lat {
namespace {

using Json = nlohmann::ordered_json;

constexpr struct {
  const char* name;
  double percent;
} kPercentiles[] = {{"p50", 50}, {"p90", 90}, {"p99", 99}, {"p99.9", 99.9}};

double per_second(uint64_t n, uint64_t elapsed_ns) {
  return elapsed_ns == 0 ? 0 : static_cast<double>(n) * 1e9 / static_cast<double>(elapsed_ns);
}

const char* interface_name(const Options& options) {
  return options.is_kernel ? "kernel" : "millrace";
}

const char* protocol_name(const Options& options) {
  return name_of(options.protocol);
}

const char* receive_name(const Options& options) {
  return options.is_nonblocking ? "nonblocking" : "blocking";
}

/// Copies per payload byte that receive calls returned; negative: nothing was counted.
double copied_per_delivered(const Counters& counters) {
  const auto value_of = [&](const char* name) -> uint64_t {
    const auto it = std::find_if(counters.values.begin(), counters.values.end(),
                                 [name](const auto& counter) { return counter.first == name; });
    return it == counters.values.end() ? 0 : it->second;
  };
  const uint64_t delivered = value_of("bytes_delivered");
  if (delivered == 0) return -1;
  return static_cast<double>(value_of("bytes_copied")) / static_cast<double>(delivered);
}

Json parameters(const Options& options, const char* test) {
  return {{"test", test},
          {"interface", interface_name(options)},
          {"receive", receive_name(options)},
          {"protocol", protocol_name(options)},
          {"address", options.address_text},
          {"size_bytes", options.size_bytes},
          {"duration_s", options.duration_s},
          {"serves_itself", options.serves_itself}};
}

void add_counters(Json& json, const Counters& counters) {
  const double ratio = copied_per_delivered(counters);
  if (ratio >= 0) json["copied_per_delivered"] = ratio;
  Json& values = json["counters"] = Json::object();
  for (const auto& [name, value] : counters.values) values[name] = value;
  add_stages(json, counters.stages);
}

void write_json(const Options& options, const Json& json) {
  write_file(options.json_path, [&](std::ostream& out) { out << json.dump(2) << '\n'; });
}

void print_ratio(const Counters& counters) {
  const double ratio = copied_per_delivered(counters);
  if (ratio >= 0) std::printf("copied/delivered %.2f\n", ratio);
}

Json json_of(const BulkReport& side) {
  return {{"messages", side.n_messages},
          {"bytes", side.n_bytes},
          {"elapsed_ns", side.elapsed_ns},
          {"longest_stall_ns", side.longest_stall_ns},
          {"bits_per_s", per_second(side.n_bytes * 8, side.elapsed_ns)}};
}

}  // namespace

void report(const Options& options, const PingPongResult& result, const Counters& counters) {
  const Histogram& rtt = result.round_trips;
  const double rate = per_second(rtt.count(), result.elapsed_ns);
  std::printf("ping-pong %s %s %s, %u B, %llu messages, %.0f messages/s, %llu lost\n",
              interface_name(options), receive_name(options), protocol_name(options),
              options.size_bytes, static_cast<unsigned long long>(rtt.count()), rate,
              static_cast<unsigned long long>(result.n_lost));
  std::printf("round trip in us: min %.3f", static_cast<double>(rtt.min()) / 1000);
  Json percentiles;
  percentiles["min"] = rtt.min();
  for (const auto& [name, percent] : kPercentiles) {
    const uint64_t value = rtt.percentile(percent);
    std::printf("  %s %.3f", name, static_cast<double>(value) / 1000);
    percentiles[name] = value;
  }
  percentiles["max"] = rtt.max();
  percentiles["mean"] = rtt.mean();
  percentiles["standard_deviation"] = rtt.standard_deviation();
  percentiles["clamped"] = rtt.n_clamped();
  std::printf("  max %.3f\n", static_cast<double>(rtt.max()) / 1000);
  print_ratio(counters);

  Json json = parameters(options, "ping-pong");
  json["warmup_s"] = options.warmup_s;
  json["messages"] = rtt.count();
  json["lost"] = result.n_lost;
  json["elapsed_ns"] = result.elapsed_ns;
  json["messages_per_s"] = rate;
  json["round_trip_ns"] = percentiles;
  add_counters(json, counters);
  write_json(options, json);
  write_file(options.hgrm_path, [&](std::ostream& out) { rtt.write_distribution(out, 1000); });
}

void report(const Options& options, const BulkResult& result, const Counters& counters) {
  const BulkReport& sent = result.sent;
  const BulkReport& received = result.received;
  const double rate = per_second(received.n_messages, received.elapsed_ns);
  std::printf("throughput %s %s %s, %s sends %u B, %.3f Gbit/s, %.0f messages/s\n",
              interface_name(options), receive_name(options), protocol_name(options),
              options.server_sends ? "server" : "client", options.size_bytes,
              per_second(received.n_bytes * 8, received.elapsed_ns) / 1e9, rate);
  std::printf("sent %llu B, received %llu B, wrong %s%llu B: %s\n",
              static_cast<unsigned long long>(sent.n_bytes),
              static_cast<unsigned long long>(received.n_bytes),
              options.verifies ? "" : "(not looked for) ",
              static_cast<unsigned long long>(received.n_wrong_bytes),
              result.is_complete() ? "complete" : "INCOMPLETE");
  print_ratio(counters);

  Json json = parameters(options, "throughput");
  json["sender"] = options.server_sends ? "server" : "client";
  json["verified"] = options.verifies;
  json["sent"] = json_of(sent);
  json["received"] = json_of(received);
  json["messages_per_s"] = rate;
  json["wrong_bytes"] = received.n_wrong_bytes;
  json["is_complete"] = result.is_complete();
  add_counters(json, counters);
  write_json(options, json);
}

void report_server(const Options& options, const Counters& counters) {
  print_ratio(counters);
  Json json = {{"test", "server"},
               {"interface", interface_name(options)},
               {"receive", receive_name(options)},
               {"address", options.address_text}};
  add_counters(json, counters);
  write_json(options, json);
}

}  // namespace millrace::lat
