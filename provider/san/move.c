// SPDX-License-Identifier: BSD-2-Clause
/*
 * move.c - one end of a channel goes to another process, see docs/protocol.md. Messages of mode S carry no header,
 * so the two that a hand-over needs are told by the nonces of both sides, which no application has. The switch
 * sends nothing meanwhile; receives stay posted at the end that stays, and are posted again to the new connection,
 * in the same order.
 */
#include "provider/san/internal.h"

#include <string.h>

#include "provider/transport/bytes.h"
#include "provider/transport/listen.h"

#define MOVE_MAGIC     0x45564f4d4453574full /* "OWSDMOVE" */
#define ANSWER_MAGIC   0x4b43414d4453574full
#define MOVE_BYTES     32u
#define ANSWER_BYTES   48u
#define ROOM	       64u /* for one to send, and behind it for one to receive */
#define NS_PER_MS      1000000u
#define TIMEOUT_MOST_S 600u

static struct wsd_san_move *moving(struct wsd_channel *ch)
{
	if (!ch->moving)
		ch->moving = wsd_alloc(sizeof(*ch->moving));
	return ch->moving;
}

static enum wsd_status make_room(struct wsd_channel *ch)
{
	if (!moving(ch))
		return WSD_ENOMEM;
	if (ch->moving->region)
		return WSD_OK;
	return ch->backend->mem_alloc(ch->endpoint, 2ull * ROOM, WSD_ACCESS_LOCAL_WRITE,
				      &ch->moving->region);
}

void wsd_channel_move_drop(struct wsd_channel *ch)
{
	if (ch->moving && ch->moving->region)
		ch->backend->mem_free(ch->moving->region);
	if (!ch->moving)
		return;
	ch->moving->region = NULL;
	ch->moving->told = ch->moving->spent = false;
}

void wsd_channel_unlisten(struct wsd_channel *ch)
{
	if (!ch->moving)
		return;
	wsd_resume_close(ch->moving->resume);
	ch->moving->resume = NULL;
}

static enum wsd_status send(struct wsd_channel *ch, uint64_t magic, uint32_t argument,
			    const uint8_t *secret)
{
	uint8_t *bytes = ch->moving->region->base;
	struct wsd_sge sge = { bytes, secret ? ANSWER_BYTES : MOVE_BYTES, ch->moving->region };
	struct wsd_work work = {
		.op = WSD_OP_SEND, .flags = WSD_WORK_SIGNALLED, .sge = &sge, .sge_count = 1
	};
	uint32_t posted = 0;

	wsd_put64(bytes, magic);
	wsd_put64(bytes + 8, ch->own.nonce);
	wsd_put64(bytes + 16, ch->peer.nonce);
	wsd_put32(bytes + 24, argument);
	wsd_put32(bytes + 28, 0);
	if (secret)
		memcpy(bytes + MOVE_BYTES, secret, WSD_SECRET_BYTES);
	return ch->backend->post_send(ch->endpoint, &work, &posted);
}

/* --- the end that goes --- */

/* The oldest receive of the owner that the device has; NULL: it has none. */
static const struct wsd_transfer *oldest(const struct wsd_channel *ch)
{
	const struct wsd_list *node = ch->rx_posted.next;

	if (node != &ch->rx_posted && ch->moving && ch->moving->spent)
		node = node->next;
	return node == &ch->rx_posted ? NULL : wsd_container(node, struct wsd_transfer, link);
}

/* The answer needs a receive: the switch's first one, which is as good as ended, or one of ours. */
static enum wsd_status post_own(struct wsd_channel *ch)
{
	struct wsd_recv recv = { .id = WSD_RECV_MOVE };
	uint32_t posted = 0;

	if ((ch->early.open && !ch->moving->told) || oldest(ch))
		return WSD_OK;
	recv.sge = (struct wsd_sge){ (uint8_t *)ch->moving->region->base + ROOM, ROOM,
				     ch->moving->region };
	return ch->backend->post_recv(ch->endpoint, &recv, &posted);
}

enum wsd_status wsd_channel_suspend(struct wsd_channel *ch)
{
	enum wsd_status status;

	if (ch->state != WSD_CHANNEL_OPEN)
		return WSD_ESTATE;
	if (!(ch->peer.features & WSD_FEATURE_MOVE))
		return WSD_EUNSUPPORTED;
	if (ch->move == WSD_SAN_ASKED || ch->move == WSD_SAN_WAITING)
		return WSD_AGAIN;
	if (ch->move != WSD_SAN_STAYS)
		return WSD_PENDING;
	if (!wsd_list_empty(&ch->tx) || ch->early.full)
		return WSD_EBUSY; /* that message would be lost */
	status = make_room(ch);
	if (status == WSD_OK)
		status = post_own(ch);
	if (status == WSD_OK)
		status = send(ch, MOVE_MAGIC, (uint32_t)(wsd_resume_timeout() / NS_PER_MS), NULL);
	if (status != WSD_OK)
		return status;
	ch->move = WSD_SAN_SENT;
	return WSD_PENDING;
}

bool wsd_channel_suspended(const struct wsd_channel *ch)
{
	return ch->state == WSD_CHANNEL_OPEN && ch->move == WSD_SAN_GIVEN;
}

static void on_answer(struct wsd_channel *ch, const uint8_t *bytes)
{
	if (ch->move != WSD_SAN_SENT) {
		wsd_channel_do(ch, WSD_CH_BREAK);
		return;
	}
	ch->moving->ticket.port = (uint16_t)wsd_get32(bytes + 24);
	memcpy(ch->moving->ticket.secret, bytes + MOVE_BYTES, WSD_SECRET_BYTES);
	ch->move = WSD_SAN_GIVEN;
	ch->changes |= WSD_CHANNEL_MOVED;
}

void wsd_channel_export(const struct wsd_channel *ch, struct wsd_channel_image *image)
{
	memset(image, 0, sizeof(*image));
	image->local = ch->local;
	image->remote = ch->remote;
	image->port = ch->moving->ticket.port;
	memcpy(image->secret, ch->moving->ticket.secret, sizeof(image->secret));
	strncpy(image->path, wsd_engine_name(atomic_load(&ch->engine)), sizeof(image->path) - 1);
}

void wsd_channel_hand_off(struct wsd_channel *ch)
{
	ch->handed = true;
	wsd_channel_close(ch);
}

/* --- the end that stays --- */

static void on_request(void *owner, struct wsd_engine *engine, const struct wsd_event *ev);
static const struct wsd_resume_owner resume_ops = { on_request };

static void on_move(struct wsd_channel *ch, const uint8_t *bytes)
{
	uint64_t most = TIMEOUT_MOST_S * 1000ull, ms = wsd_get32(bytes + 24);

	/* Both at once: the one who connected last goes first, the other asks again later. */
	if (ch->move == WSD_SAN_SENT && ch->active) {
		if (post_own(ch) != WSD_OK)
			wsd_channel_do(ch, WSD_CH_BREAK);
		return;
	}
	if ((ch->move != WSD_SAN_STAYS && ch->move != WSD_SAN_SENT) || make_room(ch) != WSD_OK ||
	    wsd_resume_open(&ch->moving->resume, atomic_load(&ch->engine), ch->local.family,
			    &resume_ops, ch) != WSD_OK) {
		wsd_channel_do(ch, WSD_CH_BREAK);
		return;
	}
	ch->moving->timeout = (ms < most ? ms : most) * NS_PER_MS;
	ch->move = WSD_SAN_ASKED;
}

void wsd_channel_move_progress(struct wsd_channel *ch)
{
	struct wsd_engine *engine = atomic_load(&ch->engine);
	const struct wsd_resume_ticket *ticket;

	if (ch->move != WSD_SAN_ASKED || ch->state != WSD_CHANNEL_OPEN)
		return;
	if (!wsd_list_empty(&ch->tx) &&
	    wsd_container(ch->tx.next, struct wsd_transfer, link)->pieces > 0)
		return; /* it is on its way */
	ticket = wsd_resume_ticket(ch->moving->resume);
	if (send(ch, ANSWER_MAGIC, ticket->port, ticket->secret) != WSD_OK) {
		wsd_channel_do(ch, WSD_CH_BREAK);
		return;
	}
	ch->move = WSD_SAN_WAITING;
	ch->moving->taking = false;
	wsd_engine_set_timer(engine, &ch->timer, wsd_engine_now(engine) + ch->moving->timeout);
}

/* [ownership] What was posted waits for the next connection, in its order. */
static void detach(struct wsd_channel *ch)
{
	if (!ch->endpoint || ch->moving->taking)
		return;
	wsd_channel_drop_endpoint(ch);
	wsd_list_splice(&ch->rx_posted, &ch->rx_waiting);
	wsd_list_splice(&ch->rx_waiting, &ch->rx_posted);
	ch->active = false;
}

static enum wsd_status take(struct wsd_channel *ch, struct wsd_engine *engine,
			    const struct wsd_event *ev)
{
	uint8_t hello[WSD_SAN_HELLO_MAX];
	struct wsd_san_hello peer;
	enum wsd_status status;

	if (ch->move != WSD_SAN_WAITING || ch->state != WSD_CHANNEL_OPEN || ch->moving->taking)
		return WSD_EREFUSED;
	status = wsd_san_hello_decode(ev->data, ev->data_length, &peer);
	if (status != WSD_OK)
		return status;
	if (!(peer.features & WSD_FEATURE_RESUME) || peer.data_length != WSD_SECRET_BYTES ||
	    !wsd_secret_equal(peer.data, wsd_resume_ticket(ch->moving->resume)->secret))
		return WSD_EREFUSED;
	detach(ch);
	peer.data_length = 0;
	ch->peer = peer;
	ch->message = peer.message;
	ch->own.data_length = 0;
	ch->moving->taking = true;
	status = wsd_channel_setup(ch, engine);
	if (status == WSD_OK) {
		ch->request = NULL;
		status = ch->backend->accept(ch->endpoint, hello,
					     wsd_san_hello_encode(hello, &ch->own));
	}
	if (status == WSD_OK || status == WSD_PENDING)
		return WSD_OK;
	ch->moving->taking = false;
	detach(ch);
	return status;
}

static void on_request(void *owner, struct wsd_engine *engine, const struct wsd_event *ev)
{
	struct wsd_channel *ch = owner;
	enum wsd_status status;

	ch->ops->lock(ch->owner);
	ch->request = ev->request;
	status = take(ch, engine, ev);
	if (ch->request)
		wsd_request_refuse(engine, ch->request, status);
	ch->request = NULL;
	ch->ops->unlock(ch->owner, engine);
}

static void resumed(struct wsd_channel *ch)
{
	ch->move = WSD_SAN_STAYS;
	ch->moving->taking = false;
	wsd_channel_unlisten(ch);
	wsd_engine_set_timer(atomic_load(&ch->engine), &ch->timer, 0);
	ch->changes |= WSD_CHANNEL_MOVED;
	wsd_tx_post(ch);
}

bool wsd_channel_move_event(struct wsd_channel *ch, const struct wsd_event *ev)
{
	switch (ev->type) {
	case WSD_EV_SEND:
	case WSD_EV_RECV:
	case WSD_EV_RECV_IMM:
		return true; /* of the old connection, on which nothing is left */
	case WSD_EV_CONNECTED:
		resumed(ch);
		return true;
	case WSD_EV_CONNECT_FAILED:
	case WSD_EV_DISCONNECTED:
		ch->moving->taking = false; /* another one may come */
		detach(ch);
		return true;
	case WSD_EV_DEVICE_GONE:
	case WSD_EV_REG:
	case WSD_EV_REQUEST:
	case WSD_EV_REQUEST_GONE:
		break;
	}
	return false;
}

/* --- messages --- */

/* Where a message of so many bytes lies; NULL: nowhere that holds so many. */
static const uint8_t *where(const struct wsd_channel *ch, const struct wsd_event *ev)
{
	const struct wsd_transfer *t = oldest(ch);

	if (ev->id == WSD_RECV_MOVE)
		return (uint8_t *)ch->moving->region->base + ROOM;
	if (ev->id == WSD_RECV_EARLY && ch->early.open)
		return ch->early.region->base;
	if (!t)
		return NULL;
	if (t->bounce)
		return t->total >= ev->bytes ? t->bounce : NULL;
	return t->count == 1 && t->sge[0].length >= ev->bytes ? t->sge[0].addr : NULL;
}

static void note(struct wsd_channel *ch, const struct wsd_event *ev,
		 void (*act)(struct wsd_channel *ch, const uint8_t *bytes), const uint8_t *bytes)
{
	if (!moving(ch)) {
		wsd_channel_do(ch, WSD_CH_BREAK);
		return;
	}
	ch->moving->told = true;
	ch->moving->spent |= ev->id == WSD_RECV_OWNER;
	act(ch, bytes);
}

bool wsd_channel_move_told(const struct wsd_channel *ch)
{
	return ch->moving && ch->moving->told;
}

bool wsd_channel_move_received(struct wsd_channel *ch, const struct wsd_event *ev)
{
	uint8_t bytes[ANSWER_BYTES];
	const uint8_t *at;
	uint64_t magic;

	if (ev->status != WSD_OK || (ev->bytes != MOVE_BYTES && ev->bytes != ANSWER_BYTES) ||
	    !(at = where(ch, ev)))
		return false;
	memcpy(bytes, at, ev->bytes);
	magic = wsd_get64(bytes);
	if (wsd_get64(bytes + 8) != ch->peer.nonce || wsd_get64(bytes + 16) != ch->own.nonce)
		return false;
	if (magic == MOVE_MAGIC && ev->bytes == MOVE_BYTES && !wsd_channel_move_told(ch))
		note(ch, ev, on_move, bytes);
	else if (magic == ANSWER_MAGIC && ev->bytes == ANSWER_BYTES)
		note(ch, ev, on_answer, bytes);
	else
		return false;
	return true;
}

/* --- the next process --- */

enum wsd_status wsd_channel_import(struct wsd_channel **channel,
				   const struct wsd_channel_owner *ops, void *owner,
				   const struct wsd_channel_image *image)
{
	struct wsd_engine *engine = NULL;
	struct wsd_channel *ch;

	if (image->port == 0 || image->path[sizeof(image->path) - 1] != 0)
		return WSD_EINVAL;
	for (unsigned i = 0; i < wsd_engine_count() && !engine; i++)
		if (strcmp(wsd_engine_name(wsd_engine_at(i)), image->path) == 0)
			engine = wsd_engine_at(i);
	if (!engine)
		return WSD_EUNREACHABLE;
	ch = wsd_channel_new(ops, owner);
	if (!ch || !moving(ch)) {
		wsd_channel_free(ch);
		return WSD_ENOMEM;
	}
	ch->active = true;
	ch->local = image->local;
	ch->remote = image->remote;
	ch->moving->resumes = true;
	ch->moving->target = image->remote;
	ch->moving->target.port = image->port;
	ch->own.data_length = WSD_SECRET_BYTES;
	memcpy(ch->own.data, image->secret, WSD_SECRET_BYTES);
	ch->deadline = wsd_clock_ns() + wsd_resume_timeout();
	atomic_store(&ch->engine, engine);
	wsd_channel_do(ch, WSD_CH_CONNECT);
	*channel = ch;
	return WSD_PENDING;
}
