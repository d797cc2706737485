// SPDX-License-Identifier: BSD-2-Clause
/* wire.c - encoders and decoders of mode S. */
#include "provider/san/wire.h"

#include <string.h>

#include "provider/transport/bytes.h"

_Static_assert(WSD_SAN_HELLO_BYTES + WSD_CALLER_DATA_MAX == WSD_REQUEST_DATA_MAX, "request");
_Static_assert(WSD_SAN_HELLO_BYTES + WSD_CALLEE_DATA_MAX == WSD_REPLY_DATA_MAX, "reply");

#define MESSAGE_LEAST 256u /* the first message of a switch may be so long */

uint32_t wsd_san_hello_encode(uint8_t *bytes, const struct wsd_san_hello *hello)
{
	struct wsd_hello_start start = { .version = WSD_WIRE_VERSION,
					 .mode = WSD_MODE_SAN,
					 .features = hello->features,
					 .nonce = hello->nonce };

	wsd_hello_start_encode(bytes, &start);
	wsd_put16(bytes + 16, hello->message);
	bytes[18] = hello->data_length;
	bytes[19] = 0;
	memcpy(bytes + WSD_SAN_HELLO_BYTES, hello->data, hello->data_length);
	return WSD_SAN_HELLO_BYTES + hello->data_length;
}

enum wsd_status wsd_san_hello_decode(const uint8_t *bytes, uint32_t length,
				     struct wsd_san_hello *hello)
{
	struct wsd_hello_start start;
	enum wsd_status status = wsd_hello_start_decode(bytes, length, WSD_MODE_SAN, &start);

	if (status != WSD_OK)
		return status;
	if (length < WSD_SAN_HELLO_BYTES)
		return WSD_EPROTOCOL;
	hello->features = start.features;
	hello->nonce = start.nonce;
	hello->message = wsd_get16(bytes + 16);
	hello->data_length = bytes[18];
	/* A device may deliver more than was sent, padded. */
	if (hello->message < MESSAGE_LEAST || hello->data_length > sizeof(hello->data) ||
	    hello->data_length > length - WSD_SAN_HELLO_BYTES)
		return WSD_EPROTOCOL;
	memcpy(hello->data, bytes + WSD_SAN_HELLO_BYTES, hello->data_length);
	return WSD_OK;
}

void wsd_descriptor_encode(uint8_t *bytes, const struct wsd_descriptor *descriptor)
{
	wsd_put64(bytes, descriptor->nonce);
	wsd_put64(bytes + 8, descriptor->addr);
	wsd_put32(bytes + 16, descriptor->key);
	wsd_put32(bytes + 20, descriptor->length);
	wsd_put32(bytes + 24, descriptor->id);
	wsd_put32(bytes + 28, descriptor->rights);
}

bool wsd_descriptor_decode(const uint8_t *bytes, uint32_t length, struct wsd_descriptor *descriptor)
{
	if (!bytes || length != WSD_DESCRIPTOR_BYTES)
		return false;
	descriptor->nonce = wsd_get64(bytes);
	descriptor->addr = wsd_get64(bytes + 8);
	descriptor->key = wsd_get32(bytes + 16);
	descriptor->length = wsd_get32(bytes + 20);
	descriptor->id = wsd_get32(bytes + 24);
	descriptor->rights = wsd_get32(bytes + 28);
	return true;
}
