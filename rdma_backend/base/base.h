/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * base.h - logging, parameters, counters and allocation: what struct wsd_host offers to backends and
 * what the provider uses directly.
 */
#ifndef WSD_BASE_BASE_H
#define WSD_BASE_BASE_H

#include <openwsd/backend.h>

enum wsd_log_level { WSD_LOG_ERROR, WSD_LOG_WARNING, WSD_LOG_NOTICE, WSD_LOG_INFO, WSD_LOG_DEBUG };

/* Silent unless WSD_LOG names a level (error .. debug); sink stderr or the file WSD_LOG_FILE. */
void wsd_log(int level, const char *topic, const char *format, ...)
#if defined(__GNUC__) && !defined(_WIN32)
	__attribute__((format(printf, 3, 4)))
#endif
	;
bool wsd_log_enabled(int level);

/*
 * Parameters: WSD_<NAME> in the environment over openwsd.conf over the standard value. A value out of
 * [min, max] or not a number is logged once and the standard value used.
 */
uint64_t wsd_param_uint(const char *name, uint64_t standard, uint64_t min, uint64_t max);
const char *wsd_param_text(const char *name, const char *standard);

/* Counters live for the life of the process; add with wsd_count. */
uint64_t *wsd_counter(const char *topic, const char *name, const char *help);
void wsd_count(uint64_t *counter, uint64_t n);
uint64_t wsd_counter_value(const uint64_t *counter);
void wsd_counter_each(void (*visit)(const char *topic, const char *name, const char *help,
				    uint64_t value, void *arg),
		      void *arg);

/* Zeroed memory. WSD_DEBUG_FAIL_ALLOC=n or wsd_alloc_fail_nth(n) makes the n-th call from now on fail
 * (once); 0 = never. wsd_alloc_live() counts blocks not freed, for leak tests. */
void *wsd_alloc(size_t size);
void wsd_free(void *memory);
void wsd_alloc_fail_nth(uint64_t n);
bool wsd_alloc_failed(void); /* has the failure armed last happened? */
uint64_t wsd_alloc_live(void);

/* The host table for backends. */
const struct wsd_host *wsd_host_table(void);
/* Set once by the provider's engine before any queue exists: what host->wake does. */
void wsd_host_set_wake(void (*wake)(void *queue_context));

/* Addresses: text is "1.2.3.4:port" or "[::1%scope]:port"; buffer of WSD_ADDR_TEXT bytes. */
#define WSD_ADDR_TEXT 64
const char *wsd_addr_text(const struct wsd_addr *addr, char *buffer);
bool wsd_addr_equal(const struct wsd_addr *a, const struct wsd_addr *b); /* port included */
/* The same of ends that the system named: it has a scope only for those that are local to a link. */
bool wsd_addr_same_end(const struct wsd_addr *a, const struct wsd_addr *b);
bool wsd_addr_is_any(const struct wsd_addr *addr);
bool wsd_addr_is_loopback(const struct wsd_addr *addr);

#endif
