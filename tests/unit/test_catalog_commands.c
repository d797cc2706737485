// SPDX-License-Identifier: BSD-2-Clause
/* What the commands of installing refuse, say and write down. */
#include <stdio.h>
#include <string.h>

#include <jansson.h>

#include "spi_shim/wsdctl/catalog_record.h"
#include "tests/unit/catalog_disk.h"
#include "tests/unit/catalog_world.h"

#define RECORD	   "test_catalog_record.json"
#define RECORD_NEW RECORD ".new" /* until it is whole */

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

/* What would fail half way is refused at once, and a dry run says so. */
static void test_package_that_lacks_a_dll(void **state)
{
	struct wsd_catalog_run run = run_of(false), dry = run_of(true);

	(void)state;
	for (unsigned i = 0; i < WSD_CATALOGS_MAX; i++) {
		system_now.unpackaged[i] = true;
		assert_int_equal(wsd_catalog_install(&dry, &everything), WSDCTL_FAILED);
		assert_int_equal(wsd_catalog_install(&run, &everything), WSDCTL_FAILED);
		assert_int_equal(system_now.changes, 0);
		system_now.unpackaged[i] = false;
	}
	/* None is needed for what is there already. */
	must_install(&plain);
	system_now.unpackaged[0] = system_now.unpackaged[1] = true;
	assert_int_equal(wsd_catalog_install(&run, &everything), WSDCTL_OK);
	assert_int_equal(wsd_catalog_uninstall(&run), WSDCTL_OK);
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

static struct wsd_catalog_run recorded_run(void)
{
	struct wsd_catalog_run run = run_of(false);

	run.record = RECORD;
	return run;
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

/* All that is known of an entry has to be in the record, for who enters it again by hand. */
static void make_layer(WSAPROTOCOL_INFOW *info)
{
	info->ProtocolChain.ChainLen = 2;
	info->ProtocolChain.ChainEntries[0] = info->dwCatalogEntryId;
	info->ProtocolChain.ChainEntries[1] = 4711;
	info->dwMessageSize = 65507;
}

static void test_record(void **state)
{
	struct wsd_catalog_run run = recorded_run();
	const char *path;
	json_t *root, *entry, *chain;

	(void)state;
	make_layer(&system_now.lists[0].entries[3].info);
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
	assert_int_equal(json_integer_value(json_object_get(entry, "version")), 2);
	assert_int_equal(json_integer_value(json_object_get(entry, "min_sockaddr")),
			 wsd_catalog_entries[WSD_CATALOG_STREAM][0].iMinSockAddr);
	entry = json_object_get(json_object_get(root, "before"), "catalogues");
	entry = json_object_get(json_array_get(entry, 0), "entries");
	entry = json_array_get(entry, 3);
	chain = json_object_get(entry, "chain");
	assert_int_equal(json_array_size(chain), 2);
	assert_int_equal(json_integer_value(json_array_get(chain, 1)), 4711);
	assert_int_equal(json_integer_value(json_object_get(entry, "message_size")), 65507);
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

static void stop_writing(void)
{
	system_now.on_change = NULL;
	catalog_disk_stop(RECORD);
}

static void test_record_that_cannot_be_written(void **state)
{
	struct wsd_catalog_run run = recorded_run();
	json_t *root;

	(void)state;
	system_now.on_change = stop_writing;
	assert_int_equal(wsd_catalog_install(&run, &plain), WSDCTL_FAILED);
	catalog_disk_go_on();
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
		assert_true(says(wsd_catalog_doctor, "BAD  the service ws2ifsl", WSDCTL_FAILED));
	}
	system_now.service = WSD_SERVICE_RUNNING;
	assert_true(says(wsd_catalog_doctor, "ok   service ws2ifsl: runs", WSDCTL_OK));
	system_now.switch_found = WSD_SWITCH_ID;
	system_now.switch_provider = wsd_catalog_entries[WSD_CATALOG_SAN][0].ProviderId;
	assert_int_equal(wsd_catalog_doctor(&run), WSDCTL_FAILED);
	system_now.switch_found = WSD_SWITCH_NONE;
	system_now.files[1] = WSD_FILE_OTHER;
	assert_int_equal(wsd_catalog_doctor(&run), WSDCTL_FAILED);
	assert_int_equal(wsd_catalog_status(&run), WSDCTL_OK); /* of another version */
	system_now.files[1] = WSD_FILE_NONE;
	assert_true(says(wsd_catalog_status, "openwsd.dll of 32-bit programs is not there",
			 WSDCTL_FAILED));
}

/* What a run has left that was killed between two of its steps. */
static void test_left_over_files(void **state)
{
	struct wsd_catalog_run run = run_of(false), dry = run_of(true);

	(void)state;
	must_install(&plain);
	system_now.is_kept[0] = system_now.is_kept[1] = true;
	assert_int_equal(wsd_catalog_install(&dry, &plain), WSDCTL_OK);
	system_now.administrator = false;
	assert_int_equal(wsd_catalog_install(&run, &plain), WSDCTL_OK);
	assert_true(system_now.is_kept[0] && system_now.is_kept[1]);
	system_now.administrator = true;
	assert_int_equal(wsd_catalog_install(&run, &plain), WSDCTL_OK);
	assert_false(system_now.is_kept[0] || system_now.is_kept[1]);
	assert_int_equal(wsd_catalog_uninstall(&run), WSDCTL_OK);
	system_now.is_kept[1] = true;
	assert_int_equal(wsd_catalog_uninstall(&run), WSDCTL_OK);
	assert_false(system_now.is_kept[1]);
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

/* --- every failure of every call, as the commands tell it --- */

static void start_clean(void)
{
}

static void start_installed(void)
{
	must_install(&everything);
}

static void start_older(void)
{
	must_install(&plain);
	system_now.files[1] = WSD_FILE_OTHER;
}

static int install_everything(const struct wsd_catalog_run *run)
{
	return wsd_catalog_install(run, &everything);
}

static const struct command {
	void (*start)(void);
	int (*run)(const struct wsd_catalog_run *run);
} commands[] = {
	{ start_clean, install_everything },	 { start_older, install_everything },
	{ start_installed, install_everything }, { start_installed, wsd_catalog_uninstall },
	{ start_installed, wsd_catalog_status }, { start_installed, wsd_catalog_doctor },
};

/* A failure that costs nothing but a word: the path of somebody else's entry, and the last look at the service. */
static bool is_harmless(const struct command *command)
{
	return strcmp(system_now.failed, "path") == 0 ||
	       (strcmp(system_now.failed, "service") == 0 && command->run == install_everything);
}

/* What it said is in text. */
static int run_failing(const struct command *command, unsigned n, enum fake_failure how, char *text,
		       size_t size)
{
	struct wsd_catalog_run run = run_of(false);
	size_t length;
	int status;

	fake_init(&system_now, &api);
	command->start();
	read_into(&before);
	run.out = run.err = tmpfile();
	assert_non_null(run.out);
	system_now.how = how;
	system_now.calls = 0;
	system_now.fail_at = n;
	status = command->run(&run);
	system_now.fail_at = 0;
	rewind(run.out);
	length = fread(text, 1, size - 1, run.out);
	text[length] = '\0';
	fclose(run.out);
	read_into(&after);
	return status;
}

/* False: it has fewer calls than n. */
static bool tells_failure(const struct command *command, unsigned n, enum fake_failure how)
{
	static struct wsd_catalog_state good;
	static char text[65536];
	int status;

	assert_int_equal(run_failing(command, 0, how, text, sizeof(text)), WSDCTL_OK);
	assert_true(strstr(text, "error") == NULL);
	good = after;
	status = run_failing(command, n, how, text, sizeof(text));
	if (system_now.failed == NULL)
		return false;
	if (status == WSDCTL_OK) {
		assert_true(is_harmless(command) && wsd_catalog_equal(&after, &good));
		assert_true(strcmp(system_now.failed, "path") == 0 ||
			    strstr(text, "asking for the service ws2ifsl: error 4321") != NULL);
		return true;
	}
	assert_int_equal(status, WSDCTL_FAILED);
	assert_true(wsd_catalog_equal(&after, &before));
	assert_true(strstr(text, "wsdctl: ") != NULL || strstr(text, "BAD ") != NULL);
	return true;
}

static void test_each_failure(void **state)
{
	(void)state;
	for (size_t c = 0; c < sizeof(commands) / sizeof(commands[0]); c++) {
		for (unsigned how = 0; how < FAKE_FAILURES; how++) {
			unsigned n = 1;

			while (tells_failure(&commands[c], n, (enum fake_failure)how))
				assert_true(++n < 1000);
			assert_true(n > 10);
		}
	}
	for (unsigned i = 0; i < FAKE_CALLS; i++)
		if (fake_failed[i] == 0 &&
		    strcmp(fake_calls[i], "file_undo") != 0) /* on the way back: test_catalog */
			fail_msg("%s never failed", fake_calls[i]);
}

/* doctor goes on, and says which it was. */
static void test_doctor_tells_which(void **state)
{
	static const char *const lines[][2] = {
		{ "load", "BAD  openwsd.dll can be loaded" },
		{ "service", "BAD  asking for the service ws2ifsl: error 4321" },
	};
	const struct command doctor = { start_installed, wsd_catalog_doctor };
	static char text[65536];
	unsigned found = 0;

	(void)state;
	for (unsigned n = 1; n < 100; n++) {
		int status = run_failing(&doctor, n, FAKE_BEFORE, text, sizeof(text));

		for (unsigned i = 0; i < 2 && system_now.failed != NULL; i++) {
			if (strcmp(system_now.failed, lines[i][0]) != 0)
				continue;
			assert_int_equal(status, WSDCTL_FAILED);
			assert_true(strstr(text, lines[i][1]) != NULL);
			assert_true(strstr(text, lines[1 - i][1]) == NULL);
			found |= 1u << i;
		}
	}
	assert_int_equal(found, 3);
}

static int drop_record(void **state)
{
	(void)state;
	remove(RECORD);
	remove(RECORD_NEW);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_refusals, setup),
		cmocka_unit_test_setup(test_package_that_lacks_a_dll, setup),
		cmocka_unit_test_setup(test_foreign_value, setup),
		cmocka_unit_test_setup(test_prefer_needs_the_service, setup),
		cmocka_unit_test_setup(test_prefer_needs_bases, setup),
		cmocka_unit_test_setup(test_prefer_is_tried, setup),
		cmocka_unit_test_setup(test_record, setup),
		cmocka_unit_test_setup(test_record_that_cannot_be_written, setup),
		cmocka_unit_test_setup(test_narrow, setup),
		cmocka_unit_test_setup(test_doctor, setup),
		cmocka_unit_test_setup(test_left_over_files, setup),
		cmocka_unit_test_setup(test_unhandled_catalog, setup),
		cmocka_unit_test(test_each_failure),
		cmocka_unit_test(test_doctor_tells_which),
	};

	return cmocka_run_group_tests(tests, NULL, drop_record);
}
