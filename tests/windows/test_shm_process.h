/* SPDX-License-Identifier: BSD-2-Clause */
/* test_shm_process.h - what main has to ask first: is this the server that shm_serve has started? */
#ifndef WSD_TEST_WINDOWS_SHM_PROCESS_H
#define WSD_TEST_WINDOWS_SHM_PROCESS_H

#include <stdbool.h>

bool shm_served(int argc, char **argv);

#endif
