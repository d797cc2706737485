/* SPDX-License-Identifier: BSD-2-Clause */
/* events.h - network events of one socket, for the programs that look at them. */
#ifndef WSD_CONFORMANCE_EVENTS_H
#define WSD_CONFORMANCE_EVENTS_H

#include "tests/conformance/lib.h"

#define SOON  ((int)conf_long() / 2) /* ms; what must happen has happened by then */
#define QUIET 150		     /* ms; what must not happen gets this long */

/* Signalled within so many ms? */
static inline int signalled(WSAEVENT event, DWORD ms)
{
	return WSAWaitForMultipleEvents(1, &event, TRUE, ms, FALSE) == WSA_WAIT_EVENT_0;
}

/* What has been recorded for s up to now. */
static inline long fetch(SOCKET s, WSAEVENT event, WSANETWORKEVENTS *events)
{
	memset(events, 0, sizeof(*events));
	return WSAEnumNetworkEvents(s, event, events) ? -1 : events->lNetworkEvents;
}

/* Fetch until all of want were seen. The events seen; codes[] of each. -1: not in time. */
static inline long await_events(SOCKET s, WSAEVENT event, long want, int codes[FD_MAX_EVENTS])
{
	WSANETWORKEVENTS now;
	long seen = 0;

	while ((seen & want) != want) {
		long got;

		if (!signalled(event, SOON))
			return -1;
		got = fetch(s, event, &now);
		if (got < 0)
			return -1;
		for (unsigned i = 0; i < FD_MAX_EVENTS; i++)
			if (codes != NULL && (got & (1L << i)))
				codes[i] = now.iErrorCode[i];
		seen |= got;
	}
	return seen;
}

/* Nothing is recorded for s, now and for a while. */
static inline int stays_quiet(SOCKET s, WSAEVENT event)
{
	WSANETWORKEVENTS events;

	return !signalled(event, QUIET) && fetch(s, event, &events) == 0;
}

/* Wait with select until s can be read. */
static inline int await_readable(SOCKET s)
{
	struct timeval limit = { SOON / 1000, 0 };
	fd_set set;

	FD_ZERO(&set);
	FD_SET(s, &set);
	return select(0, &set, NULL, NULL, &limit) == 1;
}

/* Nonblocking sends until there is no room; how many bytes went. */
static inline long fill(SOCKET s)
{
	static char block[16384];
	long sum = 0;
	int n;

	while ((n = send(s, block, sizeof(block), 0)) > 0)
		sum += n;
	return WSAGetLastError() == WSAEWOULDBLOCK ? sum : -1;
}

/* Read so many bytes, however the socket is set. */
static inline int drain(SOCKET s, long bytes)
{
	static char block[16384];

	while (bytes > 0) {
		int n = recv(s, block,
			     bytes < (long)sizeof(block) ? (int)bytes : (int)sizeof(block), 0);

		if (n == SOCKET_ERROR && WSAGetLastError() == WSAEWOULDBLOCK && await_readable(s))
			continue;
		if (n <= 0)
			return 0;
		bytes -= n;
	}
	return 1;
}

#endif
