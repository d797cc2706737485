/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * shm_wire.h - everything that two processes of the shm backend share: the inbox of a queue, the
 * segment of a connection's side, and the messages of the link sockets.
 *
 * Fixed-width fields only, no pointers, no locks, one writer per cache line except for the inbox, whose
 * words are hints: wrong values there cost a look, never more. A 32-bit and a 64-bit end see the same.
 */
#ifndef WSD_SHM_WIRE_H
#define WSD_SHM_WIRE_H

#include <assert.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include <openwsd/backend.h>

#define SHM_MAGIC   0x4d485357u
#define SHM_VERSION 2u
#define SHM_LINE    64u
#define SHM_PAGE    4096u

#define SHM_MAX_DEPTH	256u
#define SHM_MAX_MESSAGE 65536u
#define SHM_MAX_RDMA	(8u << 20)
#define SHM_MAX_SGE	16u
#define SHM_MAX_MEM	64u /* mem_alloc regions of one side of a connection */
#define SHM_MAX_INDEX	262144u

/* Pieces of transfers that the target's engine executes. */
#define SHM_BOUNCE_PIECES 4u
#define SHM_BOUNCE_BYTES  16384u

/*
 * Which endpoints of a queue may have news: three levels of 64 bits. The words for the first 64
 * endpoints share the line with the top, so that few connections cost one cache line.
 * Publisher: low, mid, top. Owner: takes top, mid, low.
 */
struct shm_inbox {
	_Atomic uint32_t armed; /* the owner sleeps, or is about to: ring the doorbell */
	uint32_t reserved;
	_Atomic uint64_t top;
	_Atomic uint64_t mid_first, low_first; /* stand for mid[0] and low[0] */
	uint8_t pad[SHM_LINE - 32];
	_Atomic uint64_t mid[64];
	_Atomic uint64_t low[4096];
};

/*
 * A posted receive: where the sender may put the message. key 0: only the bounce slot; SHM_KEY_AREA: in
 * the area of the receiver's segment; else in a region that was announced on the link.
 */
#define SHM_KEY_AREA 0x7fffffffu
struct shm_rqe {
	_Atomic uint32_t key;
	_Atomic uint32_t length;
	_Atomic uint32_t offset_low, offset_high;
};

enum shm_cqe_type {
	SHM_CQE_RECV = 1,    /* a message lies in the posted buffer */
	SHM_CQE_RECV_BOUNCE, /* ... in the bounce slot of that receive */
	SHM_CQE_RECV_LONG,   /* it did not fit: the connection is broken */
	SHM_CQE_IMM,
	SHM_CQE_WRITE, /* requests to the target's engine: bounce piece tag <-> key, address */
	SHM_CQE_READ,
	SHM_CQE_ACK, /* answer: tag, imm = 0 or 1 for a refused access */
	SHM_CQE_DISCONNECT
};

struct shm_cqe {
	_Atomic uint32_t seq; /* position + 1, written last */
	_Atomic uint32_t type;
	_Atomic uint32_t length;
	_Atomic uint32_t imm;
	_Atomic uint32_t key;
	_Atomic uint32_t address_low, address_high;
	_Atomic uint32_t tag;
};

#define SHM_GONE_RESET	  1u
#define SHM_GONE_PROTOCOL 2u

/*
 * Head of the segment that belongs to the receiving side of one direction. It is followed by the
 * completion ring (cq_size entries, written by the peer), the receive queue (written by the receiver),
 * the area for messages (written by the peer, where posted receives say so) and one bounce slot for each
 * receive. All follow one another without a gap: what an idle connection has touched should be one page.
 */
struct shm_segment {
	/* written by the receiver */
	_Atomic uint32_t rq_tail; /* receives posted */
	_Atomic uint32_t cq_head; /* completions taken */
	uint8_t pad0[SHM_LINE - 8];
	/* written by the peer */
	_Atomic uint32_t gone;	   /* SHM_GONE_*: nothing comes after what is in the ring */
	_Atomic uint32_t mem_sent; /* regions announced on the link so far */
	_Atomic uint32_t waits;	   /* ring me when a receive is posted */
	uint8_t pad1[SHM_LINE - 12];
	/* written by the receiver, seldom, and read by the peer with each entry */
	_Atomic uint32_t
		watched; /* entries are seen in the ring itself: no need to tell the inbox */
	uint8_t pad2[SHM_LINE - 4];
};

static_assert(ATOMIC_INT_LOCK_FREE == 2 && ATOMIC_LLONG_LOCK_FREE == 2,
	      "shared words must be free of locks");
static_assert(sizeof(struct shm_inbox) == 64 + 512 + 32768, "inbox layout");
static_assert(offsetof(struct shm_inbox, mid) == 64, "inbox layout");
static_assert(sizeof(struct shm_rqe) == 16, "receive queue layout");
static_assert(sizeof(struct shm_cqe) == 32, "completion ring layout");
static_assert(sizeof(struct shm_segment) == 192, "segment layout");
static_assert(offsetof(struct shm_segment, gone) == 64, "segment layout");
static_assert(offsetof(struct shm_segment, watched) == 128, "segment layout");

#define SHM_INBOX_BYTES (((uint32_t)sizeof(struct shm_inbox) + SHM_PAGE - 1) / SHM_PAGE * SHM_PAGE)

/* Sizes of a segment follow from two numbers that both sides know and check. */
struct shm_layout {
	uint32_t rq_size; /* powers of two */
	uint32_t cq_size;
	uint32_t slot_bytes;
	uint32_t rq_offset;
	uint32_t area_offset, area_bytes;
	uint32_t slot_offset;
	uint32_t length;
};

/* Messages: one packet each, little trust: length, magic, version and ranges are checked. */
enum shm_msg_type {
	SHM_MSG_REQUEST = 1, /* fresh socket, connector: inbox and segment attached */
	SHM_MSG_ACCEPT,	     /* fresh socket, acceptor: inbox and segment attached */
	SHM_MSG_REJECT,	     /* fresh socket, acceptor */
	SHM_MSG_ACK,	     /* fresh socket, connector: which link the connection uses */
	SHM_MSG_MEM,	     /* link: a region, attached; length 0 = only to be counted */
	SHM_MSG_MEM_FREE,    /* link */
	SHM_MSG_DOORBELL     /* link: look into your inbox */
};

struct shm_wire_addr {
	uint16_t family, port;
	uint32_t scope;
	uint8_t bytes[16];
};

struct shm_msg {
	uint32_t magic;
	uint16_t version;
	uint16_t type;
};

/* REQUEST, ACCEPT, REJECT */
struct shm_msg_hello {
	struct shm_msg head;
	uint8_t engine[16];
	uint32_t index, generation; /* the sender's endpoint */
	uint32_t recv_depth, recv_bytes;
	uint64_t link_shared,
		link_fresh; /* ACCEPT: a link known to the acceptor; this socket's id */
	struct shm_wire_addr local, remote; /* REQUEST: the application's */
	int32_t status;			    /* REJECT */
	uint32_t data_length;
	uint8_t data[200];
};

struct shm_msg_ack {
	struct shm_msg head;
	uint64_t link;
};

/* MEM, MEM_FREE */
struct shm_msg_mem {
	struct shm_msg head;
	uint32_t index, generation; /* the receiver's endpoint */
	uint32_t key, access;
	uint64_t length;
};

#define SHM_ACCESS_BOUNCE 0x100u /* in shm_msg_mem.access: the sender's bounce pieces */

static_assert(sizeof(struct shm_wire_addr) == 24, "message layout");
static_assert(sizeof(struct shm_msg) == 8, "message layout");
static_assert(sizeof(struct shm_msg_hello) == 8 + 16 + 16 + 16 + 48 + 8 + 200, "message layout");
static_assert(sizeof(struct shm_msg_ack) == 16, "message layout");
static_assert(sizeof(struct shm_msg_mem) == 32, "message layout");
static_assert(WSD_REPLY_DATA_MAX <= 200 && WSD_REQUEST_DATA_MAX <= 200, "message layout");

union shm_packet {
	struct shm_msg head;
	struct shm_msg_hello hello;
	struct shm_msg_ack ack;
	struct shm_msg_mem mem;
};

#endif
