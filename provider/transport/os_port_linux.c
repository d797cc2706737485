// SPDX-License-Identifier: BSD-2-Clause
/*
 * os_port_linux.c - holds TCP ports with bound, never listening sockets, and asks the routing table.
 * Uses the C library's sockets, so it includes no Winsock header.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "provider/transport/os_addr_linux.h"
#include "provider/transport/os_port.h"
#include "rdma_backend/base/platform.h"

static enum wsd_status from_errno(int code)
{
	switch (code) {
	case EADDRINUSE:
		return WSD_EADDRINUSE;
	case EACCES:
	case EPERM:
		return WSD_EACCESS;
	case EADDRNOTAVAIL:
	case EAFNOSUPPORT:
	case ENODEV:
	case EINVAL: /* a link-local address without a scope */
		return WSD_EADDRNOTAVAIL;
	case EMFILE:
	case ENFILE:
		return WSD_ENOFILES;
	case ENOMEM:
	case ENOBUFS:
		return WSD_ENOMEM;
	default:
		return WSD_EUNREACHABLE;
	}
}

bool wsd_os_port_shares_from_bind(void)
{
	return false;
}

void wsd_os_port_set_reuse(intptr_t holder, bool on)
{
	int value = on;

	if (holder >= 0)
		(void)setsockopt((int)holder, SOL_SOCKET, SO_REUSEADDR, &value, sizeof(value));
}

/* The system binds a stream socket to a broadcast or multicast address, but nobody can use it. */
static bool is_group(const struct wsd_addr *want)
{
	struct wsd_addr ignored;

	if (want->family != WSD_FAMILY_IPV4 || want->bytes[0] == 0 || want->bytes[0] == 127)
		return false;
	return (want->bytes[0] & 0xf0) == 0xe0 || wsd_os_route(want, &ignored) == WSD_EUNREACHABLE;
}

/* What plain connections leave behind for a minute must not keep a server from its port. The option is on only
 * while it binds: then a living holder of the port still refuses others. */
static int bind_fd(int fd, const union wsd_os_addr *os, socklen_t length, bool again)
{
	int rc = bind(fd, &os->any, length);

	if (rc == 0 || errno != EADDRINUSE || !again)
		return rc;
	wsd_os_port_set_reuse(fd, true);
	rc = bind(fd, &os->any, length);
	wsd_os_port_set_reuse(fd, false);
	return rc;
}

static enum wsd_status new_socket(int family, int *fd)
{
	int on = 1;

	*fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_TCP);
	if (*fd < 0)
		return from_errno(errno);
	/* IPv6 ports are a space of their own, as on Windows. */
	if (family == AF_INET6)
		(void)setsockopt(*fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
	return WSD_OK;
}

enum wsd_status wsd_os_port_open(uint16_t family, intptr_t *socket)
{
	int fd;
	enum wsd_status status = new_socket(family == WSD_FAMILY_IPV6 ? AF_INET6 : AF_INET, &fd);

	if (status == WSD_OK)
		*socket = wsd_handle_keep(fd);
	return status;
}

enum wsd_status wsd_os_port_hold(const struct wsd_addr *want, enum wsd_port_sharing sharing,
				 intptr_t *holder, uint16_t *port)
{
	union wsd_os_addr os;
	socklen_t length = wsd_os_addr_to(want, &os);
	bool reuse = sharing == WSD_PORT_REUSE;
	enum wsd_status status;
	int fd;

	if (is_group(want))
		return WSD_EADDRNOTAVAIL;
	status = new_socket(os.any.sa_family, &fd);
	if (status != WSD_OK)
		return status;
	if (reuse)
		wsd_os_port_set_reuse(fd, true);
	if (bind_fd(fd, &os, length, want->port != 0 && !reuse) != 0 ||
	    getsockname(fd, &os.any, &length) != 0) {
		status = from_errno(errno);
		close(fd);
		return status;
	}
	*holder = wsd_handle_keep(fd);
	*port = ntohs(os.any.sa_family == AF_INET6 ? os.v6.sin6_port : os.v4.sin_port);
	return WSD_OK;
}

void wsd_os_port_drop(intptr_t holder)
{
	if (holder >= 0)
		wsd_handle_close(holder);
}

enum wsd_status wsd_os_route(const struct wsd_addr *remote, struct wsd_addr *local)
{
	union wsd_os_addr os;
	socklen_t length = wsd_os_addr_to(remote, &os);
	enum wsd_status status = WSD_EUNREACHABLE;
	int fd;

	/* Connecting a datagram socket sends nothing: it only looks the route up. */
	if (os.any.sa_family == AF_INET6)
		os.v6.sin6_port = htons(9);
	else
		os.v4.sin_port = htons(9);
	fd = socket(os.any.sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return from_errno(errno);
	if (connect(fd, &os.any, length) == 0 && getsockname(fd, &os.any, &length) == 0) {
		wsd_os_addr_from(&os, local);
		local->port = 0;
		status = WSD_OK;
	}
	close(fd);
	return status;
}
