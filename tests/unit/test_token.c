// SPDX-License-Identifier: BSD-2-Clause
/*
 * test_token.c - tokens of shared sockets that somebody of this user, or of another one, has forged, field by field:
 * none is used, none changes anything, and the real one is still good. And who gets one that several want at once.
 */
#include "tests/lib/test.h"

#ifndef _WIN32
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#endif
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "provider/transport/hello.h"
#include "provider/winsock/share.h"
#include "rdma_backend/base/base.h"

#define TOKEN_BYTES  96u
#define RECORD_BYTES 1028u
#define THREADS	     4u
#define ROUNDS	     300u

/* Where a token has what. */
enum field {
	MAGIC = 0,
	LAYOUT = 4,
	MODE = 8,
	FAMILY = 12,
	CONNECTED = 20,
	PROCESS = 24,
	STARTED = 32,
	EXPIRES = 40,
	NAME = 48
};

static struct wsd_share_record giver;
static uint32_t real;		  /* its token */
static uint8_t good[TOKEN_BYTES]; /* what that says */
static uint8_t before[RECORD_BYTES];

/* Of one that is forged: parallel runs of this program have others. */
static uint32_t next_index(void)
{
	static uint32_t count;

	return (wsd_process_id() << 8) + ++count;
}

static void token_name(char *name, uint32_t index)
{
	snprintf(name, WSD_RECORD_NAME, "openwsd-token-%08x", index);
}

static void read_file(const char *name, uint8_t *to, size_t length)
{
	intptr_t record;

	assert_int_equal(wsd_record_open(name, &record), WSD_OK);
	assert_true(wsd_record_read(record, 0, to, length));
	wsd_record_close(record);
}

static void write_file(const char *name, const uint8_t *from, size_t length)
{
	intptr_t record;

	assert_int_equal(wsd_record_create(name, &record), WSD_OK);
	assert_true(wsd_record_write(record, 0, from, length));
	wsd_record_close(record);
}

static int give(void **state)
{
	static const struct wsd_share_kind kind = { .mode = WSD_MODE_STREAM,
						    .family = WSD_FAMILY_IPV4,
						    .connected = 1 };
	char name[WSD_RECORD_NAME];

	(void)state;
	assert_int_equal(wsd_share_create(&giver), 0);
	wsd_share_port_ask(&giver, false); /* the record has its full length */
	assert_int_equal(wsd_share_token(&giver, &kind, wsd_process_id(), &real), 0);
	token_name(name, real);
	read_file(name, good, sizeof(good));
	read_file(giver.name, before, sizeof(before));
	return 0;
}

static void assert_claimed(uint32_t mode, uint32_t index)
{
	struct wsd_share_record share;
	struct wsd_share_kind kind;

	assert_int_equal(wsd_share_claim(&share, mode, index, &kind), 0);
	assert_string_equal(share.name, giver.name);
	wsd_share_close(&share, false);
	read_file(giver.name, before, sizeof(before)); /* there has been a member */
}

static void assert_unchanged(void)
{
	uint8_t record[RECORD_BYTES], token[TOKEN_BYTES];
	char name[WSD_RECORD_NAME];

	token_name(name, real);
	read_file(name, token, sizeof(token));
	assert_memory_equal(token, good, sizeof(good));
	read_file(giver.name, record, sizeof(record));
	assert_memory_equal(record, before, sizeof(before));
}

static int take(void **state)
{
	(void)state;
	assert_claimed(WSD_MODE_STREAM, real);
	assert_int_equal(wsd_share_use(real), 0);
	assert_int_equal(wsd_share_use(real), WSAEINVAL);
	wsd_share_close(&giver, true);
	return 0;
}

static void assert_refused(uint32_t mode, uint32_t index)
{
	struct wsd_share_record share;
	struct wsd_share_kind kind;

	assert_int_equal(wsd_share_claim(&share, mode, index, &kind), WSAEINVAL);
	assert_unchanged();
}

/* A token that says what bytes says, asked for as one of that mode. */
static void refused_as(uint32_t mode, const uint8_t *bytes, size_t length)
{
	char name[WSD_RECORD_NAME];
	uint32_t index = next_index();

	token_name(name, index);
	write_file(name, bytes, length);
	assert_refused(mode, index);
	(void)wsd_record_remove(
		name); /* a refusal leaves it; another process takes away what a dead one has left */
}

static void refused(enum field at, const void *value, size_t length)
{
	uint8_t bytes[TOKEN_BYTES];

	memcpy(bytes, good, sizeof(bytes));
	memcpy(bytes + at, value, length);
	assert_memory_not_equal(bytes, good, sizeof(good));
	refused_as(WSD_MODE_STREAM, bytes, sizeof(bytes));
}

static void refused_number(enum field at, uint32_t value)
{
	refused(at, &value, sizeof(value));
}

static void refused_time(enum field at, uint64_t value)
{
	refused(at, &value, sizeof(value));
}

static void refused_name(const char *text)
{
	char name[WSD_RECORD_NAME] = { 0 };

	memcpy(name, text, strlen(text));
	refused(NAME, name, sizeof(name));
}

/* A copy of the real one is as good as that: what is refused below is refused for the one thing that differs. */
static void a_copy_is_good(void **state)
{
	char name[WSD_RECORD_NAME];
	uint32_t index = next_index();

	(void)state;
	token_name(name, index);
	write_file(name, good, sizeof(good));
	assert_claimed(WSD_MODE_STREAM, index);
	assert_true(wsd_record_remove(name));
	assert_refused(WSD_MODE_STREAM, index); /* nor is one that is not there */
}

static void each_number_is_checked(void **state)
{
	static const uint32_t families[] = { 0, 5, 7, 2, 23, UINT32_MAX };
	uint32_t magic, layout;

	(void)state;
	memcpy(&magic, good + MAGIC, sizeof(magic));
	memcpy(&layout, good + LAYOUT, sizeof(layout));
	refused_number(MAGIC, magic ^ 1);
	refused_number(MAGIC, 0);
	refused_number(LAYOUT, layout + 1);
	refused_number(LAYOUT, layout - 1);
	for (unsigned i = 0; i < sizeof(families) / sizeof(families[0]); i++)
		refused_number(FAMILY, families[i]);
	refused_number(CONNECTED, 2);
	refused_number(CONNECTED, UINT32_MAX);
	/* Cut off, and empty: being written just now. */
	refused_as(WSD_MODE_STREAM, good, sizeof(good) - 1);
	refused_as(WSD_MODE_STREAM, good, 0);
}

static void the_modes_are_kept_apart(void **state)
{
	uint8_t bytes[TOKEN_BYTES];
	uint32_t mode = WSD_MODE_SAN, index = next_index();
	char name[WSD_RECORD_NAME];

	(void)state;
	assert_refused(WSD_MODE_SAN, real);
	refused_number(MODE, WSD_MODE_SAN);
	refused_number(MODE, 2);
	memcpy(bytes, good, sizeof(bytes));
	memcpy(bytes + MODE, &mode, sizeof(mode));
	token_name(name, index);
	write_file(name, bytes, sizeof(bytes));
	assert_claimed(WSD_MODE_SAN, index);
	assert_true(wsd_record_remove(name));
}

static void it_is_for_one_process_and_a_time(void **state)
{
	uint64_t started, expires, now = wsd_clock_ns();
#ifndef _WIN32
	uint8_t parent[EXPIRES - PROCESS];
	uint32_t number;
#endif

	(void)state;
	memcpy(&started, good + STARTED, sizeof(started));
	memcpy(&expires, good + EXPIRES, sizeof(expires));
	assert_true(expires > now);
	refused_number(PROCESS, 0);
#ifndef _WIN32
	/* One that is there; on Windows test_duplicate.c has a second process. */
	memcpy(parent, good + PROCESS, sizeof(parent));
	number = (uint32_t)getppid();
	memcpy(parent, &number, sizeof(number));
	assert_true(wsd_process_started(number, &started));
	memcpy(parent + STARTED - PROCESS, &started, sizeof(started));
	refused(PROCESS, parent, sizeof(parent));
	memcpy(&started, good + STARTED, sizeof(started));
#endif
	/* A process that had this number before, or will have it. */
	refused_time(STARTED, started - 1);
	refused_time(STARTED, started + 1);
	refused_time(STARTED, 0);
	refused_time(EXPIRES, now - 1);
	refused_time(EXPIRES, 0);
}

/* One that would lead somewhere is there, as far as a name can be. */
static void the_name_is_that_of_a_record(void **state)
{
	char name[WSD_RECORD_NAME], full[WSD_RECORD_NAME];

	(void)state;
#ifdef _WIN32
	snprintf(name, sizeof(name), "..\\openwsd-test-%u", (unsigned)wsd_process_id());
#else
	snprintf(name, sizeof(name), "../../tmp/openwsd-test-%u", (unsigned)wsd_process_id());
#endif
	write_file(name, before, sizeof(before));
	refused_name(name);
	assert_true(wsd_record_remove(name));
	snprintf(name, sizeof(name), "openwsd-test-%u", (unsigned)wsd_process_id());
	write_file(name, before, sizeof(before));
	refused_name(name);
	assert_true(wsd_record_remove(name));
	/* That of another kind of record. */
	token_name(name, real);
	refused_name(name);
	refused_name("");
	refused_name("openwsd-share-../x");
	refused_name("openwsd-share-0123456789ABCDEF");
	refused_name("openwsd-share-0123456789abcdef0123456789abcdef"); /* of nobody */
	memset(full, '0', sizeof(full));				/* without an end */
	memcpy(full, "openwsd-share-", 14);
	refused(NAME, full, sizeof(full));
}

#ifndef _WIN32
/* --- files that are not this user's, or not only his --- */

static void path_of(char *path, const char *name)
{
	snprintf(path, 100, "/dev/shm/%s", name);
}

/* With the token or the record out of reach, so that they are compared later. */
static void refused_now(void)
{
	struct wsd_share_record share;
	struct wsd_share_kind kind;

	assert_int_equal(wsd_share_claim(&share, WSD_MODE_STREAM, real, &kind), WSAEINVAL);
}

static void refused_while(const char *name, mode_t mode, uid_t owner)
{
	char path[100];

	path_of(path, name);
	assert_int_equal(chown(path, owner, (gid_t)-1), 0);
	assert_int_equal(chmod(path, mode), 0);
	refused_now();
	assert_int_equal(chown(path, geteuid(), (gid_t)-1), 0);
	assert_int_equal(chmod(path, 0600), 0);
	assert_unchanged();
	assert_claimed(WSD_MODE_STREAM, real);
}

static void refused_as_link(const char *name)
{
	char path[100], moved[100];

	path_of(path, name);
	snprintf(moved, sizeof(moved), "/dev/shm/openwsd-test-%u", (unsigned)getpid());
	assert_int_equal(rename(path, moved), 0);
	refused_now();
	assert_int_equal(symlink(moved, path), 0); /* to what would be good */
	refused_now();
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkfifo(path, 0600), 0);
	refused_now();
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkdir(path, 0700), 0);
	refused_now();
	assert_int_equal(rmdir(path), 0);
	assert_int_equal(rename(moved, path), 0);
	assert_unchanged();
	assert_claimed(WSD_MODE_STREAM, real);
}

static void files_that_others_can_reach(void **state)
{
	char token[WSD_RECORD_NAME];

	(void)state;
	token_name(token, real);
	for (unsigned i = 0; i < 2; i++) {
		const char *name = i == 0 ? token : giver.name;

		refused_while(name, 0666, geteuid());
		refused_while(name, 0640, geteuid());
		refused_while(name, 0604, geteuid());
		refused_as_link(name);
	}
}

static void files_of_another_user(void **state)
{
	char token[WSD_RECORD_NAME];

	(void)state;
	if (geteuid() != 0) /* only root can make some, and could open them */
		skip();
	token_name(token, real);
	refused_while(token, 0600, 65534);
	refused_while(giver.name, 0600, 65534);
}
#endif

/* --- who gets it --- */

struct race {
	pthread_barrier_t start, middle;
	atomic_uint index, winners, losers;
};

static void *claimant(void *arg)
{
	struct race *race = arg;
	struct wsd_share_record share;
	struct wsd_share_kind kind;

	for (unsigned i = 0; i < ROUNDS; i++) {
		int claimed, error;

		pthread_barrier_wait(&race->start);
		claimed = wsd_share_claim(&share, WSD_MODE_STREAM, race->index, &kind);
		if (i % 2 == 0) /* all are members, and want it now */
			pthread_barrier_wait(&race->middle);
		error = claimed == 0 ? wsd_share_use(race->index) : claimed;
		if (claimed == 0)
			wsd_share_close(&share, false);
		atomic_fetch_add(error == 0 ? &race->winners : &race->losers,
				 error == 0 || error == WSAEINVAL);
		pthread_barrier_wait(&race->start);
	}
	return NULL;
}

static void one_of_many_threads_gets_it(void **state)
{
	static const struct wsd_share_kind kind = { .family = WSD_FAMILY_IPV6 };
	static struct race race; /* they have it even when this fails */
	pthread_t threads[THREADS];
	uint32_t index;

	(void)state;
	assert_int_equal(pthread_barrier_init(&race.start, NULL, THREADS + 1), 0);
	assert_int_equal(pthread_barrier_init(&race.middle, NULL, THREADS), 0);
	for (unsigned i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, claimant, &race), 0);
	for (unsigned i = 0; i < ROUNDS; i++) {
		assert_int_equal(wsd_share_token(&giver, &kind, wsd_process_id(), &index), 0);
		race.index = index;
		pthread_barrier_wait(&race.start);
		pthread_barrier_wait(&race.start);
		assert_int_equal(race.winners, i + 1);
		assert_int_equal(race.losers, (i + 1) * (THREADS - 1));
	}
	for (unsigned i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	pthread_barrier_destroy(&race.middle);
	pthread_barrier_destroy(&race.start);
}

#ifndef _WIN32
struct shared_race {
	atomic_uint index, tries, got;
};

static void try_again(struct shared_race *race, pid_t parent)
{
	struct wsd_share_record share;
	struct wsd_share_kind kind;

	while (getppid() == parent) {
		uint32_t index = race->index;

		if (wsd_share_claim(&share, WSD_MODE_STREAM, index, &kind) == 0) {
			atomic_fetch_add(&race->got, wsd_share_use(index) == 0);
			wsd_share_close(&share, false);
		}
		atomic_fetch_add(&race->tries, 1);
	}
	_exit(1);
}

/* Each is for one process, however hard the other one tries: half of them for this one. */
static void the_process_that_is_meant_gets_it(void **state)
{
	static const struct wsd_share_kind kind = { .family = WSD_FAMILY_IPV4 };
	struct shared_race *race = mmap(NULL, sizeof(*race), PROT_READ | PROT_WRITE,
					MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t parent = getpid(), other;
	unsigned ours = 0;

	(void)state;
	assert_true(race != MAP_FAILED);
	other = fork();
	assert_true(other >= 0);
	if (other == 0)
		try_again(race, parent);
	for (unsigned i = 0; i < ROUNDS; i++) {
		bool mine = i % 2 == 0;
		struct wsd_share_record share;
		struct wsd_share_kind same;
		unsigned tries;
		uint32_t index;
		int error;

		assert_int_equal(wsd_share_token(&giver, &kind,
						 mine ? wsd_process_id() : (uint32_t)other, &index),
				 0);
		tries = race->tries;
		race->index = index;
		while (mine && race->tries < tries + 2) /* it has tried that one */
			sched_yield();
		error = wsd_share_claim(&share, WSD_MODE_STREAM, index, &same);
		assert_int_equal(error, mine ? 0 : WSAEINVAL);
		if (mine) {
			assert_int_equal(wsd_share_use(index), 0);
			wsd_share_close(&share, false);
			ours++;
		}
		while (race->got < i + 1 - ours)
			sched_yield();
		assert_int_equal(race->got, i + 1 - ours);
	}
	kill(other, SIGKILL);
	assert_int_equal(waitpid(other, NULL, 0), other);
	munmap(race, sizeof(*race));
}
#endif

#define FORGERY(test) cmocka_unit_test_setup_teardown(test, give, take)

int main(void)
{
	const struct CMUnitTest tests[] = {
		FORGERY(a_copy_is_good),
		FORGERY(each_number_is_checked),
		FORGERY(the_modes_are_kept_apart),
		FORGERY(it_is_for_one_process_and_a_time),
		FORGERY(the_name_is_that_of_a_record),
#ifndef _WIN32
		FORGERY(files_that_others_can_reach),
		FORGERY(files_of_another_user),
#endif
		FORGERY(one_of_many_threads_gets_it),
#ifndef _WIN32
		FORGERY(the_process_that_is_meant_gets_it),
#endif
	};

	test_deadline(60);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
