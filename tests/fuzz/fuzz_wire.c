// SPDX-License-Identifier: BSD-2-Clause
/* fuzz_wire.c - the pure decoders of both modes and of the tcp and verbs backends: what one accepts must survive
 * encoding and decoding once more. */
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "provider/san/wire.h"
#include "provider/session/wire.h"
#include "rdma_backend/tcp/tcp_wire.h"
#include "rdma_backend/verbs/verbs_wire.h"

#define ROOM 256u

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	return 0;
}

static void same(bool right)
{
	if (!right)
		abort();
}

static void session(const uint8_t *bytes, uint32_t size)
{
	uint8_t again[ROOM] = { 0 };
	struct wsd_hello hello, hello2;
	struct wsd_header header, header2;
	struct wsd_grant grant, grant2;

	if (wsd_hello_decode(bytes, size, WSD_MODE_STREAM, &hello) == WSD_OK) {
		wsd_hello_encode(again, &hello);
		same(wsd_hello_decode(again, WSD_HELLO_BYTES, WSD_MODE_STREAM, &hello2) == WSD_OK &&
		     hello.slots == hello2.slots && hello.window == hello2.window);
	}
	if (wsd_header_decode(bytes, size, &header)) {
		same(header.length + WSD_HEADER_BYTES <= size);
		wsd_header_encode(again, &header);
		same(wsd_header_decode(again, size, &header2) &&
		     header.position == header2.position && header.type == header2.type);
	}
	if (size >= WSD_GRANT_BYTES && wsd_grant_decode(bytes, size, &grant)) {
		wsd_grant_encode(again, &grant);
		same(wsd_grant_decode(again, WSD_GRANT_BYTES, &grant2) && grant.key == grant2.key);
	}
}

static void verbs(const uint8_t *bytes, uint32_t size, uint32_t greeting_size)
{
	struct verbs_greeting greeting, greeting2;
	uint8_t again[ROOM] = { 0 };

	if (!verbs_greeting_decode(bytes, greeting_size, size, ROOM / 2, &greeting))
		return;
	same(greeting_size + greeting.length <= size);
	verbs_greeting_encode(again, greeting_size, &greeting);
	same(verbs_greeting_decode(again, greeting_size, ROOM, ROOM / 2, &greeting2) &&
	     memcmp(&greeting, &greeting2, sizeof(greeting)) == 0);
}

static void san(const uint8_t *bytes, uint32_t size)
{
	uint8_t again[ROOM] = { 0 };
	struct wsd_san_hello hello, hello2;
	struct wsd_descriptor descriptor, descriptor2;

	if (wsd_san_hello_decode(bytes, size, &hello) == WSD_OK) {
		uint32_t length = wsd_san_hello_encode(again, &hello);

		same(length <= WSD_SAN_HELLO_MAX && length <= size &&
		     wsd_san_hello_decode(again, length, &hello2) == WSD_OK &&
		     hello.nonce == hello2.nonce && hello.message == hello2.message &&
		     memcmp(hello.data, hello2.data, hello.data_length) == 0);
	}
	if (wsd_descriptor_decode(bytes, size, &descriptor)) {
		same(size == WSD_DESCRIPTOR_BYTES);
		wsd_descriptor_encode(again, &descriptor);
		same(wsd_descriptor_decode(again, size, &descriptor2) &&
		     memcmp(&descriptor, &descriptor2, sizeof(descriptor)) == 0);
	}
}

static void backend(const uint8_t *bytes, uint32_t size)
{
	uint8_t again[ROOM] = { 0 };
	struct tcp_frame frame, frame2;
	struct tcp_banner banner, banner2;
	struct tcp_hello hello, hello2;

	if (size >= TCP_HEADER_BYTES && tcp_frame_decode(&frame, bytes)) {
		tcp_frame_encode(&frame, again);
		same(tcp_frame_decode(&frame2, again) && frame.length == frame2.length &&
		     frame.type == frame2.type);
	}
	if (size >= TCP_BANNER_BYTES && tcp_banner_decode(&banner, bytes)) {
		tcp_banner_encode(&banner, again);
		same(tcp_banner_decode(&banner2, again) && banner.nonce == banner2.nonce &&
		     banner.busy == banner2.busy);
	}
	if (tcp_hello_decode(&hello, bytes, size)) {
		tcp_hello_encode(&hello, again);
		same(tcp_hello_decode(&hello2, again, size) &&
		     hello.recv_depth == hello2.recv_depth);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *copy; /* of exactly this size: a byte too far is seen */

	if (size > ROOM)
		size = ROOM;
	copy = malloc(size ? size : 1);
	if (!copy)
		return 0;
	memcpy(copy, data, size);
	session(copy, (uint32_t)size);
	san(copy, (uint32_t)size);
	backend(copy, (uint32_t)size);
	verbs(copy, (uint32_t)size, VERBS_GREETING);
	verbs(copy, (uint32_t)size, VERBS_ACCEPT_GREETING);
	free(copy);
	return 0;
}
