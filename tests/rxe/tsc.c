// SPDX-License-Identifier: BSD-2-Clause
/*
 * tsc.c - prints the rate of the time stamp counter in kHz. The emulated processor counts at the rate of
 * this one, and a guest that has to find the rate out fails at it when the machine is busy, and then hangs.
 */
#include <stdint.h>
#include <stdio.h>
#include <time.h>
#include <x86intrin.h>

#define SAMPLES 20

/* The counter and the clock, read together: the quickest of several readings. */
static void read_both(uint64_t *ticks, uint64_t *ns)
{
	uint64_t best = UINT64_MAX;

	for (int i = 0; i < SAMPLES; i++) {
		struct timespec now;
		uint64_t before = __rdtsc();
		uint64_t after;

		clock_gettime(CLOCK_MONOTONIC_RAW, &now);
		after = __rdtsc();
		if (after - before < best) {
			best = after - before;
			*ticks = before + best / 2;
			*ns = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
		}
	}
}

int main(void)
{
	const struct timespec pause = { .tv_nsec = 50000000 };
	uint64_t ticks[2] = { 0 };
	uint64_t ns[2] = { 0 };

	read_both(&ticks[0], &ns[0]);
	nanosleep(&pause, NULL);
	read_both(&ticks[1], &ns[1]);
	printf("%.0f\n", (double)(ticks[1] - ticks[0]) * 1e6 / (double)(ns[1] - ns[0]));
	return 0;
}
