/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * roster.h - the list of the sockets of each process, for `wsdctl sockets`.
 *
 * Each process that has started Winsock has a record (base/record.h) that lives as long as its lock: a header, and
 * a slot for each socket that is bound or more, or whose connect failed at once. A slot is written when what it tells
 * changes, never when data moves: a store into mapped memory. Its sequence is odd meanwhile. Who reads copies, and
 * looks whether it has changed; he believes nothing that he has not checked.
 */
#ifndef WSD_WINSOCK_ROSTER_H
#define WSD_WINSOCK_ROSTER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <openwsd/backend.h>

#include "rdma_backend/base/record.h"

#define WSD_ROSTER_PREFIX   "openwsd-sockets-"
#define WSD_ROSTER_MAGIC    0x4b534f57u /* "WOSK" */
#define WSD_ROSTER_LAYOUT   1u
#define WSD_ROSTER_ALIVE    0u	  /* the lock */
#define WSD_ROSTER_SLOTS    4096u /* sockets beyond are counted */
#define WSD_ROSTER_SLOTS_AT 4096u /* where they begin */
#define WSD_ROSTER_REASONS  128u  /* statuses are 0 to -127 */

/* --- in the record: the same in processes of 32 and of 64 bits --- */

struct wsd_roster_flow {
	uint32_t service, rate, bucket, peak; /* see flow.h */
};

enum { WSD_ROSTER_ACCEPTED = 1, WSD_ROSTER_AWAY = 2 /* another process has it just now */ };

struct wsd_roster_entry {
	uint64_t handle; /* SOCKET */
	uint64_t since;	 /* when its state changed; the monotonic clock of the host */
	uint64_t speed;	 /* of the path, bytes per second; 0: unknown */
	uint32_t used;
	uint8_t mode, state, flags, unused; /* WSD_MODE_*, enum wsd_socket_state */
	struct wsd_addr local, remote;
	int32_t error;	   /* the last one of connecting, or why it is broken; a WSA code */
	uint32_t reserved; /* of the speed */
	struct wsd_roster_flow out, in;
	char path[32], device[32]; /* of a listener: all its paths */
	char reasons[512];
};

struct wsd_roster_slot {
	_Atomic uint32_t sequence;
	uint32_t unused;
	struct wsd_roster_entry entry;
};

struct wsd_roster_header {
	uint32_t magic, layout;
	uint32_t process, unused;
	char program[64];
	_Atomic uint32_t slots;	   /* from there on none has been used */
	_Atomic uint32_t unlisted; /* sockets for which there was none */
	_Atomic uint64_t reasons[WSD_ROSTER_REASONS];
};

_Static_assert(sizeof(struct wsd_roster_flow) == 16 && sizeof(struct wsd_roster_entry) == 696 &&
		       offsetof(struct wsd_roster_entry, mode) == 28 &&
		       offsetof(struct wsd_roster_entry, local) == 32 &&
		       offsetof(struct wsd_roster_entry, remote) == 56 &&
		       offsetof(struct wsd_roster_entry, error) == 80 &&
		       offsetof(struct wsd_roster_entry, out) == 88 &&
		       offsetof(struct wsd_roster_entry, in) == 104 &&
		       offsetof(struct wsd_roster_entry, path) == 120 &&
		       offsetof(struct wsd_roster_entry, device) == 152 &&
		       offsetof(struct wsd_roster_entry, reasons) == 184,
	       "an entry's layout");
_Static_assert(sizeof(struct wsd_roster_slot) == 704 &&
		       offsetof(struct wsd_roster_slot, entry) == 8,
	       "a slot's layout");
_Static_assert(sizeof(struct wsd_roster_header) == 1112 &&
		       sizeof(struct wsd_roster_header) <= WSD_ROSTER_SLOTS_AT &&
		       offsetof(struct wsd_roster_header, process) == 8 &&
		       offsetof(struct wsd_roster_header, program) == 16 &&
		       offsetof(struct wsd_roster_header, slots) == 80 &&
		       offsetof(struct wsd_roster_header, unlisted) == 84 &&
		       offsetof(struct wsd_roster_header, reasons) == 88,
	       "the header's layout");

/* --- who writes: roster.c --- */

struct wsd_socket;

/* [lock] It may tell something new. */
void wsd_roster_update(struct wsd_socket *sock);
void wsd_roster_leave(struct wsd_socket *sock); /* [lock] for good */
/* With the start of each mode, and its end. The record goes with the last, unless there are sockets still:
 * then it stays until the process ends. */
void wsd_roster_open(void);
void wsd_roster_close(void);
void wsd_roster_exit(void); /* the process ends */
void wsd_roster_fork_child(void);

/* --- who reads: roster_read.c --- */

struct wsd_roster_process {
	uint32_t process;
	uint32_t unlisted;
	char program[64];
	uint64_t reasons[WSD_ROSTER_REASONS]; /* how often each kept a connect from a path */
};

struct wsd_roster_reader {
	void (*on_process)(const struct wsd_roster_process *process, void *arg);
	/* Everything in it is within its range, and texts end and can be printed. */
	void (*on_socket)(const struct wsd_roster_process *process,
			  const struct wsd_roster_entry *entry, void *arg);
	void *arg;
};

/* That of a living process; what a dead one left is removed. */
bool wsd_roster_open_living(const char *name, intptr_t *record);
/* All living processes of this user. */
void wsd_roster_read(const struct wsd_roster_reader *reader);

#endif
