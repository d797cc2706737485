// SPDX-License-Identifier: BSD-2-Clause
/* share_thread.c - the threads of shared sockets, and their end. */
#include "provider/winsock/share.h"

#include "rdma_backend/base/base.h"

static struct wsd_mutex shares_lock; /* leaf */
static struct wsd_list shares;

void wsd_shares_init(void)
{
	wsd_mutex_init(&shares_lock);
	wsd_list_init(&shares);
}

enum wsd_status wsd_share_thread_start(struct wsd_share_thread *thread, void (*run)(void *share))
{
	enum wsd_status status;

	wsd_list_init(&thread->link);
	status = wsd_thread_start(&thread->thread, "wsd-share", run, thread);
	if (status != WSD_OK)
		return status;
	wsd_mutex_lock(&shares_lock);
	wsd_list_append(&shares, &thread->link);
	wsd_mutex_unlock(&shares_lock);
	return WSD_OK;
}

void wsd_shares_reap(void)
{
	struct wsd_list *node, *after, ended;

	wsd_list_init(&ended);
	wsd_mutex_lock(&shares_lock);
	wsd_list_for_each_safe(node, after, &shares) {
		struct wsd_share_thread *thread =
			wsd_container(node, struct wsd_share_thread, link);

		if (!atomic_load(&thread->ended))
			continue;
		wsd_list_remove(node);
		wsd_list_append(&ended, node);
	}
	wsd_mutex_unlock(&shares_lock);
	while ((node = wsd_list_pop(&ended)) != NULL) {
		struct wsd_share_thread *thread =
			wsd_container(node, struct wsd_share_thread, link);

		wsd_thread_join(thread->thread);
		wsd_free(thread);
	}
}

static bool some_leave(void)
{
	struct wsd_list *node;
	bool some = false;

	wsd_mutex_lock(&shares_lock);
	wsd_list_for_each(node, &shares) {
		struct wsd_share_thread *thread =
			wsd_container(node, struct wsd_share_thread, link);

		some = some || (atomic_load(&thread->going) && !atomic_load(&thread->ended));
	}
	wsd_mutex_unlock(&shares_lock);
	return some;
}

void wsd_shares_drain(uint64_t deadline)
{
	struct wsd_waker *waker = wsd_waker_self();

	while (waker != NULL && some_leave() && wsd_clock_ns() < deadline)
		wsd_waker_sleep(waker, NULL, 0, wsd_clock_ns() + WSD_NS_PER_MS);
	wsd_shares_reap();
}
