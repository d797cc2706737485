// SPDX-License-Identifier: BSD-2-Clause
/* path.c - see path.h. */
#include "provider/transport/path.h"

#include <stdio.h>
#include <string.h>

#include "rdma_backend/base/base.h"

/* The failure that tells the program most: somebody refused > this path could not even be tried >
 * nobody listens > timed out > not reachable. */
static int weight(enum wsd_status status)
{
	switch ((int)status) {
	case WSD_EREFUSED:
		return 6;
	case WSD_ENOFILES:
	case WSD_ENOMEM:
		return 5;
	case WSD_ENOLISTENER:
		return 4;
	case WSD_ETIMEDOUT:
		return 3;
	case WSD_EUNREACHABLE:
		return 1;
	default:
		return 2;
	}
}

void wsd_paths_begin(struct wsd_paths *paths)
{
	paths->index = 0;
	paths->best = WSD_EUNREACHABLE;
}

void wsd_paths_failed(struct wsd_paths *paths, enum wsd_status status)
{
	size_t at;

	if (!paths->reasons)
		paths->reasons = wsd_alloc(WSD_REASON_BYTES);
	if (paths->reasons) {
		at = strlen(paths->reasons);
		snprintf(paths->reasons + at, WSD_REASON_BYTES - at, "%s%s: %s (%d)",
			 at ? "; " : "", wsd_engine_name(wsd_engine_at(paths->index)),
			 wsd_status_text(status), (int)status);
	}
	if (weight(status) > weight(paths->best))
		paths->best = status;
	paths->index++;
}

struct wsd_engine *wsd_paths_next(struct wsd_paths *paths, const struct wsd_addr *local,
				  const struct wsd_addr *remote)
{
	unsigned count = wsd_engine_count();

	while (paths->index < count) {
		struct wsd_engine *engine = wsd_engine_at(paths->index);
		enum wsd_status status =
			wsd_engine_ops(engine)->reachable(wsd_engine_device(engine), local, remote);

		if (status == WSD_OK)
			return engine;
		wsd_paths_failed(paths, status);
	}
	return NULL;
}

void wsd_paths_end(struct wsd_paths *paths)
{
	wsd_free(paths->reasons);
	paths->reasons = NULL;
}
