// SPDX-License-Identifier: BSD-2-Clause
/* fork_posix.c - what a fork must find and leave in order: static mutexes and descriptors. */

#include <stdatomic.h>
#include <unistd.h>

#include "rdma_backend/base/internal.h"
#include "rdma_backend/base/platform.h"

/* Mutexes that fork takes before it copies the process, by rank. */
#define FORK_RANKS 8u

static struct wsd_mutex *_Atomic fork_mutexes[FORK_RANKS];
static struct wsd_mutex *fork_taken[FORK_RANKS]; /* between prepare and release, by one thread */

/* A mutex cannot be registered, and so not be locked for the first time, while a fork goes on. */
static pthread_mutex_t fork_gate = PTHREAD_MUTEX_INITIALIZER;

static void fork_unlock_taken(void)
{
	unsigned i;

	for (i = FORK_RANKS; i-- > 0;)
		if (fork_taken[i])
			wsd_mutex_unlock(fork_taken[i]);
}

/* The gate comes last: who holds a registered mutex may be waiting for it to register another. */
static void fork_prepare(void)
{
	bool complete = false;
	unsigned i;

	while (!complete) {
		for (i = 0; i < FORK_RANKS; i++) {
			fork_taken[i] = atomic_load(&fork_mutexes[i]);
			if (fork_taken[i])
				wsd_mutex_lock(fork_taken[i]);
		}
		wsd_must(pthread_mutex_lock(&fork_gate));
		complete = true;
		for (i = 0; i < FORK_RANKS; i++)
			complete &= fork_taken[i] == atomic_load(&fork_mutexes[i]);
		if (!complete) {
			wsd_must(pthread_mutex_unlock(&fork_gate));
			fork_unlock_taken();
		}
	}
}

static void fork_release(void)
{
	wsd_must(pthread_mutex_unlock(&fork_gate));
	fork_unlock_taken();
}

static atomic_uint fork_generation;

unsigned wsd_fork_generation(void)
{
	/* Relaxed: it changes only in the child of a fork, which has one thread. */
	return atomic_load_explicit(&fork_generation, memory_order_relaxed);
}

/*
 * Descriptors that a child must not hold open: a bit each. Higher ones are not looked after. A fork at
 * the very moment when one is made or closed may miss it.
 */
#define KEPT_MOST (1u << 20)

static _Atomic uint64_t kept[KEPT_MOST / 64];
static atomic_uint kept_words; /* no bit is set from there on */

intptr_t wsd_handle_keep(intptr_t handle)
{
	unsigned word = (unsigned)handle / 64, words = atomic_load(&kept_words);

	if (handle < 0 || handle >= KEPT_MOST)
		return handle;
	atomic_fetch_or(&kept[word], UINT64_C(1) << (handle % 64));
	while (words <= word && !atomic_compare_exchange_weak(&kept_words, &words, word + 1))
		;
	return handle;
}

void wsd_handle_forget(intptr_t handle)
{
	if (handle >= 0 && handle < KEPT_MOST)
		atomic_fetch_and(&kept[handle / 64], ~(UINT64_C(1) << (handle % 64)));
}

void wsd_handle_close(intptr_t handle)
{
	wsd_handle_forget(handle); /* before the number can belong to somebody else */
	close((int)handle);
}

static void close_kept(void)
{
	unsigned word, words = atomic_exchange(&kept_words, 0), bit;
	uint64_t bits;

	for (word = 0; word < words; word++)
		for (bits = atomic_exchange(&kept[word], 0), bit = 0; bits; bits >>= 1, bit++)
			if (bits & 1)
				close((int)(word * 64 + bit));
}

static void fork_child(void)
{
	atomic_fetch_add(&fork_generation, 1);
	close_kept();
	fork_release();
}

/* At load: a fork by one thread while another one registers would meet half of the handlers. */
__attribute__((constructor(101))) static void fork_setup(void)
{
	wsd_must(pthread_atfork(fork_prepare, fork_release, fork_child));
}

void wsd_mutex_lock_static(struct wsd_mutex *mutex, unsigned rank)
{
	/* Relaxed: whoever has not seen it stores the same pointer again. */
	if (atomic_load_explicit(&fork_mutexes[rank], memory_order_relaxed) != mutex) {
		wsd_must(pthread_mutex_lock(&fork_gate));
		atomic_store(&fork_mutexes[rank], mutex);
		wsd_must(pthread_mutex_unlock(&fork_gate));
	}
	wsd_mutex_lock(mutex);
}
