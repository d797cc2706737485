// SPDX-License-Identifier: BSD-2-Clause
/*
 * tcp_wire.c - encoding and decoding of the tcp backend's frames. All that arrives here is hostile:
 * a decoder looks at a private copy, accepts exactly what the encoder can produce, and says no
 * to the rest. What depends on the connection (keys, credits, sequence) is checked by the
 * receiver.
 */
#include <string.h>

#include "rdma_backend/tcp/tcp_wire.h"

#define HEADER_MARK 0x4457u /* "WD" */
#define BANNER_BUSY 0x1u

static const uint8_t banner_magic[8] = { 'O', 'p', 'e', 'n', 'W', 'S', 'D', 't' };

static void put16(uint8_t *p, uint16_t v)
{
	p[0] = (uint8_t)v;
	p[1] = (uint8_t)(v >> 8);
}

static void put32(uint8_t *p, uint32_t v)
{
	put16(p, (uint16_t)v);
	put16(p + 2, (uint16_t)(v >> 16));
}

static void put64(uint8_t *p, uint64_t v)
{
	put32(p, (uint32_t)v);
	put32(p + 4, (uint32_t)(v >> 32));
}

static uint16_t get16(const uint8_t *p)
{
	return (uint16_t)(p[0] | p[1] << 8);
}

static uint32_t get32(const uint8_t *p)
{
	return (uint32_t)get16(p) | (uint32_t)get16(p + 2) << 16;
}

static uint64_t get64(const uint8_t *p)
{
	return (uint64_t)get32(p) | (uint64_t)get32(p + 4) << 32;
}

static void put_addr(uint8_t *p, const struct wsd_addr *addr)
{
	put16(p, addr->family);
	put16(p + 2, addr->port);
	put32(p + 4, addr->scope);
	memcpy(p + 8, addr->bytes, 16);
}

static bool get_addr(struct wsd_addr *addr, const uint8_t *p)
{
	addr->family = get16(p);
	addr->port = get16(p + 2);
	addr->scope = get32(p + 4);
	memcpy(addr->bytes, p + 8, 16);
	return addr->family == WSD_FAMILY_IPV4 || addr->family == WSD_FAMILY_IPV6;
}

uint16_t tcp_candidate_port(uint16_t port, unsigned index)
{
	/* 7919 has no factor in common with 12000, so 12000 consecutive ports have distinct first
	 * candidates; ports 12000 apart share the first and differ in the step. */
	uint32_t step = 601u + 210u * (port / 12000u);
	uint32_t candidate = 20000u + (port * 7919u + index * step) % 12000u;

	/* Never the application's own port: a plain server may answer there. */
	return candidate == port ? 0 : (uint16_t)candidate;
}

void tcp_frame_encode(const struct tcp_frame *frame, uint8_t *bytes)
{
	bytes[0] = frame->type;
	bytes[1] = frame->flags;
	put16(bytes + 2, HEADER_MARK);
	put32(bytes + 4, frame->length);
	put32(bytes + 8, frame->credit);
	put32(bytes + 12, frame->ack);
	put32(bytes + 16, frame->imm);
	put32(bytes + 20, frame->key);
	put64(bytes + 24, frame->addr);
}

void tcp_frame_stamp(uint8_t *bytes, uint8_t flags, uint32_t credit, uint32_t ack)
{
	bytes[1] |= flags;
	put32(bytes + 8, credit);
	put32(bytes + 12, ack);
}

void tcp_frame_explain(uint8_t *bytes, enum wsd_status why)
{
	put32(bytes + 20, (uint32_t) - (int)why);
}

/* Are the type's fields in range? Fields that a type does not use are not looked at. */
static bool frame_valid(const struct tcp_frame *frame)
{
	uint32_t length = frame->length;

	switch (frame->type) {
	case TCP_FRAME_REQUEST:
		return length >= TCP_HELLO_BYTES &&
		       length <= TCP_HELLO_BYTES + WSD_REQUEST_DATA_MAX;
	case TCP_FRAME_ACCEPT:
	case TCP_FRAME_REJECT:
		return length >= TCP_HELLO_BYTES && length <= TCP_HELLO_BYTES + WSD_REPLY_DATA_MAX;
	case TCP_FRAME_SEND:
		return length <= TCP_MAX_MESSAGE;
	case TCP_FRAME_WRITE:
	case TCP_FRAME_WRITE_IMM:
		return length <= TCP_MAX_RDMA;
	case TCP_FRAME_READ_REQ:
		return length == 0 && frame->imm <= TCP_MAX_RDMA;
	case TCP_FRAME_READ_RSP:
		return length <= TCP_READ_CHUNK;
	case TCP_FRAME_CREDIT:
	case TCP_FRAME_DISCONNECT:
		return length == 0;
	case TCP_FRAME_NAK:
		return length == 0 && frame->key > 0 && frame->key < 100;
	default:
		return false;
	}
}

bool tcp_frame_decode(struct tcp_frame *frame, const uint8_t *bytes)
{
	if (get16(bytes + 2) != HEADER_MARK || (bytes[1] & ~(TCP_FLAG_ACK | TCP_FLAG_SHORT)) != 0)
		return false;
	frame->type = bytes[0];
	frame->flags = bytes[1];
	frame->length = get32(bytes + 4);
	frame->credit = get32(bytes + 8);
	frame->ack = get32(bytes + 12);
	frame->imm = get32(bytes + 16);
	frame->key = get32(bytes + 20);
	frame->addr = get64(bytes + 24);
	return frame_valid(frame);
}

void tcp_banner_encode(const struct tcp_banner *banner, uint8_t *bytes)
{
	memset(bytes, 0, TCP_BANNER_BYTES);
	memcpy(bytes, banner_magic, sizeof(banner_magic));
	put16(bytes + 8, banner->version);
	put16(bytes + 10, banner->busy ? BANNER_BUSY : 0);
	put64(bytes + 16, banner->nonce);
	put_addr(bytes + 24, &banner->served);
}

bool tcp_banner_decode(struct tcp_banner *banner, const uint8_t *bytes)
{
	if (memcmp(bytes, banner_magic, sizeof(banner_magic)) != 0)
		return false;
	banner->version = get16(bytes + 8);
	banner->busy = (get16(bytes + 10) & BANNER_BUSY) != 0;
	banner->nonce = get64(bytes + 16);
	return get_addr(&banner->served, bytes + 24);
}

void tcp_hello_encode(const struct tcp_hello *hello, uint8_t *bytes)
{
	put16(bytes, hello->version);
	put16(bytes + 2, 0);
	put32(bytes + 4, hello->recv_depth);
	put32(bytes + 8, hello->recv_bytes);
	put32(bytes + 12, hello->data_length);
	put64(bytes + 16, hello->nonce);
	put64(bytes + 24, 0);
	put_addr(bytes + 32, &hello->from);
	put_addr(bytes + 56, &hello->to);
}

bool tcp_hello_decode(struct tcp_hello *hello, const uint8_t *bytes, uint32_t length)
{
	if (length < TCP_HELLO_BYTES)
		return false;
	hello->version = get16(bytes);
	hello->recv_depth = get32(bytes + 4);
	hello->recv_bytes = get32(bytes + 8);
	hello->data_length = get32(bytes + 12);
	hello->nonce = get64(bytes + 16);
	if (!get_addr(&hello->from, bytes + 32) || !get_addr(&hello->to, bytes + 56))
		return false;
	return hello->recv_depth >= 1 && hello->recv_depth <= TCP_MAX_DEPTH &&
	       hello->recv_bytes <= TCP_MAX_MESSAGE &&
	       hello->data_length == length - TCP_HELLO_BYTES;
}
