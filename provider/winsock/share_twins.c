// SPDX-License-Identifier: BSD-2-Clause
/*
 * share_twins.c - the twins that a process keeps of the system's sockets of a shared listener, or of a connection by
 * plain TCP: to give them to others (share_plain.c), and for itself, when it is the one that listens, or has the seat.
 */
#include "provider/winsock/spi_calls.h"

#include <string.h>

#include "provider/transport/os_tcp.h"
#include "provider/winsock/share.h"
#include "rdma_backend/base/base.h"

void wsd_share_plain_init(struct wsd_share_plain *plain)
{
	memset(plain, 0, sizeof(*plain));
	for (unsigned i = 0; i < WSD_LISTENER_ENDS; i++)
		plain->twins[i] = -1;
	wsd_list_init(&plain->waiting);
}

uint8_t wsd_share_twins(const struct wsd_share_plain *plain)
{
	uint8_t all = 0;

	for (unsigned i = 0; i < WSD_LISTENER_ENDS; i++)
		all |= plain->twins[i] >= 0 ? (uint8_t)(1u << i) : 0;
	return all;
}

static void drop_twin(struct wsd_share_plain *plain, unsigned end)
{
	if (plain->twins[end] >= 0)
		wsd_os_tcp_close(plain->twins[end]);
	plain->twins[end] = -1;
}

void wsd_share_twins_drop(struct wsd_share_plain *plain)
{
	for (unsigned i = 0; i < WSD_LISTENER_ENDS; i++)
		drop_twin(plain, i);
}

uint32_t wsd_share_number(const struct wsd_share_record *record)
{
	uint32_t number = 0;

	if (!wsd_record_read(record->record, WSD_SHARE_NUMBER, &number, sizeof(number)))
		return 0;
	return number;
}

/* --- the listener --- */

/* One that another process has had: whatever it is, it listens where it should. */
static void adopt(struct wsd_socket *sock, struct wsd_share_plain *plain, unsigned end,
		  struct wsd_listener_end *with)
{
	if (!wsd_os_pass_listens(plain->twins[end], &with->local)) {
		wsd_log(WSD_LOG_WARNING, "plain", "was given a wrong socket for port %u",
			with->local.port);
		drop_twin(plain, end);
		return;
	}
	if (!wsd_socket_serves_plain(&with->local) ||
	    wsd_os_pass_twin(plain->twins[end], &with->socket) != WSD_OK)
		return;
	if (wsd_listener_adopt(sock->listener, end, with) == WSD_OK)
		sock->kick_all = true;
}

static enum wsd_status twin_of(intptr_t system, struct wsd_share_plain *plain, unsigned end)
{
	enum wsd_status status;

	if (system < 0 || plain->twins[end] >= 0)
		return WSD_OK;
	status = wsd_os_pass_twin(system, &plain->twins[end]);
	if (status != WSD_OK)
		plain->twins[end] = -1;
	return status;
}

/* What the listener has and we have not, and the other way round. */
static enum wsd_status match(struct wsd_socket *sock, struct wsd_share_plain *plain)
{
	struct wsd_listener_end ends[WSD_LISTENER_ENDS];
	unsigned count = wsd_socket_ends(sock, ends);
	enum wsd_status status = WSD_OK, found;

	wsd_listener_share(sock->listener);
	for (unsigned i = 0; i < count; i++) {
		intptr_t system = wsd_listener_system(sock->listener, i);

		if (system < 0 && plain->twins[i] >= 0 && !sock->closed)
			adopt(sock, plain, i, &ends[i]);
		found = twin_of(system, plain, i);
		status = found != WSD_OK ? found : status;
	}
	return status;
}

/* Of a connection there is one; of the next one of its socket it is the other end's. */
static unsigned end_of(const struct wsd_share_plain *plain)
{
	return plain->number % WSD_LISTENER_ENDS;
}

/* The connection has ended, and the socket is of use again: a twin would keep what is left of it alive. The others drop
 * theirs when they see the number; none of them is given any more. */
static enum wsd_status next_number(const struct wsd_share_record *record,
				   struct wsd_share_plain *plain)
{
	uint32_t number = plain->number + 1;
	bool written;

	if (!wsd_share_lock_soon(record, WSD_SHARE_GIVING))
		return WSD_AGAIN;
	written = wsd_record_write(record->record, WSD_SHARE_NUMBER, &number, sizeof(number));
	wsd_record_unlock(record->record, WSD_SHARE_GIVING);
	if (!written)
		return WSD_AGAIN;
	wsd_share_twins_drop(plain);
	plain->number = number;
	return WSD_OK;
}

static enum wsd_status match_stream(const struct wsd_share_record *record, struct wsd_socket *sock,
				    struct wsd_share_plain *plain)
{
	intptr_t system = wsd_stream_system(sock->stream);
	enum wsd_status status = WSD_OK;

	if (system < 0 || wsd_stream_can_move(sock->stream))
		return WSD_OK;
	if (plain->twins[end_of(plain)] >= 0) /* of the one before */
		status = next_number(record, plain);
	if (status == WSD_OK)
		status = twin_of(system, plain, end_of(plain));
	if (status == WSD_OK)
		wsd_stream_share(sock->stream);
	return status;
}

enum wsd_status wsd_share_plain_match(const struct wsd_share_record *record,
				      struct wsd_socket *sock, struct wsd_share_plain *plain)
{
	if (sock->listener != NULL)
		return match(sock, plain);
	if (sock->stream != NULL)
		return match_stream(record, sock, plain);
	if (!sock->away && !sock->closed && wsd_share_twins(plain) != 0 &&
	    wsd_share_unconnected(sock))
		return next_number(record, plain);
	return WSD_OK;
}

intptr_t wsd_share_plain_system(const struct wsd_share_plain *plain)
{
	if (plain->twins[end_of(plain)] >= 0)
		return plain->twins[end_of(plain)];
	return plain->since != 0 ? WSD_SHARE_SYSTEM_COMES : WSD_SHARE_NO_SYSTEM;
}

void wsd_share_plain_reset(struct wsd_share_plain *plain)
{
	if (plain->twins[end_of(plain)] >= 0)
		wsd_os_tcp_reset(plain->twins[end_of(plain)]);
	drop_twin(plain, end_of(plain));
}
