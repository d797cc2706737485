// SPDX-License-Identifier: BSD-2-Clause
/*
 * bench.c - `wsdctl bench`: reads the options, makes the plan, lets it run, prints.
 */
#include <errno.h>
#include <popt.h>
#include <sched.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "rdma_backend/registry.h"
#include "spi_shim/wsdctl/bench.h"
#include "spi_shim/wsdctl/wsdctl.h"

#define SIZES_MAX      8
#define SIZE_MAX_BYTES (64u << 20)
#define RATE_SIZE      64
#define LOAD_WARNING   0.10 /* CPUs */
#define CASES_MAX      (4 * SIZES_MAX + 4)

struct options {
	const char *figures, *paths, *sizes, *wait;
	int rounds, time_ms, connections, json;
};

static int usage_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
static int usage_error(const char *format, ...)
{
	va_list args;

	fputs("wsdctl bench: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputs("; wsdctl bench --help lists the options\n", stderr);
	return WSDCTL_USAGE;
}

void bench_warn(struct bench_plan *plan, const char *format, ...)
{
	va_list args;

	if (plan->warning_count == sizeof(plan->warnings) / sizeof(plan->warnings[0]))
		return;
	va_start(args, format);
	vsnprintf(plan->warnings[plan->warning_count++], BENCH_TEXT, format, args);
	va_end(args);
}

/* Is word one of the comma-separated ones? */
static bool in_list(const char *list, const char *word)
{
	size_t length = strlen(word);

	for (; list && *list; list += strcspn(list, ","), list += *list == ',')
		if (strcspn(list, ",") == length && strncmp(list, word, length) == 0)
			return true;
	return false;
}

static int read_figures(const char *list)
{
	enum bench_kind kind;
	unsigned known = 0, words = 1;
	const char *at;

	for (kind = BENCH_LATENCY; kind <= BENCH_IDLE; kind++)
		known += in_list(list, bench_kind_name(kind));
	for (at = list; *at; at++)
		words += *at == ',';
	return known == words ? WSDCTL_OK
			      : usage_error("--figures %s: the figures are latency, rate, stream, "
					    "connect and idle, each once",
					    list);
}

/* Misspelt, it would fail figure by figure. */
static int check_path(const char *name)
{
	const struct wsd_backend_ops *ops;
	char reason[256] = "";

	if (strcmp(name, "os") == 0 || strcmp(name, "plain") == 0 ||
	    wsd_registry_find(name, &ops, reason, sizeof(reason)) == WSD_OK)
		return WSDCTL_OK;
	return usage_error("--paths: no path %s: %s", name, reason);
}

static int read_paths(const struct options *options, struct bench_plan *plan, char *copy)
{
	char *rest, *word;

	plan->os = -1;
	for (word = strtok_r(copy, ",", &rest); word; word = strtok_r(NULL, ",", &rest)) {
		if (strcmp(word, "sim") == 0)
			return usage_error("--paths: sim cannot reach another process");
		if (check_path(word) != WSDCTL_OK)
			return WSDCTL_USAGE;
		if (plan->path_count == BENCH_PATHS_MAX)
			return usage_error("--paths %s: more than %d", options->paths,
					   BENCH_PATHS_MAX);
		if (strcmp(word, "os") == 0)
			plan->os = (int)plan->path_count;
		plan->paths[plan->path_count++] = word;
	}
	if (plan->path_count == 0)
		return usage_error("--paths is empty");
	if (plan->os < 0)
		bench_warn(plan, "no ratios, because os is not among the paths");
	return WSDCTL_OK;
}

static bool read_size(const char *word, uint32_t *size)
{
	unsigned long value;
	char *end;

	errno = 0;
	value = strtoul(word, &end, 10);
	if (*end == 'k' || *end == 'K')
		value *= 1024, end++;
	else if (*end == 'm' || *end == 'M')
		value *= 1048576, end++;
	*size = (uint32_t)value;
	return !errno && !*end && value >= 8 && value <= SIZE_MAX_BYTES && value % 8 == 0;
}

static int read_sizes(const char *list, uint32_t *sizes, unsigned *count)
{
	char copy[256], *rest, *word;

	snprintf(copy, sizeof(copy), "%s", list);
	*count = 0;
	for (word = strtok_r(copy, ",", &rest); word; word = strtok_r(NULL, ",", &rest)) {
		if (*count == SIZES_MAX)
			return usage_error("--sizes %s: more than %d", list, SIZES_MAX);
		if (!read_size(word, &sizes[(*count)++]))
			return usage_error("--sizes: %s is not a multiple of 8 from 8 to 64m",
					   word);
	}
	return *count ? WSDCTL_OK : usage_error("--sizes is empty");
}

static bool add_case(struct bench_plan *plan, enum bench_kind kind, bool poll, bool overlapped,
		     uint32_t size)
{
	struct bench_case *c = &plan->cases[plan->case_count++];
	unsigned i, j;

	c->kind = kind;
	c->poll = poll;
	c->overlapped = overlapped;
	c->size = size;
	for (i = 0; i < plan->path_count; i++) {
		for (j = 0; j < BENCH_VALUES; j++) {
			c->results[i].values[j] = calloc(plan->rounds, sizeof(double));
			if (!c->results[i].values[j])
				return false;
		}
	}
	return true;
}

/* The sizes of --sizes, else the standard ones, for each way to wait that is asked for. */
static bool add_sizes(struct bench_plan *plan, const struct options *options, enum bench_kind kind,
		      const uint32_t *sizes, unsigned count)
{
	unsigned i;

	for (i = 0; i < count; i++)
		if (in_list(options->wait, "poll") && !add_case(plan, kind, true, false, sizes[i]))
			return false;
	for (i = 0; i < count; i++)
		if (in_list(options->wait, "block") &&
		    !add_case(plan, kind, false, false, sizes[i]))
			return false;
	return true;
}

static bool add_cases(struct bench_plan *plan, const struct options *options, const uint32_t *sizes,
		      unsigned count)
{
	static const uint32_t latency[] = { 64, 1024, 4096, 65536 }, stream[] = { 65536, 1048576 };
	const char *figures = options->figures;
	bool ok = true;

	plan->cases = calloc(CASES_MAX, sizeof(*plan->cases));
	if (!plan->cases)
		return false;
	if (in_list(figures, "latency"))
		ok = add_sizes(plan, options, BENCH_LATENCY, count ? sizes : latency,
			       count ? count : 4);
	if (ok && in_list(figures, "rate"))
		ok = add_case(plan, BENCH_RATE, true, false, RATE_SIZE) &&
		     add_case(plan, BENCH_RATE, true, true, RATE_SIZE);
	if (ok && in_list(figures, "stream"))
		ok = add_sizes(plan, options, BENCH_STREAM, count ? sizes : stream,
			       count ? count : 2);
	if (ok && in_list(figures, "connect"))
		ok = add_case(plan, BENCH_CONNECT, false, false, 0);
	if (ok && in_list(figures, "idle"))
		ok = add_case(plan, BENCH_IDLE, false, false, 0);
	return ok;
}

static void free_cases(struct bench_plan *plan)
{
	unsigned i, j, k;

	for (i = 0; i < plan->case_count; i++)
		for (j = 0; j < plan->path_count; j++)
			for (k = 0; k < BENCH_VALUES; k++)
				free(plan->cases[i].results[j].values[k]);
	free(plan->cases);
}

/* Two different CPUs if there are two; descriptors for the idle connections. */
static void prepare_machine(struct bench_plan *plan)
{
	struct rlimit limit;
	cpu_set_t set;
	int i, found = 0;

	plan->cpus[0] = plan->cpus[1] = -1;
	if (sched_getaffinity(0, sizeof(set), &set) == 0) {
		plan->cpu_count = CPU_COUNT(&set);
		for (i = 0; i < CPU_SETSIZE && found < 2 && plan->cpu_count > 1; i++)
			if (CPU_ISSET(i, &set))
				plan->cpus[found++] = i;
	}
	if (found < 2)
		bench_warn(plan, "only one CPU: both ends share it, and polling waits for the "
				 "scheduler");
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &limit);
	}
}

static int run(struct bench_plan *plan, const struct options *options)
{
	unsigned failures = 0, i, j;

	bench_measure(plan);
	for (i = 0; i < plan->case_count; i++)
		for (j = 0; j < plan->path_count; j++)
			failures += plan->cases[i].results[j].failed;
	if (plan->other_load > LOAD_WARNING)
		bench_warn(plan,
			   "other processes used %.2f CPUs during the run: repeat it on a quiet "
			   "machine",
			   plan->other_load);
	if (failures)
		bench_warn(plan, "%u measurements failed", failures);
	if (!options->json)
		bench_report_text(plan, stdout);
	else if (!bench_report_json(plan, stdout))
		failures++;
	return fflush(stdout) == 0 && !failures ? WSDCTL_OK : WSDCTL_FAILED;
}

static int parse(int argc, char **argv, struct options *o)
{
	const struct poptOption table[] = {
		{ "figures", 'f', POPT_ARG_STRING | POPT_ARGFLAG_SHOW_DEFAULT, &o->figures, 0,
		  "what to measure", "LIST" },
		{ "paths", 'p', POPT_ARG_STRING | POPT_ARGFLAG_SHOW_DEFAULT, &o->paths, 0,
		  "backends, and os for the TCP of the operating system", "LIST" },
		{ "sizes", 's', POPT_ARG_STRING, &o->sizes, 0,
		  "message sizes of latency and stream, in bytes, k or m", "LIST" },
		{ "wait", 'w', POPT_ARG_STRING | POPT_ARGFLAG_SHOW_DEFAULT, &o->wait, 0,
		  "nonblocking calls in a loop, blocking ones, or both", "poll,block" },
		{ "rounds", 'r', POPT_ARG_INT | POPT_ARGFLAG_SHOW_DEFAULT, &o->rounds, 0,
		  "how often the paths take turns", "N" },
		{ "time", 't', POPT_ARG_INT | POPT_ARGFLAG_SHOW_DEFAULT, &o->time_ms, 0,
		  "length of one measurement", "MS" },
		{ "connections", 'c', POPT_ARG_INT | POPT_ARGFLAG_SHOW_DEFAULT, &o->connections, 0,
		  "idle connections", "N" },
		{ "json", 'j', POPT_ARG_NONE, &o->json, 0, "JSON in place of the table", NULL },
		POPT_AUTOHELP POPT_TABLEEND
	};
	poptContext context =
		poptGetContext("wsdctl bench", argc, (const char **)(uintptr_t)argv, table, 0);
	int code = poptGetNextOpt(context), result = WSDCTL_OK;

	if (code < -1)
		result = usage_error("%s: %s", poptBadOption(context, 0), poptStrerror(code));
	else if (poptPeekArg(context))
		result = usage_error("%s: there are only options", poptPeekArg(context));
	poptFreeContext(context);
	return result;
}

static int check_numbers(const struct options *o)
{
	if (o->rounds < 1 || o->rounds > BENCH_ROUNDS_MAX)
		return usage_error("--rounds %d: 1 to %d", o->rounds, BENCH_ROUNDS_MAX);
	if (o->time_ms < 1 || o->time_ms > 5000)
		return usage_error("--time %d: 1 to 5000", o->time_ms);
	if (o->connections < 2 || o->connections > 50000)
		return usage_error("--connections %d: 2 to 50000", o->connections);
	if (!in_list(o->wait, "poll") && !in_list(o->wait, "block"))
		return usage_error("--wait %s: poll, block or poll,block", o->wait);
	return WSDCTL_OK;
}

static int bench(const struct options *o)
{
	struct bench_plan plan = { 0 };
	uint32_t sizes[SIZES_MAX];
	unsigned count = 0;
	char paths[256];
	int result = check_numbers(o);

	if (result == WSDCTL_OK)
		result = read_figures(o->figures);
	if (result == WSDCTL_OK && o->sizes)
		result = read_sizes(o->sizes, sizes, &count);
	snprintf(paths, sizeof(paths), "%s", o->paths);
	if (result == WSDCTL_OK)
		result = read_paths(o, &plan, paths);
	if (result != WSDCTL_OK)
		return result;
	plan.rounds = (unsigned)o->rounds;
	plan.time_ms = (unsigned)o->time_ms;
	plan.connections = (unsigned)o->connections;
	prepare_machine(&plan);
	if (add_cases(&plan, o, sizes, count)) {
		result = run(&plan, o);
	} else {
		fprintf(stderr, "wsdctl bench: out of memory\n");
		result = WSDCTL_FAILED;
	}
	free_cases(&plan);
	return result;
}

/* popt gives copies of the arguments away. */
static void free_argument(const char *value, const char *standard)
{
	if (value != standard)
		free((char *)(uintptr_t)value);
}

int wsdctl_bench(int argc, char **argv)
{
	const struct options standard = { .figures = "latency,rate,stream,connect,idle",
					  .paths = "shm,tcp,os",
					  .wait = "poll,block",
					  .rounds = 21,
					  .time_ms = 40,
					  .connections = 1000 };
	struct options o = standard;
	int result = parse(argc, argv, &o);

	if (result == WSDCTL_OK)
		result = bench(&o);
	free_argument(o.figures, standard.figures);
	free_argument(o.paths, standard.paths);
	free_argument(o.sizes, standard.sizes);
	free_argument(o.wait, standard.wait);
	return result;
}
