// SPDX-License-Identifier: BSD-3-Clause
// A WSAMSG with everything that it names, and its control data as values.
//
//   Message message;                          after WSARecvMsg(..., message.get(), ...)
//   message.object<INT>(WS_IPPROTO_IP, WS_IP_TTL)    nothing: it is not there
#pragma once

#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "millrace/winsock_cmsg.h"
#include "millrace/winsock_constants.h"
#include "millrace/winsock_options.h"

namespace millrace::test {

struct Message {
  explicit Message(size_t room = 1000, size_t control_room = 256)
      : memory(room, '\x7e'), control(control_room, '\x7e') {
    buffers = {{static_cast<ULONG>(room), memory.data()}};
    reset();
  }
  /// What is to be sent.
  explicit Message(std::string_view text) : Message(text.size(), 0) {
    std::copy(text.begin(), text.end(), memory.begin());
    msg.name = nullptr;
    msg.namelen = 0;
  }
  Message(const Message&) = delete;
  Message& operator=(const Message&) = delete;

  WSAMSG* get() { return &msg; }
  /// As before a receive: it names all there is.
  void reset() {
    msg = {};
    msg.name = reinterpret_cast<WS_sockaddr*>(&name);
    msg.namelen = sizeof name;
    msg.lpBuffers = buffers.data();
    msg.dwBufferCount = static_cast<ULONG>(buffers.size());
    msg.Control = {static_cast<ULONG>(control.size()), control.empty() ? nullptr : control.data()};
  }
  std::string text(size_t n) const { return {memory.data(), n}; }

  /// @return nothing: there is no such object
  template <typename T>
  std::optional<T> object(int level, int type) const {
    for (const WSACMSGHDR* o = WSA_CMSG_FIRSTHDR(&msg); o != nullptr;
         o = WSA_CMSG_NXTHDR(&msg, o)) {
      if (o->cmsg_level != level || o->cmsg_type != type) continue;
      if (o->cmsg_len != WSA_CMSG_LEN(sizeof(T))) return std::nullopt;
      T value;
      std::memcpy(&value, WSA_CMSG_DATA(o), sizeof value);
      return value;
    }
    return std::nullopt;
  }
  size_t n_objects() const {
    size_t n = 0;
    const WSACMSGHDR* object = nullptr;
    while ((object = WSA_CMSG_NXTHDR(&msg, object)) != nullptr) ++n;
    return n;
  }
  /// One object more, for a message that is to be sent.
  template <typename T>
  void add(int level, int type, const T& value) {
    const size_t at = control.size();
    control.resize(at + WSA_CMSG_SPACE(sizeof value));
    const WSACMSGHDR header{WSA_CMSG_LEN(sizeof value), level, type};
    std::memcpy(control.data() + at, &header, sizeof header);
    std::memcpy(control.data() + at + WSA_CMSG_LEN(0), &value, sizeof value);
    msg.Control = {static_cast<ULONG>(control.size()), control.data()};
  }

  WSAMSG msg{};
  WS_sockaddr_storage name{};
  std::vector<char> memory;
  std::vector<char> control;
  std::vector<WSABUF> buffers;
};

}  // namespace millrace::test
