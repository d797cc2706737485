/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_host_fake.h - a provider that does what the test says, under the Linux shim. It also stands in
 * for the engines: a wait sleeps on the waker only.
 */
#ifndef WSD_TEST_HOST_FAKE_H
#define WSD_TEST_HOST_FAKE_H

#include <stdatomic.h>
#include <stdbool.h>

#include <openwsd/mswsock.h>
#include <openwsd/openwsd.h>
#include <openwsd/ws2spi.h>
#include <openwsd/ws2tcpip.h>

/* What the next overlapped call does. */
enum fake_io { FAKE_PEND, FAKE_AT_ONCE, FAKE_FAIL };

struct fake_provider {
	int startup_error; /* what WSPStartup returns */
	WORD version;	   /* what it offers */
	bool leave_a_hole; /* a NULL in the table */
	atomic_int startups, cleanups, exits, forks, dropped;
	WSPUPCALLTABLE upcalls;
	WSAPROTOCOL_INFOW protocol;
	enum fake_io io;
	int error; /* for FAKE_FAIL and every other failing call */
	DWORD bytes;
	LPWSAOVERLAPPED pending;
	WSATHREADID thread; /* given with the last completion routine */
	bool had_thread;
	WSAEVENT selected;
	long selected_events;
};

extern struct fake_provider fake;

/* Puts everything back; the next WSAStartup succeeds. */
void fake_reset(void);
/* Completes a request as the provider would. */
int fake_complete(SOCKET s, LPWSAOVERLAPPED overlapped, DWORD error, DWORD bytes);

#endif
