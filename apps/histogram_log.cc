// SPDX-License-Identifier: BSD-3-Clause
#include "apps/histogram_log.h"

#include <bit>
#include <cstdio>
#include <ostream>
#include <string_view>

namespace millrace {
namespace {

// Of HdrHistogram: EncodableHistogram, V2; the 0x10 says that counts are of variable length.
constexpr uint32_t kCookie = 0x1c849303 | 0x10;
constexpr uint32_t kCompressedCookie = 0x1c849304 | 0x10;
constexpr uint32_t kDigits = 3;
constexpr size_t kStoredBytes = 65535;  // RFC 1951 3.2.4: of a block that is not compressed

template <typename Number>
void append_be(std::string& to, Number number) {
  for (size_t i = sizeof number; i-- > 0;) to += static_cast<char>(number >> (8 * i));
}

/// ZigZag, then LEB128 of at most nine bytes, whose last has eight bits.
void append_count(std::string& to, int64_t count) {
  uint64_t rest = (static_cast<uint64_t>(count) << 1) ^ static_cast<uint64_t>(count >> 63);
  for (int i = 0; i < 8 && rest > 0x7f; ++i) {
    to += static_cast<char>(0x80 | (rest & 0x7f));
    rest >>= 7;
  }
  to += static_cast<char>(rest);
}

/// Counts up to the last that is not zero; n zeros are one number, -n.
std::string payload_of(const Histogram& histogram) {
  std::string payload;
  int64_t n_zeros = 0;
  for (const uint64_t count : histogram.counts()) {
    if (count == 0) {
      ++n_zeros;
      continue;
    }
    if (n_zeros != 0) append_count(payload, n_zeros == 1 ? 0 : -n_zeros);
    n_zeros = 0;
    append_count(payload, static_cast<int64_t>(count));
  }
  return payload;
}

/// RFC 1950.
uint32_t adler32(std::string_view bytes) {
  uint32_t a = 1;
  uint32_t b = 0;
  for (const char byte : bytes) {
    a = (a + static_cast<unsigned char>(byte)) % 65521;
    b = (b + a) % 65521;
  }
  return b << 16 | a;
}

std::string zlib_of(std::string_view bytes) {
  std::string stream = "\x78\x01";
  const uint32_t check = adler32(bytes);
  do {
    const std::string_view block = bytes.substr(0, kStoredBytes);
    bytes.remove_prefix(block.size());
    const auto length = static_cast<uint16_t>(block.size());
    stream += bytes.empty() ? '\1' : '\0';
    for (const int part : {length & 0xff, length >> 8, ~length & 0xff, (~length >> 8) & 0xff}) {
      stream += static_cast<char>(part);
    }
    stream += block;
  } while (!bytes.empty());
  append_be(stream, check);
  return stream;
}

std::string base64_of(std::string_view bytes) {
  constexpr std::string_view kDigits64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  for (size_t i = 0; i < bytes.size(); i += 3) {
    uint32_t group = 0;
    const std::string_view three = bytes.substr(i, 3);
    for (size_t k = 0; k < 3; ++k) {
      group = group << 8 | (k < three.size() ? static_cast<unsigned char>(three[k]) : 0U);
    }
    for (size_t k = 0; k < 4; ++k) {
      text += k <= three.size() ? kDigits64[group >> (18 - 6 * k) & 63] : '=';
    }
  }
  return text;
}

std::string encoded(const Histogram& histogram) {
  const std::string payload = payload_of(histogram);
  std::string plain;
  append_be(plain, kCookie);
  append_be(plain, static_cast<uint32_t>(payload.size()));
  append_be(plain, uint32_t{0});  // normalizing index offset
  append_be(plain, kDigits);
  append_be(plain, uint64_t{1});  // lowest and highest value
  append_be(plain, Histogram::kHighest);
  append_be(plain, std::bit_cast<uint64_t>(1.0));
  const std::string stream = zlib_of(plain + payload);
  std::string whole;
  append_be(whole, kCompressedCookie);
  append_be(whole, static_cast<uint32_t>(stream.size()));
  return base64_of(whole + stream);
}

}  // namespace

void write_log_head(std::ostream& out, double start_s) {
  char line[96];
  std::snprintf(line, sizeof line, "#[StartTime: %.3f (seconds since epoch)]\n", start_s);
  out << "#[Logged with millrace-lat, values in ns]\n#[Histogram log format version 1.3]\n"
      << line << "\"StartTimestamp\",\"Interval_Length\",\"Interval_Max\",\"Interval_Compressed_Histogram\"\n";
}

void write_log_interval(std::ostream& out, const std::string& tag, double start_s, double length_s,
                        const Histogram& histogram) {
  char numbers[96];
  std::snprintf(numbers, sizeof numbers, "%.3f,%.3f,%.3f,", start_s, length_s,
                static_cast<double>(histogram.max()) / 1e6);
  if (!tag.empty()) out << "Tag=" << tag << ',';
  out << numbers << encoded(histogram) << '\n';
}

}  // namespace millrace
