// SPDX-License-Identifier: BSD-3-Clause
// The Linux kernel as the peer: a thread in a network namespace of its own, and one veth pair
// between it and the namespace that the test process has moved into.
//
//   test process, its namespace          thread "kernel", its namespace
//     DPDK port on veth "d0"  ------------  veth "k0"  10.77.0.1, fd77::1
//     10.77.0.2, fd77::2 (the Stack's)      sockets of the kernel
//
// Neither namespace has a name: both end with the process, whatever happens to it, and the links in
// them with it. Nothing is seen by the rest of the machine.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>

namespace millrace::test {

inline constexpr const char* kKernelAddress4 = "10.77.0.1";
inline constexpr const char* kKernelAddress6 = "fd77::1";
inline constexpr const char* kStackAddress4 = "10.77.0.2";
inline constexpr const char* kStackAddress6 = "fd77::2";

class KernelHost {
 public:
  /// Moves the whole process into a new namespace, starts the thread in another, and links them.
  /// Call it before any other thread exists.
  /// @return null and a sentence that says what is missing
  static std::unique_ptr<KernelHost> make(std::string& why_not);
  ~KernelHost();
  KernelHost(const KernelHost&) = delete;
  KernelHost& operator=(const KernelHost&) = delete;

  /// Work for the kernel's thread: sockets made there stay in its namespace, whoever uses them.
  template <typename Work>
  auto start(Work work) {
    auto task = std::make_shared<std::packaged_task<decltype(work())()>>(std::move(work));
    auto result = task->get_future();
    add([task] { (*task)(); });
    return result;
  }
  template <typename Work>
  auto run(Work work) {
    return start(std::move(work)).get();
  }

 private:
  KernelHost();
  void work();
  void add(std::function<void()> task);

  std::mutex mutex_;
  std::condition_variable has_work_;
  std::deque<std::function<void()>> tasks_;
  bool is_over_ = false;
  std::thread thread_;
};

/// A socket of the kernel. What takes longer than 30 s fails; error is errno's value then.
class KernelSocket {
 public:
  KernelSocket() = default;
  explicit KernelSocket(int fd);
  KernelSocket(KernelSocket&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  KernelSocket& operator=(KernelSocket&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~KernelSocket();

  // On the kernel's thread.
  static KernelSocket listener(const std::string& address);
  static KernelSocket connected(const std::string& address, uint16_t port);
  static KernelSocket datagram(const std::string& address);

  KernelSocket accept();
  bool send_all(const std::string& bytes);
  /// The last byte is urgent.
  bool send_urgent(const std::string& bytes);
  /// The urgent byte, out of line, once it has come; "" after a while or on an error.
  std::string recv_urgent();
  /// Up to n bytes; fewer at the end of the stream or on an error.
  std::string recv_all(size_t n);
  /// One call.
  std::string recv();
  bool send_to(const std::string& bytes, const std::string& address, uint16_t port);
  void shutdown_sending();
  /// Closes with a reset instead of a FIN.
  void reset();
  uint16_t port() const;
  bool is_open() const { return fd_ >= 0; }
  int error = 0;

 private:
  int fd_ = -1;
};

/// Runs all tests with a configuration whose port is on d0.
/// @param vdev      DPDK's driver and its words: "af_packet,qpairs=2"
/// @param settings  TOML: the rest of the port's table, and others
/// @param prepare   with the peer and a folder for this run; false: what it needs is missing
/// @return what main returns: 77 where all of this cannot be had
int run_on_kernel_port(const std::string& vdev, const std::string& settings,
                       const std::function<bool(KernelHost&, const std::string& folder)>& prepare);

/// Runs a command, silently; on the kernel's thread in its namespace. @return true: exit status 0
bool shell(const std::string& command);

/// Sends n echo requests with payload_bytes each, on the kernel's thread. @return replies
int ping(const std::string& address, int n, size_t payload_bytes);

}  // namespace millrace::test
