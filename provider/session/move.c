// SPDX-License-Identifier: BSD-2-Clause
/*
 * move.c - one end of a connection goes to another process.
 *
 * MOVE is sent when nothing of ours is on its way, and answered when nothing of the peer's is. So both ends
 * agree about every position, and all that goes to the other process is where the stream stands and what was
 * not read yet. The peer keeps its stream open, without a connection, and waits at a port of its own for the
 * one that takes its place; there every credit, window and ring begins anew.
 */
#include "provider/session/plain.h"

#include <string.h>

#include "provider/transport/listen.h"

#define TIMEOUT_MOST_NS 600000000000ull
#define NS_PER_MS	1000000u
#define UNREAD_MOST	(1u << 23)

/* What may be lost on the way: the new connection begins without it. */
#define FORGETTABLE                                                            \
	(WSD_SEND_CREDIT | WSD_SEND_GRANT | WSD_SEND_SWITCH | WSD_SEND_PROBE | \
	 WSD_SEND_PROBE_ACK | WSD_SEND_MOVE | WSD_SEND_MOVE_ACK)

static struct wsd_move *moving(struct wsd_stream *s)
{
	if (!s->moving)
		s->moving = wsd_alloc(sizeof(*s->moving));
	return s->moving;
}

/* Is nothing on its way that the other side has to have, or to answer? */
static bool quiet(const struct wsd_stream *s)
{
	return (s->tx.pending & ~(uint32_t)FORGETTABLE) == 0 && s->tx.notified == s->tx.position &&
	       !s->tx.loan && !s->rx.source.offered && !s->rx.source.reading &&
	       (!s->tx.fin || s->tx.fin_acked);
}

/* --- the end that goes --- */

bool wsd_stream_can_move(const struct wsd_stream *s)
{
	return s->state != WSD_STREAM_OPEN || (s->features & WSD_FEATURE_MOVE) != 0 ||
	       wsd_plain_is_shared(s);
}

enum wsd_status wsd_stream_suspend(struct wsd_stream *s)
{
	if (s->state != WSD_STREAM_OPEN || s->disconnected)
		return WSD_ESTATE;
	if (!wsd_stream_can_move(s))
		return WSD_EUNSUPPORTED;
	if (s->plain) { /* nothing is on its way but what the system has */
		wsd_plain_name(s);
		s->move = WSD_MOVE_GIVEN;
		return WSD_OK;
	}
	if (!moving(s))
		return WSD_ENOMEM;
	if (s->move == WSD_MOVE_ASKED || s->move == WSD_MOVE_WAITING)
		return WSD_AGAIN;
	if (s->move != WSD_MOVE_NONE)
		return WSD_PENDING;
	s->move = WSD_MOVE_WANTED;
	s->moving->timeout = wsd_resume_timeout();
	if (s->tx.loan)
		wsd_stream_recall(s, s->tx.loan);
	wsd_tx_want(s, WSD_SEND_MOVE);
	wsd_tx_progress(s);
	return WSD_PENDING;
}

bool wsd_stream_suspended(const struct wsd_stream *s)
{
	return s->state == WSD_STREAM_OPEN && !s->disconnected && s->move == WSD_MOVE_GIVEN;
}

bool wsd_stream_suspending(const struct wsd_stream *s)
{
	return s->state == WSD_STREAM_OPEN && !s->disconnected && s->move != WSD_MOVE_NONE;
}

static void on_answer(struct wsd_stream *s, const struct wsd_header *header, const uint8_t *payload)
{
	if (s->move != WSD_MOVE_SENT || header->position != s->rx.produced ||
	    header->length != WSD_SECRET_BYTES || header->argument > UINT16_MAX) {
		wsd_stream_violation(s, "bad answer to a move");
		return;
	}
	s->moving->ticket.port = (uint16_t)header->argument;
	memcpy(s->moving->ticket.secret, payload, WSD_SECRET_BYTES);
	s->move = header->argument ? WSD_MOVE_GIVEN : WSD_MOVE_NONE;
	s->changes |= WSD_CHANGE_MOVED;
}

/* --- the end that stays --- */

static void on_request(void *owner, struct wsd_engine *engine, const struct wsd_event *ev);
static const struct wsd_resume_owner resume_ops = { on_request };

static void on_move(struct wsd_stream *s, const struct wsd_header *header)
{
	if (header->position != s->rx.produced || s->move == WSD_MOVE_ASKED ||
	    s->move == WSD_MOVE_WAITING) {
		wsd_stream_violation(s, "bad move");
		return;
	}
	/* Both at once: the one who connected last goes first, the other asks again later. */
	if (s->move == WSD_MOVE_SENT && s->active)
		return;
	if (!moving(s)) {
		wsd_stream_break(s, WSD_ENOMEM);
		return;
	}
	s->moving->timeout = header->argument < TIMEOUT_MOST_NS / NS_PER_MS
				     ? header->argument * NS_PER_MS
				     : TIMEOUT_MOST_NS;
	if (wsd_resume_open(&s->moving->resume, atomic_load(&s->engine), s->local.family,
			    &resume_ops, s) != WSD_OK)
		s->moving->resume = NULL; /* the answer is: not now */
	s->move = WSD_MOVE_ASKED;
	s->tx.pending &= ~WSD_SEND_MOVE;
	if (s->tx.loan)
		wsd_stream_recall(s, s->tx.loan);
	wsd_tx_want(s, WSD_SEND_MOVE_ACK);
}

static void answered(struct wsd_stream *s)
{
	if (!s->moving->resume) {
		s->move = WSD_MOVE_NONE;
		s->changes |= WSD_CHANGE_MOVED | WSD_CHANGE_WRITABLE;
		return;
	}
	s->move = WSD_MOVE_WAITING;
	s->moving->taking = false;
	s->moving->until = wsd_engine_now(atomic_load(&s->engine)) + s->moving->timeout;
	wsd_stream_arm_timer(s);
}

/* [ownership] The old connection is of no use any more. */
static enum wsd_status detach(struct wsd_stream *s)
{
	enum wsd_status status;

	if (!s->endpoint || s->moving->taking)
		return WSD_OK;
	status = wsd_ring_detach(s);
	if (status != WSD_OK)
		return status;
	wsd_stream_release_endpoint(s);
	s->disconnected = false;
	s->tx.pending &= ~(uint32_t)FORGETTABLE;
	memset(&s->tx.ring, 0, sizeof(s->tx.ring));
	memset(&s->tx.next, 0, sizeof(s->tx.next));
	s->tx.slots_used = 0;
	s->tx.unsignalled = 0;
	s->tx.stage_used = 0;
	s->tx.stage_free = 0;
	s->tx.stage_asked = 0;
	s->tx.started = false;
	s->active = false;
	return WSD_OK;
}

enum wsd_status wsd_move_check(const struct wsd_stream *s, const struct wsd_hello *hello)
{
	bool resumes = (hello->features & WSD_FEATURE_RESUME) != 0;

	if (s->move != WSD_MOVE_WAITING)
		return resumes ? WSD_EREFUSED : WSD_OK;
	return resumes && wsd_secret_equal(hello->secret,
					   wsd_resume_ticket(s->moving->resume)->secret)
		       ? WSD_OK
		       : WSD_EREFUSED;
}

/* One who knows the secret: he is the peer from now on. A request that is left in s->request was not
 * consumed. */
static enum wsd_status take(struct wsd_stream *s, struct wsd_engine *engine,
			    const struct wsd_event *ev)
{
	uint8_t hello[WSD_HELLO_BYTES];
	enum wsd_status status;

	if (s->move != WSD_MOVE_WAITING || s->state != WSD_STREAM_OPEN || s->moving->taking)
		return WSD_EREFUSED;
	status = wsd_stream_peer_hello(s, ev->data, ev->data_length);
	if (status == WSD_OK)
		status = detach(s);
	if (status != WSD_OK)
		return status;
	s->moving->taking = true;
	status = wsd_stream_setup(s, engine);
	if (status == WSD_OK) {
		wsd_stream_hello(s, hello);
		s->request = NULL;
		status = s->backend->accept(s->endpoint, hello, sizeof(hello));
	}
	if (status == WSD_OK || status == WSD_PENDING)
		return WSD_OK;
	wsd_stream_release_endpoint(s);
	s->moving->taking = false;
	return status;
}

static void on_request(void *owner, struct wsd_engine *engine, const struct wsd_event *ev)
{
	struct wsd_stream *s = owner;
	struct wsd_binding bound = wsd_stream_lock(s);
	enum wsd_status status;

	s->request = ev->request;
	status = take(s, engine, ev);
	if (s->request)
		wsd_request_refuse(engine, s->request, status);
	s->request = NULL;
	wsd_stream_tell(s);
	bound.ops->unlock(bound.owner, engine);
}

void wsd_move_unlisten(struct wsd_stream *s)
{
	if (!s->moving)
		return;
	wsd_resume_close(s->moving->resume);
	s->moving->resume = NULL;
}

static void resumed(struct wsd_stream *s)
{
	s->move = WSD_MOVE_NONE;
	s->moving->taking = false;
	wsd_move_unlisten(s);
	s->changes |= WSD_CHANGE_MOVED | WSD_CHANGE_WRITABLE;
	if (wsd_rx_limit_news(s))
		wsd_tx_want(s, WSD_SEND_CREDIT);
	wsd_stream_arm_timer(s);
}

bool wsd_move_event(struct wsd_stream *s, const struct wsd_event *ev)
{
	bool taking = s->moving->taking;
	enum wsd_status status;

	switch (ev->type) {
	case WSD_EV_SEND:
		return true; /* of the old connection; none has been posted to the new one */
	case WSD_EV_CONNECTED:
		resumed(s);
		return true;
	case WSD_EV_CONNECT_FAILED:
		break;
	case WSD_EV_DISCONNECTED:
		if (!taking && ev->status != WSD_OK)
			return false; /* it died before it could leave */
		break;
	case WSD_EV_DEVICE_GONE:
	case WSD_EV_RECV:
	case WSD_EV_RECV_IMM:
	case WSD_EV_REG:
	case WSD_EV_REQUEST:
	case WSD_EV_REQUEST_GONE:
		return false;
	}
	if (taking) { /* another one may come */
		wsd_stream_release_endpoint(s);
		s->moving->taking = false;
		return true;
	}
	status = detach(s);
	if (status != WSD_OK)
		wsd_stream_break(s, status);
	return true;
}

/* --- messages --- */

enum wsd_status wsd_move_send(struct wsd_stream *s, uint32_t what)
{
	bool asks = what == WSD_SEND_MOVE;
	struct wsd_header header = { .type = asks ? WSD_MSG_MOVE : WSD_MSG_MOVE_ACK,
				     .position = s->tx.position };
	uint8_t secret[WSD_SECRET_BYTES] = { 0 };
	enum wsd_status status;

	if (!quiet(s))
		return WSD_AGAIN;
	if (asks) {
		header.argument = s->moving->timeout / NS_PER_MS;
	} else if (s->moving->resume) {
		header.argument = wsd_resume_ticket(s->moving->resume)->port;
		memcpy(secret, wsd_resume_ticket(s->moving->resume)->secret, sizeof(secret));
	}
	status = wsd_tx_message(s, &header, secret, asks ? 0 : sizeof(secret), WSD_RESERVE_FIN);
	if (status != WSD_OK)
		return status;
	if (asks)
		s->move = WSD_MOVE_SENT;
	else
		answered(s);
	return WSD_OK;
}

void wsd_move_message(struct wsd_stream *s, const struct wsd_header *header, const uint8_t *payload)
{
	if (header->type == WSD_MSG_MOVE)
		on_move(s, header);
	else
		on_answer(s, header, payload);
}

/* --- to and from the other process --- */

uint32_t wsd_stream_unread(const struct wsd_stream *s)
{
	return (uint32_t)(s->rx.produced - s->rx.read);
}

void wsd_stream_export(struct wsd_stream *s, struct wsd_stream_image *image, uint8_t *unread)
{
	bool given = wsd_stream_suspended(s);
	struct wsd_qos qos;

	memset(image, 0, sizeof(*image));
	image->sent = s->tx.position;
	image->received = s->rx.produced;
	image->wanted = s->rx.wanted;
	image->unread = wsd_stream_unread(s);
	for (unsigned i = 0; i < WSD_URGENT_MAX; i++) {
		image->marks[i] = s->rx.urgent_marks[i];
		image->urgent[i] = s->rx.urgent_bytes[i];
	}
	image->urgent_count = s->rx.urgent_count;
	image->urgent_taken = s->rx.urgent_taken;
	image->urgent_done = s->rx.urgent_done;
	image->urgent_told = s->rx.urgent_told;
	image->urgent_inline = s->rx.urgent_inline;
	image->urgent_sent = s->tx.urgent_sent;
	image->urgent_accepted = s->tx.urgent_done;
	image->error = given ? 0 : s->error != WSD_OK ? (int32_t)s->error : WSD_ERESET;
	image->local = s->local;
	image->remote = s->remote;
	wsd_qos_said(s, &qos);
	wsd_qos_encode(image->qos, &qos);
	image->send_fin = s->tx.fin;
	image->receive_fin = s->rx.fin;
	image->receive_closed = s->rx.closed;
	image->posted_only = s->options.posted_only;
	if ((given && s->plain) || wsd_plain_keeps(s)) {
		wsd_plain_export(s, image);
	} else if (given) {
		image->port = s->moving->ticket.port;
		memcpy(image->secret, s->moving->ticket.secret, sizeof(image->secret));
	}
	strncpy(image->path, wsd_stream_path(s), sizeof(image->path) - 1);
	if (image->unread)
		wsd_rx_copy(&s->rx, unread);
}

static bool image_holds(const struct wsd_stream_image *image)
{
	if (image->unread > UNREAD_MOST || image->unread > image->received || image->error > 0 ||
	    image->urgent_count > WSD_URGENT_MAX || image->urgent_taken > image->urgent_count ||
	    image->path[sizeof(image->path) - 1] != 0)
		return false;
	for (unsigned i = 0; i < image->urgent_count; i++)
		if (image->marks[i] > image->received ||
		    (i > 0 && image->marks[i] < image->marks[i - 1]))
			return false;
	return image->error != 0 || image->port != 0;
}

static struct wsd_engine *engine_of(const struct wsd_stream_image *image)
{
	for (unsigned i = 0; i < wsd_engine_count(); i++)
		if (image->error != 0 ||
		    strcmp(wsd_engine_name(wsd_engine_at(i)), image->path) == 0)
			return wsd_engine_at(i);
	return NULL;
}

/* [nobody else has it yet] */
static enum wsd_status fill(struct wsd_stream *s, const struct wsd_stream_image *image,
			    const uint8_t *unread)
{
	s->local = image->local;
	s->remote = image->remote;
	s->options.posted_only = image->posted_only;
	if (!wsd_qos_decode(image->qos, sizeof(image->qos), &s->options.qos))
		return WSD_EINVAL;
	s->tx.position = image->sent;
	s->tx.notified = image->sent;
	s->tx.limit = image->sent;
	s->tx.fin = image->send_fin;
	s->tx.fin_acked = image->send_fin;
	s->tx.urgent_sent = image->urgent_sent;
	s->tx.urgent_done = image->urgent_accepted;
	s->rx.produced = image->received;
	s->rx.read = image->received - image->unread;
	s->rx.limit = image->received;
	s->rx.wanted = image->wanted;
	s->rx.fin = image->receive_fin;
	s->rx.fin_position = image->received;
	s->rx.closed = image->receive_closed;
	for (unsigned i = 0; i < WSD_URGENT_MAX; i++) {
		s->rx.urgent_marks[i] = image->marks[i];
		s->rx.urgent_bytes[i] = image->urgent[i];
	}
	s->rx.urgent_count = image->urgent_count;
	s->rx.urgent_taken = image->urgent_taken;
	s->rx.urgent_done = image->urgent_done;
	s->rx.urgent_told = image->urgent_told;
	s->rx.urgent_inline = image->urgent_inline;
	s->rx.ring.from = s->rx.read;
	s->rx.ring.carried = s->rx.produced;
	while (s->rx.ring.bytes < image->unread + WSD_FIRST_WINDOW)
		s->rx.ring.bytes *= 2;
	if (image->unread == 0)
		return WSD_OK;
	s->rx.ring.base = wsd_alloc(s->rx.ring.bytes);
	if (!s->rx.ring.base)
		return WSD_ENOMEM;
	memcpy(s->rx.ring.base, unread, image->unread);
	return WSD_OK;
}

enum wsd_status wsd_stream_import(struct wsd_stream **stream, const struct wsd_stream_owner *ops,
				  void *owner, const struct wsd_stream_image *image,
				  const uint8_t *unread)
{
	struct wsd_engine *engine;
	enum wsd_status status;
	struct wsd_stream *s;

	if (!image_holds(image))
		return WSD_EINVAL;
	engine = engine_of(image);
	if (!engine)
		return WSD_EUNREACHABLE;
	s = wsd_stream_new(ops, owner);
	status = s && moving(s) ? fill(s, image, unread) : WSD_ENOMEM;
	if (status != WSD_OK) {
		wsd_stream_free(s);
		return status;
	}
	atomic_store(&s->engine, engine);
	s->active = true;
	*stream = s;
	if (image->error != 0) {
		s->state = WSD_STREAM_RESET;
		s->error = (enum wsd_status)image->error;
		return WSD_OK;
	}
	s->state = WSD_STREAM_CONNECTING;
	s->moving->resumes = true;
	s->moving->ticket.port = image->port;
	memcpy(s->moving->ticket.secret, image->secret, WSD_SECRET_BYTES);
	s->moving->target = image->remote;
	s->moving->target.port = image->port;
	s->deadline = wsd_clock_ns() + wsd_resume_timeout();
	wsd_stream_do(s, WSD_DO_CONNECT);
	return WSD_PENDING;
}
