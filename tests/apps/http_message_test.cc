// SPDX-License-Identifier: BSD-3-Clause
// What millrace-http makes of the bytes of a connection.
#include "apps/http_message.h"

#include <gtest/gtest.h>

namespace millrace::http {
namespace {

/// What take_request says of one request, all of whose bytes are there.
int status_of(std::string_view bytes) {
  Request request;
  return take_request(bytes, request);
}

std::string path_of(const std::string& target) {
  const std::string bytes = "GET " + target + " HTTP/1.1\r\nHost: a\r\n\r\n";
  std::string_view rest = bytes;
  Request request;
  const int status = take_request(rest, request);
  return status == 0 ? request.path : std::to_string(status);
}

TEST(HttpMessage, RequestsComeOffTheFrontOneByOne) {
  const std::string bytes =
      "GET /a HTTP/1.1\r\nHost: x\r\n\r\nHEAD /b HTTP/1.1\r\nhost:x\r\nCONNECTION: foo , Close\r\n\r\nGET /c";
  std::string_view rest = bytes;
  Request request;
  ASSERT_EQ(take_request(rest, request), 0);
  EXPECT_EQ(request.path, "/a");
  EXPECT_FALSE(request.is_head);
  EXPECT_TRUE(request.keeps_alive);
  ASSERT_EQ(take_request(rest, request), 0);
  EXPECT_EQ(request.path, "/b");
  EXPECT_TRUE(request.is_head);
  EXPECT_FALSE(request.keeps_alive);
  EXPECT_EQ(take_request(rest, request), -1);
  EXPECT_EQ(rest, "GET /c");
}

TEST(HttpMessage, EachPrefixOfARequestHasMoreToCome) {
  const std::string bytes = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
  for (size_t n = 0; n < bytes.size(); ++n) EXPECT_EQ(status_of(bytes.substr(0, n)), -1) << n;
  EXPECT_EQ(status_of(bytes), 0);
}

TEST(HttpMessage, PathsAreDecodedAndTheirQueriesCutOff) {
  EXPECT_EQ(path_of("/a%20b?c=d"), "/a b");
  EXPECT_EQ(path_of("/%41%2f..b"), "/A/..b");
}

TEST(HttpMessage, PathsThatLeadOutOrSayNothingAreRefused) {
  for (const char* target : {"/..", "/a/../b", "/%2e%2E/a", "/%", "/%1", "/%g0", "/%00", "a", "*"}) {
    EXPECT_EQ(path_of(target), "400") << target;
  }
}

TEST(HttpMessage, WhatIsNotUnderstoodHasItsStatus) {
  EXPECT_EQ(status_of("GET / HTTP/1.1\r\n\r\n"), 400);  // no Host
  EXPECT_EQ(status_of("GET / HTTP/1.0\r\n\r\n"), 0);
  EXPECT_EQ(status_of("GET /\r\n\r\n"), 400);
  EXPECT_EQ(status_of("GET / HTTP/3.0\r\nHost: a\r\n\r\n"), 505);
  EXPECT_EQ(status_of("PUT / HTTP/1.1\r\nHost: a\r\n\r\n"), 501);
  EXPECT_EQ(status_of("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n"), 400);
  EXPECT_EQ(status_of("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"), 0);
  EXPECT_EQ(status_of("GET / HTTP/1.1\r\nHost : a\r\n\r\n"), 400);  // RFC 9112 5.1
  EXPECT_EQ(status_of("GET /" + std::string(kMostHeadBytes, 'x')), 431);
}

TEST(HttpMessage, AHeadSaysHowMuchFollows) {
  std::string text;
  append_head(text, 200, type_of("/a.html"), 7, false);
  EXPECT_TRUE(text.starts_with("HTTP/1.1 200 OK\r\n")) << text;
  EXPECT_NE(text.find("\r\nContent-Length: 7\r\n"), std::string::npos) << text;
  EXPECT_NE(text.find("\r\nContent-Type: text/html; charset=utf-8\r\n"), std::string::npos) << text;
  EXPECT_TRUE(text.ends_with("\r\nConnection: close\r\n\r\n")) << text;
}

TEST(HttpMessage, AnErrorHasItsReasonAsContent) {
  std::string text;
  append_error(text, 404, false, true);
  EXPECT_TRUE(text.ends_with("\r\nContent-Length: 10\r\n\r\nNot Found\n")) << text;
  text.clear();
  append_error(text, 404, true, true);
  EXPECT_TRUE(text.ends_with("\r\nContent-Length: 10\r\n\r\n")) << text;
}

}  // namespace
}  // namespace millrace::http
