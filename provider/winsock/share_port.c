// SPDX-License-Identifier: BSD-2-Clause
/*
 * share_port.c - the port of a bound socket that several processes have. Each that has had the socket holds it, so no
 * other program gets it while the socket changes hands, or when one of them dies. Where the system lets nobody bind
 * beside one that is bound, and listen beside one that keeps the port to himself, those without the seat are asked
 * to share theirs meanwhile.
 */
#include "provider/winsock/share.h"

#include "provider/winsock/port.h"
#include "rdma_backend/base/base.h"

#define ROOM_LIMIT (100 * WSD_NS_PER_MS) /* one that has stopped does not answer */
#define STEP	   (1 * WSD_NS_PER_MS)

static void hold(struct wsd_share_record *record, struct wsd_socket *sock, bool shared)
{
	enum wsd_share_port how = shared ? WSD_SHARE_PORT_SHARED : WSD_SHARE_PORT_ALONE;

	if (sock->port == NULL || record->port == how)
		return;
	wsd_port_lend(sock->port, shared);
	record->port = how;
	wsd_share_port_say(record, how);
}

void wsd_share_port_room(struct wsd_share_record *record, struct wsd_socket *sock)
{
	uint64_t until = wsd_clock_ns() + ROOM_LIMIT;

	wsd_share_port_ask(record, true);
	/* Of one that was closed meanwhile the record may be gone. */
	while (!sock->closed && wsd_share_port_kept(record) && wsd_clock_ns() < until) {
		wsd_share_ring(record);
		wsd_socket_own_wait(sock, WSD_CHANGE_SEAT, wsd_clock_ns() + STEP);
	}
}

void wsd_share_port_keep(const struct wsd_share_record *record)
{
	wsd_share_port_ask(record, false);
	wsd_share_ring(record);
}

int wsd_share_port_take(struct wsd_share_record *record, struct wsd_socket *sock)
{
	int error;

	if (sock->port == NULL)
		wsd_share_port_room(record, sock);
	error = wsd_socket_take_port(sock);
	hold(record, sock, false);
	wsd_share_port_ask(record, false);
	return error;
}

void wsd_share_port_part(struct wsd_share_record *record, struct wsd_socket *sock, bool leaving)
{
	if (!wsd_share_unconnected(sock) || sock->state != WSD_SOCK_BOUND)
		return;
	if (!leaving && !wsd_os_port_shares_from_bind()) {
		hold(record, sock, false);
		return;
	}
	wsd_socket_give_port(sock);
	record->port = WSD_SHARE_PORT_NONE;
	wsd_share_port_say(record, record->port);
}

void wsd_share_port_away(struct wsd_share_record *record, struct wsd_socket *sock)
{
	hold(record, sock, wsd_share_port_asked(record));
}
