// SPDX-License-Identifier: BSD-2-Clause
/*
 * share_listen.c - a listener that several processes have. One of them, the *keeper*, listens; a lock of the record
 * says that there is one. What arrives goes to whoever has the seat: it asks for one connection at a time, and
 * the keeper puts it into the record (listen_move.c). So does one that gives the seat up with what it had not
 * accepted yet, and a keeper that leaves with all that waits. The next with the seat listens then.
 *
 * Connections are added behind GIFTS_AT by whoever has some that leave, under a lock; only who has the seat takes them.
 */
#include "provider/session/wire.h"
#include "provider/winsock/share.h"
#include "provider/winsock/spi_calls.h"

#include <string.h>

#include "provider/transport/resume.h"
#include "rdma_backend/base/base.h"

#define KEEPER	   (WSD_SHARE_MEMBERS + 1) /* the lock */
#define ADDING	   (WSD_SHARE_MEMBERS + 2) /* the lock of `end`, for moments */
#define GIFTS_AT   2048u
#define GIFTS_FROM (WSD_SHARE_PAYLOAD + 4096u) /* behind the image of the listener itself */
#define PART_LIMIT (2000 * WSD_NS_PER_MS)      /* peers that do not answer must not keep the seat */
#define RETRY	   (20 * WSD_NS_PER_MS)
#define LOOK_AGAIN (1000 * WSD_NS_PER_MS)
#define LOCKS_GO   (2 * WSD_NS_PER_MS) /* of a process that has ended */
#define GIFT_MOST  (1u << 23)
#define GIFTS_MOST WSD_SHARE_MOST

/* The same in processes of 32 and of 64 bits. */
struct gifts {
	uint32_t asked;	  /* who has the seat has nothing to accept */
	uint32_t listens; /* the process of the keeper, or of the last one */
	uint64_t begin, end;
};

struct gift {
	struct wsd_stream_image stream;
	uint32_t length, unused; /* of the unread bytes behind */
};

/* --- the record --- */

static struct gifts read_gifts(const struct wsd_share_record *record)
{
	struct gifts gifts;

	if (!wsd_record_read(record->record, GIFTS_AT, &gifts, sizeof(gifts)) ||
	    gifts.begin < GIFTS_FROM || gifts.begin > gifts.end ||
	    gifts.end > GIFTS_FROM + GIFTS_MOST)
		return (struct gifts){ .begin = GIFTS_FROM, .end = GIFTS_FROM };
	return gifts;
}

/* Of a new record. */
static bool write_gifts(const struct wsd_share_record *record, const struct gifts *gifts)
{
	return wsd_record_write(record->record, GIFTS_AT, gifts, sizeof(*gifts));
}

static void set_asked(const struct wsd_share_record *record, uint32_t asked)
{
	(void)wsd_record_write(record->record, GIFTS_AT + offsetof(struct gifts, asked), &asked,
			       sizeof(asked));
}

/* [ADDING] */
static bool append(const struct wsd_share_record *record, const void *gift, size_t length)
{
	struct gifts gifts = read_gifts(record);

	if (gifts.end + length > GIFTS_FROM + GIFTS_MOST ||
	    !wsd_record_write(record->record, gifts.end, gift, length))
		return false;
	gifts.end += length;
	return wsd_record_write(record->record, GIFTS_AT + offsetof(struct gifts, end), &gifts.end,
				sizeof(gifts.end));
}

/* [lock] The one that may go. False: no memory, or another process is adding one; try again. */
static bool put(const struct wsd_share_record *record, struct wsd_socket *sock)
{
	uint32_t unread = wsd_listener_unread(sock->listener);
	struct gift *gift = wsd_alloc(sizeof(*gift) + unread);

	if (gift == NULL)
		return false;
	if (!wsd_record_lock(record->record, ADDING)) {
		wsd_free(gift);
		return false;
	}
	gift->length = unread;
	wsd_listener_export(sock->listener, &gift->stream, (uint8_t *)(gift + 1));
	sock->kick_all = true;
	if (!append(record, gift, sizeof(*gift) + unread))
		wsd_log(WSD_LOG_WARNING, "winsock",
			"no room for a connection of a shared listener");
	wsd_record_unlock(record->record, ADDING);
	wsd_free(gift);
	return true;
}

/* [lock] False: nothing could be taken now. */
static bool take_one(const struct wsd_share_record *record, struct wsd_socket *sock,
		     struct gifts *gifts)
{
	uint64_t left = gifts->end - gifts->begin;
	enum wsd_status status = WSD_ERESET;
	struct gift head, *gift;

	if (left < sizeof(head) ||
	    !wsd_record_read(record->record, gifts->begin, &head, sizeof(head)) ||
	    head.length > GIFT_MOST || head.length > left - sizeof(head) ||
	    head.length != head.stream.unread) {
		gifts->begin = gifts->end; /* somebody has written nonsense */
		return true;
	}
	gift = wsd_alloc(sizeof(head) + head.length);
	if (gift == NULL)
		return false;
	if (wsd_share_family(sock->family, &head.stream.local) &&
	    head.stream.remote.family == head.stream.local.family &&
	    wsd_record_read(record->record, gifts->begin, gift, sizeof(head) + head.length))
		status = wsd_listener_import(sock->listener, &head.stream, (uint8_t *)(gift + 1));
	wsd_free(gift);
	if (status == WSD_ENOMEM)
		return false;
	sock->kick_all = true;
	gifts->begin += sizeof(head) + head.length;
	return true;
}

/* Where all is taken the next one comes to the begin again. */
static void rewind_gifts(const struct wsd_share_record *record)
{
	struct gifts gifts;

	if (!wsd_record_lock(record->record, ADDING))
		return;
	gifts = read_gifts(record);
	if (gifts.begin == gifts.end) {
		gifts.begin = gifts.end = GIFTS_FROM;
		(void)wsd_record_write(record->record, GIFTS_AT + offsetof(struct gifts, begin),
				       &gifts.begin, 2 * sizeof(gifts.begin));
	}
	wsd_record_unlock(record->record, ADDING);
}

/* [lock] All that there is into the queue. True: there was something, or is something on its way. */
static bool take_all(const struct wsd_share_record *record, struct wsd_socket *sock)
{
	struct gifts gifts = read_gifts(record);
	bool some = gifts.begin != gifts.end;

	while (gifts.begin != gifts.end && take_one(record, sock, &gifts))
		;
	if (!some)
		return gifts.asked != 0;
	(void)wsd_record_write(record->record, GIFTS_AT + offsetof(struct gifts, begin),
			       &gifts.begin, sizeof(gifts.begin));
	rewind_gifts(record);
	return true;
}

/* --- the keeper --- */

/* [lock] */
static bool keep(const struct wsd_share_record *record, struct wsd_share_listen *listen)
{
	const struct gifts begins = { .listens = wsd_process_id(),
				      .asked = 0 /* of one who is gone */ };

	if (!wsd_record_lock(record->record, KEEPER))
		return false;
	if (!wsd_record_write(record->record, GIFTS_AT, &begins, offsetof(struct gifts, begin))) {
		wsd_record_unlock(record->record, KEEPER);
		return false;
	}
	listen->keeper = true;
	return true;
}

bool wsd_share_listen_begin(const struct wsd_share_record *record, const struct wsd_socket *sock,
			    struct wsd_share_listen *listen)
{
	static const struct gifts none = { .begin = GIFTS_FROM, .end = GIFTS_FROM };

	*listen = (struct wsd_share_listen){ 0 };
	return write_gifts(record, &none) && (sock->listener == NULL || keep(record, listen));
}

static void unkeep(const struct wsd_share_record *record, struct wsd_share_listen *listen)
{
	wsd_record_unlock(record->record, KEEPER);
	listen->keeper = false;
}

/* [lock, dropped meanwhile] The one that listened is gone. Its port may take a moment longer. */
static void succeed(const struct wsd_share_record *record, struct wsd_socket *sock,
		    struct wsd_share_listen *listen)
{
	int error = 0;

	if (!keep(record, listen))
		return;
	if (sock->port == NULL)
		error = wsd_socket_take_port(sock);
	if (error == 0)
		error = wsd_socket_start_listening(sock);
	if (error == 0)
		return;
	unkeep(record, listen);
	if (!listen->failed)
		wsd_log(WSD_LOG_WARNING, "winsock", "cannot go on listening at port %u: error %d",
			sock->local.port, error);
	listen->failed = true;
}

uint64_t wsd_share_listen_held(const struct wsd_share_record *record, struct wsd_socket *sock,
			       struct wsd_share_listen *listen, bool wait)
{
	uint64_t now = wsd_clock_ns(), when = WSD_FOREVER;
	enum wsd_status status;
	bool coming;

	if (sock->listener == NULL || sock->closed)
		return when;
	/* Before anybody new: it was there first. */
	coming = take_all(record, sock);
	if (wsd_listener_started(sock->listener)) {
		if (!listen->keeper)
			(void)keep(record, listen);
	} else if (!wait) {
		succeed(record, sock, listen);
	}
	if (sock->listener == NULL)
		return when;
	wsd_listener_again(sock->listener);
	sock->kick_all = true;
	if (listen->keeper && read_gifts(record).asked != 0)
		set_asked(record, 0);
	/* What was on its way to another one when the seat came here. */
	while ((status = wsd_listener_suspend(sock->listener, false)) != WSD_AGAIN) {
		if (status == WSD_OK && put(record, sock))
			continue;
		when = now + RETRY;
		break;
	}
	coming = take_all(record, sock) || coming;
	if (listen->keeper)
		return when;
	if (!coming && wsd_listener_idle(sock->listener) && read_gifts(record).asked == 0) {
		set_asked(record, 1);
		wsd_share_ring(record);
	}
	return wsd_sooner(when, now + (listen->failed ? RETRY : LOOK_AGAIN));
}

uint64_t wsd_share_listen_away(const struct wsd_share_record *record, struct wsd_socket *sock,
			       const struct wsd_share_listen *listen)
{
	enum wsd_status status;
	bool asked;

	if (sock->listener == NULL)
		return WSD_FOREVER;
	/* Whose peers have been asked to wait go, whether or not anybody asks for them: they do not wait for ever. */
	asked = listen->keeper && read_gifts(record).asked != 0;
	status = wsd_listener_suspend(sock->listener, asked);
	sock->kick_all = sock->kick_all || asked || status != WSD_AGAIN;
	if (status == WSD_AGAIN)
		return WSD_FOREVER; /* the next one that arrives wakes us */
	if (status != WSD_OK || !put(record, sock))
		return wsd_clock_ns() + RETRY;
	if (asked)
		set_asked(record, 0);
	wsd_share_ring(record);
	return wsd_clock_ns(); /* more may have to */
}

bool wsd_share_listen_lost(const struct wsd_share_record *record)
{
	return read_gifts(record).listens != 0 && !wsd_record_locked(record->record, KEEPER);
}

static void watch(struct wsd_share_listen *listen, uint32_t process)
{
	wsd_share_listen_unwatch(listen);
	listen->process = process;
	listen->locked_until = 0;
	if (process == 0)
		return;
	listen->watch = wsd_process_watch(process);
	listen->watching = listen->watch >= 0;
	if (!listen->watching)
		listen->locked_until = wsd_clock_ns() + LOOK_AGAIN;
}

unsigned wsd_share_listen_watch(const struct wsd_share_record *record,
				struct wsd_share_listen *listen, intptr_t *object, uint64_t *when)
{
	uint32_t process = listen->keeper ? 0 : read_gifts(record).listens;
	uint64_t now;

	if (process == wsd_process_id()) /* which rings */
		process = 0;
	if (process != listen->process)
		watch(listen, process);
	if (listen->watching && wsd_process_ended(listen->watch)) {
		wsd_share_listen_unwatch(listen);
		listen->locked_until = wsd_clock_ns() + LOOK_AGAIN;
	}
	if (listen->locked_until != 0) {
		now = wsd_clock_ns();
		if (now < listen->locked_until)
			*when = wsd_sooner(*when, now + LOCKS_GO);
	}
	*object = listen->watch;
	return listen->watching;
}

void wsd_share_listen_unwatch(struct wsd_share_listen *listen)
{
	if (listen->watching)
		wsd_process_unwatch(listen->watch);
	listen->watching = false;
}

bool wsd_share_listen_alone(const struct wsd_share_record *record, const struct wsd_socket *sock,
			    const struct wsd_share_listen *listen)
{
	struct gifts gifts = read_gifts(record);

	return sock->listener == NULL || (listen->keeper && gifts.begin == gifts.end);
}

/* [lock, dropped meanwhile] */
static void give_all(const struct wsd_share_record *record, struct wsd_socket *sock,
		     uint64_t deadline)
{
	while (wsd_clock_ns() < deadline) {
		enum wsd_status status = wsd_listener_suspend(sock->listener, true);

		sock->kick_all = true;
		if (status == WSD_AGAIN)
			return;
		if (status != WSD_OK || !put(record, sock))
			wsd_socket_own_wait(sock, WSD_CHANGE_ARRIVED, wsd_clock_ns() + RETRY);
	}
}

void wsd_share_listen_part(const struct wsd_share_record *record, struct wsd_socket *sock,
			   struct wsd_share_listen *listen, bool leaving)
{
	if (sock->listener == NULL || (listen->keeper && !leaving))
		return;
	if (leaving)
		wsd_listener_stop(sock->listener);
	sock->kick_all = true;
	give_all(record, sock, wsd_clock_ns() + PART_LIMIT);
	if (!leaving)
		return;
	wsd_socket_stop_listening(sock);
	while (sock->listener != NULL)
		wsd_socket_own_wait(sock, WSD_CHANGE_GONE, wsd_clock_ns() + RETRY);
	wsd_socket_give_port(sock);
	if (listen->keeper)
		unkeep(record, listen);
}
