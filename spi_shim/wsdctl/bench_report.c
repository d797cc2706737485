// SPDX-License-Identifier: BSD-2-Clause
/*
 * bench_report.c - the table and the JSON. A value is the median over the rounds; a ratio is the
 * median of the ratios of the rounds, path over os, with its quartiles.
 */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "spi_shim/wsdctl/bench.h"
#include "spi_shim/wsdctl/wsdctl.h"

/* An idle case fills two rows. */
enum row { ROW_MAIN, ROW_DESCRIPTORS };

struct spread {
	double q1, median, q3;
};

static int by_value(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/* Sorts the values. */
static struct spread spread_of(double *values, unsigned count)
{
	struct spread spread;

	qsort(values, count, sizeof(*values), by_value);
	spread.q1 = values[(count - 1) / 4];
	spread.median =
		count % 2 ? values[count / 2] : (values[count / 2 - 1] + values[count / 2]) / 2;
	spread.q3 = values[(count - 1) - (count - 1) / 4];
	return spread;
}

static double value_of(const struct bench_case *c, const struct bench_result *result, enum row row,
		       unsigned round)
{
	if (c->kind != BENCH_IDLE)
		return result->values[0][round];
	return row == ROW_DESCRIPTORS ? result->values[2][round]
				      : result->values[0][round] + result->values[1][round];
}

static bool has_values(const struct bench_result *result)
{
	return !result->failed && result->rounds > 0;
}

static struct spread values_spread(const struct bench_case *c, const struct bench_result *result,
				   enum row row)
{
	double values[BENCH_ROUNDS_MAX];
	unsigned i;

	for (i = 0; i < result->rounds; i++)
		values[i] = value_of(c, result, row, i);
	return spread_of(values, result->rounds);
}

/* False where the ratio means nothing: no peer, or one that is zero. */
static bool ratio_spread(const struct bench_plan *plan, const struct bench_case *c, unsigned path,
			 enum row row, struct spread *spread)
{
	const struct bench_result *peer = plan->os < 0 ? NULL : &c->results[plan->os];
	double ratios[BENCH_ROUNDS_MAX];
	unsigned i;

	if (!peer || !has_values(peer) || peer->rounds != c->results[path].rounds)
		return false;
	for (i = 0; i < peer->rounds; i++) {
		double base = value_of(c, peer, row, i);

		if (base <= 0)
			return false;
		ratios[i] = value_of(c, &c->results[path], row, i) / base;
	}
	*spread = spread_of(ratios, peer->rounds);
	return true;
}

static void size_text(uint32_t size, char *text, size_t room)
{
	if (size >= 1048576 && size % 1048576 == 0)
		snprintf(text, room, "%u MiB", size / 1048576);
	else if (size >= 1024 && size % 1024 == 0)
		snprintf(text, room, "%u KiB", size / 1024);
	else
		snprintf(text, room, "%u B", size);
}

static const char *mode_name(const struct bench_case *c)
{
	return c->overlapped ? "overlapped" : c->poll ? "poll" : "block";
}

void bench_case_name(const struct bench_case *c, char *text, size_t room)
{
	char size[16];

	size_text(c->size, size, sizeof(size));
	if (c->kind == BENCH_CONNECT || c->kind == BENCH_IDLE)
		snprintf(text, room, "%s", bench_kind_name(c->kind));
	else
		snprintf(text, room, "%s %s %s", bench_kind_name(c->kind), mode_name(c), size);
}

static const char *what_of(const struct bench_case *c, enum row row)
{
	static const char *const names[] = { "one-way time", "messages", "throughput",
					     "connections", "memory per end" };

	return row == ROW_DESCRIPTORS ? "descriptors per end" : names[c->kind];
}

static const char *unit_of(const struct bench_case *c, enum row row)
{
	static const char *const units[] = { "us", "1/s", "MiB/s", "1/s", "KiB" };

	return row == ROW_DESCRIPTORS ? "" : units[c->kind];
}

static bool lower_is_better(const struct bench_case *c)
{
	return c->kind == BENCH_LATENCY || c->kind == BENCH_IDLE;
}

static void print_cells(const struct bench_plan *plan, const struct bench_case *c, unsigned path,
			enum row row, FILE *to)
{
	const struct bench_result *result = &c->results[path];
	struct spread value, ratio;
	char extra[48] = "";

	if (!has_values(result)) {
		fprintf(to, " failed: %s\n", result->text);
		return;
	}
	value = values_spread(c, result, row);
	if (c->kind == BENCH_LATENCY) {
		double p99[BENCH_ROUNDS_MAX];

		memcpy(p99, result->values[1], result->rounds * sizeof(*p99));
		snprintf(extra, sizeof(extra), "p99 %.4g", spread_of(p99, result->rounds).median);
	} else if (c->kind == BENCH_IDLE && row == ROW_MAIN) {
		snprintf(extra, sizeof(extra), "kernel %.3g", result->values[1][0]);
	}
	fprintf(to, value.median >= 1e4 ? " %12.0f %-5s %-12s" : " %12.4g %-5s %-12s", value.median,
		unit_of(c, row), extra);
	if (ratio_spread(plan, c, path, row, &ratio))
		fprintf(to, " %8.3f  [%.3f %.3f]\n", ratio.median, ratio.q1, ratio.q3);
	else
		fprintf(to, " %8s\n", "-");
}

static void print_row(const struct bench_plan *plan, const struct bench_case *c, enum row row,
		      FILE *to)
{
	char name[64];
	unsigned i;

	bench_case_name(c, name, sizeof(name));
	if (c->kind == BENCH_IDLE)
		snprintf(name, sizeof(name), "idle, %s", what_of(c, row));
	for (i = 0; i < plan->path_count; i++) {
		fprintf(to, "%-26s %-4s %-6s", i ? "" : name,
			i		     ? ""
			: lower_is_better(c) ? "less"
					     : "more",
			plan->paths[i]);
		print_cells(plan, c, i, row, to);
	}
}

void bench_report_text(const struct bench_plan *plan, FILE *to)
{
	unsigned i;

	fprintf(to, "%-26s %-4s %-6s %12s %-18s %8s  %s\n", "figure", "best", "path", "value", "",
		"ratio", "to os [quartiles]");
	for (i = 0; i < plan->case_count; i++) {
		print_row(plan, &plan->cases[i], ROW_MAIN, to);
		if (plan->cases[i].kind == BENCH_IDLE)
			print_row(plan, &plan->cases[i], ROW_DESCRIPTORS, to);
	}
	fprintf(to,
		"os is the TCP of the operating system over loopback, TCP_NODELAY. %u rounds of %u ms "
		"in %.0f s,\npaths in turn; latency is one way, half of a round trip. Other load: %.2f "
		"of %d CPUs.\n",
		plan->rounds, plan->time_ms, plan->elapsed, plan->other_load, plan->cpu_count);
	for (i = 0; i < plan->warning_count; i++)
		fprintf(to, "warning: %s\n", plan->warnings[i]);
}

static json_t *json_spread(const struct spread *spread)
{
	return json_pack("{s:f, s:f, s:f}", "q1", spread->q1, "median", spread->median, "q3",
			 spread->q3);
}

static json_t *json_result(const struct bench_plan *plan, const struct bench_case *c, unsigned path,
			   enum row row)
{
	const struct bench_result *result = &c->results[path];
	json_t *object = json_pack("{s:s}", "path", plan->paths[path]);
	struct spread spread;

	if (!has_values(result)) {
		json_object_set_new(object, "error", json_string(result->text));
		return object;
	}
	spread = values_spread(c, result, row);
	json_object_set_new(object, "value", json_spread(&spread));
	json_object_set_new(object, "rounds", json_integer(result->rounds));
	if (c->kind == BENCH_LATENCY) {
		double p99[BENCH_ROUNDS_MAX];

		memcpy(p99, result->values[1], result->rounds * sizeof(*p99));
		spread = spread_of(p99, result->rounds);
		json_object_set_new(object, "p99", json_spread(&spread));
	} else if (c->kind == BENCH_IDLE && row == ROW_MAIN) {
		json_object_set_new(object, "process", json_real(result->values[0][0]));
		json_object_set_new(object, "kernel", json_real(result->values[1][0]));
	}
	if (ratio_spread(plan, c, path, row, &spread))
		json_object_set_new(object, "ratio", json_spread(&spread));
	return object;
}

static void add_figure(json_t *figures, const struct bench_plan *plan, const struct bench_case *c,
		       enum row row)
{
	json_t *paths = json_array(), *figure;
	unsigned i;

	for (i = 0; i < plan->path_count; i++)
		json_array_append_new(paths, json_result(plan, c, i, row));
	figure = json_pack("{s:s, s:s, s:s, s:s, s:o}", "figure", bench_kind_name(c->kind), "what",
			   what_of(c, row), "unit", unit_of(c, row), "better",
			   lower_is_better(c) ? "lower" : "higher", "paths", paths);
	if (c->kind == BENCH_IDLE) {
		json_object_set_new(figure, "connections", json_integer(plan->connections));
	} else if (c->kind != BENCH_CONNECT) {
		json_object_set_new(figure, "mode", json_string(mode_name(c)));
		json_object_set_new(figure, "size", json_integer(c->size));
	}
	if (plan->os >= 0)
		json_object_set_new(figure, "peer", json_string("os"));
	json_array_append_new(figures, figure);
}

bool bench_report_json(const struct bench_plan *plan, FILE *to)
{
	json_t *figures = json_array(), *warnings = json_array(), *top;
	struct utsname system;
	unsigned i;
	bool ok;

	for (i = 0; i < plan->case_count; i++) {
		add_figure(figures, plan, &plan->cases[i], ROW_MAIN);
		if (plan->cases[i].kind == BENCH_IDLE)
			add_figure(figures, plan, &plan->cases[i], ROW_DESCRIPTORS);
	}
	for (i = 0; i < plan->warning_count; i++)
		json_array_append_new(warnings, json_string(plan->warnings[i]));
	if (uname(&system) != 0)
		memset(&system, 0, sizeof(system));
	top = json_pack("{s:s, s:s, s:i, s:[i,i], s:i, s:i, s:f, s:f, s:o, s:o}", "version",
			WSD_VERSION, "kernel", system.release, "cpus", plan->cpu_count, "pinned",
			plan->cpus[0], plan->cpus[1], "rounds", (int)plan->rounds, "time_ms",
			(int)plan->time_ms, "seconds", plan->elapsed, "other_load",
			plan->other_load, "warnings", warnings, "figures", figures);
	ok = top && json_dumpf(top, to, JSON_INDENT(2) | JSON_REAL_PRECISION(6)) == 0 &&
	     fputc('\n', to) != EOF;
	json_decref(top);
	return ok;
}
