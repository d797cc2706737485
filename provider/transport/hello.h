/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * hello.h - how the private data of every connection request and reply begins, whatever the mode:
 * u32 magic, u8 version, u8 mode, u16 features, u64 nonce. The rest is the mode's own.
 */
#ifndef WSD_TRANSPORT_HELLO_H
#define WSD_TRANSPORT_HELLO_H

#include <stdint.h>

#include <openwsd/status.h>

#define WSD_WIRE_MAGIC	      0x4453574fu /* "OWSD" */
#define WSD_WIRE_VERSION      1u
#define WSD_HELLO_START_BYTES 16u

#define WSD_MODE_STREAM 0u /* mode D */
#define WSD_MODE_SAN	1u /* mode S */
#define WSD_MODES	2u

#define WSD_FEATURE_IMM	 0x0001u /* ring data announced by immediate data */
#define WSD_FEATURE_READ 0x0002u /* may be asked to READ */
#define WSD_FEATURE_MOVE 0x0004u /* its peer's end may go to another process */
#define WSD_FEATURE_RESUME \
	0x0008u /* of a request: takes the place of a connection whose secret it shows */

struct wsd_hello_start {
	uint8_t version;
	uint8_t mode;
	uint16_t features;
	uint64_t nonce;
};

void wsd_hello_start_encode(uint8_t *bytes, const struct wsd_hello_start *start);
/* WSD_EVERSION: magic, version or mode differ. WSD_EPROTOCOL: too short. */
enum wsd_status wsd_hello_start_decode(const uint8_t *bytes, uint32_t length, uint8_t mode,
				       struct wsd_hello_start *start);

#endif
