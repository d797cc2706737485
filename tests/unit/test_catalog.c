// SPDX-License-Identifier: BSD-2-Clause
/*
 * Installing: what the catalogues have afterwards, and that every failure of every call leaves them as they
 * were, or says that it did not, and never an entry without its DLL.
 */
#include <stdio.h>
#include <string.h>

#include "tests/unit/catalog_world.h"

/* As the programs of tests/conformance say it, for their coverage: what was asserted before this holds. */
static unsigned held;

static void holds(unsigned number)
{
	printf("R-%03u pass\n", number);
	held++;
}

static void test_install(void **state)
{
	(void)state;
	must_install(&everything);
	for (unsigned c = 0; c < 2; c++) {
		const struct wsd_catalog_list *list = &after.lists[c];

		assert_int_equal(list->count, 9);
		assert_int_equal(wsd_catalog_count(list, WSD_CATALOG_STREAM), 2);
		assert_int_equal(wsd_catalog_owner(&list->entries[0].info), WSD_CATALOG_STREAM);
		assert_int_equal(list->entries[0].info.iAddressFamily, AF_INET);
		assert_int_equal(list->entries[1].info.iAddressFamily, AF_INET6);
		for (unsigned i = 0; i < 5; i++)
			assert_int_equal(list->entries[2 + i].info.szProtocol[0], 'a' + i);
		for (unsigned i = 0; i < 9; i++) {
			const WSAPROTOCOL_INFOW *info = &list->entries[i].info;

			if (wsd_catalog_owner(info) == WSD_CATALOG_PROVIDERS)
				continue;
			assert_int_equal(info->ProtocolChain.ChainLen, 1);
			assert_int_equal(info->dwServiceFlags1 & XP1_IFS_HANDLES, 0);
			assert_int_equal(info->dwProviderFlags & PFL_HIDDEN,
					 i >= 7 ? PFL_HIDDEN : 0);
		}
		assert_int_equal(system_now.files[c], WSD_FILE_SAME);
	}
	holds(334);
	holds(335);
	holds(339);
	assert_int_equal(system_now.switch_found, WSD_SWITCH_ID);
	assert_memory_equal(&system_now.switch_provider,
			    &wsd_catalog_entries[WSD_CATALOG_SAN][0].ProviderId, sizeof(GUID));
	holds(336);
}

static void test_order_untouched(void **state)
{
	(void)state;
	must_install(&plain);
	for (unsigned c = 0; c < 2; c++)
		for (unsigned i = 0; i < 5; i++)
			assert_int_equal(after.lists[c].entries[i].info.szProtocol[0], 'a' + i);
	assert_int_equal(system_now.switch_found, WSD_SWITCH_NONE);
}

/* One catalogue has lost the provider, and one entry is of an older version. */
static void damage(void)
{
	must_install(&plain);
	system_now.lists[1].count -= 2;
	system_now.lists[0].entries[5].info.dwServiceFlags1 = 0;
	system_now.files[1] = WSD_FILE_OTHER;
}

static void test_twice(void **state)
{
	struct wsd_catalog_run run = run_of(false);
	unsigned changes;

	(void)state;
	assert_int_equal(wsd_catalog_install(&run, &plain), WSDCTL_OK);
	changes = system_now.changes;
	assert_int_equal(wsd_catalog_install(&run, &plain), WSDCTL_OK);
	assert_int_equal(system_now.changes, changes);
	/* What is there in one catalogue only is there, too. */
	damage();
	must_install(&plain);
	assert_int_equal(system_now.twice, 0);
	holds(337);
	assert_int_equal(wsd_catalog_uninstall(&run), WSDCTL_OK);
	changes = system_now.changes;
	assert_int_equal(wsd_catalog_uninstall(&run), WSDCTL_OK);
	assert_int_equal(system_now.changes, changes);
}

static void test_uninstall(void **state)
{
	struct wsd_catalog_state first;
	struct wsd_catalog_run run = run_of(false);

	(void)state;
	read_into(&first);
	must_install(&everything);
	assert_int_equal(wsd_catalog_uninstall(&run), WSDCTL_OK);
	read_into(&after);
	assert_true(wsd_catalog_equal(&first, &after));
	for (unsigned c = 0; c < 2; c++)
		assert_int_equal(system_now.files[c], WSD_FILE_NONE);
	assert_int_equal(system_now.switch_found, WSD_SWITCH_NONE);
	holds(338);
}

static void test_repair(void **state)
{
	(void)state;
	damage();
	must_install(&plain);
	for (unsigned c = 0; c < 2; c++)
		assert_int_equal(wsd_catalog_count(&after.lists[c], WSD_CATALOG_STREAM), 2);
}

/* --- every failure of every call --- */

static void start_clean(void)
{
}

static void start_installed(void)
{
	must_install(&plain);
}

static void start_whole(void)
{
	must_install(&everything);
}

static void want_plain(struct wsd_catalog_state *state)
{
	wsd_catalog_want_installed(state, &plain);
}

static void want_everything(struct wsd_catalog_state *state)
{
	wsd_catalog_want_installed(state, &everything);
}

static const struct scenario {
	void (*start)(void);
	void (*want)(struct wsd_catalog_state *state);
} scenarios[] = {
	{ start_clean, want_plain },
	{ start_clean, want_everything },
	{ start_installed, want_everything },
	{ start_installed, wsd_catalog_want_removed },
	{ start_whole, wsd_catalog_want_removed },
	{ damage, want_plain },
	{ damage, want_everything },
	{ damage, wsd_catalog_want_removed },
};

/* False when the scenario has fewer calls than n. */
static bool fail_once(const struct scenario *scenario, enum fake_failure how, unsigned n, bool on,
		      const char *then)
{
	struct wsd_catalog_state first, now;
	bool restored, done;

	fake_init(&system_now, &api);
	scenario->start();
	read_into(&first);
	before = wanted = first;
	scenario->want(&wanted);
	system_now.how = how;
	system_now.calls = 0;
	system_now.fail_at = n;
	system_now.fail_on = on;
	system_now.fail_then = then;
	done = change(&restored);
	system_now.fail_at = 0;
	read_into(&now);
	assert_false(system_now.homeless || system_now.untried);
	if (done) {
		assert_true(wsd_catalog_equal(&now, &wanted));
		return system_now.calls >= n;
	}
	if (!on && then == NULL)
		assert_true(restored);
	if (restored)
		assert_true(wsd_catalog_equal(&now, &first));
	return true;
}

static void fail_each(bool on, const char *then)
{
	for (size_t s = 0; s < sizeof(scenarios) / sizeof(scenarios[0]); s++) {
		for (unsigned how = 0; how < FAKE_FAILURES; how++) {
			unsigned n = 1;

			while (fail_once(&scenarios[s], (enum fake_failure)how, n, on, then))
				assert_true(++n < 1000);
			assert_true(n > 20); /* it did fail, often */
		}
	}
}

static void test_one_failure(void **state)
{
	(void)state;
	fail_each(false, NULL);
}

static void test_failures_to_the_end(void **state)
{
	(void)state;
	fail_each(true, NULL);
}

/* One, and on the way back each one of a kind. */
static void test_failures_on_the_way_back(void **state)
{
	static const char *const back[] = { "remove_provider", "install", "order", "file_undo" };

	(void)state;
	for (unsigned i = 0; i < sizeof(back) / sizeof(back[0]); i++)
		fail_each(false, back[i]);
	for (unsigned i = 0; i < FAKE_CALLS; i++) {
		bool of_commands = strcmp(fake_calls[i], "service") == 0 ||
				   strcmp(fake_calls[i], "load") == 0 ||
				   strcmp(fake_calls[i], "file_packaged") == 0;

		if (fake_failed[i] == 0 && !of_commands)
			fail_msg("%s never failed", fake_calls[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_install, setup),
		cmocka_unit_test_setup(test_order_untouched, setup),
		cmocka_unit_test_setup(test_twice, setup),
		cmocka_unit_test_setup(test_uninstall, setup),
		cmocka_unit_test_setup(test_repair, setup),
		cmocka_unit_test(test_one_failure),
		cmocka_unit_test(test_failures_to_the_end),
		cmocka_unit_test(test_failures_on_the_way_back),
	};
	int failed;

	failed = cmocka_run_group_tests(tests, NULL, NULL);
	printf("%u checks passed, %d failed\n", held, failed);
	return failed;
}
