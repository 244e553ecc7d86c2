// SPDX-License-Identifier: BSD-3-Clause
// The table behind --help-config. It is made of config.def alone, so it names every setting; a test
// feeds its defaults back to the parser.
#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "stack/config_settings.h"

namespace millrace {
namespace {

constexpr size_t kColumns = 5;  // key, what may be written, unit, default, sentence
using Row = std::array<std::string, kColumns>;

struct Section {
  std::string heading;
  std::vector<Row> rows;
};

std::vector<Section> all_sections() {
  std::vector<Section> sections;
  settings::for_each_default([&](const settings::Setting& setting, const auto& value) {
    const std::string heading = setting.heading();
    if (sections.empty() || sections.back().heading != heading) sections.push_back({heading, {}});
    const std::string initial =
        setting.allowed.is_required ? "required" : settings::value_text(setting, value);
    sections.back().rows.push_back({std::string(setting.key), settings::form(setting, value),
                                    std::string(setting.unit), initial,
                                    std::string(setting.sentence)});
  });
  return sections;
}

/// Every column but the last is padded to its width, with two blanks between columns.
std::string line(const Row& row, const std::array<size_t, kColumns>& widths) {
  std::string text = "  ";
  for (size_t i = 0; i + 1 < kColumns; ++i) {
    text += row[i] + std::string(widths[i] - row[i].size() + 2, ' ');
  }
  return text + row.back() + '\n';
}

}  // namespace

std::string config_reference() {
  const Row titles = {"key", "value", "unit", "default", "meaning"};
  const std::vector<Section> sections = all_sections();
  std::array<size_t, kColumns> widths = {};
  const auto widen = [&](const Row& row) {
    for (size_t i = 0; i < kColumns; ++i) widths[i] = std::max(widths[i], row[i].size());
  };
  widen(titles);
  for (const Section& section : sections) {
    std::for_each(section.rows.begin(), section.rows.end(), widen);
  }

  std::string text =
      "A TOML file, named by --config FILE or MILLRACE_CONFIG. [[port]] once per port; without "
      "one,\n"
      "sockets reach each other in this process, and [eal] args default to what that needs.\n\n" +
      line(titles, widths);
  for (const Section& section : sections) {
    text += '\n' + section.heading + '\n';
    for (const Row& row : section.rows) text += line(row, widths);
  }
  return text;
}

}  // namespace millrace
