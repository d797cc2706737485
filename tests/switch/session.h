/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * session.h - a byte stream with urgent bytes over one connection of a SAN provider: what a switch makes of it.
 *
 * Pools of control messages are registered once; each message carries how many receives its sender has posted
 * so far. Small data goes inside a message. Large data is announced with its first part; then the receiver
 * READs the rest, or, where the provider cannot, exposes a buffer and the sender WRITEs. The bytes are a pattern
 * of their position, so each end knows what it should get.
 */
#ifndef WSD_SWITCH_SESSION_H
#define WSD_SWITCH_SESSION_H

#include "tests/switch/contract.h"

#define SN_MESSAGE 1024u
#define SN_STRIDE  (SN_MESSAGE + SW_GUARD)
#define SN_POOL	   16u
#define SN_LARGE   (256u << 10)
#define SN_URGENT  20u /* bytes that each end sends */

enum sn_large { SN_NONE, SN_OFFERED, SN_WRITING, SN_READING, SN_EXPOSED, SN_AWAITING };

struct sn_end {
	struct sw_socket *sock;
	bool connector;
	uint64_t seed_out, seed_in;
	uint64_t to_send, sent; /* bytes of the stream */
	uint64_t to_get, got;
	unsigned urgent_left, urgent_got;
	uint32_t random;
	uint32_t posted, peer_posted, messages; /* receives, and messages sent */
	uint32_t told;				/* of posted */
	bool started;				/* the other end has spoken, or we may first */
	bool finished;				/* it sent its BYE */
	bool bye;
	int failed;
	unsigned order; /* of the receive that comes next */
	struct sw_memory pool;
	struct sw_op receives[SN_POOL], sends[SN_POOL];
	bool send_used[SN_POOL];
	/* Large data, one in each direction at a time. */
	enum sn_large out, in;
	struct sw_memory out_memory, in_memory;
	struct sw_op out_op, in_op;
	uint32_t out_length, in_length;
	unsigned large_sent, small_sent;
	char out_bytes[SN_LARGE], in_bytes[SN_LARGE + SW_GUARD];
	char memory[2 * SN_POOL * SN_STRIDE];
};

/* A connected socket begins; receives are posted before anything is said. */
void sn_begin(struct sn_end *end, struct sw_socket *sock, bool connector, uint64_t to_send,
	      uint64_t to_get, uint32_t seed, enum sw_way way);
void sn_step(struct sn_end *end);	    /* whatever can be done now */
bool sn_complete(const struct sn_end *end); /* all has been sent, received, and said goodbye to */

#endif
