// SPDX-License-Identifier: BSD-2-Clause
/*
 * close.c - shutdown, graceful and abortive close with deadlines, keep-alive, and a look at peers that
 * senders wait for.
 *
 * A graceful close sends FIN and waits for FIN_ACK (our bytes are with the peer's provider) and for the
 * peer's own FIN; then the connection is taken down and the stream dies. Bytes that arrive for a closed
 * stream reset it, as TCP does. A send that was cut off half way ends with ABORT behind what had been
 * written instead. Every step has a deadline, so a silent peer cannot keep it alive.
 */
#include "provider/session/plain.h"

#define TEARDOWN_NS 1000000000ull /* an answer to disconnect takes no longer */
#define NUDGE_NS    5000000000ull /* how often a peer that lets us wait is looked at */

/* Streams whose owner has closed gracefully and whose bytes are not acknowledged yet. */
static atomic_int closing_streams;

void wsd_closing_count(int delta)
{
	if (delta)
		atomic_fetch_add(&closing_streams, delta);
}

static bool none_closing(void *arg)
{
	(void)arg;
	return atomic_load(&closing_streams) == 0;
}

void wsd_streams_drain(uint64_t deadline)
{
	struct wsd_waker *waker = wsd_waker_self();

	/* Nobody wakes us when the count drops, so look again every few milliseconds. */
	while (!none_closing(NULL) && wsd_clock_ns() < deadline) {
		uint64_t step = wsd_clock_ns() + 5000000;

		(void)wsd_engine_wait(NULL, 0, none_closing, NULL,
				      step < deadline ? step : deadline, waker);
	}
}

void wsd_streams_fork_child(void)
{
	atomic_store(&closing_streams, 0);
	wsd_rings_fork_child();
}

enum wsd_status wsd_message_shutdown_send(struct wsd_stream *s)
{
	if (s->state == WSD_STREAM_RESET)
		return s->error;
	if (s->state != WSD_STREAM_OPEN)
		return WSD_ESTATE;
	if (!s->tx.fin) {
		s->tx.fin = true;
		wsd_qos_drop(s); /* the peer may not close its side for long */
		wsd_tx_want(s, WSD_SEND_FIN);
		wsd_tx_progress(s);
	}
	return WSD_OK;
}

void wsd_stream_cut(struct wsd_stream *s)
{
	s->tx.cut = true;
}

/* Does the peer know of every byte that will ever come? */
static bool all_announced(const struct wsd_stream *s)
{
	return s->tx.notified == s->tx.position && !s->tx.loan;
}

void wsd_message_shutdown_receive(struct wsd_stream *s)
{
	s->rx.closed = true;
	if (s->rx.produced > s->rx.read || s->rx.source.offered)
		wsd_stream_break(s, WSD_EABORTED);
}

bool wsd_message_flushed(const struct wsd_stream *s)
{
	return s->state != WSD_STREAM_OPEN || s->disconnected ||
	       (s->tx.fin && !s->tx.cut ? s->tx.fin_acked : all_announced(s));
}

void wsd_message_set_keepalive(struct wsd_stream *s, uint64_t idle, uint64_t interval,
			       unsigned count)
{
	s->keepalive.on = idle != 0;
	s->keepalive.idle = idle;
	s->keepalive.interval = interval;
	s->keepalive.count = count;
	s->keepalive.sent = 0;
	s->keepalive.heard = true;
	if (s->state == WSD_STREAM_OPEN)
		wsd_keepalive_begin(s);
}

/* The next probe's time starts now. */
void wsd_keepalive_begin(struct wsd_stream *s)
{
	if (s->keepalive.on)
		s->keepalive.due = wsd_engine_now(atomic_load(&s->engine)) +
				   (s->keepalive.sent ? s->keepalive.interval : s->keepalive.idle);
	wsd_stream_arm_timer(s);
}

/* Of two times, of which 0 is none. */
static uint64_t first(uint64_t a, uint64_t b)
{
	return !a || (b && b < a) ? b : a;
}

/* The one timer serves connecting, closing, keep-alive, nudges and pacing: the first of them. */
void wsd_stream_arm_timer(struct wsd_stream *s)
{
	uint64_t when = s->tx.paced_until;

	if (s->plain) {
		when = first(when, s->plain->due);
	} else if (s->again.due && !s->closing) {
		when = first(when, s->again.due);
	} else if (s->state == WSD_STREAM_CONNECTING || s->closing) {
		when = first(when, s->deadline);
	} else if (s->state == WSD_STREAM_OPEN && s->move != WSD_MOVE_WAITING) {
		when = first(when, s->nudge_due);
		when = first(when, s->keepalive.on ? s->keepalive.due : 0);
	}
	if (s->state == WSD_STREAM_OPEN && s->move == WSD_MOVE_WAITING)
		when = first(when, s->moving->until);
	wsd_engine_set_timer(atomic_load(&s->engine), &s->timer, when);
}

static void keepalive_due(struct wsd_stream *s)
{
	if (s->keepalive.heard) {
		s->keepalive.heard = false;
		s->keepalive.sent = 0;
	} else if (s->keepalive.sent >= s->keepalive.count) {
		wsd_stream_break(s, WSD_EKEEPALIVE);
		return;
	} else {
		s->keepalive.sent++;
		wsd_tx_want(s, WSD_SEND_PROBE);
	}
	wsd_keepalive_begin(s);
}

enum wsd_status wsd_no_answer(const struct wsd_stream *s)
{
	return s->keepalive.sent && !s->keepalive.heard ? WSD_EKEEPALIVE : WSD_ETIMEDOUT;
}

/*
 * A ring of the first size is no larger than what is promised to be taken while the peer reads nothing, and
 * not all of its room may have been told: the answer to a probe tells it. Once for each limit.
 */
static void ask_for_room(struct wsd_stream *s)
{
	struct wsd_tx *tx = &s->tx;

	if (!tx->ring.bytes || tx->ring.bytes > WSD_FIRST_RING || tx->limit > tx->position ||
	    tx->limit_asked == tx->limit)
		return;
	tx->limit_asked = tx->limit;
	wsd_tx_want(s, WSD_SEND_PROBE);
	wsd_tx_progress(s);
}

void wsd_stream_waits_for_peer(struct wsd_stream *s)
{
	ask_for_room(s);
	if (s->nudge_due || s->closing)
		return;
	/* It stays set until it expires: a sender that waits now and then sets no timer each time. */
	s->nudge_due = wsd_engine_now(atomic_load(&s->engine)) + NUDGE_NS;
	wsd_stream_arm_timer(s);
}

/* An acceptor may send once the connector has; the first ring follows a first window that is full, and all of it is
 * the sender's (see ask_for_room). */
bool wsd_stream_room_comes(struct wsd_stream *s)
{
	struct wsd_tx *tx = &s->tx;
	uint8_t what = 0;

	if (s->plain || s->state != WSD_STREAM_OPEN || s->move || tx->loan || tx->paced_until ||
	    tx->urgent_waits)
		return false;
	if (wsd_tx_room(s))
		return !s->disconnected; /* the queue or the stage was full: completions are on their way */
	if (!s->active && !tx->started)
		what = WSD_ROOM_START;
	else if (!tx->ring.bytes || tx->limit <= tx->ring.from)
		what = WSD_ROOM_RING;
	else if (tx->ring.bytes <= WSD_FIRST_RING && tx->limit < tx->ring.from + tx->ring.bytes)
		what = WSD_ROOM_LIMIT;
	what &= (uint8_t)~tx->awaited;
	tx->awaited |= what;
	return what != 0;
}

static void nudge_due(struct wsd_stream *s, uint64_t now)
{
	s->nudge_due = 0;
	if (!s->tx.blocked && !s->tx.loan)
		return;
	wsd_tx_nudge(s);
	s->nudge_due = now + NUDGE_NS;
}

static void open_timer(struct wsd_stream *s, uint64_t now)
{
	if (s->keepalive.on && now >= s->keepalive.due)
		keepalive_due(s);
	if (s->nudge_due && now >= s->nudge_due)
		nudge_due(s, now);
	if (s->state == WSD_STREAM_OPEN)
		wsd_stream_arm_timer(s);
}

static void bound_teardown(struct wsd_stream *s)
{
	s->deadline = wsd_engine_now(atomic_load(&s->engine)) + TEARDOWN_NS;
	wsd_stream_arm_timer(s);
}

static void time_is_up(struct wsd_stream *s, uint64_t now)
{
	if (s->state == WSD_STREAM_DEAD)
		return;
	if (now >= s->tx.paced_until)
		s->tx.paced_until = 0; /* who waits to write is told by wsd_tx_progress */
	if (s->state == WSD_STREAM_OPEN && s->move == WSD_MOVE_WAITING && now >= s->moving->until) {
		wsd_stream_break(s, WSD_ERESET); /* nobody has come */
		if (s->closing)
			bound_teardown(s);
		return;
	}
	if (s->again.due && !s->closing && now >= s->again.due) {
		wsd_connect_again(s);
		return;
	}
	if ((s->state == WSD_STREAM_CONNECTING || s->closing) && now < s->deadline) {
		wsd_stream_arm_timer(s);
		return;
	}
	if (s->closing) {
		if (s->state == WSD_STREAM_OPEN) {
			wsd_stream_break(s, WSD_ETIMEDOUT);
			bound_teardown(s);
		} else {
			s->disconnected = true; /* waited long enough */
		}
	} else if (s->state == WSD_STREAM_CONNECTING) {
		wsd_connect_failed(s, WSD_ETIMEDOUT);
	} else if (s->move == WSD_MOVE_WAITING) {
		wsd_stream_arm_timer(s);
	} else if (s->state == WSD_STREAM_OPEN) {
		open_timer(s, now);
	}
}

void wsd_close_progress(struct wsd_stream *s)
{
	if (!s->closing || s->state == WSD_STREAM_DEAD)
		return;
	if (s->tx.cut && s->state == WSD_STREAM_OPEN && !s->disconnected && all_announced(s)) {
		wsd_stream_break(s, WSD_EABORTED);
		bound_teardown(s);
	}
	if (s->linger && (s->tx.fin_acked || s->state != WSD_STREAM_OPEN || s->disconnected)) {
		wsd_closing_count(-1); /* nothing of ours is on its way any more */
		s->linger = 0;
	}
	if (s->state == WSD_STREAM_OPEN && !s->disconnected) {
		if (s->tx.fin_acked && s->rx.fin && !s->tx.pending && !s->disconnecting) {
			s->disconnecting = true;
			bound_teardown(s);
			wsd_stream_do(s, WSD_DO_DISCONNECT);
		}
		return;
	}
	if (!s->endpoint || s->disconnected)
		wsd_stream_do(s, WSD_DO_DESTROY);
}

void wsd_close_timer(struct wsd_stream *s, uint64_t now)
{
	time_is_up(s, now);
	wsd_tx_progress(s);
	wsd_close_progress(s);
}

void wsd_message_close(struct wsd_stream *s, bool abort, uint64_t linger)
{
	struct wsd_engine *engine = atomic_load(&s->engine);

	if (s->move == WSD_MOVE_GIVEN)
		wsd_stream_break(s,
				 WSD_ERESET); /* without a word: another process goes on with it */
	if (s->state == WSD_STREAM_OPEN &&
	    (abort || s->rx.produced > s->rx.read || s->rx.source.offered))
		wsd_stream_break(s, WSD_EABORTED);
	if (s->state == WSD_STREAM_OPEN) {
		s->linger = linger ? linger : 1;
		wsd_closing_count(1);
		(void)wsd_stream_shutdown_send(s);
		s->deadline = wsd_engine_now(engine) + s->linger;
	} else {
		s->deadline = wsd_engine_now(engine) + TEARDOWN_NS;
	}
	wsd_stream_arm_timer(s);
	wsd_close_progress(s);
}

void wsd_stream_close(struct wsd_stream *s, bool abort, uint64_t linger)
{
	if (s->closing)
		return;
	s->closing = true;
	if (!atomic_load(&s->engine)) { /* never got to a device */
		s->state = WSD_STREAM_DEAD;
		s->changes |= WSD_CHANGE_DEAD;
		wsd_stream_tell(s);
		return;
	}
	if (s->state == WSD_STREAM_CONNECTING) {
		if (abort && s->plain)
			wsd_plain_give_up(s);
		wsd_connect_given_up(s, wsd_clock_ns());
		wsd_stream_do(s, WSD_DO_DESTROY);
		return;
	}
	s->carrier->close(s, abort, linger);
	s->changes = 0; /* the owner has let go: only DEAD is news to it */
}
