// SPDX-License-Identifier: BSD-2-Clause
/*
 * bench_pattern.c - what messages contain, so that a path that loses, repeats or mixes up bytes
 * cannot look fast.
 *
 * A message of the pattern is its number followed by words that depend on number and place. Timed runs
 * write and look at numbers only, which costs nothing; every run is preceded by one that checks all.
 */
#include <string.h>

#include "spi_shim/wsdctl/bench.h"

#define STEP UINT64_C(0x9e3779b97f4a7c15)

static uint64_t word_at(uint64_t number, size_t offset)
{
	return offset == 0 ? number : (number & ~BENCH_LAST) * STEP + offset;
}

/* Sizes are multiples of 8. */
void bench_pattern_fill(char *message, size_t size, uint64_t number)
{
	size_t i;

	for (i = 0; i < size; i += 8) {
		uint64_t word = word_at(number, i);

		memcpy(message + i, &word, 8);
	}
}

bool bench_pattern_check(const char *message, size_t size, uint64_t number)
{
	size_t i;

	for (i = 8; i < size; i += 8) {
		uint64_t word = word_at(number, i);

		if (memcmp(message + i, &word, 8) != 0)
			return false;
	}
	return true;
}

void bench_follow_start(struct bench_follower *f, size_t size)
{
	memset(f, 0, sizeof(*f));
	f->size = size;
	f->end = UINT64_MAX;
}

/* The number that starts at this byte of the stream. */
static bool check_number(struct bench_follower *f, uint64_t start, const char *bytes)
{
	uint64_t number;

	memcpy(&number, bytes, 8);
	if (number & BENCH_LAST)
		f->end = start + f->size;
	return (number & ~BENCH_LAST) == start / f->size;
}

bool bench_follow(struct bench_follower *f, const char *piece, size_t bytes)
{
	uint64_t start = f->at;
	size_t into = (size_t)(start % f->size), first, last;

	f->at += bytes;
	if (f->headed) {
		size_t part = 8 - f->headed < bytes ? 8 - f->headed : bytes;

		memcpy(f->head + f->headed, piece, part);
		f->headed += part;
		if (f->headed < 8)
			return true;
		f->headed = 0;
		if (!check_number(f, start - into, f->head))
			return false;
	}
	first = into ? f->size - into : 0;
	if (first >= bytes)
		return f->at <= f->end;
	last = first + (bytes - 1 - first) / f->size * f->size;
	if (bytes - last < 8) {
		f->headed = bytes - last;
		memcpy(f->head, piece + last, f->headed);
		if (last > first)
			last -= f->size;
		else
			return f->at <= f->end;
	}
	return check_number(f, start + first, piece + first) &&
	       (last == first || check_number(f, start + last, piece + last)) && f->at <= f->end;
}
