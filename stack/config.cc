// SPDX-License-Identifier: BSD-3-Clause
// From a TOML file to a checked Config.
//
// The Reader walks config.def beside the TOML tree: what the tree has is read into its member by
// the member's type; what the tree has and config.def has not is refused. Every error goes through
// refuse(), which adds the file and the line. toml++ is seen in this file only.
#include "stack/config.h"

// Header-only and without its assertions: toml++ 3.3 asserts that a key starts as keys do before it
// reports that this one does not, so that "[,]" in a file would abort the process. (Under NDEBUG it
// assumes so instead, which is worse.)
#undef NDEBUG
#define TOML_ASSERT(expression) static_cast<void>(0)
#define TOML_HEADER_ONLY 1
#define TOML_ENABLE_FORMATTERS 0
#include <toml++/toml.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <numeric>

#include "dpdk_io/startup_error.h"
#include "stack/config_check.h"
#include "stack/config_settings.h"

namespace millrace {
namespace {

using settings::Setting;

constexpr char kEnvironmentVariable[] = "MILLRACE_CONFIG";

/// On one line, whatever stood in the file.
std::string one_line(std::string_view text) {
  std::string result(text);
  std::replace_if(result.begin(), result.end(), settings::is_control, '?');
  return result;
}

std::string quoted(std::string_view text) { return '"' + one_line(text) + '"'; }

std::string_view type_name(const toml::node& node) {
  switch (node.type()) {
    case toml::node_type::table:
      return "a table";
    case toml::node_type::array:
      return "an array";
    case toml::node_type::string:
      return "a string";
    case toml::node_type::integer:
      return "an integer";
    case toml::node_type::floating_point:
      return "a floating-point number";
    case toml::node_type::boolean:
      return "a boolean";
    default:
      return "a date or a time";
  }
}

/// Insertions, removals and replacements of a character that make b of a.
size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 0; i < a.size(); ++i) {
    size_t diagonal = std::exchange(row[0], i + 1);
    for (size_t j = 0; j < b.size(); ++j) {
      const size_t replaced = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({row[j] + 1, row[j + 1] + 1, replaced});
    }
  }
  return row.back();
}

/// The remedy for an unknown name: the section it belongs to, else the nearest known name if it is
/// near, else all of them.
std::string remedy_for_unknown(std::string_view name, const std::vector<std::string>& known) {
  std::string remedy;
  settings::for_each_default([&](const Setting& setting, const auto&) {
    if (setting.key == name && remedy.empty()) remedy = "it belongs under " + setting.heading();
  });
  if (!remedy.empty()) return remedy;
  const auto is_nearer = [&](const std::string& a, const std::string& b) {
    return edit_distance(name, a) < edit_distance(name, b);
  };
  const std::string& nearest = *std::min_element(known.begin(), known.end(), is_nearer);
  if (edit_distance(name, nearest) <= 1 + name.size() / 4) {
    return "did you mean " + quoted(nearest) + '?';
  }
  for (const std::string& other : known) remedy += (remedy.empty() ? "known are " : ", ") + other;
  return remedy;
}

class Reader {
 public:
  explicit Reader(std::string_view name) : name_(name) {}

  /// @errors  throws StartupError at the first thing that is wrong
  Config read(const toml::table& root);

 private:
  [[noreturn]] void refuse(const toml::source_region& at, std::string cause,
                           std::string remedy) const;
  void refuse_unknown(const toml::table& table, const std::vector<std::string>& known,
                      const std::string& there_is_no) const;
  template <typename T>
  [[noreturn]] void refuse_value(const toml::node& node, const Setting& setting,
                                 const std::string& what_it_is, const T& into) const;

  template <typename Section>
  void read_table(const toml::table& root, std::string_view section, Section& into) const;
  void read_ports(const toml::table& root, std::vector<PortConfig>& ports) const;
  void read_vlans(const toml::table& table, PortConfig& port,
                  const std::vector<PortConfig>& earlier) const;
  template <typename Visitor>
  void for_each_table(const toml::table& in, std::string_view section, Visitor&& visit) const;
  [[noreturn]] void refuse(const toml::table& table, const Complaint& wrong) const;
  template <typename Section>
  void read_section(const toml::table& table, std::string_view section, Section& into) const;

  void read_value(const toml::node& node, const Setting& setting, bool& into) const;
  void read_value(const toml::node& node, const Setting& setting, std::string& into) const;
  void read_value(const toml::node& node, const Setting& setting,
                  settings::Integer auto& into) const;
  void read_value(const toml::node& node, const Setting& setting,
                  settings::Choice auto& into) const;
  template <typename T>
  void read_value(const toml::node& node, const Setting& setting, std::vector<T>& into) const;

  const std::string name_;
};

void Reader::refuse(const toml::source_region& at, std::string cause, std::string remedy) const {
  throw StartupError(name_ + ':' + std::to_string(at.begin.line), std::move(cause),
                     std::move(remedy));
}

template <typename T>
void Reader::refuse_value(const toml::node& node, const Setting& setting,
                          const std::string& what_it_is, const T& into) const {
  refuse(node.source(), setting.name() + " is " + what_it_is,
         "write " + settings::phrase(setting, into));
}

void Reader::refuse_unknown(const toml::table& table, const std::vector<std::string>& known,
                            const std::string& there_is_no) const {
  for (const auto& [key, node] : table) {
    if (std::find(known.begin(), known.end(), key.str()) != known.end()) continue;
    refuse(key.source(), there_is_no + quoted(key.str()), remedy_for_unknown(key.str(), known));
  }
}

Config Reader::read(const toml::table& root) {
  refuse_unknown(root, settings::sections(), "there is no section ");
  Config config;
  read_table(root, "eal", config);
  read_ports(root, config.ports);
  read_table(root, "tcp", config.tcp);
  read_table(root, "udp", config.udp);
  read_table(root, "stack", config.stack);
  // A file may set no more than, say, [tcp] nodelay for the embedded loopback.
  if (config.ports.empty() && !root.contains("eal")) {
    config.eal_args = Config::loopback().eal_args;
  }
  return config;
}

template <typename Section>
void Reader::read_table(const toml::table& root, std::string_view section, Section& into) const {
  const toml::node* node = root.get(section);
  if (node == nullptr) return;
  if (!node->is_table()) {
    refuse(node->source(), std::string(section) + " is " + std::string(type_name(*node)),
           "write " + settings::heading(section));
  }
  read_section(*node->as_table(), section, into);
}

/// [[port]] stands under "port" in the root, [[port.vlan]] under "vlan" in its port.
template <typename Visitor>
void Reader::for_each_table(const toml::table& in, std::string_view section,
                            Visitor&& visit) const {
  const std::string key(section.substr(section.find('.') + 1));
  const toml::node* node = in.get(key);
  if (node == nullptr) return;
  const toml::array* array = node->as_array();
  if (array == nullptr || !array->is_homogeneous(toml::node_type::table)) {
    const char* what = array == nullptr ? "" : " of other things than tables";
    refuse(node->source(), key + " is " + std::string(type_name(*node)) + what,
           "write " + settings::heading(section) + " above each " + key + "'s settings");
  }
  for (const toml::node& element : *array) visit(*element.as_table());
}

void Reader::refuse(const toml::table& table, const Complaint& wrong) const {
  const toml::node* at = table.get(wrong.key);
  if (at == nullptr) at = &table;
  if (at->is_array() && !at->as_array()->empty()) at = at->as_array()->get(wrong.index);
  refuse(at->source(), wrong.cause, wrong.remedy);
}

void Reader::read_ports(const toml::table& root, std::vector<PortConfig>& ports) const {
  for_each_table(root, "port", [&](const toml::table& table) {
    PortConfig port;
    read_section(table, "port", port);
    if (const auto wrong = complaint_about(port, ports)) refuse(table, *wrong);
    read_vlans(table, port, ports);
    if (const auto wrong = complaint_about_sum(port, ports)) refuse(table, *wrong);
    ports.push_back(std::move(port));
  });
}

void Reader::read_vlans(const toml::table& table, PortConfig& port,
                        const std::vector<PortConfig>& earlier) const {
  for_each_table(table, "port.vlan", [&](const toml::table& vlan_table) {
    VlanConfig vlan;
    read_section(vlan_table, "port.vlan", vlan);
    port.vlans.push_back(vlan);
    // Each is checked in its turn, while its table is at hand.
    if (const auto wrong = complaint_about_vlan(port, port.vlans.size() - 1, earlier)) {
      refuse(vlan_table, *wrong);
    }
  });
}

template <typename Section>
void Reader::read_section(const toml::table& table, std::string_view section, Section& into) const {
  std::vector<std::string> known;
  settings::for_each_setting(into, [&](const Setting& s, auto&) { known.emplace_back(s.key); });
  if (section == "port") known.emplace_back("vlan");
  refuse_unknown(table, known, settings::heading(section) + " has no setting ");
  settings::for_each_setting(into, [&](const Setting& setting, auto& member) {
    const toml::node* node = table.get(setting.key);
    if (node != nullptr) read_value(*node, setting, member);
    if constexpr (requires { member.empty(); }) {
      if (!setting.allowed.is_required || !member.empty()) return;
      if (!setting.allowed.unless.empty() && table.contains(setting.allowed.unless)) return;
      refuse(node == nullptr ? table.source() : node->source(),
             setting.name() + (node == nullptr ? " is missing" : " is empty"),
             "write " + settings::phrase(setting, member));
    }
  });
}

void Reader::read_value(const toml::node& node, const Setting& setting, bool& into) const {
  const auto value = node.value_exact<bool>();
  if (!value) refuse_value(node, setting, std::string(type_name(node)), into);
  into = *value;
}

void Reader::read_value(const toml::node& node, const Setting& setting, std::string& into) const {
  const auto value = node.value_exact<std::string>();
  if (!value) refuse_value(node, setting, std::string(type_name(node)), into);
  if (std::any_of(value->begin(), value->end(), settings::is_control)) {
    refuse(node.source(), setting.name() + " is " + quoted(*value),
           "write a string without control characters");
  }
  into = *value;
}

void Reader::read_value(const toml::node& node, const Setting& setting,
                        settings::Integer auto& into) const {
  const auto value = node.value_exact<int64_t>();
  if (!value) refuse_value(node, setting, std::string(type_name(node)), into);
  if (std::cmp_less(*value, setting.allowed.least) ||
      std::cmp_greater(*value, setting.allowed.most)) {
    refuse_value(node, setting, std::to_string(*value) + ", out of range", into);
  }
  into = static_cast<std::remove_reference_t<decltype(into)>>(*value);
}

void Reader::read_value(const toml::node& node, const Setting& setting,
                        settings::Choice auto& into) const {
  const auto value = node.value_exact<std::string_view>();
  if (!value) refuse_value(node, setting, std::string(type_name(node)), into);
  const auto& words = setting.allowed.words;
  const auto word = std::find(words.begin(), words.end(), *value);
  if (word == words.end()) refuse_value(node, setting, quoted(*value), into);
  into = static_cast<std::remove_reference_t<decltype(into)>>(word - words.begin());
}

/// A list of one address may be that address alone. EAL's words may not: "-m 256" would be one
/// word.
template <typename T>
void Reader::read_value(const toml::node& node, const Setting& setting,
                        std::vector<T>& into) const {
  const auto read_element = [&](const toml::node& element) {
    const auto text = element.value_exact<std::string_view>();
    if (!text) {
      refuse(element.source(),
             setting.name() + " has " + std::string(type_name(element)) + " in it",
             "write " + settings::phrase(setting, into));
    }
    const auto value = settings::parse_element<T>(*text);
    if (!value) {
      refuse(element.source(), quoted(*text) + " in " + setting.name() + " is malformed",
             "write it like " + std::string(settings::element_form<T>()));
    }
    into.push_back(*value);
  };
  const toml::array* array = node.as_array();
  if (array == nullptr && (!node.is_string() || std::same_as<T, std::string>)) {
    refuse_value(node, setting, std::string(type_name(node)), into);
  }
  if (array == nullptr) return read_element(node);
  for (const toml::node& element : *array) read_element(element);
}

std::string read_file(const std::string& path) {
  const auto fail = [&]() -> StartupError {
    return {path, std::strerror(errno),
            std::string("name a readable TOML file with --config or ") + kEnvironmentVariable +
                ", or none for the embedded loopback"};
  };
  const std::unique_ptr<FILE, int (*)(FILE*)> file(std::fopen(path.c_str(), "rb"), std::fclose);
  if (file == nullptr) throw fail();
  std::string text;
  char piece[4096];
  while (const size_t n = std::fread(piece, 1, sizeof piece, file.get())) text.append(piece, n);
  if (std::ferror(file.get()) != 0) throw fail();
  return text;
}

}  // namespace

Config Config::load(const std::string& path) { return from_text(read_file(path), path); }

Config Config::from_text(std::string_view toml, std::string_view name) {
  try {
    return Reader(name).read(toml::parse(toml));
  } catch (const toml::parse_error& error) {
    const toml::source_position at = error.source().begin;
    throw StartupError(
        std::string(name) + ':' + std::to_string(at.line) + ':' + std::to_string(at.column),
        one_line(error.description()), "correct the TOML there");
  }
}

Config Config::from_environment() {
  const char* path = std::getenv(kEnvironmentVariable);
  return path == nullptr || *path == '\0' ? loopback() : load(path);
}

Config Config::loopback() {
  Config config;
  // No shared files, so that processes of any users run side by side: EAL would otherwise lock
  // /tmp/dpdk, which belongs to whoever came first, and say so at level "error".
  config.eal_args = {"--no-huge",
                     "-m",
                     "256",
                     "--no-pci",
                     "--no-shconf",
                     "--no-telemetry",
                     "--log-level=warning",
                     "--log-level=lib.eal:critical"};
  return config;
}

CommandLine Config::from_command_line(int argc, const char* const* argv) {
  const std::vector<std::string> args(argv + std::min(argc, 1), argv + argc);
  const auto dashes = std::find(args.begin(), args.end(), "--");
  std::optional<std::string> path;
  CommandLine result;
  for (auto arg = dashes == args.end() ? args.begin() : dashes + 1; arg != args.end(); ++arg) {
    const bool is_separate = *arg == "--config";
    if (!is_separate && !arg->starts_with("--config=")) {
      result.rest.push_back(*arg);
      continue;
    }
    if (path) throw StartupError("--config", "it is given twice", "name one file");
    if (is_separate && arg + 1 == args.end()) {
      path.emplace();
    } else {
      path = is_separate ? *++arg : arg->substr(std::strlen("--config="));
    }
    if (path->empty()) throw StartupError("--config", "no file follows", "write --config FILE");
  }
  result.config = path ? load(*path) : from_environment();
  if (dashes != args.end()) {
    result.config.eal_args.insert(result.config.eal_args.end(), args.begin(), dashes);
  }
  return result;
}

}  // namespace millrace
