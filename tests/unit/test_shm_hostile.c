// SPDX-License-Identifier: BSD-2-Clause
/*
 * test_shm_hostile.c - the shm backend against processes of the same user that mean harm: garbage and changes in
 * shared memory, on sockets and among descriptors, floods and silence. The connection that was hit may end;
 * nobody crashes or waits for ever, and other connections do not notice. Names: test_shm_names.c.
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

enum damage { RQ_TAIL, CQ_HEAD, CQ_TYPE, CQ_LENGTH, CQ_SURPLUS, CQ_ACK, CQ_BOUNCE, DAMAGES };

/* Written the way a hostile peer would: into the memory that it shares with us. */
static void damage(struct wsd_endpoint *endpoint, enum damage what)
{
	struct shm_cqe *slot =
		&endpoint->own_cq[endpoint->cq_head & (endpoint->own_layout.cq_size - 1)];

	if (what == RQ_TAIL)
		atomic_store(&endpoint->peer->rq_tail, endpoint->rq_next + 1000);
	if (what == CQ_HEAD)
		atomic_store(&endpoint->peer->cq_head, endpoint->cq_tail + 5);
	endpoint->rq_seen = endpoint->rq_next;
	endpoint->cq_taken = endpoint->cq_tail - endpoint->peer_layout.cq_size;
	if (what <= CQ_HEAD)
		return;
	atomic_store(&slot->length, what == CQ_LENGTH ? 0xfffffff0u : 4);
	atomic_store(&slot->tag, what == CQ_ACK ? 0x7fffffffu : 0);
	atomic_store(&slot->imm, 1);
	atomic_store(&slot->type, what == CQ_TYPE     ? 0xdeadu
				  : what == CQ_LENGTH ? (unsigned)SHM_CQE_RECV_BOUNCE
				  : what == CQ_ACK    ? (unsigned)SHM_CQE_ACK
				  : what == CQ_BOUNCE ? (unsigned)SHM_CQE_WRITE
						      : (unsigned)SHM_CQE_IMM);
	atomic_store(&slot->seq, endpoint->cq_head + 1);
	shm_queue_mark(endpoint->queue, endpoint->index);
}

static void test_garbage(void **state)
{
	struct end *good = shm_connected(), *bad;
	uint64_t *errors = OPS.size ? wsd_counter("shm", "protocol_errors", "") : NULL, before;
	char in[SHM_BUFFER];
	unsigned what, i;

	(void)state;
	for (what = 0; what < DAMAGES; what++) {
		bad = shm_connected();
		before = *errors;
		if (what == CQ_LENGTH)
			post_recv(bad, 1, in, SHM_BUFFER, NULL);
		damage(bad->endpoint, (enum damage)what);
		if (what <= CQ_HEAD)
			(void)try_post(bad, WSD_OP_SEND, 1, "x", 1, 0, 0, 0);
		while (!bad->count || bad->log[bad->count - 1].type != WSD_EV_DISCONNECTED)
			world_poll();
		assert_int_equal(bad->log[bad->count - 1].status, WSD_EPROTOCOL);
		assert_int_equal(*errors, before + 1);
		end_free(bad);
	}
	/* The inbox holds only hints. */
	for (i = 0; i < SHM_MAX_INDEX; i += 61)
		shm_inbox_set(shm_queue->inbox, i);
	for (i = 0; i < 300; i++)
		world_poll();
	shm_exchange(good, "unharmed");
	end_free(good);
}

/* A connection, and a descriptor of the memory that is written by its other end. */
static struct end *connected_with_segment(int *segment)
{
	struct end *end = end_new(shm_queue);

	connect_to(end, shm_port);
	*segment = dup(end->endpoint->own_share);
	assert_true(*segment >= 0);
	expect(end, WSD_EV_CONNECTED);
	return end;
}

/* Do what can be done with a connection that may be broken. */
static void use_anyhow(struct end *end, unsigned rounds)
{
	static char in[4][SHM_BUFFER];
	struct wsd_recv recv = { .sge = { NULL, SHM_BUFFER, NULL } };
	uint32_t posted, i;

	while (rounds--) {
		for (i = 0; i < 4; i++) {
			recv.id = i;
			recv.sge.addr = in[i];
			(void)OPS.post_recv(end->endpoint, &recv, &posted);
			(void)try_post(end, WSD_OP_SEND, 8, "anything", 9, 0, 0, 0);
		}
		world_poll();
		for (i = end->taken; i < end->count; i++)
			assert_true(end->log[i].bytes <= SHM_BUFFER);
		end->taken = end->count = 0;
	}
}

/* Sealed: whoever has the descriptor cannot take the memory away. It can be emptied, which is garbage. */
static void test_truncated(void **state)
{
	struct end *good = shm_connected(), *bad;
	int segment;

	(void)state;
	bad = connected_with_segment(&segment);
	shm_exchange(bad, "before");
	assert_int_equal(ftruncate(segment, 0), -1);
	assert_int_equal(ftruncate(shm_queue->inbox_share, 0), -1);
	assert_int_equal(fallocate(segment, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 1 << 20),
			 0);
	use_anyhow(bad, 100);
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

/*
 * Another process that changes the memory all the time, mostly the words that are looked at; but for the one that
 * says that the peer has gone, because that would end the connection before anything else is noticed.
 */
static void flip(_Atomic uint32_t *words, size_t length, _Atomic uint32_t *hints, uint64_t state)
{
	static const uint32_t values[] = { 0, 1, 2, 9, 64, 0x7fffffff, 0x80000000u, UINT32_MAX };
	const size_t entries = sizeof(struct shm_segment) / 4, entry = sizeof(struct shm_cqe) / 4;
	uint32_t random, value, position;
	size_t at;

	for (;;) {
		state = state * UINT64_C(6364136223846793005) + 1442695040888963407u;
		random = (uint32_t)(state >> 32);
		value = random & 1 ? (uint32_t)state : values[random >> 1 & 7];
		position = random >> 4 & 63;
		at = (random >> 10) % (random & 16 ? entries + 64 * entry : length / 4);
		if (at != offsetof(struct shm_segment, gone) / 4)
			atomic_store(&words[at], value);
		/* The right number of an entry that is not there yet. */
		atomic_store(&words[entries + position * entry], position + 1);
		atomic_store(&hints[position % 16], value);
	}
}

static pid_t start_flipping(int segment, size_t length, int inbox, unsigned seed)
{
	void *words, *hints;
	pid_t pid = fork();

	if (pid)
		return pid;
	test_deadline(60);
	words = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_SHARED, segment, 0);
	hints = mmap(NULL, SHM_INBOX_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, inbox, 0);
	if (words == MAP_FAILED || hints == MAP_FAILED)
		_exit(1);
	flip(words, length, hints, seed);
	_exit(1);
}

static void test_flipping(void **state)
{
	uint64_t *errors = wsd_counter("shm", "protocol_errors", ""), before = *errors;
	struct end *good = shm_connected(), *bad;
	unsigned round;
	uint64_t start;
	int segment;
	pid_t pid;

	(void)state;
	for (round = 0; round < 20; round++) {
		bad = connected_with_segment(&segment);
		pid = start_flipping(segment, bad->endpoint->own_layout.length,
				     shm_queue->inbox_share, round);
		for (start = wsd_clock_ns(); wsd_clock_ns() - start < 60000000u;)
			use_anyhow(bad, 50);
		shm_exchange(good, "unharmed");
		shm_reap(&pid);
		end_free(bad);
		close(segment);
	}
	assert_true(*errors > before);
	shm_exchange(good, "still");
	end_free(good);
}

/* Another process that erases what the peers write into our inbox. */
static pid_t start_erasing(int inbox)
{
	_Atomic uint64_t *words;
	pid_t pid = fork();
	unsigned i;

	if (pid)
		return pid;
	test_deadline(60);
	words = mmap(NULL, SHM_INBOX_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, inbox, 0);
	if ((void *)words == MAP_FAILED)
		_exit(1);
	for (i = 0;; i++)
		atomic_store(&words[i % 4], 0);
}

static void exchange_asleep(struct end *end)
{
	intptr_t object = OPS.wait_object(shm_queue);
	uint64_t limit = wsd_clock_ns() + test_slow_factor() * UINT64_C(20000000000);
	char in[SHM_BUFFER] = { 0 };

	post_recv(end, 9, in, sizeof(in), NULL);
	post(end, WSD_OP_SEND, 8, "wake up", 8, 0, 0, 0);
	while (end->count < end->taken + 2) {
		if (!world_poll() && OPS.arm(shm_queue) == WSD_OK) {
			wsd_waker_sleep(wsd_waker_self(), &object, 1, limit);
			OPS.disarm(shm_queue);
		}
		assert_true(wsd_clock_ns() < limit);
	}
	end->taken += 2;
	assert_string_equal(in, "wake up");
}

static void test_erasing(void **state)
{
	uint16_t second = world_port();
	struct wsd_addr addr = world_addr(second);
	pid_t accomplice = shm_serve(&addr), pid;
	struct end *good = shm_connected(), *evil = end_new(shm_queue);
	unsigned i;

	(void)state;
	connect_to(evil, second);
	expect(evil, WSD_EV_CONNECTED);
	pid = start_erasing(shm_queue->inbox_share);
	for (i = 0; i < 3; i++)
		exchange_asleep(good);
	shm_reap(&pid);
	shm_reap(&accomplice);
	end_free(evil);
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
		TEST(garbage),	TEST(truncated),   TEST(truncated_from_outside),
		TEST(flipping), TEST(erasing),	   TEST(bad_requests),
		TEST(bad_link), TEST(descriptors), TEST(bad_memory),
		TEST(silent),	TEST(ringing),
	};

	return cmocka_run_group_tests_name("shm_hostile", tests, NULL, NULL);
}
