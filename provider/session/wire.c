// SPDX-License-Identifier: BSD-2-Clause
/* wire.c - encoders and decoders of the session protocol. */
#include "provider/session/wire.h"

#include <stdatomic.h>
#include <string.h>

#include "provider/transport/bytes.h"

/* On shared memory the peer can change what it sent at any time: what is checked is this copy. */
static void copy_once(uint8_t *copy, const uint8_t *bytes, size_t length)
{
	memcpy(copy, bytes, length);
	atomic_signal_fence(memory_order_seq_cst); /* the compiler must not read bytes again */
}

void wsd_hello_encode(uint8_t *bytes, const struct wsd_hello *hello)
{
	struct wsd_hello_start start = { .version = hello->version,
					 .mode = hello->mode,
					 .features = hello->features,
					 .nonce = hello->nonce };

	memset(bytes, 0, WSD_HELLO_BYTES);
	wsd_hello_start_encode(bytes, &start);
	wsd_put16(bytes + 16, hello->slots);
	wsd_put16(bytes + 18, hello->slot_bytes);
	wsd_put32(bytes + 20, hello->window);
}

enum wsd_status wsd_hello_decode(const uint8_t *bytes, uint32_t length, uint8_t mode,
				 struct wsd_hello *hello)
{
	struct wsd_hello_start start;
	enum wsd_status status;

	if (length < WSD_HELLO_BYTES)
		return WSD_EPROTOCOL;
	status = wsd_hello_start_decode(bytes, length, mode, &start);
	if (status != WSD_OK)
		return status;
	hello->version = start.version;
	hello->mode = start.mode;
	hello->features = start.features;
	hello->nonce = start.nonce;
	hello->slots = wsd_get16(bytes + 16);
	hello->slot_bytes = wsd_get16(bytes + 18);
	hello->window = wsd_get32(bytes + 20);
	if (hello->slots < 4 || hello->slot_bytes < WSD_SLOT_BYTES_MIN || hello->window > 1u << 24)
		return WSD_EPROTOCOL;
	return WSD_OK;
}

void wsd_header_encode(uint8_t *bytes, const struct wsd_header *header)
{
	bytes[0] = header->type;
	bytes[1] = header->urgent;
	wsd_put16(bytes + 2, header->length);
	wsd_put32(bytes + 4, header->credits);
	wsd_put64(bytes + 8, header->limit);
	wsd_put64(bytes + 16, header->position);
	wsd_put64(bytes + 24, header->argument);
}

bool wsd_header_decode(const uint8_t *message, uint32_t received, struct wsd_header *header)
{
	uint8_t bytes[WSD_HEADER_BYTES];

	if (received < WSD_HEADER_BYTES)
		return false;
	copy_once(bytes, message, sizeof(bytes));
	header->type = bytes[0];
	header->urgent = bytes[1];
	header->length = wsd_get16(bytes + 2);
	header->credits = wsd_get32(bytes + 4);
	header->limit = wsd_get64(bytes + 8);
	header->position = wsd_get64(bytes + 16);
	header->argument = wsd_get64(bytes + 24);
	return header->type >= WSD_MSG_START && header->type < WSD_MSG_LAST &&
	       header->length <= received - WSD_HEADER_BYTES;
}

void wsd_grant_encode(uint8_t *bytes, const struct wsd_grant *grant)
{
	wsd_put64(bytes, grant->addr);
	wsd_put32(bytes + 8, grant->key);
	wsd_put32(bytes + 12, grant->bytes);
	wsd_put32(bytes + 16, grant->generation);
	wsd_put32(bytes + 20, 0);
}

bool wsd_grant_decode(const uint8_t *payload, uint32_t length, struct wsd_grant *grant)
{
	uint8_t bytes[WSD_GRANT_BYTES];

	if (length < WSD_GRANT_BYTES)
		return false;
	copy_once(bytes, payload, sizeof(bytes));
	grant->addr = wsd_get64(bytes);
	grant->key = wsd_get32(bytes + 8);
	grant->bytes = wsd_get32(bytes + 12);
	grant->generation = wsd_get32(bytes + 16);
	return grant->bytes > 0;
}
