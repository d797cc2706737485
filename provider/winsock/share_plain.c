// SPDX-License-Identifier: BSD-2-Clause
/*
 * share_plain.c - the system's sockets of a listener, or of a connection by plain TCP, that several processes have
 * (transport/os_pass.h). Each process gets them, and keeps a twin of each: to give it to others, and for itself,
 * when it is the one that listens, or has the seat. So the port stays open as long as anybody has the listener, and
 * the connection as long as its socket is anybody's.
 *
 * The record says who has which and who lacks some. Any that has it gives it; one at a time does, under a lock. In the
 * same way a connection that waits goes to the one that accepts (share_waiting.c), and is there no more where it was.
 */
#include "provider/winsock/spi_calls.h"

#include <string.h>

#include "provider/transport/os_tcp.h"
#include "provider/transport/plain.h"
#include "provider/winsock/share.h"
#include "rdma_backend/base/base.h"

#define RETRY	 (20 * WSD_NS_PER_MS)
#define PATIENCE (500 * WSD_NS_PER_MS) /* of who has to listen, and would have to bind the port */
#define ASK_AGAIN \
	(1000 * WSD_NS_PER_MS) /* who was to give it may have died, or it was a wrong one */
#define FILES 4u	       /* that a connection needs here, and its way */

_Static_assert(WSD_SHARE_LETTERS + WSD_SHARE_MEMBERS * WSD_SHARE_SOCKETS * WSD_OS_PASS_LETTER <=
			       WSD_SHARE_IMAGES &&
		       WSD_SHARE_IMAGES + WSD_SHARE_MEMBERS * WSD_SHARE_IMAGE <=
			       WSD_SHARE_PAYLOAD &&
		       sizeof(struct wsd_stream_image) <= WSD_SHARE_IMAGE,
	       "nothing of a record lies above something else");

static uint8_t bit(unsigned end)
{
	return (uint8_t)(1u << end);
}

static void close_box(struct wsd_share_plain *plain)
{
	if (plain->box_open)
		wsd_os_pass_close(plain->box);
	plain->box_open = false;
	memset(plain->box_name, 0, sizeof(plain->box_name));
}

/* --- what is missing --- */

static uint64_t letter_at(unsigned slot, unsigned end)
{
	return WSD_SHARE_LETTERS +
	       ((uint64_t)(slot - 1) * WSD_SHARE_SOCKETS + end) * WSD_OS_PASS_LETTER;
}

static uint64_t image_at(unsigned slot)
{
	return WSD_SHARE_IMAGES + (uint64_t)(slot - 1) * WSD_SHARE_IMAGE;
}

/* Its image was there before it. */
static void keep_connection(const struct wsd_share_record *record, struct wsd_share_plain *plain,
			    intptr_t socket)
{
	struct wsd_stream_image image;

	plain->asked &= (uint8_t)~bit(WSD_SHARE_WAITING);
	if (wsd_record_read(record->record, image_at(record->slot), &image, sizeof(image)))
		wsd_share_waiting_keep(plain, &image, socket);
	else
		wsd_os_tcp_close(socket);
}

/* asked: for what, before the letters were opened. */
static void keep(const struct wsd_share_record *record, struct wsd_share_plain *plain,
		 uint8_t asked, uint8_t end, intptr_t socket)
{
	if (end < WSD_LISTENER_ENDS && plain->twins[end] < 0)
		plain->twins[end] = socket;
	else if (end == WSD_SHARE_WAITING && (asked & bit(end)) != 0)
		keep_connection(record, plain, socket);
	else
		wsd_os_tcp_close(socket);
}

/* Those that the others have given; each letter is opened once. */
static void take_letters(const struct wsd_share_record *record, struct wsd_share_plain *plain)
{
	uint8_t given = plain->asked & (uint8_t)~wsd_share_lacks(record, record->slot);

	for (uint8_t i = 0; i < WSD_SHARE_SOCKETS; i++) {
		uint8_t letter[WSD_OS_PASS_LETTER + 1], end = i;
		intptr_t socket;

		if ((given & bit(i)) == 0)
			continue;
		plain->asked &= (uint8_t)~bit(i);
		if (wsd_record_read(record->record, letter_at(record->slot, i), letter,
				    WSD_OS_PASS_LETTER) &&
		    wsd_os_pass_take(plain->box, letter, &end, &socket) == WSD_OK)
			keep(record, plain, given, i, socket);
	}
}

static void take(const struct wsd_share_record *record, struct wsd_share_plain *plain)
{
	intptr_t socket;
	uint8_t end;

	if (!plain->box_open)
		return;
	if (WSD_OS_PASS_LETTER > 0) {
		take_letters(record, plain);
		return;
	}
	while (wsd_os_pass_take(plain->box, NULL, &end, &socket) == WSD_OK)
		keep(record, plain, plain->asked, end, socket);
}

/* What was given before that is here. */
static void follow_number(const struct wsd_share_record *record, struct wsd_share_plain *plain)
{
	uint32_t number = wsd_share_number(record);

	take(record, plain);
	if (number == plain->number)
		return;
	wsd_share_twins_drop(plain);
	plain->number = number;
}

/* What others have, and we have not. */
static uint8_t missing_of(const struct wsd_share_record *record,
			  const struct wsd_share_holder *holders, uint8_t ours)
{
	const uint8_t all = (1u << WSD_LISTENER_ENDS) - 1;
	uint8_t missing = 0;

	for (unsigned i = 0; i < WSD_SHARE_MEMBERS; i++)
		if ((holders[i].has & all & (uint8_t) ~(ours | missing)) != 0 &&
		    wsd_share_lives(record, i + 1))
			missing |= holders[i].has & all & (uint8_t)~ours;
	return missing;
}

/* Who has the seat wants a connection when it has none, or when the one that has it leaves. */
static bool wants_waiting(const struct wsd_share_record *record, const struct wsd_socket *sock,
			  const struct wsd_share_holder *holders)
{
	if (sock->listener == NULL || sock->away || sock->closed || !wsd_files_free(FILES))
		return false;
	for (unsigned i = 0; i < WSD_SHARE_MEMBERS; i++)
		if ((holders[i].has & bit(WSD_SHARE_WAITING)) != 0 &&
		    (holders[i].gone || wsd_listener_idle(sock->listener)) &&
		    wsd_share_lives(record, i + 1))
			return true;
	return false;
}

/* What is given is taken before it is said that nothing lacks, and the box is closed after it. False: try again. */
static bool ask(const struct wsd_share_record *record, struct wsd_share_plain *plain, uint8_t said,
		uint8_t missing)
{
	struct wsd_share_holder own = { .has = said, .lacks = missing };
	const struct wsd_list *newest = plain->waiting.prev;
	uint8_t before = wsd_share_twins(plain);
	bool same;

	if (missing != 0 && !plain->box_open) {
		if (wsd_os_pass_open(&plain->box, plain->box_name) != WSD_OK)
			return false;
		plain->box_open = true;
	}
	if (!wsd_record_lock(record->record, WSD_SHARE_GIVING))
		return false;
	take(record, plain);
	same = wsd_share_twins(plain) == before && plain->waiting.prev == newest;
	if (missing != 0)
		memcpy(own.box, plain->box_name, sizeof(own.box));
	if (same)
		wsd_share_holder_say(record, &own);
	wsd_record_unlock(record->record, WSD_SHARE_GIVING);
	if (!same)
		return false;
	plain->said = said;
	plain->asked = missing;
	plain->again = wsd_clock_ns() + ASK_AGAIN;
	wsd_share_ring(record);
	return true;
}

/* Tell the others what has changed. */
static uint64_t say(const struct wsd_share_record *record, const struct wsd_socket *sock,
		    struct wsd_share_plain *plain, const struct wsd_share_holder *holders)
{
	uint64_t now = wsd_clock_ns();
	uint8_t ours = wsd_share_twins(plain), missing = 0, said = ours;

	if (wsd_share_waiting_some(plain, sock))
		said |= bit(WSD_SHARE_WAITING);
	if (sock->closed || wsd_engine_plain() == NULL)
		said |= WSD_SHARE_NEEDS_NONE;
	else
		missing = missing_of(record, holders, ours);
	if (missing == 0)
		plain->since = 0;
	else if (plain->since == 0)
		plain->since = now;
	if ((said & WSD_SHARE_NEEDS_NONE) == 0 && wants_waiting(record, sock, holders))
		missing |= bit(WSD_SHARE_WAITING);
	if ((said != plain->said || (missing & (uint8_t)~plain->asked) != 0 ||
	     (missing == 0 && plain->asked != 0) || (missing != 0 && now >= plain->again)) &&
	    !ask(record, plain, said, missing))
		return now + RETRY;
	if (missing == 0)
		close_box(plain);
	return missing != 0 ? plain->again : WSD_FOREVER;
}

bool wsd_share_plain_is_known(const struct wsd_share_plain *plain)
{
	return (wsd_share_twins(plain) & (uint8_t)~plain->said) == 0;
}

bool wsd_share_plain_comes(const struct wsd_share_plain *plain)
{
	return plain->since != 0 && wsd_clock_ns() < plain->since + PATIENCE;
}

/* What is given from here on would be nobody's. */
void wsd_share_plain_close(const struct wsd_share_record *record, struct wsd_share_plain *plain)
{
	if (plain->asked != 0 && record->slot != 0 &&
	    wsd_share_lock_soon(record, WSD_SHARE_GIVING)) {
		take(record, plain);
		wsd_share_set_lacks(record, record->slot, 0);
		wsd_record_unlock(record->record, WSD_SHARE_GIVING);
		plain->asked = 0;
	}
	wsd_share_twins_drop(plain);
	wsd_share_waiting_close(plain);
	close_box(plain);
}

/* --- what others lack --- */

/* [WSD_SHARE_GIVING] False: his box is full. */
static bool give_one(const struct wsd_share_record *record, const struct wsd_share_plain *plain,
		     unsigned slot, const struct wsd_share_holder *holder, unsigned end)
{
	uint8_t letter[WSD_OS_PASS_LETTER + 1];
	enum wsd_status status = wsd_os_pass_give(plain->twins[end], (uint8_t)end, holder->box,
						  holder->process, letter);

	if (status == WSD_AGAIN)
		return false;
	if (status == WSD_OK)
		(void)wsd_record_write(record->record, letter_at(slot, end), letter,
				       WSD_OS_PASS_LETTER);
	wsd_share_set_lacks(record, slot, wsd_share_lacks(record, slot) & (uint8_t)~bit(end));
	return true;
}

/* [WSD_SHARE_GIVING] The same of a connection: it is the other's, and ours no more. */
static bool give_waiting(const struct wsd_share_record *record, struct wsd_socket *sock,
			 struct wsd_share_plain *plain, unsigned slot,
			 const struct wsd_share_holder *holder)
{
	struct wsd_share_waiting *waiting = wsd_share_waiting_next(plain, sock);
	uint8_t letter[WSD_OS_PASS_LETTER + 1];

	if (waiting == NULL ||
	    !wsd_record_write(record->record, image_at(slot), &waiting->image,
			      sizeof(waiting->image)) ||
	    wsd_os_pass_give(waiting->socket, WSD_SHARE_WAITING, holder->box, holder->process,
			     letter) != WSD_OK)
		return false;
	/* Where there are letters the connection is in it. */
	if (!wsd_record_write(record->record, letter_at(slot, WSD_SHARE_WAITING), letter,
			      WSD_OS_PASS_LETTER))
		return false;
	wsd_share_set_lacks(record, slot,
			    wsd_share_lacks(record, slot) & (uint8_t)~bit(WSD_SHARE_WAITING));
	wsd_share_waiting_drop(waiting);
	return true;
}

static uint64_t give(const struct wsd_share_record *record, struct wsd_socket *sock,
		     struct wsd_share_plain *plain, const struct wsd_share_holder *holders)
{
	uint64_t when = WSD_FOREVER;
	uint8_t ours = wsd_share_twins(plain);
	bool given = false;

	if (wsd_share_waiting_some(plain, sock))
		ours |= bit(WSD_SHARE_WAITING);
	for (unsigned slot = 1; slot <= WSD_SHARE_MEMBERS; slot++) {
		struct wsd_share_holder holder;

		if ((holders[slot - 1].lacks & ours) == 0 || !wsd_share_lives(record, slot))
			continue;
		if (!wsd_record_lock(record->record, WSD_SHARE_GIVING))
			return wsd_clock_ns() + RETRY;
		wsd_share_holder(record, slot, &holder); /* he may have another box by now */
		if (wsd_share_number(record) !=
		    plain->number) { /* of a connection that has ended */
			holder.lacks = 0;
			when = wsd_clock_ns();
		}
		for (unsigned i = 0; i < WSD_SHARE_SOCKETS; i++) {
			if ((holder.lacks & ours & bit(i)) == 0)
				continue;
			if (i == WSD_SHARE_WAITING
				    ? give_waiting(record, sock, plain, slot, &holder)
				    : give_one(record, plain, slot, &holder, i))
				given = true;
			else
				when = wsd_clock_ns() + RETRY;
		}
		wsd_record_unlock(record->record, WSD_SHARE_GIVING);
	}
	if (given)
		wsd_share_ring(record);
	return when;
}

bool wsd_share_plain_owed(struct wsd_share_record *record, const struct wsd_share_plain *plain)
{
	struct wsd_share_holder holders[WSD_SHARE_MEMBERS];
	bool waits = !wsd_list_empty(&plain->waiting);
	uint8_t ours = wsd_share_twins(plain);

	if ((plain->asked & bit(WSD_SHARE_WAITING)) != 0) /* it may have been given */
		return true;
	if (ours == 0 && !waits)
		return false;
	if (wsd_share_coming(record)) /* before the members: he becomes one first */
		return true;
	wsd_share_holders(record, holders);
	for (unsigned i = 0; i < WSD_SHARE_MEMBERS; i++)
		if (holders[i].process != 0 && !holders[i].gone &&
		    (holders[i].has & WSD_SHARE_NEEDS_NONE) == 0 &&
		    ((ours & (uint8_t)~holders[i].has) != 0 || waits) &&
		    wsd_share_lives(record, i + 1))
			return true;
	return false;
}

bool wsd_share_plain_waits(const struct wsd_share_record *record)
{
	struct wsd_share_holder holders[WSD_SHARE_MEMBERS];

	wsd_share_holders(record, holders);
	for (unsigned i = 0; i < WSD_SHARE_MEMBERS; i++)
		if ((holders[i].has & bit(WSD_SHARE_WAITING)) != 0 &&
		    wsd_share_lives(record, i + 1))
			return true;
	return false;
}

uint64_t wsd_share_plain_look(const struct wsd_share_record *record, struct wsd_socket *sock,
			      struct wsd_share_plain *plain)
{
	struct wsd_share_holder holders[WSD_SHARE_MEMBERS];
	uint64_t asks, gives;

	follow_number(record, plain);
	wsd_share_waiting_settle(plain, sock);
	(void)wsd_share_plain_match(record, sock, plain); /* a later look has more */
	wsd_share_holders(record, holders);
	asks = say(record, sock, plain, holders);
	gives = give(record, sock, plain, holders);
	return wsd_sooner(asks, gives);
}
