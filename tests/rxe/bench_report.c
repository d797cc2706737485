// SPDX-License-Identifier: BSD-2-Clause
/*
 * bench_report.c - the table of the benchmark, and the same as JSON. Latencies: the lower quartile of each round, and
 * of those the least; everything else: the median of the rounds. Raw is the better of its two ways.
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/rxe/bench.h"

static const char *const units[] = { "us", "MB/s", "1/s", "KiB" };
static const char *const names[] = { "raw SEND", "raw WRITE_IMM", "OpenWSD", "rsockets" };

static int by_value(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static double of_rounds(const struct bench_figure *f, const double *values, unsigned rounds)
{
	double sorted[BENCH_ROUNDS];

	if (f->kind == BENCH_MEMORY)
		return values[0];
	memcpy(sorted, values, rounds * sizeof(*values));
	qsort(sorted, rounds, sizeof(*sorted), by_value);
	if (f->kind == BENCH_LATENCY)
		return sorted[0];
	return rounds % 2 ? sorted[rounds / 2] : (sorted[rounds / 2 - 1] + sorted[rounds / 2]) / 2;
}

struct line {
	double of[BENCH_WAYS], raw, ratio, rsockets;
	bool reached;
};

static struct line judge(const struct bench_figure *f, const struct bench_values *values,
			 unsigned rounds)
{
	struct line line;
	bool less = f->kind == BENCH_LATENCY;
	double send, write;

	for (unsigned w = 0; w < BENCH_WAYS; w++)
		line.of[w] = of_rounds(f, values->of[w], rounds);
	if (f->kind == BENCH_MEMORY) {
		line.raw = 1;
		line.ratio = line.of[BENCH_OURS];
		line.rsockets = 0;
		line.reached = line.ratio <= f->goal;
		return line;
	}
	send = line.of[BENCH_RAW_SEND];
	write = line.of[BENCH_RAW_WRITE_IMM];
	line.raw = (send < write) == less ? send : write;
	line.ratio = line.of[BENCH_OURS] / line.raw;
	line.rsockets = line.of[BENCH_RSOCKETS] / line.raw;
	line.reached = less ? line.ratio <= f->goal : line.ratio >= f->goal;
	return line;
}

static void print(const struct bench_figure *f, const struct line *line)
{
	bool memory = f->kind == BENCH_MEMORY;

	printf("%-18s %5s", f->name, units[f->kind]);
	for (unsigned w = 0; w < BENCH_WAYS; w++)
		if (memory && w != BENCH_OURS)
			printf(" %13s", "");
		else
			printf(" %13.2f", line->of[w]);
	printf("   %6.3f %s %-5g %s", line->ratio,
	       f->kind == BENCH_LATENCY || memory ? "<=" : ">=", f->goal,
	       line->reached ? "ok    " : "MISSED");
	if (!memory)
		printf("   %6.3f", line->rsockets);
	putchar('\n');
}

static json_t *as_json(const struct bench_figure *f, const struct bench_values *values,
		       const struct line *line, unsigned rounds)
{
	json_t *figure =
		json_pack("{s:s, s:s, s:f, s:f, s:b}", "name", f->name, "unit", units[f->kind],
			  "ratio", line->ratio, "goal", f->goal, "reached", line->reached);
	json_t *ways = json_object();

	for (unsigned w = 0; w < BENCH_WAYS; w++) {
		json_t *list = json_array();

		for (unsigned r = 0; r < (f->kind == BENCH_MEMORY ? 1 : rounds); r++)
			json_array_append_new(list, json_real(values->of[w][r]));
		if (f->kind != BENCH_MEMORY || w == BENCH_OURS)
			json_object_set(ways, names[w], list);
		json_decref(list);
	}
	json_object_set_new(figure, "rounds", ways);
	return figure;
}

bool bench_report(const struct bench_figure *figures, const struct bench_values *values,
		  unsigned count, unsigned rounds, const char *file)
{
	json_t *all = json_array();
	bool ok = true;

	printf("%-24s", "");
	for (unsigned w = 0; w < BENCH_WAYS; w++)
		printf(" %13s", names[w]);
	printf("   of raw  goal            rsockets of raw\n");
	for (unsigned i = 0; i < count; i++) {
		struct line line = judge(&figures[i], &values[i], rounds);

		print(&figures[i], &line);
		json_array_append_new(all, as_json(&figures[i], &values[i], &line, rounds));
		ok &= line.reached;
	}
	if (file && json_dump_file(all, file, JSON_INDENT(1)) != 0) {
		fprintf(stderr, "bench: cannot write %s\n", file);
		ok = false;
	}
	json_decref(all);
	fflush(stdout);
	return ok;
}
