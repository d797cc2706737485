// SPDX-License-Identifier: BSD-2-Clause
/* unanswered.c - see unanswered.h. */
#include "provider/transport/unanswered.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "rdma_backend/base/base.h"
#include "rdma_backend/base/platform.h"

#define PATH_BYTES 48u

struct note {
	struct wsd_addr remote;
	uint64_t until; /* ns; 0: no note */
	char path[PATH_BYTES];
};

static struct wsd_mutex lock = WSD_MUTEX_INIT;
static struct note notes[WSD_UNANSWERED_MOST];
static unsigned used; /* those before have been in use */
/* Is there any note, of any age? Most processes have none, and take no lock. */
static atomic_bool any;

static void take_lock(void)
{
	wsd_mutex_lock_static(&lock, WSD_FORK_RANK_UNANSWERED);
}

/* [lock] NULL: not known, or no longer. */
static struct note *find(const char *path, const struct wsd_addr *remote)
{
	uint64_t now = wsd_clock_coarse_ns();

	for (unsigned i = 0; i < used; i++) {
		if (notes[i].until > now && wsd_addr_equal(&notes[i].remote, remote) &&
		    strncmp(notes[i].path, path, PATH_BYTES - 1) == 0)
			return &notes[i];
	}
	return NULL;
}

/* [lock] One that is over, or else the oldest. */
static struct note *room(uint64_t now)
{
	struct note *oldest = &notes[0];

	for (unsigned i = 1; i < used; i++) {
		if (notes[i].until < oldest->until)
			oldest = &notes[i];
	}
	if ((used == 0 || oldest->until > now) && used < WSD_UNANSWERED_MOST)
		return &notes[used++];
	return oldest;
}

void wsd_unanswered_note(const char *path, const struct wsd_addr *remote)
{
	uint64_t life = wsd_param_uint("ANSWER_MEMORY", 60000, 0, 86400000) * 1000000u;

	if (!life)
		return;
	take_lock();
	if (!find(path, remote)) {
		uint64_t now = wsd_clock_ns();
		struct note *note = room(now);

		note->remote = *remote;
		note->until = now + life;
		snprintf(note->path, sizeof(note->path), "%s", path);
		atomic_store(&any, true);
	}
	wsd_mutex_unlock(&lock);
}

bool wsd_unanswered_known(const char *path, const struct wsd_addr *remote)
{
	bool known;

	if (!atomic_load(&any))
		return false;
	take_lock();
	known = find(path, remote) != NULL;
	wsd_mutex_unlock(&lock);
	return known;
}

void wsd_unanswered_forget(const char *path, const struct wsd_addr *remote)
{
	struct note *note;

	if (!atomic_load(&any))
		return;
	take_lock();
	note = find(path, remote);
	if (note)
		note->until = 0;
	wsd_mutex_unlock(&lock);
}
