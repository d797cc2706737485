/* SPDX-License-Identifier: BSD-2-Clause */
/* close_calls.h - every call that can be under way when its socket is taken away. */
#ifndef WSD_TEST_CLOSE_CALLS_H
#define WSD_TEST_CLOSE_CALLS_H

#include <stdatomic.h>
#include <stdbool.h>

#include "tests/unit/winsock_pair.h"

struct call;

/* One socket that is used by one thread and taken away by another. */
struct victim {
	struct pair pair;
	SOCKET s; /* the one that is closed: client, server or listener */
	const struct call *call;
	atomic_bool inside, ended, taken, gone; /* taken: from now on it may be gone */
	int result;				/* code of the failing call, 0 */
	WSAEVENT event;
	HANDLE port;
};

enum role { CLIENT, LISTENER, FRESH };

struct call {
	const char *name;
	enum role role;
	int (*run)(struct victim *v); /* the code that ended it, 0 when it just returned */
};

extern const struct call close_calls[];
extern const unsigned close_call_count;
bool close_is_closesocket(const struct call *call);

#endif
