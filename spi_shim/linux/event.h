/* SPDX-License-Identifier: BSD-2-Clause */
/* event.h - event objects, for the other files of the shim. All take the value, not the object. */
#ifndef WSD_LINUX_EVENT_H
#define WSD_LINUX_EVENT_H

#include <stdbool.h>

#include <openwsd/winsock2.h>

/* NULL with the last error set. */
HANDLE wsd_event_new(bool manual_reset, bool signalled);
/* False with the last error ERROR_INVALID_HANDLE. */
bool wsd_event_set(HANDLE event);
bool wsd_event_reset(HANDLE event);
bool wsd_event_close(HANDLE event);

#endif
