/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * provider.h - the process-wide part: start-up counts, upcalls, the table of sockets, and what a host
 * (ws2_32 or the Linux shim) has to call besides WSPStartup. A mode is one of WSD_MODE_*.
 */
#ifndef WSD_WINSOCK_PROVIDER_H
#define WSD_WINSOCK_PROVIDER_H

#include "provider/transport/hello.h"
#include "provider/winsock/spi.h"

#ifdef __cplusplus
extern "C" {
#endif

struct wsd_socket;
struct wsd_engine;

/* WPUCompleteOverlappedRequest is in no 15-entry table: the shim finds the one that belongs to the others.
 * NULL: there is none, and WSPStartup fails. */
typedef LPWPUCOMPLETEOVERLAPPEDREQUEST (*wsd_find_complete)(const WSPUPCALLTABLE *table);
void wsd_upcalls_set_find_complete(wsd_find_complete find);
/* Told of each table that a host gives, before it is used. */
typedef void (*wsd_upcalls_given)(const WSPUPCALLTABLE *table);
void wsd_upcalls_set_given(wsd_upcalls_given given);

/* How TransmitFile reads: HANDLEs are the host's. */
struct wsd_file_reader {
	/* Read at most length bytes into buffer, at *offset or, when *offset is UINT64_MAX, at the
	 * file's own position, which then moves. Bytes read, 0 at the end, -1 with *error (Win32).
	 */
	int64_t (*read)(HANDLE file, uint64_t offset, void *buffer, uint32_t length, int *error);
};
void wsd_upcalls_set_file_reader(const struct wsd_file_reader *reader);
const struct wsd_file_reader *wsd_upcalls_file_reader(void); /* NULL: none */

/* A queued APC that will never run (its thread ended): frees what it carries. */
void wsd_provider_apc_dropped(LPWSAUSERAPC routine, DWORD_PTR context);
/* By a thread that ends, perhaps inside of a completion routine: what waits for that one to return
 * never runs. */
void wsd_provider_thread_ended(void);

/* ns; as the parameters said when Winsock was started, for asking takes longer than all the rest of a close. */
uint64_t wsd_connect_timeout(void);
uint64_t wsd_close_timeout(void);

/* Extension functions have no lpErrno: this carries their error (WSASetLastError of the host). */
void wsd_upcalls_set_last_error(void (*set)(int error));

/* Normal process exit: close every open socket gracefully and wait at most WSD_EXIT_LINGER ms. */
void wsd_provider_exit(void);
/* In the child after a fork: forget everything without touching a peer. */
void wsd_provider_fork_child(void);

/* --- for this folder --- */

#define WSD_NS_PER_MS 1000000ull
#define WSD_FOREVER   UINT64_MAX

/* What the host of a mode gave. */
struct wsd_upcalls {
	WSPUPCALLTABLE table;
	LPWPUCOMPLETEOVERLAPPEDREQUEST complete;
};

const struct wsd_upcalls *wsd_upcalls(unsigned mode);
bool wsd_provider_started(unsigned mode);
unsigned wsd_provider_start(unsigned mode); /* a number that no earlier start had */
bool wsd_provider_exiting(void); /* the process ends: memory of the application is left alone */
/* The id of the entry that a socket is made from, which is remembered; NULL: that of start-up. */
DWORD wsd_provider_catalog_id(unsigned mode, const WSAPROTOCOL_INFOW *given);
void wsd_provider_protocol(unsigned mode, DWORD catalog_id, WSAPROTOCOL_INFOW *info); /* a copy */

/*
 * The table of sockets. A socket's memory is never given back while the provider is started, so a
 * context that went stale is detected under the lock of whatever lives there now, never followed
 * into freed memory. A context is a small number, so that one of another provider cannot be
 * mistaken for a pointer.
 */
struct wsd_socket *wsd_slot_get(DWORD_PTR context); /* NULL: not one of ours */
struct wsd_socket *wsd_slot_take(void);		    /* unused memory, or NULL */
void wsd_slot_put(struct wsd_socket *sock);
unsigned wsd_slot_count(void);

/* Streams, channels and listeners that still call back. */
void wsd_streams_count(unsigned mode, int delta);

extern const WSPPROC_TABLE wsd_proc_table;     /* table.c */
extern const WSPPROC_TABLE wsd_san_proc_table; /* san_table.c */

#ifdef __cplusplus
}
#endif
#endif
