// SPDX-License-Identifier: BSD-2-Clause
/*
 * test_shm_hostile.c - the shm backend against processes of the same user that mean harm, with sockets
 * and descriptors: memory that shrinks, floods and silence. The connection that was hit may end;
 * nobody crashes or waits for ever, and other connections do not notice. Names: test_shm_names.c, what they
 * write into the memory: test_shm_memory.c.
 */

#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "rdma_backend/base/base.h"
#include "rdma_backend/base/platform.h"
#include "rdma_backend/shm/shm_internal.h"
#include "tests/lib/test.h"
#include "tests/unit/test_shm.h"

#define OPS wsd_backend_shm

/* --- the shared memory --- */

/* Sealed: whoever has the descriptor cannot take the memory away. It can be emptied, which is garbage. */
static void test_truncated(void **state)
{
	struct end *good = shm_connected(), *bad;
	int segment;

	(void)state;
	bad = shm_connected_sharing(&segment);
	shm_exchange(bad, "before");
	assert_int_equal(ftruncate(segment, 0), -1);
	assert_int_equal(ftruncate(shm_queue->inbox_share, 0), -1);
	assert_int_equal(fallocate(segment, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 1 << 20),
			 0);
	shm_use_anyhow(bad, 100);
	assert_int_equal(fallocate(shm_queue->inbox_share,
				   FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, SHM_INBOX_BYTES),
			 0);
	shm_exchange(good, "unharmed");
	end_free(bad);
	end_free(good);
	close(segment);
}

/* The server's own descriptors, taken through /proc. */
static void test_truncated_from_outside(void **state)
{
	struct end *good = shm_connected();
	char path[300], target[64];
	struct dirent *entry;
	unsigned found = 0;
	ssize_t length;
	DIR *folder;
	int fd;

	(void)state;
	snprintf(path, sizeof(path), "/proc/%d/fd", (int)shm_child);
	folder = opendir(path);
	assert_non_null(folder);
	while ((entry = readdir(folder)) != NULL) {
		snprintf(path, sizeof(path), "/proc/%d/fd/%s", (int)shm_child, entry->d_name);
		length = readlink(path, target, sizeof(target) - 1);
		if (length < 0 || strncmp(target, "/memfd:openwsd", 14) != 0)
			continue;
		fd = open(path, O_RDWR | O_CLOEXEC);
		assert_true(fd >= 0);
		assert_int_equal(ftruncate(fd, 0), -1);
		assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), -1);
		found++;
		close(fd);
	}
	closedir(folder);
	assert_true(found > 0);
	shm_exchange(good, "unharmed");
	end_free(good);
}

/* --- the sockets --- */

static int raw_connect(void)
{
	struct sockaddr_un name = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	int length = snprintf(name.sun_path + 1, sizeof(name.sun_path) - 1,
			      "openwsd.shm.%u.4.7f000001-0.%u", (unsigned)geteuid(), shm_port);

	assert_true(fd >= 0);
	assert_int_equal(
		connect(fd, (struct sockaddr *)&name,
			(socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)length)),
		0);
	return fd;
}

static int sealed_memory(size_t length, int seals)
{
	int fd = memfd_create("stranger", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)length), 0);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, seals), 0);
	return fd;
}

/* Send a request with these descriptors; the server must refuse it, or hang up (returns WSD_EOF). */
static int32_t raw_request(const void *hello, size_t length, const shm_share *fds, unsigned count)
{
	struct shm_msg_hello answer;
	int fd = raw_connect();
	int32_t status = WSD_EOF;

	assert_int_equal(shm_os_send(fd, hello, length, fds, count), WSD_OK);
	if (recv(fd, &answer, sizeof(answer), 0) == (ssize_t)sizeof(answer)) {
		assert_int_equal(answer.head.type, SHM_MSG_REJECT);
		status = answer.status;
	}
	close(fd);
	return status;
}

static void test_bad_requests(void **state)
{
	struct shm_msg_hello hello = shm_good_hello;
	int unsealed = memfd_create("unsealed", MFD_CLOEXEC),
	    fds[2] = { shm_queue->inbox_share, unsealed };
	struct shm_layout layout;
	struct end *end;

	(void)state;
	assert_true(shm_layout_make(&layout, 4, 64));
	assert_int_equal(ftruncate(unsealed, layout.length), 0);
	assert_int_equal(raw_request(&hello, sizeof(hello), fds, 2), WSD_EPROTOCOL);
	fds[1] = shm_queue->inbox_share; /* sealed, but of another length */
	assert_int_equal(raw_request(&hello, sizeof(hello), fds, 2), WSD_EPROTOCOL);
	assert_int_equal(raw_request(&hello, sizeof(hello), fds, 1), WSD_ENOFILES);
	shm_check_bad_hellos(raw_request, fds);
	close(unsealed);
	end = shm_connected();
	shm_exchange(end, "still there");
	end_free(end);
}

/* Junk on a link hurts its connections and nothing else. */
static void test_bad_link(void **state)
{
	struct end *end = shm_connected();

	(void)state;
	assert_true(send(end->endpoint->link->source.channel, "junk", 4, MSG_NOSIGNAL) == 4);
	assert_int_equal(expect(end, WSD_EV_DISCONNECTED)->status, WSD_ERESET);
	end_free(end);
	end = shm_connected();
	shm_exchange(end, "fine");
	end_free(end);
}

/* Other things than the memory that should come, in its place. None stays open in the server. */
static void test_descriptors(void **state)
{
	struct shm_msg_hello hello = shm_good_hello;
	union {
		struct shm_msg_hello hello;
		char bytes[sizeof(union shm_packet) + 1];
	} too_long = { .hello = shm_good_hello };
	struct end *end = shm_connected();
	int fds[8], bad[7], ends[2];
	struct shm_layout layout;
	unsigned i, before;

	(void)state;
	shm_exchange(end, "settled");
	before = test_open_descriptors(shm_child);
	assert_true(shm_layout_make(&layout, 4, 64));
	assert_int_equal(pipe(ends), 0);
	bad[0] = ends[0];
	bad[1] = ends[1];
	bad[2] = open("/dev/zero", O_RDWR | O_CLOEXEC);
	bad[3] = open("/proc/self", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bad[4] = sealed_memory(layout.length - 1, F_SEAL_SHRINK | F_SEAL_GROW);
	bad[5] = sealed_memory(layout.length, F_SEAL_GROW);
	bad[6] = sealed_memory(layout.length, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE);
	assert_int_equal(raw_request(&hello, sizeof(hello), NULL, 0), WSD_ENOFILES);
	for (i = 0; i < 7; i++) {
		fds[0] = shm_queue->inbox_share;
		fds[1] = bad[i];
		assert_true(raw_request(&hello, sizeof(hello), fds, 2) < 0);
		fds[0] = bad[i];
		fds[1] = shm_queue->inbox_share;
		assert_true(raw_request(&hello, sizeof(hello), fds, 2) < 0);
	}
	for (i = 0; i < 7; i++)
		assert_int_equal(raw_request(&too_long.hello, sizeof(too_long), bad, 2), WSD_EOF);
	assert_int_equal(raw_request(&hello, 0, bad, 2), WSD_EOF);
	for (i = 0; i < 7; i++)
		close(bad[i]);
	shm_exchange(end, "unharmed");
	assert_int_equal(test_open_descriptors(shm_child), before);
	end_free(end);
}

/* A link announces memory that is none. Only the connection that it was announced for ends. */
static void test_bad_memory(void **state)
{
	struct shm_msg_mem message = { .head = { SHM_MAGIC, SHM_VERSION, SHM_MSG_MEM },
				       .key = 77,
				       .access = WSD_ACCESS_REMOTE_WRITE,
				       .length = SHM_PAGE };
	struct end *good = shm_connected(), *bad;
	unsigned i, before;
	int fds[4], link;

	(void)state;
	shm_exchange(good, "settled");
	before = test_open_descriptors(shm_child);
	assert_int_equal(pipe(fds), 0);
	fds[2] = sealed_memory(SHM_PAGE - 1, F_SEAL_SHRINK | F_SEAL_GROW);
	fds[3] = sealed_memory(SHM_PAGE, F_SEAL_SHRINK);
	for (i = 0; i <= 4; i++) {
		bad = shm_connected();
		link = bad->endpoint->link->source.channel;
		message.index = bad->endpoint->peer_index;
		message.generation = bad->endpoint->peer_generation;
		assert_int_equal(shm_os_send(link, &message, sizeof(message), &fds[i % 4], i < 4),
				 WSD_OK);
		assert_int_not_equal(expect(bad, WSD_EV_DISCONNECTED)->status, WSD_OK);
		end_free(bad);
	}
	shm_exchange(good, "unharmed");
	assert_int_equal(test_open_descriptors(shm_child), before);
	end_free(good);
	for (i = 0; i < 4; i++)
		close(fds[i]);
}

/* Strangers that connect and say nothing hold a bounded number of descriptors, and nobody up. */
static void test_silent(void **state)
{
	enum { STRANGERS = 300, MOST = 64 };
	unsigned i, before = test_open_descriptors(shm_child);
	int fds[STRANGERS];
	struct end *end;

	(void)state;
	for (i = 0; i < STRANGERS; i++)
		fds[i] = raw_connect();
	end = shm_connected();
	shm_exchange(end, "heard");
	assert_true(test_open_descriptors(shm_child) <= before + MOST + 3);
	end_free(end);
	for (i = 0; i < STRANGERS; i++)
		close(fds[i]);
}

/* A peer that rings without end. */
static pid_t start_ringing(int link)
{
	static const struct shm_msg bell = { SHM_MAGIC, SHM_VERSION, SHM_MSG_DOORBELL };
	pid_t pid = fork();

	if (pid)
		return pid;
	test_deadline(60);
	for (;;)
		(void)send(link, &bell, sizeof(bell), MSG_NOSIGNAL);
}

static void test_ringing(void **state)
{
	struct end *good = shm_connected(), *evil = end_new(world_queue());
	pid_t pids[2];
	unsigned i;

	(void)state;
	connect_to(evil, shm_port);
	expect(evil, WSD_EV_CONNECTED);
	for (i = 0; i < 2; i++)
		pids[i] = start_ringing(evil->endpoint->link->source.channel);
	for (i = 0; i < 20; i++)
		shm_exchange(good, "heard");
	for (i = 0; i < 2; i++)
		shm_reap(&pids[i]);
	shm_exchange(evil, "even so");
	end_free(evil);
	end_free(good);
}

#define TEST(name) cmocka_unit_test_setup_teardown(test_##name, shm_setup, shm_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(truncated),    TEST(truncated_from_outside),
		TEST(bad_requests), TEST(bad_link),
		TEST(descriptors),  TEST(bad_memory),
		TEST(silent),	    TEST(ringing),
	};

	return cmocka_run_group_tests_name("shm_hostile", tests, NULL, NULL);
}
