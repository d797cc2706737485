/* SPDX-License-Identifier: BSD-2-Clause */
/* refusal.h - calls of one kind that shall fail: so many, after so many that do not. Any thread. */
#ifndef WSD_TEST_PLAIN_REFUSAL_H
#define WSD_TEST_PLAIN_REFUSAL_H

#include <stdatomic.h>

struct refusal {
	atomic_int error, after, left;
};

/* This call's error; 0: none. */
static inline int refusal_of(struct refusal *r)
{
	if (atomic_load(&r->left) <= 0 || atomic_fetch_sub(&r->after, 1) > 0)
		return 0;
	atomic_fetch_sub(&r->left, 1);
	return atomic_load(&r->error);
}

static inline void refusal_set(struct refusal *r, int error, int after, int calls)
{
	atomic_store(&r->left, 0);
	atomic_store(&r->error, error);
	atomic_store(&r->after, after);
	atomic_store(&r->left, calls);
}

#endif
