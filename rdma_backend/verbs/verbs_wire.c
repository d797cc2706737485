// SPDX-License-Identifier: BSD-2-Clause
/*
 * verbs_wire.c - see verbs_wire.h. Little-endian:
 *
 *   0 u16 magic   2 u8 version   3 u8 length of what follows   4 u32 key   8 u64 address
 *   16 u64 hears   24 u64 says (accept)
 */
#include "rdma_backend/verbs/verbs_wire.h"

#include <string.h>

#define MAGIC	0x5657u /* "WV" */
#define VERSION 2u

static void put(uint8_t *bytes, unsigned count, uint64_t value)
{
	for (unsigned i = 0; i < count; i++)
		bytes[i] = (uint8_t)(value >> 8 * i);
}

static uint64_t get(const uint8_t *bytes, unsigned count)
{
	uint64_t value = 0;

	for (unsigned i = 0; i < count; i++)
		value |= (uint64_t)bytes[i] << 8 * i;
	return value;
}

void verbs_greeting_encode(uint8_t *bytes, uint32_t size, const struct verbs_greeting *greeting)
{
	put(bytes, 2, MAGIC);
	bytes[2] = VERSION;
	bytes[3] = (uint8_t)greeting->length;
	put(bytes + 4, 4, greeting->word_key);
	put(bytes + 8, 8, greeting->word_addr);
	if (size < VERBS_ACCEPT_GREETING)
		return;
	put(bytes + 16, 8, greeting->hears);
	put(bytes + 24, 8, greeting->says);
}

bool verbs_greeting_decode(const uint8_t *bytes, uint32_t size, uint32_t received, uint32_t most,
			   struct verbs_greeting *greeting)
{
	memset(greeting, 0, sizeof(*greeting));
	if (!bytes || received < size || get(bytes, 2) != MAGIC || bytes[2] != VERSION ||
	    bytes[3] > most || bytes[3] > received - size)
		return false;
	greeting->length = bytes[3];
	greeting->word_key = (uint32_t)get(bytes + 4, 4);
	greeting->word_addr = get(bytes + 8, 8);
	if (size < VERBS_ACCEPT_GREETING)
		return true;
	greeting->hears = get(bytes + 16, 8);
	greeting->says = get(bytes + 24, 8);
	/* 0 stands in a word in which nobody has written. */
	return greeting->hears && greeting->says;
}
