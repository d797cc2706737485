/* SPDX-License-Identifier: BSD-2-Clause */
/* attack.h - what a peer can do behind the back of the backend's interface. One file per backend, because
 * each has its own struct wsd_endpoint. */
#ifndef WSD_TEST_ATTACK_H
#define WSD_TEST_ATTACK_H

#include <stddef.h>
#include <stdint.h>

struct wsd_endpoint;

/* Write into the victim's shared segment, or a packet onto its link. */
void attack_shm(struct wsd_endpoint *victim, struct wsd_endpoint *own, const uint8_t *bytes,
		size_t size);
/* Write into the connection's socket. */
void attack_tcp(struct wsd_endpoint *own, const uint8_t *bytes, size_t size);

#endif
