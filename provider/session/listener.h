/* SPDX-License-Identifier: BSD-2-Clause */
/* listener.h - the queue of a listening address, shared by listener.c, listen_move.c and orphan.c. */
#ifndef WSD_SESSION_LISTENER_H
#define WSD_SESSION_LISTENER_H

#include "provider/session/plain.h"

#define WSD_ACCEPT_FILES 4u /* a backend opens no more for one connection */

struct wsd_listener {
	const struct wsd_listener_owner *ops;
	void *owner;
	struct wsd_listener_part {
		struct wsd_listen *listen;	/* NULL: no backend listens */
		struct wsd_plain_listen *plain; /* NULL: the system does not */
	} parts[WSD_LISTENER_ENDS];
	unsigned open; /* of what is in them */
	bool started;  /* and not only what another process has had */
	struct wsd_listener_options options;
	struct wsd_list ready;	   /* streams: open, broken, or waiting for an answer */
	struct wsd_list answering; /* streams accepted or imported by us, not yet open */
	struct wsd_list leaving;   /* streams that go to another process, the oldest first */
	unsigned ready_count, answering_count, leaving_count;
	uint64_t left_at; /* when the newest of leaving was asked to */
	bool stopped;	  /* nothing arrives any more */
	bool closing;	  /* nor is anything kept */
	bool shared;	  /* other processes accept, too */
	bool wanted_only; /* and have the system's sockets, too */
	unsigned least;	  /* that somebody wants just now */
};

extern const struct wsd_stream_owner wsd_listener_queue_ops;

/* All [lock]. Reset a queued stream and forget it. */
void wsd_listener_discard(struct wsd_stream *stream);
struct orphan *wsd_listener_orphan(void); /* what discard will need; NULL: no memory */
void wsd_listener_ready(struct wsd_listener *listener, struct wsd_stream *stream);
bool wsd_listener_has_room(const struct wsd_listener *listener);
struct wsd_stream *wsd_listener_stream(
	struct wsd_listener *listener); /* for the queue; NULL: out of memory */
void wsd_listener_part_closed(struct wsd_listener *listener);
bool wsd_listener_is_over(const struct wsd_stream *stream); /* who takes it hears of a reset */
void wsd_listener_room(struct wsd_listener *listener);	    /* there is some in the queue again */
void wsd_listener_answering(
	struct wsd_stream *stream); /* it is accepted next, and may not take for ever */

/* listener_plain.c, [lock] */
extern const struct wsd_plain_listen_owner wsd_listener_plain_ops;

#endif
