# SPDX-License-Identifier: BSD-3-Clause
# find_package(millrace): the targets millrace::ws2_32 and millrace::spi, both libmillrace.so.
include(${CMAKE_CURRENT_LIST_DIR}/millrace-targets.cmake)
if(NOT TARGET millrace::ws2_32)
  add_library(millrace::ws2_32 ALIAS millrace::millrace)
  add_library(millrace::spi ALIAS millrace::millrace)
endif()
