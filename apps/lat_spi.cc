// SPDX-License-Identifier: BSD-3-Clause
#include "apps/lat_spi.h"

namespace millrace::lat {

std::unique_ptr<Transport> make_spi_transport(bool is_nonblocking) {
  return std::make_unique<SpiTransport>(is_nonblocking);
}

}  // namespace millrace::lat
