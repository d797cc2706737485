/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * wait.h - how a thread of the application sleeps, and how it is woken.
 *
 * A waiting thread drives the provider's engines itself. What it waits for keeps a list of waiters;
 * the one who changes the state wakes them, and each tests again what it waits for.
 */
#ifndef WSD_LINUX_WAIT_H
#define WSD_LINUX_WAIT_H

#include <stdbool.h>
#include <stdint.h>

#include "rdma_backend/base/list.h"
#include "rdma_backend/base/platform.h"

/* One thread in the list of one object. Guarded by the lock of the object. */
struct wsd_waiter {
	struct wsd_list link;
	struct wsd_waker *waker;
	bool woken; /* chosen by wsd_waiters_wake_one */
};

/* [object lock held] A waiter leaves its list before its thread can end, so a wake reaches a living
 * thread as long as it is sent under that lock. */
void wsd_waiters_wake_all(struct wsd_list *waiters);
/* [object lock held] The newest waiter that was not chosen yet: its caches are warm. */
void wsd_waiters_wake_one(struct wsd_list *waiters);

/* A deadline on wsd_clock_ns for a timeout in milliseconds; INFINITE gives UINT64_MAX. */
uint64_t wsd_deadline_after(uint32_t milliseconds);

/*
 * [no locks] Blocks until done(arg) is true or the deadline passes; true if done was. done is
 * called often, also after the deadline, and may consume what it finds.
 */
bool wsd_wait_until(bool (*done)(void *arg), void *arg, uint64_t deadline, struct wsd_waker *waker);

#endif
