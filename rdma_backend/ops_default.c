// SPDX-License-Identifier: BSD-2-Clause
/* ops_default.c - what a backend's table must have, and the fillers of what it may leave out. */

#include "rdma_backend/ops_default.h"

#include <stdio.h>
#include <string.h>

#include "rdma_backend/base/platform.h"

/* What a function pointer of the table looks like when it is not set. */
typedef void (*any_function)(void);

struct entry {
	const char *name;
	size_t offset;
};

#define ENTRY(member)                                             \
	{                                                         \
#member, offsetof(struct wsd_backend_ops, member) \
	}

/* The entries marked * in backend.h: all but clock, busy, bind, set_traffic_class and set_hops. */
static const struct entry required[] = {
	ENTRY(open),
	ENTRY(close),
	ENTRY(addresses),
	ENTRY(reachable),
	ENTRY(queue_create),
	ENTRY(queue_destroy),
	ENTRY(poll),
	ENTRY(arm),
	ENTRY(disarm),
	ENTRY(wait_object),
	ENTRY(reg),
	ENTRY(dereg),
	ENTRY(mem_alloc),
	ENTRY(mem_free),
	ENTRY(listen),
	ENTRY(listener_destroy),
	ENTRY(endpoint_create),
	ENTRY(endpoint_destroy),
	ENTRY(connect),
	ENTRY(accept),
	ENTRY(reject),
	ENTRY(disconnect),
	ENTRY(post_send),
	ENTRY(post_recv),
};

static uint64_t default_clock(struct wsd_queue *queue)
{
	(void)queue;
	return wsd_clock_ns();
}

static bool never_busy(struct wsd_queue *queue)
{
	(void)queue;
	return false;
}

static void bind_nothing(struct wsd_region *region, struct wsd_endpoint *endpoint)
{
	(void)region;
	(void)endpoint;
}

static void keep_traffic_class(struct wsd_endpoint *endpoint, uint32_t traffic_class)
{
	(void)endpoint;
	(void)traffic_class;
}

static void keep_hops(struct wsd_endpoint *endpoint, uint32_t hops)
{
	(void)endpoint;
	(void)hops;
}

bool wsd_ops_keeps_traffic_class(const struct wsd_backend_ops *full)
{
	return full->set_traffic_class == keep_traffic_class;
}

static bool is_set(const struct wsd_backend_ops *ops, size_t offset)
{
	any_function function;

	memcpy(&function, (const char *)ops + offset, sizeof(function));
	return function != NULL;
}

bool wsd_ops_name_valid(const char *name)
{
	size_t i;

	for (i = 0; name && name[i]; i++)
		if (i == 15 || !strchr("abcdefghijklmnopqrstuvwxyz0123456789", name[i]))
			return false;
	return i > 0;
}

enum wsd_status wsd_ops_complete(const struct wsd_backend_ops *ops, struct wsd_backend_ops *full,
				 char *reason, size_t reason_size)
{
	size_t i;

	/* Nothing behind size and abi may be read before they are known to match. */
	if (ops->abi != WSD_BACKEND_ABI || ops->size != sizeof(*ops)) {
		snprintf(reason, reason_size,
			 "backend has ABI %u and a table of %u bytes, this library %u and %u",
			 (unsigned)ops->abi, (unsigned)ops->size, WSD_BACKEND_ABI,
			 (unsigned)sizeof(*ops));
		return WSD_EABI;
	}
	if (!wsd_ops_name_valid(ops->name)) {
		snprintf(reason, reason_size,
			 "backend has no name of 1 to 15 letters a-z and digits");
		return WSD_EINVAL;
	}
	for (i = 0; i < sizeof(required) / sizeof(required[0]); i++) {
		if (is_set(ops, required[i].offset))
			continue;
		snprintf(reason, reason_size, "backend %s lacks the operation %s", ops->name,
			 required[i].name);
		return WSD_EINVAL;
	}
	*full = *ops;
	if (!full->clock)
		full->clock = default_clock;
	if (!full->busy)
		full->busy = never_busy;
	if (!full->bind)
		full->bind = bind_nothing;
	if (!full->set_traffic_class)
		full->set_traffic_class = keep_traffic_class;
	if (!full->set_hops)
		full->set_hops = keep_hops;
	if (!full->description)
		full->description = "";
	return WSD_OK;
}
