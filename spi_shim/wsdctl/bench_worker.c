// SPDX-License-Identifier: BSD-2-Clause
/*
 * bench_worker.c - one end of a measured pair: `wsdctl bench-worker FD client|server os|openwsd`.
 * Takes orders from FD until it is closed. After an order that failed it answers why and ends.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "spi_shim/wsdctl/bench.h"
#include "spi_shim/wsdctl/wsdctl.h"

static bool do_listen(struct bench_end *end, struct bench_answer *answer)
{
	uint16_t port = 0;

	if (!end->client && end->listener == -1) {
		end->listener = end->io->listen(&port);
		if (end->listener == -1)
			return bench_fail(answer, "listen: %s", end->io->error());
		answer->port = port;
	}
	return true;
}

static intptr_t make_connection(struct bench_end *end, const struct bench_order *order,
				struct bench_answer *answer)
{
	intptr_t s = end->client ? end->io->connect((uint16_t)order->port)
				 : end->io->accept(end->listener);

	if (s == -1)
		bench_fail(answer, "%s: %s", end->client ? "connect" : "accept", end->io->error());
	return s;
}

static bool do_open(struct bench_end *end, const struct bench_order *order,
		    struct bench_answer *answer)
{
	end->s = make_connection(end, order, answer);
	if (end->s != -1 && !end->io->path(end->s, answer->text, sizeof(answer->text)))
		return bench_fail(answer, "cannot tell the path taken: %s", end->io->error());
	return end->s != -1;
}

static bool do_shut(struct bench_end *end, struct bench_answer *answer)
{
	bool ok = true;

	if (end->loop)
		end->io->loop_close(end->loop);
	if (end->s != -1)
		ok = end->io->close(end->s);
	while (end->held_count)
		ok = end->io->close(end->held[--end->held_count]) && ok;
	if (end->listener != -1)
		ok = end->io->close(end->listener) && ok;
	free(end->held);
	end->held = NULL;
	end->loop = NULL;
	end->s = end->listener = -1;
	return ok || bench_fail(answer, "close: %s", end->io->error());
}

static bool do_hold(struct bench_end *end, const struct bench_order *order,
		    struct bench_answer *answer)
{
	size_t wanted = end->held_count + order->count;
	intptr_t *more = realloc(end->held, wanted * sizeof(*more));

	if (!more)
		return bench_fail(answer, "out of memory");
	end->held = more;
	while (end->held_count < wanted) {
		intptr_t s = make_connection(end, order, answer);

		if (s == -1)
			return false;
		end->held[end->held_count++] = s;
	}
	return true;
}

static bool do_order(struct bench_end *end, const struct bench_order *order,
		     struct bench_answer *answer)
{
	switch ((enum bench_op)order->op) {
	case BENCH_LISTEN:
		return do_listen(end, answer);
	case BENCH_OPEN:
		return do_open(end, order, answer);
	case BENCH_SHUT:
		return do_shut(end, answer);
	case BENCH_PINGPONG:
		return bench_pingpong(end, order, answer);
	case BENCH_FLOW:
		return bench_flow(end, order, answer);
	case BENCH_CHURN:
		return bench_churn(end, order, answer);
	case BENCH_HOLD:
		return do_hold(end, order, answer);
	case BENCH_MEMORY:
		return bench_own_memory(&answer->pss_kib, &answer->descriptors) ||
		       bench_fail(answer, "cannot read /proc/self");
	}
	return bench_fail(answer, "unknown order %u", order->op);
}

int wsdctl_bench_worker(int argc, char **argv)
{
	struct bench_end end = { .listener = -1, .s = -1 };
	struct bench_order order;
	struct bench_answer answer;
	char *rest;
	int fd;

	if (argc != 4) {
		fprintf(stderr, "wsdctl: bench-worker is for bench itself\n");
		return WSDCTL_USAGE;
	}
	fd = (int)strtol(argv[1], &rest, 10);
	end.client = strcmp(argv[2], "client") == 0;
	end.io = strcmp(argv[3], "os") == 0 ? &bench_io_os : &bench_io_openwsd;
	memset(&answer, 0, sizeof(answer));
	if (!end.io->start())
		bench_fail(&answer, "start: %s", end.io->error());
	while (recv(fd, &order, sizeof(order), 0) == (ssize_t)sizeof(order)) {
		if (!answer.failed) {
			memset(&answer, 0, sizeof(answer));
			(void)do_order(&end, &order, &answer);
		}
		if (send(fd, &answer, sizeof(answer), MSG_NOSIGNAL) != (ssize_t)sizeof(answer))
			break;
		if (answer.failed)
			return WSDCTL_FAILED;
	}
	return WSDCTL_OK;
}
