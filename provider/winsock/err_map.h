/* SPDX-License-Identifier: BSD-2-Clause */
/* err_map.h - from enum wsd_status to WSA codes, by operation: the only such table. */
#ifndef WSD_WINSOCK_ERR_MAP_H
#define WSD_WINSOCK_ERR_MAP_H

#include <openwsd/status.h>

enum wsd_call {
	WSD_CALL_OTHER,
	WSD_CALL_BIND,
	WSD_CALL_LISTEN,
	WSD_CALL_ACCEPT,
	WSD_CALL_CONNECT,
	WSD_CALL_SEND,
	WSD_CALL_RECV,
	WSD_CALL_COUNT
};

/* 0 for WSD_OK; a WSA code for everything else, also for values that are not in the list. */
int wsd_error(enum wsd_status status, enum wsd_call call);

#endif
