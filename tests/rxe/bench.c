// SPDX-License-Identifier: BSD-2-Clause
/*
 * bench.c - the figures of issue "verbs backend": latency, streams, connections and memory of OpenWSD beside
 * raw verbs and rsockets, in one pair of processes that takes them in turn. tests/rxe/bench runs it where time is
 * counted in instructions.
 *
 * bench [-r ROUNDS] [-f PART-OF-A-NAME] [-o FILE.json]. Exit status 1: a goal was missed.
 */
#include "tests/rxe/bench.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ROUNDS	     4u
#define MEMORY_FIRST 20u /* connections before those that are weighed */

char *bench_out, *bench_in;
const char *bench_server;

static const struct bench_figure figures[] = {
	{ "64 B latency", BENCH_LATENCY, 64, 200, 1.10 },
	{ "4 KiB latency", BENCH_LATENCY, 4096, 200, 1.25 },
	{ "64 KiB latency", BENCH_LATENCY, 65536, 40, 1.20 },
	{ "64 KiB stream", BENCH_STREAM, 65536, 150, 0.85 },
	{ "1 MiB stream", BENCH_STREAM, BENCH_BYTES, 16, 0.90 },
	{ "connect and close", BENCH_CHURN, 0, 40, 0.80 },
	{ "idle memory", BENCH_MEMORY, 0, 200, 96 },
};
#define FIGURES (sizeof(figures) / sizeof(figures[0]))

static const struct bench_way *const ways[BENCH_WAYS] = {
	[BENCH_RAW_SEND] = &bench_raw_send,
	[BENCH_RAW_WRITE_IMM] = &bench_raw_write_imm,
	[BENCH_OURS] = &bench_openwsd,
	[BENCH_RSOCKETS] = &bench_rsockets,
};

/* One of the two processes. */
static struct {
	bool client;
	int peer;
	uint16_t ports[BENCH_WAYS];
	struct bench_link *links[BENCH_WAYS];
} me;

_Noreturn void bench_fail(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fprintf(stderr, "bench %s: ", me.client ? "client" : "server");
	vfprintf(stderr, format, args);
	fputc('\n', stderr);
	va_end(args);
	_exit(2);
}

static void tell(const void *bytes, size_t length)
{
	if (send(me.peer, bytes, length, MSG_NOSIGNAL) != (ssize_t)length)
		_exit(2); /* the other one has said why */
}

static void hear(void *bytes, size_t length)
{
	if (recv(me.peer, bytes, length, MSG_WAITALL) != (ssize_t)length)
		_exit(2);
}

static void together(void)
{
	char byte = 0;

	tell(&byte, 1);
	hear(&byte, 1);
}

static double now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec * 1e-3;
}

static int by_value(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/* --- the loops --- */

static void stamp(uint32_t size, char number)
{
	bench_out[0] = bench_out[size - 1] = number;
}

static void check_stamp(uint32_t size, char number)
{
	if (bench_in[0] != number || bench_in[size - 1] != number)
		bench_fail("a message of %u bytes is not what was sent", size);
}

/* Half of the lower quartile of the round trips, in us. */
static double latency(const struct bench_way *way, struct bench_link *link,
		      const struct bench_figure *f)
{
	double *trips = malloc(f->count * sizeof(*trips)), before, quartile;

	if (!trips)
		bench_fail("memory");
	for (uint32_t i = 0; i < f->count; i++) {
		if (me.client) {
			before = now_us();
			stamp(f->size, (char)i);
			way->send(link, f->size);
			way->recv(link, f->size);
			trips[i] = now_us() - before;
			check_stamp(f->size, (char)~i);
		} else {
			way->recv(link, f->size);
			check_stamp(f->size, (char)i);
			stamp(f->size, (char)~i);
			way->send(link, f->size);
		}
	}
	if (me.client)
		qsort(trips, f->count, sizeof(*trips), by_value);
	quartile = me.client ? trips[f->count / 4] / 2 : 0;
	free(trips);
	return quartile;
}

/* MB/s from the first send until the receiver has said that it has everything. */
static double stream(const struct bench_way *way, struct bench_link *link,
		     const struct bench_figure *f)
{
	uint32_t step = way->window == BENCH_NO_LIMIT ? f->count : way->window / 4;
	uint32_t sent = 0, known = 0;
	double before = now_us();

	for (uint32_t i = 0; !me.client && i < f->count; i++) {
		way->recv(link, f->size);
		if ((i + 1) % step == 0 || i + 1 == f->count)
			way->send(link, 1);
	}
	while (me.client && known < f->count) {
		if (sent < f->count && sent - known < way->window) {
			way->send(link, f->size);
			sent++;
		} else {
			way->recv(link, 1);
			known += step;
		}
	}
	return (double)f->size * f->count / (now_us() - before);
}

/* Connections per second: connect, close, and the server's side of both. */
static double churn(const struct bench_way *way, uint16_t port, const struct bench_figure *f)
{
	double before = now_us();

	for (uint32_t i = 0; i < f->count; i++)
		way->close(me.client ? way->connect(port) : way->accept());
	together();
	return f->count / (now_us() - before) * 1e6;
}

static double resident_kib(void)
{
	FILE *file = fopen("/proc/self/statm", "r");
	unsigned long all, resident;

	if (!file || fscanf(file, "%lu %lu", &all, &resident) != 2)
		bench_fail("/proc/self/statm");
	fclose(file);
	return (double)resident * (double)sysconf(_SC_PAGESIZE) / 1024;
}

/* KiB for each connection, at the end that needs more. */
static double memory(const struct bench_way *way, uint16_t port, const struct bench_figure *f)
{
	uint32_t total = f->count + MEMORY_FIRST;
	struct bench_link **links = malloc(total * sizeof(struct bench_link *));
	double before = 0, ours, theirs;

	if (!links)
		bench_fail("memory");
	memset(links, 0, total * sizeof(struct bench_link *));
	for (uint32_t i = 0; i < total; i++) {
		if (i == MEMORY_FIRST)
			before = resident_kib();
		links[i] = me.client ? way->connect(port) : way->accept();
	}
	together();
	ours = (resident_kib() - before) / f->count;
	tell(&ours, sizeof(ours));
	hear(&theirs, sizeof(theirs));
	for (uint32_t i = 0; i < total; i++)
		way->close(links[i]);
	free(links);
	return ours > theirs ? ours : theirs;
}

static double measure(unsigned w, const struct bench_figure *f)
{
	const struct bench_way *way = ways[w];

	together();
	switch (f->kind) {
	case BENCH_LATENCY:
		return latency(way, me.links[w], f);
	case BENCH_STREAM:
		return stream(way, me.links[w], f);
	case BENCH_CHURN:
		return churn(way, me.ports[w], f);
	case BENCH_MEMORY:
		return w == BENCH_OURS ? memory(way, me.ports[w], f) : 0;
	}
	return 0;
}

/* --- the pair --- */

static void open_links(void)
{
	for (unsigned w = 0; w < BENCH_WAYS; w++) {
		ways[w]->start();
		if (me.client) {
			hear(&me.ports[w], sizeof(me.ports[w]));
			me.links[w] = ways[w]->connect(me.ports[w]);
		} else {
			me.ports[w] = ways[w]->listen();
			tell(&me.ports[w], sizeof(me.ports[w]));
			me.links[w] = ways[w]->accept();
		}
	}
}

struct plan {
	struct bench_figure figures[FIGURES];
	struct bench_values values[FIGURES];
	unsigned count, rounds;
};

/* The first round warms up: rings have grown and memory is registered when the others begin. */
static void run(struct plan *plan)
{
	bench_out = aligned_alloc(4096, BENCH_BYTES);
	bench_in = aligned_alloc(4096, BENCH_BYTES);
	if (!bench_out || !bench_in)
		bench_fail("memory");
	memset(bench_out, 1, BENCH_BYTES);
	memset(bench_in, 2, BENCH_BYTES);
	open_links();
	for (unsigned i = 0; i < plan->count; i++) {
		const struct bench_figure *f = &plan->figures[i];

		if (f->kind == BENCH_MEMORY) {
			plan->values[i].of[BENCH_OURS][0] = measure(BENCH_OURS, f);
			continue;
		}
		for (unsigned round = 0; round <= plan->rounds; round++)
			for (unsigned w = 0; w < BENCH_WAYS; w++) {
				double value = measure(w, f);

				if (round > 0)
					plan->values[i].of[w][round - 1] = value;
			}
	}
	together();
}

static _Noreturn void usage(void)
{
	fprintf(stderr, "usage: bench [-r ROUNDS] [-f PART-OF-A-NAME] [-o FILE.json]\n");
	exit(2);
}

int main(int argc, char **argv)
{
	static struct plan plan;
	const char *only = "", *file = NULL;
	int pair[2], option, status = 0;
	pid_t server;

	plan.rounds = ROUNDS;
	while ((option = getopt(argc, argv, "r:f:o:")) != -1) {
		if (option == 'r')
			plan.rounds = (unsigned)atoi(optarg);
		else if (option == 'f')
			only = optarg;
		else if (option == 'o')
			file = optarg;
		else
			usage();
	}
	bench_server = getenv("WSD_TEST_IPV4");
	if (optind != argc || plan.rounds == 0 || plan.rounds > BENCH_ROUNDS || !bench_server)
		usage();
	for (unsigned i = 0; i < FIGURES; i++)
		if (strstr(figures[i].name, only))
			plan.figures[plan.count++] = figures[i];
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0)
		bench_fail("socketpair: %s", strerror(errno));
	server = fork(); /* before any library has started */
	if (server < 0)
		bench_fail("fork: %s", strerror(errno));
	me.client = server > 0;
	me.peer = pair[me.client];
	close(pair[!me.client]);
	if (!me.client)
		prctl(PR_SET_PDEATHSIG, SIGKILL);
	run(&plan);
	if (!me.client)
		_exit(0); /* the ends of libraries that are not measured */
	if (waitpid(server, &status, 0) != server || status != 0)
		bench_fail("the server ended with %d", status);
	_exit(bench_report(plan.figures, plan.values, plan.count, plan.rounds, file) ? 0 : 1);
}
