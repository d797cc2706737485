/* SPDX-License-Identifier: BSD-2-Clause */
/* test_shm_things.h - things that a name may lead to, in the place of memory of that length. */
#ifndef WSD_TEST_WINDOWS_SHM_THINGS_H
#define WSD_TEST_WINDOWS_SHM_THINGS_H

#include "tests/lib/test.h"

#include "rdma_backend/shm/shm_windows.h"

enum thing { NOTHING, OTHER_LENGTH, RESERVED, IN_A_FILE, AN_EVENT, THINGS };

shm_share thing_make(enum thing what, size_t length, HANDLE *handle, HANDLE *file);
void thing_drop(shm_share *share, HANDLE handle, HANDLE file);

#endif
