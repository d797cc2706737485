// SPDX-License-Identifier: BSD-2-Clause
/*
 * test_shm_names.c - names of listeners of the shm backend that somebody else holds: anybody in the network
 * namespace can take one. A connector then ends soon, with the reason, so that it can go on to the next path.
 * Listeners that answer wrongly: test_shm_answers.c.
 */

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "rdma_backend/base/base.h"
#include "rdma_backend/base/platform.h"
#include "rdma_backend/shm/shm_internal.h"
#include "tests/lib/test.h"
#include "tests/unit/test_shm.h"

#define OPS    wsd_backend_shm
#define NOBODY 65534

/* The name of the listener of user at 127.0.0.1. */
static socklen_t make_name(struct sockaddr_un *name, uid_t user, uint16_t port)
{
	int length;

	memset(name, 0, sizeof(*name));
	name->sun_family = AF_UNIX;
	length = snprintf(name->sun_path + 1, sizeof(name->sun_path) - 1,
			  "openwsd.shm.%u.4.7f000001-0.%u", (unsigned)user, port);
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)length);
}

static int take_name(int type, uid_t user, uint16_t port, int backlog)
{
	struct sockaddr_un name;
	socklen_t length = make_name(&name, user, port);
	int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&name, length) ||
	    (type != SOCK_DGRAM && listen(fd, backlog)))
		return -1;
	return fd;
}

/* A process of another user that holds the name. */
static pid_t stranger_with_name(uint16_t port)
{
	uid_t user = geteuid();
	int ends[2];
	char byte = 0;
	pid_t pid;

	assert_int_equal(pipe(ends), 0);
	pid = fork();
	if (pid == 0) {
		test_deadline(60);
		if (setgid(NOBODY) || setuid(NOBODY) ||
		    take_name(SOCK_SEQPACKET, user, port, 8) < 0 || write(ends[1], "r", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	close(ends[1]);
	assert_int_equal(read(ends[0], &byte, 1), 1);
	close(ends[0]);
	return pid;
}

static enum wsd_status connect_now(struct end *end, uint16_t port)
{
	struct wsd_addr none = { .family = WSD_FAMILY_NONE }, remote = world_addr(port);

	assert_int_equal(OPS.endpoint_create(end->queue, NULL, &shm_attr, end, &end->endpoint),
			 WSD_OK);
	return OPS.connect(end->endpoint, &none, &remote, "", 0, UINT64_C(20000000000));
}

static void test_stranger(void **state)
{
	struct wsd_addr any = { .family = WSD_FAMILY_IPV4 };
	struct end *listener, *end = end_new(shm_queue);
	pid_t stranger, server;
	struct wsd_addr addr;

	(void)state;
	if (geteuid() != 0) {
		end_free(end);
		skip(); /* cannot be another user */
	}
	any.port = world_port();
	addr = world_addr(any.port);
	stranger = stranger_with_name(any.port);
	assert_int_equal(connect_now(end, any.port), WSD_EUSER);
	end_free(end);
	listener = end_new(shm_queue);
	assert_int_equal(OPS.listen(shm_queue, &addr, 1, listener, &listener->listener),
			 WSD_EADDRINUSE);
	end_free(listener);
	/* The name for every address is another one. */
	server = shm_serve(&any);
	end = end_new(shm_queue);
	assert_int_equal(connect_now(end, any.port), WSD_OK);
	expect(end, WSD_EV_CONNECTED);
	shm_exchange(end, "with the right one");
	end_free(end);
	shm_reap(&server);
	shm_reap(&stranger);
}

static void test_other_kind(void **state)
{
	static const int kinds[] = { SOCK_STREAM, SOCK_DGRAM };
	unsigned i;

	(void)state;
	for (i = 0; i < 2; i++) {
		uint16_t port = world_port();
		int fd = take_name(kinds[i], geteuid(), port, 8);
		struct end *end = end_new(shm_queue);

		assert_true(fd >= 0);
		assert_int_equal(connect_now(end, port), WSD_ENOLISTENER);
		end_free(end);
		close(fd);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(test_##name, shm_setup, shm_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(stranger),
		TEST(other_kind),
	};

	return cmocka_run_group_tests_name("shm_names", tests, NULL, NULL);
}
