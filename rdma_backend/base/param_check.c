// SPDX-License-Identifier: BSD-2-Clause
/*
 * param_check.c - what is wrong with the configuration, for the log and for tools: lines of the file that
 * nobody understands, numbers out of their limits, names of the environment that nobody asks for.
 */

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "rdma_backend/base/base.h"
#include "rdma_backend/base/internal.h"
#include "rdma_backend/base/param_names.h"
#include "rdma_backend/base/platform.h"

#define NAME_SIZE    WSD_PARAM_NAME
#define PROBLEM_SIZE 320

static const struct wsd_param_info known[] = {
#define WSD_PARAM_INFO(name, standard, help, least, most) \
	{ name, standard, help, least, most, NULL, WSD_PARAM_STANDARD, NULL },
	WSD_PARAM_LIST(WSD_PARAM_INFO)
#undef WSD_PARAM_INFO
};
#define KNOWN_COUNT (sizeof(known) / sizeof(known[0]))

/* Asked for by itself, not as a parameter. */
static const char *const other_variables[] = { "CONFIG", "DEBUG_FAIL_ALLOC" };

static atomic_bool reported;

static const struct wsd_param_info *find_known(const char *name)
{
	size_t i;

	for (i = 0; i < KNOWN_COUNT; i++)
		if (strcmp(known[i].name, name) == 0)
			return &known[i];
	return NULL;
}

/* Is this key one of a backend that the configuration names, so that a module may ask for it? */
static bool is_backend_key(const char *name, const char *backends)
{
	char canonical[NAME_SIZE];
	char one[NAME_SIZE];

	while (backends && *backends) {
		size_t length = strcspn(backends, ", ");

		if (length && length < sizeof(one) - 1) {
			memcpy(one, backends, length);
			one[length] = '\0';
			if (wsd_param_canonical(canonical, one) &&
			    strncmp(name, canonical, length) == 0 && name[length] == '_')
				return true;
		}
		backends += length;
		backends += strspn(backends, ", ");
	}
	return false;
}

static bool is_known(const char *name)
{
	return find_known(name) || is_backend_key(name, wsd_param_find("BACKENDS", NULL));
}

void wsd_param_file_problems(wsd_param_visit visit, void *arg)
{
	const struct wsd_param_line *line;
	char text[PROBLEM_SIZE];
	const char *trouble;

	line = wsd_param_file_lines(&trouble);
	if (trouble) {
		snprintf(text, sizeof(text), "%.200s %s", wsd_param_file(), trouble);
		visit(text, arg);
	}
	for (; line; line = line->next) {
		if (!line->trouble && is_known(line->name))
			continue;
		if (!line->trouble)
			snprintf(text, sizeof(text), "%.200s line %u: unknown key %s",
				 wsd_param_file(), line->number, line->name);
		else
			snprintf(text, sizeof(text), "%.200s line %u: %s", wsd_param_file(),
				 line->number, line->trouble);
		visit(text, arg);
	}
}

struct visitor {
	wsd_param_visit visit;
	void *arg;
};

static void check_variable(const char *name, void *arg)
{
	const struct visitor *visitor = arg;
	char text[PROBLEM_SIZE];
	char key[NAME_SIZE];
	size_t i;

	for (i = 0; i < sizeof(other_variables) / sizeof(other_variables[0]); i++)
		if (strcmp(name + 4, other_variables[i]) == 0)
			return;
	if (strcmp(name, "WSD_RULE") == 0)
		snprintf(text, sizeof(text),
			 "WSD_RULE has no effect: rules stand in the file only");
	else if (wsd_param_canonical(key, name + 4) && strcmp(key, name + 4) == 0 && is_known(key))
		return;
	else
		snprintf(text, sizeof(text),
			 "%.200s of the environment has no effect: there is no such parameter",
			 name);
	visitor->visit(text, visitor->arg);
}

void wsd_param_env_problems(wsd_param_visit visit, void *arg)
{
	struct visitor visitor = { visit, arg };

	wsd_env_each("WSD_", check_variable, &visitor);
}

bool wsd_param_problem(const struct wsd_param_info *info, char *text, size_t size)
{
	if (!info->refused)
		return false;
	if (strcmp(info->name, "LOG") == 0)
		snprintf(text, size, "LOG: %.100s is none of " WSD_LOG_LEVELS, info->refused);
	else
		snprintf(text, size, "%s: %.100s is not a number from %llu to %llu, using %s",
			 info->name, info->refused, (unsigned long long)info->least,
			 (unsigned long long)info->most, info->standard);
	return true;
}

static bool is_good(const struct wsd_param_info *info)
{
	uint64_t value;

	if (strcmp(info->name, "LOG") == 0)
		return wsd_log_level_known(info->value);
	if (info->most == 0)
		return true;
	return wsd_param_parse(info->value, &value) && value >= info->least && value <= info->most;
}

void wsd_param_each(void (*visit)(const struct wsd_param_info *info, void *arg), void *arg)
{
	size_t i;

	for (i = 0; i < KNOWN_COUNT; i++) {
		struct wsd_param_info info = known[i];

		info.value = wsd_param_find(info.name, &info.origin);
		if (info.value && !is_good(&info)) {
			info.refused = info.value;
			info.value = NULL;
		}
		visit(&info, arg);
	}
}

static void log_problem(const char *text, void *arg)
{
	wsd_log(*(const int *)arg, "param", "%s", text);
}

void wsd_param_report(void)
{
	int of_file = WSD_LOG_WARNING, of_environment = WSD_LOG_DEBUG;

	if (atomic_load(&reported) || atomic_exchange(&reported, true))
		return;
	wsd_param_file_problems(log_problem, &of_file);
	wsd_param_env_problems(log_problem, &of_environment);
}

void wsd_param_report_again(void)
{
	atomic_store(&reported, false);
}
