// SPDX-License-Identifier: BSD-2-Clause
/*
 * ledger.c - see ledger.h.
 *
 * A process writes its own entry only, and has it claimed as long as it lives (base/common.h). To be promised
 * a rate it enters it, adds up what all have entered, and takes it back if that is too much: no lock is held
 * that a stopped process could keep. Two that ask at the same time may both see too much, so each asks a
 * few times. Entries of the dead are cleared by who finds them.
 *
 * `promised` is the one word that the data path looks at. Who enters a rate sets it afterwards. Who finds
 * none clears it, and looks once more.
 *
 * Locks: the ledger's (static) before a path's; both are leaves otherwise.
 */
#include "provider/transport/ledger.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "provider/transport/bucket.h"

#include "rdma_backend/base/base.h"
#include "rdma_backend/base/common.h"

#define MAGIC	     0x314c514fu /* "OQL1" */
#define ENTRIES	     128u
#define PATHS	     8u
#define NAME_BYTES   48u
#define ATTEMPTS     64u
#define SECOND	     1000000000ull
#define WINDOW_NS    (SECOND / 10) /* who sent in this time is a sender */
#define BURST_PARTS  50u	   /* of a second: what those without a promise may send at once, */
#define BURST_LEAST  65536u	   /* but no less */
#define LEFT_PARTS   100u	   /* of the speed: what they have at least */
#define RATE_MOST    (1ull << 40)  /* believed of an entry */
#define SENDERS_MOST (1u << 20)

/* What one process has on one path. The name is there before a number is other than 0, and stays. */
struct entry_path {
	char name[NAME_BYTES]; /* of the engine */
	_Atomic uint64_t rate;
	_Atomic uint32_t
		senders; /* weights of those without a promise that sent in the window before */
	_Atomic uint32_t window; /* the one in which that was entered */
};

struct file {
	_Atomic uint32_t magic;
	_Atomic uint32_t promised;
	uint32_t pad[14];
	struct entry_path entries[ENTRIES][PATHS];
};

/* What this process's streams without a promise may send on a path. */
struct path {
	struct wsd_mutex lock;
	_Atomic(struct wsd_engine *) engine; /* [lock of the ledger, to write] NULL: unused */
	struct wsd_bucket bucket;
	uint64_t window;
	uint32_t senders; /* in it, so far: the sum of their weights */
	uint32_t before;  /* in the one before */
};

static struct wsd_mutex lock = WSD_MUTEX_INIT;
static struct {
	struct wsd_common common; /* [lock] */
	_Atomic(struct file *) file;
	uint32_t entry;	       /* [lock] claimed; ENTRIES: none yet */
	bool failed;	       /* [lock] said so already */
	uint64_t rates[PATHS]; /* [lock] what we have promised, whatever the file says */
	struct path paths[PATHS];
} ledger;

static void lock_ledger(void)
{
	wsd_mutex_lock_static(&lock, WSD_FORK_RANK_LEDGER);
}

/* --- the file --- */

void wsd_ledger_open(void)
{
	enum wsd_status status;
	uint32_t fresh = 0;
	struct file *file;

	lock_ledger();
	if (atomic_load(&ledger.file)) {
		wsd_mutex_unlock(&lock);
		return;
	}
	status = wsd_common_open(&ledger.common, wsd_param_text("QOS_LEDGER", "qos"),
				 sizeof(struct file));
	if (status == WSD_OK) {
		file = ledger.common.base;
		if (!atomic_compare_exchange_strong(&file->magic, &fresh, MAGIC) &&
		    fresh != MAGIC) {
			wsd_common_close(&ledger.common);
			status = WSD_EVERSION;
		}
	}
	ledger.entry = ENTRIES;
	if (status == WSD_OK) {
		for (unsigned i = 0; i < PATHS; i++) {
			wsd_mutex_init(&ledger.paths[i].lock);
			atomic_store(&ledger.paths[i].engine, NULL);
		}
		atomic_store(&ledger.file, file);
	} else {
		wsd_log(WSD_LOG_WARNING, "qos",
			"no rate can be promised, the ledger of this user: %s",
			wsd_status_text(status));
	}
	wsd_mutex_unlock(&lock);
}

/* [lock] */
static void clear_entry(struct file *file, uint32_t entry)
{
	for (unsigned i = 0; i < PATHS; i++) {
		atomic_store(&file->entries[entry][i].rate, 0);
		atomic_store(&file->entries[entry][i].senders, 0);
	}
}

void wsd_ledger_close(void)
{
	struct file *file;

	lock_ledger();
	file = atomic_exchange(&ledger.file, NULL);
	if (file) {
		if (ledger.entry < ENTRIES)
			clear_entry(file, ledger.entry);
		for (unsigned i = 0; i < PATHS; i++) {
			ledger.rates[i] = 0;
			wsd_mutex_fini(&ledger.paths[i].lock);
		}
		wsd_common_close(&ledger.common);
	}
	wsd_mutex_unlock(&lock);
}

void wsd_ledger_fork_child(void)
{
	/* The mapping stays, as a thread of the parent may have been in it; the claims are the parent's. */
	atomic_store(&ledger.file, NULL);
	memset(ledger.rates, 0, sizeof(ledger.rates));
}

bool wsd_ledger_promised(void)
{
	struct file *file = atomic_load_explicit(&ledger.file, memory_order_acquire);

	/* relaxed: a promise made this very moment may be seen a moment later */
	return file && atomic_load_explicit(&file->promised, memory_order_relaxed) != 0;
}

/* [lock] Zero what a process left that is gone. False: its process lives. */
static bool bury(struct file *file, uint32_t entry)
{
	if (wsd_common_claimed(&ledger.common, entry) || !wsd_common_claim(&ledger.common, entry))
		return false;
	clear_entry(file, entry);
	wsd_common_unclaim(&ledger.common, entry);
	return true;
}

/* [lock] An entry of our own. */
static bool claim_entry(struct file *file)
{
	for (uint32_t i = 0; i < ENTRIES && ledger.entry == ENTRIES; i++) {
		if (!wsd_common_claim(&ledger.common, i))
			continue;
		clear_entry(file, i);
		memset(ledger.rates, 0, sizeof(ledger.rates));
		for (unsigned k = 0; k < PATHS; k++)
			memset(file->entries[i][k].name, 0, NAME_BYTES);
		ledger.entry = i;
	}
	return ledger.entry < ENTRIES;
}

struct sums {
	uint64_t rate;	  /* promised on the path */
	uint64_t senders; /* without a promise, on the path */
	bool promised;	  /* anything on any path */
};

/* [lock] What all who live have entered, senders in this window or the one before. Nothing in the file is
 * believed beyond reason. */
static struct sums add_up(struct file *file, const char *name, uint32_t window)
{
	struct sums sums = { 0, 0, false };

	for (uint32_t i = 0; i < ENTRIES; i++) {
		bool looked = i == ledger.entry;

		for (unsigned k = 0; k < PATHS; k++) {
			struct entry_path *path = &file->entries[i][k];
			uint64_t rate = atomic_load(&path->rate);
			uint32_t senders = atomic_load(&path->senders);

			if (rate == 0 && senders == 0)
				continue;
			if (!looked && bury(file, i))
				break;
			looked = true;
			sums.promised = sums.promised || rate != 0;
			if (strncmp(path->name, name, NAME_BYTES) != 0)
				continue;
			sums.rate += rate < RATE_MOST ? rate : RATE_MOST;
			if (window - atomic_load(&path->window) <= 1)
				sums.senders += senders < SENDERS_MOST ? senders : SENDERS_MOST;
		}
	}
	return sums;
}

/* [lock] */
static void set_promised(struct file *file, const char *name, bool promised)
{
	atomic_store(&file->promised, promised);
	if (!promised && add_up(file, name, 0).promised)
		atomic_store(&file->promised, 1);
}

/* [lock] The number of this engine's path in our entry, or PATHS. */
static unsigned path_of(struct file *file, struct wsd_engine *engine)
{
	for (unsigned i = 0; i < PATHS; i++) {
		struct path *path = &ledger.paths[i];

		if (atomic_load(&path->engine) == engine)
			return i;
		if (atomic_load(&path->engine))
			continue;
		snprintf(file->entries[ledger.entry][i].name, NAME_BYTES, "%s",
			 wsd_engine_name(engine));
		wsd_mutex_lock(&path->lock);
		atomic_store(&path->engine, engine);
		path->window = 0;
		path->senders = path->before = 0;
		wsd_bucket_init(&path->bucket, 0, BURST_LEAST, 0);
		wsd_mutex_unlock(&path->lock);
		return i;
	}
	return PATHS;
}

/* --- promises --- */

static uint64_t speed_of(const struct wsd_engine *engine)
{
	uint64_t speed = wsd_engine_attr(engine)->speed;

	return speed < RATE_MOST ? speed : RATE_MOST;
}

static uint64_t most_of(const struct wsd_engine *engine)
{
	return speed_of(engine) / 100 * wsd_param_uint("QOS_RESERVABLE", 75, 0, 100);
}

bool wsd_ledger_has_room(struct wsd_engine *engine, uint32_t rate)
{
	struct file *file;
	bool room = false;

	lock_ledger();
	file = atomic_load(&ledger.file);
	if (file)
		room = add_up(file, wsd_engine_name(engine), 0).rate + rate <= most_of(engine);
	wsd_mutex_unlock(&lock);
	return room;
}

/* [lock] */
static enum wsd_status change(struct file *file, struct wsd_engine *engine, uint32_t before,
			      uint32_t after)
{
	uint64_t most = most_of(engine);
	unsigned path = claim_entry(file) ? path_of(file, engine) : PATHS;
	struct entry_path *entry;

	if (path == PATHS)
		return after > before ? WSD_EUNSUPPORTED : WSD_OK;
	entry = &file->entries[ledger.entry][path];
	for (unsigned attempt = 0; attempt < ATTEMPTS; attempt++) {
		struct sums sums;

		atomic_store(&entry->rate, ledger.rates[path] - before + after);
		sums = add_up(file, wsd_engine_name(engine), 0);
		if (after <= before || sums.rate <= most) {
			ledger.rates[path] += (uint64_t)after - before;
			set_promised(file, wsd_engine_name(engine), sums.promised);
			return WSD_OK;
		}
		atomic_store(&entry->rate, ledger.rates[path]);
		/* Another one may have been about to take back what it entered. Not all at once. */
		for (unsigned spin = wsd_process_id() % 61 * attempt; spin > 0; spin--)
			wsd_cpu_relax();
	}
	return WSD_EUNSUPPORTED;
}

enum wsd_status wsd_ledger_change(struct wsd_engine *engine, uint32_t before, uint32_t after)
{
	enum wsd_status status = after > before ? WSD_EUNSUPPORTED : WSD_OK;
	struct file *file;

	if (before == after)
		return WSD_OK;
	lock_ledger();
	file = atomic_load(&ledger.file);
	if (file)
		status = change(file, engine, before, after);
	wsd_mutex_unlock(&lock);
	return status;
}

/* --- those without a promise --- */

/* [ledger's lock, path's lock] A new window: tell how many we are, and see what is left for us. */
static void refresh(struct file *file, struct path *path, struct entry_path *entry, uint64_t window,
		    uint64_t now)
{
	struct wsd_engine *engine = atomic_load(&path->engine);
	uint64_t speed = speed_of(engine), left, rate;
	struct sums sums;

	path->before = path->window + 1 == window ? path->senders : 0;
	path->window = window;
	path->senders = 0;
	atomic_store(&entry->window, (uint32_t)window);
	atomic_store(&entry->senders, path->before ? path->before : 1);
	sums = add_up(file, wsd_engine_name(engine), (uint32_t)window);
	set_promised(file, wsd_engine_name(engine), sums.promised);
	left = sums.rate < speed ? speed - sums.rate : 0;
	if (left < speed / LEFT_PARTS)
		left = speed / LEFT_PARTS;
	rate = left * (path->before ? path->before : 1) / (sums.senders ? sums.senders : 1);
	if (sums.rate == 0 || rate > UINT32_MAX)
		rate = 0; /* nothing to be held back for, on this path */
	else if (rate == 0)
		rate = 1;
	wsd_bucket_change(&path->bucket, (uint32_t)rate,
			  rate / BURST_PARTS > BURST_LEAST ? (uint32_t)(rate / BURST_PARTS)
							   : BURST_LEAST,
			  now);
}

/* The path, locked and with an up-to-date bucket; NULL: there is nothing to hold it back. */
static struct path *enter(struct wsd_engine *engine, uint64_t now)
{
	uint64_t window = now / WINDOW_NS + 1;
	struct path *path = NULL;
	struct file *file;
	unsigned i;

	for (i = 0; i < PATHS; i++) {
		path = &ledger.paths[i];
		if (atomic_load(&path->engine) != engine)
			continue;
		wsd_mutex_lock(&path->lock);
		if (path->window == window)
			return path;
		wsd_mutex_unlock(&path->lock);
		break;
	}
	lock_ledger();
	file = atomic_load(&ledger.file);
	i = file && claim_entry(file) ? path_of(file, engine) : PATHS;
	path = NULL;
	if (i < PATHS) {
		path = &ledger.paths[i];
		wsd_mutex_lock(&path->lock);
		if (path->window != window)
			refresh(file, path, &file->entries[ledger.entry][i], window, now);
	}
	wsd_mutex_unlock(&lock);
	return path;
}

/* Who always comes first would leave nothing to the others: in a window each has its part. */
static size_t of_its_part(const struct path *path, const struct wsd_share *share, size_t bytes,
			  uint64_t *when)
{
	uint64_t all = path->before > share->weight ? path->before : share->weight;
	uint64_t each = path->bucket.rate / (SECOND / WINDOW_NS) * share->weight / all;

	if (path->bucket.rate == 0 || bytes <= each - (share->taken < each ? share->taken : each))
		return bytes;
	if (share->taken >= each && share->taken > 0) {
		if (*when < path->window * WINDOW_NS)
			*when = path->window * WINDOW_NS;
		return 0;
	}
	return each > share->taken ? each - share->taken : 1;
}

size_t wsd_ledger_allow(struct wsd_engine *engine, struct wsd_share *share, size_t bytes,
			uint64_t now, uint64_t *when)
{
	struct path *path = enter(engine, now);
	size_t part;

	if (!path)
		return bytes;
	if (share->window != (uint32_t)path->window) {
		share->window = (uint32_t)path->window;
		share->taken = 0;
		path->senders += share->weight;
	}
	part = of_its_part(path, share, bytes, when);
	if (part > 0)
		part = wsd_bucket_allow(&path->bucket, part, now, when);
	wsd_bucket_take(&path->bucket, (uint32_t)part);
	share->taken += path->bucket.rate != 0 ? (uint32_t)part : 0;
	wsd_mutex_unlock(&path->lock);
	return part;
}

void wsd_ledger_give_back(struct wsd_engine *engine, struct wsd_share *share, size_t bytes,
			  uint64_t now)
{
	struct path *path = bytes ? enter(engine, now) : NULL;

	if (!path)
		return;
	wsd_bucket_give(&path->bucket, (uint32_t)bytes);
	share->taken -= share->taken > bytes ? (uint32_t)bytes : share->taken;
	wsd_mutex_unlock(&path->lock);
}
