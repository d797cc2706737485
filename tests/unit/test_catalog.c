// SPDX-License-Identifier: BSD-2-Clause
/*
 * Installing: what the catalogues have afterwards, and that every failure of every call leaves them as they
 * were, or says that it did not, and never an entry without its DLL.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include <jansson.h>

#include "spi_shim/wsdctl/catalog_commands.h"
#include "spi_shim/wsdctl/catalog_record.h"
#include "spi_shim/wsdctl/wsdctl.h"
#include "tests/lib/test.h"
#include "tests/unit/catalog_fake.h"

static struct fake_system system_now;
static struct wsd_catalog_api api;
static struct wsd_catalog_state before, wanted, after;

#define RECORD	   "test_catalog_record.json"
#define RECORD_NEW RECORD ".new" /* until it is whole */

static const struct wsd_catalog_options plain = { false, false };
static const struct wsd_catalog_options prefer = { true, false };
static const struct wsd_catalog_options for_switch = { false, true };
static const struct wsd_catalog_options everything = { true, true };

/* As the programs of tests/conformance say it, for their coverage: what was asserted before this holds. */
static unsigned held;

static void holds(unsigned number)
{
	printf("R-%03u pass\n", number);
	held++;
}

static int setup(void **state)
{
	(void)state;
	fake_init(&system_now, &api);
	return 0;
}

static int drop_record(void **state)
{
	(void)state;
	remove(RECORD);
	remove(RECORD_NEW);
	return 0;
}

static void read_into(struct wsd_catalog_state *state)
{
	struct wsd_catalog_failure failure = { 0 };
	unsigned fail_at = system_now.fail_at;

	system_now.fail_at = 0;
	assert_true(wsd_catalog_read(&api, state, &failure));
	system_now.fail_at = fail_at;
}

static bool change(bool *restored)
{
	struct wsd_catalog_failure failure;
	bool done = wsd_catalog_change(&api, &before, &wanted, &after, &failure, restored);

	assert_true(done == (failure.what == NULL));
	return done;
}

static void must_install(const struct wsd_catalog_options *options)
{
	bool restored;

	read_into(&before);
	wanted = before;
	wsd_catalog_want_installed(&wanted, options);
	assert_true(change(&restored));
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

static struct wsd_catalog_run run_of(bool dry)
{
	static FILE *sink;

	if (sink == NULL)
		sink = tmpfile();
	assert_non_null(sink);
	return (struct wsd_catalog_run){ &api, sink, sink, dry, RECORD };
}

/* Does the command say this, and end so? */
static bool says(int (*command)(const struct wsd_catalog_run *), const char *text, int status)
{
	struct wsd_catalog_run run = run_of(false);
	static char said[65536];
	size_t length;

	run.out = run.err = tmpfile();
	assert_non_null(run.out);
	assert_int_equal(command(&run), status);
	rewind(run.out);
	length = fread(said, 1, sizeof(said) - 1, run.out);
	said[length] = '\0';
	fclose(run.out);
	return strstr(said, text) != NULL;
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

static void test_refusals(void **state)
{
	struct wsd_catalog_run run = run_of(false), dry = run_of(true);

	(void)state;
	system_now.administrator = false;
	assert_int_equal(wsd_catalog_install(&run, &everything), WSDCTL_FAILED);
	assert_int_equal(wsd_catalog_install(&dry, &everything), WSDCTL_OK);
	assert_int_equal(system_now.changes, 0);
	system_now.administrator = true;
	assert_int_equal(wsd_catalog_install(&run, &everything), WSDCTL_OK);
	system_now.administrator = false;
	assert_int_equal(wsd_catalog_uninstall(&run), WSDCTL_FAILED);
	/* No change without a record that was asked for. */
	system_now.administrator = true;
	system_now.changes = 0;
	run.record = "no/such/folder/record.json";
	assert_int_equal(wsd_catalog_uninstall(&run), WSDCTL_FAILED);
	assert_int_equal(system_now.changes, 0);
}

/* What somebody else has put where the value for switches stands. */
static void test_foreign_value(void **state)
{
	struct wsd_catalog_run run = run_of(false);

	(void)state;
	system_now.switch_found = WSD_SWITCH_OTHER;
	assert_int_equal(wsd_catalog_install(&run, &for_switch), WSDCTL_FAILED);
	assert_int_equal(system_now.changes, 0);
	assert_int_equal(wsd_catalog_install(&run, &plain), WSDCTL_OK);
	assert_true(says(wsd_catalog_status, "left alone", WSDCTL_OK));
	assert_true(says(wsd_catalog_doctor, "left alone", WSDCTL_OK));
	assert_int_equal(wsd_catalog_uninstall(&run), WSDCTL_OK);
	assert_int_equal(system_now.switch_found, WSD_SWITCH_OTHER);
	/* It has come behind the hidden entries: they go, it stays. */
	system_now.switch_found = WSD_SWITCH_NONE;
	must_install(&everything);
	system_now.switch_found = WSD_SWITCH_OTHER;
	assert_true(says(wsd_catalog_doctor, "left alone", WSDCTL_FAILED));
	assert_int_equal(wsd_catalog_uninstall(&run), WSDCTL_OK);
	assert_int_equal(system_now.switch_found, WSD_SWITCH_OTHER);
	assert_int_equal(system_now.lists[0].count, 5);
}

/* --prefer is refused: nothing is as much as touched, and without it all is well. */
static void must_refuse(void)
{
	struct wsd_catalog_run run = run_of(false);

	system_now.changes = 0;
	assert_int_equal(wsd_catalog_install(&run, &prefer), WSDCTL_FAILED);
	assert_int_equal(system_now.changes, 0);
	assert_int_equal(wsd_catalog_install(&run, &plain), WSDCTL_OK);
	assert_int_equal(wsd_catalog_install(&run, &prefer), WSDCTL_FAILED);
	assert_int_equal(wsd_catalog_uninstall(&run), WSDCTL_OK);
	assert_false(system_now.untried);
}

static void test_prefer_needs_the_service(void **state)
{
	struct wsd_catalog_run run = run_of(false);

	(void)state;
	for (unsigned s = WSD_SERVICE_MISSING; s < WSD_SERVICE_RUNNING; s++) {
		system_now.service = (enum wsd_catalog_service)s;
		must_refuse();
	}
	system_now.service = WSD_SERVICE_RUNNING;
	assert_int_equal(wsd_catalog_install(&run, &prefer), WSDCTL_OK);
	/* Also where it is first already: what is there now would be called good. */
	system_now.service = WSD_SERVICE_STOPPED;
	assert_int_equal(wsd_catalog_install(&run, &prefer), WSDCTL_FAILED);
	assert_int_equal(wsd_catalog_uninstall(&run), WSDCTL_OK);
}

/* In each catalogue, of each family: a stranger that is almost what is needed. */
static void test_prefer_needs_bases(void **state)
{
	(void)state;
	for (unsigned c = 0; c < 2; c++) {
		for (unsigned i = 0; i < 2; i++) {
			WSAPROTOCOL_INFOW *info = &system_now.lists[c].entries[i].info;

			info->dwServiceFlags1 = 0;
			must_refuse();
			info->dwServiceFlags1 = XP1_IFS_HANDLES;
			info->ProtocolChain.ChainLen = 2;
			must_refuse();
			info->ProtocolChain.ChainLen = BASE_PROTOCOL;
			info->iProtocol = IPPROTO_UDP;
			must_refuse();
			info->iProtocol = IPPROTO_TCP;
		}
	}
}

/* A configuration without the path plain, a driver that does not work: whatever it is, it is tried. */
static void test_prefer_is_tried(void **state)
{
	struct wsd_catalog_run run = run_of(false);
	struct wsd_catalog_state first;

	(void)state;
	for (unsigned c = 0; c < 2; c++) {
		setup(NULL);
		read_into(&first);
		system_now.no_plain[c] = true;
		assert_int_equal(wsd_catalog_install(&run, &prefer), WSDCTL_FAILED);
		read_into(&after);
		assert_true(wsd_catalog_equal(&first, &after));
		must_install(&plain);
		assert_int_equal(wsd_catalog_install(&run, &prefer), WSDCTL_FAILED);
		assert_false(wsd_catalog_comes_first(&system_now.lists[0]) || system_now.untried);
		system_now.no_plain[c] = false;
		assert_int_equal(wsd_catalog_install(&run, &prefer), WSDCTL_OK);
		assert_true(wsd_catalog_comes_first(&system_now.lists[c]));
		/* An update that would cut off those that land on it leaves them the old one. */
		system_now.files[c] = WSD_FILE_OTHER;
		system_now.no_plain[c] = true;
		assert_int_equal(wsd_catalog_install(&run, &plain), WSDCTL_FAILED);
		assert_int_equal(system_now.files[c], WSD_FILE_OTHER);
		assert_int_equal(wsd_catalog_uninstall(&run), WSDCTL_OK);
	}
}

static json_t *read_record(void)
{
	json_error_t error;
	json_t *root = json_load_file(RECORD, 0, &error);

	assert_non_null(root);
	return root;
}

static size_t entries_of(const json_t *root, const char *when, size_t catalog)
{
	json_t *catalogs = json_object_get(json_object_get(root, when), "catalogues");

	return json_array_size(json_object_get(json_array_get(catalogs, catalog), "entries"));
}

static void test_record(void **state)
{
	struct wsd_catalog_run run = run_of(false);
	const char *path;
	json_t *root, *entry;

	(void)state;
	assert_int_equal(wsd_catalog_install(&run, &plain), WSDCTL_OK);
	root = read_record();
	assert_int_equal(json_integer_value(json_object_get(root, "schema")), 1);
	assert_string_equal(json_string_value(json_object_get(root, "command")), "install");
	assert_true(json_is_true(json_object_get(root, "changed")));
	for (size_t c = 0; c < 2; c++) {
		assert_int_equal(entries_of(root, "before", c), 5);
		assert_int_equal(entries_of(root, "after", c), 7);
	}
	entry = json_object_get(json_object_get(root, "after"), "catalogues");
	entry = json_object_get(json_array_get(entry, 0), "entries");
	entry = json_array_get(entry, 5);
	assert_string_equal(json_string_value(json_object_get(entry, "provider")),
			    "{7D1F0C5A-3B64-4E0B-9A52-6F70656E5753}");
	path = json_string_value(json_object_get(entry, "path"));
	assert_string_equal(path, "%SystemRoot%\\System32\\openwsd.dll");
	json_decref(root);

	/* A failure is in it, too: what there was, and that it is so again. */
	system_now.how = FAKE_LIES;
	system_now.calls = 0;
	system_now.fail_at = 0;
	read_into(&before);
	system_now.fail_at = system_now.calls * 2 + 1;
	assert_int_equal(wsd_catalog_uninstall(&run), WSDCTL_FAILED);
	root = read_record();
	assert_string_equal(json_string_value(json_object_get(root, "result")),
			    "failed, as before");
	assert_int_equal(entries_of(root, "after", 0), 7);
	json_decref(root);
}

static void limit_files(rlim_t bytes)
{
	struct rlimit limit;

	assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
	limit.rlim_cur = bytes < limit.rlim_max ? bytes : limit.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

/* From now on no file becomes longer than this. */
static void fill_disk(void)
{
	system_now.on_change = NULL;
	limit_files(100);
}

static void test_record_on_full_disk(void **state)
{
	struct wsd_catalog_run run = run_of(false);
	json_t *root;

	(void)state;
	signal(SIGXFSZ, SIG_IGN);
	system_now.on_change = fill_disk;
	assert_int_equal(wsd_catalog_install(&run, &plain), WSDCTL_FAILED);
	limit_files(RLIM_INFINITY);
	/* What was there before is still known, and nothing half is left. */
	root = read_record();
	assert_string_equal(json_string_value(json_object_get(root, "result")), "begun");
	assert_int_equal(entries_of(root, "before", 0), 5);
	json_decref(root);
	assert_int_not_equal(remove(RECORD_NEW), 0);
	/* The change itself was done. */
	read_into(&after);
	assert_int_equal(after.lists[0].count, 7);
}

static void test_narrow(void **state)
{
	static const WCHAR text[] = { 'a', 0xE9, 0x20AC, 0xD83D, 0xDE00, 0xD83D, 'z', 0 };
	char narrow[32];

	(void)state;
	wsd_narrow_text(text, narrow, sizeof(narrow));
	assert_string_equal(narrow, "a\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80\xEF\xBF\xBDz");
	wsd_narrow_text(text, narrow, 4); /* never half of one */
	assert_string_equal(narrow, "a\xC3\xA9");
}

static void test_doctor(void **state)
{
	struct wsd_catalog_run run = run_of(false);

	(void)state;
	assert_int_equal(wsd_catalog_doctor(&run), WSDCTL_FAILED);
	assert_int_equal(wsd_catalog_status(&run), WSDCTL_FAILED);
	assert_int_equal(wsd_catalog_install(&run, &plain), WSDCTL_OK);
	assert_int_equal(wsd_catalog_doctor(&run), WSDCTL_OK);
	assert_int_equal(wsd_catalog_status(&run), WSDCTL_OK);
	for (unsigned s = WSD_SERVICE_MISSING; s < WSD_SERVICE_RUNNING; s++) {
		system_now.service = (enum wsd_catalog_service)s;
		assert_int_equal(wsd_catalog_doctor(&run), WSDCTL_FAILED);
	}
	system_now.service = WSD_SERVICE_RUNNING;
	system_now.switch_found = WSD_SWITCH_ID;
	system_now.switch_provider = wsd_catalog_entries[WSD_CATALOG_SAN][0].ProviderId;
	assert_int_equal(wsd_catalog_doctor(&run), WSDCTL_FAILED);
	system_now.switch_found = WSD_SWITCH_NONE;
	system_now.files[1] = WSD_FILE_OTHER;
	assert_int_equal(wsd_catalog_doctor(&run), WSDCTL_FAILED);
}

/* One that the system has, and no function for it. */
static void test_unhandled_catalog(void **state)
{
	const char *text = "catalogue of 32-bit programs: not handled";
	struct wsd_catalog_run run = run_of(false);

	(void)state;
	assert_false(says(wsd_catalog_status, text, WSDCTL_FAILED));
	api.catalogs = system_now.catalogs = 1;
	api.unhandled = "32-bit";
	assert_int_equal(wsd_catalog_install(&run, &plain), WSDCTL_OK);
	assert_true(says(wsd_catalog_status, text, WSDCTL_OK));
	assert_true(says(wsd_catalog_doctor, text, WSDCTL_OK));
	assert_true(says(wsd_catalog_uninstall, text, WSDCTL_OK));
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
static bool fail_once(const struct scenario *scenario, enum fake_failure how, unsigned n, bool on)
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
	done = change(&restored);
	system_now.fail_at = 0;
	read_into(&now);
	assert_false(system_now.homeless || system_now.untried);
	if (done) {
		assert_true(wsd_catalog_equal(&now, &wanted));
		return system_now.calls >= n;
	}
	if (!on)
		assert_true(restored);
	if (restored)
		assert_true(wsd_catalog_equal(&now, &first));
	return true;
}

static void fail_each(bool on)
{
	for (size_t s = 0; s < sizeof(scenarios) / sizeof(scenarios[0]); s++) {
		for (unsigned how = 0; how < FAKE_FAILURES; how++) {
			unsigned n = 1;

			while (fail_once(&scenarios[s], (enum fake_failure)how, n, on))
				assert_true(++n < 1000);
			assert_true(n > 20); /* it did fail, often */
		}
	}
}

static void test_one_failure(void **state)
{
	(void)state;
	fail_each(false);
}

static void test_failures_to_the_end(void **state)
{
	(void)state;
	fail_each(true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_install, setup),
		cmocka_unit_test_setup(test_order_untouched, setup),
		cmocka_unit_test_setup(test_twice, setup),
		cmocka_unit_test_setup(test_uninstall, setup),
		cmocka_unit_test_setup(test_repair, setup),
		cmocka_unit_test_setup(test_refusals, setup),
		cmocka_unit_test_setup(test_foreign_value, setup),
		cmocka_unit_test_setup(test_prefer_needs_the_service, setup),
		cmocka_unit_test_setup(test_prefer_needs_bases, setup),
		cmocka_unit_test_setup(test_prefer_is_tried, setup),
		cmocka_unit_test_setup(test_record, setup),
		cmocka_unit_test_setup(test_record_on_full_disk, setup),
		cmocka_unit_test_setup(test_narrow, setup),
		cmocka_unit_test_setup(test_doctor, setup),
		cmocka_unit_test_setup(test_unhandled_catalog, setup),
		cmocka_unit_test(test_one_failure),
		cmocka_unit_test(test_failures_to_the_end),
	};
	int failed;

	failed = cmocka_run_group_tests(tests, NULL, drop_record);
	printf("%u checks passed, %d failed\n", held, failed);
	return failed;
}
