/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bench.h - what the files of `wsdctl bench` share.
 *
 * The controller (bench.c) starts two workers for each path and gives one order at a time to both
 * (bench_pair.c). A worker (bench_worker.c) carries it out with the loops of bench_loops.c, which
 * know sockets only through struct bench_io: the code is the same for OpenWSD and for the
 * system's TCP. bench_report.c prints.
 */
#ifndef WSD_WSDCTL_BENCH_H
#define WSD_WSDCTL_BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum { BENCH_AGAIN = -1, BENCH_ERROR = -2 };

/* What one path offers. A handle is a SOCKET or a descriptor. */
struct bench_loop;
struct bench_io {
	bool (*start)(void);
	intptr_t (*listen)(
		uint16_t *port); /* loopback, any port; -1 on failure, like the next two */
	intptr_t (*accept)(intptr_t listener);
	intptr_t (*connect)(uint16_t port);
	bool (*close)(intptr_t s);
	bool (*nonblocking)(intptr_t s, bool on);
	/* Bytes; recv: 0 at the end of the stream; BENCH_AGAIN or BENCH_ERROR. */
	long (*send)(intptr_t s, const char *buffer, size_t size);
	long (*recv)(intptr_t s, char *buffer, size_t size);
	/* The backend that carries the connection. */
	bool (*path)(intptr_t s, char *text, size_t size);
	/* Overlapped sends, each with a completion of its own; slots are 0 to BENCH_WINDOW - 1. */
	struct bench_loop *(*loop_open)(intptr_t s);
	bool (*post)(struct bench_loop *loop, unsigned slot, const char *buffer, size_t size);
	/* Wait for at least one completion; up to BENCH_WINDOW slots. 0 on failure. */
	unsigned (*reap)(struct bench_loop *loop, unsigned *slots);
	void (*loop_close)(struct bench_loop *loop);
	/* Why the last call of this thread failed. */
	const char *(*error)(void);
};
#define BENCH_WINDOW 64u
extern const struct bench_io bench_io_openwsd, bench_io_os;

/* Orders and answers are whole packets on a socket pair between processes of one program. */
enum bench_op {
	BENCH_LISTEN,	/* server: answer.port */
	BENCH_OPEN,	/* make the connection that the next orders measure */
	BENCH_SHUT,	/* close it, and the held ones */
	BENCH_PINGPONG, /* client: count, p50, p99 */
	BENCH_FLOW,	/* client sends; server: count, seconds */
	BENCH_CHURN,	/* order.count times connect, accept, close; client: count, seconds */
	BENCH_HOLD,	/* order.count more connections that stay open and idle */
	BENCH_MEMORY	/* pss_kib, descriptors */
};

struct bench_order {
	uint32_t op; /* enum bench_op */
	uint32_t port;
	uint32_t size;
	uint32_t count;
	uint32_t time_ms;
	bool poll;	 /* nonblocking calls in a loop; else blocking ones */
	bool overlapped; /* the client's sends */
	bool verify;	 /* check every byte; slow */
};

#define BENCH_TEXT 256
struct bench_answer {
	bool failed;
	char text[BENCH_TEXT];
	uint32_t port;
	uint64_t count;
	uint64_t first; /* messages that came before the clock started */
	double seconds;
	double p50_us, p99_us;
	uint64_t pss_kib, descriptors;
};

/* bench_loops.c: the measured loops of one end. False: answer->text says why. */
struct bench_end {
	const struct bench_io *io;
	bool client;
	intptr_t listener;	 /* server; -1 */
	intptr_t s;		 /* the measured connection; -1 */
	struct bench_loop *loop; /* of s, from its first overlapped send on */
	intptr_t *held;		 /* open and idle */
	size_t held_count;
};
bool bench_pingpong(struct bench_end *end, const struct bench_order *order,
		    struct bench_answer *answer);
bool bench_flow(struct bench_end *end, const struct bench_order *order,
		struct bench_answer *answer);
bool bench_churn(struct bench_end *end, const struct bench_order *order,
		 struct bench_answer *answer);
bool bench_fail(struct bench_answer *answer, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
double bench_now(void); /* seconds, the same clock in every process */

/* bench_pattern.c: what messages contain. The first 8 bytes are the number, with BENCH_LAST. */
#define BENCH_LAST (UINT64_C(1) << 63)
void bench_pattern_fill(char *message, size_t size, uint64_t number);
bool bench_pattern_check(const char *message, size_t size, uint64_t number);

/*
 * Follows a stream of messages that arrives in pieces: checks the first and the last number of each
 * piece, and notices the message that ends the run.
 */
struct bench_follower {
	size_t size;   /* of a message */
	uint64_t at;   /* bytes followed */
	uint64_t end;  /* bytes of the whole run; UINT64_MAX until the last message is seen */
	char head[8];  /* a number cut by the end of a piece */
	size_t headed; /* bytes of it */
};
void bench_follow_start(struct bench_follower *f, size_t size);
bool bench_follow(struct bench_follower *f, const char *piece, size_t bytes);

/* bench_pair.c: two workers of one path. */
struct bench_pair {
	const char *path; /* a backend, or "os" */
	int channel[2];	  /* client, server; -1 */
	int process[2];
	uint32_t port; /* of the server */
	bool dead;
	char text[BENCH_TEXT]; /* why */
};
enum { BENCH_CLIENT, BENCH_SERVER };
bool bench_pair_start(struct bench_pair *pair, const char *path, const int cpus[2]);
void bench_pair_stop(struct bench_pair *pair);
/* Give one order to both ends and wait for both answers, answers[BENCH_CLIENT] first. */
bool bench_pair_run(struct bench_pair *pair, const struct bench_order *order,
		    struct bench_answer answers[2]);
/* LISTEN and OPEN. */
bool bench_pair_open(struct bench_pair *pair);
bool bench_pair_shut(struct bench_pair *pair);

/* What is measured, and what came out. */
enum bench_kind { BENCH_LATENCY, BENCH_RATE, BENCH_STREAM, BENCH_CONNECT, BENCH_IDLE };
#define BENCH_PATHS_MAX	 6
#define BENCH_ROUNDS_MAX 1000
#define BENCH_VALUES	 3

struct bench_result {
	bool failed;
	char text[BENCH_TEXT];
	unsigned rounds;
	uint32_t churn; /* connections in one round, found by the first */
	/* By figure: p50, p99 | rate | MiB/s | rate | KiB of process, KiB of kernel, descriptors. */
	double *values[BENCH_VALUES];
};

struct bench_case {
	enum bench_kind kind;
	bool poll, overlapped;
	uint32_t size;
	struct bench_result results[BENCH_PATHS_MAX];
};

struct bench_plan {
	const char *paths[BENCH_PATHS_MAX];
	unsigned path_count, rounds, time_ms, connections;
	int os; /* index of the peer, or -1 */
	int cpus[2];
	struct bench_case *cases;
	unsigned case_count;
	double elapsed, other_load; /* seconds; CPUs */
	int cpu_count;
	char warnings[4][BENCH_TEXT];
	unsigned warning_count;
};

void bench_warn(struct bench_plan *plan, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* bench_figures.c */
void bench_measure(struct bench_plan *plan);
const char *bench_kind_name(enum bench_kind kind);

/* bench_report.c */
void bench_report_text(const struct bench_plan *plan, FILE *to);
bool bench_report_json(const struct bench_plan *plan, FILE *to);
/* "latency poll 64 B" */
void bench_case_name(const struct bench_case *c, char *text, size_t size);

/* bench_system.c: what the system says about memory and load. */
bool bench_own_memory(uint64_t *pss_kib, uint64_t *descriptors);
bool bench_kernel_memory(uint64_t *kib);
/* CPU seconds of everybody since boot: user, system and stolen time. */
double bench_cpu_seconds(void);
double bench_own_cpu_seconds(void); /* of this process and its children that have ended */

#endif
