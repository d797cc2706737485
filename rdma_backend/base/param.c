// SPDX-License-Identifier: BSD-2-Clause
/*
 * param.c - parameters: environment over openwsd.conf over the standard value. The file is read once,
 * at the first question. Texts handed out live as long as the process. Nothing is logged with the
 * lock held, because logging asks for parameters itself. What is wrong with them is param_check.c's.
 */

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rdma_backend/base/base.h"
#include "rdma_backend/base/internal.h"
#include "rdma_backend/base/platform.h"

#define NAME_SIZE WSD_PARAM_NAME
#define LINE_SIZE 1024

enum entry_kind { ENTRY_TEXT, ENTRY_COMPLAINT };

/* What must outlive the call: texts handed out, names complained of. */
struct entry {
	struct entry *next;
	enum entry_kind kind;
	char name[NAME_SIZE];
	char *value;
};

static struct wsd_mutex lock = WSD_MUTEX_INIT;
static struct entry *entries;
static struct wsd_param_line *lines; /* of the file, in their order; they stay as they are */
static const char *file_trouble;
static const char *chosen_file;
static bool file_read;

/* In every locale the same. */
static char to_key(char c)
{
	if (c >= 'a' && c <= 'z')
		return (char)(c - 'a' + 'A');
	return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ? c : '_';
}

bool wsd_param_canonical(char *to, const char *from)
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

/* [lock] spoiled: why nothing of the line may be in force, or NULL. */
static struct wsd_param_line **parse_line(char *line, unsigned number, const char *spoiled,
					  struct wsd_param_line **end)
{
	struct wsd_param_line *made;
	char *text = trim(line), *equals;
	const char *value;
	size_t size;

	if (*text == '#' || (!*text && !spoiled))
		return end;
	equals = strchr(text, '=');
	if (equals)
		*equals = '\0';
	value = equals ? trim(equals + 1) : "";
	size = strlen(value) + 1;
	made = wsd_raw_alloc(sizeof(*made) + size);
	if (!made)
		return end;
	made->number = number;
	made->trouble = spoiled;
	if (!spoiled && (!equals || !wsd_param_canonical(made->name, trim(text))))
		made->trouble = "not key = value";
	if (made->trouble)
		made->name[0] = '\0';
	made->value = memcpy(made + 1, value, size);
	*end = made;
	return &made->next;
}

const char *wsd_param_file(void)
{
	const char *path = chosen_file ? chosen_file : wsd_env("WSD_CONFIG");

	return path && *path ? path : wsd_default_config();
}

void wsd_param_choose_file(const char *path)
{
	chosen_file = path;
}

/* Nobody has to have the file that nobody named. */
static bool may_lack(int error)
{
	const char *named = chosen_file ? chosen_file : wsd_env("WSD_CONFIG");

	return (error == ENOENT || error == ENOTDIR) && !(named && *named);
}

/* Editors of Windows put a mark in front of UTF-8, or save UTF-16. False: the latter. */
static bool skip_mark(char *line)
{
	if (memcmp(line, "\xff\xfe", 2) == 0 || memcmp(line, "\xfe\xff", 2) == 0)
		return false;
	if (strncmp(line, "\xef\xbb\xbf", 3) == 0)
		memmove(line, line + 3, strlen(line + 3) + 1);
	return true;
}

/* False: the file has ended. spoiled: what of it cannot be a line, or NULL; part of one would mean something else. */
static bool read_line(FILE *file, char *line, const char **spoiled)
{
	size_t length = 0;
	int c;

	*spoiled = NULL;
	while ((c = fgetc(file)) != EOF && c != '\n') {
		if (length == LINE_SIZE - 1)
			*spoiled = "longer than 1023 bytes";
		else if (c == '\0')
			*spoiled = "not text";
		else
			line[length++] = (char)c;
	}
	line[length] = '\0';
	return c != EOF || length > 0 || *spoiled;
}

/* [lock] What keeps the whole file from being read, or NULL. */
static const char *read_lines(FILE *file)
{
	struct wsd_param_line **end = &lines;
	char line[LINE_SIZE];
	const char *spoiled;
	unsigned number = 0;

	while (read_line(file, line, &spoiled)) {
		if (++number == 1 && !skip_mark(line))
			return "is UTF-16, of which nothing is read: save it as UTF-8";
		end = parse_line(line, number, spoiled, end);
	}
	return ferror(file) ? "cannot be read" : NULL;
}

/* [lock] */
static void read_file(void)
{
	FILE *file;

	if (file_read)
		return;
	file_read = true;
	errno = 0;
	file = fopen(wsd_param_file(), "r");
	if (!file) {
		file_trouble = may_lack(errno)			     ? NULL
			       : errno == ENOENT || errno == ENOTDIR ? "is not there"
								     : "cannot be read";
		return;
	}
	file_trouble = read_lines(file);
	fclose(file);
}

const struct wsd_param_line *wsd_param_file_lines(const char **trouble)
{
	const struct wsd_param_line *first;

	wsd_mutex_lock_static(&lock, WSD_FORK_RANK_PARAM);
	read_file();
	first = lines;
	if (trouble)
		*trouble = file_trouble;
	wsd_mutex_unlock(&lock);
	return first;
}

/* The last one counts. */
static const char *find_in_file(const char *name)
{
	const struct wsd_param_line *line = wsd_param_file_lines(NULL);
	const char *value = NULL;

	for (; line; line = line->next)
		if (strcmp(line->name, name) == 0)
			value = line->value;
	return value;
}

/* A copy: the environment's own memory goes with the next setenv. */
static const char *keep_text(const char *name, const char *text)
{
	struct entry *entry;

	wsd_mutex_lock_static(&lock, WSD_FORK_RANK_PARAM);
	entry = find_entry(ENTRY_TEXT, name, text);
	if (!entry)
		entry = add_entry(ENTRY_TEXT, name, text);
	wsd_mutex_unlock(&lock);
	return entry ? entry->value : NULL;
}

const char *wsd_param_find(const char *name, enum wsd_param_origin *origin)
{
	enum wsd_param_origin from = WSD_PARAM_ENVIRONMENT;
	char full[NAME_SIZE + 4];
	const char *value, *text;

	memcpy(full, "WSD_", 4);
	if (!wsd_param_canonical(full + 4, name))
		return NULL;
	text = wsd_env(full);
	if (text) {
		value = keep_text(full + 4, text);
	} else {
		value = find_in_file(full + 4);
		from = WSD_PARAM_FILE;
	}
	if (origin)
		*origin = value ? from : WSD_PARAM_STANDARD;
	return value;
}

void wsd_param_lines(const char *name, void (*visit)(const char *value, unsigned line, void *arg),
		     void *arg)
{
	const struct wsd_param_line *line = wsd_param_file_lines(NULL);

	for (; line; line = line->next)
		if (strcmp(line->name, name) == 0)
			visit(line->value, line->number, arg);
}

const char *wsd_param_text(const char *name, const char *standard)
{
	const char *value = wsd_param_find(name, NULL);

	wsd_param_report();
	return value ? value : standard;
}

/* Decimal or 0x, then an optional k, m or g for powers of 1024. */
bool wsd_param_parse(const char *text, uint64_t *value)
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

	if (!wsd_param_canonical(canonical, name))
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
	if (wsd_param_parse(text, &value) && value >= min && value <= max)
		return value;
	if (first_complaint(name, text))
		wsd_log(WSD_LOG_WARNING, "param",
			"%s: %s is not a number from %llu to %llu, using %llu", name, text,
			(unsigned long long)min, (unsigned long long)max,
			(unsigned long long)standard);
	return standard;
}

void wsd_param_reset(void)
{
	struct wsd_param_line *line;
	struct entry *entry;

	wsd_mutex_lock_static(&lock, WSD_FORK_RANK_PARAM);
	while ((entry = entries) != NULL) {
		entries = entry->next;
		wsd_raw_free(entry);
	}
	while ((line = lines) != NULL) {
		lines = line->next;
		wsd_raw_free(line);
	}
	file_read = false;
	file_trouble = NULL;
	wsd_mutex_unlock(&lock);
	wsd_param_report_again();
}
