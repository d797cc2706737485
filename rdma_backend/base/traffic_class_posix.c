// SPDX-License-Identifier: BSD-2-Clause
/* traffic_class_posix.c - see traffic_class.h. */
#include "rdma_backend/base/traffic_class.h"

#include <linux/pkt_sched.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <openwsd/backend.h>

/* What is highest in the queue of the interface needs a privilege. Over IPv4 the class has set this, too: of one
 * that is not listed here it stays so. */
static void set_priority(int socket, bool ipv6, uint32_t traffic_class)
{
	static const int priorities[8] = { [3] = TC_PRIO_INTERACTIVE_BULK,
					   [4] = TC_PRIO_INTERACTIVE_BULK,
					   [5] = TC_PRIO_INTERACTIVE,
					   [6] = TC_PRIO_CONTROL,
					   [7] = TC_PRIO_CONTROL };
	int priority = priorities[(traffic_class >> 5) & 7];

	if (priority == 0 && !ipv6)
		return;
	if (setsockopt(socket, SOL_SOCKET, SO_PRIORITY, &priority, sizeof(priority)) != 0) {
		priority = TC_PRIO_INTERACTIVE;
		(void)setsockopt(socket, SOL_SOCKET, SO_PRIORITY, &priority, sizeof(priority));
	}
}

void wsd_traffic_class_set(int socket, uint16_t family, uint32_t traffic_class)
{
	bool ipv6 = family == WSD_FAMILY_IPV6;
	int class = (int)traffic_class;

	(void)setsockopt(socket, ipv6 ? IPPROTO_IPV6 : IPPROTO_IP, ipv6 ? IPV6_TCLASS : IP_TOS,
			 &class, sizeof(class));
	set_priority(socket, ipv6, traffic_class);
}
