// SPDX-License-Identifier: BSD-2-Clause
/*
 * alloc.c - the only caller of the C library's allocator. Counts live blocks and fails the n-th call
 * on demand, so that every out-of-memory path can be tested.
 */

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "rdma_backend/base/base.h"
#include "rdma_backend/base/internal.h"
#include "rdma_backend/base/platform.h"

/* Calls left until the one that fails; NEVER = not armed, UNREAD = environment not looked at yet. */
#define NEVER  0
#define UNREAD (-1)

/* Up to here the C library finds memory that was used before quicker than memory that is clear, because each
 * thread keeps some. */
#define SMALL 1032u

static _Atomic int64_t fail_in = UNREAD;
static atomic_bool has_failed;
static _Atomic uint64_t live;

/* Not through wsd_param_uint: reading the configuration must not depend on allocation. */
static int64_t read_environment(void)
{
	const char *text = wsd_env("WSD_DEBUG_FAIL_ALLOC");
	int64_t unread = UNREAD;
	int64_t n = NEVER;

	if (text)
		n = strtoll(text, NULL, 10);
	if (n < 0)
		n = NEVER;
	/* A test may have armed it meanwhile: that one stays. */
	if (!atomic_compare_exchange_strong(&fail_in, &unread, n))
		n = unread;
	return n;
}

static bool must_fail(void)
{
	/* Relaxed: the counter orders nothing but itself. */
	int64_t left = atomic_load_explicit(&fail_in, memory_order_relaxed);

	if (left == UNREAD)
		left = read_environment();
	while (left > 0) {
		if (!atomic_compare_exchange_weak(&fail_in, &left, left - 1))
			continue;
		if (left > 1)
			return false;
		atomic_store(&has_failed, true);
		return true;
	}
	return false;
}

void *wsd_alloc(size_t size)
{
	void *memory;

	if (must_fail())
		return NULL;
	if (size > SMALL) {
		memory = calloc(1, size);
	} else {
		memory = malloc(size ? size : 1);
		if (memory)
			memset(memory, 0, size);
	}
	/* Relaxed: a statistic; tests read it when the threads have been joined. */
	if (memory)
		atomic_fetch_add_explicit(&live, 1, memory_order_relaxed);
	return memory;
}

void wsd_free(void *memory)
{
	if (!memory)
		return;
	atomic_fetch_sub_explicit(&live, 1, memory_order_relaxed); /* as in wsd_alloc */
	free(memory);
}

void wsd_alloc_fail_nth(uint64_t n)
{
	atomic_store(&has_failed, false);
	atomic_store(&fail_in, n > INT64_MAX ? NEVER : (int64_t)n);
}

bool wsd_alloc_failed(void)
{
	return atomic_load(&has_failed);
}

uint64_t wsd_alloc_live(void)
{
	return atomic_load_explicit(&live, memory_order_relaxed); /* as in wsd_alloc */
}

void *wsd_raw_alloc(size_t size)
{
	return calloc(1, size);
}

void wsd_raw_free(void *memory)
{
	free(memory);
}
