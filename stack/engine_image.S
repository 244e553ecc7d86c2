/* SPDX-License-Identifier: BSD-3-Clause */
/* The engine as a shared library, for engines.cc to load copies from. */
    .section .rodata
    .balign 64
    .globl millrace_engine_image
    .hidden millrace_engine_image
millrace_engine_image:
    .incbin MILLRACE_ENGINE_FILE
    .globl millrace_engine_image_end
    .hidden millrace_engine_image_end
millrace_engine_image_end:
    .section .note.GNU-stack,"",@progbits
