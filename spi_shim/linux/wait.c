// SPDX-License-Identifier: BSD-2-Clause
/*
 * wait.c - owns the sleep of application threads: the one place that calls the provider's engines.
 */
#include "spi_shim/linux/wait.h"

#include "provider/transport/engine.h"
#include "spi_shim/linux/shim.h"

void wsd_waiters_wake_all(struct wsd_list *waiters)
{
	struct wsd_list *node;

	wsd_list_for_each(node, waiters)
		wsd_waker_wake(wsd_container(node, struct wsd_waiter, link)->waker);
}

void wsd_waiters_wake_one(struct wsd_list *waiters)
{
	struct wsd_list *node;

	wsd_list_for_each(node, waiters) {
		struct wsd_waiter *waiter = wsd_container(node, struct wsd_waiter, link);

		if (waiter->woken)
			continue;
		waiter->woken = true;
		wsd_waker_wake(waiter->waker);
		return;
	}
}

uint64_t wsd_deadline_after(uint32_t milliseconds)
{
	if (milliseconds == INFINITE)
		return UINT64_MAX;
	return wsd_clock_ns() + (uint64_t)milliseconds * 1000000u;
}

/* Events, ports and threads work before WSAStartup, when there is no engine to drive. */
static bool wait_without_engines(bool (*done)(void *arg), void *arg, uint64_t deadline,
				 struct wsd_waker *waker)
{
	for (;;) {
		wsd_waker_reset(waker);
		if (done(arg))
			return true;
		if (deadline != UINT64_MAX && wsd_clock_ns() >= deadline)
			return false;
		wsd_waker_sleep(waker, NULL, 0, deadline);
	}
}

bool wsd_wait_until(bool (*done)(void *arg), void *arg, uint64_t deadline, struct wsd_waker *waker)
{
	bool result;

	if (!wsd_shim_started())
		return wait_without_engines(done, arg, deadline, waker);
	result = wsd_engine_wait(NULL, 0, done, arg, deadline, waker);
	return result || done(arg); /* what came in while the deadline passed is not lost */
}
