// SPDX-License-Identifier: BSD-2-Clause
/*
 * verbs_addr.c - addresses: whose they are and where they lead. Which adapter serves an address the
 * connection manager knows, for every kind of network: bind an id to it and look.
 */
#include "rdma_backend/verbs/verbs.h"

#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

void verbs_to_sockaddr(union verbs_sockaddr *sa, const struct wsd_addr *addr)
{
	memset(sa, 0, sizeof(*sa));
	if (addr->family == WSD_FAMILY_IPV6) {
		sa->v6.sin6_family = AF_INET6;
		sa->v6.sin6_port = htons(addr->port);
		sa->v6.sin6_scope_id = addr->scope;
		memcpy(&sa->v6.sin6_addr, addr->bytes, 16);
	} else {
		sa->v4.sin_family = AF_INET;
		sa->v4.sin_port = htons(addr->port);
		memcpy(&sa->v4.sin_addr, addr->bytes, 4);
	}
}

bool verbs_is_link_local(const struct wsd_addr *addr)
{
	return addr->family == WSD_FAMILY_IPV6 && addr->bytes[0] == 0xfe &&
	       (addr->bytes[1] & 0xc0) == 0x80;
}

void verbs_from_sockaddr(struct wsd_addr *addr, const struct sockaddr *sa)
{
	union verbs_sockaddr any;

	memset(addr, 0, sizeof(*addr));
	if (sa->sa_family == AF_INET) {
		memcpy(&any.v4, sa, sizeof(any.v4));
		addr->family = WSD_FAMILY_IPV4;
		addr->port = ntohs(any.v4.sin_port);
		memcpy(addr->bytes, &any.v4.sin_addr, 4);
	} else if (sa->sa_family == AF_INET6) {
		memcpy(&any.v6, sa, sizeof(any.v6));
		addr->family = WSD_FAMILY_IPV6;
		addr->port = ntohs(any.v6.sin6_port);
		memcpy(addr->bytes, &any.v6.sin6_addr, 16);
		if (verbs_is_link_local(addr))
			addr->scope = any.v6.sin6_scope_id;
	}
}

bool verbs_is_any(const struct wsd_addr *addr)
{
	static const uint8_t zero[16];

	return memcmp(addr->bytes, zero, sizeof(zero)) == 0;
}

/* Contexts differ, as librdmacm opens adapters itself; names do not. */
bool verbs_same_device(const struct wsd_device *device, const struct rdma_cm_id *id)
{
	return id->verbs && strcmp(ibv_get_device_name(id->verbs->device),
				   ibv_get_device_name(device->context->device)) == 0;
}

static bool serves(struct wsd_device *device, const struct wsd_addr *addr)
{
	struct wsd_addr probe = *addr;
	union verbs_sockaddr sa;
	struct rdma_cm_id *id;
	bool ours;

	probe.port = 0;
	verbs_to_sockaddr(&sa, &probe);
	if (rdma_create_id(device->probe, &id, NULL, RDMA_PS_TCP) != 0)
		return false;
	ours = rdma_bind_addr(id, &sa.generic) == 0 && verbs_same_device(device, id);
	rdma_destroy_id(id);
	return ours;
}

/* The kernel says of a port that is taken what it says of an address that is not there, if one of the two ids has it
 * at every address. */
enum wsd_status verbs_bind(struct wsd_device *device, struct rdma_cm_id *id,
			   const struct wsd_addr *addr)
{
	union verbs_sockaddr sa;

	verbs_to_sockaddr(&sa, addr);
	if (rdma_bind_addr(id, &sa.generic) == 0)
		return WSD_OK;
	if (errno == EADDRNOTAVAIL && (verbs_is_any(addr) || serves(device, addr)))
		return WSD_EADDRINUSE;
	return verbs_status(errno);
}

/* [lock] Look again; without a descriptor for that, what was seen last counts. */
static void see_addresses(struct wsd_device *device)
{
	struct ifaddrs *all, *each;
	struct wsd_addr addr;

	if (getifaddrs(&all) != 0)
		return;
	device->seen_count = 0;
	for (each = all; each && device->seen_count < VERBS_ADDRESSES; each = each->ifa_next) {
		if (!each->ifa_addr || !(each->ifa_flags & IFF_UP) ||
		    (each->ifa_flags & IFF_LOOPBACK))
			continue;
		verbs_from_sockaddr(&addr, each->ifa_addr);
		addr.port = 0;
		if (addr.family != WSD_FAMILY_NONE && serves(device, &addr))
			device->seen[device->seen_count++] = addr;
	}
	freeifaddrs(all);
}

static bool is_listed(const struct wsd_device *device)
{
	const char *name = ibv_get_device_name(device->context->device);
	struct ibv_device **list = ibv_get_device_list(NULL);
	int i = 0;

	if (!list)
		return errno != ENOSYS;
	while (list[i] && strcmp(ibv_get_device_name(list[i]), name) != 0)
		i++;
	name = list[i] ? name : NULL;
	ibv_free_device_list(list);
	return name != NULL;
}

uint32_t verbs_addresses(struct wsd_device *device, struct wsd_addr *list, uint32_t count)
{
	uint32_t before, found;

	pthread_mutex_lock(&device->lock);
	before = device->seen_count;
	see_addresses(device);
	found = device->seen_count;
	for (uint32_t i = 0; i < found && i < count; i++)
		list[i] = device->seen[i];
	pthread_mutex_unlock(&device->lock);
	if (before > 0 && found == 0 && !is_listed(device))
		atomic_store(&device->gone, true);
	return found;
}

enum wsd_status verbs_source_of(const struct wsd_addr *local, const struct wsd_addr *remote,
				struct wsd_addr *source)
{
	union verbs_sockaddr sa;
	socklen_t length = sizeof(sa);
	struct wsd_addr to = *remote, from;
	enum wsd_status status = WSD_OK;
	int fd = socket(remote->family == WSD_FAMILY_IPV6 ? AF_INET6 : AF_INET,
			SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return verbs_status(errno);
	if (local && local->family != WSD_FAMILY_NONE && !verbs_is_any(local)) {
		from = *local;
		from.port = 0;
		verbs_to_sockaddr(&sa, &from);
		if (bind(fd, &sa.generic, sizeof(sa)) != 0)
			status = WSD_EUNREACHABLE;
	}
	to.port = 9; /* any will do */
	verbs_to_sockaddr(&sa, &to);
	if (status != WSD_OK || connect(fd, &sa.generic, sizeof(sa)) != 0 ||
	    getsockname(fd, &sa.generic, &length) != 0)
		status = WSD_EUNREACHABLE;
	else
		verbs_from_sockaddr(source, &sa.generic);
	close(fd);
	return status;
}

/* [lock] It served this address when it was last looked at. */
static bool has_served(const struct wsd_device *device, const struct wsd_addr *addr)
{
	uint32_t i = 0;

	while (i < device->seen_count &&
	       memcmp(device->seen[i].bytes, addr->bytes, sizeof(addr->bytes)) != 0)
		i++;
	return i < device->seen_count;
}

/* Why does it not serve the address? Nobody tells of a removal while there is no connection and no listener. */
static enum wsd_status not_served(struct wsd_device *device, const struct wsd_addr *source)
{
	bool has;

	pthread_mutex_lock(&device->lock);
	has = has_served(device, source);
	pthread_mutex_unlock(&device->lock);
	if (has && !atomic_load(&device->gone) && !is_listed(device))
		atomic_store(&device->gone, true);
	return atomic_load(&device->gone) ? WSD_EDEVICE : WSD_EUNREACHABLE;
}

enum wsd_status verbs_reachable(struct wsd_device *device, const struct wsd_addr *local,
				const struct wsd_addr *remote)
{
	struct wsd_addr source;
	enum wsd_status status;

	if (remote->family != WSD_FAMILY_IPV4 && remote->family != WSD_FAMILY_IPV6)
		return WSD_EUNREACHABLE;
	if (local && local->family != WSD_FAMILY_NONE && local->family != remote->family)
		return WSD_EUNREACHABLE;
	status = verbs_source_of(local, remote, &source);
	if (status == WSD_OK && (atomic_load(&device->gone) || !serves(device, &source)))
		status = not_served(device, &source);
	return status;
}
