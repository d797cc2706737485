/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * session.h - a byte stream with urgent bytes over one connection of a SAN provider: what a switch makes of it.
 *
 * Pools of control messages are registered once; each message carries how many receives its sender has posted
 * so far. Small data goes inside a message. Large data is announced with its first part; then the receiver
 * READs the rest, or, where the provider cannot, exposes a buffer and the sender WRITEs. The bytes are a pattern
 * of their position, so each end knows what it should get. Nothing is larger than the provider's limits.
 */
#ifndef WSD_SWITCH_SESSION_H
#define WSD_SWITCH_SESSION_H

#include <stddef.h>

#include "tests/switch/contract.h"

#define SN_MESSAGE 1024u /* bytes, or what the provider takes if that is less */
#define SN_STRIDE  (SN_MESSAGE + SW_GUARD)
#define SN_POOL	   16u
#define SN_LARGE   (256u << 10) /* likewise */
#define SN_URGENT  20u		/* bytes that each end sends */

enum sn_large { SN_NONE, SN_OFFERED, SN_WRITING, SN_READING, SN_EXPOSED, SN_AWAITING };

/* To give its socket away an end asks the other to be still; that one answers as the last thing it says. */
enum sn_pause { SN_GOES, SN_STOPPING, SN_ASKED, SN_ANSWERED, SN_HOLDING, SN_HELD };

struct sn_end {
	/* What goes along to another process, SN_MOVES bytes. */
	bool connector;
	bool started;  /* the other end has spoken, or we may first */
	bool finished; /* it sent its BYE */
	bool bye;
	enum sw_way way;
	uint64_t seed_out, seed_in;
	uint64_t to_send, sent; /* bytes of the stream */
	uint64_t to_get, got;
	unsigned urgent_left, urgent_got;
	unsigned large_sent, small_sent;
	uint32_t random;
	uint32_t posted, peer_posted, messages; /* receives, and messages sent */
	uint32_t told;				/* of posted */
	/* What belongs to this process. */
	struct sw_socket *sock;
	enum sn_pause pause;
	int failed;
	uint32_t message, large; /* most bytes of one message, and of one READ or WRITE */
	unsigned order;		 /* of the receive that comes next */
	struct sw_memory in_pool, out_pool;
	struct sw_op receives[SN_POOL], sends[SN_POOL];
	bool send_used[SN_POOL];
	/* Large data, one in each direction at a time. */
	enum sn_large out, in;
	struct sw_memory out_memory, in_memory;
	struct sw_op out_op, in_op;
	uint32_t out_length, in_length;
	char out_bytes[SN_LARGE], in_bytes[SN_LARGE + SW_GUARD];
	char memory[2 * SN_POOL * SN_STRIDE];
};

#define SN_MOVES offsetof(struct sn_end, sock)

/* A connected socket begins; receives are posted before anything is said. */
void sn_begin(struct sn_end *end, struct sw_socket *sock, bool connector, uint64_t to_send,
	      uint64_t to_get, uint32_t seed, enum sw_way way);
/* Give the socket away: suspend, step both ends until it is still, give; receives must have ended well then. */
void sn_suspend(struct sn_end *end);
bool sn_still(const struct sn_end *end);
bool sn_give(struct sn_end *end, DWORD process, WSAPROTOCOL_INFOW *info);
/* Go on with what an end was when it gave its socket away, SN_MOVES bytes of it. */
void sn_continue(struct sn_end *end, struct sw_socket *sock, const void *moved);
void sn_step(struct sn_end *end);	    /* whatever can be done now */
bool sn_complete(const struct sn_end *end); /* all has been sent, received, and said goodbye to */

#endif
