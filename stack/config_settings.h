// SPDX-License-Identifier: BSD-3-Clause
// config.def as something to walk through: for_each_setting() calls a visitor with a Setting, which
// is what config.def says about it, and with the member that holds it.
//
// For the parser and the reference only. Values are described by the type of their member, in one
// place, so that an error and the reference table cannot disagree about what may be written.
#pragma once

#include <algorithm>
#include <concepts>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "stack/config.h"

namespace millrace::settings {

struct Allowed {
  uint64_t least = 0;
  uint64_t most = 0;
  std::vector<std::string_view> words;  ///< in the order of the enum
  bool is_required = false;
  std::string_view unless = {};  ///< a table of the section that may stand for it
};

inline Allowed between(uint64_t least, uint64_t most) { return {least, most, {}, false}; }
inline Allowed required() { return {0, 0, {}, true}; }
inline Allowed required_unless(std::string_view table) { return {0, 0, {}, true, table}; }
inline Allowed anything() { return {}; }
template <typename... Words>
Allowed one_of(Words... words) {
  return {0, 0, {words...}, false};
}

/// "[tcp]"; "[[port]]" and "[[port.vlan]]" because there may be several.
inline std::string heading(std::string_view section) {
  const std::string name(section);
  return section.starts_with("port") ? "[[" + name + "]]" : '[' + name + ']';
}

struct Setting {
  std::string_view section;
  std::string_view key;
  std::string_view unit;
  Allowed allowed;
  std::string_view sentence;

  std::string heading() const { return settings::heading(section); }
  std::string name() const { return heading() + ' ' + std::string(key); }
};

template <typename T>
concept Integer = std::unsigned_integral<T> && !std::same_as<T, bool>;
template <typename T>
concept Choice = std::is_enum_v<T>;

/// Refused in strings: they end up in file names, EAL's words and one-line messages.
inline bool is_control(char c) { return static_cast<unsigned char>(c) < ' ' || c == 0x7f; }

/// What an element of a list looks like.
template <typename T>
constexpr std::string_view element_form();
template <>
constexpr std::string_view element_form<std::string>() {
  return "\"--no-huge\"";
}
template <>
constexpr std::string_view element_form<IpAddress>() {
  return "\"10.0.0.1\" or \"fd00::1\"";
}
template <>
constexpr std::string_view element_form<OwnAddress>() {
  return "\"10.0.0.2/24\" or \"fd00::2/64\"";
}
template <>
constexpr std::string_view element_form<StaticRoute>() {
  return "\"10.1.0.0/16 via 10.0.0.9\"";
}
template <>
constexpr std::string_view element_form<Neighbor>() {
  return "\"10.0.0.1 02:00:00:00:00:01\"";
}

template <typename T>
std::optional<T> parse_element(std::string_view text);
template <>
inline std::optional<std::string> parse_element(std::string_view text) {
  if (text.empty() || std::any_of(text.begin(), text.end(), is_control)) return std::nullopt;
  return std::string(text);
}
template <>
inline std::optional<IpAddress> parse_element(std::string_view text) {
  const auto address = parse_address(text);
  return address && address->zone == 0 ? address : std::nullopt;  // the port is the zone
}
template <>
inline std::optional<OwnAddress> parse_element(std::string_view text) {
  return parse_own_address(text);
}
template <>
inline std::optional<StaticRoute> parse_element(std::string_view text) {
  return parse_route(text);
}
template <>
inline std::optional<Neighbor> parse_element(std::string_view text) {
  return parse_neighbor(text);
}

/// What may be written: "1..64", "\"spin\" | \"sleep\"", "true | false", "string", "strings".
template <typename T>
std::string form(const Setting& setting, const T&) {
  const Allowed& allowed = setting.allowed;
  if constexpr (Integer<T>) {
    return std::to_string(allowed.least) + ".." + std::to_string(allowed.most);
  } else if constexpr (Choice<T>) {
    std::string choices;
    for (const std::string_view word : allowed.words) {
      choices += (choices.empty() ? "\"" : " | \"") + std::string(word) + '"';
    }
    return choices;
  } else {
    return std::same_as<T, bool>          ? "true | false"
           : std::same_as<T, std::string> ? "string"
                                          : "strings";
  }
}

/// The same as a phrase that goes after "write": "an integer, 1..64".
template <typename T>
std::string phrase(const Setting& setting, const T& value) {
  if constexpr (std::same_as<T, std::string>) {
    return "a string";
  } else if constexpr (Integer<T>) {
    return "an integer, " + form(setting, value);
  } else if constexpr (Choice<T> || std::same_as<T, bool>) {
    return form(setting, value);
  } else {
    return "an array of strings like " + std::string(element_form<typename T::value_type>());
  }
}

/// A default as TOML writes it. Lists have none but the empty one.
template <typename T>
std::string value_text(const Setting& setting, const T& value) {
  if constexpr (std::same_as<T, bool>) {
    return value ? "true" : "false";
  } else if constexpr (Integer<T>) {
    return std::to_string(value);
  } else if constexpr (Choice<T>) {
    return '"' + std::string(setting.allowed.words.at(static_cast<size_t>(value))) + '"';
  } else if constexpr (std::same_as<T, std::string>) {
    return '"' + value + '"';
  } else {
    return "[]";
  }
}

#define MILLRACE_VISIT(section, member, key, unit, allowed, sentence) \
  visit(Setting{section, key, unit, allowed, sentence}, into.member);

template <typename Visitor>
void for_each_setting(Config& into, Visitor&& visit) {
#define EAL_SETTING(key, type, unit, allowed, initial, sentence) \
  MILLRACE_VISIT("eal", eal_##key, #key, unit, allowed, sentence)
#include "stack/config.def"
}

template <typename Visitor>
void for_each_setting(PortConfig& into, Visitor&& visit) {
#define PORT_SETTING(key, type, unit, allowed, initial, sentence) \
  MILLRACE_VISIT("port", key, #key, unit, allowed, sentence)
#include "stack/config.def"
}

template <typename Visitor>
void for_each_setting(VlanConfig& into, Visitor&& visit) {
#define VLAN_SETTING(key, type, unit, allowed, initial, sentence) \
  MILLRACE_VISIT("port.vlan", key, #key, unit, allowed, sentence)
#include "stack/config.def"
}

template <typename Visitor>
void for_each_setting(TcpConfig& into, Visitor&& visit) {
#define TCP_SETTING(key, type, unit, allowed, initial, sentence) \
  MILLRACE_VISIT("tcp", key, #key, unit, allowed, sentence)
#include "stack/config.def"
}

template <typename Visitor>
void for_each_setting(UdpConfig& into, Visitor&& visit) {
#define UDP_SETTING(key, type, unit, allowed, initial, sentence) \
  MILLRACE_VISIT("udp", key, #key, unit, allowed, sentence)
#include "stack/config.def"
}

template <typename Visitor>
void for_each_setting(StackConfig& into, Visitor&& visit) {
#define STACK_SETTING(key, type, unit, allowed, initial, sentence) \
  MILLRACE_VISIT("stack", key, #key, unit, allowed, sentence)
#include "stack/config.def"
}

#undef MILLRACE_VISIT

/// All of them with their defaults, section by section.
template <typename Visitor>
void for_each_default(Visitor&& visit) {
  Config config;
  PortConfig port;
  VlanConfig vlan;
  for_each_setting(config, visit);
  for_each_setting(port, visit);
  for_each_setting(vlan, visit);
  for_each_setting(config.tcp, visit);
  for_each_setting(config.udp, visit);
  for_each_setting(config.stack, visit);
}

/// The names of the sections, in the order of config.def.
inline std::vector<std::string> sections() {
  std::vector<std::string> names;
  for_each_default([&](const Setting& setting, const auto&) {
    const bool is_top = setting.section.find('.') == std::string_view::npos;
    if (is_top && (names.empty() || names.back() != setting.section)) {
      names.emplace_back(setting.section);
    }
  });
  return names;
}

}  // namespace millrace::settings
