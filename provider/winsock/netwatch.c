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

/*
 * The lock (rank 11) is taken by nobody who holds a socket's. Who takes thread and object out of here
 * ends them: the one who stops, or the one whose start failed.
 */
static struct {
	struct wsd_mutex lock;
	struct wsd_cond started;
	enum state state;
	unsigned allowed; /* starts of the provider that have not been stopped */
	unsigned stops;	  /* a thread ends when this is no longer what it was at its start */
	intptr_t object;
	struct wsd_thread *thread;
	struct wsd_waker *waker; /* of the thread, until it is told to end */
} watch;

static atomic_bool running;

void wsd_netwatch_init(void)
{
	/* A child's thread does not exist, and its copy of the object is closed already. */
	wsd_mutex_init(&watch.lock);
	wsd_cond_init(&watch.started);
	watch.state = NONE;
	watch.allowed = 0;
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

static bool stopped(unsigned mine)
{
	bool stop;

	wsd_mutex_lock(&watch.lock);
	stop = watch.stops != mine;
	wsd_mutex_unlock(&watch.lock);
	return stop;
}

static void run(void *arg)
{
	unsigned mine = (unsigned)(uintptr_t)arg;
	struct wsd_waker *waker = wsd_waker_self();
	intptr_t object;

	wsd_mutex_lock(&watch.lock);
	object = watch.object;
	if (watch.stops == mine) {
		watch.waker = waker;
		watch.state = waker != NULL ? RUNNING : FAILED;
		wsd_cond_broadcast(&watch.started);
	}
	wsd_mutex_unlock(&watch.lock);
	while (waker != NULL) {
		unsigned bits;

		wsd_waker_reset(waker);
		if (stopped(mine))
			break;
		bits = wsd_os_net_read(object);
		if (bits != 0)
			wsd_sockets_net_changed(bits);
		else
			wsd_waker_sleep(waker, &object, 1, UINT64_MAX);
	}
}

/* [lock, dropped meanwhile] */
static enum wsd_status start(void)
{
	unsigned mine = watch.stops;
	enum wsd_status status;

	if (watch.allowed == 0)
		return WSD_ESTATE;
	status = wsd_os_net_open(&watch.object);
	if (status != WSD_OK)
		return status;
	watch.state = STARTING;
	status = wsd_thread_start(&watch.thread, "wsd-netwatch", run, (void *)(uintptr_t)mine);
	while (status == WSD_OK && watch.stops == mine && watch.state == STARTING)
		(void)wsd_cond_wait(&watch.started, &watch.lock, UINT64_MAX);
	if (watch.stops != mine)
		return WSD_ESTATE;
	if (status == WSD_OK && watch.state == RUNNING) {
		atomic_store(&running, true);
		return WSD_OK;
	}
	if (status == WSD_OK) { /* no waker: it does not take the lock any more */
		wsd_thread_join(watch.thread);
		status = WSD_ENOFILES;
	}
	watch.thread = NULL;
	watch.state = NONE;
	wsd_cond_broadcast(&watch.started);
	wsd_os_net_close(watch.object);
	return status;
}

enum wsd_status wsd_netwatch_start(void)
{
	enum wsd_status status = WSD_OK;

	if (atomic_load(&running))
		return WSD_OK;
	wsd_mutex_lock(&watch.lock);
	while (watch.state == STARTING || watch.state == FAILED) /* another thread is at it */
		(void)wsd_cond_wait(&watch.started, &watch.lock, UINT64_MAX);
	if (watch.state == NONE)
		status = start();
	wsd_mutex_unlock(&watch.lock);
	return status;
}

void wsd_netwatch_stop(void)
{
	struct wsd_thread *thread;
	intptr_t object;

	wsd_mutex_lock(&watch.lock);
	/* A start of another thread may have come in between, and use it. */
	if (--watch.allowed > 0) {
		wsd_mutex_unlock(&watch.lock);
		return;
	}
	watch.stops++;
	thread = watch.thread;
	object = watch.object;
	if (watch.waker != NULL)
		wsd_waker_wake(watch.waker);
	watch.thread = NULL;
	watch.waker = NULL;
	watch.state = NONE;
	atomic_store(&running, false);
	wsd_cond_broadcast(&watch.started);
	wsd_mutex_unlock(&watch.lock);
	if (thread == NULL)
		return;
	wsd_thread_join(thread);
	wsd_os_net_close(object);
}
