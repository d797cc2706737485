/* SPDX-License-Identifier: BSD-2-Clause */
/* internal.h - what the files of base share with each other, with the registry and with their tests. */
#ifndef WSD_BASE_INTERNAL_H
#define WSD_BASE_INTERNAL_H

#include <stddef.h>
#include <stdlib.h>

#include "rdma_backend/base/base.h"

/*
 * Zeroed memory for bookkeeping that lives as long as the process or a thread (counters, parameters,
 * wakers). It is outside wsd_alloc_live and the armed failure, so that leak and failure tests see
 * only what connections and sockets use.
 */
void *wsd_raw_alloc(size_t size);
void wsd_raw_free(void *memory);

/* A mutex or condition that the system refuses means a broken program: nothing could go on. */
static inline void wsd_must(int error)
{
	if (error)
		abort();
}

/* How many forks led from the first process to this one. */
unsigned wsd_fork_generation(void);

/* The text of a parameter, or NULL when neither environment nor file set it. Never logs. */
enum wsd_param_origin { WSD_PARAM_STANDARD, WSD_PARAM_FILE, WSD_PARAM_ENVIRONMENT };
const char *wsd_param_find(const char *name, enum wsd_param_origin *origin);
/* Every line of the file with this name, in their order; a name that may stand more than once is not looked for
 * in the environment. */
void wsd_param_lines(const char *name, void (*visit)(const char *value, unsigned line, void *arg),
		     void *arg);
/* The file that is read, whether it exists or not. */
const char *wsd_param_file(void);
/* For tools, before anything is asked: this file in place of that of the environment. The text stays the caller's. */
void wsd_param_choose_file(const char *path);

#define WSD_PARAM_NAME 64
/* A line of the file; trouble: why nothing of it is in force, with an empty name, or NULL. */
struct wsd_param_line {
	struct wsd_param_line *next;
	unsigned number;
	const char *trouble;
	char name[WSD_PARAM_NAME];
	const char *value;
};
/* All of them, in their order. trouble: why the file could not be read; NULL also where nobody named a file, and
 * there is none. */
const struct wsd_param_line *wsd_param_file_lines(const char **trouble);

/* "mr-cache.entries" and "MR_CACHE_ENTRIES" are one parameter. False: too long, or nothing. */
bool wsd_param_canonical(char *to, const char *from);
/* Decimal or 0x, then an optional k, m or g for powers of 1024. */
bool wsd_param_parse(const char *text, uint64_t *value);

/* Everything in param_names.h; value is NULL where the standard one holds, refused the value that is not in force. */
struct wsd_param_info {
	const char *name, *standard, *help;
	uint64_t least, most; /* 0: a text */
	const char *value;
	enum wsd_param_origin origin; /* of value or refused */
	const char *refused;
};
void wsd_param_each(void (*visit)(const struct wsd_param_info *info, void *arg), void *arg);
/* Why it was refused. */
bool wsd_param_problem(const struct wsd_param_info *info, char *text, size_t size);
typedef void (*wsd_param_visit)(const char *text, void *arg);
/* What is wrong with the file, in the order of its lines; variables WSD_* that nobody asks for. */
void wsd_param_file_problems(wsd_param_visit visit, void *arg);
void wsd_param_env_problems(wsd_param_visit visit, void *arg);
/* Both to the log, once. */
void wsd_param_report(void);
void wsd_param_report_again(void);
/* For tests: forget the file and the complaints, read again at next use. */
void wsd_param_reset(void);

#define WSD_LOG_LEVELS "error, warning, notice, info and debug"
/* Is it a level, in any case of letters, or empty? */
bool wsd_log_level_known(const char *text);
/* For tests: forget level and sink, read WSD_LOG and WSD_LOG_FILE again at next use. */
void wsd_log_reset(void);

#endif
