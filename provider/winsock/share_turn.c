// SPDX-License-Identifier: BSD-2-Clause
/*
 * share_turn.c - whose turn it is to have a shared socket.
 *
 * The one who has the seat gives it up at once when it is not used just now, else at the end of a turn. Turns get
 * longer while each ends in the middle of a call that waits, so that two processes which wait for the same
 * bytes do not move the connection all the time. While nothing arrives and all wait just for that, it stays where
 * it is.
 */
#include "provider/winsock/share.h"

#include "rdma_backend/base/base.h"

#define TURN_LEAST (10 * WSD_NS_PER_MS)
#define TURN_MOST  (160 * WSD_NS_PER_MS)
#define TURN_SEND  (500 * WSD_NS_PER_MS) /* a send that has begun is not cut by others' before */
#define RETRY	   (20 * WSD_NS_PER_MS)
#define ASK_AGAIN  (2 * WSD_NS_PER_MS) /* those who want it may use it, end or die */

/* --- what waits here --- */

bool wsd_share_waits(const struct wsd_socket *sock)
{
	for (unsigned q = 0; q < WSD_Q_COUNT; q++)
		if (!wsd_list_empty(&sock->queues[q]))
			return true;
	return !wsd_list_empty(&sock->waiters);
}

/* A waiter for an operation has that in a queue. */
static bool waits_for_room(const struct wsd_socket *sock)
{
	struct wsd_list *node;

	wsd_list_for_each(node, &sock->waiters) {
		unsigned interest = wsd_container(node, struct wsd_wait_node, link)->interest;

		if ((interest & WSD_CHANGE_WRITABLE) && !(interest & WSD_CHANGE_READABLE))
			return true;
	}
	return !wsd_list_empty(&sock->queues[WSD_Q_SEND]) ||
	       ((sock->fd.mask & sock->fd.armed & FD_WRITE) && sock->state == WSD_SOCK_CONNECTED);
}

/* Notices of the system's addresses come to everybody. */
static bool has_control(const struct wsd_socket *sock)
{
	struct wsd_list *node;

	wsd_list_for_each(node, &sock->queues[WSD_Q_CONTROL])
		if (wsd_container(node, struct wsd_op, link)->kind != WSD_OP_KIND_NOTICE)
			return true;
	return false;
}

/* What is in the queue here may have been taken for a wait that has ended, from plain TCP. */
static bool has_arrived(const struct wsd_socket *sock)
{
	return sock->listener != NULL && wsd_listener_pending(sock->listener) > 0 &&
	       (wsd_share_waits(sock) || (sock->fd.mask & FD_ACCEPT));
}

enum wsd_share_want wsd_share_waits_for(const struct wsd_socket *sock)
{
	if (waits_for_room(sock) || has_control(sock) || has_arrived(sock))
		return WSD_SHARE_WANT_NOW;
	return wsd_share_waits(sock) || sock->fd.mask != 0 ? WSD_SHARE_WANT_NEWS
							   : WSD_SHARE_WANT_NOTHING;
}

/* --- the turn --- */

void wsd_share_turn_begin(struct wsd_share_turn *turn)
{
	if (turn->length == 0)
		turn->length = TURN_LEAST;
	turn->until = wsd_clock_ns() + turn->length;
	turn->news = turn->patient = false;
}

/* Nothing is there that another one may wait for. */
static bool is_quiet(const struct wsd_socket *sock)
{
	return !wsd_socket_readable(sock) &&
	       (sock->stream == NULL || !wsd_stream_urgent_pending(sock->stream));
}

/* Whoever has the seat hears of what arrives, and has a turn then before the others have theirs. */
static bool is_patient(struct wsd_share_turn *turn, struct wsd_socket *sock, bool busy,
		       enum wsd_share_want others)
{
	bool before = turn->patient;

	turn->patient = busy && others == WSD_SHARE_WANT_NEWS && !turn->news && is_quiet(sock);
	if (turn->patient && !before && sock->stream != NULL)
		wsd_stream_watch(sock->stream); /* it may be no read that waits here */
	if (before && !turn->patient && others == WSD_SHARE_WANT_NEWS)
		turn->until = wsd_clock_ns() + TURN_LEAST;
	return turn->patient;
}

static bool is_sending(const struct wsd_socket *sock)
{
	const struct wsd_list *queue = &sock->queues[WSD_Q_SEND];

	return !wsd_list_empty(queue) && wsd_container(queue->next, struct wsd_op, link)->moved > 0;
}

/* In the middle of something that has to end here. */
static bool is_stuck(const struct wsd_socket *sock)
{
	return sock->state == WSD_SOCK_CONNECTING || sock->reserved || sock->deciding ||
	       (sock->stream != NULL && !wsd_stream_can_move(sock->stream));
}

bool wsd_share_turn_over(struct wsd_share_turn *turn, struct wsd_socket *sock, bool busy,
			 enum wsd_share_want others, uint64_t *when)
{
	uint64_t now = wsd_clock_ns(), end;

	*when = WSD_FOREVER;
	if (is_patient(turn, sock, busy, others) || others == WSD_SHARE_WANT_NOTHING)
		return false;
	if (is_stuck(sock)) {
		*when = now + RETRY;
		return false;
	}
	/* FD_WRITE is told in a turn, not before the peer has said what room there is. */
	if (!busy && !waits_for_room(sock)) {
		turn->length = TURN_LEAST;
		return true;
	}
	end = turn->until + (is_sending(sock) ? TURN_SEND : 0);
	if (now < end) {
		*when = now + ASK_AGAIN < end ? now + ASK_AGAIN : end;
		return false;
	}
	turn->length = turn->length * 2 < TURN_MOST ? turn->length * 2 : TURN_MOST;
	return true;
}
