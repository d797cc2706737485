// SPDX-License-Identifier: BSD-2-Clause
/* test_memory.c - the registration cache and its range tree. */
#include "provider/transport/range_tree.h"
#include "tests/unit/test_engine_fake.h"

#define RANGES 200u

static char memory[1 << 16];

static void hits_and_misses(void **state)
{
	struct wsd_engine *engine = fake_engine();
	struct wsd_mr_cache *cache = wsd_engine_mr_cache(engine);
	struct wsd_region *a, *b, *c, *d;

	(void)state;
	assert_int_equal(wsd_mr_get(cache, memory, 0, 0, &a), WSD_EINVAL);
	assert_int_equal(wsd_mr_get(cache, memory, 8192, 0, &a), WSD_OK);
	assert_int_equal(wsd_mr_get(cache, memory + 100, 50, 0, &b), WSD_OK);
	assert_ptr_equal(a, b); /* contained */
	assert_int_equal(wsd_mr_get(cache, memory, 8193, 0, &c), WSD_OK);
	assert_ptr_not_equal(a, c);
	assert_int_equal(wsd_mr_get(cache, memory, 10, WSD_ACCESS_LOCAL_WRITE, &d), WSD_OK);
	assert_true(d != a && d != c); /* more rights */
	assert_int_equal(atomic_load(&fake.regs), 3);
	wsd_mr_put(cache, a);
	wsd_mr_put(cache, b);
	wsd_mr_put(cache, c);
	wsd_mr_put(cache, d);
	assert_int_equal(atomic_load(&fake.deregs), 0);
	assert_int_equal(wsd_mr_get(cache, memory, 8193, 0, &a), WSD_OK);
	assert_ptr_equal(a, c); /* kept after the last release */
	wsd_mr_put(cache, a);
	wsd_mr_put(cache, a); /* too often: logged, no harm */
	fake_engine_end(engine);
	assert_int_equal(atomic_load(&fake.deregs), 3);
}

static void remote_rights_end(void **state)
{
	struct wsd_engine *engine = fake_engine();
	struct wsd_mr_cache *cache = wsd_engine_mr_cache(engine);
	struct wsd_region *a, *b;

	(void)state;
	assert_int_equal(wsd_mr_get(cache, memory, 64, WSD_ACCESS_REMOTE_READ, &a), WSD_OK);
	assert_int_equal(wsd_mr_get(cache, memory, 64, WSD_ACCESS_REMOTE_READ, &b), WSD_OK);
	assert_ptr_not_equal(a, b); /* one key per grant */
	wsd_mr_put(cache, a);
	assert_int_equal(atomic_load(&fake.deregs), 1);
	assert_int_equal(wsd_mr_invalidate(cache, memory + 63, 1), WSD_EBUSY);
	wsd_mr_put(cache, b);
	assert_int_equal(atomic_load(&fake.deregs), 2);
	assert_int_equal(wsd_mr_invalidate(cache, memory, 64), WSD_NOTFOUND);
	assert_int_equal(wsd_mr_get(cache, memory, 64, 0, &a), WSD_OK);
	wsd_mr_put(cache, a);
	assert_int_equal(wsd_mr_get(cache, memory, 64, WSD_ACCESS_REMOTE_WRITE, &b), WSD_OK);
	assert_int_equal(b->access,
			 WSD_ACCESS_REMOTE_WRITE); /* not the cached one without rights */
	wsd_mr_put(cache, b);
	fake_engine_end(engine);
}

static void invalidation(void **state)
{
	struct wsd_engine *engine = fake_engine();
	struct wsd_mr_cache *cache = wsd_engine_mr_cache(engine);
	struct wsd_region *a, *b;

	(void)state;
	assert_int_equal(wsd_mr_get(cache, memory, 4096, 0, &a), WSD_OK);
	assert_int_equal(wsd_mr_get(cache, memory + 2048, 4096, 0, &b), WSD_OK);
	wsd_mr_put(cache, b);
	assert_int_equal(wsd_mr_invalidate(cache, memory + 6144, 100), WSD_NOTFOUND);
	assert_int_equal(wsd_mr_invalidate(cache, memory + 4000, 1), WSD_EBUSY); /* both */
	assert_int_equal(atomic_load(&fake.deregs), 1);
	assert_int_equal(wsd_mr_get(cache, memory, 16, 0, &b), WSD_OK);
	assert_ptr_not_equal(a, b); /* the old one is not given out again */
	wsd_mr_put(cache, a);
	assert_int_equal(atomic_load(&fake.deregs), 2);
	wsd_mr_put(cache, b);
	assert_int_equal(wsd_mr_invalidate(cache, memory, UINT64_MAX), WSD_OK);
	assert_int_equal(atomic_load(&fake.deregs), 3);
	fake_engine_end(engine);
}

static void limits_evict_the_oldest(void **state)
{
	struct wsd_engine *engine;
	struct wsd_mr_cache *cache;
	struct wsd_region *region, *again;

	(void)state;
	setenv("WSD_MR_CACHE_ENTRIES", "3", 1);
	engine = fake_engine();
	unsetenv("WSD_MR_CACHE_ENTRIES");
	cache = wsd_engine_mr_cache(engine);
	for (unsigned i = 0; i < 4; i++) {
		assert_int_equal(wsd_mr_get(cache, memory + i * 100, 100, 0, &region), WSD_OK);
		wsd_mr_put(cache, region);
	}
	assert_int_equal(atomic_load(&fake.deregs), 1);
	assert_int_equal(wsd_mr_invalidate(cache, memory, 100),
			 WSD_NOTFOUND); /* it was the first */
	fake.reg_answer = WSD_ENOMEM; /* the device is full: idle regions go, then it still fails */
	assert_int_equal(wsd_mr_get(cache, memory, 100, 0, &region), WSD_ENOMEM);
	assert_int_equal(atomic_load(&fake.deregs), 4);
	fake.reg_answer = WSD_OK;
	assert_int_equal(wsd_mr_get(cache, memory, 100, 0, &region), WSD_OK);
	wsd_mr_put(cache, region);
	fake.reg_answer = WSD_EMEMLOCK; /* so does its limit of locked memory */
	assert_int_equal(wsd_mr_get(cache, memory + 200, 100, 0, &region), WSD_EMEMLOCK);
	assert_int_equal(atomic_load(&fake.deregs), 5);
	fake.reg_answer = WSD_OK;
	wsd_alloc_fail_nth(1);
	assert_int_equal(wsd_mr_get(cache, memory, 100, 0, &again), WSD_ENOMEM);
	wsd_alloc_fail_nth(0);
	fake_engine_end(engine);
}

static void pending_registration(void **state)
{
	struct wsd_engine *engine = fake_engine();
	struct wsd_mr_cache *cache = wsd_engine_mr_cache(engine);
	struct wsd_region *a;

	(void)state;
	fake.reg_answer = WSD_PENDING;
	assert_int_equal(wsd_mr_get(cache, memory, 64, 0, &a), WSD_EREGISTER);
	assert_int_equal(wsd_mr_get(cache, memory, 64, 0, &a), WSD_EREGISTER); /* same one */
	assert_int_equal(atomic_load(&fake.regs), 1);
	fake_post(engine, WSD_EV_REG, 1);
	wsd_engine_poll(engine);
	assert_int_equal(wsd_mr_get(cache, memory, 64, 0, &a), WSD_OK);
	assert_int_equal(atomic_load(&fake.regs), 1);
	wsd_mr_put(cache, a);
	assert_int_equal(wsd_mr_get(cache, memory + 100, 64, WSD_ACCESS_REMOTE_WRITE, &a),
			 WSD_EREGISTER);
	fake_post(engine, WSD_EV_REG, 2);
	wsd_engine_poll(engine);
	assert_int_equal(wsd_mr_get(cache, memory + 100, 64, WSD_ACCESS_REMOTE_WRITE, &a), WSD_OK);
	wsd_mr_put(cache, a);
	assert_int_equal(atomic_load(&fake.deregs), 1);
	/* Invalidated while under way: gone when it completes. */
	assert_int_equal(wsd_mr_get(cache, memory + 500, 64, 0, &a), WSD_EREGISTER);
	assert_int_equal(wsd_mr_invalidate(cache, memory + 500, 64), WSD_EBUSY);
	fake_post(engine, WSD_EV_REG, 3);
	wsd_engine_poll(engine);
	assert_int_equal(atomic_load(&fake.deregs), 2);
	fake_engine_end(engine);
}

/* The tree against a plain search. */
static void random_ranges(void **state)
{
	static struct wsd_range ranges[RANGES];
	static bool inside[RANGES];
	struct wsd_range_tree tree = { NULL, 0 };
	uint32_t x = 12345;

	(void)state;
	for (unsigned round = 0; round < 20000; round++) {
		unsigned i, contains = 0, overlaps = 0;
		uint64_t base, end;
		struct wsd_range *found;

		x = x * 1664525u + 1013904223u;
		i = (x >> 8) % RANGES;
		if (inside[i]) {
			wsd_range_remove(&tree, &ranges[i]);
		} else {
			ranges[i].base = (x >> 4) % 5000;
			ranges[i].end = ranges[i].base + 1 + (x >> 16) % 300;
			wsd_range_insert(&tree, &ranges[i]);
		}
		inside[i] = !inside[i];
		base = (x >> 7) % 5000;
		end = base + 1 + (x >> 20) % 100;
		for (i = 0; i < RANGES; i++) {
			contains += inside[i] && ranges[i].base <= base && ranges[i].end >= end;
			overlaps += inside[i] && ranges[i].base < end && ranges[i].end > base;
		}
		found = wsd_range_containing(&tree, base, end);
		assert_int_equal(found != NULL, contains != 0);
		assert_true(!found || (found->base <= base && found->end >= end));
		found = wsd_range_overlapping(&tree, base, end);
		assert_int_equal(found != NULL, overlaps != 0);
		assert_true(!found || (found->base < end && found->end > base));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_ranges),	   cmocka_unit_test(hits_and_misses),
		cmocka_unit_test(remote_rights_end),	   cmocka_unit_test(invalidation),
		cmocka_unit_test(limits_evict_the_oldest), cmocka_unit_test(pending_registration),
	};

	return cmocka_run_group_tests_name("memory", tests, NULL, NULL);
}
