// SPDX-License-Identifier: BSD-2-Clause
/* host.c - the table of services that backends get: thin names over base. */

#include <stdatomic.h>
#include <stdio.h>

#include "rdma_backend/base/base.h"
#include "rdma_backend/base/platform.h"

#define PARAM_NAME_SIZE 64

static void (*_Atomic wake_queue)(void *queue_context);

void wsd_host_set_wake(void (*wake)(void *queue_context))
{
	atomic_store(&wake_queue, wake);
}

static void host_wake(void *queue_context)
{
	void (*wake)(void *) = atomic_load(&wake_queue);

	if (wake)
		wake(queue_context);
}

static uint64_t host_param_uint(const char *backend, const char *name, uint64_t standard,
				uint64_t min, uint64_t max)
{
	char full[PARAM_NAME_SIZE];

	snprintf(full, sizeof(full), "%s_%s", backend, name);
	return wsd_param_uint(full, standard, min, max);
}

static const char *host_param_text(const char *backend, const char *name, const char *standard)
{
	char full[PARAM_NAME_SIZE];

	snprintf(full, sizeof(full), "%s_%s", backend, name);
	return wsd_param_text(full, standard);
}

static void host_child_closes(intptr_t descriptor, bool keep)
{
	if (keep)
		(void)wsd_handle_keep(descriptor);
	else
		wsd_handle_forget(descriptor);
}

static const struct wsd_host host_table = {
	.size = sizeof(struct wsd_host),
	.abi = WSD_BACKEND_ABI,
	.log = wsd_log,
	.now = wsd_clock_ns,
	.alloc = wsd_alloc,
	.free = wsd_free,
	.param_uint = host_param_uint,
	.param_text = host_param_text,
	.counter = wsd_counter,
	.random = wsd_random,
	.wake = host_wake,
	.child_closes = host_child_closes,
};

const struct wsd_host *wsd_host_table(void)
{
	return &host_table;
}
