// SPDX-License-Identifier: BSD-2-Clause
/* verbs_port.c - see verbs_port.h. */
#include "rdma_backend/verbs/verbs_port.h"

#include <stddef.h>

/* Both are codes, one bit each: lanes, and what a lane carries. Bytes per second; 0: unknown. */
static uint64_t port_speed(const struct ibv_port_attr *attr)
{
	static const struct {
		uint8_t code;
		uint32_t mbits;
	} rates[] = { { 1, 2500 },   { 2, 5000 },   { 4, 10000 },  { 8, 10000 },
		      { 16, 14000 }, { 32, 25000 }, { 64, 50000 }, { 128, 100000 } };
	static const struct {
		uint8_t code, lanes;
	} widths[] = { { 1, 1 }, { 2, 4 }, { 4, 8 }, { 8, 12 }, { 16, 2 } };
	uint64_t mbits = 0, lanes = 0;
	size_t i;

	for (i = 0; i < sizeof(rates) / sizeof(rates[0]); i++)
		if (rates[i].code == attr->active_speed)
			mbits = rates[i].mbits;
	for (i = 0; i < sizeof(widths) / sizeof(widths[0]); i++)
		if (widths[i].code == attr->active_width)
			lanes = widths[i].lanes;
	return mbits * lanes * 125000;
}

void verbs_ports_add(struct verbs_ports *ports, uint8_t number, const struct ibv_port_attr *attr)
{
	bool active = attr->state == IBV_PORT_ACTIVE;
	uint64_t speed = port_speed(attr);

	if (ports->first == 0 || attr->max_msg_sz < ports->max_bytes)
		ports->max_bytes = attr->max_msg_sz;
	/* A port without a link may get one; until then it counts only where no other does better. */
	if (ports->first == 0 || (active && !ports->active)) {
		ports->first = number;
		ports->active = active;
		ports->speed = speed;
	} else if (active == ports->active && speed < ports->speed) {
		ports->speed = speed;
	}
}
