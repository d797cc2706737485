// SPDX-License-Identifier: BSD-2-Clause
/*
 * bench_loops.c - the measured loops, the same for every path. Loops have no deadline of their own:
 * the controller has one for each order and ends workers that miss it.
 */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "spi_shim/wsdctl/bench.h"

#define SAMPLES_MAX  100000u
#define RECV_SIZE    65536u
#define CLOCK_STRIDE 64u /* messages between two looks at the clock */
#define PROBE_COUNT  8u	 /* round trips before the clock starts */

bool bench_fail(struct bench_answer *answer, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(answer->text, sizeof(answer->text), format, args);
	va_end(args);
	answer->failed = true;
	return false;
}

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

double bench_now(void)
{
	return (double)now_ns() * 1e-9;
}

static bool send_all(const struct bench_end *end, const char *message, size_t size,
		     struct bench_answer *answer)
{
	size_t done = 0;

	while (done < size) {
		long n = end->io->send(end->s, message + done, size - done);

		if (n > 0)
			done += (size_t)n;
		else if (n != BENCH_AGAIN)
			return bench_fail(answer, "send: %s", end->io->error());
	}
	return true;
}

static bool recv_all(const struct bench_end *end, char *message, size_t size,
		     struct bench_answer *answer)
{
	size_t done = 0;

	while (done < size) {
		long n = end->io->recv(end->s, message + done, size - done);

		if (n > 0)
			done += (size_t)n;
		else if (n == 0)
			return bench_fail(answer, "recv: the stream ended too early");
		else if (n != BENCH_AGAIN)
			return bench_fail(answer, "recv: %s", end->io->error());
	}
	return true;
}

static bool set_mode(const struct bench_end *end, bool poll, struct bench_answer *answer)
{
	return end->io->nonblocking(end->s, poll) ||
	       bench_fail(answer, "cannot change between blocking and nonblocking: %s",
			  end->io->error());
}

static bool take_message(const struct bench_end *end, char *message,
			 const struct bench_order *order, uint64_t expected, uint64_t *number,
			 struct bench_answer *answer)
{
	if (!recv_all(end, message, order->size, answer))
		return false;
	memcpy(number, message, 8);
	if ((*number & ~BENCH_LAST) != expected)
		return bench_fail(answer, "message %llu came in place of %llu",
				  (unsigned long long)(*number & ~BENCH_LAST),
				  (unsigned long long)expected);
	if (order->verify && !bench_pattern_check(message, order->size, *number))
		return bench_fail(answer, "message %llu has wrong bytes",
				  (unsigned long long)expected);
	return true;
}

static void make_message(char *message, const struct bench_order *order, uint64_t number)
{
	if (order->verify)
		bench_pattern_fill(message, order->size, number);
	else
		memcpy(message, &number, 8);
}

static bool pong(const struct bench_end *end, const struct bench_order *order, char *message,
		 struct bench_answer *answer)
{
	uint64_t expected = 0, number;

	do {
		if (!take_message(end, message, order, expected++, &number, answer) ||
		    !send_all(end, message, order->size, answer))
			return false;
	} while (!(number & BENCH_LAST));
	return true;
}

static int by_value(const void *a, const void *b)
{
	const uint32_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/* Each sample is one round trip; what is reported is half of it. */
static bool ping(const struct bench_end *end, const struct bench_order *order, char *message,
		 uint32_t *samples, struct bench_answer *answer)
{
	uint64_t i, echoed, before = now_ns(), stop = before + order->time_ms * UINT64_C(1000000);
	bool last = false;
	size_t count = 0;

	for (i = 0; !last; i++) {
		uint64_t after;

		/* The message with the mark is not a sample: it is the one that costs a branch. */
		last = i > PROBE_COUNT && (before >= stop || count == SAMPLES_MAX);
		make_message(message, order, last ? i | BENCH_LAST : i);
		if (!send_all(end, message, order->size, answer) ||
		    !take_message(end, message, order, i, &echoed, answer))
			return false;
		after = now_ns();
		if (i >= PROBE_COUNT && !last)
			samples[count++] = after - before > UINT32_MAX ? UINT32_MAX
								       : (uint32_t)(after - before);
		before = after;
	}
	qsort(samples, count, sizeof(*samples), by_value);
	answer->count = count;
	answer->p50_us = samples[count / 2] / 2e3;
	answer->p99_us = samples[count * 99 / 100] / 2e3;
	return true;
}

bool bench_pingpong(struct bench_end *end, const struct bench_order *order,
		    struct bench_answer *answer)
{
	char *message = calloc(1, order->size);
	uint32_t *samples = end->client ? malloc(SAMPLES_MAX * sizeof(*samples)) : NULL;
	bool ok = message && (samples || !end->client);

	if (!ok)
		bench_fail(answer, "out of memory");
	else if (!set_mode(end, order->poll, answer))
		ok = false;
	else if (end->client)
		ok = ping(end, order, message, samples, answer);
	else
		ok = pong(end, order, message, answer);
	free(samples);
	free(message);
	return ok;
}

/* When to send the last message: looks at the clock now and then. */
static uint64_t mark(uint64_t number, uint64_t stop, uint64_t stride)
{
	return number && number % stride == 0 && now_ns() >= stop ? number | BENCH_LAST : number;
}

static uint64_t clock_stride(const struct bench_order *order)
{
	return order->size > RECV_SIZE / CLOCK_STRIDE ? 1 : CLOCK_STRIDE;
}

static bool flow_out(const struct bench_end *end, const struct bench_order *order, char *message,
		     struct bench_answer *answer)
{
	uint64_t stop = now_ns() + order->time_ms * UINT64_C(1000000), i, number;

	for (i = 0;; i++) {
		number = mark(i, stop, clock_stride(order));
		make_message(message, order, number);
		if (!send_all(end, message, order->size, answer))
			return false;
		if (number & BENCH_LAST)
			break;
	}
	answer->count = i + 1;
	return true;
}

/* As many sends as fit the window, then the completions that are there, and again. */
static bool flow_out_overlapped(struct bench_end *end, const struct bench_order *order,
				char *messages, struct bench_answer *answer)
{
	unsigned ready[BENCH_WINDOW], reaped[BENCH_WINDOW], free_count = BENCH_WINDOW, i;
	uint64_t stop = now_ns() + order->time_ms * UINT64_C(1000000), next = 0, number = 0;

	if (!end->loop)
		end->loop = end->io->loop_open(end->s);
	if (!end->loop)
		return bench_fail(answer, "cannot make a loop: %s", end->io->error());
	for (i = 0; i < BENCH_WINDOW; i++)
		ready[i] = i;
	while (!(number & BENCH_LAST) || free_count < BENCH_WINDOW) {
		while (free_count && !(number & BENCH_LAST)) {
			unsigned slot = ready[--free_count];
			char *message = messages + (size_t)slot * order->size;

			number = mark(next++, stop, clock_stride(order));
			make_message(message, order, number);
			if (!end->io->post(end->loop, slot, message, order->size))
				return bench_fail(answer, "overlapped send: %s", end->io->error());
		}
		i = end->io->reap(end->loop, reaped);
		if (i == 0)
			return bench_fail(answer, "completion: %s", end->io->error());
		memcpy(ready + free_count, reaped, i * sizeof(*reaped));
		free_count += i;
	}
	answer->count = next;
	return true;
}

/* Every byte of every message; the time does not count. */
static bool flow_in_verify(const struct bench_end *end, const struct bench_order *order,
			   char *message, struct bench_answer *answer)
{
	uint64_t expected = 0, number;

	do {
		if (!take_message(end, message, order, expected++, &number, answer))
			return false;
	} while (!(number & BENCH_LAST));
	answer->count = expected;
	return true;
}

/* The clock starts when the first piece is there and stops with the last. */
static bool flow_in(const struct bench_end *end, const struct bench_order *order, char *buffer,
		    size_t room, struct bench_answer *answer)
{
	uint64_t first_bytes = 0, start = 0;
	struct bench_follower f;

	bench_follow_start(&f, order->size);
	while (f.at < f.end) {
		long n = end->io->recv(end->s, buffer, room);

		if (n == BENCH_AGAIN)
			continue;
		if (n <= 0)
			return bench_fail(answer, "recv: %s",
					  n == 0 ? "the stream ended too early" : end->io->error());
		if (!bench_follow(&f, buffer, (size_t)n))
			return bench_fail(answer, "wrong bytes around position %llu of the stream",
					  (unsigned long long)f.at);
		if (!start) {
			start = now_ns();
			first_bytes = f.at;
		}
	}
	answer->seconds = (double)(now_ns() - start) * 1e-9;
	answer->count = f.at / order->size;
	answer->first = first_bytes / order->size;
	return true;
}

bool bench_flow(struct bench_end *end, const struct bench_order *order, struct bench_answer *answer)
{
	size_t room = order->size > RECV_SIZE ? order->size : RECV_SIZE;
	char *buffer;
	bool ok;

	if (end->client)
		room = (size_t)order->size * (order->overlapped ? BENCH_WINDOW : 1);
	buffer = calloc(1, room);
	if (!buffer)
		return bench_fail(answer, "out of memory");
	ok = set_mode(end, order->poll, answer);
	if (ok && !end->client)
		ok = order->verify ? flow_in_verify(end, order, buffer, answer)
				   : flow_in(end, order, buffer, room, answer);
	else if (ok)
		ok = order->overlapped ? flow_out_overlapped(end, order, buffer, answer)
				       : flow_out(end, order, buffer, answer);
	/* A failed overlapped send may still own its buffer: the worker ends soon, keep it. */
	if (ok || !order->overlapped)
		free(buffer);
	return ok;
}

/* A cycle: connect and accept; the server closes, the client sees the end of the stream and closes. */
bool bench_churn(struct bench_end *end, const struct bench_order *order,
		 struct bench_answer *answer)
{
	double start = bench_now();
	uint32_t i;
	char byte;

	for (i = 0; i < order->count; i++) {
		intptr_t s = end->client ? end->io->connect((uint16_t)order->port)
					 : end->io->accept(end->listener);

		if (s == -1)
			return bench_fail(answer, "%s: %s", end->client ? "connect" : "accept",
					  end->io->error());
		if (end->client && end->io->recv(s, &byte, 1) != 0)
			return bench_fail(answer, "recv at the end of the stream: %s",
					  end->io->error());
		if (!end->io->close(s))
			return bench_fail(answer, "close: %s", end->io->error());
	}
	answer->count = order->count;
	answer->seconds = bench_now() - start;
	return true;
}
