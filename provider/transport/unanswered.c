// SPDX-License-Identifier: BSD-2-Clause
/* unanswered.c - see unanswered.h. */
#include "provider/transport/unanswered.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "rdma_backend/base/base.h"
#include "rdma_backend/base/platform.h"

#define PATH_BYTES 48u
#define BUCKETS	   1024u
#define LONGEST	   16u /* times ANSWER_MEMORY */

struct note {
	struct wsd_addr remote;
	uint64_t until; /* ns; 0: no note */
	uint64_t life;
	uint16_t next; /* in its bucket: number + 1, 0: none */
	char path[PATH_BYTES];
};

static struct wsd_mutex lock = WSD_MUTEX_INIT;
static struct note notes[WSD_UNANSWERED_MOST];
static uint16_t first[BUCKETS]; /* number + 1; 0: nobody */
static unsigned used;		/* those before are in a bucket */
/* Is there any note, of any age? Most processes have none, and take no lock. */
static atomic_bool any;

static void take_lock(void)
{
	wsd_mutex_lock_static(&lock, WSD_FORK_RANK_UNANSWERED);
}

static uint32_t mix(uint32_t hash, const void *bytes, size_t length)
{
	const uint8_t *at = bytes;

	for (size_t i = 0; i < length; i++)
		hash = (hash ^ at[i]) * 16777619u;
	return hash;
}

static uint16_t *bucket_of(const char *path, const struct wsd_addr *remote)
{
	uint32_t hash = mix(2166136261u, remote->bytes, sizeof(remote->bytes));

	hash = mix(hash, &remote->port, sizeof(remote->port));
	hash = mix(hash, path, strnlen(path, PATH_BYTES - 1));
	return &first[(hash ^ hash >> 16) % BUCKETS];
}

/* [lock] However old; NULL: there is none. */
static struct note *find(const char *path, const struct wsd_addr *remote)
{
	for (uint16_t i = *bucket_of(path, remote); i != 0; i = notes[i - 1].next) {
		struct note *note = &notes[i - 1];

		if (wsd_addr_equal(&note->remote, remote) &&
		    strncmp(note->path, path, PATH_BYTES - 1) == 0)
			return note;
	}
	return NULL;
}

static void take_out(const struct note *note)
{
	uint16_t number = (uint16_t)(note - notes + 1), *at = bucket_of(note->path, &note->remote);

	while (*at != number)
		at = &notes[*at - 1].next;
	*at = note->next;
}

/* [lock] An unused one, or else the oldest. */
static struct note *room(void)
{
	struct note *oldest = &notes[0];

	if (used < WSD_UNANSWERED_MOST)
		return &notes[used++];
	for (unsigned i = 1; i < used; i++) {
		if (notes[i].until < oldest->until)
			oldest = &notes[i];
	}
	take_out(oldest);
	return oldest;
}

static struct note *make(const char *path, const struct wsd_addr *remote)
{
	uint16_t *bucket = bucket_of(path, remote);
	struct note *note = room();

	note->remote = *remote;
	note->until = 0;
	snprintf(note->path, sizeof(note->path), "%s", path);
	note->next = *bucket;
	*bucket = (uint16_t)(note - notes + 1);
	atomic_store(&any, true);
	return note;
}

void wsd_unanswered_note(const char *path, const struct wsd_addr *remote, bool grows)
{
	uint64_t life = wsd_param_uint("ANSWER_MEMORY", 60000, 0, 86400000) * 1000000u;
	uint64_t now = wsd_clock_ns();
	struct note *note;

	if (!life)
		return;
	take_lock();
	note = find(path, remote);
	if (!note)
		note = make(path, remote);
	if (note->until <= now) {
		if (grows && note->until > 0 && now - note->until < note->life)
			life = 2 * note->life < LONGEST * life ? 2 * note->life : LONGEST * life;
		note->life = life;
		note->until = now + life;
	}
	wsd_mutex_unlock(&lock);
}

bool wsd_unanswered_known(const char *path, const struct wsd_addr *remote)
{
	const struct note *note;
	bool known;

	if (!atomic_load(&any))
		return false;
	take_lock();
	note = find(path, remote);
	known = note && note->until > wsd_clock_coarse_ns();
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
