// SPDX-License-Identifier: BSD-2-Clause
/*
 * param.c - parameters: environment over openwsd.conf over the standard value. The file is read once,
 * at the first question. Texts handed out live as long as the process. Nothing is logged with the
 * lock held, because logging asks for parameters itself.
 */

#include <ctype.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rdma_backend/base/base.h"
#include "rdma_backend/base/internal.h"
#include "rdma_backend/base/param_names.h"
#include "rdma_backend/base/platform.h"

#define NAME_SIZE 64
#define LINE_SIZE 1024

enum entry_kind { ENTRY_FILE, ENTRY_TEXT, ENTRY_COMPLAINT };

/* One list for what must outlive the call: keys of the file, texts handed out, names complained of. */
struct entry {
	struct entry *next;
	enum entry_kind kind;
	unsigned line;
	bool reported;
	char name[NAME_SIZE];
	char *value;
};

static struct wsd_mutex lock = WSD_MUTEX_INIT;
static struct entry *entries;
static bool file_read;
static atomic_bool file_checked;

static const struct wsd_param_info known[] = {
#define WSD_PARAM_INFO(name, standard, help) { name, standard, help, NULL, WSD_PARAM_STANDARD },
	WSD_PARAM_LIST(WSD_PARAM_INFO)
#undef WSD_PARAM_INFO
};
#define KNOWN_COUNT (sizeof(known) / sizeof(known[0]))

/* In every locale the same. */
static char to_key(char c)
{
	if (c >= 'a' && c <= 'z')
		return (char)(c - 'a' + 'A');
	return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ? c : '_';
}

/* "mr-cache.entries" and "MR_CACHE_ENTRIES" are one parameter. */
static bool canonical_name(char *to, const char *from)
{
	size_t i;

	for (i = 0; from[i]; i++) {
		if (i + 1 >= NAME_SIZE)
			return false;
		to[i] = to_key(from[i]);
	}
	to[i] = '\0';
	return i > 0;
}

/* [lock] NULL: out of memory. */
static struct entry *add_entry(enum entry_kind kind, const char *name, const char *value)
{
	size_t size = strlen(value) + 1;
	struct entry *entry = wsd_raw_alloc(sizeof(*entry) + size);

	if (!entry)
		return NULL;
	entry->kind = kind;
	snprintf(entry->name, sizeof(entry->name), "%s", name);
	entry->value = memcpy(entry + 1, value, size);
	entry->next = entries;
	entries = entry;
	return entry;
}

/* [lock] */
static struct entry *find_entry(enum entry_kind kind, const char *name, const char *value)
{
	struct entry *entry;

	for (entry = entries; entry; entry = entry->next)
		if (entry->kind == kind && strcmp(entry->name, name) == 0 &&
		    (!value || strcmp(entry->value, value) == 0))
			return entry;
	return NULL;
}

static char *trim(char *text)
{
	size_t length;

	while (isspace((unsigned char)*text))
		text++;
	length = strlen(text);
	while (length && isspace((unsigned char)text[length - 1]))
		length--;
	text[length] = '\0';
	return text;
}

/* [lock] A line that is no "key = value" is kept with an empty name, to be reported. */
static void parse_line(char *line, unsigned number)
{
	char name[NAME_SIZE];
	struct entry *entry;
	char *text = trim(line);
	char *equals;

	if (!*text || *text == '#')
		return;
	equals = strchr(text, '=');
	if (equals)
		*equals = '\0';
	if (!equals || !canonical_name(name, trim(text)))
		name[0] = '\0';
	entry = add_entry(ENTRY_FILE, name, equals ? trim(equals + 1) : "");
	if (entry)
		entry->line = number;
}

const char *wsd_param_file(void)
{
	const char *path = wsd_env("WSD_CONFIG");

	return path && *path ? path : wsd_default_config();
}

/* [lock] */
static void read_file(void)
{
	FILE *file = fopen(wsd_param_file(), "r");
	char line[LINE_SIZE];
	unsigned number = 0;

	file_read = true;
	if (!file)
		return;
	while (fgets(line, sizeof(line), file)) {
		bool whole = strchr(line, '\n') != NULL;
		int c = 0;

		parse_line(line, ++number);
		while (!whole && (c = fgetc(file)) != EOF && c != '\n')
			; /* the rest of a line that is too long is dropped */
	}
	fclose(file);
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
			if (canonical_name(canonical, one) &&
			    strncmp(name, canonical, length) == 0 && name[length] == '_')
				return true;
		}
		backends += length;
		backends += strspn(backends, ", ");
	}
	return false;
}

static bool is_known(const char *name, const char *backends)
{
	size_t i;

	for (i = 0; i < KNOWN_COUNT; i++)
		if (strcmp(known[i].name, name) == 0)
			return true;
	return is_backend_key(name, backends);
}

/* Take one unreported problem of the file. False when there is none left. */
static bool take_problem(const char *backends, unsigned *line, char *name)
{
	struct entry *entry;
	bool found = false;

	wsd_mutex_lock_static(&lock, WSD_FORK_RANK_PARAM);
	for (entry = entries; entry && !found; entry = entry->next) {
		if (entry->kind != ENTRY_FILE || entry->reported)
			continue;
		entry->reported = true;
		if (entry->name[0] && is_known(entry->name, backends))
			continue;
		*line = entry->line;
		memcpy(name, entry->name, NAME_SIZE);
		found = true;
	}
	wsd_mutex_unlock(&lock);
	return found;
}

static void report_file_problems(void)
{
	const char *backends;
	char name[NAME_SIZE];
	unsigned line;

	if (atomic_load(&file_checked) || atomic_exchange(&file_checked, true))
		return;
	backends = wsd_param_find("BACKENDS", NULL);
	while (take_problem(backends, &line, name)) {
		if (name[0])
			wsd_log(WSD_LOG_WARNING, "param", "%s line %u: unknown key %s",
				wsd_param_file(), line, name);
		else
			wsd_log(WSD_LOG_WARNING, "param", "%s line %u: not key = value",
				wsd_param_file(), line);
	}
}

const char *wsd_param_find(const char *name, enum wsd_param_origin *origin)
{
	enum wsd_param_origin from = WSD_PARAM_STANDARD;
	char full[NAME_SIZE + 4];
	const char *value = NULL;
	struct entry *entry = NULL;
	const char *text;

	memcpy(full, "WSD_", 4);
	if (!canonical_name(full + 4, name))
		return NULL;
	text = wsd_env(full);
	wsd_mutex_lock_static(&lock, WSD_FORK_RANK_PARAM);
	if (!file_read)
		read_file();
	if (text) {
		/* A copy: the environment's own memory goes with the next setenv. */
		entry = find_entry(ENTRY_TEXT, full + 4, text);
		if (!entry)
			entry = add_entry(ENTRY_TEXT, full + 4, text);
		from = WSD_PARAM_ENVIRONMENT;
	} else {
		entry = find_entry(ENTRY_FILE, full + 4, NULL);
		from = WSD_PARAM_FILE;
	}
	if (entry)
		value = entry->value;
	wsd_mutex_unlock(&lock);
	if (origin)
		*origin = value ? from : WSD_PARAM_STANDARD;
	return value;
}

/* The next one behind line; NULL: none. */
static const struct entry *next_line(const char *name, unsigned line)
{
	const struct entry *entry, *next = NULL;

	wsd_mutex_lock_static(&lock, WSD_FORK_RANK_PARAM);
	if (!file_read)
		read_file();
	for (entry = entries; entry; entry = entry->next) {
		if (entry->kind == ENTRY_FILE && entry->line > line &&
		    strcmp(entry->name, name) == 0 && (!next || entry->line < next->line))
			next = entry;
	}
	wsd_mutex_unlock(&lock);
	return next;
}

void wsd_param_lines(const char *name, void (*visit)(const char *value, unsigned line, void *arg),
		     void *arg)
{
	const struct entry *entry = next_line(name, 0);

	for (; entry; entry = next_line(name, entry->line))
		visit(entry->value, entry->line, arg);
}

const char *wsd_param_text(const char *name, const char *standard)
{
	const char *value = wsd_param_find(name, NULL);

	report_file_problems();
	return value ? value : standard;
}

/* Decimal or 0x, then an optional k, m or g for powers of 1024. */
static bool parse_uint(const char *text, uint64_t *value)
{
	unsigned shift = 0;
	char *end;

	if (!isdigit((unsigned char)*text))
		return false;
	*value = strtoull(text, &end, strncmp(text, "0x", 2) == 0 ? 16 : 10);
	switch (*end) {
	case 'k':
	case 'K':
		shift = 10;
		break;
	case 'm':
	case 'M':
		shift = 20;
		break;
	case 'g':
	case 'G':
		shift = 30;
		break;
	default:
		break;
	}
	if (shift)
		end++;
	if (*end || *value > UINT64_MAX >> shift)
		return false;
	*value <<= shift;
	return true;
}

static bool first_complaint(const char *name, const char *value)
{
	char canonical[NAME_SIZE];
	bool first = false;

	if (!canonical_name(canonical, name))
		return false;
	wsd_mutex_lock_static(&lock, WSD_FORK_RANK_PARAM);
	if (!find_entry(ENTRY_COMPLAINT, canonical, value))
		first = add_entry(ENTRY_COMPLAINT, canonical, value) != NULL;
	wsd_mutex_unlock(&lock);
	return first;
}

uint64_t wsd_param_uint(const char *name, uint64_t standard, uint64_t min, uint64_t max)
{
	const char *text = wsd_param_text(name, NULL);
	uint64_t value = 0;

	if (!text)
		return standard;
	if (parse_uint(text, &value) && value >= min && value <= max)
		return value;
	if (first_complaint(name, text))
		wsd_log(WSD_LOG_WARNING, "param",
			"%s: %s is not a number from %llu to %llu, using %llu", name, text,
			(unsigned long long)min, (unsigned long long)max,
			(unsigned long long)standard);
	return standard;
}

void wsd_param_each(void (*visit)(const struct wsd_param_info *info, void *arg), void *arg)
{
	size_t i;

	for (i = 0; i < KNOWN_COUNT; i++) {
		struct wsd_param_info info = known[i];

		info.value = wsd_param_find(info.name, &info.origin);
		visit(&info, arg);
	}
}

void wsd_param_reset(void)
{
	struct entry *entry;

	wsd_mutex_lock_static(&lock, WSD_FORK_RANK_PARAM);
	while ((entry = entries) != NULL) {
		entries = entry->next;
		wsd_raw_free(entry);
	}
	file_read = false;
	atomic_store(&file_checked, false);
	wsd_mutex_unlock(&lock);
}
