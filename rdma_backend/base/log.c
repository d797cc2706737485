// SPDX-License-Identifier: BSD-2-Clause
/*
 * log.c - log lines: "openwsd 4711 12.345678 warning engine: text". A line is formatted on the stack
 * and written at once, so there is no lock to hold over fork and lines of processes do not mix.
 */

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "rdma_backend/base/base.h"
#include "rdma_backend/base/internal.h"
#include "rdma_backend/base/platform.h"

#define LINE_SIZE    512
#define LEVEL_UNREAD (-2)
#define LEVEL_SILENT (-1)

#ifdef _WIN32
#define APPEND_MODE "aN"
#else
#define APPEND_MODE "ae"
#endif

static const char *const level_names[] = { "error", "warning", "notice", "info", "debug" };
#define LEVEL_COUNT ((int)(sizeof(level_names) / sizeof(level_names[0])))

static atomic_int threshold = LEVEL_UNREAD;
static _Atomic(FILE *) sink;

/* WSD_LOG_FILE, where %p stands for the process id. NULL: stderr. */
static FILE *open_sink(void)
{
	const char *text = wsd_param_find("LOG_FILE", NULL);
	const char *mark = text ? strstr(text, "%p") : NULL;
	char path[1024];
	FILE *file;

	if (!text || !*text)
		return NULL;
	if (mark)
		snprintf(path, sizeof(path), "%.*s%u%s", (int)(mark - text), text,
			 (unsigned)wsd_process_id(), mark + 2);
	else
		snprintf(path, sizeof(path), "%s", text);
	file = fopen(path, APPEND_MODE);
	if (file)
		setvbuf(file, NULL, _IOLBF, LINE_SIZE * 2);
	return file;
}

/* The same letter in any case; in every locale the same. */
static bool same_letter(char a, char b)
{
	return a == b || (a >= 'A' && a <= 'Z' && a - 'A' + 'a' == b);
}

static int parse_level(const char *text)
{
	int level;

	for (level = 0; text && level < LEVEL_COUNT; level++) {
		const char *name = level_names[level];
		size_t i = 0;

		while (name[i] && same_letter(text[i], name[i]))
			i++;
		if (!name[i] && !text[i])
			return level;
	}
	return LEVEL_SILENT;
}

bool wsd_log_level_known(const char *text)
{
	return !text || !*text || parse_level(text) != LEVEL_SILENT;
}

/* At any level: who misspelt that would hear nothing at all. */
static void complain(const char *format, const char *text)
{
	char line[LINE_SIZE];
	FILE *file = atomic_load(&sink);

	snprintf(line, sizeof(line), format, (unsigned)wsd_process_id(), text);
	fputs(line, file ? file : stderr);
	if (file)
		fflush(file);
}

static int read_settings(void)
{
	const char *text = wsd_param_find("LOG", NULL);
	int level = parse_level(text), unread = LEVEL_UNREAD;
	bool known = wsd_log_level_known(text);

	if ((level != LEVEL_SILENT || !known) && !atomic_load(&sink)) {
		FILE *file = open_sink();
		FILE *none = NULL;

		if (file && !atomic_compare_exchange_strong(&sink, &none, file))
			fclose(file); /* another thread was first */
	}
	if (atomic_compare_exchange_strong(&threshold, &unread, level) && !known)
		complain(
			"openwsd %u warning log: nothing is logged, because WSD_LOG is \"%.80s\", which is "
			"none of " WSD_LOG_LEVELS "\n",
			text);
	return level;
}

bool wsd_log_enabled(int level)
{
	/* Relaxed: a line more or less while the settings are being read does no harm. */
	int limit = atomic_load_explicit(&threshold, memory_order_relaxed);

	if (limit == LEVEL_UNREAD)
		limit = read_settings();
	return level <= limit;
}

void wsd_log(int level, const char *topic, const char *format, ...)
{
	char line[LINE_SIZE];
	uint64_t now;
	size_t used;
	va_list args;
	FILE *file;
	int length;

	if (level < 0 || level >= LEVEL_COUNT || !wsd_log_enabled(level))
		return;
	now = wsd_clock_ns();
	length = snprintf(line, sizeof(line),
			  "openwsd %u %llu.%06u %s %.31s: ", (unsigned)wsd_process_id(),
			  (unsigned long long)(now / 1000000000u),
			  (unsigned)(now % 1000000000u / 1000u), level_names[level], topic);
	used = length > 0 ? (size_t)length : 0;
	va_start(args, format);
	length = vsnprintf(line + used, sizeof(line) - used - 1, format, args);
	va_end(args);
	if (length > 0)
		used += (size_t)length < sizeof(line) - used - 1 ? (size_t)length
								 : sizeof(line) - used - 2;
	line[used++] = '\n';
	file = atomic_load(&sink);
	fwrite(line, 1, used, file ? file : stderr);
	if (file)
		fflush(file);
}

void wsd_log_reset(void)
{
	FILE *file = atomic_exchange(&sink, NULL);

	if (file)
		fclose(file);
	atomic_store(&threshold, LEVEL_UNREAD);
}
