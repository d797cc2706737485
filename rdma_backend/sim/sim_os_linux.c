// SPDX-License-Identifier: BSD-2-Clause
/* sim_os_linux.c - the simulation's wait object, a timer descriptor, and local addresses. */

#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "rdma_backend/sim/sim_internal.h"

enum wsd_status wsd_sim_wait_create(wsd_wait_object *object)
{
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);

	if (fd < 0)
		return errno == EMFILE || errno == ENFILE ? WSD_ENOFILES : WSD_ENOMEM;
	*object = fd;
	return WSD_OK;
}

void wsd_sim_wait_destroy(wsd_wait_object object)
{
	close((int)object);
}

void wsd_sim_wait_set(wsd_wait_object object, uint64_t ns)
{
	struct itimerspec spec;

	/* Setting also takes back an expiry that nobody has read. */
	memset(&spec, 0, sizeof(spec));
	spec.it_value.tv_sec = (time_t)(ns / 1000000000u);
	spec.it_value.tv_nsec = (long)(ns % 1000000000u);
	(void)timerfd_settime((int)object, 0, &spec, NULL);
}

static bool sim_convert(const struct sockaddr *from, struct wsd_addr *to)
{
	struct sockaddr_in in4;
	struct sockaddr_in6 in6;

	memset(to, 0, sizeof(*to));
	if (from->sa_family == AF_INET) {
		memcpy(&in4, from, sizeof(in4));
		to->family = WSD_FAMILY_IPV4;
		memcpy(to->bytes, &in4.sin_addr, 4);
		return true;
	}
	if (from->sa_family == AF_INET6) {
		memcpy(&in6, from, sizeof(in6));
		to->family = WSD_FAMILY_IPV6;
		to->scope = in6.sin6_scope_id;
		memcpy(to->bytes, &in6.sin6_addr, 16);
		return true;
	}
	return false;
}

uint32_t wsd_sim_os_addresses(struct wsd_addr *list, uint32_t count)
{
	struct ifaddrs *first, *each;
	uint32_t used = 0;

	if (getifaddrs(&first))
		return 0;
	for (each = first; each && used < count; each = each->ifa_next) {
		if (!each->ifa_addr || !(each->ifa_flags & IFF_UP) ||
		    (each->ifa_flags & IFF_LOOPBACK))
			continue;
		if (sim_convert(each->ifa_addr, &list[used]))
			used++;
	}
	freeifaddrs(first);
	return used;
}
