// SPDX-License-Identifier: BSD-2-Clause
/* path.c - see path.h. */
#include "provider/transport/path.h"

#include <stdio.h>
#include <string.h>

#include "provider/transport/unanswered.h"
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
	case WSD_ENOANSWER:
		return 3;
	case WSD_EUNREACHABLE:
		return 1;
	default:
		return 2;
	}
}

static void note(struct wsd_paths *paths, const char *reason)
{
	size_t at;

	if (!paths->reasons)
		paths->reasons = wsd_alloc(WSD_REASON_BYTES);
	if (!paths->reasons)
		return;
	at = strlen(paths->reasons);
	snprintf(paths->reasons + at, WSD_REASON_BYTES - at, "%s%s", at ? "; " : "", reason);
}

/* Backends before the next engine that have none. */
static void pass_missing(struct wsd_paths *paths)
{
	const char *reason;

	while ((reason = wsd_engine_missing(paths->missing, paths->index)) != NULL) {
		note(paths, reason);
		paths->missing++;
	}
}

void wsd_paths_begin(struct wsd_paths *paths)
{
	paths->index = 0;
	paths->missing = 0;
	paths->best = WSD_EUNREACHABLE;
}

/* Notes hold for a whole host. */
static struct wsd_addr host_of(const struct wsd_addr *remote)
{
	struct wsd_addr host = *remote;

	host.port = 0;
	return host;
}

void wsd_paths_failed(struct wsd_paths *paths, const struct wsd_addr *remote,
		      enum wsd_status status)
{
	const char *name = wsd_engine_name(wsd_engine_at(paths->index));
	struct wsd_addr host = host_of(remote);
	char reason[192];

	if (status == WSD_ENOANSWER)
		wsd_unanswered_note(name, &host);
	snprintf(reason, sizeof(reason), "%.64s: %.100s (%d)", name, wsd_status_text(status),
		 (int)status);
	note(paths, reason);
	if (weight(status) > weight(paths->best))
		paths->best = status;
	paths->index++;
}

void wsd_paths_opened(const struct wsd_engine *engine, const struct wsd_addr *remote)
{
	struct wsd_addr host = host_of(remote);

	wsd_unanswered_forget(wsd_engine_name(engine), &host);
}

static enum wsd_status reach(const struct wsd_engine *engine, const struct wsd_addr *local,
			     const struct wsd_addr *remote)
{
	return wsd_engine_ops(engine)->reachable(wsd_engine_device(engine), local, remote);
}

/* Nobody answered there lately, and another path is left: the last one is tried whatever is known. */
static bool pass_over(const struct wsd_paths *paths, const struct wsd_addr *local,
		      const struct wsd_addr *remote)
{
	struct wsd_addr host = host_of(remote);
	unsigned count = wsd_engine_count(), i;

	if (!wsd_unanswered_known(wsd_engine_name(wsd_engine_at(paths->index)), &host))
		return false;
	for (i = paths->index + 1; i < count; i++) {
		if (reach(wsd_engine_at(i), local, remote) == WSD_OK)
			return true;
	}
	return false;
}

struct wsd_engine *wsd_paths_next(struct wsd_paths *paths, const struct wsd_addr *local,
				  const struct wsd_addr *remote)
{
	unsigned count = wsd_engine_count();

	pass_missing(paths);
	while (paths->index < count) {
		struct wsd_engine *engine = wsd_engine_at(paths->index);
		enum wsd_status status = reach(engine, local, remote);

		if (status == WSD_OK && pass_over(paths, local, remote))
			status = WSD_ENOANSWER;
		if (status == WSD_OK)
			return engine;
		wsd_paths_failed(paths, remote, status);
		pass_missing(paths);
	}
	return NULL;
}

void wsd_paths_end(struct wsd_paths *paths)
{
	wsd_free(paths->reasons);
	paths->reasons = NULL;
}
