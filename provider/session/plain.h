/* SPDX-License-Identifier: BSD-2-Clause */
/* plain.h - the streams of the path "plain": plain.c; plain_listen.c has their listeners. */
#ifndef WSD_SESSION_PLAIN_H
#define WSD_SESSION_PLAIN_H

#include "provider/session/internal.h"

/* What the system does not tell twice. */
enum wsd_plain_mark { MARK_NONE, MARK_AHEAD, MARK_HERE };

struct wsd_plain {
	intptr_t socket;
	uint64_t look;		  /* pause before the next question, 0: none is due */
	uint64_t due;		  /* engine clock: the timer's time beside pacing; 0: none */
	enum wsd_plain_mark mark; /* of urgent data */
	bool watched;	  /* in the poller, from the first time that somebody wants news, ... */
	bool watch_write; /* ... for writing, too, ... */
	bool quiet;	  /* ... and not for bytes: the program reads before it would be told */
	bool wanted;	  /* it wants to be told of more than bytes, and never quiet */
	uint8_t needless; /* news of bytes that it did not need */
	bool tried;   /* since the last news a receive that did not wait for them has found bytes */
	uint8_t pass; /* of those that could wait so many do not try, as the last one found nothing */
	bool may_read;	/* no receive has found nothing since the last news */
	bool may_write; /* the same for sends */
	bool ended;	/* the peer's end has arrived; bytes may stand before it */
	bool eof;	/* all of them have been read */
	bool marks;	/* there ever was urgent data */
	bool urgent;	/* a byte of it has not been fetched ... */
	bool kept;	/* ... but taken from the system: byte */
	uint8_t byte;
	bool fetched; /* ... or the last has been, out of line, and its place not been passed */
	bool urgent_inline;
	bool sent;     /* anything */
	bool short_of; /* the system was short of memory, and those who wait are to try again */
	bool keepalive, nodelay;
	uint8_t hops; /* that the socket was told */
	bool shared;  /* somebody keeps a twin of the socket: it may go to another process */
};

/* [lock] Connect by this path, by the stream's deadline. WSD_OK: it is open. WSD_PENDING: the engine goes on. A
 * failure has left nothing but what drop gives back, by any thread. */
enum wsd_status wsd_plain_connect(struct wsd_stream *stream, struct wsd_engine *engine,
				  uint64_t now);
/* Make a stream of a connection that the system has accepted; the socket is its own, also when it fails.
 * The stream's owner is the caller, with the lock held. */
enum wsd_status wsd_plain_adopt(struct wsd_stream *stream, struct wsd_engine *engine,
				intptr_t socket, const struct wsd_addr *local,
				const struct wsd_addr *remote);

/* [lock] Ask the system for the local address, if it is not known yet. */
void wsd_plain_name(struct wsd_stream *stream);

/* plain.c, for plain_io.c. All [lock]. */
enum wsd_status wsd_plain_watch_for(struct wsd_stream *stream, bool writable);
void wsd_plain_watch(struct wsd_stream *stream); /* for bytes, from now on; a failure breaks it */
/* The system has no memory for it just now. Who can wait is told to, and woken after a while: WSD_AGAIN. */
enum wsd_status wsd_plain_short(struct wsd_stream *stream, unsigned flags);
void wsd_plain_give_up(struct wsd_stream *s); /* [stream lock] its connect, with a reset */
void wsd_plain_lost(struct wsd_stream *stream, enum wsd_status why);

/* plain_move.c, for move.c. All [lock]. */
bool wsd_plain_is_shared(const struct wsd_stream *stream);
bool wsd_plain_keeps(
	const struct wsd_stream *stream); /* it was reset, and has bytes for the next one */
void wsd_plain_export(const struct wsd_stream *stream, struct wsd_stream_image *image);

/* plain_io.c: entries of the carrier. All [lock]. */
enum wsd_status wsd_plain_read(struct wsd_stream *stream, const struct wsd_iovec *iov,
			       unsigned count, unsigned flags, struct wsd_direct *direct,
			       size_t *bytes);
size_t wsd_plain_readable(const struct wsd_stream *stream);
bool wsd_plain_at_end(const struct wsd_stream *stream);
enum wsd_status wsd_plain_write(struct wsd_stream *stream, const struct wsd_iovec *iov,
				unsigned count, unsigned flags, size_t *bytes);
bool wsd_plain_writable(const struct wsd_stream *stream);
bool wsd_plain_asks(const struct wsd_stream *stream);
enum wsd_status wsd_plain_write_urgent(struct wsd_stream *stream, uint8_t byte);
enum wsd_status wsd_plain_read_urgent(struct wsd_stream *stream, bool peek, uint8_t *byte);
void wsd_plain_set_urgent_inline(struct wsd_stream *stream, bool inline_mode);
bool wsd_plain_urgent_pending(const struct wsd_stream *stream);
bool wsd_plain_at_mark(const struct wsd_stream *stream);
bool wsd_plain_mark_here(const struct wsd_stream *stream);
void wsd_plain_urgent_news(struct wsd_stream *stream); /* the system told of a mark */

/* A listening socket. */
struct wsd_plain_listen;
struct wsd_plain_listen_owner {
	void (*lock)(void *owner);
	void (*unlock)(void *owner, struct wsd_engine *engine);
	/* lock held: another connection may be taken now */
	bool (*room)(void *owner);
	/* lock held: one arrived; the socket is the owner's */
	void (*arrived)(void *owner, struct wsd_engine *engine, intptr_t socket,
			const struct wsd_addr *local, const struct wsd_addr *remote);
	void (*closed)(void *owner,
		       struct wsd_engine *engine); /* lock held: after close, last call */
};
/* [no lock] socket holds the port: the listener's from now on, also when it fails. */
enum wsd_status wsd_plain_listen_open(struct wsd_plain_listen **listen,
				      const struct wsd_plain_listen_owner *ops, void *owner,
				      intptr_t socket, const struct wsd_addr *local,
				      uint32_t backlog);
void wsd_plain_listen_start(
	struct wsd_plain_listen *listen); /* [no lock] once it can be called back */
void wsd_plain_listen_begin(
	struct wsd_plain_listen *listen); /* [lock] the same; kick after unlocking */
void wsd_plain_listen_again(struct wsd_plain_listen *listen); /* [lock] there is room again */
void wsd_plain_listen_look(
	struct wsd_plain_listen *listen); /* [lock] now, for as many as there is room */
/* [lock] Other processes take from that socket, too. */
void wsd_plain_listen_share(struct wsd_plain_listen *listen);
intptr_t wsd_plain_listen_socket(
	const struct wsd_plain_listen *listen); /* [lock] -1: it is closed */
void wsd_plain_listen_set_backlog(struct wsd_plain_listen *listen, uint32_t backlog); /* [lock] */
void wsd_plain_listen_close(struct wsd_plain_listen *listen);			      /* [lock] */
void wsd_plain_listen_kick(struct wsd_plain_listen *listen); /* [no lock] */
void wsd_plain_listen_free(struct wsd_plain_listen *listen); /* after closed; NULL allowed */

#endif
