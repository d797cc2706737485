// SPDX-License-Identifier: BSD-2-Clause
/* copy.c - copying past the caches, for memory that another CPU reads next. */
#include <string.h>

#include "rdma_backend/base/platform.h"

#if defined(__SSE2__) || defined(_M_X64)
#include <emmintrin.h>

/* One cache line; to is aligned to 16. */
static void stream_line(uint8_t *to, const uint8_t *from)
{
	const __m128i *in = (const __m128i *)(const void *)from;
	__m128i *out = (__m128i *)(void *)to;
	__m128i a = _mm_loadu_si128(in), b = _mm_loadu_si128(in + 1);
	__m128i c = _mm_loadu_si128(in + 2), d = _mm_loadu_si128(in + 3);

	_mm_stream_si128(out, a);
	_mm_stream_si128(out + 1, b);
	_mm_stream_si128(out + 2, c);
	_mm_stream_si128(out + 3, d);
}

void wsd_copy_streamed(void *to, const void *from, size_t length)
{
	size_t head = (size_t)(-(uintptr_t)to & 15);
	const uint8_t *in = from;
	uint8_t *out = to;

	head = head < length ? head : length;
	memcpy(out, in, head);
	for (in += head, out += head, length -= head; length >= 64;
	     in += 64, out += 64, length -= 64)
		stream_line(out, in);
	memcpy(out, in, length);
	/* A release store does not order streamed stores. This makes them older than every store that
	 * follows, also one of another thread that is handed the work. */
	_mm_sfence();
}
#else
void wsd_copy_streamed(void *to, const void *from, size_t length)
{
	memcpy(to, from, length);
}
#endif
