// SPDX-License-Identifier: BSD-3-Clause
// Of a build without SCTP (MILLRACE_SCTP=OFF): what the rest of the stack calls. No Stack ever has an
// SctpEngine then, and peers hear from lwIP that nobody here speaks the protocol.
#include <cstdlib>

#include "lwip/icmp.h"
#include "lwip/icmp6.h"
#include "stack/sctp_engine.h"

namespace millrace {

bool has_sctp() noexcept { return false; }
Socket* new_sctp_socket(Stack&, uint8_t) { std::abort(); }

SctpEngine::~SctpEngine() = default;
void SctpEngine::tick(uint64_t) noexcept {}
bool SctpEngine::is_sending() const noexcept { return false; }

}  // namespace millrace

extern "C" {
void millrace_icmp4_unreachable(pbuf* p, icmp_dur_type type) { icmp_dest_unreach(p, type); }
void millrace_icmp6_problem(pbuf* p, icmp6_pp_code code, const void* pointer) { icmp6_param_problem(p, code, pointer); }
}
