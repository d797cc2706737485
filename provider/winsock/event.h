/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * event.h - the record of network events of one socket: pure bookkeeping, no locks, no upcalls.
 *
 * A kind is *armed* when its next occurrence may be recorded. Recording disarms it, its re-enabling
 * call arms it again; level-triggered kinds are then looked at anew by the caller.
 */
#ifndef WSD_WINSOCK_EVENT_H
#define WSD_WINSOCK_EVENT_H

#include "provider/winsock/spi.h"

struct wsd_fd_record {
	WSAEVENT event;
	long mask;   /* selected */
	long record; /* happened, not yet fetched */
	long armed;
	int error[FD_MAX_EVENTS];
	bool signal; /* the event object has to be set */
};

void wsd_fd_init(struct wsd_fd_record *fd);
/* WSPEventSelect: replaces the selection, clears the record, arms everything. */
void wsd_fd_select(struct wsd_fd_record *fd, WSAEVENT event, long mask);
/* Accepted sockets start with the listener's selection and an empty record. */
void wsd_fd_inherit(struct wsd_fd_record *fd, const struct wsd_fd_record *from);
/* True if it was recorded (selected and armed). bit is one FD_* flag. */
bool wsd_fd_raise(struct wsd_fd_record *fd, long bit, int error);
void wsd_fd_arm(struct wsd_fd_record *fd, long bits);
/* WSPEnumNetworkEvents: only the elements of recorded events are written. */
void wsd_fd_fetch(struct wsd_fd_record *fd, LPWSANETWORKEVENTS out);

#endif
