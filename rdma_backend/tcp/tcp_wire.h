/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tcp_wire.h - the bytes of the tcp backend: the banner, the frame header, the greeting inside
 * REQUEST and ACCEPT, and the formula of the companion ports. docs/protocol-tcp.md is the
 * specification. Pure functions over byte arrays: no state, no memory, no system calls.
 */
#ifndef WSD_TCP_WIRE_H
#define WSD_TCP_WIRE_H

#include <openwsd/backend.h>

#define TCP_WIRE_VERSION 1u

#define TCP_CANDIDATES	 8u
#define TCP_BANNER_BYTES 48u
#define TCP_HEADER_BYTES 32u
#define TCP_HELLO_BYTES	 80u

#define TCP_MAX_MESSAGE (64u * 1024)
#define TCP_MAX_RDMA	(8u * 1024 * 1024)
#define TCP_MAX_READ	16u /* READs outstanding in one direction */
#define TCP_READ_CHUNK	(256u * 1024)
#define TCP_MAX_DEPTH	16384u

enum tcp_frame_type {
	TCP_FRAME_REQUEST = 1,
	TCP_FRAME_ACCEPT,
	TCP_FRAME_REJECT,
	TCP_FRAME_SEND,
	TCP_FRAME_WRITE,
	TCP_FRAME_WRITE_IMM,
	TCP_FRAME_READ_REQ,
	TCP_FRAME_READ_RSP,
	TCP_FRAME_CREDIT,
	TCP_FRAME_NAK,
	TCP_FRAME_DISCONNECT
};

#define TCP_FLAG_ACK   0x01u /* tell soon how far the work has been carried out */
#define TCP_FLAG_SHORT 0x02u /* some receives are shorter than the greeting said */

struct tcp_frame {
	uint8_t type; /* enum tcp_frame_type */
	uint8_t flags;
	uint32_t length; /* payload bytes that follow the header */
	uint32_t credit; /* receives posted since the connection began */
	uint32_t ack;	 /* work requests of the peer carried out since the connection began */
	uint32_t imm;	 /* WRITE_IMM: immediate; READ_REQ: bytes wanted; NAK: number of the work */
	uint32_t key;	 /* WRITE, READ_REQ: key of the region; NAK, REJECT: -status */
	uint64_t addr;	 /* WRITE, READ_REQ: where in the region */
};

struct tcp_banner {
	uint16_t version;
	bool busy; /* the listener is out of something: ask again */
	uint64_t nonce;
	struct wsd_addr served; /* address all zero = every address of the host */
};

struct tcp_hello {
	uint16_t version;
	uint32_t recv_depth;
	uint32_t recv_bytes;
	uint64_t nonce;		  /* of the banner */
	struct wsd_addr from, to; /* as the application knows them */
	uint32_t data_length;	  /* private data, behind the greeting */
};

/* Companion port number index (0 .. TCP_CANDIDATES - 1) of an application port; 0 = left out. */
uint16_t tcp_candidate_port(uint16_t port, unsigned index);

void tcp_frame_encode(const struct tcp_frame *frame, uint8_t *bytes);
/* Renew the two cumulative fields of an encoded header, and add flags. */
void tcp_frame_stamp(uint8_t *bytes, uint8_t flags, uint32_t credit, uint32_t ack);
/* Why a REJECT was sent; WSD_OK: it was decided. */
void tcp_frame_explain(uint8_t *bytes, enum wsd_status why);
/* False: no frame of this protocol (unknown type, flag, length out of the type's range). */
bool tcp_frame_decode(struct tcp_frame *frame, const uint8_t *bytes);

void tcp_banner_encode(const struct tcp_banner *banner, uint8_t *bytes);
bool tcp_banner_decode(struct tcp_banner *banner, const uint8_t *bytes);

void tcp_hello_encode(const struct tcp_hello *hello, uint8_t *bytes);
/* length = payload of the frame; checks that data_length fits it exactly. */
bool tcp_hello_decode(struct tcp_hello *hello, const uint8_t *bytes, uint32_t length);

#endif
