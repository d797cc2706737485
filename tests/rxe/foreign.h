/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * foreign.h - who has a port in the port space of librdmacm, and not in TCP's, where ours are arbitrated: a program of
 * librdmacm. (The kernel does not ask in which process.) Addresses are text; a failure ends the process.
 */
#ifndef WSD_TEST_FOREIGN_H
#define WSD_TEST_FOREIGN_H

#include <stdint.h>

enum foreign_kind {
	FOREIGN_EVERYWHERE, /* bound, at every address */
	FOREIGN_BOUND,	    /* at one */
	FOREIGN_CONNECTED, /* from that one to another program of its kind, at the same port of peer */
};
#define FOREIGN_KINDS 3u

struct foreign;

struct foreign *foreign_take(enum foreign_kind kind, const char *address, const char *peer,
			     uint16_t port);
void foreign_leave(struct foreign *foreign);

/* Listens there until the process ends, and refuses everybody in words of its own. */
void foreign_refuse(const char *address, uint16_t port);

#endif
