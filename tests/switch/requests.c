// SPDX-License-Identifier: BSD-2-Clause
/* requests.c - requests that are refused, find no room, or are withdrawn, by either side. */
#include "tests/switch/link.h"

#include "tests/lib/os_port.h"

static void refusals(void)
{
	struct sw_link l;
	u_short port;
	int code = -1;

	sw_make_listener(&l, 1, &port);
	sw_dial(&l, port);
	AWAIT(sw_requested(l.listener, &l.accepts), "a request sets the listener's event");
	AWAIT(code >= 0 || (sw_try_accept(&l, true), sw_outcome(&l, &code)),
	      "a refusal ends a connect");
	RULE(code == WSAECONNREFUSED, "a refused connect says WSAECONNREFUSED");
	sw_end_socket(l.connector);
	sw_end_socket(l.listener);
	/* Nobody is there: the switch may be told anything but success. */
	code = -1;
	sw_dial(&l, os_free_port(sw_family == AF_INET6));
	AWAIT(code >= 0 || sw_outcome(&l, &code), "a connect to nobody ends");
	RULE(code > 0, "a connect to nobody fails");
	sw_end_socket(l.connector);
}

/* One waits, the next meets a full backlog: it hears of that at once, and the listener never. */
static void full_backlog(void)
{
	struct sw_link l, late = { 0 };
	u_short port;
	int code = -1;

	sw_make_listener(&l, 1, &port);
	sw_dial(&l, port);
	AWAIT(sw_requested(l.listener, &l.accepts), "a request sets the listener's event");
	sw_dial(&late, port);
	AWAIT(code >= 0 || sw_outcome(&late, &code),
	      "a request that meets a full backlog is refused at once");
	RULE(code == WSAECONNREFUSED, "a full backlog says WSAECONNREFUSED");
	sw_end_socket(late.connector);
	AWAIT(l.acceptor != NULL || sw_try_accept(&l, false), "a request can be accepted");
	AWAIT(sw_outcome(&l, &code), "a connect sets its event");
	RULE(code == 0, "an accepted connect succeeds");
	RULE(!sw_requested(l.listener, &l.accepts), "a request that was refused sets no event");
	sw_end_link(&l);
}

/* Its connector has closed before the switch accepts: there is no socket, or one whose connection ends. */
static void withdrawn(void)
{
	struct sw_op op = { .way = SW_POLL };
	struct sw_memory memory;
	static char room[64 + SW_GUARD];
	struct sw_link l;
	u_short port;
	int error;

	sw_make_listener(&l, 4, &port);
	sw_dial(&l, port);
	AWAIT(sw_requested(l.listener, &l.accepts), "a request sets the listener's event");
	sw_end_socket(l.connector);
	usleep(50000);
	if (sw_try_accept(&l, false)) {
		if (sw_register(&memory, l.acceptor, room, 64, MEM_WRITE, &error) &&
		    sw_recv(&op, l.acceptor, room, 64, &error)) {
			AWAIT(op.state == SW_IDLE || sw_done(&op), "each accepted operation ends");
			error = (int)op.error;
		}
		RULE(error != 0, "a request that was withdrawn comes to nothing");
		sw_end_socket(l.acceptor);
	}
	sw_end_socket(l.listener);
}

/* Closing during a connect gives up at once. */
static void given_up(void)
{
	struct sw_link l;
	u_short port;

	sw_make_listener(&l, 4, &port);
	sw_dial(&l, port);
	sw_end_socket(l.connector);
	sw_end_socket(l.listener);
}

void sw_check_requests(void)
{
	refusals();
	full_backlog();
	withdrawn();
	given_up();
}
