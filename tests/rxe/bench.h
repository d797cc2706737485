/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bench.h - the figures of suite rxe's benchmark: what the loops ask of each way to move bytes. Two processes
 * run the same plan, one as the server, one as the client; a failure ends both. (Measured on one processor by
 * instructions, so nothing may poll in a loop: it would burn its peer's time.)
 */
#ifndef WSD_TEST_RXE_BENCH_H
#define WSD_TEST_RXE_BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BENCH_BYTES    (1u << 20) /* the longest message */
#define BENCH_ROUNDS   32u
#define BENCH_NO_LIMIT UINT32_MAX

struct bench_link; /* one connection */

struct bench_way {
	const char *name;
	void (*start)(void);
	uint16_t (*listen)(void); /* on bench_server; the port */
	struct bench_link *(*accept)(void);
	struct bench_link *(*connect)(uint16_t port);
	void (*close)(struct bench_link *link); /* the server's: when the client has closed */
	/* One message, blocking. It starts and ends with the number that is in bench_out, bench_in. */
	void (*send)(struct bench_link *link, uint32_t size);
	void (*recv)(struct bench_link *link, uint32_t size);
	uint32_t window; /* messages that may be under way; a multiple of 4 */
};

extern const struct bench_way bench_raw_send, bench_raw_write_imm, bench_rsockets, bench_openwsd;

extern char *bench_out, *bench_in; /* BENCH_BYTES each, whole pages */
extern const char *bench_server;   /* its IPv4 address */

/* A message with the cause, and the end of the process. */
_Noreturn void bench_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* --- bench_report.c --- */
enum bench_kind { BENCH_LATENCY, BENCH_STREAM, BENCH_CHURN, BENCH_MEMORY };

/* One line of the table. */
struct bench_figure {
	const char *name;
	enum bench_kind kind;
	uint32_t size, count; /* bytes of a message; messages or connections of one round */
	double goal; /* of ours to raw: at most (latency), at least (others); KiB (memory) */
};

enum { BENCH_RAW_SEND, BENCH_RAW_WRITE_IMM, BENCH_OURS, BENCH_RSOCKETS, BENCH_WAYS };

/* One value for each round: us (latency, the lower quartile), MB/s, connections per second, KiB. */
struct bench_values {
	double of[BENCH_WAYS][BENCH_ROUNDS];
};

/* Prints the table, and writes file if it is not NULL. True: every goal is reached. */
bool bench_report(const struct bench_figure *figures, const struct bench_values *values,
		  unsigned count, unsigned rounds, const char *file);

#endif
