/* SPDX-License-Identifier: BSD-2-Clause */
/* adapter.h - for tests of the verbs backend by itself: what tests/backend/conf_lib.c wants, on WSD_TEST_DEVICE. */
#ifndef WSD_TESTS_RXE_ADAPTER_H
#define WSD_TESTS_RXE_ADAPTER_H

#include "rdma_backend/base/base.h"
#include "rdma_backend/verbs/verbs.h"
#include "tests/backend/conformance.h"
#include "tests/lib/test.h"

/* The module, on WSD_TEST_DEVICE, connected to from WSD_TEST_PEER; skips the test where there is none. */
void adapter_start(unsigned seconds);

#endif
