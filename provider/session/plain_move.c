// SPDX-License-Identifier: BSD-2-Clause
/*
 * plain_move.c - a connection of the system goes to another process. Its socket is open in both, so nothing has to wait
 * on the other side, and nothing is lost on the way: what goes along is only what the system does not tell twice.
 */
#include "provider/session/plain.h"

#include <string.h>

#include "provider/transport/os_pass.h"
#include "provider/transport/os_tcp.h"
#include "provider/transport/plain.h"

/* In the image's port, which is not 0 then. */
enum {
	IMAGE_PLAIN = 0x8000,
	IMAGE_KEPT = 1,
	IMAGE_URGENT = 2,
	IMAGE_FETCHED = 4,
	IMAGE_MARKS = 8,
	IMAGE_ENDED = 16,
	IMAGE_EOF = 32,
	IMAGE_SENT = 64,
	IMAGE_INLINE = 128,
	IMAGE_AHEAD = 256,
	IMAGE_HERE = 512
};

bool wsd_stream_is_plain(const struct wsd_stream *s)
{
	return s->carrier == &wsd_plain_carrier;
}

intptr_t wsd_stream_system(const struct wsd_stream *s)
{
	return s->plain && s->state == WSD_STREAM_OPEN && !s->closing ? s->plain->socket : -1;
}

void wsd_stream_share(struct wsd_stream *s)
{
	if (s->plain)
		s->plain->shared = true;
}

bool wsd_plain_is_shared(const struct wsd_stream *s)
{
	return s->plain && s->plain->shared;
}

bool wsd_plain_keeps(const struct wsd_stream *s)
{
	return wsd_plain_is_shared(s) && s->state == WSD_STREAM_RESET && wsd_plain_readable(s) > 0;
}

void wsd_plain_export(const struct wsd_stream *s, struct wsd_stream_image *image)
{
	const struct wsd_plain *p = s->plain;

	image->port = (uint16_t)(IMAGE_PLAIN | (p->kept ? IMAGE_KEPT : 0) |
				 (p->urgent ? IMAGE_URGENT : 0) | (p->fetched ? IMAGE_FETCHED : 0) |
				 (p->marks ? IMAGE_MARKS : 0) | (p->ended ? IMAGE_ENDED : 0) |
				 (p->eof ? IMAGE_EOF : 0) | (p->sent ? IMAGE_SENT : 0) |
				 (p->urgent_inline ? IMAGE_INLINE : 0) |
				 (p->mark == MARK_AHEAD ? IMAGE_AHEAD : 0) |
				 (p->mark == MARK_HERE ? IMAGE_HERE : 0));
	image->urgent[0] = p->byte;
}

static void fill(struct wsd_plain *p, const struct wsd_stream_image *image)
{
	unsigned flags = image->port;

	p->kept = (flags & IMAGE_KEPT) != 0;
	p->urgent = (flags & IMAGE_URGENT) != 0;
	p->fetched = (flags & IMAGE_FETCHED) != 0;
	p->marks = (flags & IMAGE_MARKS) != 0;
	p->ended = (flags & IMAGE_ENDED) != 0;
	p->eof = (flags & IMAGE_EOF) != 0;
	p->sent = (flags & IMAGE_SENT) != 0;
	p->urgent_inline = (flags & IMAGE_INLINE) != 0;
	p->mark = flags & IMAGE_AHEAD ? MARK_AHEAD : flags & IMAGE_HERE ? MARK_HERE : MARK_NONE;
	p->byte = image->urgent[0];
	p->shared = true;
}

bool wsd_stream_image_is_plain(const struct wsd_stream_image *image)
{
	return (image->error == 0 || (image->port & IMAGE_PLAIN) != 0) &&
	       image->path[sizeof(image->path) - 1] == 0 &&
	       strcmp(image->path, wsd_plain_ops.name) == 0;
}

static enum wsd_status open_on(struct wsd_stream *s, const struct wsd_stream_image *image,
			       intptr_t socket)
{
	enum wsd_status status;

	if (!wsd_qos_decode(image->qos, sizeof(image->qos), &s->options.qos)) {
		wsd_os_tcp_close(socket);
		return WSD_EINVAL;
	}
	s->local = image->local;
	s->remote = image->remote;
	s->options.posted_only = image->posted_only;
	status = wsd_plain_adopt(s, wsd_engine_plain(), socket, &image->local, &image->remote);
	if (status != WSD_OK)
		return status;
	fill(s->plain, image);
	s->tx.fin = image->send_fin;
	s->rx.closed = image->receive_closed;
	if (s->tx.fin) /* the system knows, but not this end of it */
		wsd_os_tcp_shutdown_send(socket);
	s->plain->may_read = true;
	if (image->error != 0) { /* the system may have told already, and gives only what it has */
		s->state = WSD_STREAM_RESET;
		s->error = (enum wsd_status)image->error;
	}
	wsd_stream_watch(s);
	return WSD_OK; /* if it broke just now the owner finds it so */
}

enum wsd_status wsd_stream_import_system(struct wsd_stream **stream,
					 const struct wsd_stream_owner *ops, void *owner,
					 const struct wsd_stream_image *image, intptr_t socket)
{
	enum wsd_status status = WSD_ENOMEM;
	struct wsd_stream *s;

	if (!wsd_engine_plain() || !(image->port & IMAGE_PLAIN) || image->unread != 0 ||
	    image->error > 0 || !wsd_os_pass_connects(socket, &image->local, &image->remote)) {
		wsd_os_tcp_close(socket);
		return wsd_engine_plain() ? WSD_EINVAL : WSD_EUNREACHABLE;
	}
	s = wsd_stream_new(ops, owner);
	if (s)
		status = open_on(s, image, socket);
	else
		wsd_os_tcp_close(socket);
	if (status != WSD_OK) {
		wsd_stream_free(s);
		return status;
	}
	s->changes |= WSD_CHANGE_CONNECTED | WSD_CHANGE_READABLE | WSD_CHANGE_WRITABLE;
	*stream = s;
	return s->state == WSD_STREAM_RESET ? WSD_OK : WSD_PENDING;
}
