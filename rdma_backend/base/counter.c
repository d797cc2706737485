// SPDX-License-Identifier: BSD-2-Clause
/*
 * counter.c - named counters. The list only grows: readers walk it without a lock, registration takes
 * one, and adding is a single relaxed atomic.
 */

#include <stdatomic.h>
#include <string.h>

#include "rdma_backend/base/base.h"
#include "rdma_backend/base/internal.h"
#include "rdma_backend/base/platform.h"

struct counter {
	_Atomic(struct counter *) next;
	const char *topic, *name, *help;
	/* Away from the next block, so that two busy counters do not share a cache line. */
	char before[64];
	_Atomic uint64_t value;
	char after[64];
};

static struct wsd_mutex lock = WSD_MUTEX_INIT;
static _Atomic(struct counter *) first;
static struct counter overflow; /* where counts go when there is no memory for a counter */

static struct counter *next_of(_Atomic(struct counter *) *link)
{
	/* Acquire: pairs with the release in add, so that a counter is seen complete. */
	return atomic_load_explicit(link, memory_order_acquire);
}

static struct counter *find(const char *topic, const char *name, _Atomic(struct counter *) **end)
{
	_Atomic(struct counter *) *link = &first;
	struct counter *counter;

	while ((counter = next_of(link)) != NULL) {
		if (strcmp(counter->topic, topic) == 0 && strcmp(counter->name, name) == 0)
			return counter;
		link = &counter->next;
	}
	*end = link;
	return NULL;
}

/* One block holds the counter and its texts: a module's strings may go, the counter stays. */
static struct counter *add(const char *topic, const char *name, const char *help,
			   _Atomic(struct counter *) *end)
{
	size_t topic_size = strlen(topic) + 1;
	size_t name_size = strlen(name) + 1;
	size_t help_size = strlen(help) + 1;
	struct counter *counter;
	char *text;

	counter = wsd_raw_alloc(sizeof(*counter) + topic_size + name_size + help_size);
	if (!counter)
		return &overflow;
	text = (char *)(counter + 1);
	counter->topic = memcpy(text, topic, topic_size);
	counter->name = memcpy(text + topic_size, name, name_size);
	counter->help = memcpy(text + topic_size + name_size, help, help_size);
	/* Release: pairs with next_of. */
	atomic_store_explicit(end, counter, memory_order_release);
	return counter;
}

uint64_t *wsd_counter(const char *topic, const char *name, const char *help)
{
	_Atomic(struct counter *) *end;
	struct counter *counter;

	wsd_mutex_lock_static(&lock, WSD_FORK_RANK_COUNTER);
	counter = find(topic, name, &end);
	if (!counter)
		counter = add(topic, name, help ? help : "", end);
	wsd_mutex_unlock(&lock);
	return (uint64_t *)(void *)&counter->value;
}

void wsd_count(uint64_t *counter, uint64_t n)
{
	/* Relaxed: a statistic orders nothing. The object behind the pointer is declared atomic. */
	atomic_fetch_add_explicit((_Atomic uint64_t *)(void *)counter, n, memory_order_relaxed);
}

uint64_t wsd_counter_value(const uint64_t *counter)
{
	/* Relaxed: as in wsd_count. */
	return atomic_load_explicit((const _Atomic uint64_t *)(const void *)counter,
				    memory_order_relaxed);
}

void wsd_counter_each(void (*visit)(const char *topic, const char *name, const char *help,
				    uint64_t value, void *arg),
		      void *arg)
{
	struct counter *counter;

	for (counter = next_of(&first); counter; counter = next_of(&counter->next)) {
		visit(counter->topic, counter->name, counter->help,
		      wsd_counter_value((const uint64_t *)(const void *)&counter->value), arg);
	}
}
