// SPDX-License-Identifier: BSD-2-Clause
/* netwatch_linux.c - the kernel's own notices, over netlink. Includes no Winsock header. */
#include <errno.h>
#include <net/if.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/netlink.h>
#include <linux/rtnetlink.h>

#include "provider/winsock/netwatch.h"
#include "rdma_backend/base/platform.h"

#define EVERYTHING (WSD_NET_BITS | WSD_NET_BITS << WSD_NET_IPV6)
#define ALL_ROUTES (WSD_NET_ROUTES | WSD_NET_ROUTES << WSD_NET_IPV6)

enum wsd_status wsd_os_net_open(intptr_t *object)
{
	struct sockaddr_nl name = { .nl_family = AF_NETLINK,
				    .nl_groups = RTMGRP_LINK | RTMGRP_IPV4_IFADDR |
						 RTMGRP_IPV6_IFADDR | RTMGRP_IPV4_ROUTE |
						 RTMGRP_IPV6_ROUTE };
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);

	if (fd < 0 && (errno == EMFILE || errno == ENFILE))
		return WSD_ENOFILES;
	if (fd < 0 || bind(fd, (struct sockaddr *)&name, sizeof(name)) != 0) {
		enum wsd_status status =
			errno == ENOMEM || errno == ENOBUFS ? WSD_ENOMEM : WSD_EUNSUPPORTED;

		if (fd >= 0)
			close(fd);
		return status;
	}
	*object = wsd_handle_keep(fd);
	return WSD_OK;
}

static unsigned of_family(unsigned bits, unsigned family)
{
	if (family == AF_INET)
		return bits;
	return family == AF_INET6 ? bits << WSD_NET_IPV6 : 0;
}

/* A payload that is shorter than the structure means nothing. */
static bool holds(const struct nlmsghdr *message, size_t size)
{
	return message->nlmsg_len >= NLMSG_LENGTH(size);
}

static unsigned meaning(const struct nlmsghdr *message)
{
	const void *data = NLMSG_DATA(message);
	const struct ifaddrmsg *address = data;
	const struct ifinfomsg *link = data;
	const struct rtmsg *route = data;

	switch (message->nlmsg_type) {
	case RTM_NEWADDR:
	case RTM_DELADDR: /* its routes come and go with it, not always with a notice */
		return holds(message, sizeof(*address))
			       ? of_family(WSD_NET_BITS, address->ifa_family)
			       : 0;
	case RTM_NEWROUTE:
	case RTM_DELROUTE:
		return holds(message, sizeof(*route)) && !(route->rtm_flags & RTM_F_CLONED)
			       ? of_family(WSD_NET_ROUTES, route->rtm_family)
			       : 0;
	case RTM_NEWLINK: /* one that goes down loses its routes without a notice for each */
		return holds(message, sizeof(*link)) && (link->ifi_change & (IFF_UP | IFF_RUNNING))
			       ? ALL_ROUTES
			       : 0;
	case RTM_DELLINK:
		return ALL_ROUTES;
	default:
		return 0;
	}
}

unsigned wsd_os_net_read(intptr_t object)
{
	union {
		struct nlmsghdr header;
		char bytes[8192];
	} buffer;
	unsigned bits = 0;

	for (;;) {
		struct sockaddr_nl from;
		socklen_t from_length = sizeof(from);
		ssize_t n = recvfrom((int)object, &buffer, sizeof(buffer), MSG_DONTWAIT,
				     (struct sockaddr *)&from, &from_length);
		const struct nlmsghdr *message = &buffer.header;
		size_t left = n > 0 ? (size_t)n : 0;

		if (n < 0 && errno == ENOBUFS) { /* more than the kernel kept for us */
			bits = EVERYTHING;
			continue;
		}
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return bits;
		if (from_length != sizeof(from) || from.nl_pid != 0)
			continue; /* not the kernel */
		for (; NLMSG_OK(message, left); message = NLMSG_NEXT(message, left))
			bits |= meaning(message);
	}
}

void wsd_os_net_close(intptr_t object)
{
	wsd_handle_close(object);
}
