// SPDX-License-Identifier: BSD-3-Clause
#include "apps/http_message.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <ctime>
#include <optional>
#include <utility>

namespace millrace::http {
namespace {

bool is_same(std::string_view a, std::string_view b) noexcept {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](unsigned char x, unsigned char y) {
    return std::tolower(x) == std::tolower(y);
  });
}

/// Takes everything up to the separator off the front, and the separator.
std::string_view cut(std::string_view& from, std::string_view separator) noexcept {
  const size_t at = from.find(separator);
  const std::string_view part = from.substr(0, at);
  from.remove_prefix(at == std::string_view::npos ? from.size() : at + separator.size());
  return part;
}

std::string_view trimmed(std::string_view text) noexcept {
  const auto is_blank = [](char c) { return c == ' ' || c == '\t'; };
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
  return text;
}

bool has_token(std::string_view list, std::string_view token) noexcept {
  while (!list.empty()) {
    if (is_same(trimmed(cut(list, ",")), token)) return true;
  }
  return false;
}

std::optional<unsigned> hex_digit(char c) noexcept {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return std::nullopt;
}

/// @return false: an escape that is none, a NUL, or a way out of the root
bool decode_path(std::string_view target, std::string& path) {
  path.clear();
  target = target.substr(0, target.find_first_of("?#"));
  if (!target.starts_with('/')) return false;
  for (size_t i = 0; i < target.size(); ++i) {
    char c = target[i];
    if (c == '%') {
      const auto high = i + 2 < target.size() ? hex_digit(target[i + 1]) : std::nullopt;
      const auto low = high ? hex_digit(target[i + 2]) : std::nullopt;
      if (!low) return false;
      c = static_cast<char>(*high * 16 + *low);
      i += 2;
    }
    if (c == '\0') return false;
    path += c;
  }
  for (std::string_view rest = path; !rest.empty();) {
    if (cut(rest, "/") == "..") return false;
  }
  return true;
}

/// @return 0, or the status that answers it
int read_request_line(std::string_view line, Request& request, bool& is_1_1) {
  const std::string_view method = cut(line, " ");
  const std::string_view target = cut(line, " ");
  if (line != "HTTP/1.1" && line != "HTTP/1.0") return line.starts_with("HTTP/") ? 505 : 400;
  is_1_1 = line == "HTTP/1.1";
  request.is_head = method == "HEAD";
  if (!request.is_head && method != "GET") return 501;
  return decode_path(target, request.path) ? 0 : 400;
}

/// RFC 9110 6.6.1. Written once a second and thread.
std::string_view date() {
  thread_local std::time_t second = 0;
  thread_local std::array<char, 40> text;
  thread_local size_t length = 0;
  const std::time_t now = std::time(nullptr);
  if (now != second) {
    std::tm parts;
    gmtime_r(&now, &parts);
    length = std::strftime(text.data(), text.size(), "%a, %d %b %Y %H:%M:%S GMT", &parts);
    second = now;
  }
  return {text.data(), length};
}

std::string_view reason_of(int status) noexcept {
  switch (status) {
    case 200: return "OK";
    case 400: return "Bad Request";
    case 404: return "Not Found";
    case 431: return "Request Header Fields Too Large";
    case 501: return "Not Implemented";
    case 505: return "HTTP Version Not Supported";
    default: return "Error";
  }
}

}  // namespace

int take_request(std::string_view& bytes, Request& request) {
  std::string_view rest = bytes;
  while (rest.starts_with("\r\n")) rest.remove_prefix(2);  // RFC 9112 2.2
  const size_t end = rest.find("\r\n\r\n");
  if (end == std::string_view::npos) return rest.size() > kMostHeadBytes ? 431 : -1;
  if (end > kMostHeadBytes) return 431;
  std::string_view head = rest.substr(0, end);
  bool is_1_1 = false, has_host = false;
  const int status = read_request_line(cut(head, "\r\n"), request, is_1_1);
  if (status != 0) return status;
  request.keeps_alive = is_1_1;  // an HTTP/1.0 client gets one response
  while (!head.empty()) {
    std::string_view value = cut(head, "\r\n");
    const std::string_view name = cut(value, ":");
    value = trimmed(value);
    if (name.empty() || name.find_first_of(" \t") != std::string_view::npos) return 400;
    has_host |= is_same(name, "Host");
    if (is_same(name, "Connection") && has_token(value, "close")) request.keeps_alive = false;
    // A body would be taken for the next request.
    if (is_same(name, "Transfer-Encoding")) return 501;
    if (is_same(name, "Content-Length") && value != "0") return 400;
  }
  if (is_1_1 && !has_host) return 400;  // RFC 9112 3.2
  bytes = rest.substr(end + 4);
  return 0;
}

void append_head(std::string& to, int status, std::string_view type, uint64_t n_bytes,
                 bool keeps_alive) {
  to.append("HTTP/1.1 ").append(std::to_string(status)).append(" ").append(reason_of(status));
  to.append("\r\nServer: millrace\r\nDate: ").append(date());
  to.append("\r\nContent-Type: ").append(type);
  to.append("\r\nContent-Length: ").append(std::to_string(n_bytes));
  if (!keeps_alive) to.append("\r\nConnection: close");
  to.append("\r\n\r\n");
}

void append_error(std::string& to, int status, bool is_head, bool keeps_alive) {
  const std::string_view reason = reason_of(status);
  append_head(to, status, "text/plain", reason.size() + 1, keeps_alive);
  if (!is_head) to.append(reason).append("\n");
}

std::string_view type_of(std::string_view path) noexcept {
  static constexpr std::pair<std::string_view, std::string_view> kTypes[] = {
      {".html", "text/html; charset=utf-8"}, {".txt", "text/plain; charset=utf-8"},
      {".css", "text/css"},                  {".js", "text/javascript"},
      {".json", "application/json"},         {".svg", "image/svg+xml"},
      {".png", "image/png"},                 {".jpg", "image/jpeg"}};
  for (const auto& [ending, type] : kTypes) {
    if (path.ends_with(ending)) return type;
  }
  return "application/octet-stream";
}

}  // namespace millrace::http
