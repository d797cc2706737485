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
	if (hello->features & WSD_FEATURE_RESUME)
		memcpy(bytes + 24, hello->secret, sizeof(hello->secret));
	else
		wsd_qos_encode(bytes + 24, &hello->qos);
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
	memcpy(hello->secret, bytes + 24, sizeof(hello->secret));
	memset(&hello->qos, 0, sizeof(hello->qos));
	if (!(hello->features & WSD_FEATURE_RESUME) &&
	    !wsd_qos_decode(bytes + 24, WSD_QOS_BYTES, &hello->qos))
		return WSD_EPROTOCOL;
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

/* A number as mantissa * 2^exponent, exponent in the upper 5 bits: the next one that is not less. */
static uint32_t pack(uint32_t value, unsigned mantissa_bits)
{
	uint64_t mantissa = value;
	uint32_t exponent = 0;

	while (mantissa >> mantissa_bits) {
		mantissa = (mantissa + 1) >> 1;
		exponent++;
	}
	if (mantissa << exponent > UINT32_MAX) /* the greatest of all does not fit: the one below */
		mantissa--;
	return exponent << mantissa_bits | (uint32_t)mantissa;
}

static uint64_t unpack(uint32_t packed, unsigned mantissa_bits)
{
	return (uint64_t)(packed & ((1u << mantissa_bits) - 1)) << (packed >> mantissa_bits);
}

#define BUCKET_BITS 10u
#define PEAK_BITS   9u

static uint64_t flow_pack(const struct wsd_flow *flow)
{
	uint32_t peak = pack(flow->peak, PEAK_BITS);

	if (unpack(peak, PEAK_BITS) < flow->rate)
		peak = 0; /* next to the greatest number: no bound */
	return (uint64_t)flow->service << 61 | (uint64_t)peak << 47 |
	       (uint64_t)pack(flow->bucket, BUCKET_BITS) << 32 | flow->rate;
}

static bool flow_unpack(uint64_t bits, struct wsd_flow *flow)
{
	uint64_t bucket = unpack((uint32_t)(bits >> 32) & 0x7fff, BUCKET_BITS);
	uint64_t peak = unpack((uint32_t)(bits >> 47) & 0x3fff, PEAK_BITS);
	unsigned service = (unsigned)(bits >> 61);

	if (service >= WSD_SERVICES || bucket > UINT32_MAX || peak > UINT32_MAX)
		return false;
	flow->service = (enum wsd_service)service;
	flow->rate = (uint32_t)bits;
	flow->bucket = (uint32_t)bucket;
	flow->peak = (uint32_t)peak;
	if (service == WSD_SERVICE_NONE || service == WSD_SERVICE_NO_TRAFFIC)
		return flow->rate == 0 && bucket == 0 && peak == 0;
	return peak == 0 || peak >= flow->rate;
}

void wsd_qos_encode(uint8_t *bytes, const struct wsd_qos *qos)
{
	wsd_put64(bytes, flow_pack(&qos->out));
	wsd_put64(bytes + 8, flow_pack(&qos->in));
}

bool wsd_qos_decode(const uint8_t *payload, uint32_t length, struct wsd_qos *qos)
{
	uint8_t bytes[WSD_QOS_BYTES];

	if (length < WSD_QOS_BYTES)
		return false;
	copy_once(bytes, payload, sizeof(bytes));
	return flow_unpack(wsd_get64(bytes), &qos->out) &&
	       flow_unpack(wsd_get64(bytes + 8), &qos->in);
}

struct wsd_qos wsd_qos_told(const struct wsd_qos *qos)
{
	uint8_t bytes[WSD_QOS_BYTES];
	struct wsd_qos told = { 0 };

	wsd_qos_encode(bytes, qos);
	(void)wsd_qos_decode(bytes, sizeof(bytes), &told);
	return told;
}
