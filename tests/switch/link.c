// SPDX-License-Identifier: BSD-2-Clause
/* link.c - see link.h. */
#include "tests/switch/link.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tests/lib/os_port.h"

unsigned sw_patience = 20000;

uint64_t sw_now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

bool sw_try_accept(struct sw_link *l, bool refuse)
{
	l->acceptor = sw_accept(l->listener, refuse);
	return l->acceptor != NULL;
}

bool sw_outcome(struct sw_link *l, int *code)
{
	*code = sw_connected(l->connector, &l->connects);
	return *code >= 0;
}

void sw_make_listener(struct sw_link *l, int backlog, u_short *port)
{
	memset(l, 0, sizeof(*l));
	*port = os_port(sw_family == AF_INET6, true);
	l->listener = sw_open(*port, false);
	sw_listen(l->listener, backlog);
	sw_watch(l->listener, &l->accepts);
}

void sw_dial(struct sw_link *l, u_short port)
{
	l->connector = sw_open(os_port(sw_family == AF_INET6, false), true);
	sw_connect(l->connector, port, &l->connects);
}

void sw_make_link(struct sw_link *l)
{
	u_short port;
	int code = -1;

	sw_make_listener(l, 4, &port);
	sw_dial(l, port);
	AWAIT(sw_requested(l->listener, &l->accepts), "a request sets the listener's event");
	RULE(!sw_outcome(l, &code), "nothing is answered before the condition function");
	AWAIT(l->acceptor != NULL || sw_try_accept(l, false), "a request can be accepted");
	AWAIT(code >= 0 || sw_outcome(l, &code), "a connect sets its event");
	RULE(code == 0, "an accepted connect succeeds");
	if (code != 0 || l->acceptor == NULL) {
		(void)sw_summary(); /* nothing that follows could be told from this */
		exit(1);
	}
}

void sw_end_socket(struct sw_socket *sock)
{
	sw_close(sock);
	AWAIT(sw_gone(sock), "the handle of a closed socket is closed soon");
}

void sw_end_link(struct sw_link *l)
{
	sw_end_socket(l->connector);
	sw_end_socket(l->acceptor);
	sw_end_socket(l->listener);
}

bool sw_says_reset(int code)
{
	return code == WSAECONNRESET || code == WSAECONNABORTED || code == WSAENETRESET;
}
