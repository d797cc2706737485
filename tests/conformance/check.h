/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * check.h - executed checks of numbered requirements. Each prints one line "R-118 pass" or
 * "R-118 FAIL file:line expression"; tests/conformance/coverage reads them from the logs of a run.
 */
#ifndef WSD_CONFORMANCE_CHECK_H
#define WSD_CONFORMANCE_CHECK_H

#include <stdio.h>

extern unsigned check_passed, check_failed; /* lib.c */

#define CHECK_R(number, expression)                                                          \
	do {                                                                                 \
		if (expression) {                                                            \
			check_passed++;                                                      \
			printf("R-%03u pass\n", (unsigned)(number));                         \
		} else {                                                                     \
			check_failed++;                                                      \
			printf("R-%03u FAIL %s:%d %s (last error %d)\n", (unsigned)(number), \
			       __FILE__, __LINE__, #expression, WSAGetLastError());          \
		}                                                                            \
		fflush(stdout);                                                              \
	} while (0)

/* The same for what the contract says in a table and without a number of its own. */
#define CHECK(expression)                                                                          \
	do {                                                                                       \
		if (expression) {                                                                  \
			check_passed++;                                                            \
		} else {                                                                           \
			check_failed++;                                                            \
			printf("FAIL %s:%d %s (last error %d)\n", __FILE__, __LINE__, #expression, \
			       WSAGetLastError());                                                 \
			fflush(stdout);                                                            \
		}                                                                                  \
	} while (0)

/* The call failed, and with exactly this code. */
#define FAILS(call, code) \
	(WSASetLastError(0), (call) == SOCKET_ERROR && WSAGetLastError() == (code))

static inline int check_result(void)
{
	printf("%u checks passed, %u failed\n", check_passed, check_failed);
	return check_failed || !check_passed;
}

#endif
