// SPDX-License-Identifier: BSD-2-Clause
/*
 * orphan.c - the owner of a queued stream that nobody will ever see: made with the stream, because dropping it must
 * not fail. It frees both once the stream is dead.
 */
#include "provider/session/listener.h"

#include "rdma_backend/base/platform.h"

struct orphan {
	struct wsd_mutex mutex; /* first: the owner pointer */
	struct wsd_stream *stream;
	struct wsd_deferred deferred;
	bool dead;
};

struct orphan *wsd_listener_orphan(void)
{
	return wsd_alloc(sizeof(struct orphan));
}

static void orphan_lock(void *owner)
{
	wsd_mutex_lock(owner);
}

static void orphan_free(struct wsd_deferred *deferred)
{
	struct orphan *o = wsd_container(deferred, struct orphan, deferred);

	wsd_stream_free(o->stream);
	wsd_mutex_fini(&o->mutex);
	wsd_free(o);
}

static void orphan_unlock(void *owner, struct wsd_engine *engine)
{
	struct orphan *o = owner;
	bool dead = o->dead && engine;

	if (dead)
		o->dead = false;
	wsd_mutex_unlock(&o->mutex);
	if (dead)
		wsd_engine_defer(engine, &o->deferred);
}

static void orphan_changed(void *owner, unsigned changes)
{
	if (changes & WSD_CHANGE_DEAD)
		((struct orphan *)owner)->dead = true;
}

static const struct wsd_stream_owner orphan_ops = {
	.lock = orphan_lock,
	.unlock = orphan_unlock,
	.changed = orphan_changed,
};

void wsd_listener_discard(struct wsd_stream *s)
{
	struct orphan *o = s->orphan;

	wsd_list_remove(&s->link);
	wsd_mutex_init(&o->mutex);
	o->stream = s;
	o->deferred.run = orphan_free;
	wsd_list_init(&o->deferred.link);
	wsd_mutex_lock(&o->mutex);
	wsd_stream_rebind(s, &orphan_ops, o);
	wsd_stream_close(s, true, 0);
	wsd_mutex_unlock(&o->mutex);
}
