/* SPDX-License-Identifier: BSD-2-Clause */
/* bytes.h - integers of the wire: little-endian, at any address. */
#ifndef WSD_TRANSPORT_BYTES_H
#define WSD_TRANSPORT_BYTES_H

#include <stdint.h>

static inline void wsd_put16(uint8_t *p, uint16_t v)
{
	p[0] = (uint8_t)v;
	p[1] = (uint8_t)(v >> 8);
}

static inline void wsd_put32(uint8_t *p, uint32_t v)
{
	wsd_put16(p, (uint16_t)v);
	wsd_put16(p + 2, (uint16_t)(v >> 16));
}

static inline void wsd_put64(uint8_t *p, uint64_t v)
{
	wsd_put32(p, (uint32_t)v);
	wsd_put32(p + 4, (uint32_t)(v >> 32));
}

static inline uint16_t wsd_get16(const uint8_t *p)
{
	return (uint16_t)(p[0] | p[1] << 8);
}

static inline uint32_t wsd_get32(const uint8_t *p)
{
	return wsd_get16(p) | (uint32_t)wsd_get16(p + 2) << 16;
}

static inline uint64_t wsd_get64(const uint8_t *p)
{
	return wsd_get32(p) | (uint64_t)wsd_get32(p + 4) << 32;
}

#endif
