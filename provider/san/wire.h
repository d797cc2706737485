/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * wire.h - the bytes of mode S (docs/protocol.md): the hello, and the descriptor of exposed memory. Messages
 * carry no header.
 */
#ifndef WSD_SAN_WIRE_H
#define WSD_SAN_WIRE_H

#include <stdbool.h>

#include <openwsd/backend.h>

#include "provider/san/channel.h"
#include "provider/transport/hello.h"

#define WSD_SAN_HELLO_BYTES 20u /* data of the application follows */
#define WSD_SAN_HELLO_MAX   WSD_REPLY_DATA_MAX

struct wsd_san_hello {
	uint16_t features;
	uint64_t nonce;
	uint16_t message; /* the longest message accepted */
	uint8_t data_length;
	uint8_t data[WSD_CALLEE_DATA_MAX];
};

struct wsd_descriptor {
	uint64_t nonce; /* of the side that exposes the memory: its connection */
	uint64_t addr;
	uint32_t key;
	uint32_t length;
	uint32_t id; /* its handle there */
	uint32_t rights;
};

/* Returns the length: at most WSD_SAN_HELLO_MAX. */
uint32_t wsd_san_hello_encode(uint8_t *bytes, const struct wsd_san_hello *hello);
/* WSD_EVERSION, WSD_EPROTOCOL. */
enum wsd_status wsd_san_hello_decode(const uint8_t *bytes, uint32_t length,
				     struct wsd_san_hello *hello);
void wsd_descriptor_encode(uint8_t *bytes, const struct wsd_descriptor *descriptor);
bool wsd_descriptor_decode(const uint8_t *bytes, uint32_t length,
			   struct wsd_descriptor *descriptor);

#endif
