/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * cases.h - programs of cases about peers with OpenWSD and without, in the standard order of paths. Each case is a
 * process of its own: PROGRAM CASE.
 */
#ifndef WSD_TEST_PLAIN_CASES_H
#define WSD_TEST_PLAIN_CASES_H

#include "tests/lib/peer.h"

struct plain_case {
	const char *name;
	void (*run)(void);
};

/* Of the program; ends with one without a name. */
extern const struct plain_case plain_cases[];

void over(const char *backends);		       /* start Winsock with these paths */
bool text_has(SOCKET s, int option, const char *part); /* prints it, too; "": it is empty */
int try_connect(SOCKET s, uint32_t port);	       /* 0 or the error */
SOCKET connected(uint32_t port);
uint32_t dead_port(void); /* nobody listens there */
uint64_t now_ms(void);

#endif
