/* SPDX-License-Identifier: BSD-2-Clause */
/* verbs_port.h - what an adapter is, by what libibverbs reports of each of its ports. */
#ifndef WSD_VERBS_PORT_H
#define WSD_VERBS_PORT_H

#include <stdbool.h>
#include <stdint.h>

#include <infiniband/verbs.h>

/* Zero before the first port is added. */
struct verbs_ports {
	uint64_t speed;	    /* bytes per second; 0: unknown */
	uint32_t max_bytes; /* of one message */
	uint8_t first;	    /* a port that works, or, while none does, any; 0: there is none */
	bool active;	    /* first works */
};

/*
 * A connection goes over the port that its route leads to, which is not known when limits are asked for. So these are
 * what each port can do: the smallest message, and the speed of the slowest of those that have a link.
 */
void verbs_ports_add(struct verbs_ports *ports, uint8_t number, const struct ibv_port_attr *attr);

#endif
