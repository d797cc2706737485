/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * verbs_wire.h - what stands before the private data of a request, an accept and a reject. The connection
 * manager pads private data, so it tells the length; and where and how to say goodbye.
 *
 * Adapters cannot tell a disconnect from a cut. So each side has a word that the other one writes when it
 * disconnects (docs/backend.md). The words of several connections share a page and its key, so
 * a word alone proves nothing: what has to stand in it is a secret of the connection. The acceptor chooses
 * both secrets, as only an accept has room for them.
 */
#ifndef WSD_VERBS_WIRE_H
#define WSD_VERBS_WIRE_H

#include <stdbool.h>
#include <stdint.h>

#define VERBS_GREETING	      16u /* bytes of our own in front of the private data */
#define VERBS_ACCEPT_GREETING 32u /* of an accept */
/* Why a reject does not come from the program: statuses, negated. */
#define VERBS_UNDECIDED 62u /* the listener has ended, and has not decided */
#define VERBS_NO_MEMORY 2u  /* for the request, or the connection */

struct verbs_greeting {
	uint64_t word_addr; /* where to say goodbye to the sender of this */
	uint32_t word_key;  /* reject: 0: by the program; else why */
	uint32_t length;    /* of the private data behind it */
	uint64_t hears,
		says; /* accept: the goodbyes that its sender expects and will say; never 0 */
};

/* size: VERBS_GREETING, or VERBS_ACCEPT_GREETING for an accept. */
void verbs_greeting_encode(uint8_t *bytes, uint32_t size, const struct verbs_greeting *greeting);
/* False: not the greeting of this backend, or it promises more than most or than received bytes hold. */
bool verbs_greeting_decode(const uint8_t *bytes, uint32_t size, uint32_t received, uint32_t most,
			   struct verbs_greeting *greeting);

#endif
