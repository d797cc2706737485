// SPDX-License-Identifier: BSD-2-Clause
/* lib.c - what the conformance programs share. */
#include "tests/conformance/lib.h"

#define DEADLINE 110 /* s */

unsigned check_passed, check_failed;

static int family = AF_INET;

static unsigned slow_factor(void)
{
	const char *slow = getenv("WSD_TEST_SLOW");
	unsigned factor = slow ? (unsigned)strtoul(slow, NULL, 10) : 1;

	return factor ? factor : 1;
}

void set_limit(const char *name, unsigned ms)
{
	char text[16];

	snprintf(text, sizeof(text), "%u", ms * slow_factor());
	set_variable(name, text);
}

void conf_begin(int argc, char **argv)
{
	conf_deadline(DEADLINE * slow_factor());
	if (argc > 1 && strcmp(argv[1], "ipv6") == 0)
		family = AF_INET6;
	if (argc > 3)
		conf_set_role(argv[2], argv[3]);
}

void conf_start(int argc, char **argv)
{
	WSADATA data;

	conf_begin(argc, argv);
	if (WSAStartup(MAKEWORD(2, 2), &data) != 0)
		abort();
}

int conf_family(void)
{
	return family;
}

static struct address address_of(const char *v4, const char *v6, u_short port)
{
	struct address at;

	memset(&at, 0, sizeof(at));
	at.sa.any.sa_family = (u_short)family;
	at.length = family == AF_INET6 ? sizeof(at.sa.v6) : sizeof(at.sa.v4);
	if ((family == AF_INET6 ? inet_pton(AF_INET6, v6, &at.sa.v6.sin6_addr)
				: inet_pton(AF_INET, v4, &at.sa.v4.sin_addr)) != 1)
		abort();
	set_port(&at, port);
	return at;
}

static const char *variable(const char *name, const char *otherwise)
{
	const char *value = getenv(name);

	return value ? value : otherwise;
}

struct address loopback(u_short port)
{
	return address_of(variable("WSD_TEST_IPV4", "127.0.0.1"), variable("WSD_TEST_IPV6", "::1"),
			  port);
}

struct address caller(u_short port)
{
	return address_of(variable("WSD_TEST_FROM_IPV4", "127.0.0.1"),
			  variable("WSD_TEST_FROM_IPV6", "::1"), port);
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

static SOCKET listen_on(SOCKET s, struct address *at, int backlog)
{
	*at = loopback(0);
	if (s != INVALID_SOCKET && (bind_to(s, at) || listen(s, backlog) || name_of(s, at))) {
		closesocket(s);
		return INVALID_SOCKET;
	}
	return s;
}

SOCKET listener_on(struct address *at, int backlog)
{
	return listen_on(stream_socket(), at, backlog);
}

SOCKET conditional_listener(struct address *at, int backlog)
{
	SOCKET s = stream_socket();
	int on = 1;

	setsockopt(s, SOL_SOCKET, SO_CONDITIONAL_ACCEPT, (char *)&on, sizeof(on));
	return listen_on(s, at, backlog);
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

DWORD conf_long(void)
{
	const char *ms = getenv("WSD_TEST_LONG_MS");

	return ms ? (DWORD)atoi(ms) : 20000;
}

#define READY 4242

struct child child_start_ready(const char *child_role, const char *child_argument)
{
	struct child c = child_start(child_role, child_argument);

	if (child_hear(&c) != READY)
		abort();
	return c;
}

struct child child_is_ready(void)
{
	struct child parent = child_parent();

	child_tell(&parent, READY);
	return parent;
}

int conf_two_processes(void)
{
	const char *backends = getenv("WSD_BACKENDS");

	return backends == NULL || strcmp(backends, "sim") != 0;
}

int conf_system_tcp(void)
{
	const char *backends = getenv("WSD_BACKENDS");

	return backends != NULL && strcmp(backends, "plain") == 0;
}

static void nothing(void *arg)
{
	(void)arg;
}

unsigned threads_before(void)
{
	thread_join(thread_run(nothing, NULL));
	return threads_now();
}

bool threads_are(unsigned before)
{
	unsigned now = threads_now();

	if (now != before)
		fprintf(stderr, "%u threads, there were %u\n", now, before);
	return now == before;
}

bool readable_within(SOCKET s, long ms)
{
	struct timeval limit = { ms / 1000, ms % 1000 * 1000 };
	fd_set set;

	FD_ZERO(&set);
	FD_SET(s, &set);
	return select(0, &set, NULL, NULL, &limit) == 1;
}
