// SPDX-License-Identifier: BSD-2-Clause
/* hello.c - see hello.h. */
#include "provider/transport/hello.h"

#include "provider/transport/bytes.h"

void wsd_hello_start_encode(uint8_t *bytes, const struct wsd_hello_start *start)
{
	wsd_put32(bytes, WSD_WIRE_MAGIC);
	bytes[4] = start->version;
	bytes[5] = start->mode;
	wsd_put16(bytes + 6, start->features);
	wsd_put64(bytes + 8, start->nonce);
}

enum wsd_status wsd_hello_start_decode(const uint8_t *bytes, uint32_t length, uint8_t mode,
				       struct wsd_hello_start *start)
{
	if (length < WSD_HELLO_START_BYTES)
		return WSD_EPROTOCOL;
	if (wsd_get32(bytes) != WSD_WIRE_MAGIC || bytes[4] != WSD_WIRE_VERSION || bytes[5] != mode)
		return WSD_EVERSION;
	start->version = bytes[4];
	start->mode = bytes[5];
	start->features = wsd_get16(bytes + 6);
	start->nonce = wsd_get64(bytes + 8);
	return WSD_OK;
}
