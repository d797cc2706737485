// SPDX-License-Identifier: BSD-2-Clause
/*
 * shm_copy.c - payload copies, and which of two ways a large one into the peer's memory takes.
 *
 * Cached: memcpy. Best where both CPUs share a cache. But where they do not, each line has to be fetched from the
 * cache of the CPU that read it last before it can be written: a tenth of the speed. Streamed: stores
 * that go past the caches. They never wait for the reader's CPU, whose reads then come from memory, well
 * prefetched. Nobody says where the scheduler or a hypervisor has put the two, and that changes, so
 * the sender measures: the way in use now and then, and as often as it costs little, the other one.
 * After a change the costs are believed only when a lap of the ring has put all lines where this way
 * leaves them.
 */

#include <string.h>

#include "rdma_backend/shm/shm_internal.h"

#define CHOICE_LEAST  8192u /* bytes: below, fences and clocks cost more than they can save */
#define MEASURE_EVERY 4u    /* copies outside of trials */
#define TRIAL_SAMPLES 8u    /* after the lap; the best counts */
#define TRIAL_SHARE   128u  /* trials may take one part in so many of the time */
#define READER_FACTOR 2u /* the reader pays for streamed bytes about as much as the writer saves */

typedef void copy_function(void *to, const void *from, size_t length);

static void copy_cached(void *to, const void *from, size_t length)
{
	memcpy(to, from, length);
}

static void gather(copy_function *copy, const struct shm_op *op, uint32_t offset, void *to,
		   uint32_t length)
{
	uint8_t *out = to;
	uint32_t i, part;

	for (i = 0; i < op->sge_count && length; i++) {
		if (offset >= op->sge[i].length) {
			offset -= op->sge[i].length;
			continue;
		}
		part = op->sge[i].length - offset;
		if (part > length)
			part = length;
		copy(out, (const uint8_t *)op->sge[i].addr + offset, part);
		out += part;
		length -= part;
		offset = 0;
	}
}

void shm_gather(const struct shm_op *op, uint32_t offset, void *to, uint32_t length)
{
	gather(copy_cached, op, offset, to, length);
}

void shm_scatter(const struct shm_op *op, uint32_t offset, const void *from, uint32_t length)
{
	const uint8_t *in = from;
	uint32_t i, part;

	for (i = 0; i < op->sge_count && length; i++) {
		if (offset >= op->sge[i].length) {
			offset -= op->sge[i].length;
			continue;
		}
		part = op->sge[i].length - offset;
		if (part > length)
			part = length;
		memcpy((uint8_t *)op->sge[i].addr + offset, in, part);
		in += part;
		length -= part;
		offset = 0;
	}
}

/* The cost of the way in use falls at once, but at most doubles: a preempted copy says nothing. */
static uint32_t learn(uint32_t known, uint64_t measured)
{
	uint64_t most = known ? 2ull * known : UINT32_MAX;

	if (most > UINT32_MAX)
		most = UINT32_MAX;
	return (uint32_t)(measured < most ? measured : most);
}

bool shm_choice_next(struct shm_choice *choice, uint64_t ring, bool *timed)
{
	if (!choice->trial && !choice->lap && choice->spent >= choice->due) {
		choice->trial = TRIAL_SAMPLES;
		choice->lap = ring;
		choice->spent = 0;
		choice->cost[!choice->streamed] = UINT32_MAX;
	}
	*timed = choice->trial || choice->lap || choice->copies++ % MEASURE_EVERY == 0;
	return choice->streamed != (choice->trial > 0);
}

/* The way to use from now on; `streamed` is the one that this copy took. */
static void decide(struct shm_choice *choice, bool streamed, uint64_t ring)
{
	choice->streamed = choice->cost[false] > (uint64_t)READER_FACTOR * choice->cost[true];
	choice->lap = choice->streamed == streamed ? 0 : ring;
}

void shm_choice_learn(struct shm_choice *choice, uint64_t ring, uint64_t ns, uint32_t length)
{
	bool streamed = choice->streamed != (choice->trial > 0);
	uint64_t cost = ns * 65536 / length + 1;

	choice->spent += choice->trial || choice->lap ? ns : MEASURE_EVERY * ns;
	if (choice->lap) {
		choice->lap -= length < choice->lap ? length : choice->lap;
	} else if (!choice->trial) {
		choice->cost[streamed] = learn(choice->cost[streamed], cost);
		decide(choice, streamed, ring);
	} else {
		if (cost < choice->cost[streamed])
			choice->cost[streamed] = (uint32_t)cost;
		if (--choice->trial == 0) {
			choice->due = TRIAL_SHARE * choice->spent;
			choice->spent = 0;
			decide(choice, streamed, ring);
		}
	}
}

void shm_copy_write(struct wsd_endpoint *endpoint, const struct shm_op *op,
		    const struct shm_peer_mem *mem)
{
	const struct wsd_host *host = endpoint->queue->host;
	bool streamed = false, timed = false;
	uint64_t began;

	if (op->length >= CHOICE_LEAST)
		streamed = shm_choice_next(&endpoint->choice, mem->length, &timed);
	began = timed ? host->now() : 0;
	gather(streamed ? wsd_copy_streamed : copy_cached, op, 0,
	       mem->base + (op->remote_addr - SHM_MEM_ADDR), op->length);
	if (timed)
		shm_choice_learn(&endpoint->choice, mem->length, host->now() - began, op->length);
}
