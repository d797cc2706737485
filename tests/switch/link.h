/* SPDX-License-Identifier: BSD-2-Clause */
/* link.h - a listener, a connector and the acceptor that came of them, for the scenarios. */
#ifndef WSD_SWITCH_LINK_H
#define WSD_SWITCH_LINK_H

#include <unistd.h>

#include "tests/switch/contract.h"

extern unsigned sw_patience; /* ms, for everything that must happen */
uint64_t sw_now_ms(void);

/* Until condition, or RULE is broken; from then on a tenth of the patience has to do here. Nothing that it calls may be
 * needed for the progress of upcalls. */
#define AWAIT(condition, text)                                                            \
	do {                                                                              \
		static bool broken_;                                                      \
		uint64_t end_ = sw_now_ms() + (broken_ ? sw_patience / 10 : sw_patience); \
		bool is_;                                                                 \
		while (!(is_ = (condition)) && sw_now_ms() < end_)                        \
			usleep(200);                                                      \
		broken_ = !is_;                                                           \
		RULE(is_, text);                                                          \
	} while (0)

struct sw_link {
	struct sw_socket *listener, *connector, *acceptor;
	struct sw_event accepts, connects;
};

void sw_make_link(struct sw_link *l); /* exits when it cannot */
void sw_make_listener(struct sw_link *l, int backlog, u_short *port);
void sw_dial(struct sw_link *l, u_short port); /* a connector begins */
bool sw_try_accept(struct sw_link *l, bool refuse);
bool sw_outcome(struct sw_link *l, int *code); /* of the connect */
void sw_end_socket(struct sw_socket *sock);
void sw_end_link(struct sw_link *l);

/* How the end of a connection looks to what was posted on it. */
bool sw_says_reset(int code);

/* duplicate.c: sockets that go to another process, which is this program once more; without it: to this one. */
void sw_duplicate(enum sw_way way, bool two_processes);
int sw_other_process(int channel); /* what that one does; the exit status */

void sw_check_requests(void); /* requests.c: connects that come to nothing */
void sw_check_calls(void);    /* calls.c: what a switch asks beside all that */
void sw_check_memory(void);   /* memory.c: who reaches which memory, and until when */

#endif
