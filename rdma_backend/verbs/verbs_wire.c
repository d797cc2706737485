// SPDX-License-Identifier: BSD-2-Clause
/*
 * verbs_wire.c - what stands before the private data of a request, an accept and a reject: 16 bytes,
 * little-endian. The connection manager pads private data, so the greeting tells the length; and
 * it tells where to write the goodbye (docs/backend.md).
 *
 *   0 u16 magic   2 u8 version   3 u8 length of what follows   4 u32 key   8 u64 address
 */
#include "rdma_backend/verbs/verbs.h"

#define MAGIC	0x5657u /* "WV" */
#define VERSION 1u

void verbs_greeting_encode(uint8_t *bytes, const struct verbs_greeting *greeting)
{
	unsigned i;

	bytes[0] = MAGIC & 0xff;
	bytes[1] = MAGIC >> 8;
	bytes[2] = VERSION;
	bytes[3] = (uint8_t)greeting->length;
	for (i = 0; i < 4; i++)
		bytes[4 + i] = (uint8_t)(greeting->word_key >> 8 * i);
	for (i = 0; i < 8; i++)
		bytes[8 + i] = (uint8_t)(greeting->word_addr >> 8 * i);
}

bool verbs_greeting_decode(const uint8_t *bytes, uint32_t received, uint32_t most,
			   struct verbs_greeting *greeting)
{
	unsigned i;

	if (!bytes || received < VERBS_GREETING || bytes[0] != (MAGIC & 0xff) ||
	    bytes[1] != MAGIC >> 8 || bytes[2] != VERSION)
		return false;
	greeting->length = bytes[3];
	greeting->word_key = 0;
	greeting->word_addr = 0;
	for (i = 0; i < 4; i++)
		greeting->word_key |= (uint32_t)bytes[4 + i] << 8 * i;
	for (i = 0; i < 8; i++)
		greeting->word_addr |= (uint64_t)bytes[8 + i] << 8 * i;
	return greeting->length <= most && greeting->length <= received - VERBS_GREETING;
}
