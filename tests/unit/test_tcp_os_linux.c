// SPDX-License-Identifier: BSD-2-Clause
/* test_tcp_os_linux.c - see test_tcp_os.h. */
#include "tests/unit/test_tcp_os.h"

#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/lib/test.h"

#define LIFE_SECONDS 60 /* of a started process */

union address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

static const struct os_role *known;
static struct rlimit usual;
static int starter; /* pipe to who has started this process */

/* --- processes --- */

void os_begin(int argc, char **argv, const struct os_role *roles)
{
	(void)argc;
	(void)argv;
	known = roles;
}

static const struct os_role *find_role(const char *name)
{
	const struct os_role *role = known;

	while (strcmp(role->name, name) != 0)
		role++;
	return role;
}

void os_start(struct os_process *process, const char *role, const uint32_t numbers[OS_NUMBERS])
{
	int ends[2];
	pid_t pid;

	assert_int_equal(pipe(ends), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		close(ends[0]);
		starter = ends[1];
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		test_deadline(LIFE_SECONDS);
		_exit(find_role(role)->run(numbers));
	}
	close(ends[1]);
	process->id = pid;
	process->pipe = ends[0];
}

void os_tell(const void *bytes, size_t length)
{
	if (write(starter, bytes, length) != (ssize_t)length)
		abort();
}

void os_hear(const struct os_process *process, void *bytes, size_t length)
{
	assert_int_equal(read((int)process->pipe, bytes, length), length);
}

void os_stop(const struct os_process *process)
{
	assert_int_equal(kill((pid_t)process->id, SIGSTOP), 0);
}

void os_continue(const struct os_process *process)
{
	assert_int_equal(kill((pid_t)process->id, SIGCONT), 0);
}

static int wait_for(struct os_process *process)
{
	int result;

	assert_int_equal(waitpid((pid_t)process->id, &result, 0), process->id);
	close((int)process->pipe);
	process->id = 0;
	return result;
}

void os_kill(struct os_process *process)
{
	int result;

	if (process->id == 0)
		return;
	kill((pid_t)process->id, SIGKILL);
	result = wait_for(process);
	assert_true(WIFSIGNALED(result) && WTERMSIG(result) == SIGKILL);
}

int os_join(struct os_process *process)
{
	int result = wait_for(process);

	assert_true(WIFEXITED(result));
	return WEXITSTATUS(result);
}

unsigned os_files(const struct os_process *process)
{
	return test_open_descriptors(process ? (pid_t)process->id : getpid());
}

bool os_allow_files(unsigned count)
{
	struct rlimit limit;

	getrlimit(RLIMIT_NOFILE, &limit);
	if (limit.rlim_max < count)
		return false;
	if (limit.rlim_cur < count)
		limit.rlim_cur = count;
	return setrlimit(RLIMIT_NOFILE, &limit) == 0;
}

bool os_limits_files(void)
{
	return true;
}

void os_limit_files(intptr_t highest)
{
	int probe = dup(0); /* the lowest free one must be above the limit */
	struct rlimit low;

	close(probe);
	getrlimit(RLIMIT_NOFILE, &usual);
	low = usual;
	low.rlim_cur = (rlim_t)(probe > highest ? probe : highest + 1);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
}

void os_unlimit_files(void)
{
	setrlimit(RLIMIT_NOFILE, &usual);
}

void os_wait(wsd_wait_object object, int ms)
{
	struct pollfd p = { .fd = (int)object, .events = POLLIN };

	(void)poll(&p, 1, ms);
}

/* --- sockets --- */

static socklen_t loopback(union address *at, uint16_t family, uint16_t port)
{
	memset(at, 0, sizeof(*at));
	if (family == WSD_FAMILY_IPV6) {
		at->v6.sin6_family = AF_INET6;
		at->v6.sin6_port = htons(port);
		at->v6.sin6_addr = in6addr_loopback;
		return sizeof(at->v6);
	}
	at->v4.sin_family = AF_INET;
	at->v4.sin_port = htons(port);
	at->v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return sizeof(at->v4);
}

static uint16_t port_of(const union address *at)
{
	return ntohs(at->any.sa_family == AF_INET6 ? at->v6.sin6_port : at->v4.sin_port);
}

static int new_socket(uint16_t family)
{
	int fd = socket(family == WSD_FAMILY_IPV6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC,
			0);

	assert_true(fd >= 0);
	return fd;
}

intptr_t raw_bound(uint16_t family, uint16_t *port)
{
	union address at;
	socklen_t length = loopback(&at, family, *port);
	int fd = new_socket(family);

	if (bind(fd, &at.any, length) != 0) {
		close(fd);
		return -1;
	}
	assert_int_equal(getsockname(fd, &at.any, &length), 0);
	*port = port_of(&at);
	return fd;
}

intptr_t raw_listen(uint16_t family, uint16_t port)
{
	union address at;
	socklen_t length = loopback(&at, family, port);
	int fd = new_socket(family), one = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, &at.any, length) == 0 && listen(fd, 8) == 0)
		return fd;
	close(fd);
	return -1;
}

intptr_t raw_accept(intptr_t s)
{
	int fd = accept((int)s, NULL, NULL);

	assert_true(fd >= 0);
	return fd;
}

intptr_t raw_connect(uint16_t port)
{
	union address at;
	socklen_t length = loopback(&at, WSD_FAMILY_IPV4, port);
	int fd = new_socket(WSD_FAMILY_IPV4);

	assert_int_equal(connect(fd, &at.any, length), 0);
	return fd;
}

bool raw_send(intptr_t s, const void *bytes, size_t length)
{
	return send((int)s, bytes, length, MSG_NOSIGNAL) == (ssize_t)length;
}

ptrdiff_t raw_receive(intptr_t s, void *bytes, size_t length)
{
	return recv((int)s, bytes, length, 0);
}

bool raw_readable(intptr_t s)
{
	struct pollfd p = { .fd = (int)s, .events = POLLIN };

	return poll(&p, 1, 0) == 1;
}

size_t raw_waiting(intptr_t s)
{
	int bytes = 0;

	assert_int_equal(ioctl((int)s, FIONREAD, &bytes), 0);
	return (size_t)bytes;
}

void raw_close(intptr_t s)
{
	close((int)s);
}

intptr_t raw_connected_to(uint16_t port)
{
	union address peer;
	int found = -1;

	for (int fd = 3; fd < 1024; fd++) {
		socklen_t length = sizeof(peer);

		if (getpeername(fd, &peer.any, &length) != 0 || peer.any.sa_family == AF_UNIX ||
		    port_of(&peer) != port)
			continue;
		assert_int_equal(found, -1);
		found = fd;
	}
	assert_true(found >= 0);
	return found;
}

bool raw_has_marks(uint16_t family)
{
	(void)family;
	return true;
}

void raw_assert_marked(intptr_t s, uint16_t family, int service, int priority)
{
	bool ipv6 = family == WSD_FAMILY_IPV6;
	int value = -1;
	socklen_t size = sizeof(value);

	assert_int_equal(getsockopt((int)s, ipv6 ? IPPROTO_IPV6 : IPPROTO_IP,
				    ipv6 ? IPV6_TCLASS : IP_TOS, &value, &size),
			 0);
	assert_int_equal(value, service);
	assert_int_equal(getsockopt((int)s, SOL_SOCKET, SO_PRIORITY, &value, &size), 0);
	assert_int_equal(value, priority);
}
