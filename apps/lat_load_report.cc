// SPDX-License-Identifier: BSD-3-Clause
// What `millrace-lat under-load` prints and writes: a line per rate; JSON, in nanoseconds; percentiles (.hgrm, in
// microseconds) of the rate or of the knee; a log of histograms (.hlog, in nanoseconds), of each second of a
// rate, or of each rate of a sweep.
#include <cinttypes>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "apps/histogram_log.h"
#include "apps/lat_files.h"
#include "apps/lat_report.h"
#include "apps/lat_stages.h"

namespace millrace::lat {
namespace {

using Json = nlohmann::ordered_json;

double us(uint64_t ns) { return static_cast<double>(ns) / 1000; }

Json json_of(const Histogram& times) {
  return {{"min", times.min()},
          {"p50", times.percentile(50)},
          {"p90", times.percentile(90)},
          {"p99", times.percentile(99)},
          {"p99.9", times.percentile(99.9)},
          {"max", times.max()},
          {"mean", times.mean()}};
}

Json json_of(const LoadResult& result) {
  return {{"offered_per_s", result.offered_per_s}, {"achieved_per_s", result.achieved_per_s},
          {"messages", result.n_due},              {"unanswered", result.n_unanswered},
          {"keeps_up", result.keeps_up()},         {"latency_ns", json_of(result.latency)},
          {"service_ns", json_of(result.service)}};
}

Json parameters(const Options& options) {
  return {{"test", options.sweeps ? "sweep" : "under-load"},
          {"interface", options.is_kernel ? "kernel" : "millrace"},
          {"protocol", name_of(options.protocol)},
          {"address", options.address_text},
          {"connections", options.n_connections},
          {"size_bytes", options.size_bytes},
          {"duration_s", options.duration_s}};
}

void print_head(const Options& options) {
  std::printf("under load, %s %s, %u connections, %u B; latency in us from when a message was due\n",
              options.is_kernel ? "kernel" : "millrace", name_of(options.protocol),
              options.n_connections, options.size_bytes);
  std::printf("%12s %12s %10s %10s %10s %10s %10s %10s\n", "offered/s", "achieved/s", "p50", "p90", "p99", "p99.9",
              "max", "unanswered");
}

void print(const LoadResult& result) {
  const Histogram& times = result.latency;
  std::printf("%12.0f %12.0f %10.1f %10.1f %10.1f %10.1f %10.1f %10" PRIu64 "%s\n", result.offered_per_s,
              result.achieved_per_s, us(times.percentile(50)), us(times.percentile(90)), us(times.percentile(99)),
              us(times.percentile(99.9)), us(times.max()), result.n_unanswered,
              result.keeps_up() ? "" : "  not kept up");
}

void write_hgrm(const Options& options, const LoadResult& result) {
  write_file(options.hgrm_path, [&](std::ostream& out) { result.latency.write_distribution(out, 1000); });
}

/// Seconds since the epoch of a time of now_ns().
double epoch_s(uint64_t ns) {
  const auto epoch = std::chrono::system_clock::now().time_since_epoch();
  const double now_s = std::chrono::duration<double>(epoch).count();
  return now_s - static_cast<double>(now_ns() - ns) / 1e9;
}

}  // namespace

void report(const Options& options, const LoadResult& result, const Counters& counters) {
  print_head(options);
  print(result);
  Json json = parameters(options);
  json.update(json_of(result));
  for (const auto& [name, value] : counters.values) json["counters"][name] = value;
  add_stages(json, counters.stages);
  write_file(options.json_path, [&](std::ostream& out) { out << json.dump(2) << '\n'; });
  write_hgrm(options, result);
  write_file(options.hlog_path, [&](std::ostream& out) {
    write_log_head(out, epoch_s(result.start_ns));
    double at_s = 0;
    for (const Histogram& second : result.seconds) write_log_interval(out, "", at_s++, 1, second);
  });
}

void report(const Options& options, const SweepResult& result, const Counters& counters) {
  print_head(options);
  for (const LoadResult& rate : result.rates) print(rate);
  const bool has_knee = result.knee < result.rates.size();
  if (has_knee) {
    std::printf("the knee: %.0f/s, the last rate kept up with and with a p99 of at most %.1f us\n",
                result.rates[result.knee].offered_per_s, result.limit_us);
  } else {
    std::printf("no knee: the first rate was too much already\n");
  }
  Json json = parameters(options);
  json["limit_us"] = result.limit_us;
  json["knee_per_s"] = has_knee ? Json(result.rates[result.knee].offered_per_s) : Json(nullptr);
  for (const LoadResult& rate : result.rates) json["rates"].push_back(json_of(rate));
  for (const auto& [name, value] : counters.values) json["counters"][name] = value;
  add_stages(json, counters.stages);
  write_file(options.json_path, [&](std::ostream& out) { out << json.dump(2) << '\n'; });
  if (has_knee) write_hgrm(options, result.rates[result.knee]);
  write_file(options.hlog_path, [&](std::ostream& out) {
    if (result.rates.empty()) return;
    uint64_t first_ns = UINT64_MAX;
    for (const LoadResult& rate : result.rates) first_ns = std::min(first_ns, rate.start_ns);
    write_log_head(out, epoch_s(first_ns));
    for (const LoadResult& rate : result.rates) {
      write_log_interval(out, std::to_string(static_cast<uint64_t>(rate.offered_per_s)) + "/s",
                         static_cast<double>(rate.start_ns - first_ns) / 1e9, options.duration_s, rate.latency);
    }
  });
}

}  // namespace millrace::lat
