/* SPDX-License-Identifier: BSD-2-Clause */
/* traffic_class.h - how packets of a TCP socket of the system are marked. Not on Windows. */
#ifndef WSD_BASE_TRAFFIC_CLASS_H
#define WSD_BASE_TRAFFIC_CLASS_H

#include <stdint.h>

/* The IP type of service, and by its precedence the place in the queues of the interface (SO_PRIORITY). family: of
 * the peer's address. A system that refuses is obeyed. */
void wsd_traffic_class_set(int socket, uint16_t family, uint32_t traffic_class);

#endif
