// SPDX-License-Identifier: BSD-2-Clause
/*
 * netwatch.c - the thread that waits for the operating system to tell of changed addresses and routes.
 * No engine drives it: the waits of all engines would have to carry its object, whether anybody asked
 * for notices or not.
 */
#include "provider/winsock/netwatch.h"

#include <stdatomic.h>

#include "rdma_backend/base/platform.h"

enum state { NONE, STARTING, RUNNING, FAILED };

/* The lock (rank 11) is held while the thread starts, by nobody who holds a socket's. */
static struct {
	struct wsd_mutex lock;
	struct wsd_cond started;
	enum state state;
	unsigned allowed; /* starts of the provider that have not been stopped */
	bool stop;
	intptr_t object;
	struct wsd_thread *thread;
	struct wsd_waker *waker; /* dies with the thread */
} watch;

static atomic_bool running;

void wsd_netwatch_init(void)
{
	/* A child's thread does not exist, and its copy of the object is closed already. */
	wsd_mutex_init(&watch.lock);
	wsd_cond_init(&watch.started);
	watch.state = NONE;
	watch.allowed = 0;
	watch.stop = false;
	watch.thread = NULL;
	watch.waker = NULL;
	atomic_store(&running, false);
}

void wsd_netwatch_allow(void)
{
	wsd_mutex_lock(&watch.lock);
	watch.allowed++;
	wsd_mutex_unlock(&watch.lock);
}

static bool stopped(void)
{
	bool stop;

	wsd_mutex_lock(&watch.lock);
	stop = watch.stop;
	wsd_mutex_unlock(&watch.lock);
	return stop;
}

static void publish(struct wsd_waker *waker, enum state state)
{
	wsd_mutex_lock(&watch.lock);
	watch.waker = waker;
	watch.state = state;
	wsd_cond_broadcast(&watch.started);
	wsd_mutex_unlock(&watch.lock);
}

static void run(void *arg)
{
	struct wsd_waker *waker = wsd_waker_self();

	(void)arg;
	publish(waker, waker != NULL ? RUNNING : FAILED);
	while (waker != NULL) {
		unsigned bits;

		wsd_waker_reset(waker);
		if (stopped())
			break;
		bits = wsd_os_net_read(watch.object);
		if (bits != 0)
			wsd_sockets_net_changed(bits);
		else
			wsd_waker_sleep(waker, &watch.object, 1, UINT64_MAX);
	}
	publish(NULL, NONE);
}

/* [lock] */
static enum wsd_status start(void)
{
	enum wsd_status status;

	if (watch.allowed == 0)
		return WSD_ESTATE;
	status = wsd_os_net_open(&watch.object);
	if (status != WSD_OK)
		return status;
	watch.stop = false;
	watch.state = STARTING;
	status = wsd_thread_start(&watch.thread, "wsd-netwatch", run, NULL);
	while (status == WSD_OK && watch.state == STARTING)
		(void)wsd_cond_wait(&watch.started, &watch.lock, UINT64_MAX);
	if (status == WSD_OK && watch.state == RUNNING) {
		atomic_store(&running, true);
		return WSD_OK;
	}
	if (status == WSD_OK) { /* no waker: it ends by itself, but needs the lock for that */
		wsd_mutex_unlock(&watch.lock);
		wsd_thread_join(watch.thread);
		wsd_mutex_lock(&watch.lock);
		status = WSD_ENOFILES;
	}
	watch.thread = NULL;
	wsd_handle_close(watch.object);
	return status;
}

enum wsd_status wsd_netwatch_start(void)
{
	enum wsd_status status = WSD_OK;

	if (atomic_load(&running))
		return WSD_OK;
	wsd_mutex_lock(&watch.lock);
	if (watch.thread == NULL)
		status = start();
	wsd_mutex_unlock(&watch.lock);
	return status;
}

void wsd_netwatch_stop(void)
{
	struct wsd_thread *thread;

	wsd_mutex_lock(&watch.lock);
	watch.allowed--;
	watch.stop = true;
	thread = watch.thread;
	if (watch.waker != NULL)
		wsd_waker_wake(watch.waker);
	wsd_mutex_unlock(&watch.lock);
	if (thread == NULL)
		return;
	wsd_thread_join(thread);
	wsd_handle_close(watch.object);
	atomic_store(&running, false);
	wsd_mutex_lock(&watch.lock);
	watch.thread = NULL;
	wsd_mutex_unlock(&watch.lock);
}
