/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * common.h - one file of this user on this host that all of its processes map, and claims on its parts that
 * end with the process that has them, however it ends. One implementation file per system.
 *
 * What is mapped can be written at any time by any process of the user: it is checked when it is read.
 */
#ifndef WSD_BASE_COMMON_H
#define WSD_BASE_COMMON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <openwsd/status.h>

struct wsd_common {
	intptr_t handle;
	void *base;
	size_t length;
};

/*
 * Open or make the file of that name, length bytes of zeros at first; it stays when nobody uses it.
 * WSD_EACCESS: what is there is somebody else's, or no such file. WSD_EINVAL: no name (1 to 32 bytes, no '/').
 * WSD_ENOFILES, WSD_ENOMEM. A process opens a name once at a time.
 */
enum wsd_status wsd_common_open(struct wsd_common *common, const char *name, size_t length);
void wsd_common_close(struct wsd_common *common); /* its claims end */

/* Have part `index` (a number of the caller's choice, below 2^30). False: another process has it. */
bool wsd_common_claim(struct wsd_common *common, uint32_t index);
void wsd_common_unclaim(struct wsd_common *common, uint32_t index);
/* Has another process it? Asks the system. */
bool wsd_common_claimed(struct wsd_common *common, uint32_t index);

#endif
