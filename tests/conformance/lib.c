// SPDX-License-Identifier: BSD-2-Clause
/* lib.c - what the conformance programs share. */
#include "tests/conformance/lib.h"

#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#define DEADLINE 110 /* s */

unsigned check_passed, check_failed;

static int family = AF_INET;

static void too_late(int signal_number)
{
	static const char message[] = "deadline passed\n";
	ssize_t ignored = write(STDERR_FILENO, message, sizeof(message) - 1);

	(void)ignored;
	(void)signal_number;
	abort();
}

void conf_start(int argc, char **argv)
{
	const char *slow = getenv("WSD_TEST_SLOW");
	unsigned factor = slow ? (unsigned)strtoul(slow, NULL, 10) : 1;
	WSADATA data;

	signal(SIGALRM, too_late);
	alarm(DEADLINE * (factor ? factor : 1));
	if (argc > 1 && strcmp(argv[1], "ipv6") == 0)
		family = AF_INET6;
	if (WSAStartup(MAKEWORD(2, 2), &data) != 0)
		abort();
}

int conf_family(void)
{
	return family;
}

struct address loopback(u_short port)
{
	struct address at;

	memset(&at, 0, sizeof(at));
	at.sa.any.sa_family = (u_short)family;
	if (family == AF_INET6) {
		at.length = sizeof(at.sa.v6);
		at.sa.v6.sin6_addr = in6addr_loopback;
	} else {
		at.length = sizeof(at.sa.v4);
		at.sa.v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	}
	set_port(&at, port);
	return at;
}

u_short port_of(const struct address *at)
{
	return ntohs(at->sa.v4.sin_port); /* at the same place in both */
}

void set_port(struct address *at, u_short port)
{
	at->sa.v4.sin_port = htons(port);
}

SOCKET stream_socket(void)
{
	return WSASocketW(family, SOCK_STREAM, IPPROTO_TCP, NULL, 0, WSA_FLAG_OVERLAPPED);
}

int name_of(SOCKET s, struct address *at)
{
	at->length = sizeof(at->sa);
	return getsockname(s, &at->sa.any, &at->length);
}

int bind_to(SOCKET s, const struct address *at)
{
	return bind(s, &at->sa.any, at->length);
}

int connect_to(SOCKET s, const struct address *at)
{
	return connect(s, &at->sa.any, at->length);
}

void nonblocking(SOCKET s, u_long on)
{
	ioctlsocket(s, FIONBIO, &on);
}

SOCKET listener_on(struct address *at, int backlog)
{
	SOCKET s = stream_socket();

	*at = loopback(0);
	if (s != INVALID_SOCKET && (bind_to(s, at) || listen(s, backlog) || name_of(s, at))) {
		closesocket(s);
		return INVALID_SOCKET;
	}
	return s;
}

int open_pair(struct pair *p)
{
	p->client = p->server = INVALID_SOCKET;
	p->listener = listener_on(&p->at, 8);
	if (p->listener == INVALID_SOCKET)
		return 0;
	p->client = stream_socket();
	if (connect_to(p->client, &p->at)) /* the engine accepts up to the backlog */
		return 0;
	p->server = accept(p->listener, NULL, NULL);
	return p->server != INVALID_SOCKET;
}

void close_pair(struct pair *p)
{
	closesocket(p->client);
	closesocket(p->server);
	closesocket(p->listener);
}

struct conf_thread {
	pthread_t id;
	void (*run)(void *);
	void *arg;
};

static void *thread_main(void *arg)
{
	struct conf_thread *thread = arg;

	thread->run(thread->arg);
	return NULL;
}

struct conf_thread *thread_run(void (*run)(void *), void *arg)
{
	struct conf_thread *thread = malloc(sizeof(*thread));

	if (!thread)
		abort();
	thread->run = run;
	thread->arg = arg;
	if (pthread_create(&thread->id, NULL, thread_main, thread) != 0)
		abort();
	return thread;
}

void thread_join(struct conf_thread *thread)
{
	pthread_join(thread->id, NULL);
	free(thread);
}
