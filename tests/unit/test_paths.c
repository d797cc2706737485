// SPDX-License-Identifier: BSD-2-Clause
/*
 * test_paths.c - the order of paths to a host, of which one has not answered: shm and tcp, which both reach it; and the
 * reasons of openwsd(7): number, text, counter and line of the log of each.
 */
#include "tests/lib/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "provider/transport/listen.h"
#include "provider/transport/path.h"
#include "rdma_backend/base/base.h"
#include "rdma_backend/base/internal.h"

static const struct wsd_addr any = { .family = WSD_FAMILY_IPV4 };

static struct wsd_addr loopback(uint8_t last)
{
	struct wsd_addr addr = { .family = WSD_FAMILY_IPV4, .port = 4321 };

	addr.bytes[0] = 127;
	addr.bytes[3] = last;
	return addr;
}

/* The path that a new connect to that host tries first; what it says of others. */
static void assert_first(uint8_t host, const char *path, const char *reasons)
{
	struct wsd_addr remote = loopback(host);
	struct wsd_paths paths = { 0 };
	struct wsd_engine *engine;

	wsd_paths_begin(&paths, &remote, true);
	engine = wsd_paths_next(&paths, &any, &remote);
	assert_non_null(engine);
	assert_string_equal(wsd_engine_name(engine), path);
	assert_string_equal(paths.reasons ? paths.reasons : "", reasons);
	wsd_paths_end(&paths);
}

/* A connect to that host whose first path, and whose second one, end like this. */
static void connect_fails(uint8_t host, enum wsd_status first, enum wsd_status second)
{
	struct wsd_addr remote = loopback(host);
	struct wsd_paths paths = { 0 };

	wsd_paths_begin(&paths, &remote, true);
	assert_non_null(wsd_paths_next(&paths, &any, &remote));
	wsd_paths_failed(&paths, &remote, first);
	assert_non_null(wsd_paths_next(&paths, &any, &remote));
	wsd_paths_failed(&paths, &remote, second);
	assert_null(wsd_paths_next(&paths, &any, &remote));
	wsd_paths_end(&paths);
}

static void opens(uint8_t host, const char *path)
{
	struct wsd_addr remote = loopback(host);
	unsigned i;

	remote.port = 99; /* whatever port it comes from */
	for (i = 0; i < wsd_engine_count(); i++) {
		if (strcmp(wsd_engine_name(wsd_engine_at(i)), path) == 0)
			wsd_paths_opened(NULL, wsd_engine_at(i), &remote);
	}
}

#define SHM_SILENT "shm: nothing answers there by this path (-70)"

static void test_silent_path_is_passed_over(void **state)
{
	(void)state;
	assert_first(1, "shm", "");
	connect_fails(1, WSD_ETIMEDOUT, WSD_ENOLISTENER); /* says nothing about the host */
	assert_first(1, "shm", "");
	connect_fails(1, WSD_ENOANSWER, WSD_ENOLISTENER);
	assert_first(1, "tcp", SHM_SILENT);
	assert_first(2, "shm", "");
	opens(1, "tcp");
	assert_first(1, "tcp", SHM_SILENT);
	opens(1, "shm");
	assert_first(1, "shm", "");
}

static void test_last_path_is_tried(void **state)
{
	(void)state;
	connect_fails(3, WSD_ENOANSWER, WSD_ENOANSWER);
	assert_first(3, "tcp", SHM_SILENT);
	opens(3, "shm");
	opens(3, "tcp");
	assert_first(3, "shm", "");
}

/* --- reasons --- */

/* Those that openwsd(7) lists: a program may look for the number, and people read the text. */
static const struct {
	enum wsd_status status;
	const char *counter, *text;
} reasons[] = {
	{ WSD_ENOMEM, "ENOMEM", "out of memory (-2)" },
	{ WSD_EUNSUPPORTED, "EUNSUPPORTED", "not supported (-3)" },
	{ WSD_EACCESS, "EACCESS", "permission denied (-4)" },
	{ WSD_EADDRINUSE, "EADDRINUSE", "address in use (-5)" },
	{ WSD_EADDRNOTAVAIL, "EADDRNOTAVAIL", "address not local (-6)" },
	{ WSD_ENOFILES, "ENOFILES", "descriptor limit reached (-7)" },
	{ WSD_EBUSY, "EBUSY", "in use (-9)" },
	{ WSD_EREGISTER, "EREGISTER", "memory cannot be registered (-44)" },
	{ WSD_EMEMLOCK, "EMEMLOCK", "the limit of locked memory is reached (-45)" },
	{ WSD_ERESET, "ERESET", "connection reset by the peer (-60)" },
	{ WSD_EREFUSED, "EREFUSED", "refused by the application or by a full backlog (-61)" },
	{ WSD_ENOLISTENER, "ENOLISTENER", "nobody listens at that address (-62)" },
	{ WSD_EUNREACHABLE, "EUNREACHABLE", "no route to the address by this path (-63)" },
	{ WSD_ETIMEDOUT, "ETIMEDOUT", "timed out (-64)" },
	{ WSD_EPROTOCOL, "EPROTOCOL", "the peer broke the protocol (-65)" },
	{ WSD_EVERSION, "EVERSION", "the peer speaks another protocol version or mode (-68)" },
	{ WSD_EUSER, "EUSER", "the peer belongs to another user or namespace (-69)" },
	{ WSD_ENOANSWER, "ENOANSWER", "nothing answers there by this path (-70)" },
	{ WSD_EDENIED, "EDENIED", "denied by a rule of openwsd.conf (-71)" },
	{ WSD_EDEVICE, "EDEVICE", "device failed or was removed (-80)" },
	{ WSD_ENODEVICE, "ENODEVICE", "no such device (-81)" },
};

static char log_path[512];

/* Lines of the log that end with "path: text". */
static unsigned lines_of(const char *text)
{
	char line[512], wanted[128];
	FILE *file = fopen(log_path, "r");
	unsigned n = 0;

	assert_non_null(file);
	snprintf(wanted, sizeof(wanted), " debug path: %s\n", text);
	while (fgets(line, sizeof(line), file)) {
		char *end = strchr(line, '\r'); /* of a text file of Windows */

		if (end)
			memcpy(end, "\n", 2);
		n += strstr(line, wanted) != NULL;
	}
	fclose(file);
	return n;
}

struct count {
	const char *name;
	uint64_t value;
};

static void look_at_counter(const char *topic, const char *name, const char *help, uint64_t value,
			    void *arg)
{
	struct count *count = arg;

	(void)help;
	if (strcmp(topic, "reasons") == 0 && strcmp(name, count->name) == 0)
		count->value = value;
}

static uint64_t counted(const char *name)
{
	struct count count = { name, 0 };

	wsd_counter_each(look_at_counter, &count);
	return count.value;
}

static void test_reasons(void **state)
{
	struct wsd_addr remote = loopback(0);
	char first[128], both[256];

	(void)state;
	remote.bytes[2] = 1; /* of hosts that no other test knows */
	for (unsigned i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++) {
		struct wsd_paths paths = { 0 };
		uint64_t before = counted(reasons[i].counter);

		remote.bytes[3] = (uint8_t)(i + 1);
		wsd_paths_begin(&paths, &remote, true);
		assert_non_null(wsd_paths_next(&paths, &any, &remote));
		wsd_paths_failed(&paths, &remote, reasons[i].status);
		snprintf(first, sizeof(first), "shm: %s", reasons[i].text);
		assert_string_equal(wsd_paths_reasons(&paths), first);
		assert_int_equal(counted(reasons[i].counter), before + 1);
		assert_int_equal(lines_of(first), 1);
		/* And of the path behind it. */
		assert_non_null(wsd_paths_next(&paths, &any, &remote));
		wsd_paths_failed(&paths, &remote, reasons[i].status);
		snprintf(both, sizeof(both), "%s; tcp: %s", first, reasons[i].text);
		assert_string_equal(wsd_paths_reasons(&paths), both);
		assert_int_equal(counted(reasons[i].counter), before + 2);
		assert_int_equal(lines_of(strstr(both, "tcp")), 1);
		wsd_paths_end(&paths);
	}
}

/* What a reject's data mean: a peer may write anything there. */
static void test_refusals(void **state)
{
	static const enum wsd_status said[] = {
		WSD_ENOMEM,   WSD_EBUSY,    WSD_EREGISTER,   WSD_EMEMLOCK,
		WSD_ERESET,   WSD_EREFUSED, WSD_ENOLISTENER, WSD_EPROTOCOL,
		WSD_EVERSION, WSD_EUSER,    WSD_EDEVICE,
	};
	unsigned final = 0;

	(void)state;
	for (unsigned byte = 0; byte < 256; byte++) {
		const uint8_t data[4] = { (uint8_t)byte };
		enum wsd_status expected = WSD_EPROTOCOL;

		for (unsigned i = 0; i < sizeof(said) / sizeof(said[0]); i++)
			if (-(int)said[i] == (int)byte)
				expected = said[i];
		if (-(int)WSD_ENOFILES ==
		    (int)byte) /* a limit of the peer's, not of this program */
			expected = WSD_ENOMEM;
		assert_int_equal(wsd_refusal_reason(data, sizeof(data)), expected);
		assert_int_equal(wsd_refusal_reason(data, 3), WSD_ERESET);
		final += expected == WSD_EREFUSED;
	}
	assert_int_equal(final, 1);
	assert_int_equal(wsd_refusal_reason(NULL, 0), WSD_ERESET);
}

/* A connect that one path refused so, and that came by the other one. Is the peer known then to have no OpenWSD? */
static bool teaches(uint8_t host, enum wsd_status why)
{
	struct wsd_addr remote = loopback(host);
	struct wsd_paths paths = { 0 };
	bool known;

	remote.bytes[2] = 2;
	wsd_paths_begin(&paths, &remote, true);
	assert_non_null(wsd_paths_next(&paths, &any, &remote));
	wsd_paths_failed(&paths, &remote, why);
	known = !paths.passing;
	wsd_paths_end(&paths);
	return known;
}

static void test_what_passes(void **state)
{
	(void)state;
	assert_true(teaches(1, WSD_ENOLISTENER));
	assert_true(teaches(2, WSD_EVERSION));
	assert_false(teaches(3, WSD_ENOMEM));
	assert_false(teaches(4, WSD_EMEMLOCK));
	assert_false(teaches(5, WSD_EDEVICE)); /* the peer's */
	assert_false(teaches(6, WSD_ERESET));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reasons), /* the first: the log has no other line */
		cmocka_unit_test(test_silent_path_is_passed_over),
		cmocka_unit_test(test_last_path_is_tried),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_what_passes),
	};
	int failed;

	test_deadline(60);
	snprintf(log_path, sizeof(log_path), "%s", test_path("log"));
	setenv("WSD_LOG", "debug", 1);
	setenv("WSD_LOG_FILE", log_path, 1);
	setenv("WSD_BACKENDS", "shm,tcp", 1);
	if (wsd_engines_start() != WSD_OK)
		return 1;
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	wsd_engines_stop();
	wsd_log_reset(); /* Windows removes no file that is open */
	unlink(log_path);
	return failed;
}
