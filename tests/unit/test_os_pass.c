// SPDX-License-Identifier: BSD-2-Clause
/* test_os_pass.c - sockets of the system that go to another process, through boxes or by letter. On every system. */
#include "tests/lib/test.h"

#ifndef _WIN32
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#endif
#include <string.h>

#include "provider/transport/os_pass.h"
#include "provider/transport/os_port.h"
#include "provider/transport/os_tcp.h"
#include "rdma_backend/base/platform.h"

#define MANY 20000u

struct listening {
	struct wsd_addr at;
	intptr_t socket;
};

static struct listening listening(uint16_t family)
{
	struct listening l = { .at = { .family = family } };

	if (family == WSD_FAMILY_IPV4)
		memcpy(l.at.bytes, (uint8_t[]){ 127, 0, 0, 1 }, 4);
	assert_int_equal(wsd_os_port_hold(&l.at, WSD_PORT_DEFAULT, &l.socket, &l.at.port), WSD_OK);
	assert_false(wsd_os_pass_listens(l.socket, &l.at));
	assert_int_equal(wsd_os_tcp_listen(l.socket, 4), WSD_OK);
	assert_true(wsd_os_pass_listens(l.socket, &l.at));
	return l;
}

struct box {
	intptr_t box;
	uint8_t name[WSD_OS_PASS_BOX];
	uint8_t letter[WSD_OS_PASS_LETTER + 1];
};

static struct box box_open(void)
{
	struct box b = { .box = -1 };

	assert_int_equal(wsd_os_pass_open(&b.box, b.name), WSD_OK);
	return b;
}

static enum wsd_status give(struct box *b, intptr_t socket, uint8_t tag)
{
	return wsd_os_pass_give(socket, tag, b->name, wsd_process_id(), b->letter);
}

static void what_is_given_is_the_same(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		uint16_t family = i == 0 ? WSD_FAMILY_IPV4 : WSD_FAMILY_IPV6;
		struct listening l = listening(family);
		struct box b = box_open();
		struct wsd_addr elsewhere = l.at;
		uint8_t tag = (uint8_t)i;
		intptr_t given;

		assert_int_equal(give(&b, l.socket, tag), WSD_OK);
		wsd_os_tcp_close(l.socket); /* it lives on */
		tag ^= WSD_OS_PASS_LETTER > 0 ? 0 : 1;
		assert_int_equal(wsd_os_pass_take(b.box, b.letter, &tag, &given), WSD_OK);
		assert_int_equal(tag, i);
		assert_true(wsd_os_pass_listens(given, &l.at));
		elsewhere.port ^= 1;
		assert_false(wsd_os_pass_listens(given, &elsewhere));
		elsewhere = l.at;
		elsewhere.bytes[0] ^= 1;
		assert_false(wsd_os_pass_listens(given, &elsewhere));
		elsewhere = l.at;
		elsewhere.scope = 1; /* no scope is the system's of what is not local to a link */
		assert_true(wsd_os_pass_listens(given, &elsewhere));
		wsd_os_tcp_close(given);
		wsd_os_pass_close(b.box);
	}
}

static void a_twin_has_a_life_of_its_own(void **state)
{
	struct listening l = listening(WSD_FAMILY_IPV4);
	struct wsd_addr remote;
	intptr_t twin, accepted;

	(void)state;
	assert_int_equal(wsd_os_pass_twin(l.socket, &twin), WSD_OK);
	wsd_os_tcp_close(l.socket);
	assert_true(wsd_os_pass_listens(twin, &l.at));
	assert_int_equal(wsd_os_tcp_accept(twin, &accepted, &remote), WSD_AGAIN);
	wsd_os_tcp_close(twin);
	assert_int_equal(wsd_os_port_hold(&l.at, WSD_PORT_REUSE, &twin, &l.at.port), WSD_OK);
	wsd_os_port_drop(twin);
}

static void nobody_is_there(void **state)
{
	struct listening l = listening(WSD_FAMILY_IPV4);
	struct box b = box_open();

	(void)state;
	wsd_os_pass_close(b.box);
	assert_int_equal(wsd_os_pass_give(l.socket, 0, b.name, 0x7ffffff0u, b.letter),
			 WSD_EUNREACHABLE);
	wsd_os_tcp_close(l.socket);
}

#ifdef _WIN32
/* What is no letter of the base provider's names none of our sockets. */
static void nonsense_is_no_letter(void **state)
{
	struct listening l = listening(WSD_FAMILY_IPV4);
	struct box b = box_open();
	intptr_t given;
	uint8_t tag;

	(void)state;
	assert_int_equal(wsd_os_pass_take(b.box, b.letter, &tag, &given), WSD_EINVAL);
	assert_int_equal(give(&b, l.socket, 0), WSD_OK);
	b.letter[24] ^= 1; /* in the provider's identity */
	assert_int_equal(wsd_os_pass_take(b.box, b.letter, &tag, &given), WSD_EINVAL);
	b.letter[24] ^= 1;
	assert_int_equal(wsd_os_pass_take(b.box, b.letter, &tag, &given), WSD_OK);
	wsd_os_tcp_close(given);
	wsd_os_tcp_close(l.socket);
}
#else
static unsigned open_files(void)
{
	unsigned count = 0;

	for (int fd = 0; fd < 256; fd++)
		count += fcntl(fd, F_GETFD) >= 0;
	return count;
}

static int connected_to(const struct box *b)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	size_t length = WSD_OS_PASS_BOX;
	int fd = socket(AF_UNIX, SOCK_SEQPACKET, 0);

	while (b->name[length - 1] == 0)
		length--;
	memcpy(at.sun_path, b->name, length);
	length += sizeof(at.sun_family);
	assert_int_equal(connect(fd, (struct sockaddr *)&at, (socklen_t)length), 0);
	return fd;
}

/* Anybody can write to a box: what is no descriptor, or more than one. */
static void write_to(const struct box *b, const int *fds, unsigned count)
{
	union {
		struct cmsghdr head;
		char bytes[CMSG_SPACE(8 * sizeof(int))];
	} control = { .bytes = { 0 } };
	struct iovec iov = { (char[]){ 0 }, 1 };
	struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1 };
	int fd = connected_to(b);

	if (count > 0) {
		message.msg_control = &control;
		message.msg_controllen = CMSG_SPACE(count * sizeof(int));
		control.head.cmsg_level = SOL_SOCKET;
		control.head.cmsg_type = SCM_RIGHTS;
		control.head.cmsg_len = CMSG_LEN(count * sizeof(int));
		memcpy(CMSG_DATA(&control.head), fds, count * sizeof(int));
	}
	assert_int_equal(sendmsg(fd, &message, 0), 1);
	close(fd);
}

static void nonsense_is_thrown_away(void **state)
{
	struct listening l = listening(WSD_FAMILY_IPV4);
	int fds[8] = { (int)l.socket, (int)l.socket, 0, 0, 0, 0, 0, 0 };
	struct box b = box_open();
	unsigned before = open_files();
	intptr_t given;
	uint8_t tag;

	(void)state;
	assert_int_equal(wsd_os_pass_take(b.box, NULL, &tag, &given), WSD_AGAIN);
	close(connected_to(&b)); /* without a word */
	write_to(&b, NULL, 0);
	write_to(&b, fds, 2);
	write_to(&b, fds, 8);
	assert_int_equal(give(&b, l.socket, 1), WSD_OK);
	assert_int_equal(wsd_os_pass_take(b.box, NULL, &tag, &given), WSD_OK);
	assert_true(tag == 1 && wsd_os_pass_listens(given, &l.at));
	assert_int_equal(fcntl((int)given, F_GETFD), FD_CLOEXEC);
	wsd_os_tcp_close(given);
	assert_int_equal(open_files(), before);
	wsd_os_tcp_close(l.socket);
	wsd_os_pass_close(b.box);
}

static int as_user(uid_t real, uid_t effective)
{
	return setresuid(real, effective, effective);
}

static void ends_well(pid_t child)
{
	int status;

	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

/* A stranger's is not taken, and none is given to him. Who may not become one skips it. */
static void a_strangers_is_not_taken(void **state)
{
	struct listening l = listening(WSD_FAMILY_IPV4);
	struct box b = box_open();
	intptr_t given;
	uint8_t tag;
	pid_t child;

	(void)state;
	if (geteuid() != 0)
		skip();
	child = fork();
	if (child == 0) {
		if (as_user(65534, 65534) != 0)
			_exit(1);
		write_to(&b, (int[]){ 0 }, 1);
		_exit(give(&b, 0, 0) == WSD_EUNREACHABLE ? 0 : 2);
	}
	ends_well(child);
	assert_int_equal(wsd_os_pass_take(b.box, NULL, &tag, &given), WSD_AGAIN);
	wsd_os_tcp_close(l.socket);
	wsd_os_pass_close(b.box);
}

/* He has taken the name of a box. */
static void a_stranger_is_given_none(void **state)
{
	struct listening l = listening(WSD_FAMILY_IPV4);
	int there[2], end[2];
	struct box b;
	pid_t child;

	(void)state;
	if (geteuid() != 0)
		skip();
	assert_true(pipe(there) == 0 && pipe(end) == 0);
	child = fork();
	if (child == 0) {
		if (as_user(65534, 65534) != 0)
			_exit(1);
		b = box_open();
		_exit(write(there[1], &b, sizeof(b)) == sizeof(b) && read(end[0], &b, 1) == 1 ? 0
											      : 2);
	}
	assert_int_equal(read(there[0], &b, sizeof(b)), sizeof(b));
	assert_int_equal(give(&b, l.socket, 0), WSD_EUNREACHABLE);
	assert_int_equal(write(end[1], "", 1), 1);
	ends_well(child);
	for (unsigned i = 0; i < 2; i++) {
		close(there[i]);
		close(end[i]);
	}
	wsd_os_tcp_close(l.socket);
}

/* Who a process works for counts, not who started it. */
static void the_effective_user_counts(void **state)
{
	struct box b = box_open();
	intptr_t given;
	uint8_t tag;
	pid_t child;

	(void)state;
	if (geteuid() != 0)
		skip();
	child = fork();
	if (child == 0)
		_exit(as_user(65534, 0) != 0 ? 1 : give(&b, 0, 1) != WSD_OK ? 2 : 0);
	ends_well(child);
	assert_int_equal(wsd_os_pass_take(b.box, NULL, &tag, &given), WSD_OK);
	assert_int_equal(tag, 1);
	wsd_os_tcp_close(given);
	wsd_os_pass_close(b.box);
}

static void a_full_box_has_no_room(void **state)
{
	struct listening l = listening(WSD_FAMILY_IPV4);
	enum wsd_status status = WSD_OK;
	struct box b = box_open();
	unsigned count = 0;
	intptr_t given;
	uint8_t tag;

	(void)state;
	for (; count < 100000 && status == WSD_OK; count++)
		status = give(&b, l.socket, 0);
	assert_int_equal(status, WSD_AGAIN);
	assert_int_equal(wsd_os_pass_take(b.box, NULL, &tag, &given), WSD_OK);
	wsd_os_tcp_close(given);
	assert_int_equal(give(&b, l.socket, 0), WSD_OK);
	wsd_os_tcp_close(l.socket);
	wsd_os_pass_close(b.box);
}

struct giver {
	struct box box;
	intptr_t socket;
	unsigned given;
	atomic_bool done;
};

static void *give_many(void *arg)
{
	struct giver *g = arg;

	for (unsigned i = 0; i < MANY; i++)
		g->given += give(&g->box, g->socket, 0) == WSD_OK;
	atomic_store(&g->done, true);
	return NULL;
}

/* Who looks while it is being given finds it then, or next time, or it was not given. */
static void what_is_given_arrives(void **state)
{
	struct listening l = listening(WSD_FAMILY_IPV4);
	struct giver g = { .box = box_open(), .socket = l.socket };
	unsigned taken = 0;
	bool done = false;
	pthread_t thread;
	intptr_t given;
	uint8_t tag;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, give_many, &g), 0);
	while (!done) {
		done = atomic_load(&g.done);
		for (; wsd_os_pass_take(g.box.box, NULL, &tag, &given) == WSD_OK; taken++)
			wsd_os_tcp_close(given);
	}
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_true(g.given > 0);
	assert_int_equal(taken, g.given);
	wsd_os_tcp_close(l.socket);
	wsd_os_pass_close(g.box.box);
}

static void without_descriptors_it_waits(void **state)
{
	struct listening l = listening(WSD_FAMILY_IPV4);
	struct rlimit limit, none;
	struct box b = box_open();
	intptr_t given, twin;
	uint8_t tag;

	(void)state;
	assert_int_equal(give(&b, l.socket, 0), WSD_OK);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	none = limit;
	none.rlim_cur = 3;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	assert_int_equal(wsd_os_pass_take(b.box, NULL, &tag, &given), WSD_ENOFILES);
	assert_int_equal(wsd_os_pass_twin(l.socket, &twin), WSD_ENOFILES);
	assert_int_equal(give(&b, l.socket, 0), WSD_ENOFILES);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	assert_int_equal(wsd_os_pass_take(b.box, NULL, &tag, &given), WSD_OK);
	wsd_os_tcp_close(given);
	wsd_os_tcp_close(l.socket);
	wsd_os_pass_close(b.box);
}

/* What is taken may be anything. */
static void only_what_listens_listens(void **state)
{
	struct listening l = listening(WSD_FAMILY_IPV4);
	int file = open("/dev/null", O_RDONLY | O_CLOEXEC),
	    datagrams = socket(AF_INET, SOCK_DGRAM, 0), pair[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	assert_false(wsd_os_pass_listens(file, &l.at));
	assert_false(wsd_os_pass_listens(datagrams, &l.at));
	assert_false(wsd_os_pass_listens(pair[0], &l.at));
	assert_int_equal(fcntl((int)l.socket, F_SETFL, 0), 0); /* somebody made it blocking */
	assert_true(wsd_os_pass_listens(l.socket, &l.at));
	assert_true(fcntl((int)l.socket, F_GETFL) & O_NONBLOCK);
	close(file);
	close(datagrams);
	close(pair[0]);
	close(pair[1]);
	wsd_os_tcp_close(l.socket);
}
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_given_is_the_same),
		cmocka_unit_test(a_twin_has_a_life_of_its_own),
		cmocka_unit_test(nobody_is_there),
#ifdef _WIN32
		cmocka_unit_test(nonsense_is_no_letter),
#else
		cmocka_unit_test(nonsense_is_thrown_away),
		cmocka_unit_test(a_strangers_is_not_taken),
		cmocka_unit_test(a_stranger_is_given_none),
		cmocka_unit_test(the_effective_user_counts),
		cmocka_unit_test(a_full_box_has_no_room),
		cmocka_unit_test(what_is_given_arrives),
		cmocka_unit_test(without_descriptors_it_waits),
		cmocka_unit_test(only_what_listens_listens),
#endif
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
