/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * internal.h - the stream object, shared by the files of provider/session only.
 *
 * Positions are 64-bit counts of stream bytes since the connection began; the ring offset of position p
 * is (p - from) modulo bytes, a power of two. Invariants, with the owner's lock held:
 *   tx.notified <= tx.position <= tx.limit
 *   rx.read + rx.held <= rx.produced <= rx.limit
 *   rx.limit <= max(rx.read, ring.from) + ring.bytes; in private memory a first window beyond what is read
 *   slots posted at the peer = tx.slots_granted - tx.slots_used >= 0
 */
#ifndef WSD_SESSION_INTERNAL_H
#define WSD_SESSION_INTERNAL_H

#include <stdatomic.h>

#include "provider/session/carrier.h"
#include "provider/session/stream.h"
#include "provider/session/wire.h"
#include "provider/transport/engine.h"
#include "provider/transport/ledger.h"
#include "provider/transport/memory.h"
#include "provider/transport/path.h"
#include "provider/transport/resume.h"
#include "rdma_backend/base/base.h"

#define WSD_SLOTS	 54u /* over shm: segment, rings and first messages in one page */
#define WSD_SLOT_BYTES	 256u
#define WSD_FIRST_WINDOW 2048u
#define WSD_FIRST_RING	 WSD_STREAM_UNREAD
#define WSD_MAX_SGE	 16u
#define WSD_URGENT_MAX	 8u

/* Only data leaves this many credits; FIN leaves one; CREDIT and ABORT take the last. */
#define WSD_RESERVE_DATA   2u
#define WSD_RESERVE_FIN	   1u
#define WSD_RESERVE_CREDIT 0u

/* Ids of signalled work: how many bytes of a direct read have come with this READ, or up to where the stage has been
 * taken when it was posted. */
#define WSD_ID_SENT  0ull
#define WSD_ID_READ  (1ull << 62)
#define WSD_ID_VALUE ((1ull << 62) - 1)

#define WSD_READS 4u /* of a direct read on their way; even */

/* Control messages that wait to be posted: one bit each, so that nothing is queued or allocated. */
#define WSD_SEND_START	       (1u << 0)
#define WSD_SEND_SWITCH	       (1u << 1)
#define WSD_SEND_GRANT	       (1u << 2)
#define WSD_SEND_CREDIT	       (1u << 3)
#define WSD_SEND_FIN	       (1u << 4)
#define WSD_SEND_FIN_ACK       (1u << 5)
#define WSD_SEND_SOURCE	       (1u << 6)
#define WSD_SEND_SOURCE_DONE   (1u << 7)
#define WSD_SEND_SOURCE_REFUSE (1u << 8)
#define WSD_SEND_SOURCE_CANCEL (1u << 9)
#define WSD_SEND_PROBE	       (1u << 10)
#define WSD_SEND_PROBE_ACK     (1u << 11)
#define WSD_SEND_ABORT	       (1u << 12)
#define WSD_SEND_QOS	       (1u << 13)
#define WSD_SEND_MOVE	       (1u << 14)
#define WSD_SEND_MOVE_ACK      (1u << 15)
#define WSD_SEND_READ	       (1u << 16) /* the rest of a direct read */

/* Control work for the engine's owner. */
#define WSD_DO_CONNECT	  (1u << 0)
#define WSD_DO_ACCEPT	  (1u << 1)
#define WSD_DO_DISCONNECT (1u << 2)
#define WSD_DO_DESTROY	  (1u << 3)
#define WSD_DO_NEXT_PATH  (1u << 4)
#define WSD_DO_UNLISTEN	  (1u << 5)

struct wsd_tx_ring {
	uint64_t addr;
	uint64_t from;
	uint32_t key;
	uint32_t bytes; /* 0: none */
	uint32_t generation;
};

struct wsd_rx_ring {
	uint8_t *base;
	struct wsd_region *region; /* NULL: private heap memory (the first window) */
	uint64_t from;
	uint64_t carried; /* private memory: up to here it was filled when it was made */
	uint32_t bytes;
	uint32_t generation;
	bool live; /* from is known: the peer has switched to it */
};
struct wsd_stage {
	struct wsd_region *region;
	uint64_t from; /* of the counts below: where it begins */
	uint32_t bytes;
};

/* What gives room to a sender without a reader. */
#define WSD_ROOM_START 0x1u /* the connector's first message */
#define WSD_ROOM_RING  0x2u /* the first ring */
#define WSD_ROOM_LIMIT 0x4u /* what was not told of that ring */

struct wsd_tx {
	uint64_t position;
	uint64_t notified;
	uint64_t limit;
	uint64_t limit_asked; /* at which the peer was asked for more */
	uint32_t slots_granted;
	uint32_t slots_used;
	uint32_t pending;     /* WSD_SEND_* */
	uint32_t signal_each; /* one request in so many asks for a completion */
	uint32_t unsignalled; /* since the last that did */
	struct wsd_tx_ring ring;
	struct wsd_tx_ring next;      /* granted, not yet switched to */
	struct wsd_stage stage;	      /* only on devices that read sources later */
	struct wsd_region *old_stage; /* not yet read whole */
	/* Cumulative: bytes taken, given back, and those that a completion asked for will give back. */
	uint64_t stage_used, stage_free, stage_asked;
	struct wsd_loan *loan;
	struct wsd_region *loan_region;
	uint64_t abort_reason;
	uint64_t paced_until; /* engine clock: nothing may be written before; 0: it may */
	struct wsd_share share;
	uint32_t loan_id;
	uint16_t lend_backoff, lend_skip;
	uint16_t peer_slot_bytes;
	bool started; /* the acceptor may send */
	bool fin;     /* shut down: FIN sent or pending */
	bool cut;     /* a send was given up half way: a reset takes the place of FIN */
	bool fin_acked;
	bool blocked;	 /* a write found no room: tell when there is */
	bool look;	 /* see wsd_stream_take_look */
	uint8_t writes;	 /* modulo 256: when to look */
	uint8_t awaited; /* WSD_ROOM_* that wsd_stream_room_comes has told */
	uint8_t urgent_sent,
		urgent_done; /* marks, modulo 256; done: the peer has room for others */
	bool urgent_waits;   /* one found no room */
};

struct wsd_rx {
	uint64_t read;
	uint64_t produced;
	uint64_t limit;	     /* last computed */
	uint64_t limit_told; /* last sent */
	uint64_t wanted;     /* posted_only: the limit is never beyond this position */
	uint64_t fin_position;
	uint64_t ring_total; /* bytes that went through the current ring: growth */
	uint32_t ring_most;  /* 0: the device's hint */
	uint32_t messages;
	uint32_t slots_posted; /* cumulative */
	uint32_t slots_told;
	uint32_t held; /* the newest bytes, which wait for the rest of their write */
	struct wsd_rx_ring ring, next;
	struct wsd_region *slots;
	uint64_t urgent_marks[WSD_URGENT_MAX]; /* oldest first, ... */
	uint8_t urgent_bytes[WSD_URGENT_MAX];  /* ... and the byte at each */
	uint8_t urgent_count;
	uint8_t urgent_taken; /* of those, the first so many have been fetched */
	uint8_t urgent_done;  /* marks that are gone, modulo 256, and what the peer knows of that */
	uint8_t urgent_told;
	bool urgent_inline;
	bool fin;
	bool closed; /* shut down for receiving: data resets */
	/* rendezvous offered by the peer */
	struct {
		uint64_t addr, position;
		uint32_t key, length, moved, id;
		uint32_t answer_moved, answer_id; /* for the DONE or REFUSE that is pending */
		uint8_t *into;
		struct wsd_region *region;
		struct wsd_direct *direct;
		uint32_t reading; /* bytes of the direct read that is under way */
		uint32_t asked;	  /* bytes of those that have been posted */
		uint32_t come;	  /* and of those that are known to have completed */
		bool offered;
	} source;
};

struct orphan;
struct wsd_pace;

/* One end of the connection goes to another process (move.c). The stream is OPEN all the time. */
enum wsd_move_state {
	WSD_MOVE_NONE,
	WSD_MOVE_WANTED, /* ours goes: MOVE waits until nothing is on its way */
	WSD_MOVE_SENT,	 /* MOVE is out */
	WSD_MOVE_GIVEN,	 /* answered: may be exported; nothing is sent or received any more */
	WSD_MOVE_ASKED,	 /* the peer's goes: the answer waits until nothing is on its way */
	WSD_MOVE_WAITING /* answered: another connection has to come */
};

struct wsd_move {
	struct wsd_resume *resume;	 /* ASKED and WAITING: where we wait */
	struct wsd_resume_ticket ticket; /* GIVEN, and of an imported stream that connects */
	struct wsd_addr target;		 /* of that one */
	uint64_t timeout;		 /* ns */
	uint64_t until;			 /* WAITING: nobody comes any more */
	bool resumes;			 /* imported, connecting to target */
	bool taking;			 /* WAITING: the endpoint is the new one */
};

/* Not larger than what malloc keeps for a thread (alloc.c): connections come and go with it. */
struct wsd_stream {
	struct wsd_event_sink sink; /* first: the endpoint's context */
	_Atomic(const struct wsd_stream_owner *) ops;
	_Atomic(void *) owner;
	_Atomic(struct wsd_engine *) engine;
	const struct wsd_carrier *carrier;
	struct wsd_plain *plain; /* of that carrier, else NULL */
	const struct wsd_backend_ops *backend;
	struct wsd_endpoint *endpoint;
	struct wsd_request *request;
	enum wsd_stream_state state;
	enum wsd_status error; /* why FAILED or RESET */
	uint32_t todo;	       /* WSD_DO_* */
	unsigned changes;      /* collected for one call of changed() */
	enum wsd_move_state move;
	uint16_t features;
	bool queued;	   /* task is in the engine's queue */
	bool active;	   /* we connected */
	bool any_port;	   /* and nobody has chosen from where */
	uint8_t ports;	   /* that the device had given to others */
	bool closing;	   /* the owner has let go */
	bool undecided;	   /* and another process may want its request */
	bool disconnected; /* no work will complete any more */
	bool disconnecting;
	bool held;
	struct wsd_paths paths;
	uint64_t since;	   /* when the path that is being tried was begun */
	uint64_t deadline; /* of connect, then of close */
	struct {
		uint64_t due, until; /* 0: not so; due is of the engine's clock */
		uint64_t waited;
	} again; /* all paths are tried once more */
	uint64_t linger;
	struct wsd_stream_options options;
	struct wsd_addr local, remote;
	struct wsd_task task;
	struct wsd_timer timer;
	struct wsd_tx tx;
	struct wsd_rx rx;
	struct {
		uint64_t idle, interval, due;
		unsigned count, sent;
		bool on, heard;
	} keepalive;
	uint64_t nudge_due;	 /* engine clock; 0: nobody watches over a peer that we wait for */
	struct wsd_pace *pace;	 /* NULL: no quality of service on either side */
	struct wsd_move *moving; /* made when it is needed first */
	struct wsd_list link;	 /* in the listener's queue */
	struct orphan *orphan;	 /* there */
};

/* stream.c */
struct wsd_stream *wsd_stream_new(const struct wsd_stream_owner *ops, void *owner);
/* The owner whose lock was taken: it is the one to unlock, even if the stream has changed hands. */
struct wsd_binding {
	const struct wsd_stream_owner *ops;
	void *owner;
};
struct wsd_binding wsd_stream_lock(struct wsd_stream *stream);
void wsd_stream_rebind(struct wsd_stream *stream, const struct wsd_stream_owner *ops, void *owner);
void wsd_stream_do(struct wsd_stream *stream, uint32_t what);
void wsd_stream_tell(struct wsd_stream *stream);
/* The connection is over: RESET with this error; unread bytes stay readable. */
void wsd_stream_break(struct wsd_stream *stream, enum wsd_status error);
void wsd_stream_violation(struct wsd_stream *stream, const char *what);
enum wsd_status wsd_stream_setup(struct wsd_stream *stream, struct wsd_engine *engine);
void wsd_stream_hello(struct wsd_stream *stream, uint8_t *bytes);
enum wsd_status wsd_stream_peer_hello(struct wsd_stream *stream, const void *data, uint32_t length);
void wsd_stream_opened(struct wsd_stream *stream);
void wsd_stream_drop(struct wsd_stream *stream);
void wsd_stream_destroy(struct wsd_stream *stream); /* DEAD from now on */
/* The same without the bytes that arrived, which move.c has detached. */
void wsd_stream_release_endpoint(struct wsd_stream *stream);
void wsd_stream_arm_timer(struct wsd_stream *stream);
/* What is to be sent waits for the peer, with nothing on its way that would tell of a dead one. */
void wsd_stream_waits_for_peer(struct wsd_stream *stream);

/* Software, where messages are cheap and sources free again after the post; else an adapter. */
static inline bool wsd_copies_at_post(const struct wsd_stream *stream)
{
	return (wsd_engine_attr(atomic_load(&stream->engine))->caps & WSD_CAP_COPY_AT_POST) != 0;
}

/* tx.c */
enum wsd_status wsd_tx_setup(struct wsd_stream *stream); /* what sending needs from the start */
void wsd_tx_progress(struct wsd_stream *stream);	 /* post what waits, wake writers */
void wsd_tx_credits(struct wsd_stream *stream, const struct wsd_header *header);
void wsd_tx_completed(struct wsd_stream *stream, const struct wsd_event *event);
void wsd_tx_want(struct wsd_stream *stream, uint32_t what);
void wsd_tx_nudge(struct wsd_stream *stream); /* a request without bytes, for its acknowledgement */
bool wsd_tx_ring_ready(struct wsd_stream *stream, uint32_t bytes);
enum wsd_status wsd_tx_message(struct wsd_stream *stream, struct wsd_header *header,
			       uint8_t *payload, uint32_t length, uint32_t reserve);
bool wsd_tx_room(const struct wsd_stream *stream);
/* Tell of ring bytes that were written and not announced. WSD_AGAIN: later. */
enum wsd_status wsd_tx_announce(struct wsd_stream *stream);
/* One of the READs of a direct read, of which come bytes are there when it has completed. */
enum wsd_status wsd_tx_read_work(struct wsd_stream *stream, const struct wsd_sge *sge,
				 uint64_t addr, uint32_t key, uint32_t flags, uint32_t come);

/* stage.c */
/* Or a larger one; WSD_OK also where that is not to be had, and there is one. WSD_ENOMEM, or what mem_alloc says. */
enum wsd_status wsd_stage_make(struct wsd_stream *stream, uint32_t bytes);
uint32_t wsd_stage_piece(
	const struct wsd_stream *stream); /* the most that take gives; 0: no stage */
uint8_t *wsd_stage_take(struct wsd_stream *stream, uint32_t length); /* NULL: not now */
bool wsd_stage_due(const struct wsd_stream *stream); /* a completion must give some back */
void wsd_stage_done(struct wsd_stream *stream, uint64_t value);
void wsd_stage_free(struct wsd_stream *stream);

/* ring.c */
bool wsd_ring_budget_take(
	uint32_t bytes); /* memory beyond the first size, of all rings and stages */
void wsd_ring_budget_return(uint32_t bytes);
uint64_t wsd_rx_limit(struct wsd_stream *stream);
bool wsd_rx_limit_news(struct wsd_stream *stream); /* worth a message */
void wsd_ring_free(struct wsd_stream *stream, struct wsd_rx_ring *ring);
void wsd_ring_retire(struct wsd_stream *stream); /* the old one, once it has been read */
void wsd_ring_grow(struct wsd_stream *stream);	 /* grant a larger one if traffic asks for it */
/* Unread bytes go to private memory with room for a first window, the rings are given up. WSD_ENOMEM:
 * nothing changed. */
enum wsd_status wsd_ring_detach(struct wsd_stream *stream);
/* Copy a message's bytes to where they belong. WSD_EPROTOCOL: beyond the window; WSD_ENOMEM. */
enum wsd_status wsd_ring_store(struct wsd_stream *stream, const uint8_t *from, uint32_t length);
void wsd_rings_fork_child(void); /* the rings are the parent's */

/* rx.c */
void wsd_rx_events(struct wsd_stream *stream, const struct wsd_event *events, uint32_t count);
enum wsd_status wsd_rx_post_slots(struct wsd_stream *stream);
void wsd_rx_consumed(struct wsd_stream *stream);
void wsd_rx_free(struct wsd_stream *stream);
void wsd_rx_copy(struct wsd_rx *rx, uint8_t *to); /* the unread bytes */

/* What a read finds when there are no bytes. */
enum wsd_status wsd_rx_nothing(const struct wsd_stream *stream);

/* urgent.c */
/* The peer is done with so many marks. */
void wsd_urgent_told(struct wsd_stream *stream, uint8_t done);
void wsd_urgent_arrived(struct wsd_stream *stream, const struct wsd_header *header,
			const uint8_t *payload);
/* The owner has been told and fetched what it wants: make room where that is right. */
void wsd_urgent_settle(struct wsd_stream *stream);
void wsd_urgent_passed(struct wsd_stream *stream);    /* the reader went on */
bool wsd_urgent_inline_next(const struct wsd_rx *rx); /* the next byte to read is an urgent one */
void wsd_urgent_read(struct wsd_stream *stream, bool peek, uint8_t *byte); /* there is one */

/* zcopy.c */
void wsd_source_offer(struct wsd_stream *stream, const struct wsd_header *header,
		      const uint8_t *payload);
void wsd_source_answer(struct wsd_stream *stream, const struct wsd_header *header, bool refused);
void wsd_source_settle(struct wsd_stream *stream);	   /* refuse what nobody reads directly */
enum wsd_status wsd_source_ask(struct wsd_stream *stream); /* WSD_SEND_READ */
enum wsd_status wsd_source_read(struct wsd_stream *stream, const struct wsd_iovec *iov,
				struct wsd_direct *direct);
/* So many bytes of it have come, or it failed. */
void wsd_source_read_done(struct wsd_stream *stream, uint32_t come, enum wsd_status status);
void wsd_zcopy_free(struct wsd_stream *stream, enum wsd_status status);

/* qos.c */
/* The path is known: reserve what is to be sent. WSD_EUNSUPPORTED, of a connector only: no room. WSD_ENOMEM. */
enum wsd_status wsd_qos_begin(struct wsd_stream *stream);
void wsd_qos_drop(struct wsd_stream *stream); /* nothing more is sent on it */
/* What the peer said, as it sees it. WSD_ENOMEM. */
enum wsd_status wsd_qos_heard(struct wsd_stream *stream, const struct wsd_qos *said);
void wsd_qos_said(const struct wsd_stream *stream, struct wsd_qos *mine); /* what to tell it */
/* Has the peer asked for anything? Of one that cannot it counts as asked what holds without it. */
bool wsd_qos_asked(const struct wsd_stream *stream);
/* The IP type of service: the option, if the program set it, or what goes with the service. */
uint8_t wsd_qos_traffic_class(const struct wsd_stream *stream);
/* Has the peer marked its request for another service than ours? */
bool wsd_qos_differs(const struct wsd_stream *stream);
/* Does anything bound what it sends? */
static inline bool wsd_qos_paced(const struct wsd_stream *stream)
{
	return stream->pace != NULL || wsd_ledger_asks();
}
/* How many of so many bytes may be written now; 0: a timer tells when some may. */
size_t wsd_qos_allow(struct wsd_stream *stream, size_t bytes);
/* So many were written of those allowed; so many are left that the owner would have written. */
void wsd_qos_took(struct wsd_stream *stream, size_t bytes, size_t allowed, size_t left);

/* close.c */
void wsd_close_progress(struct wsd_stream *stream);
void wsd_close_timer(struct wsd_stream *stream, uint64_t now);
void wsd_closing_count(int delta);
void wsd_keepalive_begin(struct wsd_stream *stream);
/* The device gave up on the peer: the error for that. */
enum wsd_status wsd_no_answer(const struct wsd_stream *stream);

/* move.c */
void wsd_move_message(struct wsd_stream *stream, const struct wsd_header *header,
		      const uint8_t *payload);
enum wsd_status wsd_move_send(struct wsd_stream *stream, uint32_t what); /* WSD_AGAIN: not yet */
/* Is this the hello that a stream in this state waits for? WSD_EREFUSED. */
enum wsd_status wsd_move_check(const struct wsd_stream *stream, const struct wsd_hello *hello);
bool wsd_move_event(struct wsd_stream *stream, const struct wsd_event *event); /* it was for us */
void wsd_move_unlisten(struct wsd_stream *stream);			       /* [ownership] */
static inline bool wsd_move_resumes(const struct wsd_stream *stream)
{
	return stream->moving && stream->moving->resumes;
}

/* connect.c */
void wsd_connect_run(struct wsd_stream *stream, struct wsd_engine *engine);
void wsd_connect_failed(struct wsd_stream *stream, enum wsd_status status);
void wsd_connect_again(struct wsd_stream *stream); /* stream->again is due */
/* [lock] While it connects: nobody waits for it any longer. */
void wsd_connect_given_up(const struct wsd_stream *stream, uint64_t now);

/* listener.c */
void wsd_accept_run(struct wsd_stream *stream, struct wsd_engine *engine);

#endif
