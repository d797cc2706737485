// SPDX-License-Identifier: BSD-2-Clause
/*
 * sim_os.c - what the simulation needs of the operating system: the wait object and local
 * addresses. The wait object is a timer, not an event: the limit of a connect must end the sleep
 * of a queue's owner, and a timer that is due at once serves as an event.
 */
#include "rdma_backend/sim/sim_internal.h"

#include <string.h>

#ifdef _WIN32

#include <windows.h>

enum wsd_status wsd_sim_wait_create(wsd_wait_object *object)
{
	HANDLE timer = CreateWaitableTimerW(NULL, TRUE, NULL);

	if (!timer)
		return WSD_ENOFILES;
	*object = (wsd_wait_object)timer;
	return WSD_OK;
}

void wsd_sim_wait_destroy(wsd_wait_object object)
{
	CloseHandle((HANDLE)object);
}

void wsd_sim_wait_set(wsd_wait_object object, uint64_t ns)
{
	LARGE_INTEGER due;

	/* Negative is relative, in units of 100 ns. Cancelling does not reset, setting does. */
	due.QuadPart = ns ? -(LONGLONG)(ns / 100u + 1u) : -(LONGLONG)INT64_MAX;
	SetWaitableTimer((HANDLE)object, &due, 0, NULL, NULL, FALSE);
	if (!ns)
		CancelWaitableTimer((HANDLE)object);
}

static uint32_t sim_interfaces(struct wsd_addr *list, uint32_t count)
{
	(void)list;
	(void)count;
	return 0;
}

#else

#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

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

static uint32_t sim_interfaces(struct wsd_addr *list, uint32_t count)
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

#endif

uint32_t wsd_sim_local_addresses(struct wsd_addr *list, uint32_t count)
{
	if (count < 2)
		return 0;
	memset(list, 0, 2 * sizeof(*list));
	list[0].family = WSD_FAMILY_IPV4;
	list[0].bytes[0] = 127;
	list[0].bytes[3] = 1;
	list[1].family = WSD_FAMILY_IPV6;
	list[1].bytes[15] = 1;
	return 2 + sim_interfaces(list + 2, count - 2);
}
