/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * wire.h - the session protocol's bytes: pure encoding and decoding, no state (docs/protocol.md).
 * Everything is little-endian at fixed offsets. Decoders check what can be checked without state.
 */
#ifndef WSD_SESSION_WIRE_H
#define WSD_SESSION_WIRE_H

#include <stdbool.h>
#include <stdint.h>

#include <openwsd/status.h>

#include "provider/session/flow.h"
#include "provider/transport/hello.h"

#define WSD_HELLO_BYTES	   40u
#define WSD_HEADER_BYTES   32u
#define WSD_SLOT_BYTES_MIN 96u

/* Private data of the connection request and of the reply. */
struct wsd_hello {
	uint8_t version;
	uint8_t mode;
	uint16_t features;
	uint64_t nonce;
	uint16_t slots;	     /* receives posted before this was sent */
	uint16_t slot_bytes; /* size of each */
	uint32_t window;     /* stream bytes accepted before a limit says more */
	struct wsd_qos qos;  /* as the sender of the hello sees it */
	uint8_t secret[16];  /* in its place, of a request with WSD_FEATURE_RESUME */
};

enum wsd_message_type {
	WSD_MSG_START = 1,     /* the connector's first message */
	WSD_MSG_DATA,	       /* payload = stream bytes from position */
	WSD_MSG_RING,	       /* ring bytes up to position are in place */
	WSD_MSG_CREDIT,	       /* header fields only */
	WSD_MSG_GRANT,	       /* payload = struct wsd_grant */
	WSD_MSG_SWITCH,	       /* from position on the ring of generation argument is used */
	WSD_MSG_SOURCE,	       /* payload = struct wsd_grant: READ length argument from position */
	WSD_MSG_SOURCE_DONE,   /* argument bytes were read; all of them if done */
	WSD_MSG_SOURCE_REFUSE, /* argument bytes were read, send the rest by ring */
	WSD_MSG_SOURCE_CANCEL, /* answer now */
	WSD_MSG_FIN,	       /* position = final */
	WSD_MSG_FIN_ACK,
	WSD_MSG_ABORT,	/* argument = reason */
	WSD_MSG_URGENT, /* payload = one byte, mark at position */
	WSD_MSG_PROBE,
	WSD_MSG_PROBE_ACK,
	WSD_MSG_QOS,  /* payload = struct wsd_qos: takes the place of what was said before */
	WSD_MSG_MOVE, /* position = final here: wait for another connection, argument = ms at most */
	WSD_MSG_MOVE_ACK, /* position likewise; argument = port, payload = secret. Port 0: not now */
	WSD_MSG_LAST
};

struct wsd_header {
	uint8_t type;
	uint8_t urgent;	  /* urgent marks done with since the connection began, modulo 256 */
	uint16_t length;  /* payload bytes after the header */
	uint32_t credits; /* receives posted since the connection began, modulo 2^32 */
	uint64_t limit;	  /* stream position up to which the peer may send */
	uint64_t position;
	uint64_t argument;
};

#define WSD_GRANT_BYTES 24u
struct wsd_grant {
	uint64_t addr;
	uint32_t key;
	uint32_t bytes;
	uint32_t generation;
};

#define WSD_QOS_BYTES 16u

void wsd_hello_encode(uint8_t *bytes, const struct wsd_hello *hello);
/* WSD_EVERSION: magic, version or mode differ. WSD_EPROTOCOL: too short or absurd numbers. */
enum wsd_status wsd_hello_decode(const uint8_t *bytes, uint32_t length, uint8_t mode,
				 struct wsd_hello *hello);
void wsd_header_encode(uint8_t *bytes, const struct wsd_header *header);
/* bytes received in all; false: malformed. */
bool wsd_header_decode(const uint8_t *bytes, uint32_t received, struct wsd_header *header);
void wsd_grant_encode(uint8_t *bytes, const struct wsd_grant *grant);
bool wsd_grant_decode(const uint8_t *bytes, uint32_t length, struct wsd_grant *grant);
/* Bucket and peak are rounded up to what the peer will decode (see docs/protocol.md). */
void wsd_qos_encode(uint8_t *bytes, const struct wsd_qos *qos);
bool wsd_qos_decode(const uint8_t *bytes, uint32_t length, struct wsd_qos *qos);
/* What the peer will decode, so that both sides count with the same numbers. */
struct wsd_qos wsd_qos_told(const struct wsd_qos *qos);

#endif
