// SPDX-License-Identifier: BSD-2-Clause
/*
 * urgent.c - out-of-band data: bytes with a mark, which the reader fetches out of turn, or meets in line.
 *
 * There is room for WSD_URGENT_MAX marks, and the peer sends no more before it was told that some are done
 * with. In line the bytes belong to the stream, so none may get lost: a reader that does not read holds the
 * sender up, as a full window does. Out of line nobody need ever fetch them, and a sender must not
 * wait for that: the oldest one goes when the room is full.
 */
#include "provider/session/internal.h"

#include <string.h>

/* The room that the peer must take for used: it has not heard of every mark that is done with. */
static unsigned believed(const struct wsd_rx *rx)
{
	return rx->urgent_count + (uint8_t)(rx->urgent_done - rx->urgent_told);
}

/* It takes all room for used, and some is not: it may be waiting to hear that. */
static void tell_room(struct wsd_stream *s)
{
	if (believed(&s->rx) == WSD_URGENT_MAX && s->rx.urgent_done != s->rx.urgent_told)
		wsd_tx_want(s, WSD_SEND_CREDIT);
}

static void drop_oldest(struct wsd_stream *s)
{
	struct wsd_rx *rx = &s->rx;

	rx->urgent_done++;
	rx->urgent_count--;
	rx->urgent_taken -= rx->urgent_taken > 0;
	memmove(rx->urgent_marks, rx->urgent_marks + 1,
		rx->urgent_count * sizeof(rx->urgent_marks[0]));
	memmove(rx->urgent_bytes, rx->urgent_bytes + 1, rx->urgent_count);
	tell_room(s);
}

void wsd_urgent_settle(struct wsd_stream *s)
{
	struct wsd_rx *rx = &s->rx;

	while (rx->urgent_count == WSD_URGENT_MAX) {
		if (rx->urgent_taken == 0 && rx->urgent_inline)
			break;
		if (rx->urgent_taken == 0)
			wsd_count(wsd_counter("session", "urgent_dropped",
					      "urgent bytes that nobody fetched in time"),
				  1);
		drop_oldest(s);
	}
	if (s->tx.pending & WSD_SEND_CREDIT)
		wsd_tx_progress(s);
}

void wsd_urgent_arrived(struct wsd_stream *s, const struct wsd_header *header,
			const uint8_t *payload)
{
	struct wsd_rx *rx = &s->rx;

	if (header->length != 1 || header->position != rx->produced ||
	    believed(rx) >= WSD_URGENT_MAX) {
		wsd_stream_violation(s, "bad urgent mark");
		return;
	}
	rx->urgent_marks[rx->urgent_count] = header->position;
	rx->urgent_bytes[rx->urgent_count++] = payload[0];
	s->changes |= rx->urgent_inline ? WSD_CHANGE_READABLE : WSD_CHANGE_URGENT;
	tell_room(s); /* it may have been the last for which the peer knew of room */
}

/* Is there a byte that nobody has fetched? The oldest is number urgent_taken. */
static bool any_unread(const struct wsd_rx *rx)
{
	return rx->urgent_taken < rx->urgent_count;
}

/* The mark of a byte that was fetched stays until the reader has gone across. */
void wsd_urgent_passed(struct wsd_stream *s)
{
	while (s->rx.urgent_taken > 0 && s->rx.urgent_marks[0] < s->rx.read)
		drop_oldest(s);
}

void wsd_urgent_read(struct wsd_stream *s, bool peek, uint8_t *byte)
{
	*byte = s->rx.urgent_bytes[s->rx.urgent_taken];
	if (peek)
		return;
	s->rx.urgent_taken++;
	wsd_urgent_passed(s);
	wsd_urgent_settle(s);
}

bool wsd_urgent_inline_next(const struct wsd_rx *rx)
{
	return rx->urgent_inline && any_unread(rx) &&
	       rx->urgent_marks[rx->urgent_taken] == rx->read;
}

enum wsd_status wsd_message_read_urgent(struct wsd_stream *s, bool peek, uint8_t *byte)
{
	if (s->rx.urgent_inline)
		return WSD_EINVAL;
	if (!any_unread(&s->rx)) {
		enum wsd_status status = wsd_rx_nothing(s);

		return status == WSD_EOF || status < 0 ? status : WSD_AGAIN;
	}
	wsd_urgent_read(s, peek, byte);
	return WSD_OK;
}

void wsd_message_set_urgent_inline(struct wsd_stream *s, bool inline_mode)
{
	s->rx.urgent_inline = inline_mode;
	/* One that the reader has passed has no place in the stream any more. */
	while (inline_mode && s->rx.urgent_count > 0 && s->rx.urgent_marks[0] < s->rx.read)
		drop_oldest(s);
	wsd_urgent_settle(s);
}

bool wsd_message_urgent_pending(const struct wsd_stream *s)
{
	return any_unread(&s->rx) && !s->rx.urgent_inline;
}

bool wsd_message_at_mark(const struct wsd_stream *s)
{
	for (unsigned i = 0; i < s->rx.urgent_count; i++)
		if (s->rx.urgent_marks[i] >= s->rx.read)
			return s->rx.urgent_marks[i] == s->rx.read;
	return true; /* no normal data stands before urgent data */
}

bool wsd_message_mark_here(const struct wsd_stream *s)
{
	return s->rx.urgent_count > 0 && s->rx.urgent_marks[0] == s->rx.read;
}

/* --- sending --- */

/* Marks that the peer has no room for, before it tells of some that are done with. */
static uint8_t urgent_open(const struct wsd_tx *tx)
{
	return (uint8_t)(tx->urgent_sent - tx->urgent_done);
}

void wsd_urgent_told(struct wsd_stream *s, uint8_t done)
{
	struct wsd_tx *tx = &s->tx;

	if ((uint8_t)(done - tx->urgent_done) > urgent_open(tx)) {
		wsd_stream_violation(s, "absurd count of urgent marks");
		return;
	}
	tx->urgent_waits = tx->urgent_waits && done == tx->urgent_done;
	tx->urgent_done = done;
}

enum wsd_status wsd_message_write_urgent(struct wsd_stream *s, uint8_t byte)
{
	struct wsd_header header = { .type = WSD_MSG_URGENT, .position = s->tx.position };
	enum wsd_status status;

	if (s->state != WSD_STREAM_OPEN || s->disconnected)
		return s->state == WSD_STREAM_RESET ? s->error : WSD_ERESET;
	if (s->tx.fin)
		return WSD_ESTATE;
	s->tx.urgent_waits = urgent_open(&s->tx) == WSD_URGENT_MAX;
	if (!wsd_tx_room(s) || wsd_tx_announce(s) != WSD_OK)
		status = WSD_AGAIN;
	else
		status = wsd_tx_message(s, &header, &byte, 1, WSD_RESERVE_DATA);
	if (status == WSD_OK)
		s->tx.urgent_sent++;
	else
		s->tx.blocked = true;
	return status == WSD_OK ? WSD_OK : WSD_AGAIN;
}
