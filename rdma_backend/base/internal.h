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
/* Everything in param_names.h; value is NULL where the standard one holds. */
struct wsd_param_info {
	const char *name, *standard, *help, *value;
	enum wsd_param_origin origin;
};
void wsd_param_each(void (*visit)(const struct wsd_param_info *info, void *arg), void *arg);
/* For tests: forget the file and the complaints, read again at next use. */
void wsd_param_reset(void);

/* For tests: forget level and sink, read WSD_LOG and WSD_LOG_FILE again at next use. */
void wsd_log_reset(void);

#endif
