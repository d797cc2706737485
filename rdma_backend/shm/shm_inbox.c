// SPDX-License-Identifier: BSD-2-Clause
/*
 * shm_inbox.c - the bitmap of endpoints that may have news. Finding them costs what is ready.
 *
 * Everything is sequentially consistent: the publisher sets low, then looks at mid and top; the owner
 * takes top, then mid, then low. A publisher that finds a bit of mid or top already set may leave it,
 * because the owner takes that word, and then the words below it, after that look.
 */

#include "rdma_backend/shm/shm_internal.h"

static _Atomic uint64_t *mid_word(struct shm_inbox *inbox, uint32_t i)
{
	return i ? &inbox->mid[i] : &inbox->mid_first;
}

static _Atomic uint64_t *low_word(struct shm_inbox *inbox, uint32_t i)
{
	return i ? &inbox->low[i] : &inbox->low_first;
}

static void set_bit(_Atomic uint64_t *word, uint32_t bit)
{
	uint64_t mask = UINT64_C(1) << bit;

	if (!(atomic_load(word) & mask))
		atomic_fetch_or(word, mask);
}

void shm_inbox_set(struct shm_inbox *inbox, uint32_t index)
{
	uint32_t word = index / 64;

	if (index >= SHM_MAX_INDEX)
		return;
	/* Always written: it also orders what was published before the owner's look. */
	atomic_fetch_or(low_word(inbox, word), UINT64_C(1) << (index % 64));
	set_bit(mid_word(inbox, word / 64), word % 64);
	set_bit(&inbox->top, word / 64);
}

bool shm_inbox_empty(struct shm_inbox *inbox)
{
	return atomic_load(&inbox->top) == 0;
}

static uint32_t lowest_bit(uint64_t word)
{
	uint32_t bit = 0;

	if (!(word & 0xffffffffu)) {
		bit += 32;
		word >>= 32;
	}
	if (!(word & 0xffff)) {
		bit += 16;
		word >>= 16;
	}
	if (!(word & 0xff)) {
		bit += 8;
		word >>= 8;
	}
	while (!(word & 1)) {
		bit++;
		word >>= 1;
	}
	return bit;
}

struct taker {
	struct shm_inbox *inbox;
	uint32_t *indexes;
	uint32_t count, limit;
};

/* False: no more room; what was not taken has been set again. */
static bool take_low(struct taker *taker, uint32_t word)
{
	uint64_t bits = atomic_exchange(low_word(taker->inbox, word), 0);
	uint32_t bit;

	while (bits) {
		if (taker->count == taker->limit) {
			atomic_fetch_or(low_word(taker->inbox, word), bits);
			return false;
		}
		bit = lowest_bit(bits);
		bits &= bits - 1;
		taker->indexes[taker->count++] = word * 64 + bit;
	}
	return true;
}

static bool take_mid(struct taker *taker, uint32_t word)
{
	uint64_t bits = atomic_exchange(mid_word(taker->inbox, word), 0);

	for (; bits; bits &= bits - 1) {
		if (!take_low(taker, word * 64 + lowest_bit(bits))) {
			atomic_fetch_or(mid_word(taker->inbox, word), bits);
			return false;
		}
	}
	return true;
}

uint32_t shm_inbox_take(struct shm_inbox *inbox, uint32_t *indexes, uint32_t count)
{
	struct taker taker = { inbox, indexes, 0, count };
	uint64_t bits;

	if (shm_inbox_empty(inbox))
		return 0;
	for (bits = atomic_exchange(&inbox->top, 0); bits; bits &= bits - 1) {
		if (!take_mid(&taker, lowest_bit(bits))) {
			atomic_fetch_or(&inbox->top, bits);
			break;
		}
	}
	return taker.count;
}
