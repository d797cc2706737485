// SPDX-License-Identifier: BSD-2-Clause
/*
 * handle.c - owns the handle table.
 *
 * Design notes: slots live in chunks that are never moved or freed, so a reader needs no lock. All
 * that a lookup tests is in one 64-bit word (generation, type, open, references); taking a
 * reference is one compare-and-swap on it, which fails if the slot was closed or reused in between.
 * A slot is reused only when its references are gone. Free slots are a queue, not a stack, so that
 * a stale value keeps pointing at a closed slot for as long as possible.
 */
#include "spi_shim/linux/handle.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>

#include "rdma_backend/base/base.h"
#include "spi_shim/linux/error.h"

#define CHUNK_BITS  10
#define CHUNK_SLOTS (1u << CHUNK_BITS)
#define LIMIT_MIN   64
#define LIMIT_MAX   (1u << 22)
#define LIMIT	    (1u << 20)

/* word: generation << 24 | type << 21 | open << 20 | references */
#define REFS_MASK 0xFFFFFull
#define REFS_GIVEN \
	0xF0000ull /* from values; beyond it wsd_object_ref, one for each call under way */
#define OPEN_BIT   (1ull << 20)
#define TYPE_SHIFT 21
#define GEN_SHIFT  24

/* value: generation << INDEX_BITS + 2 | index << 2 */
#if UINTPTR_MAX > 0xFFFFFFFFu
#define INDEX_BITS 22
#define GEN_BITS   38
#else
#define INDEX_BITS 18
#define GEN_BITS   11
#endif
#define INDEX_MASK (((uint32_t)1 << INDEX_BITS) - 1)
#define GEN_MASK   (((uint64_t)1 << GEN_BITS) - 1)

struct slot {
	_Atomic uint64_t word;
	struct wsd_object *_Atomic object;
	_Atomic uintptr_t note;
	uint32_t next_free;
};

struct chunk {
	struct slot slots[CHUNK_SLOTS];
};

static struct {
	pthread_mutex_t lock; /* everything but slot words and the reading of chunk pointers */
	struct chunk *_Atomic chunks[LIMIT_MAX >> CHUNK_BITS];
	uint32_t limit; /* 0: not read yet */
	uint32_t used;	/* slots ever used; index 0 is never given out */
	uint32_t free_head, free_tail;
	_Atomic uint32_t open;
	uint64_t first_generation;
} table = { .lock = PTHREAD_MUTEX_INITIALIZER, .used = 1, .first_generation = 1 };

static struct slot *slot_at(uint32_t index)
{
	struct chunk *chunk;

	if (index == 0 || index >= LIMIT_MAX)
		return NULL;
	/* acquire: pairs with the release in slot_take, so that the zeroed slots are seen */
	chunk = atomic_load_explicit(&table.chunks[index >> CHUNK_BITS], memory_order_acquire);
	return chunk != NULL ? &chunk->slots[index & (CHUNK_SLOTS - 1)] : NULL;
}

static uint32_t index_of(uintptr_t value)
{
	return (uint32_t)(value >> 2) & INDEX_MASK;
}

static uintptr_t value_of(uint32_t index, uint64_t word)
{
	return (uintptr_t)((word >> GEN_SHIFT) & GEN_MASK) << (INDEX_BITS + 2) | (uintptr_t)index
											 << 2;
}

/* Does the word describe an open handle with this value? type NONE matches any. */
static bool word_matches(uint64_t word, uintptr_t value, enum wsd_handle_type type)
{
	if ((word & OPEN_BIT) == 0 || (value & 3) != 0)
		return false;
	if (type != WSD_HANDLE_NONE && ((word >> TYPE_SHIFT) & 7) != (uint64_t)type)
		return false;
	return value_of(index_of(value), word) == value;
}

/* [lock held] An index that nobody uses, or 0 with the last error set. */
static uint32_t slot_take_locked(void)
{
	uint32_t index = table.free_head;
	struct chunk *chunk;

	if (index != 0) {
		struct slot *slot = slot_at(index);

		table.free_head = slot->next_free;
		if (table.free_head == 0)
			table.free_tail = 0;
		return index;
	}
	if (table.limit == 0) {
		uint64_t most = LIMIT_MAX < INDEX_MASK ? LIMIT_MAX : INDEX_MASK;

		table.limit = (uint32_t)wsd_param_uint("HANDLES_MAX", LIMIT < most ? LIMIT : most,
						       LIMIT_MIN, most);
	}
	index = table.used;
	if (index >= table.limit)
		return (uint32_t)wsd_fail(ERROR_TOO_MANY_OPEN_FILES);
	if (slot_at(index) == NULL) {
		chunk = wsd_alloc(sizeof(*chunk));
		if (chunk == NULL)
			return (uint32_t)wsd_fail(ERROR_NOT_ENOUGH_MEMORY);
		atomic_store_explicit(&table.chunks[index >> CHUNK_BITS], chunk,
				      memory_order_release);
	}
	table.used++;
	return index;
}

uintptr_t wsd_object_new(enum wsd_handle_type type, struct wsd_object *object)
{
	uint64_t generation, word;
	struct slot *slot;
	uint32_t index;

	pthread_mutex_lock(&table.lock);
	index = slot_take_locked();
	pthread_mutex_unlock(&table.lock);
	if (index == 0)
		return 0;
	slot = slot_at(index);
	word = atomic_load_explicit(&slot->word, memory_order_relaxed); /* nobody else writes it */
	generation = ((word >> GEN_SHIFT) + 1) & GEN_MASK;
	if (generation < table.first_generation)
		generation = table.first_generation;
	if (value_of(index, generation << GEN_SHIFT) >> 1 == UINTPTR_MAX >> 1)
		generation = table.first_generation; /* never INVALID_SOCKET */
	object->slot = index;
	word = generation << GEN_SHIFT | (uint64_t)type << TYPE_SHIFT | OPEN_BIT | 1;
	atomic_store_explicit(&slot->object, object, memory_order_relaxed);
	/* release: whoever reads this note sees that the slot was closed before */
	atomic_store_explicit(&slot->note, object->note, memory_order_release);
	atomic_store_explicit(&slot->word, word, memory_order_release); /* publishes both */
	atomic_fetch_add_explicit(&table.open, 1, memory_order_relaxed);
	return value_of(index, word);
}

struct wsd_object *wsd_object_get(uintptr_t value, enum wsd_handle_type type)
{
	struct slot *slot = slot_at(index_of(value));
	uint64_t word;

	if (slot == NULL)
		return NULL;
	word = atomic_load_explicit(&slot->word, memory_order_relaxed);
	do {
		if (!word_matches(word, value, type) || (word & REFS_MASK) >= REFS_GIVEN)
			return NULL;
		/* acquire: the object was published with the word */
	} while (!atomic_compare_exchange_weak_explicit(
		&slot->word, &word, word + 1, memory_order_acquire, memory_order_relaxed));
	return atomic_load_explicit(&slot->object, memory_order_relaxed);
}

/* The note lives in the slot, which is never freed: read it between two equal generations. */
bool wsd_object_note(uintptr_t value, enum wsd_handle_type type, uintptr_t *note)
{
	struct slot *slot = slot_at(index_of(value));
	uint64_t before, after;

	if (slot == NULL)
		return false;
	before = atomic_load_explicit(&slot->word, memory_order_acquire);
	/* acquire: pairs with the release of a later owner, which closed the slot first */
	*note = atomic_load_explicit(&slot->note, memory_order_acquire);
	after = atomic_load_explicit(&slot->word, memory_order_relaxed);
	return word_matches(before, value, type) && ((before ^ after) & ~REFS_MASK) == 0;
}

void wsd_object_ref(struct wsd_object *object)
{
	atomic_fetch_add_explicit(&slot_at(object->slot)->word, 1, memory_order_relaxed);
}

static void slot_recycle(struct slot *slot, uint32_t index)
{
	pthread_mutex_lock(&table.lock);
	slot->next_free = 0;
	if (table.free_tail != 0)
		slot_at(table.free_tail)->next_free = index;
	else
		table.free_head = index;
	table.free_tail = index;
	pthread_mutex_unlock(&table.lock);
}

/* word is what is left after a reference was dropped. */
static void slot_dropped(struct slot *slot, uint32_t index, uint64_t word)
{
	struct wsd_object *object;

	if ((word & REFS_MASK) != 0)
		return;
	object = atomic_load_explicit(&slot->object, memory_order_relaxed);
	atomic_store_explicit(&slot->object, NULL, memory_order_relaxed);
	slot_recycle(slot, index);
	object->destroy(object);
}

void wsd_object_put(struct wsd_object *object)
{
	uint32_t index = object->slot;
	struct slot *slot = slot_at(index);
	/* acq_rel: what every holder did to the object happens before its destruction */
	uint64_t word = atomic_fetch_sub_explicit(&slot->word, 1, memory_order_acq_rel) - 1;

	slot_dropped(slot, index, word);
}

bool wsd_object_close(uintptr_t value, enum wsd_handle_type type)
{
	uint32_t index = index_of(value);
	struct slot *slot = slot_at(index);
	uint64_t word, next;

	if (slot == NULL)
		return false;
	word = atomic_load_explicit(&slot->word, memory_order_relaxed);
	do {
		if (!word_matches(word, value, type))
			return false;
		next = (word & ~OPEN_BIT) - 1;
	} while (!atomic_compare_exchange_weak_explicit(
		&slot->word, &word, next, memory_order_acq_rel, memory_order_relaxed));
	atomic_fetch_sub_explicit(&table.open, 1, memory_order_relaxed);
	slot_dropped(slot, index, next);
	return true;
}

enum wsd_handle_type wsd_object_type(uintptr_t value)
{
	struct slot *slot = slot_at(index_of(value));
	uint64_t word;

	if (slot == NULL)
		return WSD_HANDLE_NONE;
	word = atomic_load_explicit(&slot->word, memory_order_acquire);
	if (!word_matches(word, value, WSD_HANDLE_NONE))
		return WSD_HANDLE_NONE;
	return (enum wsd_handle_type)((word >> TYPE_SHIFT) & 7);
}

uintptr_t wsd_object_next(enum wsd_handle_type type, uint32_t *cursor)
{
	uint32_t used, index;

	pthread_mutex_lock(&table.lock);
	used = table.used;
	pthread_mutex_unlock(&table.lock);
	for (index = *cursor + 1; index < used; index++) {
		struct slot *slot = slot_at(index);
		uint64_t word = atomic_load_explicit(&slot->word, memory_order_acquire);
		uintptr_t value = value_of(index, word);

		*cursor = index;
		if (word_matches(word, value, type))
			return value;
	}
	return 0;
}

uint32_t wsd_object_open_count(void)
{
	return atomic_load_explicit(&table.open, memory_order_relaxed);
}

/*
 * Runs while no other thread exists. The lock may have been held in the parent, so it is made anew;
 * the slots are closed in place and never reused, because a reference that the parent held is never
 * dropped.
 */
void wsd_object_forked(void)
{
	uint32_t index;

	pthread_mutex_init(&table.lock, NULL);
	for (index = 1; index < table.used; index++) {
		struct slot *slot = slot_at(index);
		uint64_t word = atomic_load_explicit(&slot->word, memory_order_relaxed);

		atomic_store_explicit(&slot->word, word & ~OPEN_BIT, memory_order_relaxed);
	}
	table.free_head = 0;
	table.free_tail = 0;
	atomic_store_explicit(&table.open, 0, memory_order_relaxed);
}
