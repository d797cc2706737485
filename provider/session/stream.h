/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * stream.h - mode D: one TCP-like byte stream over one backend connection.
 *
 * A stream has no lock of its own: it is protected by its owner's lock (the socket's). Every function
 * marked [lock] is called with it held. The stream calls the owner back (struct wsd_stream_owner) with
 * the lock held; the owner must not block nor call out in there. Control work for the device is queued
 * as tasks: after unlocking, call wsd_stream_kick.
 */
#ifndef WSD_SESSION_STREAM_H
#define WSD_SESSION_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <openwsd/backend.h>

#include "provider/session/flow.h"

struct wsd_engine;
struct wsd_stream;
struct wsd_listener;
struct wsd_deferred;

/* So many bytes are taken while the peer reads nothing, unless it bounded its own receive buffer. */
#define WSD_STREAM_UNREAD 65536u

struct wsd_iovec {
	void *base;
	size_t length;
};

/* What changed, for owner->changed. Only a hint where to look: the state functions tell the truth. */
#define WSD_CHANGE_CONNECTED 0x01u /* or failed: wsd_stream_error */
#define WSD_CHANGE_READABLE  0x02u /* data, end of stream, or reset */
#define WSD_CHANGE_WRITABLE  0x04u
#define WSD_CHANGE_URGENT    0x08u
#define WSD_CHANGE_DIRECT    0x10u  /* a direct read or a loan has finished */
#define WSD_CHANGE_FLUSHED   0x20u  /* everything written has been acknowledged, or never will be */
#define WSD_CHANGE_QOS	     0x80u  /* wsd_stream_qos tells something new */
#define WSD_CHANGE_PATH	     0x200u /* another path is being tried, or its address is known */
#define WSD_CHANGE_MOVED     0x100u /* a hand-over has come further: wsd_stream_suspended */
#define WSD_CHANGE_DEAD	     0x40u /* last call: nothing will come any more; the owner may free it */

struct wsd_stream_owner {
	void (*lock)(void *owner);
	/* engine is NULL, or the engine owned by the caller: then use wsd_engine_defer for upcalls. */
	void (*unlock)(void *owner, struct wsd_engine *engine);
	void (*changed)(void *owner, unsigned changes); /* lock held */
	/* Lock held: a socket of the system to be connected, which holds the local port or, if nobody bound
	 * one, none: the stream's from now on. May be NULL in an owner that never connects. */
	enum wsd_status (*take_port)(void *owner, intptr_t *socket);
	/* Lock held, before a path that cannot choose one: hold a local port; another: and let go of the one that
	 * was held. NULL: it is held, and there is no other. */
	enum wsd_status (*hold_port)(void *owner, bool another, struct wsd_addr *local);
};

struct wsd_stream_options {
	uint64_t connect_timeout; /* ns */
	uint32_t zcopy_min;	  /* smallest rendezvous; 0 = the device's hint */
	uint8_t traffic_class;
	uint8_t hops;	  /* of its packets; 0: as the system likes */
	bool posted_only; /* the peer may send only what wsd_stream_want has asked for */
	struct wsd_qos qos;
};

enum wsd_stream_state {
	WSD_STREAM_IDLE,
	WSD_STREAM_CONNECTING,
	WSD_STREAM_OPEN,   /* includes half closed */
	WSD_STREAM_FAILED, /* connect failed: error tells; may be freed */
	WSD_STREAM_RESET,  /* broken or aborted: error tells */
	WSD_STREAM_DEAD
};

/* A zero-copy send: memory lent until done. Embedded in the owner's operation. */
struct wsd_loan {
	struct wsd_iovec data;	/* one contiguous buffer */
	size_t moved;		/* bytes the peer has taken */
	enum wsd_status status; /* WSD_PENDING, WSD_OK, WSD_AGAIN (write the rest), or a failure */
	size_t cut_below; /* some bytes taken, but fewer than this: as wsd_stream_cut. 0: never */
};
/* A zero-copy read into the owner's buffer. */
struct wsd_direct {
	size_t moved;
	enum wsd_status status;
};

/*
 * [lock] Active open over the configured paths to remote, in order, within one deadline. local has the
 * port that the caller holds, or 0. WSD_PENDING: owner->changed(CONNECTED) tells, or the state is another already.
 * Failure: WSD_ENOMEM, WSD_EUNREACHABLE (no path), with the reasons in *reasons (NULL: unknown), to be given
 * to wsd_free.
 */
enum wsd_status wsd_stream_connect(struct wsd_stream **stream, const struct wsd_stream_owner *ops,
				   void *owner, const struct wsd_addr *local,
				   const struct wsd_addr *remote,
				   const struct wsd_stream_options *options, char **reasons);

enum wsd_stream_state wsd_stream_state(const struct wsd_stream *stream); /* [lock] */
enum wsd_status wsd_stream_error(const struct wsd_stream *stream);	 /* [lock] */
struct wsd_engine *wsd_stream_engine(const struct wsd_stream *stream); /* [any] NULL: no path yet */
/* [lock] As far as they are known; the local one of an open stream is after wsd_stream_name. */
void wsd_stream_addresses(const struct wsd_stream *stream, struct wsd_addr *local,
			  struct wsd_addr *remote);
void wsd_stream_name(struct wsd_stream *stream);
const char *wsd_stream_path(const struct wsd_stream *stream); /* [lock] "shm", "tcp", ... or "" */
/* [lock] Why each path that was tried was not taken (WSD_REASON_BYTES at most); NULL: nothing to tell. */
const char *wsd_stream_reasons(const struct wsd_stream *stream);
char *wsd_stream_take_reasons(
	struct wsd_stream *stream); /* [lock] the caller's now, for wsd_free */
/*
 * [lock] True after every sixteenth write: then poll the engine after unlocking. A sender that never
 * waits would otherwise leave the credits to the background thread, which the peer would have to wake
 * for each.
 */
bool wsd_stream_take_look(struct wsd_stream *stream);
void wsd_stream_kick(struct wsd_stream *stream); /* [no lock] run or hand over queued work */

/* [lock] Options that may change while the stream lives. */
void wsd_stream_tune(struct wsd_stream *stream, uint32_t zcopy_min, bool posted_only);
/*
 * [lock] What this side would like to send and receive from now on; the peer is told. WSD_EUNSUPPORTED: so
 * much cannot be promised, WSD_ENOMEM; then nothing has changed.
 */
enum wsd_status wsd_stream_set_qos(struct wsd_stream *stream, const struct wsd_qos *qos);
/* Could any path promise what is to be sent? [any lock] */
bool wsd_stream_qos_possible(const struct wsd_qos *qos);
/* [lock] What both sides agreed on, which is what holds. False: neither said anything. */
bool wsd_stream_qos(const struct wsd_stream *stream, struct wsd_qos *agreed);
/* [lock] What this side would like, whatever the peer made of it. */
struct wsd_qos wsd_stream_wish(const struct wsd_stream *stream);
uint32_t wsd_stream_reserved(const struct wsd_stream *stream); /* [lock] of the path's speed */
/* [lock] Its place among the streams of this process: 0 the first, and n has an (n+1)th of its part. Without memory
 * it is 0. */
void wsd_stream_set_priority(struct wsd_stream *stream, uint32_t priority);
/* [lock] See the options. A path that is no TCP of the system keeps to its own. */
void wsd_stream_set_hops(struct wsd_stream *stream, uint8_t hops);
/* [lock] What the program says of its packets; 0: what follows from the flow. */
void wsd_stream_set_traffic_class(struct wsd_stream *stream, uint8_t traffic_class);
/* [lock] posted_only: there is a place for so many more bytes. */
void wsd_stream_want(struct wsd_stream *stream, size_t bytes);
/* [lock] Somebody wants to hear of changes. Before the first read and the first such call they need not be told, and
 * of room only who found none: by a write that was not taken whole, or by this call. */
void wsd_stream_watch(struct wsd_stream *stream);
/* [lock] What a read or a write would find, from state alone. */
size_t wsd_stream_readable(
	const struct wsd_stream *stream);		 /* bytes before mark, rendezvous or end */
bool wsd_stream_at_end(const struct wsd_stream *stream); /* all read, peer sent FIN */
bool wsd_stream_writable(const struct wsd_stream *stream);

#define WSD_READ_PEEK	0x1u
#define WSD_READ_DIRECT 0x2u /* buffers stay valid: a rendezvous may fill them (direct != NULL) */
#define WSD_TRY		0x4u /* it will not wait: see wsd_stream_asks */
/*
 * [lock] WSD_OK: *bytes > 0 were copied. WSD_AGAIN: nothing now. WSD_EOF. WSD_PENDING: a direct read
 * into the first buffer has started; CHANGE_DIRECT, then direct->status. WSD_ERESET and other
 * connection failures, after the bytes that had arrived were read.
 */
enum wsd_status wsd_stream_read(struct wsd_stream *stream, const struct wsd_iovec *iov,
				unsigned count, unsigned flags, struct wsd_direct *direct,
				size_t *bytes);
/* [lock] WSD_OK: *bytes > 0 were taken (maybe less than offered). WSD_AGAIN: CHANGE_WRITABLE tells.
 * WSD_ESTATE: send side shut down. Connection failures. flags: WSD_TRY. */
enum wsd_status wsd_stream_write(struct wsd_stream *stream, const struct wsd_iovec *iov,
				 unsigned count, unsigned flags, size_t *bytes);
/* [lock] Does a call with WSD_TRY ask the system itself, so that a look at the engine could tell it no more? Else the
 * flag does nothing. */
bool wsd_stream_asks(const struct wsd_stream *stream);
/*
 * [lock] Of a write that found no room: is some on its way that needs no reader? Says so while the peer has room and
 * the device is behind, and once each of the right to send, of the first ring, and of the rest of that: the peer may
 * have none to give.
 */
bool wsd_stream_room_comes(struct wsd_stream *stream);
/* [lock] Would lending this much pay, now? */
bool wsd_stream_can_lend(const struct wsd_stream *stream, size_t length);
/* [lock] WSD_PENDING, or WSD_AGAIN = write it instead. */
enum wsd_status wsd_stream_lend(struct wsd_stream *stream, struct wsd_loan *loan);
/* [lock] The memory must not be touched any more: moved bytes are final when CHANGE_DIRECT tells, at
 * once if the peer had not begun. */
void wsd_stream_recall(struct wsd_stream *stream, struct wsd_loan *loan);

/* Out-of-band: one byte at a time ([lock] each). WSD_AGAIN also when so many are unread that the peer
 * reads in line; then other bytes wait too. */
enum wsd_status wsd_stream_write_urgent(struct wsd_stream *stream, uint8_t byte);
/* The byte, WSD_AGAIN none pending; WSD_EOF after the end. inline_mode: stream_read delivers it in
 * place instead, alone, and this answers WSD_EINVAL. */
enum wsd_status wsd_stream_read_urgent(struct wsd_stream *stream, bool peek, uint8_t *byte);
void wsd_stream_set_urgent_inline(struct wsd_stream *stream, bool inline_mode);
bool wsd_stream_urgent_pending(const struct wsd_stream *stream); /* not yet fetched, not inline */
bool wsd_stream_at_mark(const struct wsd_stream *stream);	 /* SIOCATMARK */
/* The next byte is behind a mark that has just been reached: one receive must not go on. */
bool wsd_stream_mark_here(const struct wsd_stream *stream);

/* [lock] FIN after what was written. Idempotent. */
enum wsd_status wsd_stream_shutdown_send(struct wsd_stream *stream);
/* [lock] A send was given up half way: once closed, the stream ends with a reset behind the bytes that
 * were taken, not with an end that the peer would believe. */
void wsd_stream_cut(struct wsd_stream *stream);
/* [lock] Unread or later data resets the connection. */
void wsd_stream_shutdown_receive(struct wsd_stream *stream);
/* [lock] Have written bytes and FIN been acknowledged by the peer's provider, or, behind a send that was
 * cut, been announced to it? */
bool wsd_stream_flushed(const struct wsd_stream *stream);
/*
 * [lock] The owner lets go. abort: reset at once. Else: graceful in the background, reset at the
 * deadline (ns from now) or when unread data is there or arrives. CHANGE_DEAD follows, exactly once,
 * maybe before return; then the stream is freed by wsd_stream_free.
 */
void wsd_stream_close(struct wsd_stream *stream, bool abort, uint64_t linger);
void wsd_stream_free(struct wsd_stream *stream); /* [no lock] after CHANGE_DEAD */
/* [lock] 0 = off. idle then every interval; count probes. WSD_EKEEPALIVE breaks it. */
void wsd_stream_set_keepalive(struct wsd_stream *stream, uint64_t idle, uint64_t interval,
			      unsigned count);
/* The size that a request for so many bytes really gets. 0 stays 0. */
uint32_t wsd_stream_receive_buffer(uint32_t bytes);
void wsd_stream_set_nodelay(struct wsd_stream *stream, bool on); /* [lock] TCP_NODELAY */
/* [lock] The most that its ring may grow to, a size from the above; 0 = what the device likes. A ring
 * never shrinks. */
void wsd_stream_set_receive_buffer(struct wsd_stream *stream, uint32_t bytes);

/*
 * Hand-over to another process (docs/protocol.md). The old owner suspends, exports when CHANGE_MOVED says so,
 * and closes; the new one imports and goes on as if nothing had happened, when CHANGE_CONNECTED says so.
 */
#define WSD_STREAM_URGENT 8u
struct wsd_stream_image { /* the same in processes of 32 and of 64 bits */
	uint64_t sent, received, wanted;
	uint64_t marks[WSD_STREAM_URGENT];
	uint32_t unread; /* bytes that follow */
	int32_t error;	 /* not 0: it is broken, and there is nothing to go on with */
	struct wsd_addr local, remote;
	uint16_t port;
	uint8_t secret[16];
	uint8_t qos[16];
	uint8_t urgent[WSD_STREAM_URGENT];
	uint8_t urgent_count, urgent_taken, urgent_done, urgent_told, urgent_inline;
	uint8_t urgent_sent, urgent_accepted;
	uint8_t send_fin, receive_fin, receive_closed, posted_only;
	char path[56];
};

/* [lock] Nothing more is sent; loans are recalled. WSD_OK: it may be exported. WSD_PENDING: CHANGE_MOVED follows.
 * WSD_AGAIN: the peer's end is moving just now, CHANGE_MOVED tells when that is done. WSD_EUNSUPPORTED: the peer
 * cannot. WSD_ESTATE: not open. WSD_ENOMEM. */
enum wsd_status wsd_stream_suspend(struct wsd_stream *stream);
bool wsd_stream_can_move(const struct wsd_stream *stream); /* [lock] does the peer know how to? */
/* [lock] May it be exported? If not, and no suspend is under way, try again. */
bool wsd_stream_suspended(const struct wsd_stream *stream);
bool wsd_stream_suspending(const struct wsd_stream *stream);
/* [lock] Of one that is suspended or not open. unread has room for wsd_stream_unread bytes. Then close it:
 * the peer waits for the one who imports. */
uint32_t wsd_stream_unread(const struct wsd_stream *stream);
void wsd_stream_export(struct wsd_stream *stream, struct wsd_stream_image *image, uint8_t *unread);
/* [lock] WSD_PENDING: CHANGE_CONNECTED follows, and it is OPEN, or RESET if the peer did not wait.
 * WSD_OK: it was broken, and is RESET. WSD_EINVAL (the image), WSD_EUNREACHABLE (no such device here),
 * WSD_ENOMEM. */
enum wsd_status wsd_stream_import(struct wsd_stream **stream, const struct wsd_stream_owner *ops,
				  void *owner, const struct wsd_stream_image *image,
				  const uint8_t *unread);

/* [lock] A connection by plain TCP can move once somebody keeps a twin of the system's socket (-1: it is none, or is
 * not open), which the other process has, too. Its image says so; it is imported with that socket, which is the
 * stream's, also when it fails; WSD_PENDING: it is OPEN, and CHANGE_CONNECTED follows. WSD_OK: it is RESET, and has
 * bytes. */
bool wsd_stream_is_plain(const struct wsd_stream *stream);
intptr_t wsd_stream_system(const struct wsd_stream *stream);
void wsd_stream_share(struct wsd_stream *stream);
bool wsd_stream_image_is_plain(const struct wsd_stream_image *image);
enum wsd_status wsd_stream_import_system(struct wsd_stream **stream,
					 const struct wsd_stream_owner *ops, void *owner,
					 const struct wsd_stream_image *image, intptr_t socket);

/* Listening. The listener has the owner's lock too. */
struct wsd_listener_owner {
	void (*lock)(void *owner);
	void (*unlock)(void *owner, struct wsd_engine *engine);
	void (*arrived)(void *owner); /* lock held: there is something new in the queue */
	void (*gone)(void *owner);    /* lock held: after wsd_listener_close, last call; free it */
	/* lock held: of one that is shared, how many connections could be accepted here at once */
	unsigned (*wanted)(void *owner);
};
struct wsd_listener_options {
	unsigned backlog;
	bool conditional;      /* answer peers only at accept */
	bool shared;	       /* from the beginning, see wsd_listener_share */
	bool posted_only;      /* of the streams, until their owner says otherwise */
	uint8_t traffic_class; /* of the streams */
	struct wsd_qos qos;    /* of the streams, until their owner says otherwise */
};
/* An address to listen at, with the system's socket that holds the port, to listen for peers without OpenWSD: the
 * listener's from now on, also when opening fails. -1: do not. */
struct wsd_listener_end {
	struct wsd_addr local;
	intptr_t socket;
};
#define WSD_LISTENER_ENDS \
	2u /* one queue and one backlog for all: `::` has a port of both families */
/*
 * [no lock, may wait for the engines] Listen on every engine that serves the address, or one of them. WSD_OK when
 * at least one does; the path "plain" counts. WSD_EADDRINUSE, WSD_EADDRNOTAVAIL, WSD_ENOFILES, WSD_ENOMEM.
 */
enum wsd_status wsd_listener_open(struct wsd_listener **listener,
				  const struct wsd_listener_owner *ops, void *owner,
				  const struct wsd_listener_end *ends, unsigned count,
				  const struct wsd_listener_options *options);
/* The same in two steps. [no lock] One that does not listen yet: what waits in it was put there
 * (wsd_listener_import). WSD_ENOMEM. */
enum wsd_status wsd_listener_make(struct wsd_listener **listener,
				  const struct wsd_listener_owner *ops, void *owner,
				  const struct wsd_listener_options *options);
/* [no lock] As open; when it fails the listener is what it was. */
enum wsd_status wsd_listener_start(struct wsd_listener *listener,
				   const struct wsd_listener_end *ends, unsigned count);
bool wsd_listener_started(const struct wsd_listener *listener);			     /* [lock] */
void wsd_listener_set_backlog(struct wsd_listener *listener, unsigned backlog);	     /* [lock] */
void wsd_listener_set_qos(struct wsd_listener *listener, const struct wsd_qos *qos); /* [lock] */
/* [lock] Before start: all but backlog. */
void wsd_listener_set_options(struct wsd_listener *listener,
			      const struct wsd_listener_options *options);
/* [lock] What the oldest request would agree on. False: its peer said nothing. wish: what this side wants of it. */
bool wsd_listener_peek_qos(struct wsd_listener *listener, struct wsd_qos *qos,
			   struct wsd_qos *wish);
/* [lock] The names of the paths on which it listens, with commas between them. */
void wsd_listener_paths(const struct wsd_listener *listener, char *text, size_t size);
unsigned wsd_listener_pending(const struct wsd_listener *listener); /* [lock] */
/* [lock] The oldest request without taking it. WSD_AGAIN: none. WSD_ERESET: it was withdrawn (take it
 * with reject). */
enum wsd_status wsd_listener_peek(struct wsd_listener *listener, struct wsd_addr *local,
				  struct wsd_addr *remote);
/* [lock] Take the oldest: the stream belongs to the new owner and is OPEN, or CONNECTING when the
 * listener is conditional or was out of descriptors (CHANGE_CONNECTED follows). WSD_ENOFILES: there
 * are none now, it stays. WSD_ERESET: it was withdrawn, and is taken away. new_owner's lock is not
 * needed: nothing calls it before return. */
enum wsd_status wsd_listener_accept(struct wsd_listener *listener,
				    const struct wsd_stream_owner *ops, void *new_owner,
				    struct wsd_stream **stream);
void wsd_listener_reject(struct wsd_listener *listener); /* [lock] refuse or reset the oldest */
/*
 * [lock] What waits goes to another process (listen_move.c). suspend: WSD_OK: one may be exported now;
 * WSD_PENDING: owner->arrived tells, but look again after a while; WSD_AGAIN: none waits that can go. One that
 * waits for an answer is answered first. Not more: only those that were asked before. export: of that one; unread
 * has room for wsd_listener_unread bytes; then it is closed here. import: as wsd_stream_import, into the queue.
 */
enum wsd_status wsd_listener_suspend(struct wsd_listener *listener, bool more);
uint32_t wsd_listener_unread(const struct wsd_listener *listener);
void wsd_listener_export(struct wsd_listener *listener, struct wsd_stream_image *image,
			 uint8_t *unread);
enum wsd_status wsd_listener_import(struct wsd_listener *listener,
				    const struct wsd_stream_image *image, const uint8_t *unread);
bool wsd_listener_idle(const struct wsd_listener *listener); /* [lock] nothing is, or is coming */
/*
 * [lock] Other processes have the system's sockets, too, by the number of the end: from now on no more are taken from
 * them than are wanted here. look: now, so that at least so many wait. again: more are wanted than before. system: -1:
 * there is none. adopt: one that another process has had; the listener's from now on, also when that fails.
 */
void wsd_listener_share(struct wsd_listener *listener);
void wsd_listener_look(struct wsd_listener *listener, unsigned least);
void wsd_listener_again(struct wsd_listener *listener);
intptr_t wsd_listener_system(const struct wsd_listener *listener, unsigned end);
enum wsd_status wsd_listener_adopt(struct wsd_listener *listener, unsigned end,
				   const struct wsd_listener_end *with);
/*
 * [lock] What was taken from the system and waits in the queue. release: the oldest for another process, with a socket
 * of the system that has its life; WSD_AGAIN: there is none that is of use, else try again. receive: one from another
 * process, whose socket is the listener's from now on, also when that fails.
 */
unsigned wsd_listener_plain_count(const struct wsd_listener *listener);
enum wsd_status wsd_listener_release(struct wsd_listener *listener, struct wsd_stream_image *image,
				     intptr_t *socket);
enum wsd_status wsd_listener_receive(struct wsd_listener *listener,
				     const struct wsd_stream_image *image, intptr_t socket);
void wsd_listener_stop(struct wsd_listener *listener); /* [lock] nothing arrives any more */
void wsd_listener_close(
	struct wsd_listener *listener);		       /* [lock] stop, and resets what is pending */
void wsd_listener_free(struct wsd_listener *listener); /* [no lock] after gone */
void wsd_listener_kick(struct wsd_listener *listener); /* [no lock] */

/* Streams that close in the background: wait until none is left or the deadline. [no lock] */
void wsd_streams_drain(uint64_t deadline);
void wsd_streams_fork_child(void); /* they are the parent's */

#endif
