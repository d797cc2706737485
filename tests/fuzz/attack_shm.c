// SPDX-License-Identifier: BSD-2-Clause
/* attack_shm.c - see attack.h. */
#include "tests/fuzz/attack.h"

#include <string.h>
#include <sys/socket.h>

#include "rdma_backend/shm/shm_internal.h"

static uint32_t word(const uint8_t *bytes)
{
	uint32_t value;

	memcpy(&value, bytes, sizeof(value));
	return value;
}

static void scribble(struct wsd_endpoint *victim, uint32_t offset, uint32_t value)
{
	char *at;

	if (!victim->own)
		return;
	at = (char *)victim->own + offset % (victim->own_layout.length / 4) * 4;
	atomic_store((_Atomic uint32_t *)(void *)at, value);
}

/*
 * Most of a segment is payload: aim at the heads, or at one of the entries that are read next. The
 * sequence number is written last, as the one that the victim waits for.
 */
static void lie(struct wsd_endpoint *victim, const uint8_t *bytes)
{
	uint32_t position = victim->cq_head + bytes[1] % 3;
	uint32_t entry = position & (victim->own_layout.cq_size - 1);
	uint32_t at = (uint32_t)(sizeof(struct shm_segment) + entry * sizeof(struct shm_cqe)) / 4;

	if (bytes[0] & 4) {
		scribble(victim, bytes[1] % (sizeof(struct shm_segment) / 4), word(bytes + 4));
		return;
	}
	scribble(victim, at + 1, bytes[2] % 9); /* type */
	scribble(victim, at + 1 + bytes[3] % 7, word(bytes + 4));
	scribble(victim, at, position + 1);
}

void attack_shm(struct wsd_endpoint *victim, struct wsd_endpoint *own, const uint8_t *bytes,
		size_t size)
{
	union shm_packet packet;

	if (size < 8)
		return;
	if (bytes[0] % 4 == 0 && own->link && !own->link->lost) {
		memset(&packet, 0, sizeof(packet));
		memcpy(&packet, bytes, size < sizeof(packet) ? size : sizeof(packet));
		packet.head = (struct shm_msg){ SHM_MAGIC, SHM_VERSION, bytes[1] };
		if (bytes[0] & 4) { /* addressed to the victim */
			packet.mem.index = victim->index;
			packet.mem.generation = victim->generation;
		}
		(void)send(own->link->source.channel, &packet,
			   bytes[0] & 8 ? sizeof(packet.mem) : size, MSG_DONTWAIT | MSG_NOSIGNAL);
	} else if (bytes[0] % 4 == 1) {
		scribble(victim, word(bytes + 4), word(bytes + 1));
	} else {
		lie(victim, bytes);
	}
}
