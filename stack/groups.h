// SPDX-License-Identifier: BSD-3-Clause
// Multicast as a socket sees it: the groups it is in, and which sources it wants to hear there.
//
// lwIP tells the network (IGMPv2, MLDv1), once for all sockets of a Stack; neither knows sources,
// so these are sorted out here, per socket. A group is joined on a link (interfaces.h): on the
// link's first interface, or on the loopback, which no report leaves.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "millrace/winsock_codes.h"
#include "stack/address.h"

struct netif;

namespace millrace {

enum class GroupAction : uint8_t { kJoin, kLeave, kJoinSource, kLeaveSource, kBlock, kUnblock };

struct GroupChange {
  GroupAction action = GroupAction::kJoin;
  IpAddress group;
  IpAddress source;        ///< of the last four
  uint32_t interface = 0;  ///< its index; 0: where the route to the group leads
};

class Groups {
 public:
  Groups() = default;
  ~Groups() { leave_all(); }
  Groups(const Groups&) = delete;
  Groups& operator=(const Groups&) = delete;

  /// @errors  as Microsoft's page "Multicast Socket Option Behavior" has them: kAddrNotAvail what
  /// is
  ///          so already, or a source that is not in the list; kInval what contradicts the list, or
  ///          no membership at all; kNoBufs
  WsaError change(const GroupChange& change, netif& on);
  bool empty() const noexcept { return memberships_.empty(); }
  bool wants(const netif& on, const IpAddress& group, const IpAddress& source) const noexcept;
  void leave_all() noexcept;

 private:
  /// RFC 3678 3: either all sources but these, or these alone.
  struct Membership {
    netif* on;
    IpAddress group;
    bool is_include;
    std::vector<IpAddress> sources;

    std::vector<IpAddress>::iterator find(const IpAddress& source);
  };

  std::vector<Membership>::iterator find(const netif& on, const IpAddress& group);
  WsaError join(netif& on, const GroupChange& change);
  WsaError join_source(Membership& membership, const IpAddress& source);
  void leave(std::vector<Membership>::iterator membership) noexcept;

  std::vector<Membership> memberships_;
};

/// The interface with this index that groups are joined on. @return null: there is none
netif* group_interface(uint32_t index) noexcept;
/// Index of the interface, or of its link's, that has this address of ours. @return 0: none has
uint32_t group_interface_with(const IpAddress& address) noexcept;
/// The same for an interface.
uint32_t group_interface_of(const netif& n) noexcept;
/// Where a group is reached from when nobody says. @return null: nowhere
netif* default_group_interface(const IpAddress& group, const IpAddress& local) noexcept;

}  // namespace millrace
