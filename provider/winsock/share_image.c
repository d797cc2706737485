// SPDX-License-Identifier: BSD-2-Clause
/*
 * share_image.c - a socket as bytes, on its way from one process to the next: its options and state, its stream
 * if it has one, and what was not read. The next process checks every value: a lie costs it the connection, and
 * no more.
 */
#include "provider/session/wire.h"
#include "provider/winsock/share.h"
#include "provider/winsock/spi_calls.h"

#include <string.h>

#include "rdma_backend/base/base.h"

enum phase { PHASE_CONNECTED, PHASE_NEW, PHASE_BOUND, PHASE_LISTENING, PHASES };

/* The same in processes of 32 and of 64 bits. Of what is true or false there is a bit. */
struct socket_image {
	uint32_t selector; /* member whose WSPEventSelect was the last one */
	uint32_t flags;
	int32_t error, broken_error;
	uint64_t connected_at;
	struct wsd_addr local, remote;
	uint32_t linger_seconds, receive_buffer, send_buffer, receive_timeout, send_timeout;
	uint32_t keep_idle, keep_interval, keep_count, zcopy_min;
	int32_t group_priority;
	uint32_t phase, backlog, traffic_class; /* the hops in the second byte */
	uint8_t qos[16];			/* as in a message: what was asked for */
};

struct image {
	struct socket_image socket;
	struct wsd_stream_image stream;
};

#define OPTIONS(X)                        \
	X(0, options.debug)               \
	X(1, options.reuse)               \
	X(2, options.exclusive)           \
	X(3, options.keepalive)           \
	X(4, options.dontroute)           \
	X(5, options.broadcast)           \
	X(6, options.oob_inline)          \
	X(7, options.linger_on)           \
	X(8, options.conditional)         \
	X(9, options.nodelay)             \
	X(10, options.expedited)          \
	X(11, options.v6only)             \
	X(12, options.receive_buffer_set) \
	X(13, nonblocking)                \
	X(14, accepted)                   \
	X(15, send_shut)                  \
	X(16, receive_shut)               \
	X(17, reused)                     \
	X(18, bound)

static void save_socket(const struct wsd_socket *sock, struct socket_image *image)
{
	const struct wsd_socket_options *o = &sock->options;

#define SAVE(bit, field) image->flags |= sock->field ? 1u << (bit) : 0;
	OPTIONS(SAVE)
#undef SAVE
	image->error = sock->error;
	image->broken_error = sock->broken_error;
	image->connected_at = sock->connected_at;
	image->local = sock->local;
	image->remote = sock->remote;
	image->linger_seconds = o->linger_seconds;
	image->receive_buffer = o->receive_buffer;
	image->send_buffer = o->send_buffer;
	image->receive_timeout = o->receive_timeout;
	image->send_timeout = o->send_timeout;
	image->keep_idle = o->keep_idle;
	image->keep_interval = o->keep_interval;
	image->keep_count = o->keep_count;
	image->zcopy_min = o->zcopy_min;
	image->group_priority = o->group_priority;
	image->backlog = sock->backlog;
	image->traffic_class = o->traffic_class | (uint32_t)o->hops << 8;
	wsd_qos_encode(image->qos, &o->qos);
}

static void load_socket(struct wsd_socket *sock, const struct socket_image *image)
{
	struct wsd_socket_options *o = &sock->options;

#define LOAD(bit, field) sock->field = (image->flags & 1u << (bit)) != 0;
	OPTIONS(LOAD)
#undef LOAD
	sock->error = image->error;
	sock->broken_error = image->broken_error;
	sock->connected_at = image->connected_at;
	sock->local = image->local;
	sock->remote = image->remote;
	o->linger_seconds = (uint16_t)image->linger_seconds;
	o->receive_buffer = image->receive_buffer;
	o->send_buffer = image->send_buffer;
	o->receive_timeout = image->receive_timeout;
	o->send_timeout = image->send_timeout;
	o->keep_idle = image->keep_idle;
	o->keep_interval = image->keep_interval;
	o->keep_count = image->keep_count;
	o->zcopy_min = image->zcopy_min;
	o->group_priority = image->group_priority;
	sock->backlog = image->backlog;
	o->traffic_class = (uint8_t)image->traffic_class;
	o->hops = (uint8_t)(image->traffic_class >> 8);
	(void)wsd_qos_decode(image->qos, sizeof(image->qos), &o->qos);
}

static enum phase phase_of(const struct wsd_socket *sock)
{
	switch (sock->state) {
	case WSD_SOCK_NEW:
		return PHASE_NEW;
	case WSD_SOCK_BOUND:
		return PHASE_BOUND;
	case WSD_SOCK_LISTENING:
		return PHASE_LISTENING;
	case WSD_SOCK_CONNECTING:
	case WSD_SOCK_CONNECTED:
	case WSD_SOCK_BROKEN:
	case WSD_SOCK_CLOSED:
	case WSD_SOCK_STATES:
		break;
	}
	return PHASE_CONNECTED;
}

bool wsd_share_unconnected(const struct wsd_socket *sock)
{
	return sock->stream == NULL && phase_of(sock) != PHASE_CONNECTED;
}

static void save(const struct wsd_socket *sock, uint32_t selector, enum phase phase,
		 struct image *image)
{
	memset(image, 0, sizeof(*image));
	save_socket(sock, &image->socket);
	image->socket.selector = selector;
	image->socket.phase = phase;
}

static bool write_unconnected(struct wsd_share_record *share, struct wsd_socket *sock,
			      uint32_t selector, enum wsd_share_state state)
{
	struct image image;

	save(sock, selector, phase_of(sock), &image);
	return wsd_record_write(share->record, WSD_SHARE_PAYLOAD, &image, sizeof(image)) &&
	       wsd_share_set_state(share, state, (uint32_t)sizeof(image));
}

void wsd_share_remember(struct wsd_share_record *share, struct wsd_socket *sock, uint32_t selector)
{
	if (!wsd_share_unconnected(sock) ||
	    !write_unconnected(share, sock, selector, WSD_SHARE_HELD))
		(void)wsd_share_set_state(share, WSD_SHARE_HELD, 0);
}

bool wsd_share_park(struct wsd_share_record *share, struct wsd_socket *sock, uint32_t selector)
{
	struct image image;
	uint8_t *unread = NULL;
	bool written;

	if (wsd_share_unconnected(sock))
		return write_unconnected(share, sock, selector, WSD_SHARE_PARKED);
	save(sock, selector, PHASE_CONNECTED, &image);
	if (sock->stream != NULL) {
		uint32_t bytes = wsd_stream_unread(sock->stream);

		unread = wsd_alloc(bytes + 1);
		if (unread == NULL)
			return false;
		wsd_stream_export(sock->stream, &image.stream, unread);
	} else {
		image.stream.error = (int32_t)WSD_ERESET;
		image.stream.local = sock->local;
		image.stream.remote = sock->remote;
	}
	written = wsd_record_write(share->record, WSD_SHARE_PAYLOAD, &image, sizeof(image)) &&
		  wsd_record_write(share->record, WSD_SHARE_PAYLOAD + sizeof(image), unread,
				   image.stream.unread) &&
		  wsd_share_set_state(share, WSD_SHARE_PARKED,
				      (uint32_t)sizeof(image) + image.stream.unread);
	wsd_free(unread);
	return written;
}

bool wsd_share_family(uint16_t family, const struct wsd_addr *addr)
{
	return addr->family == family ||
	       (family == WSD_FAMILY_IPV6 && addr->family == WSD_FAMILY_IPV4);
}

static bool image_holds(const struct image *image, uint32_t payload, uint16_t family)
{
	const struct socket_image *socket = &image->socket;

	if (payload - sizeof(*image) != image->stream.unread ||
	    !wsd_share_family(family, &socket->local) || socket->linger_seconds > UINT16_MAX ||
	    socket->selector > WSD_SHARE_MEMBERS || socket->error < 0 || socket->broken_error < 0 ||
	    socket->phase >= PHASES)
		return false;
	if (socket->phase != PHASE_CONNECTED)
		return image->stream.unread == 0 && socket->backlog <= WSD_SHARE_BACKLOG;
	return wsd_share_family(family, &socket->remote) &&
	       wsd_share_family(family, &image->stream.local) &&
	       image->stream.remote.family == image->stream.local.family;
}

static void attached(struct wsd_socket *sock)
{
	wsd_socket_ref(sock);
	wsd_streams_count(sock->mode, 1);
}

static enum wsd_status unpark_system(struct wsd_socket *sock, const struct wsd_stream_image *image,
				     intptr_t system)
{
	enum wsd_status status;
	intptr_t twin;

	if (system < 0)
		return system == WSD_SHARE_SYSTEM_COMES ? WSD_ENOMEM : WSD_ERESET;
	status = wsd_os_pass_twin(system, &twin);
	if (status == WSD_OK)
		status = wsd_stream_import_system(&sock->stream, &wsd_socket_stream_owner, sock,
						  image, twin);
	return status == WSD_ENOFILES ? WSD_ENOMEM : status;
}

static enum wsd_status unpark_stream(struct wsd_share_record *share, struct wsd_socket *sock,
				     const struct image *image, intptr_t system)
{
	uint8_t *unread = wsd_alloc(image->stream.unread + 1);
	enum wsd_status status = WSD_ERESET;

	if (unread == NULL)
		return WSD_ENOMEM;
	if (wsd_stream_image_is_plain(&image->stream))
		status = unpark_system(sock, &image->stream, system);
	else if (wsd_record_read(share->record, WSD_SHARE_PAYLOAD + sizeof(*image), unread,
				 image->stream.unread))
		status = wsd_stream_import(&sock->stream, &wsd_socket_stream_owner, sock,
					   &image->stream, unread);
	wsd_free(unread);
	if (status < 0)
		return status;
	attached(sock);
	load_socket(sock, &image->socket);
	(void)wsd_socket_move(sock, WSD_SOCK_ON_ESTABLISHED);
	(void)wsd_qos_decode(image->stream.qos, sizeof(image->stream.qos), &sock->options.qos);
	return status;
}

/* The queue of one that listens; who really does is another matter (share_listen.c). */
static enum wsd_status queue_of(struct wsd_socket *sock, const struct socket_image *image)
{
	struct wsd_listener_options options = { .backlog = image->backlog, .shared = true };
	enum wsd_status status;

	if (sock->listener != NULL)
		return WSD_OK;
	status = wsd_listener_make(&sock->listener, &wsd_socket_listener_owner, sock, &options);
	if (status == WSD_OK)
		attached(sock);
	return status;
}

static enum wsd_status unpark_unconnected(struct wsd_share_record *share, struct wsd_socket *sock,
					  const struct socket_image *image)
{
	enum phase phase = (enum phase)image->phase;

	if (phase == PHASE_LISTENING && queue_of(sock, image) != WSD_OK)
		return WSD_ENOMEM;
	load_socket(sock, image);
	if (phase != PHASE_NEW) {
		(void)wsd_socket_move(sock, WSD_SOCK_ON_BIND);
		(void)wsd_socket_move(sock,
				      WSD_SOCK_ON_REUSE); /* disconnected in another process */
	}
	if (phase == PHASE_NEW)
		wsd_socket_give_port(sock);
	if (phase == PHASE_BOUND && wsd_share_port_take(share, sock) != 0)
		wsd_log(WSD_LOG_WARNING, "winsock", "port %u was taken while a socket moved",
			sock->local.port);
	if (phase == PHASE_LISTENING) {
		(void)wsd_socket_move(sock, WSD_SOCK_ON_LISTEN);
		wsd_listener_set_backlog(sock->listener, image->backlog);
	}
	return WSD_AGAIN;
}

enum wsd_status wsd_share_unpark(struct wsd_share_record *share, struct wsd_socket *sock,
				 intptr_t system, uint32_t *selector)
{
	enum wsd_status status;
	struct image image;
	uint32_t payload;

	if (wsd_share_state(share, &payload) == WSD_SHARE_CLOSED || payload < sizeof(image) ||
	    !wsd_record_read(share->record, WSD_SHARE_PAYLOAD, &image, sizeof(image)) ||
	    !image_holds(&image, payload, sock->family))
		return WSD_ERESET;
	if (sock->listener != NULL && image.socket.phase != PHASE_LISTENING)
		return WSD_ERESET;
	status = image.socket.phase == PHASE_CONNECTED
			 ? unpark_stream(share, sock, &image, system)
			 : unpark_unconnected(share, sock, &image.socket);
	if (status >= 0)
		*selector = image.socket.selector;
	return status;
}
