/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * held.h - what the kernel's RDMA part holds: queue pairs and connections, and everything but one context of each
 * device: librdmacm opens devices for itself, and closes them with the process.
 */
#ifndef WSD_TEST_HELD_H
#define WSD_TEST_HELD_H

#include "tests/lib/peer.h"

struct held {
	unsigned connections, all;
};
struct held held(void);
/* Wait until no more is left than before; fails after 20 s. */
void held_settle(struct held before, BOOL all);

#endif
