// SPDX-License-Identifier: BSD-2-Clause
/*
 * main.c - switch [--no-read] [--ipv6] [--bytes N] PROVIDER
 *
 * Loads the file PROVIDER, starts it by WSPStartupEx and plays its switch: streams in both directions over many
 * connections, refusals, closes in the middle. Prints each rule of the contract that was broken; exit status 0
 * if there was none. What the provider needs of its own (WSD_BACKENDS, say) comes from the environment.
 */
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tests/lib/os_port.h"
#include "tests/switch/session.h"

#define PAIRS	 4u
#define LIMIT_S	 40
#define PATIENCE 20000u /* ms */

static struct sn_end left[PAIRS], right[PAIRS];
static uint64_t bytes = 8u << 20;

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* Until condition, or RULE is broken. Nothing that it calls may be needed for the progress of upcalls. */
#define AWAIT(condition, text)                                  \
	do {                                                    \
		uint64_t end_ = now_ms() + PATIENCE;            \
		bool is_;                                       \
		while (!(is_ = (condition)) && now_ms() < end_) \
			usleep(200);                            \
		RULE(is_, text);                                \
	} while (0)

static int summary(void)
{
	printf("%u rules checked, %u broken\n", sw_checks, sw_violations);
	return sw_violations != 0;
}

struct link {
	struct sw_socket *listener, *connector, *acceptor;
	struct sw_event accepts, connects;
};

static bool try_accept(struct link *l, bool refuse)
{
	l->acceptor = sw_accept(l->listener, refuse);
	return l->acceptor != NULL;
}

static bool outcome(struct link *l, int *code)
{
	*code = sw_connected(l->connector, &l->connects);
	return *code >= 0;
}

static void make_link(struct link *l)
{
	u_short port = os_port(sw_family == AF_INET6, true);
	int code = -1;

	memset(l, 0, sizeof(*l));
	l->listener = sw_open(port, false);
	sw_listen(l->listener, 4);
	sw_watch(l->listener, &l->accepts);
	l->connector = sw_open(os_port(sw_family == AF_INET6, false), true);
	sw_connect(l->connector, port, &l->connects);
	AWAIT(sw_requested(l->listener, &l->accepts), "a request sets the listener's event");
	AWAIT(l->acceptor != NULL || try_accept(l, false), "a request can be accepted");
	AWAIT(code >= 0 || outcome(l, &code), "a connect sets its event");
	RULE(code == 0, "an accepted connect succeeds");
	if (code != 0 || l->acceptor == NULL)
		exit(summary()); /* nothing that follows could be told from this */
}

static void end_socket(struct sw_socket *sock)
{
	sw_close(sock);
	AWAIT(sw_gone(sock), "the handle of a closed socket is closed soon");
}

/* --- scenarios --- */

static void streams(uint32_t seed, enum sw_way way)
{
	struct link l[PAIRS];
	uint64_t end;
	bool done = false;

	for (unsigned i = 0; i < PAIRS; i++) {
		make_link(&l[i]);
		sn_begin(&left[i], l[i].connector, true, bytes, bytes / 2, seed + 10 * i, way);
		/* The other end takes its time before it posts its first receive. */
		if (i == 0)
			usleep(20000);
		sn_begin(&right[i], l[i].acceptor, false, bytes / 2, bytes, seed + 10 * i, way);
	}
	for (end = now_ms() + LIMIT_S * 1000; !done && now_ms() < end;) {
		done = true;
		for (unsigned i = 0; i < PAIRS; i++) {
			sn_step(&left[i]);
			sn_step(&right[i]);
			done = done && sn_complete(&left[i]) && sn_complete(&right[i]);
		}
	}
	RULE(done, "every stream comes to its end");
	for (unsigned i = 0; i < PAIRS; i++) {
		RULE(left[i].failed == 0 && right[i].failed == 0, "no connection fails");
		RULE(left[i].urgent_got == 20 && right[i].urgent_got == 20, "urgent bytes arrive");
		RULE(left[i].large_sent > 0 && left[i].small_sent > 0, "both ways were used");
		end_socket(l[i].connector);
		/* The other end learns of it: its posted receives fail. */
		AWAIT((sn_step(&right[i]), right[i].failed != 0),
		      "a close ends the peer's receives");
		RULE(right[i].failed == WSAECONNRESET || right[i].failed == WSAECONNABORTED ||
			     right[i].failed == WSAENETRESET,
		     "they end with a code that says so");
		end_socket(l[i].acceptor);
		end_socket(l[i].listener);
	}
}

/* Closed in the middle of everything: each operation still ends, once, before its handle. */
static void cut(uint32_t seed, enum sw_way way)
{
	for (unsigned round = 0; round < 20; round++) {
		struct link l;

		make_link(&l);
		sn_begin(&left[0], l.connector, true, bytes, bytes, seed + round, way);
		sn_begin(&right[0], l.acceptor, false, bytes, bytes, seed + round, way);
		for (unsigned i = 0; i < round * 30; i++) {
			sn_step(&left[0]);
			sn_step(&right[0]);
		}
		sw_close(l.acceptor);
		for (unsigned i = 0; i < SN_POOL; i++) {
			struct sw_op *op = &right[0].receives[i];

			if (op->state == SW_IDLE)
				continue;
			AWAIT(op->state == SW_IDLE || sw_done(op),
			      "a closed socket's operations end");
			RULE(op->error == WSA_OPERATION_ABORTED || op->error == 0 ||
				     op->error == WSAECONNRESET,
			     "they end with WSA_OPERATION_ABORTED");
		}
		for (unsigned i = 0; i < SN_POOL; i++)
			if (right[0].send_used[i])
				AWAIT(sw_done(&right[0].sends[i]), "its sends end");
		AWAIT(right[0].in_op.state == SW_IDLE || sw_done(&right[0].in_op), "its RDMA ends");
		AWAIT(right[0].out_op.state == SW_IDLE || sw_done(&right[0].out_op),
		      "its RDMA ends");
		AWAIT(sw_gone(l.acceptor), "its handle is closed");
		AWAIT((sn_step(&left[0]), left[0].failed != 0), "the peer learns of it");
		end_socket(l.connector);
		end_socket(l.listener);
	}
}

static void refusals(void)
{
	struct link l = { 0 };
	u_short port = os_port(sw_family == AF_INET6, true);
	int code = -1;

	l.listener = sw_open(port, false);
	sw_listen(l.listener, 1);
	sw_watch(l.listener, &l.accepts);
	l.connector = sw_open(os_port(sw_family == AF_INET6, false), true);
	sw_connect(l.connector, port, &l.connects);
	AWAIT(sw_requested(l.listener, &l.accepts), "a request sets the listener's event");
	AWAIT(code >= 0 || (try_accept(&l, true), outcome(&l, &code)), "a refusal ends a connect");
	RULE(code == WSAECONNREFUSED, "a refused connect says WSAECONNREFUSED");
	end_socket(l.connector);
	end_socket(l.listener);
	/* Nobody is there: the switch may be told anything but success. */
	code = -1;
	l.connector = sw_open(os_port(sw_family == AF_INET6, false), true);
	sw_connect(l.connector, os_free_port(sw_family == AF_INET6), &l.connects);
	AWAIT(code >= 0 || outcome(&l, &code), "a connect to nobody ends");
	RULE(code > 0, "a connect to nobody fails");
	end_socket(l.connector);
}

static void parse(int argc, char **argv, const char **provider)
{
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--no-read") == 0)
			sw_no_read = true;
		else if (strcmp(argv[i], "--ipv6") == 0)
			sw_family = AF_INET6;
		else if (strcmp(argv[i], "--bytes") == 0 && i + 1 < argc)
			bytes = strtoull(argv[++i], NULL, 10);
		else
			*provider = argv[i];
	}
	if (*provider == NULL) {
		fprintf(stderr, "usage: %s [--no-read] [--ipv6] [--bytes N] PROVIDER\n", argv[0]);
		exit(2);
	}
}

int main(int argc, char **argv)
{
	const char *provider = NULL;

	parse(argc, argv, &provider);
	sw_load(provider);
	sw_query_addresses();
	streams(1, SW_POLL);
	streams(2, SW_UPCALL);
	cut(3, SW_UPCALL);
	cut(4, SW_POLL);
	refusals();
	sw_unload();
	return summary();
}
