// SPDX-License-Identifier: BSD-2-Clause
/*
 * share.c - the seat of a shared socket. In each process one thread looks after each shared socket: it asks for
 * the seat when the socket is used here, and gives it up when another process wants it.
 */
#include "provider/winsock/share.h"
#include "provider/winsock/spi_calls.h"

#include <string.h>

#include "provider/transport/resume.h"
#include "rdma_backend/base/base.h"

#define POLITE	    (200 * WSD_NS_PER_MS) /* for so long others may take what we gave up for them */
#define RETRY	    (20 * WSD_NS_PER_MS)
#define ASK_AGAIN   (2 * WSD_NS_PER_MS)	   /* a bell may have been missed */
#define LOOK_AGAIN  (1000 * WSD_NS_PER_MS) /* somebody may have died */
#define LEAVE_LIMIT (60000 * WSD_NS_PER_MS)

enum seat {
	SEAT_HELD,
	SEAT_PARKING, /* the peer is asked to wait, then all goes into the record */
	SEAT_AWAY,
	SEAT_TAKING, /* ours, and the connection is being made again */
	SEAT_OWING,  /* closed here, but others lack what we have of the system's sockets */
	SEAT_ENDED   /* the thread ends */
};

struct wsd_share {
	struct wsd_share_thread thread; /* first */
	struct wsd_socket *sock;	/* referenced */
	struct wsd_share_record record;
	_Atomic(struct wsd_waker *) waker;
	/* [lock of the socket] */
	enum seat seat;
	bool leaving, abort;
	unsigned callers; /* in wsd_share_enter */
	uint32_t selector;
	struct wsd_share_turn turn;
	enum wsd_share_want want; /* what the others know of us */
	uint64_t polite_until;
	uint64_t leave_by;
	struct wsd_share_listen listen;
	struct wsd_share_plain plain;
	enum wsd_socket_state remembered; /* what the record would tell if we died */
};

/* --- what the socket waits for here [lock] --- */

/* A call is in the middle of it. */
static bool is_busy(const struct wsd_share *share)
{
	return share->callers > 0 || wsd_share_waits(share->sock);
}

static enum wsd_share_want wanted_here(const struct wsd_share *share)
{
	if (share->leaving)
		return WSD_SHARE_WANT_NOTHING;
	return share->callers > 0 ? WSD_SHARE_WANT_NOW : wsd_share_waits_for(share->sock);
}

/* [lock] True: the others may not have heard of it. */
static bool say_want(struct wsd_share *share, enum wsd_share_want want)
{
	bool more = want > share->want;

	wsd_share_want(&share->record, want);
	share->want = want;
	return more;
}

/* [lock, dropped meanwhile] */
static void rest(struct wsd_share *share, uint64_t until)
{
	struct wsd_waker *waker = atomic_load(&share->waker);
	intptr_t objects[2] = { share->record.bell };
	unsigned count =
		1 + wsd_share_listen_watch(&share->record, &share->listen, &objects[1], &until);

	wsd_waker_reset(waker);
	wsd_socket_leave(share->sock);
	wsd_waker_sleep(waker, objects, count, until);
	wsd_bell_clear(share->record.bell);
	wsd_mutex_lock(&share->sock->lock);
}

void wsd_share_poke(struct wsd_socket *sock)
{
	struct wsd_waker *waker = atomic_load(&sock->share->waker);

	if (waker != NULL)
		wsd_waker_wake(waker);
}

void wsd_share_news(struct wsd_socket *sock)
{
	struct wsd_share *share = sock->share;

	share->turn.news = true;
	if (share->turn.patient)
		wsd_share_poke(sock);
}

void wsd_share_ended(struct wsd_socket *sock)
{
	if (sock->share->turn.patient)
		wsd_share_poke(sock);
}

void wsd_share_selected(struct wsd_socket *sock)
{
	sock->share->selector = sock->share->record.slot;
	wsd_share_poke(sock);
}

/* --- HELD --- */

static void seated(struct wsd_share *share)
{
	struct wsd_socket *sock = share->sock;

	share->seat = SEAT_HELD;
	wsd_share_turn_begin(&share->turn);
	sock->away = false;
	(void)say_want(share, WSD_SHARE_WANT_NOTHING);
	if (share->selector != share->record.slot && !sock->closed)
		wsd_fd_init(&sock->fd);
	/* Others may have read, and met a full window. */
	wsd_fd_arm(&sock->fd, FD_READ | FD_WRITE | FD_OOB | FD_ACCEPT);
	wsd_socket_apply_options(sock);
	share->remembered = WSD_SOCK_STATES;
	sock->changes |= WSD_CHANGE_IO | WSD_CHANGE_LOOK | WSD_CHANGE_SEAT | WSD_CHANGE_ARRIVED;
}

static void give_up(struct wsd_share *share)
{
	share->seat = SEAT_PARKING;
	share->sock->away = true;
	share->sock->roster_news = true;
}

static bool can_go(const struct wsd_socket *sock)
{
	return sock->stream == NULL || wsd_stream_can_move(sock->stream);
}

/* [lock] Nobody else has it, or can have it: what it is from here on, or its end. */
static void end_alone(struct wsd_share *share)
{
	(void)wsd_share_set_state(&share->record, WSD_SHARE_CLOSED, 0);
	(void)wsd_record_remove(share->record.name);
	wsd_share_plain_close(&share->record, &share->plain);
	share->seat = SEAT_ENDED;
	share->sock->away = false;
}

/* [lock, dropped meanwhile] The descriptor is closed, and the socket is others'. */
static void end_here(struct wsd_share *share)
{
	wsd_share_waiting_collect(&share->plain, share->sock);
	wsd_socket_close_end(share->sock, true);
	wsd_port_release(share->sock->port); /* before it is no member any more */
	share->sock->port = NULL;
	share->seat = wsd_share_plain_owed(&share->record, &share->plain) ? SEAT_OWING : SEAT_ENDED;
}

static bool leave_time_over(struct wsd_share *share)
{
	return share->leaving && wsd_clock_ns() >= share->leave_by;
}

static void held(struct wsd_share *share)
{
	struct wsd_socket *sock = share->sock;
	uint64_t when, next;
	bool known;

	if (share->remembered != sock->state && sock->state != WSD_SOCK_CONNECTING) {
		share->remembered = sock->state;
		wsd_share_remember(&share->record, sock, share->selector);
	}
	next = wsd_share_plain_look(&share->record, sock, &share->plain);
	next = wsd_sooner(next, wsd_share_listen_held(&share->record, sock, &share->listen,
						      wsd_share_plain_comes(&share->plain)));
	known = wsd_share_plain_is_known(&share->plain);
	if (share->leaving && !known && !leave_time_over(share)) {
		rest(share, next);
		return;
	}
	if (share->leaving) {
		wsd_share_step_back(&share->record);
		if (wsd_share_others(&share->record) && can_go(sock)) {
			give_up(share);
			return;
		}
		end_alone(share);
		wsd_share_ring(&share->record); /* who has it too finds it closed */
		/* Nobody waits here: of SO_LINGER only an interval of 0 is left. */
		wsd_socket_close_end(sock, share->abort || wsd_socket_closes_hard(sock));
		return;
	}
	if (wsd_share_turn_over(&share->turn, sock, is_busy(share),
				wsd_share_wanted(&share->record), &when) &&
	    known)
		give_up(share);
	else
		rest(share, wsd_sooner(when, next));
}

/* --- PARKING --- */

/* [lock, dropped meanwhile] Until the connection may leave, or is none. */
static void suspend(struct wsd_share *share)
{
	struct wsd_socket *sock = share->sock;

	while (sock->stream != NULL && wsd_stream_state(sock->stream) == WSD_STREAM_OPEN &&
	       !wsd_stream_suspended(sock->stream) && !leave_time_over(share)) {
		enum wsd_status status = WSD_PENDING;

		if (!wsd_stream_suspending(sock->stream))
			status = wsd_stream_suspend(sock->stream);
		if (status == WSD_OK)
			break;
		if (status < 0 && status != WSD_ENOMEM)
			break; /* it has ended */
		wsd_socket_own_wait(sock,
				    WSD_CHANGE_MOVED | WSD_CHANGE_READABLE | WSD_CHANGE_DEAD |
					    WSD_CHANGE_FLUSHED,
				    wsd_clock_ns() + RETRY);
	}
}

/* [lock, dropped meanwhile] */
static void drop_stream(struct wsd_socket *sock)
{
	if (sock->stream != NULL)
		wsd_stream_close(sock->stream, true, 0);
	while (sock->stream != NULL)
		wsd_socket_own_wait(sock, WSD_CHANGE_DEAD, wsd_clock_ns() + RETRY);
}

static void parking(struct wsd_share *share)
{
	struct wsd_socket *sock = share->sock;

	suspend(share);
	if (share->leaving)
		wsd_share_waiting_collect(&share->plain, sock);
	wsd_share_listen_part(&share->record, sock, &share->listen, share->leaving);
	wsd_share_port_part(&share->record, sock, share->leaving);
	if (!wsd_share_park(&share->record, sock, share->selector))
		wsd_log(WSD_LOG_WARNING, "winsock", "no room for a shared socket on its way");
	drop_stream(sock);
	share->polite_until = wsd_clock_ns() + POLITE;
	wsd_share_stand(&share->record);
	wsd_share_ring(&share->record);
	share->seat = SEAT_AWAY;
	if (share->leaving)
		end_here(share);
}

/* --- AWAY and TAKING --- */

/* The connection is gone. What waits here hears of it. Of one by plain TCP that is here the system may have bytes. */
static void lost(struct wsd_share *share)
{
	if (share->sock->stream == NULL || !wsd_stream_is_plain(share->sock->stream))
		wsd_share_plain_reset(&share->plain);
	(void)wsd_socket_move(share->sock, WSD_SOCK_ON_ESTABLISHED); /* it was, somewhere */
	wsd_socket_broken(share->sock, WSD_ERESET);
	seated(share);
}

static void take(struct wsd_share *share)
{
	struct wsd_socket *sock = share->sock;
	uint32_t payload;

	share->polite_until = 0;

	if (wsd_share_state(&share->record, &payload) == WSD_SHARE_CLOSED && share->leaving) {
		wsd_share_stand(&share->record);
		end_here(share);
		return;
	}
	/* Who had the seat has said before what he has, maybe since we last looked. */
	(void)wsd_share_plain_look(&share->record, sock, &share->plain);
	switch ((int)wsd_share_unpark(&share->record, sock, wsd_share_plain_system(&share->plain),
				      &share->selector)) {
	case WSD_PENDING:
		share->seat = SEAT_TAKING;
		return;
	case WSD_AGAIN:
		(void)wsd_share_set_state(&share->record, WSD_SHARE_HELD, payload);
		seated(share);
		return;
	case WSD_OK: /* broken where it comes from */
		(void)wsd_share_set_state(&share->record, WSD_SHARE_HELD, 0);
		lost(share);
		return;
	case WSD_ENOMEM:
		wsd_share_stand(&share->record);
		rest(share, wsd_clock_ns() + RETRY);
		return;
	default:
		lost(share);
		return;
	}
}

/* Not before those for whom we stood up, nor while earlier streams are being cleared away. */
static bool may_sit(struct wsd_share *share)
{
	return share->sock->zombie_count + 1 < WSD_ZOMBIES &&
	       (wsd_clock_ns() >= share->polite_until || !wsd_share_wanted(&share->record));
}

/* Of a connection that the system has, its peer does not hear when the process that had the seat died. */
static bool is_orphaned(struct wsd_share *share)
{
	uint32_t payload;

	return share->sock->listener == NULL && wsd_share_plain_system(&share->plain) >= 0 &&
	       wsd_share_empty(&share->record) &&
	       wsd_share_state(&share->record, &payload) == WSD_SHARE_HELD && payload == 0;
}

static void away(struct wsd_share *share)
{
	uint64_t when =
		wsd_sooner(wsd_share_plain_look(&share->record, share->sock, &share->plain),
			   wsd_share_listen_away(&share->record, share->sock, &share->listen));
	uint64_t look = wsd_clock_ns() + LOOK_AGAIN;
	enum wsd_share_want want = wanted_here(share);
	bool ring, may = false;
	uint32_t payload;

	wsd_share_port_away(&share->record, share->sock);
	if (share->leaving && share->listen.keeper && !leave_time_over(share)) {
		want = WSD_SHARE_WANT_NOW; /* to hand over what waits */
	} else if (share->leaving) {
		/* The last one ends the connection, though it does not use it. */
		wsd_share_step_back(&share->record);
		if (!wsd_share_others(&share->record) && !leave_time_over(share)) {
			want = WSD_SHARE_WANT_NOW;
		} else {
			end_here(share);
			return;
		}
	}
	/* One that nobody wants is taken by anyone: its peer does not wait for ever. */
	if (want == WSD_SHARE_WANT_NOTHING &&
	    wsd_share_state(&share->record, &payload) == WSD_SHARE_PARKED &&
	    wsd_share_wanted(&share->record) == WSD_SHARE_WANT_NOTHING)
		want = WSD_SHARE_WANT_NEWS;
	if ((!share->listen.keeper && wsd_share_listen_lost(&share->record)) || is_orphaned(share))
		want = WSD_SHARE_WANT_NOW;
	ring = say_want(share, want) || want == WSD_SHARE_WANT_NOW;
	if (want != WSD_SHARE_WANT_NOTHING) {
		may = may_sit(share);
		if (may && wsd_share_sit(&share->record)) {
			take(share);
			return;
		}
		if (ring)
			wsd_share_ring(&share->record);
		if (!may || want == WSD_SHARE_WANT_NOW)
			look = wsd_clock_ns() + ASK_AGAIN;
	}
	rest(share, wsd_sooner(when, look));
}

static void taking(struct wsd_share *share)
{
	struct wsd_socket *sock = share->sock;

	if (sock->stream != NULL && wsd_stream_state(sock->stream) == WSD_STREAM_CONNECTING) {
		wsd_socket_own_wait(sock, WSD_CHANGE_CONNECTED | WSD_CHANGE_DEAD,
				    wsd_clock_ns() + LOOK_AGAIN);
		return;
	}
	(void)wsd_share_set_state(&share->record, WSD_SHARE_HELD, 0);
	if (sock->stream != NULL && wsd_stream_state(sock->stream) == WSD_STREAM_OPEN)
		seated(share);
	else
		lost(share);
}

/* --- OWING --- */

static void owing(struct wsd_share *share)
{
	uint64_t next = wsd_share_plain_look(&share->record, share->sock, &share->plain);

	if (leave_time_over(share) || !wsd_share_plain_owed(&share->record, &share->plain))
		share->seat = SEAT_ENDED;
	else
		rest(share, wsd_sooner(next, wsd_clock_ns() + RETRY));
}

/* --- the thread --- */

static void share_thread(void *arg)
{
	struct wsd_share *share = arg;
	struct wsd_socket *sock = share->sock;

	atomic_store(&share->waker, wsd_waker_self());
	wsd_mutex_lock(&sock->lock);
	while (share->seat != SEAT_ENDED && atomic_load(&share->waker) != NULL) {
		switch (share->seat) {
		case SEAT_HELD:
			held(share);
			break;
		case SEAT_PARKING:
			parking(share);
			break;
		case SEAT_AWAY:
			away(share);
			break;
		case SEAT_TAKING:
			taking(share);
			break;
		case SEAT_OWING:
			owing(share);
			break;
		case SEAT_ENDED:
			break;
		}
	}
	if (share->seat != SEAT_ENDED) { /* there was no descriptor for a waker */
		if (sock->away)
			wsd_socket_broken(sock, WSD_ENOFILES);
		sock->away = false;
		sock->changes |= WSD_CHANGE_SEAT;
	}
	if (sock->share == share)
		sock->share = NULL;
	wsd_share_plain_close(&share->record, &share->plain);
	wsd_share_listen_unwatch(&share->listen);
	atomic_store(&share->waker, NULL);
	wsd_socket_leave(sock);
	wsd_share_close(&share->record, false);
	wsd_streams_count(sock->mode, -1);
	wsd_socket_unref(sock);
	atomic_store(&share->thread.ended, true);
}

static int start(struct wsd_socket *sock, const struct wsd_share_record *record,
		 const struct wsd_share_listen *listen, enum seat seat)
{
	struct wsd_share *share = wsd_alloc(sizeof(*share));

	if (share == NULL)
		return WSAENOBUFS;
	share->sock = sock;
	share->record = *record;
	share->listen = *listen;
	wsd_share_plain_init(&share->plain);
	share->seat = seat;
	share->selector = record->slot;
	wsd_share_turn_begin(&share->turn);
	share->turn.until = wsd_clock_ns(); /* it has been ours all the time */
	share->remembered = WSD_SOCK_STATES;
	wsd_socket_ref(sock);
	wsd_streams_count(sock->mode, 1);
	sock->share = share;
	sock->away = seat != SEAT_HELD;
	if (wsd_share_thread_start(&share->thread, share_thread) != WSD_OK) {
		sock->share = NULL;
		sock->away = false;
		wsd_streams_count(sock->mode, -1);
		atomic_fetch_sub(&sock->refs, 1); /* the caller has one */
		wsd_free(share);
		return WSAENOBUFS;
	}
	return 0;
}

int wsd_share_begin(struct wsd_socket *sock)
{
	struct wsd_share_record record;
	struct wsd_share_listen listen;
	int error = wsd_share_create(&record);

	if (error != 0)
		return error;
	error = WSAENOBUFS;
	if (wsd_share_listen_begin(&record, sock, &listen)) {
		wsd_share_remember(&record, sock, record.slot);
		error = start(sock, &record, &listen, SEAT_HELD);
	}
	if (error != 0)
		wsd_share_close(&record, true);
	else if (sock->listener != NULL)
		wsd_listener_share(sock->listener);
	return error;
}

int wsd_share_join(struct wsd_socket *sock, const struct wsd_share_record *record)
{
	const struct wsd_share_listen listen = { 0 };

	return start(sock, record, &listen, SEAT_AWAY);
}

int wsd_share_give(struct wsd_socket *sock, uint32_t process, uint32_t *index)
{
	struct wsd_share_kind kind = { .mode = sock->mode,
				       .family = sock->family,
				       .overlapped = sock->overlapped,
				       .connected = !wsd_share_unconnected(sock) };
	enum wsd_status status =
		wsd_share_plain_match(&sock->share->record, sock, &sock->share->plain);

	if (status != WSD_OK) /* what cannot be given must not be promised */
		return status == WSD_ENOFILES ? WSAEMFILE : WSAENOBUFS;
	wsd_share_poke(sock); /* the others shall know of it */
	return wsd_share_token(&sock->share->record, &kind, process, index);
}

/* --- called by the application's threads --- */

int wsd_share_enter(struct wsd_socket *sock)
{
	uint64_t deadline = wsd_clock_ns() + wsd_resume_timeout();
	int error = 0;

	wsd_socket_ref(sock);
	while (sock->away && sock->share != NULL && error == 0) {
		struct wsd_share *share = sock->share;

		share->callers++;
		error = wsd_socket_wait(sock, WSD_CHANGE_SEAT, deadline);
		if (sock->share == share)
			share->callers--;
	}
	if (error == 0 && sock->closed)
		error = WSAENOTSOCK;
	if (error != 0)
		wsd_socket_leave(sock);
	wsd_socket_unref(sock); /* the handle has another one, unless it was closed */
	return error == WSAETIMEDOUT ? WSAENETDOWN : error;
}

unsigned wsd_share_mates(const struct wsd_socket *sock)
{
	return sock->share != NULL ? wsd_share_port_mates(&sock->share->record) : 0;
}

void wsd_share_listens(struct wsd_socket *sock)
{
	/* What it has of a connection is not what it listens with. */
	(void)wsd_share_plain_match(&sock->share->record, sock, &sock->share->plain);
	wsd_share_port_room(&sock->share->record, sock);
}

void wsd_share_listens_not(struct wsd_socket *sock)
{
	wsd_share_port_keep(&sock->share->record);
}

bool wsd_share_dissolve(struct wsd_socket *sock)
{
	struct wsd_share *share = sock->share;

	if (share->seat != SEAT_HELD || sock->reserved || wsd_share_plain_waits(&share->record) ||
	    !wsd_share_listen_alone(&share->record, sock, &share->listen))
		return false;
	wsd_share_step_back(&share->record);
	if (wsd_share_others(&share->record))
		return false;
	end_alone(share);
	atomic_store(&share->thread.going, true);
	wsd_share_poke(sock);
	sock->share = NULL;
	return true;
}

void wsd_share_leave(struct wsd_socket *sock, bool abort_it, bool quiet)
{
	struct wsd_share *share = sock->share;

	wsd_socket_ref(sock);
	wsd_socket_close_begin(sock, quiet);
	share->leaving = true;
	atomic_store(&share->thread.going, true);
	share->abort = abort_it;
	share->leave_by = wsd_clock_ns() + LEAVE_LIMIT;
	wsd_share_poke(sock);
	wsd_socket_close_leave(sock);
}
