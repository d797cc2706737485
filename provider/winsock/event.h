/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * event.h - the record of network events of one socket: pure bookkeeping, no locks, no upcalls. They are
 * told either to an event object, and kept until they are fetched, or to a window, in a message each.
 *
 * A kind is *armed* when its next occurrence may be recorded. Recording disarms it, its re-enabling
 * call arms it again; level-triggered kinds are then looked at anew by the caller.
 */
#ifndef WSD_WINSOCK_EVENT_H
#define WSD_WINSOCK_EVENT_H

#include "provider/winsock/spi.h"

struct wsd_fd_record {
	WSAEVENT event;
	HWND window;	  /* NULL: the event object is told */
	unsigned message; /* what it gets */
	long mask;	  /* selected */
	long record;	  /* happened, not yet fetched */
	long armed;
	int error[FD_MAX_EVENTS];
	bool signal; /* the event object has to be set */
};

/* What a window has to be told: lParam of each message. */
struct wsd_fd_messages {
	HWND window;
	unsigned message, count;
	LPARAM news[FD_MAX_EVENTS];
};

void wsd_fd_init(struct wsd_fd_record *fd);
/* WSPEventSelect: replaces the selection, clears the record, arms everything. */
void wsd_fd_select(struct wsd_fd_record *fd, WSAEVENT event, long mask);
/* WSPAsyncSelect: the same. */
void wsd_fd_select_window(struct wsd_fd_record *fd, HWND window, unsigned message, long mask);
/* Accepted sockets start with the listener's selection and an empty record. */
void wsd_fd_inherit(struct wsd_fd_record *fd, const struct wsd_fd_record *from);
/* True if it was recorded (selected and armed). bit is one FD_* flag. */
bool wsd_fd_raise(struct wsd_fd_record *fd, long bit, int error);
void wsd_fd_arm(struct wsd_fd_record *fd, long bits);
/* WSPEnumNetworkEvents: only the elements of recorded events are written. A window's are none of them. */
void wsd_fd_fetch(struct wsd_fd_record *fd, LPWSANETWORKEVENTS out);
/* The event object, if it has to be set: the caller does that. Else WSA_INVALID_EVENT. */
static inline WSAEVENT wsd_fd_take_signal(struct wsd_fd_record *fd)
{
	WSAEVENT event = fd->signal ? fd->event : WSA_INVALID_EVENT;

	fd->signal = false;
	return event;
}
/* Is there something to tell a window? */
static inline bool wsd_fd_has_messages(const struct wsd_fd_record *fd)
{
	return fd->window != NULL && fd->record != 0;
}
/* Takes it, in the order in which things happen to a connection. */
void wsd_fd_take_messages(struct wsd_fd_record *fd, struct wsd_fd_messages *out);

#endif
