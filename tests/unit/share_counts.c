// SPDX-License-Identifier: BSD-2-Clause
/* share_counts.c - see share_counts.h. */
#include "tests/unit/share_counts.h"

#include <stdatomic.h>

#include "provider/winsock/share.h"

static atomic_ulong takes, wakes;
static atomic_bool no_listener;

enum wsd_status __real_wsd_share_unpark(struct wsd_share_record *share, struct wsd_socket *sock,
					intptr_t system, uint32_t *selector);
enum wsd_status __wrap_wsd_share_unpark(struct wsd_share_record *share, struct wsd_socket *sock,
					intptr_t system, uint32_t *selector);
void __real_wsd_bell_clear(intptr_t bell);
void __wrap_wsd_bell_clear(intptr_t bell);
enum wsd_status __real_wsd_listener_open(struct wsd_listener **listener,
					 const struct wsd_listener_owner *ops, void *owner,
					 const struct wsd_listener_end *ends, unsigned count,
					 const struct wsd_listener_options *options);
enum wsd_status __wrap_wsd_listener_open(struct wsd_listener **listener,
					 const struct wsd_listener_owner *ops, void *owner,
					 const struct wsd_listener_end *ends, unsigned count,
					 const struct wsd_listener_options *options);

unsigned long share_takes(void)
{
	return atomic_load(&takes);
}

unsigned long share_wakes(void)
{
	return atomic_load(&wakes);
}

void share_no_listener(bool none)
{
	atomic_store(&no_listener, none);
}

enum wsd_status __wrap_wsd_share_unpark(struct wsd_share_record *share, struct wsd_socket *sock,
					intptr_t system, uint32_t *selector)
{
	atomic_fetch_add(&takes, 1);
	return __real_wsd_share_unpark(share, sock, system, selector);
}

/* The thread of a shared socket does so whenever it has slept. */
void __wrap_wsd_bell_clear(intptr_t bell)
{
	atomic_fetch_add(&wakes, 1);
	__real_wsd_bell_clear(bell);
}

enum wsd_status __wrap_wsd_listener_open(struct wsd_listener **listener,
					 const struct wsd_listener_owner *ops, void *owner,
					 const struct wsd_listener_end *ends, unsigned count,
					 const struct wsd_listener_options *options)
{
	if (atomic_load(&no_listener))
		return WSD_ENOMEM;
	return __real_wsd_listener_open(listener, ops, owner, ends, count, options);
}
