// SPDX-License-Identifier: BSD-2-Clause
/*
 * ledger.c - see ledger.h.
 *
 * A process writes its own entry only, and has it claimed as long as it lives (base/record.h). To be promised
 * a rate for which there is room it enters it, adds up what all have entered, and takes it back if that is too
 * much now: no lock is held that a stopped process could keep. Two that ask at the same time may both see too
 * much, so each asks a few times. Entries of the dead are cleared by who finds them.
 *
 * `promised` is the one word that the data path looks at. Who enters a rate sets it afterwards. Who finds
 * none clears it, and looks once more.
 *
 * Locks: the ledger's (static) before a path's; both are leaves otherwise.
 */
#include "provider/transport/ledger.h"

#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "provider/transport/bucket.h"
#include "provider/transport/engine_internal.h"
#include "provider/transport/parts.h"

#include "rdma_backend/base/base.h"
#include "rdma_backend/base/record.h"

#define LAYOUT	     2u		 /* of the file, and the end of its name */
#define MAGIC	     0x324c514fu /* "OQL2" */
#define ENTRIES	     512u
#define PATHS	     WSD_ENGINE_MAX
#define NAME_BYTES   48u
#define ATTEMPTS     64u
#define SECOND	     1000000000ull
#define WINDOW_NS    (SECOND / 10) /* who sent in this time is a sender */
#define BURST_PARTS  50u	   /* of a second: what those without a promise may send at once, */
#define BURST_LEAST  65536u	   /* but no less */
#define LEFT_PARTS   100u	   /* of the speed: what they have at least */
#define RATE_MOST    (1ull << 40)  /* believed of an entry */
#define WEIGHTS_MOST (8192u * WSD_WEIGHT_MOST)

/* What one process has on one path. The name is there before a number is other than 0, and stays. */
struct entry_path {
	char name[NAME_BYTES]; /* of the engine */
	_Atomic uint64_t rate;
	_Atomic uint32_t weights; /* of those without a promise, in the window before (parts.h) */
	_Atomic uint32_t window;  /* the one in which that was entered */
};

struct file {
	_Atomic uint32_t magic;
	_Atomic uint32_t promised;
	uint32_t pad[14];
	_Atomic uint8_t used[ENTRIES]; /* how many paths of it have had a name */
	struct entry_path entries[ENTRIES][PATHS];
};

/* The same in processes of 32 and of 64 bits. */
_Static_assert(sizeof(struct entry_path) == 64 && offsetof(struct entry_path, rate) == 48 &&
		       offsetof(struct entry_path, weights) == 56 &&
		       offsetof(struct entry_path, window) == 60,
	       "the layout of an entry's path");
_Static_assert(offsetof(struct file, promised) == 4 && offsetof(struct file, used) == 64 &&
		       offsetof(struct file, entries) == 64 + ENTRIES &&
		       sizeof(struct file) ==
			       64 + ENTRIES + ENTRIES * PATHS * sizeof(struct entry_path),
	       "the file's layout");

/* What this process's streams without a promise may send on a path. */
struct path {
	struct wsd_mutex lock;
	_Atomic(struct wsd_engine *) engine; /* [lock of the ledger, to write] NULL: unused */
	struct wsd_bucket bucket;
	struct wsd_parts parts;
	uint64_t room; /* in this window; UINT64_MAX: there is a bucket, or no need of one */
	_Atomic uint32_t
		unlike; /* the last window in which one of another weight than the standard sent */
};

static struct wsd_mutex lock = WSD_MUTEX_INIT;
static struct {
	intptr_t record; /* [lock] */
	_Atomic(struct file *) file;
	uint32_t entry;	       /* [lock] claimed; ENTRIES: none yet */
	bool failed;	       /* [lock] said so already */
	uint64_t rates[PATHS]; /* [lock] what we have promised, whatever the file says */
	struct path paths[PATHS];
} ledger;

/* Must who sends without a promise ask? One of the first two, or `promised` of the file. */
static const _Atomic uint32_t never, always = 1;
static _Atomic(const _Atomic uint32_t *) asks = &never;

static void lock_ledger(void)
{
	wsd_mutex_lock_static(&lock, WSD_FORK_RANK_LEDGER);
}

/* --- the file --- */

static enum wsd_status record_name(char *name)
{
	const char *word = wsd_param_text("QOS_LEDGER", "qos");
	size_t length = strlen(word);

	if (length == 0 || length > 24 ||
	    strspn(word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-") !=
		    length)
		return WSD_EINVAL;
	snprintf(name, WSD_RECORD_NAME, "openwsd-%s-%u-%u", word, (unsigned)wsd_user_id(), LAYOUT);
	return WSD_OK;
}

/* [lock] The record of all, made by the first. */
static enum wsd_status open_record(void)
{
	char name[WSD_RECORD_NAME];
	enum wsd_status status = record_name(name);

	if (status == WSD_OK)
		status = wsd_record_open(name, &ledger.record);
	if (status == WSD_NOTFOUND)
		status = wsd_record_create(name, &ledger.record);
	if (status == WSD_EBUSY)
		status = wsd_record_open(name, &ledger.record);
	return status;
}

/* [lock] */
static enum wsd_status map_record(struct file **file)
{
	uint32_t fresh = 0;
	void *base;
	enum wsd_status status = wsd_record_map(ledger.record, sizeof(struct file), &base);

	if (status != WSD_OK)
		return status;
	*file = base;
	status = WSD_EVERSION;
	if (!wsd_record_reserve(ledger.record, 0, sizeof(struct file)))
		status = WSD_ENOMEM;
	else if (atomic_compare_exchange_strong(&(*file)->magic, &fresh, MAGIC) || fresh == MAGIC)
		return WSD_OK;
	wsd_record_unmap(base, sizeof(struct file));
	return status;
}

void wsd_ledger_open(void)
{
	struct file *file = NULL;
	enum wsd_status status;

	lock_ledger();
	if (atomic_load(&ledger.file)) {
		wsd_mutex_unlock(&lock);
		return;
	}
	status = open_record();
	if (status == WSD_OK) {
		status = map_record(&file);
		if (status != WSD_OK)
			wsd_record_close(ledger.record);
	}
	ledger.entry = ENTRIES;
	if (status == WSD_OK) {
		for (unsigned i = 0; i < PATHS; i++) {
			wsd_mutex_init(&ledger.paths[i].lock);
			atomic_store(&ledger.paths[i].engine, NULL);
		}
		atomic_store(&ledger.file, file);
		atomic_store(&asks, &file->promised);
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
		atomic_store(&file->entries[entry][i].weights, 0);
	}
	atomic_store(&file->used[entry], 0);
}

void wsd_ledger_close(void)
{
	struct file *file;

	lock_ledger();
	atomic_store(&asks, &never);
	file = atomic_exchange(&ledger.file, NULL);
	if (file) {
		if (ledger.entry < ENTRIES)
			clear_entry(file, ledger.entry);
		for (unsigned i = 0; i < PATHS; i++) {
			ledger.rates[i] = 0;
			wsd_mutex_fini(&ledger.paths[i].lock);
		}
		wsd_record_unmap(file, sizeof(*file));
		wsd_record_close(ledger.record);
	}
	wsd_mutex_unlock(&lock);
}

void wsd_ledger_fork_child(void)
{
	/* The mapping stays, as a thread of the parent may have been in it; the claims are the parent's. */
	atomic_store(&asks, &never);
	atomic_store(&ledger.file, NULL);
	memset(ledger.rates, 0, sizeof(ledger.rates));
}

bool wsd_ledger_asks(void)
{
	/* relaxed: a promise made this very moment may be seen a moment later */
	return atomic_load_explicit(atomic_load_explicit(&asks, memory_order_acquire),
				    memory_order_relaxed) != 0;
}

/* [lock] Zero what a process left that is gone. False: its process lives. */
static bool bury(struct file *file, uint32_t entry)
{
	if (!wsd_record_lock(ledger.record, entry))
		return false;
	clear_entry(file, entry);
	wsd_record_unlock(ledger.record, entry);
	return true;
}

/* [lock] We have an entry, in which this is the number of the engine's path. */
static void name_path(struct file *file, unsigned path, const struct wsd_engine *engine)
{
	snprintf(file->entries[ledger.entry][path].name, NAME_BYTES, "%s", wsd_engine_name(engine));
	if (path >= atomic_load(&file->used[ledger.entry]))
		atomic_store(&file->used[ledger.entry], (uint8_t)(path + 1));
}

/* [lock] An entry of our own. Asks the system for each that others have. */
static bool claim_entry(struct file *file)
{
	if (ledger.entry < ENTRIES)
		return true;
	for (uint32_t i = 0; i < ENTRIES && ledger.entry == ENTRIES; i++)
		if (wsd_record_lock(ledger.record, i))
			ledger.entry = i;
	if (ledger.entry == ENTRIES)
		return false;
	clear_entry(file, ledger.entry);
	memset(ledger.rates, 0, sizeof(ledger.rates));
	for (unsigned k = 0; k < PATHS; k++) {
		struct wsd_engine *engine = atomic_load(&ledger.paths[k].engine);

		memset(file->entries[ledger.entry][k].name, 0, NAME_BYTES);
		if (engine)
			name_path(file, k, engine);
	}
	return true;
}

struct sums {
	uint64_t rate;	  /* promised on the path */
	uint64_t weights; /* of those without a promise, on the path */
	bool promised;	  /* anything on any path */
};

/* [lock] What all who live have entered, senders in this window or the one before. Nothing in the file is
 * believed beyond reason. */
static struct sums add_up(struct file *file, const char *name, uint32_t window)
{
	struct sums sums = { 0, 0, false };

	for (uint32_t i = 0; i < ENTRIES; i++) {
		unsigned used = atomic_load(&file->used[i]);
		bool looked = i == ledger.entry;

		for (unsigned k = 0; k < used && k < PATHS; k++) {
			struct entry_path *path = &file->entries[i][k];
			uint64_t rate = atomic_load(&path->rate);
			uint32_t weights = atomic_load(&path->weights);

			if (rate == 0 && weights == 0)
				continue;
			if (!looked && bury(file, i))
				break;
			looked = true;
			sums.promised = sums.promised || rate != 0;
			if (strncmp(path->name, name, NAME_BYTES) != 0)
				continue;
			sums.rate += rate < RATE_MOST ? rate : RATE_MOST;
			if (window - atomic_load(&path->window) <= 1)
				sums.weights += weights < WEIGHTS_MOST ? weights : WEIGHTS_MOST;
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

/* [lock] The number of this engine's path, in our entry if we have one, or PATHS. */
static unsigned path_of(struct file *file, struct wsd_engine *engine)
{
	for (unsigned i = 0; i < PATHS; i++) {
		struct path *path = &ledger.paths[i];

		if (atomic_load(&path->engine) == engine)
			return i;
		if (atomic_load(&path->engine))
			continue;
		if (ledger.entry < ENTRIES)
			name_path(file, i, engine);
		wsd_mutex_lock(&path->lock);
		atomic_store(&path->engine, engine);
		path->parts = (struct wsd_parts){ 0 };
		path->room = UINT64_MAX;
		atomic_store(&path->unlike, 0);
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

/* [lock] False: there is not so much left. What does not fit is not entered at all: others would make room for it. But
 * what did may not fit any more when it is there, as others enter theirs. */
static bool enter_rate(struct file *file, struct wsd_engine *engine, unsigned path, uint32_t before,
		       uint32_t after)
{
	_Atomic uint64_t *rate = &file->entries[ledger.entry][path].rate;
	const char *name = wsd_engine_name(engine);
	uint64_t most = most_of(engine);
	bool more = after > before;
	struct sums sums;

	if (more && add_up(file, name, 0).rate + (after - before) > most)
		return false;
	atomic_store(rate, ledger.rates[path] - before + after);
	sums = add_up(file, name, 0);
	if (more && sums.rate > most) {
		atomic_store(rate, ledger.rates[path]);
		return false;
	}
	ledger.rates[path] += (uint64_t)after - before;
	set_promised(file, name, sums.promised);
	return true;
}

/* [lock] */
static enum wsd_status change(struct file *file, struct wsd_engine *engine, uint32_t before,
			      uint32_t after)
{
	unsigned path = claim_entry(file) ? path_of(file, engine) : PATHS;

	if (path == PATHS)
		return after > before ? WSD_EUNSUPPORTED : WSD_OK;
	/* Whoever wrote there. */
	atomic_store(&file->entries[ledger.entry][path].rate, ledger.rates[path]);
	for (unsigned attempt = 0; attempt < ATTEMPTS; attempt++) {
		if (enter_rate(file, engine, path, before, after))
			return WSD_OK;
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

static uint32_t window_of(uint64_t now)
{
	return (uint32_t)(now / WINDOW_NS + 1);
}

/* [lock] Nobody of another weight has sent lately, on any path: then only promises count. */
static void forget_order(struct file *file)
{
	for (unsigned i = 0; i < PATHS; i++) {
		struct path *path = &ledger.paths[i];
		struct wsd_engine *engine = atomic_load(&path->engine);

		if (engine && atomic_load(&path->unlike) != 0 &&
		    (int32_t)(window_of(wsd_engine_now(engine)) - atomic_load(&path->unlike)) <= 1)
			return;
	}
	/* One that sends just now sets it again with its next write. */
	atomic_store(&asks, &file->promised);
}

/* What there is for those without a promise, in all. */
static uint64_t left_of(uint64_t speed, uint64_t promised)
{
	uint64_t left = promised < speed ? speed - promised : 0;

	return left < speed / LEFT_PARTS ? speed / LEFT_PARTS : left;
}

/* [ledger's lock, path's lock] A new window: tell how many we are, and see what is left for us. NULL: no entry was
 * to be had. Others do not know of us, and so we take the least while there are promises. */
static void refresh(struct file *file, struct path *path, struct entry_path *entry, uint32_t window,
		    uint64_t now)
{
	struct wsd_engine *engine = atomic_load(&path->engine);
	uint64_t speed = speed_of(engine), left, rate, depth;
	struct wsd_parts *parts = &path->parts;
	/* Who has just begun is believed to want a whole part. */
	uint32_t ours =
		wsd_parts_turn(parts, window) ? parts->weights_before + 1 : WSD_WEIGHT_STANDARD;
	struct sums sums;

	if (entry) {
		atomic_store(&entry->window, window);
		atomic_store(&entry->weights, ours);
	}
	sums = add_up(file, wsd_engine_name(engine), window);
	set_promised(file, wsd_engine_name(engine), sums.promised);
	forget_order(file);
	if (!entry)
		sums.weights = ours;
	left = left_of(speed, !entry && sums.rate != 0 ? speed : sums.rate);
	rate = left * (ours < WEIGHTS_MOST ? ours : WEIGHTS_MOST) /
	       (sums.weights ? sums.weights : 1);
	parts->promised = sums.rate != 0;
	parts->bytes = rate / (SECOND / WINDOW_NS);
	if (parts->promised && parts->bytes == 0)
		parts->bytes = 1;
	/* The parts come of the window before, so their sum may be more than there is. */
	path->room = parts->promised && rate > UINT32_MAX ? parts->bytes : UINT64_MAX;
	if (!parts->promised || rate > UINT32_MAX)
		rate = 0; /* no bucket */
	else if (rate == 0)
		rate = 1;
	depth = rate / BURST_PARTS;
	wsd_bucket_change(&path->bucket, (uint32_t)rate,
			  depth > BURST_LEAST ? (uint32_t)depth : BURST_LEAST, now);
}

/* [path's lock] Another thread may have read its clock later and been here first: windows never go back. */
static bool is_at(const struct path *path, uint32_t window)
{
	return path->parts.window != 0 && (int32_t)(window - path->parts.window) <= 0;
}

/* The path, locked and up to date; NULL: there is nothing to hold it back. */
static struct path *enter(struct wsd_engine *engine, uint64_t now)
{
	uint32_t window = window_of(now);
	struct path *path = NULL;
	struct file *file;
	unsigned i;

	for (i = 0; i < PATHS; i++) {
		path = &ledger.paths[i];
		if (atomic_load(&path->engine) != engine)
			continue;
		wsd_mutex_lock(&path->lock);
		if (is_at(path, window))
			return path;
		wsd_mutex_unlock(&path->lock);
		break;
	}
	lock_ledger();
	file = atomic_load(&ledger.file);
	i = file ? path_of(file, engine) : PATHS;
	path = NULL;
	if (i < PATHS) {
		/* Without one it is looked for in the next window. */
		bool claimed = claim_entry(file);

		path = &ledger.paths[i];
		wsd_mutex_lock(&path->lock);
		if (!is_at(path, window))
			refresh(file, path, claimed ? &file->entries[ledger.entry][i] : NULL,
				window, now);
	}
	wsd_mutex_unlock(&lock);
	return path;
}

/* One that comes before others or behind them: from now on all ask. */
static void keep_order(struct path *path, const struct wsd_share *share)
{
	if (share->weight == WSD_WEIGHT_STANDARD || path->parts.bytes == 0)
		return;
	atomic_store_explicit(&path->unlike, path->parts.window, memory_order_relaxed);
	if (atomic_load_explicit(&asks, memory_order_relaxed) != &always)
		atomic_store(&asks, &always);
}

size_t wsd_ledger_allow(struct wsd_engine *engine, struct wsd_share *share, size_t bytes,
			uint64_t now, uint64_t *when)
{
	struct path *path = enter(engine, now);
	uint64_t end;
	size_t part;

	if (!path)
		return bytes;
	keep_order(path, share);
	part = wsd_parts_allow(&path->parts, share, bytes);
	part = part < path->room ? part : (size_t)path->room;
	end = (now / WINDOW_NS + 1) * WINDOW_NS;
	if (part > 0)
		part = wsd_bucket_allow(&path->bucket, part, now, when);
	else if (*when < end)
		*when = end;
	wsd_bucket_take(&path->bucket, (uint32_t)part);
	path->room -= path->room == UINT64_MAX ? 0 : part;
	wsd_parts_take(&path->parts, share, part, bytes);
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
	path->room += path->room == UINT64_MAX ? 0 : bytes;
	wsd_parts_give_back(&path->parts, share, bytes);
	wsd_mutex_unlock(&path->lock);
}
