/* SPDX-License-Identifier: BSD-2-Clause */
/* fuzz.h - the entry points of libFuzzer, which replay.c calls too. */
#ifndef WSD_TEST_FUZZ_H
#define WSD_TEST_FUZZ_H

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
