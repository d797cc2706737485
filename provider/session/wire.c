// SPDX-License-Identifier: BSD-2-Clause
/* wire.c - encoders and decoders of the session protocol. */
#include "provider/session/wire.h"

#include <string.h>

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
	return get16(p) | (uint32_t)get16(p + 2) << 16;
}

static uint64_t get64(const uint8_t *p)
{
	return get32(p) | (uint64_t)get32(p + 4) << 32;
}

void wsd_hello_encode(uint8_t *bytes, const struct wsd_hello *hello)
{
	memset(bytes, 0, WSD_HELLO_BYTES);
	put32(bytes, WSD_WIRE_MAGIC);
	bytes[4] = hello->version;
	bytes[5] = hello->mode;
	put16(bytes + 6, hello->features);
	put64(bytes + 8, hello->nonce);
	put16(bytes + 16, hello->slots);
	put16(bytes + 18, hello->slot_bytes);
	put32(bytes + 20, hello->window);
}

enum wsd_status wsd_hello_decode(const uint8_t *bytes, uint32_t length, uint8_t mode,
				 struct wsd_hello *hello)
{
	if (length < WSD_HELLO_BYTES)
		return WSD_EPROTOCOL;
	if (get32(bytes) != WSD_WIRE_MAGIC || bytes[4] != WSD_WIRE_VERSION || bytes[5] != mode)
		return WSD_EVERSION;
	hello->version = bytes[4];
	hello->mode = bytes[5];
	hello->features = get16(bytes + 6);
	hello->nonce = get64(bytes + 8);
	hello->slots = get16(bytes + 16);
	hello->slot_bytes = get16(bytes + 18);
	hello->window = get32(bytes + 20);
	if (hello->slots < 4 || hello->slot_bytes < WSD_SLOT_BYTES_MIN || hello->window > 1u << 24)
		return WSD_EPROTOCOL;
	return WSD_OK;
}

void wsd_header_encode(uint8_t *bytes, const struct wsd_header *header)
{
	bytes[0] = header->type;
	bytes[1] = 0;
	put16(bytes + 2, header->length);
	put32(bytes + 4, header->credits);
	put64(bytes + 8, header->limit);
	put64(bytes + 16, header->position);
	put64(bytes + 24, header->argument);
}

bool wsd_header_decode(const uint8_t *bytes, uint32_t received, struct wsd_header *header)
{
	if (received < WSD_HEADER_BYTES)
		return false;
	header->type = bytes[0];
	header->length = get16(bytes + 2);
	header->credits = get32(bytes + 4);
	header->limit = get64(bytes + 8);
	header->position = get64(bytes + 16);
	header->argument = get64(bytes + 24);
	return header->type >= WSD_MSG_START && header->type < WSD_MSG_LAST &&
	       header->length <= received - WSD_HEADER_BYTES;
}

void wsd_grant_encode(uint8_t *bytes, const struct wsd_grant *grant)
{
	put64(bytes, grant->addr);
	put32(bytes + 8, grant->key);
	put32(bytes + 12, grant->bytes);
	put32(bytes + 16, grant->generation);
	put32(bytes + 20, 0);
}

bool wsd_grant_decode(const uint8_t *bytes, uint32_t length, struct wsd_grant *grant)
{
	if (length < WSD_GRANT_BYTES)
		return false;
	grant->addr = get64(bytes);
	grant->key = get32(bytes + 8);
	grant->bytes = get32(bytes + 12);
	grant->generation = get32(bytes + 16);
	return grant->bytes > 0;
}
