// SPDX-License-Identifier: BSD-3-Clause
// Replies to sockperf's messages, however a stream cuts or joins them.
#include "apps/sockperf.h"

#include <gtest/gtest.h>

#include <initializer_list>
#include <string>

namespace millrace {
namespace {

using Bytes = std::vector<char>;

constexpr char kFromClient = 1;
constexpr char kWantsReply = 2;

Bytes message(char number, int flags, const std::string& payload) {
  const size_t length = 14 + payload.size();
  Bytes bytes = {0, 0, 0, 0, 0, 0, 0, number, 0, static_cast<char>(flags), 0, 0};
  bytes.push_back(static_cast<char>(length >> 8));
  bytes.push_back(static_cast<char>(length & 0xff));
  bytes.insert(bytes.end(), payload.begin(), payload.end());
  return bytes;
}

Bytes joined(std::initializer_list<Bytes> parts) {
  Bytes all;
  for (const Bytes& part : parts) all.insert(all.end(), part.begin(), part.end());
  return all;
}

TEST(Sockperf, RepliesWithTheMessageWithoutTheClientBit) {
  Bytes bytes = message(7, kFromClient | kWantsReply, "payload");
  EXPECT_EQ(sockperf_replies(bytes), message(7, kWantsReply, "payload"));
  EXPECT_TRUE(bytes.empty());
}

TEST(Sockperf, IsSilentWhenNoReplyIsWanted) {
  Bytes bytes = message(7, kFromClient, "payload");
  EXPECT_TRUE(sockperf_replies(bytes).empty());
  EXPECT_TRUE(bytes.empty());
}

TEST(Sockperf, AnswersJoinedMessagesInOrder) {
  Bytes bytes = joined({message(1, 3, "a"), message(2, 1, "no reply"), message(3, 3, "")});
  EXPECT_EQ(sockperf_replies(bytes), joined({message(1, 2, "a"), message(3, 2, "")}));
}

TEST(Sockperf, WaitsForTheRestOfAMessageCutAnywhere) {
  const Bytes whole = message(9, 3, "0123456789");
  for (size_t cut = 0; cut < whole.size(); ++cut) {
    Bytes bytes(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(cut));
    EXPECT_TRUE(sockperf_replies(bytes).empty()) << cut;
    bytes.insert(bytes.end(), whole.begin() + static_cast<std::ptrdiff_t>(cut), whole.end());
    EXPECT_EQ(sockperf_replies(bytes), message(9, 2, "0123456789")) << cut;
    EXPECT_TRUE(bytes.empty());
  }
}

TEST(Sockperf, TakesALengthBelowTheHeaderAsTheHeader) {
  Bytes bytes(28, 0);
  EXPECT_TRUE(sockperf_replies(bytes).empty());
  EXPECT_TRUE(bytes.empty());
}

}  // namespace
}  // namespace millrace
