// SPDX-License-Identifier: BSD-2-Clause
/*
 * bench_figures.c - carries out a plan: for each case the paths take turns, A B C A B C, so that
 * what else happens on the machine hits all of them; ratios are taken within a round.
 *
 * A path that fails is started again for the next case; the failed case stays failed.
 */
#include <stdlib.h>
#include <string.h>

#include "spi_shim/wsdctl/bench.h"

#define VERIFY_MS   15u
#define CHURN_PROBE 20u
#define CHURN_MAX   20000u
#define IDLE_BEFORE 100u
#define FLOW_TRIES  8 /* each twice as long */

const char *bench_kind_name(enum bench_kind kind)
{
	static const char *const names[] = { "latency", "rate", "stream", "connect", "idle" };

	return names[kind];
}

static bool give_up(struct bench_result *result, const struct bench_pair *pair)
{
	result->failed = true;
	snprintf(result->text, sizeof(result->text), "%s", pair->text);
	return false;
}

static bool complain(struct bench_result *result, const char *text)
{
	result->failed = true;
	snprintf(result->text, sizeof(result->text), "%s", text);
	return false;
}

static void keep(struct bench_result *result, double a, double b, double c)
{
	double values[BENCH_VALUES] = { a, b, c };
	int i;

	for (i = 0; i < BENCH_VALUES; i++)
		result->values[i][result->rounds] = values[i];
	result->rounds++;
}

static bool run_pingpong(struct bench_pair *pair, const struct bench_order *order,
			 struct bench_result *result)
{
	struct bench_answer answers[2];

	if (!bench_pair_run(pair, order, answers))
		return give_up(result, pair);
	if (!order->verify)
		keep(result, answers[BENCH_CLIENT].p50_us, answers[BENCH_CLIENT].p99_us, 0);
	return true;
}

/*
 * The receiver's clock runs from the first piece to the last. Where all came in one piece, because the
 * receiver did not get a CPU meanwhile, there is nothing to measure: again, for longer.
 */
static bool run_flow(struct bench_pair *pair, const struct bench_order *first,
		     struct bench_result *result, bool bytes)
{
	struct bench_order order = *first;
	const struct bench_answer *in;
	struct bench_answer answers[2];
	double rate;
	int tries;

	for (tries = 0; tries < FLOW_TRIES; tries++, order.time_ms *= 2) {
		if (!bench_pair_run(pair, &order, answers))
			return give_up(result, pair);
		in = &answers[BENCH_SERVER];
		if (in->count != answers[BENCH_CLIENT].count)
			return complain(result, "messages sent and messages received differ");
		if (order.verify)
			return true;
		if (in->seconds <= 0 || in->count <= in->first)
			continue;
		rate = (double)(in->count - in->first) / in->seconds;
		keep(result, bytes ? rate * order.size / 1048576 : rate, 0, 0);
		return true;
	}
	return complain(result, "all messages came at once, so that there is no time to measure");
}

/* The first round finds out how many connections fill the time. */
static bool run_churn(struct bench_pair *pair, struct bench_order *order,
		      struct bench_result *result)
{
	struct bench_answer answers[2];
	double rate, wanted;

	order->count = order->verify ? CHURN_PROBE : result->churn;
	order->port = pair->port;
	if (!bench_pair_run(pair, order, answers))
		return give_up(result, pair);
	rate = (double)answers[BENCH_CLIENT].count / answers[BENCH_CLIENT].seconds;
	if (!order->verify) {
		keep(result, rate, 0, 0);
		return true;
	}
	wanted = rate * order->time_ms * 1e-3;
	result->churn = wanted < 1 ? 1 : wanted > CHURN_MAX ? CHURN_MAX : (uint32_t)wanted;
	return true;
}

static bool weigh(struct bench_pair *pair, struct bench_result *result, double *process_kib,
		  double *descriptors)
{
	struct bench_order order = { .op = BENCH_MEMORY };
	struct bench_answer answers[2];

	if (!bench_pair_run(pair, &order, answers))
		return give_up(result, pair);
	*process_kib = (double)(answers[0].pss_kib + answers[1].pss_kib);
	*descriptors = (double)(answers[0].descriptors + answers[1].descriptors);
	return true;
}

static bool hold(struct bench_pair *pair, unsigned count, struct bench_result *result)
{
	struct bench_order order = { .op = BENCH_HOLD, .count = count, .port = pair->port };
	struct bench_answer answers[2];

	return bench_pair_run(pair, &order, answers) || give_up(result, pair);
}

/* Growth from IDLE_BEFORE connections to all of them, per connection and end. */
static bool run_idle(struct bench_pair *pair, unsigned connections, struct bench_result *result)
{
	unsigned before = connections < 2 * IDLE_BEFORE ? connections / 2 : IDLE_BEFORE;
	double ends = 2.0 * (connections - before), process[2], descriptors[2];
	uint64_t kernel[2];

	if (!hold(pair, before, result) || !weigh(pair, result, &process[0], &descriptors[0]))
		return false;
	if (!bench_kernel_memory(&kernel[0]))
		return complain(result, "cannot read /proc/meminfo");
	if (!hold(pair, connections - before, result) ||
	    !weigh(pair, result, &process[1], &descriptors[1]))
		return false;
	if (!bench_kernel_memory(&kernel[1]))
		return complain(result, "cannot read /proc/meminfo");
	keep(result, (process[1] - process[0]) / ends,
	     ((double)kernel[1] - (double)kernel[0]) / ends,
	     (descriptors[1] - descriptors[0]) / ends);
	return true;
}

static bool run_once(const struct bench_plan *plan, struct bench_case *c, struct bench_pair *pair,
		     struct bench_result *result, bool verify)
{
	struct bench_order order = {
		.size = c->size,
		.time_ms = verify && c->kind != BENCH_CONNECT ? VERIFY_MS : plan->time_ms,
		.poll = c->poll,
		.overlapped = c->overlapped,
		.verify = verify,
	};

	switch (c->kind) {
	case BENCH_LATENCY:
		order.op = BENCH_PINGPONG;
		return run_pingpong(pair, &order, result);
	case BENCH_RATE:
	case BENCH_STREAM:
		order.op = BENCH_FLOW;
		return run_flow(pair, &order, result, c->kind == BENCH_STREAM);
	case BENCH_CONNECT:
		order.op = BENCH_CHURN;
		return run_churn(pair, &order, result);
	case BENCH_IDLE:
		return verify || run_idle(pair, plan->connections, result);
	}
	return false;
}

/* Both workers new where there are none, then a new connection. */
static bool prepare(const struct bench_plan *plan, const char *path, struct bench_pair *pair,
		    struct bench_result *result)
{
	if (pair->dead || !pair->path) {
		bench_pair_stop(pair);
		bench_pair_start(pair, path, plan->cpus);
	}
	return bench_pair_open(pair) || give_up(result, pair);
}

static void measure_case(const struct bench_plan *plan, struct bench_case *c,
			 struct bench_pair *pairs)
{
	unsigned rounds = c->kind == BENCH_IDLE ? 1 : plan->rounds, round, i;

	for (i = 0; i < plan->path_count; i++) {
		struct bench_result *result = &c->results[i];

		if (prepare(plan, plan->paths[i], &pairs[i], result))
			(void)run_once(plan, c, &pairs[i], result, true);
	}
	for (round = 0; round < rounds; round++)
		for (i = 0; i < plan->path_count; i++)
			if (!c->results[i].failed)
				(void)run_once(plan, c, &pairs[i], &c->results[i], false);
	for (i = 0; i < plan->path_count; i++) {
		if (!pairs[i].dead && c->results[i].failed)
			pairs[i].dead = true; /* nobody knows what it is doing */
		else if (!bench_pair_shut(&pairs[i]) && !c->results[i].failed)
			give_up(&c->results[i], &pairs[i]);
	}
}

void bench_measure(struct bench_plan *plan)
{
	struct bench_pair pairs[BENCH_PATHS_MAX];
	double start = bench_now(), cpu = bench_cpu_seconds(), own = bench_own_cpu_seconds();
	unsigned i, j;

	memset(pairs, 0, sizeof(pairs));
	for (i = 0; i < plan->case_count; i++) {
		char name[64];

		bench_case_name(&plan->cases[i], name, sizeof(name));
		fprintf(stderr, "[%u/%u] %s\n", i + 1, plan->case_count, name);
		measure_case(plan, &plan->cases[i], pairs);
		for (j = 0; j < plan->path_count; j++)
			if (plan->cases[i].results[j].failed)
				fprintf(stderr, "wsdctl: %s over %s failed: %s\n", name,
					plan->paths[j], plan->cases[i].results[j].text);
	}
	for (i = 0; i < plan->path_count; i++)
		bench_pair_stop(&pairs[i]);
	plan->elapsed = bench_now() - start;
	plan->other_load = (bench_cpu_seconds() - cpu - (bench_own_cpu_seconds() - own)) /
			   (plan->elapsed > 0 ? plan->elapsed : 1);
	if (plan->other_load < 0)
		plan->other_load = 0;
}
