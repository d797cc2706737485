/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * scenarios.h - what programs do with the public interface, for tests that let something fail in the
 * middle of it. A scenario returns 0 when all of it worked, the code of the first call that failed, or
 * one of the values below. It always closes what it opened, and waits until every operation that it
 * started has been completed.
 */
#ifndef WSD_TEST_SCENARIOS_H
#define WSD_TEST_SCENARIOS_H

#define SCENARIO_HUNG	(-1) /* something that had to happen did not within HANG_MS */
#define SCENARIO_BROKEN (-2) /* a wrong result: bytes, counts, a failure without a code */

struct scenario {
	const char *name;
	int (*run)(void);
};

int run_san(void); /* mode S: scenario_san.c */

/* Ends with an entry without a name. All but the first need WSAStartup. */
extern const struct scenario scenarios[];

#endif
