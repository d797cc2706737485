// SPDX-License-Identifier: BSD-2-Clause
/*
 * waitable.c - owns waiting for one or many objects.
 *
 * Design notes: each object has a lock, a flag and a list of waiting threads. A wait for all locks
 * its objects in the order of their addresses, tests, and consumes all or nothing, as Windows does.
 * Signals wake every waiter; each tests for itself. A signalled object wins over a queued APC.
 */
#include "spi_shim/linux/waitable.h"

#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "spi_shim/linux/error.h"
#include "spi_shim/linux/thread.h"
#include "spi_shim/linux/wait.h"

void wsd_waitable_init(struct wsd_waitable *waitable, bool auto_reset, bool signalled,
		       void (*destroy)(struct wsd_object *object))
{
	waitable->object.destroy = destroy;
	pthread_mutex_init(&waitable->lock, NULL);
	wsd_list_init(&waitable->waiters);
	waitable->signalled = signalled;
	waitable->auto_reset = auto_reset;
	waitable->fd = -1;
}

void wsd_waitable_fini(struct wsd_waitable *waitable)
{
	if (waitable->fd >= 0)
		close(waitable->fd);
	pthread_mutex_destroy(&waitable->lock);
}

/* The counter of an eventfd of ours is 0 or 1, so neither call can block or fail. */
static void mirror_locked(struct wsd_waitable *waitable)
{
	eventfd_t count;

	if (waitable->fd < 0)
		return;
	if (waitable->signalled)
		(void)eventfd_write(waitable->fd, 1);
	else
		(void)eventfd_read(waitable->fd, &count);
}

static void unsignal_locked(struct wsd_waitable *waitable)
{
	if (!waitable->signalled)
		return;
	waitable->signalled = false;
	mirror_locked(waitable);
}

void wsd_waitable_signal(struct wsd_waitable *waitable)
{
	pthread_mutex_lock(&waitable->lock);
	if (!waitable->signalled) {
		waitable->signalled = true;
		mirror_locked(waitable);
		wsd_waiters_wake_all(&waitable->waiters);
	}
	pthread_mutex_unlock(&waitable->lock);
}

void wsd_waitable_unsignal(struct wsd_waitable *waitable)
{
	pthread_mutex_lock(&waitable->lock);
	unsignal_locked(waitable);
	pthread_mutex_unlock(&waitable->lock);
}

int wsd_waitable_fd(struct wsd_waitable *waitable)
{
	int fd;

	pthread_mutex_lock(&waitable->lock);
	if (waitable->fd < 0)
		waitable->fd = eventfd(waitable->signalled ? 1 : 0, EFD_CLOEXEC | EFD_NONBLOCK);
	fd = waitable->fd;
	pthread_mutex_unlock(&waitable->lock);
	return fd;
}

struct wait {
	unsigned count;
	bool all;
	struct wsd_thread_state *thread; /* set when alertable */
	DWORD result;			 /* WAIT_TIMEOUT until something happened */
	struct wsd_waitable *objects[MAXIMUM_WAIT_OBJECTS]; /* as the caller gave them */
	struct wsd_waitable *sorted[MAXIMUM_WAIT_OBJECTS];  /* all: by address */
	struct wsd_waiter waiters[MAXIMUM_WAIT_OBJECTS];
};

static bool take_any(struct wait *wait)
{
	unsigned i;

	for (i = 0; i < wait->count; i++) {
		struct wsd_waitable *waitable = wait->objects[i];
		bool taken;

		pthread_mutex_lock(&waitable->lock);
		taken = waitable->signalled;
		if (taken && waitable->auto_reset)
			unsignal_locked(waitable);
		pthread_mutex_unlock(&waitable->lock);
		if (taken) {
			wait->result = WAIT_OBJECT_0 + i;
			return true;
		}
	}
	return false;
}

static bool take_all(struct wait *wait)
{
	bool ready = true;
	unsigned i;

	for (i = 0; i < wait->count; i++) {
		pthread_mutex_lock(&wait->sorted[i]->lock);
		ready = ready && wait->sorted[i]->signalled;
	}
	for (i = wait->count; i-- > 0;) {
		if (ready && wait->sorted[i]->auto_reset)
			unsignal_locked(wait->sorted[i]);
		pthread_mutex_unlock(&wait->sorted[i]->lock);
	}
	if (ready)
		wait->result = WAIT_OBJECT_0;
	return ready;
}

static bool wait_done(void *arg)
{
	struct wait *wait = arg;

	if (wait->result != WAIT_TIMEOUT)
		return true;
	if (wait->all ? take_all(wait) : take_any(wait))
		return true;
	if (wait->thread != NULL && wsd_apc_pending(wait->thread)) {
		wait->result = WAIT_IO_COMPLETION;
		return true;
	}
	return false;
}

static void waiters_join(struct wait *wait, struct wsd_waker *waker)
{
	unsigned i;

	for (i = 0; i < wait->count; i++) {
		wait->waiters[i].waker = waker;
		wait->waiters[i].woken = false;
		pthread_mutex_lock(&wait->objects[i]->lock);
		wsd_list_prepend(&wait->objects[i]->waiters, &wait->waiters[i].link);
		pthread_mutex_unlock(&wait->objects[i]->lock);
	}
}

static void waiters_leave(struct wait *wait)
{
	unsigned i;

	for (i = 0; i < wait->count; i++) {
		pthread_mutex_lock(&wait->objects[i]->lock);
		wsd_list_remove(&wait->waiters[i].link);
		pthread_mutex_unlock(&wait->objects[i]->lock);
	}
}

static void objects_put(struct wait *wait)
{
	while (wait->count > 0)
		wsd_object_put(&wait->objects[--wait->count]->object);
}

/* References to every object, or false with the last error set. */
static bool objects_get(struct wait *wait, DWORD count, const HANDLE *handles)
{
	for (wait->count = 0; wait->count < count; wait->count++) {
		uintptr_t value = (uintptr_t)handles[wait->count];
		struct wsd_object *object = wsd_object_get(value, WSD_HANDLE_EVENT);

		if (object == NULL)
			object = wsd_object_get(value, WSD_HANDLE_THREAD);
		if (object == NULL) {
			objects_put(wait);
			return wsd_fail(ERROR_INVALID_HANDLE);
		}
		wait->objects[wait->count] = wsd_container(object, struct wsd_waitable, object);
	}
	return true;
}

static int by_address(const void *a, const void *b)
{
	uintptr_t left = (uintptr_t) * (struct wsd_waitable *const *)a;
	uintptr_t right = (uintptr_t) * (struct wsd_waitable *const *)b;

	return (left > right) - (left < right);
}

/*
 * The order to lock in. The same object twice can never be consumed twice: refused, as on Windows.
 */
static bool sort_objects(struct wait *wait)
{
	unsigned i;

	for (i = 0; i < wait->count; i++)
		wait->sorted[i] = wait->objects[i];
	qsort(wait->sorted, wait->count, sizeof(wait->sorted[0]), by_address);
	for (i = 1; i < wait->count; i++)
		if (wait->sorted[i] == wait->sorted[i - 1])
			return wsd_fail(ERROR_INVALID_PARAMETER);
	return true;
}

/* [objects referenced] */
static bool wait_run(struct wait *wait, DWORD milliseconds, BOOL alertable)
{
	struct wsd_waker *waker;

	if (alertable) {
		wait->thread = wsd_thread_self();
		if (wait->thread == NULL)
			return wsd_fail(ERROR_NOT_ENOUGH_MEMORY);
	}
	if (wait_done(wait) || milliseconds == 0)
		return true;
	waker = wsd_waker_self();
	if (waker == NULL)
		return wsd_fail(ERROR_NOT_ENOUGH_MEMORY);
	waiters_join(wait, waker);
	if (wait->thread != NULL)
		wsd_apc_wait_begin(wait->thread, waker);
	(void)wsd_wait_until(wait_done, wait, wsd_deadline_after(milliseconds), waker);
	if (wait->thread != NULL)
		wsd_apc_wait_end(wait->thread);
	waiters_leave(wait);
	return true;
}

DWORD wsd_wait_objects(DWORD count, const HANDLE *handles, BOOL all, DWORD milliseconds,
		       BOOL alertable)
{
	struct wait wait;
	bool ran;

	if (count > MAXIMUM_WAIT_OBJECTS || (count > 0 && handles == NULL)) {
		wsd_fail(ERROR_INVALID_PARAMETER);
		return WAIT_FAILED;
	}
	wait.all = all && count > 1;
	wait.thread = NULL;
	wait.result = WAIT_TIMEOUT;
	if (!objects_get(&wait, count, handles))
		return WAIT_FAILED;
	ran = (!wait.all || sort_objects(&wait)) && wait_run(&wait, milliseconds, alertable);
	objects_put(&wait);
	if (!ran)
		return WAIT_FAILED;
	if (wait.result == WAIT_IO_COMPLETION)
		wsd_apc_run(wait.thread);
	return wait.result;
}
