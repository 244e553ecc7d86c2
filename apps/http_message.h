// SPDX-License-Identifier: BSD-3-Clause
// What millrace-http understands of HTTP/1.1 (RFC 9112): requests without a body, one after another in
// the bytes of a connection, and the head of a response.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace millrace::http {

/// The longest request line and header together; more is answered with 431.
inline constexpr size_t kMostHeadBytes = 16 * 1024;

struct Request {
  bool is_head = false;      ///< HEAD: everything of GET but the content
  bool keeps_alive = false;  ///< the connection goes on after the response
  std::string path;          ///< decoded, from '/' on, without the query; no "..", no NUL
};

/// Takes one request off the front of the bytes.
/// @param[in,out] bytes  grows shorter by what was taken; unchanged while more has to come
/// @return 0: it is there; -1: more has to come; else the status that answers it, after which the
///         connection has to end, since nobody knows where the next request begins
int take_request(std::string_view& bytes, Request& request);

/// Appends a status line and a header for n bytes of content, the empty line included.
void append_head(std::string& to, int status, std::string_view type, uint64_t n_bytes, bool keeps_alive);

/// Appends a whole response that says no more than its status.
void append_error(std::string& to, int status, bool is_head, bool keeps_alive);

/// The media type that a file's name promises.
std::string_view type_of(std::string_view path) noexcept;

}  // namespace millrace::http
