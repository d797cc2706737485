// SPDX-License-Identifier: BSD-2-Clause
/*
 * test_descriptors.c - descriptors run out: the table of handles is full, or the process has no file
 * descriptor left. What waits to be accepted stays.
 */
#include "tests/conformance/host.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#define FILES 256

/* --- the table of handles is full: this in a process of its own, with a small table --- */

static void child_fills_table(void)
{
	struct child parent = child_parent();
	SOCKET s[128];
	WSADATA data;

	if (WSAStartup(MAKEWORD(2, 2), &data) != 0)
		abort();
	for (int round = 0; round < 3; round++) {
		int n = 0;

		while (n < 128 && (s[n] = stream_socket()) != INVALID_SOCKET)
			n++;
		child_tell(&parent, n < 128 ? WSAGetLastError() : 0);
		child_tell(&parent, n);
		closesocket(s[--n]);
		s[n] = stream_socket(); /* what was given back can be had again */
		child_tell(&parent, s[n] != INVALID_SOCKET);
		for (; n >= 0; n--)
			closesocket(s[n]);
	}
	WSACleanup();
}

static void check_full_table(void)
{
	struct child c;
	int first = 0;

	set_variable("WSD_HANDLES_MAX", "64");
	c = child_start("table", "");
	set_variable("WSD_HANDLES_MAX", NULL);
	for (int round = 0; round < 3; round++) {
		int error = child_hear(&c), count = child_hear(&c);

		first = round == 0 ? count : first;
		CHECK_R(32, error == WSAEMFILE && count > 32 && count == first);
		CHECK_R(32, child_hear(&c) == 1);
	}
	CHECK_R(32, child_wait(&c) == 0);
}

/* --- no file descriptor is left --- */

static int files[FILES];
static unsigned file_count;
static struct rlimit old_limit;

/* Every number below the limit is taken, but for `spare`. */
static void take_files(unsigned spare)
{
	struct rlimit limit;
	int fd;

	getrlimit(RLIMIT_NOFILE, &old_limit);
	limit = old_limit;
	limit.rlim_cur = FILES;
	setrlimit(RLIMIT_NOFILE, &limit);
	while (file_count < FILES && (fd = open("/dev/null", O_RDONLY | O_CLOEXEC)) >= 0)
		files[file_count++] = fd;
	while (spare-- > 0)
		close(files[--file_count]);
}

static void give_files(void)
{
	while (file_count > 0)
		close(files[--file_count]);
	setrlimit(RLIMIT_NOFILE, &old_limit);
}

static int is_shortage(int code)
{
	return code == WSAEMFILE || code == WSAENOBUFS;
}

/* Whatever a call does without descriptors, it says so and works afterwards. */
static void check_no_files(void)
{
	struct address at = loopback(0), there;
	SOCKET listener = host_listener(&there, 4), s = host_socket(), bound = host_socket(), other;
	int code[3];

	host_bind(bound, &at);
	take_files(0);
	other = host_socket();
	CHECK_R(32, other != INVALID_SOCKET || host_error == WSAEMFILE);
	code[0] = host_bind(s, &at) == 0 ? 0 : host_error;
	code[1] = host_listen(bound, 1) == 0 ? 0 : host_error;
	code[2] = other == INVALID_SOCKET || host_connect(other, &there) == 0 ? 0 : host_error;
	give_files();
	CHECK_R(32, (code[0] == 0 || is_shortage(code[0])) &&
			    (code[1] == 0 || is_shortage(code[1])) &&
			    (code[2] == 0 || is_shortage(code[2])));
	CHECK_R(32, (code[0] == 0 || host_bind(s, &at) == 0) &&
			    (code[1] == 0 || host_listen(bound, 1) == 0) &&
			    (code[2] == 0 || host_connect(other, &there) == 0));
	host_close(listener);
	host_close(s);
	host_close(bound);
	host_close(other);
}

/* Connects when told, and tells how it went and what it read. */
static void child_dials(void)
{
	struct child parent = child_parent();
	struct address at = loopback((u_short)strtoul(conf_argument(), NULL, 10));
	char c = 0;

	if (host_startup(0) != 0)
		abort();
	while (child_hear(&parent) >= 0) {
		SOCKET s = host_socket();
		int error = host_connect(s, &at) == 0 ? 0 : host_error;

		child_tell(&parent, error);
		if (error == 0)
			child_tell(&parent, host_recv(s, &c, 1) == 1 ? c : -host_error);
		host_close(s);
	}
	host_cleanup();
}

static int readable(SOCKET s)
{
	struct timeval timeout = { 10, 0 };
	fd_set set;

	FD_ZERO(&set);
	FD_SET(s, &set);
	return spi.lpWSPSelect(0, &set, NULL, NULL, &timeout, &host_error) == 1;
}

/* A request that comes while there is no descriptor, or waits when they run out. */
static void check_request_kept(SOCKET s, const struct address *at, unsigned spare, int before)
{
	char port[8];
	struct child c;
	SOCKET server;
	int code = 0;

	snprintf(port, sizeof(port), "%u", port_of(at));
	c = child_start("dials", port);
	host_nonblocking(s, 1);
	if (before) {
		child_tell(&c, 0);
		if (!readable(s))
			abort();
	}
	take_files(spare);
	if (!before)
		child_tell(&c, 0);
	for (int i = 0; i < 50; i++) {
		server = host_accept(s);
		code = host_error;
		if (server != INVALID_SOCKET || code != WSAEWOULDBLOCK)
			break;
		Sleep(2);
	}
	CHECK_R(100, server != INVALID_SOCKET || code == WSAEMFILE || code == WSAEWOULDBLOCK);
	give_files();
	for (int i = 0; i < 3000 && server == INVALID_SOCKET; i++) {
		server = host_accept(s);
		Sleep(1);
	}
	host_nonblocking(server, 0);
	CHECK_R(100, server != INVALID_SOCKET && host_send(server, "k", 1) == 1);
	code = child_hear(&c);
	CHECK_R(100, code == 0 && child_hear(&c) == 'k');
	host_close(server);
	CHECK_R(100, child_wait(&c) == 0);
}

static void check_requests_kept(void)
{
	struct address at;
	SOCKET s;

	/* Each number stops another step of taking the request. */
	for (unsigned spare = 0; spare < 4; spare++) {
		for (int before = 0; before < 2; before++) {
			s = host_listener(&at, 4);
			check_request_kept(s, &at, spare, before);
			host_close(s);
			s = host_conditional(&at);
			check_request_kept(s, &at, spare, before);
			host_close(s);
		}
	}
}

/* A request that waits for its answer, in this process: accepting it needs descriptors. */
static void check_unanswered(void)
{
	struct address at;
	SOCKET s = host_conditional(&at), client = host_socket(), server;

	host_nonblocking(client, 1);
	host_connect(client, &at);
	CHECK_R(100, readable(s));
	take_files(0);
	server = host_accept(s);
	give_files();
	CHECK_R(100, server == INVALID_SOCKET && host_error == WSAEMFILE);
	server = host_accept(s);
	for (int i = 0; i < 5000 && SPI_FAILS(host_send(client, "", 0), WSAENOTCONN); i++)
		Sleep(1);
	host_nonblocking(client, 0);
	CHECK_R(100, server != INVALID_SOCKET && host_exchange(client, server));
	host_close(client);
	host_close(server);
	host_close(s);
}

static int run_role(void)
{
	if (strcmp(conf_role(), "table") == 0)
		child_fills_table();
	else
		child_dials();
	return 0;
}

int main(int argc, char **argv)
{
	host_begin(argc, argv);
	if (conf_role() != NULL)
		return run_role();
	if (host_startup(0) != 0)
		abort();
	check_full_table();
	check_no_files();
	if (!conf_system_tcp())
		check_unanswered();
	if (conf_two_processes() && check_failed == 0) /* it takes long when nothing is kept */
		check_requests_kept();
	CHECK_R(100, host_open_handles() == 0);
	host_cleanup();
	return check_result();
}
