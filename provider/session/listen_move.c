// SPDX-License-Identifier: BSD-2-Clause
/*
 * listen_move.c - what waits in a listener's queue goes to another process, one connection at a time (move.c).
 *
 * One whose peer does not answer must not keep the others: after a short while the next one is asked as well.
 */
#include "provider/session/listener.h"

#include "rdma_backend/base/platform.h"

#define PATIENCE 50000000ull /* ns, before another one is asked, too */

static struct wsd_stream *stream_at(struct wsd_list *node)
{
	return wsd_container(node, struct wsd_stream, link);
}

/* The peer has gone, but all that it said is here: there is nobody to ask. */
static bool ended(const struct wsd_stream *s)
{
	return s->rx.fin &&
	       (s->state == WSD_STREAM_RESET || (s->state == WSD_STREAM_OPEN && s->disconnected));
}

static bool may_go(const struct wsd_stream *s)
{
	return wsd_stream_suspended(s) || ended(s);
}

/* Out of those that leave: the peer has gone, or did not answer in time. True: who asks has to have them torn down. */
static bool drop_dead(struct wsd_listener *l)
{
	struct wsd_list *node, *after;
	bool some = false;

	wsd_list_for_each_safe(node, after, &l->leaving) {
		struct wsd_stream *s = stream_at(node);

		if (ended(s) || (s->state == WSD_STREAM_OPEN && !s->disconnected &&
				 wsd_clock_ns() < s->deadline))
			continue;
		l->leaving_count--;
		wsd_listener_discard(s);
		wsd_listener_room(l);
		some = true;
	}
	return some;
}

/* Nobody accepts them here, and another process has no use for them. */
static void drop_over(struct wsd_listener *l)
{
	struct wsd_list *node, *after;

	wsd_list_for_each_safe(node, after, &l->ready) {
		struct wsd_stream *s = stream_at(node);

		if (!wsd_listener_is_over(s))
			continue;
		l->ready_count--;
		wsd_listener_discard(s);
		wsd_listener_room(l);
	}
}

/* Where both ends ask at once the peer's goes first: ask again. */
static struct wsd_stream *next_to_go(struct wsd_listener *l)
{
	struct wsd_list *node;

	wsd_list_for_each(node, &l->leaving) {
		struct wsd_stream *s = stream_at(node);

		if (may_go(s))
			return s;
		if (!wsd_stream_suspending(s))
			(void)wsd_stream_suspend(s);
	}
	return NULL;
}

/* A request that nobody has answered: only an open connection can go. */
static void answer(struct wsd_listener *l, struct wsd_stream *s)
{
	wsd_list_remove(&s->link);
	l->ready_count--;
	wsd_list_append(&l->answering, &s->link);
	l->answering_count++;
	wsd_listener_answering(s);
	wsd_stream_do(s, WSD_DO_ACCEPT);
}

static bool ask_next(struct wsd_listener *l)
{
	struct wsd_list *node, *after;

	wsd_list_for_each_safe(node, after, &l->ready) {
		struct wsd_stream *s = stream_at(node);
		enum wsd_status status;

		if (s->request && wsd_files_free(WSD_ACCEPT_FILES)) {
			answer(l, s);
			return true;
		}
		status = ended(s)		       ? WSD_PENDING
			 : s->state == WSD_STREAM_OPEN ? wsd_stream_suspend(s)
						       : WSD_ESTATE;
		if (status != WSD_PENDING && status != WSD_AGAIN)
			continue; /* who listens accepts it himself */
		wsd_list_remove(&s->link);
		l->ready_count--;
		wsd_list_append(&l->leaving, &s->link);
		l->leaving_count++;
		s->deadline = wsd_clock_ns() + wsd_resume_timeout();
		l->left_at = wsd_clock_ns();
		return true;
	}
	return false;
}

enum wsd_status wsd_listener_suspend(struct wsd_listener *l, bool more)
{
	bool news = drop_dead(l);

	l->shared = true;
	if (more)
		drop_over(l);
	if (next_to_go(l))
		return WSD_OK;
	if (!more)
		return news || l->leaving_count > 0 ? WSD_PENDING : WSD_AGAIN;
	if (l->leaving_count == 0 || wsd_clock_ns() > l->left_at + PATIENCE)
		news = ask_next(l) || news;
	if (news && next_to_go(l))
		return WSD_OK;
	return news || l->leaving_count + l->answering_count > 0 ? WSD_PENDING : WSD_AGAIN;
}

bool wsd_listener_idle(const struct wsd_listener *l)
{
	return l->ready_count + l->answering_count == 0;
}

uint32_t wsd_listener_unread(const struct wsd_listener *l)
{
	const struct wsd_list *node;

	wsd_list_for_each(node, &l->leaving)
		if (may_go(wsd_container(node, struct wsd_stream, link)))
			return wsd_stream_unread(wsd_container(node, struct wsd_stream, link));
	return 0;
}

void wsd_listener_export(struct wsd_listener *l, struct wsd_stream_image *image, uint8_t *unread)
{
	struct wsd_stream *s = next_to_go(l);

	wsd_stream_export(s, image, unread);
	l->leaving_count--;
	wsd_listener_discard(s);
	wsd_listener_room(l);
}

enum wsd_status wsd_listener_import(struct wsd_listener *l, const struct wsd_stream_image *image,
				    const uint8_t *unread)
{
	enum wsd_status status;
	struct orphan *orphan;
	struct wsd_stream *s;

	if ((image->error != 0 && !image->receive_fin) || l->closing)
		return WSD_ERESET;
	orphan = wsd_listener_orphan();
	if (!orphan)
		return WSD_ENOMEM;
	status = wsd_stream_import(&s, &wsd_listener_queue_ops, l, image, unread);
	if (status < 0) {
		wsd_free(orphan);
		return status;
	}
	s->orphan = orphan;
	wsd_list_append(&l->answering, &s->link);
	if (status == WSD_OK)
		wsd_listener_ready(l, s); /* there is nobody to be asked */
	else
		l->answering_count++;
	return status;
}
