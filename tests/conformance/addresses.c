// SPDX-License-Identifier: BSD-2-Clause
/* addresses.c - the host's own addresses and a host without routes, asked of the system directly. */
#include "tests/conformance/addresses.h"

#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

static unsigned collect(int family, int loopback, unsigned char list[][16], unsigned most)
{
	struct ifaddrs *all, *each;
	unsigned count = 0;

	if (getifaddrs(&all) != 0)
		return 0;
	for (each = all; each != NULL && count < most; each = each->ifa_next) {
		int wanted = family == 6 ? AF_INET6 : AF_INET;

		if (each->ifa_addr == NULL || each->ifa_addr->sa_family != wanted ||
		    !(each->ifa_flags & IFF_UP) || !(each->ifa_flags & IFF_LOOPBACK) != !loopback)
			continue;
		memset(list[count], 0, 16);
		if (family == 6)
			memcpy(list[count++],
			       &((struct sockaddr_in6 *)(void *)each->ifa_addr)->sin6_addr, 16);
		else
			memcpy(list[count++],
			       &((struct sockaddr_in *)(void *)each->ifa_addr)->sin_addr, 4);
	}
	freeifaddrs(all);
	return count;
}

unsigned host_addresses(int family, unsigned char list[][16], unsigned most)
{
	unsigned count = collect(family, 0, list, most);

	return count > 0 ? count : collect(family, 1, list, most);
}

int host_lose_routes(void)
{
	struct ifreq request;
	int fd, up;

	if (unshare(CLONE_NEWNET) != 0 && unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0)
		return 0;
	fd = socket(AF_INET, SOCK_DGRAM, 0);
	memset(&request, 0, sizeof(request));
	strcpy(request.ifr_name, "lo");
	request.ifr_flags = IFF_UP | IFF_RUNNING;
	up = fd >= 0 && ioctl(fd, SIOCSIFFLAGS, &request) == 0;
	close(fd);
	return up;
}
