// SPDX-License-Identifier: BSD-2-Clause
/*
 * main.c - wsdswitch [OPTION]... PROVIDER
 *
 * Loads the file PROVIDER, starts it by WSPStartupEx and plays its switch: streams in both directions over many
 * connections, refusals, closes in the middle, memory that must stay out of reach, sockets that go to another
 * process. Prints each rule of the
 * contract that was broken; exit status 0 if there was none. What the provider needs of its own (WSD_BACKENDS,
 * say) comes from the environment.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/lib/os_port.h"
#include "tests/switch/link.h"
#include "tests/switch/other.h"
#include "tests/switch/session.h"
#include "tests/switch/system.h"

#define PAIRS	4u
#define PROGRAM "wsdswitch"

static struct sn_end left[PAIRS], right[PAIRS];
static uint64_t bytes = 8u << 20;
static unsigned stream_limit = 40000; /* ms, for all streams of one scenario */
static bool one_process;
static int channel = -1; /* to the process that gives us sockets */

/* Which operation of a stream that came to a halt has not ended, though its peer has done its part? */
static void find_stuck(struct sn_end *e)
{
	for (unsigned i = 0; i < SN_POOL; i++)
		RULE(!e->send_used[i] || sw_done(&e->sends[i]), "each accepted operation ends");
	RULE(e->out_op.state != SW_PENDING && e->in_op.state != SW_PENDING,
	     "each accepted operation ends");
}

static void run_streams(void)
{
	uint64_t end = sw_now_ms() + stream_limit;
	bool done = false, failed = false;

	while (!done && !failed && sw_now_ms() < end) {
		done = true;
		for (unsigned i = 0; i < PAIRS; i++) {
			sn_step(&left[i]);
			sn_step(&right[i]);
			done = done && sn_complete(&left[i]) && sn_complete(&right[i]);
			failed = failed || left[i].failed != 0 || right[i].failed != 0;
		}
	}
	RULE(done, "every stream comes to its end");
	for (unsigned i = 0; !done && !failed && i < PAIRS; i++) {
		find_stuck(&left[i]);
		find_stuck(&right[i]);
	}
}

static void streams(uint32_t seed, enum sw_way way)
{
	struct sw_link l[PAIRS];

	for (unsigned i = 0; i < PAIRS; i++) {
		sw_make_link(&l[i]);
		sn_begin(&left[i], l[i].connector, true, bytes, bytes / 2, seed + 10 * i, way);
		/* The other end takes its time before it posts its first receive. */
		if (i == 0)
			usleep(20000);
		sn_begin(&right[i], l[i].acceptor, false, bytes / 2, bytes, seed + 10 * i, way);
	}
	run_streams();
	for (unsigned i = 0; i < PAIRS; i++) {
		RULE(left[i].failed == 0 && right[i].failed == 0, "no connection fails");
		RULE(left[i].urgent_got == SN_URGENT && right[i].urgent_got == SN_URGENT,
		     "urgent bytes arrive");
		RULE(left[i].large_sent > 0 && left[i].small_sent > 0, "both ways were used");
		sw_end_socket(l[i].connector);
		/* The other end learns of it: its posted receives fail. */
		AWAIT((sn_step(&right[i]), right[i].failed != 0),
		      "a close ends the peer's receives");
		RULE(sw_says_reset(right[i].failed), "they end with a code that says so");
		sw_end_socket(l[i].acceptor);
		sw_end_socket(l[i].listener);
	}
}

/* The operations of an end that was closed: each ends, once, with a code that says why. */
static void await_aborted(struct sn_end *e)
{
	for (unsigned i = 0; i < SN_POOL; i++) {
		struct sw_op *op = &e->receives[i];

		if (op->state == SW_IDLE)
			continue;
		AWAIT(op->state == SW_IDLE || sw_done(op), "a closed socket's operations end");
		RULE(op->error == WSA_OPERATION_ABORTED || (op->error == 0 && op->bytes > 0) ||
			     op->error == WSAECONNRESET,
		     "they end with WSA_OPERATION_ABORTED");
	}
	for (unsigned i = 0; i < SN_POOL; i++)
		if (e->send_used[i])
			AWAIT(sw_done(&e->sends[i]), "its sends end");
	AWAIT(e->in_op.state == SW_IDLE || sw_done(&e->in_op), "its RDMA ends");
	AWAIT(e->out_op.state == SW_IDLE || sw_done(&e->out_op), "its RDMA ends");
}

/* Whatever the peer still sends must not find its way into memory whose operations have ended. */
static void check_left_alone(struct sn_end *e)
{
	bool same = true;

	memset(e->memory, '.', sizeof(e->memory));
	usleep(5000);
	for (size_t i = 0; i < sizeof(e->memory); i++)
		same = same && e->memory[i] == '.';
	RULE(same, "memory of an ended operation is left alone");
}

/* Closed in the middle of everything: each operation still ends, once, before its handle. */
static void cut(uint32_t seed, enum sw_way way)
{
	for (unsigned round = 0; round < 20; round++) {
		struct sw_link l;

		sw_make_link(&l);
		sn_begin(&left[0], l.connector, true, bytes, bytes, seed + round, way);
		sn_begin(&right[0], l.acceptor, false, bytes, bytes, seed + round, way);
		for (unsigned i = 0; i < round * 30; i++) {
			sn_step(&left[0]);
			sn_step(&right[0]);
		}
		sw_close(l.acceptor);
		await_aborted(&right[0]);
		check_left_alone(&right[0]);
		AWAIT(sw_gone(l.acceptor), "its handle is closed");
		AWAIT((sn_step(&left[0]), left[0].failed != 0), "the peer learns of it");
		sw_end_socket(l.connector);
		sw_end_socket(l.listener);
	}
}

static void usage(FILE *to)
{
	fprintf(to,
		"usage: %s [--no-read] [--ipv6] [--one-process] [--bytes N] [--patience MS] "
		"[--at ADDRESS] [--from ADDRESS] PROVIDER\n",
		PROGRAM);
}

static void check_address(const char *option, const char *given, bool from)
{
	bool v6 = sw_family == AF_INET6;

	if (given != NULL)
		system_set_variable(v6	   ? (from ? "WSD_TEST_FROM_IPV6" : "WSD_TEST_IPV6")
				    : from ? "WSD_TEST_FROM_IPV4"
					   : "WSD_TEST_IPV4",
				    given);
	if (given == NULL || os_address_here(v6, from))
		return;
	fprintf(stderr, PROGRAM ": %s %s: no IPv%c address of this host%s\n", option, given,
		v6 ? '6' : '4', v6 ? "" : "; --ipv6 is for the others");
	exit(2);
}

static const char *parse(int argc, char **argv)
{
	enum { NO_READ = 1, IPV6, ONE_PROCESS, TAKE, BYTES, PATIENCE, AT, FROM, HELP };
	static const struct option options[] = {
		{ "no-read", no_argument, NULL, NO_READ },
		{ "ipv6", no_argument, NULL, IPV6 },
		{ "one-process", no_argument, NULL, ONE_PROCESS },
		{ "take", required_argument, NULL, TAKE }, /* ours, for the other process */
		{ "bytes", required_argument, NULL, BYTES },
		{ "patience", required_argument, NULL, PATIENCE },
		{ "at", required_argument, NULL, AT },
		{ "from", required_argument, NULL, FROM },
		{ "help", no_argument, NULL, HELP },
		{ 0 },
	};
	const char *at = NULL, *from = NULL;
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == NO_READ)
			sw_no_read = true;
		else if (option == IPV6)
			sw_family = AF_INET6;
		else if (option == ONE_PROCESS)
			one_process = true;
		else if (option == TAKE)
			channel = atoi(optarg);
		else if (option == BYTES)
			bytes = strtoull(optarg, NULL, 10);
		else if (option == PATIENCE)
			sw_patience = stream_limit = (unsigned)strtoul(optarg, NULL, 10);
		else if (option == AT)
			at = optarg;
		else if (option == FROM)
			from = optarg;
		else {
			usage(option == HELP ? stdout : stderr);
			exit(option == HELP ? 0 : 2);
		}
	}
	if (optind + 1 != argc || bytes < SN_LARGE || bytes > 1ull << 40 || sw_patience == 0) {
		usage(stderr);
		exit(2);
	}
	check_address("--at", at, false);
	check_address("--from", from, true);
	return argv[optind];
}

int main(int argc, char **argv)
{
	ot_arguments = argv;
	sw_load(parse(argc, argv));
	if (channel >= 0)
		return sw_other_process(channel);
	sw_query_addresses();
	streams(1, SW_POLL);
	streams(2, SW_UPCALL);
	RULE(sw_can_read() ? sw_moved.reads > 0 && sw_moved.writes == 0
			   : sw_moved.writes > 0 && sw_moved.reads == 0,
	     "large data is read by the receiver, or written by the sender where there is no READ");
	cut(3, SW_UPCALL);
	cut(4, SW_POLL);
	sw_check_requests();
	sw_check_calls();
	sw_check_memory();
	sw_duplicate(SW_UPCALL, !one_process);
	sw_duplicate(SW_POLL, !one_process);
	if (one_process)
		puts("skipped: sockets that go to another process (--one-process)");
	sw_unload();
	return sw_summary();
}
