// SPDX-License-Identifier: BSD-2-Clause
/* test_shm_meddle.c - a process that changes what the tests of the shm backend share with it: see test_shm.h. */

#include "tests/lib/test.h"

#include <unistd.h>

#include "rdma_backend/shm/shm_internal.h"
#include "tests/unit/test_shm.h"

/*
 * Changes the memory all the time, mostly the words that are looked at; but for the one that
 * says that the peer has gone, because that would end the connection before anything else is noticed.
 */
static void flip(_Atomic uint32_t *words, size_t length, _Atomic uint32_t *hints, uint64_t state)
{
	static const uint32_t values[] = { 0, 1, 2, 9, 64, 0x7fffffff, 0x80000000u, UINT32_MAX };
	const size_t entries = sizeof(struct shm_segment) / 4, entry = sizeof(struct shm_cqe) / 4;
	uint32_t random, value, position;
	size_t at;

	for (;;) {
		state = state * UINT64_C(6364136223846793005) + 1442695040888963407u;
		random = (uint32_t)(state >> 32);
		value = random & 1 ? (uint32_t)state : values[random >> 1 & 7];
		position = random >> 4 & 63;
		at = (random >> 10) % (random & 16 ? entries + 64 * entry : length / 4);
		if (at != offsetof(struct shm_segment, gone) / 4)
			atomic_store(&words[at], value);
		/* The right number of an entry that is not there yet. */
		atomic_store(&words[entries + position * entry], position + 1);
		atomic_store(&hints[position % 16], value);
	}
}

/* What the peers write into the inbox is gone. */
static void erase(_Atomic uint64_t *words)
{
	unsigned i;

	for (i = 0;; i++)
		atomic_store(&words[i % 4], 0);
}

void shm_meddle_for_ever(const struct shm_meddling *what, intptr_t pipe)
{
	void *memory = NULL, *inbox;

	test_deadline(60);
	if (shm_share_attach(what->inbox, SHM_INBOX_BYTES, &inbox) ||
	    (what->segment != SHM_NO_SHARE &&
	     shm_share_attach(what->segment, what->length, &memory)))
		_exit(1);
	shm_ready(pipe);
	if (memory)
		flip(memory, what->length, inbox, what->seed);
	erase(inbox);
}
