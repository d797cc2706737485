/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * san_inside.h - a pair of mode S (tests/lib/san_pair.h) seen from inside, for programs that are linked with
 * the provider and run it without its thread (WSD_ENGINE_THREAD=0): nothing happens but what they call.
 */
#ifndef WSD_TESTS_FAULT_SAN_INSIDE_H
#define WSD_TESTS_FAULT_SAN_INSIDE_H

#include "provider/san/internal.h"
#include "tests/lib/san_pair.h"

#define SI_MESSAGE 200u

void si_drive(void); /* whatever is due */
/* An end that carries messages; NULL: it does not. No other thread needs its lock. */
struct wsd_channel *si_inside(SOCKET s);
int si_open(struct sp_pair *pair); /* sp_open, until both ends carry messages */
bool si_settle(void);		   /* all handles are closed */
/* Gives the socket to this process again, and closes the old descriptor: 0 or the code. Its names must stay. */
int si_hand_over(SOCKET *s);
/* SI_MESSAGE bytes, into the receive that is posted there, or, NULL, a new one. */
void si_message(SOCKET from, char *out, SOCKET to, char *in, WSAOVERLAPPED *posted);

struct si_names {
	struct wsd_addr local, remote;
};
struct si_names si_names(SOCKET s);
bool si_same(const struct si_names *one, const struct si_names *other);

#endif
