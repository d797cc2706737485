// SPDX-License-Identifier: BSD-2-Clause
/*
 * listener_plain.c - what the system takes at a listener's address, from peers without OpenWSD. Where other processes
 * have its sockets, too, no more is taken from them than can be used here: what waits with the system is anybody's.
 */
#include "provider/session/listener.h"

#include "provider/transport/os_pass.h"
#include "provider/transport/os_tcp.h"

unsigned wsd_listener_plain_count(const struct wsd_listener *l)
{
	const struct wsd_list *node;
	unsigned count = 0;

	wsd_list_for_each(node, &l->ready)
		count +=
			wsd_container(node, struct wsd_stream, link)->carrier == &wsd_plain_carrier;
	return count;
}

static void plain_lock(void *owner)
{
	wsd_listener_queue_ops.lock(owner);
}

static void plain_unlock(void *owner, struct wsd_engine *engine)
{
	wsd_listener_queue_ops.unlock(owner, engine);
}

static bool plain_room(void *owner)
{
	struct wsd_listener *l = owner;
	unsigned wanted;

	if (!l->wanted_only || l->stopped)
		return wsd_listener_has_room(l);
	wanted = l->ops->wanted(l->owner);
	return l->ready_count < (wanted < l->least ? l->least : wanted);
}

static void plain_arrived(void *owner, struct wsd_engine *engine, intptr_t socket,
			  const struct wsd_addr *local, const struct wsd_addr *remote)
{
	struct wsd_listener *l = owner;
	struct wsd_stream *s = wsd_listener_stream(l);

	if (!s) {
		wsd_os_tcp_close(socket);
		return;
	}
	s->options.qos = l->options.qos;
	s->options.traffic_class = l->options.traffic_class;
	if (wsd_plain_adopt(s, engine, socket, local, remote) != WSD_OK) {
		wsd_free(s->orphan);
		wsd_stream_free(s);
		return;
	}
	wsd_listener_ready(l, s);
}

static void plain_closed(void *owner, struct wsd_engine *engine)
{
	(void)engine;
	wsd_listener_part_closed(owner);
}

const struct wsd_plain_listen_owner wsd_listener_plain_ops = { plain_lock, plain_unlock, plain_room,
							       plain_arrived, plain_closed };

void wsd_listener_room(struct wsd_listener *l)
{
	for (unsigned i = 0; i < WSD_LISTENER_ENDS && !l->stopped; i++)
		if (l->parts[i].plain)
			wsd_plain_listen_again(l->parts[i].plain);
}

/* --- several processes --- */

void wsd_listener_share(struct wsd_listener *l)
{
	l->wanted_only = true;
	for (unsigned i = 0; i < WSD_LISTENER_ENDS; i++)
		if (l->parts[i].plain)
			wsd_plain_listen_share(l->parts[i].plain);
}

void wsd_listener_look(struct wsd_listener *l, unsigned least)
{
	l->least = least;
	for (unsigned i = 0; i < WSD_LISTENER_ENDS && l->wanted_only; i++)
		if (l->parts[i].plain)
			wsd_plain_listen_look(l->parts[i].plain);
	l->least = 0;
}

void wsd_listener_again(struct wsd_listener *l)
{
	if (l->wanted_only)
		wsd_listener_room(l);
}

intptr_t wsd_listener_system(const struct wsd_listener *l, unsigned end)
{
	return l->parts[end].plain ? wsd_plain_listen_socket(l->parts[end].plain) : -1;
}

enum wsd_status wsd_listener_adopt(struct wsd_listener *l, unsigned end,
				   const struct wsd_listener_end *with)
{
	struct wsd_listener_part *part = &l->parts[end];
	enum wsd_status status =
		wsd_plain_listen_open(&part->plain, &wsd_listener_plain_ops, l, with->socket,
				      &with->local, l->options.backlog);

	if (status != WSD_OK)
		return status;
	l->open++;
	wsd_plain_listen_share(part->plain);
	wsd_plain_listen_begin(part->plain);
	return WSD_OK;
}

/* --- what nobody has accepted --- */

static void forget(struct wsd_listener *l, struct wsd_stream *s)
{
	l->ready_count--;
	wsd_listener_discard(s);
	wsd_listener_room(l);
}

enum wsd_status wsd_listener_release(struct wsd_listener *l, struct wsd_stream_image *image,
				     intptr_t *socket)
{
	struct wsd_list *node, *after;
	enum wsd_status status;

	wsd_list_for_each_safe(node, after, &l->ready) {
		struct wsd_stream *s = wsd_container(node, struct wsd_stream, link);

		if (s->carrier != &wsd_plain_carrier)
			continue;
		if (s->state == WSD_STREAM_OPEN) {
			status = wsd_os_pass_twin(s->plain->socket, socket);
			if (status != WSD_OK)
				return status;
			wsd_stream_share(s);
			(void)wsd_stream_suspend(s); /* of this path it is done at once */
			wsd_stream_export(s, image, NULL);
		}
		status = s->state == WSD_STREAM_OPEN ? WSD_OK : WSD_AGAIN;
		forget(l, s);
		if (status == WSD_OK)
			return WSD_OK;
	}
	return WSD_AGAIN;
}

enum wsd_status wsd_listener_receive(struct wsd_listener *l, const struct wsd_stream_image *image,
				     intptr_t socket)
{
	struct orphan *orphan = l->closing ? NULL : wsd_listener_orphan();
	enum wsd_status status = WSD_ENOMEM;
	struct wsd_stream *s;

	if (orphan)
		status = wsd_stream_import_system(&s, &wsd_listener_queue_ops, l, image, socket);
	else
		wsd_os_tcp_close(socket);
	if (status < 0) {
		wsd_free(orphan);
		return status;
	}
	s->orphan = orphan;
	s->changes = 0;		  /* it is as one that the system has just told of */
	s->plain->shared = false; /* who gave it keeps none */
	s->options.traffic_class = l->options.traffic_class;
	wsd_listener_ready(l, s);
	return WSD_OK;
}
