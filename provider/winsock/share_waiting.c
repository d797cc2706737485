// SPDX-License-Identifier: BSD-2-Clause
/*
 * share_waiting.c - connections that one process has taken from the system's sockets of a shared listener, and nobody
 * has accepted: from the time before it was shared, or for a wait that has ended. Who has the seat and nothing
 * to accept, or sees that the one who has them leaves, asks for them, one at a time (share_plain.c).
 *
 * They stay in the queue of the process that took them until they are asked for. Those of one that closes its
 * descriptor stand here, and so does what comes to one that has lost the seat since it asked.
 */
#include "provider/winsock/share.h"
#include "provider/winsock/spi_calls.h"

#include "provider/transport/os_tcp.h"
#include "rdma_backend/base/base.h"

#define COLLECT_LIMIT (2000 * WSD_NS_PER_MS) /* there are no descriptors */
#define RETRY	      (20 * WSD_NS_PER_MS)

static struct wsd_share_waiting *first(const struct wsd_share_plain *plain)
{
	return wsd_container(plain->waiting.next, struct wsd_share_waiting, link);
}

void wsd_share_waiting_drop(struct wsd_share_waiting *waiting)
{
	wsd_list_remove(&waiting->link);
	wsd_os_tcp_close(waiting->socket);
	wsd_free(waiting);
}

void wsd_share_waiting_keep(struct wsd_share_plain *plain, const struct wsd_stream_image *image,
			    intptr_t socket)
{
	struct wsd_share_waiting *waiting = wsd_alloc(sizeof(*waiting));

	if (waiting == NULL) {
		wsd_os_tcp_reset(socket);
		wsd_os_tcp_close(socket);
		return;
	}
	waiting->image = *image;
	waiting->socket = socket;
	wsd_list_append(&plain->waiting, &waiting->link);
}

/* Is it what this listener could have taken? Whether the socket is what the image says is looked at later. */
static bool is_ours(const struct wsd_socket *sock, const struct wsd_stream_image *image)
{
	return wsd_share_family(sock->family, &image->local) &&
	       image->remote.family == image->local.family && image->local.port == sock->local.port;
}

void wsd_share_waiting_settle(struct wsd_share_plain *plain, struct wsd_socket *sock)
{
	if (sock->listener == NULL || sock->closed || sock->away)
		return;
	while (!wsd_list_empty(&plain->waiting)) {
		struct wsd_share_waiting *waiting = first(plain);
		enum wsd_status status;

		if (!is_ours(sock, &waiting->image)) {
			wsd_share_waiting_drop(waiting);
			continue;
		}
		status = wsd_listener_receive(sock->listener, &waiting->image, waiting->socket);
		if (status != WSD_OK)
			wsd_log(WSD_LOG_WARNING, "plain",
				"a connection of a shared listener is lost: %s",
				wsd_status_text(status));
		wsd_list_remove(&waiting->link);
		wsd_free(waiting);
		sock->kick_all = true;
	}
}

/* Out of the queue. WSD_AGAIN: there is no more. */
static enum wsd_status take_out(struct wsd_share_plain *plain, struct wsd_socket *sock)
{
	struct wsd_share_waiting *waiting;
	enum wsd_status status;

	if (sock->listener == NULL || wsd_listener_plain_count(sock->listener) == 0)
		return WSD_AGAIN;
	waiting = wsd_alloc(sizeof(*waiting));
	if (waiting == NULL)
		return WSD_ENOMEM;
	status = wsd_listener_release(sock->listener, &waiting->image, &waiting->socket);
	sock->kick_all = true;
	if (status == WSD_OK)
		wsd_list_append(&plain->waiting, &waiting->link);
	else
		wsd_free(waiting);
	return status;
}

void wsd_share_waiting_collect(struct wsd_share_plain *plain, struct wsd_socket *sock)
{
	uint64_t until = wsd_clock_ns() + COLLECT_LIMIT;
	enum wsd_status status;

	while ((status = take_out(plain, sock)) != WSD_AGAIN && wsd_clock_ns() < until)
		if (status != WSD_OK)
			wsd_socket_own_wait(sock, WSD_CHANGE_GONE, wsd_clock_ns() + RETRY);
}

bool wsd_share_waiting_some(const struct wsd_share_plain *plain, const struct wsd_socket *sock)
{
	if (!sock->away && !sock->closed)
		return false;
	return !wsd_list_empty(&plain->waiting) ||
	       (sock->listener != NULL && wsd_listener_plain_count(sock->listener) > 0);
}

struct wsd_share_waiting *wsd_share_waiting_next(struct wsd_share_plain *plain,
						 struct wsd_socket *sock)
{
	if (!wsd_share_waiting_some(plain, sock))
		return NULL;
	if (wsd_list_empty(&plain->waiting) && take_out(plain, sock) != WSD_OK)
		return NULL;
	return first(plain);
}

void wsd_share_waiting_close(struct wsd_share_plain *plain)
{
	while (!wsd_list_empty(&plain->waiting)) {
		wsd_os_tcp_reset(first(plain)->socket);
		wsd_share_waiting_drop(first(plain));
	}
}
