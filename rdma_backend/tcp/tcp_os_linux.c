// SPDX-License-Identifier: BSD-2-Clause
/*
 * tcp_os_linux.c - sockets, epoll, eventfd and timerfd for the tcp backend. The only file of the
 * backend that knows sockaddr.
 */
#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "rdma_backend/base/platform.h"
#include "rdma_backend/base/traffic_class.h"
#include "rdma_backend/tcp/tcp_os.h"

union any_sockaddr {
	struct sockaddr generic;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

enum wsd_status tcp_os_status(int error)
{
	switch (error) {
	case 0:
		return WSD_OK;
	case ENOMEM:
	case ENOBUFS:
		return WSD_ENOMEM;
	case EMFILE:
	case ENFILE:
	case ENOSPC: /* limit of epoll watches */
		return WSD_ENOFILES;
	case EACCES:
	case EPERM:
		return WSD_EACCESS;
	case EADDRINUSE:
		return WSD_EADDRINUSE;
	case EADDRNOTAVAIL:
		return WSD_EADDRNOTAVAIL;
	case ECONNREFUSED:
		return WSD_ENOLISTENER;
	case ETIMEDOUT:
		return WSD_ETIMEDOUT;
	case EHOSTUNREACH:
	case ENETUNREACH:
	case ENETDOWN:
	case EHOSTDOWN:
	case EAFNOSUPPORT:
		return WSD_EUNREACHABLE;
	default:
		return WSD_ERESET;
	}
}

static socklen_t to_sockaddr(union any_sockaddr *sa, const struct wsd_addr *addr, uint16_t port)
{
	memset(sa, 0, sizeof(*sa));
	if (addr->family == WSD_FAMILY_IPV4) {
		sa->v4.sin_family = AF_INET;
		sa->v4.sin_port = htons(port);
		memcpy(&sa->v4.sin_addr, addr->bytes, 4);
		return sizeof(sa->v4);
	}
	sa->v6.sin6_family = AF_INET6;
	sa->v6.sin6_port = htons(port);
	sa->v6.sin6_scope_id = addr->scope;
	memcpy(&sa->v6.sin6_addr, addr->bytes, 16);
	return sizeof(sa->v6);
}

static void from_sockaddr(struct wsd_addr *addr, const union any_sockaddr *sa)
{
	memset(addr, 0, sizeof(*addr));
	if (sa->generic.sa_family == AF_INET) {
		addr->family = WSD_FAMILY_IPV4;
		addr->port = ntohs(sa->v4.sin_port);
		memcpy(addr->bytes, &sa->v4.sin_addr, 4);
	} else if (sa->generic.sa_family == AF_INET6) {
		addr->family = WSD_FAMILY_IPV6;
		addr->port = ntohs(sa->v6.sin6_port);
		addr->scope = sa->v6.sin6_scope_id;
		memcpy(addr->bytes, &sa->v6.sin6_addr, 16);
	}
}

static int new_socket(uint16_t family, int type)
{
	int domain = family == WSD_FAMILY_IPV6 ? AF_INET6 : AF_INET;
	int fd = socket(domain, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	return fd < 0 ? -errno : (int)wsd_handle_keep(fd);
}

static int close_with(int fd, int error)
{
	tcp_os_close(fd);
	return -error;
}

static bool any_address(const struct wsd_addr *addr)
{
	static const uint8_t zero[16];

	return memcmp(addr->bytes, zero, sizeof(zero)) == 0;
}

int tcp_os_listen(const struct wsd_addr *local, uint16_t port, uint32_t backlog)
{
	union any_sockaddr sa;
	socklen_t length = to_sockaddr(&sa, local, port);
	int one = 1;
	int fd = new_socket(local->family, SOCK_STREAM);

	if (fd < 0)
		return fd;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (local->family == WSD_FAMILY_IPV6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one));
	/* With SO_REUSEADDR a port that is bound but not listening yet shows only in listen. */
	if (bind(fd, &sa.generic, length) != 0 || listen(fd, (int)backlog) != 0)
		return close_with(fd, errno);
	return fd;
}

int tcp_os_accept(int fd)
{
	int accepted = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	return accepted < 0 ? -errno : (int)wsd_handle_keep(accepted);
}

int tcp_os_connect(const struct wsd_addr *local, const struct wsd_addr *remote, uint16_t port)
{
	union any_sockaddr sa;
	socklen_t length;
	int one = 1;
	int fd = new_socket(remote->family, SOCK_STREAM);

	if (fd < 0)
		return fd;
	if (local->family == remote->family && !any_address(local)) {
		setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof(one));
		length = to_sockaddr(&sa, local, 0);
		if (bind(fd, &sa.generic, length) != 0)
			return close_with(fd, errno);
	}
	length = to_sockaddr(&sa, remote, port);
	if (connect(fd, &sa.generic, length) != 0 && errno != EINPROGRESS)
		return close_with(fd, errno);
	return fd;
}

int tcp_os_connect_result(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLOUT };
	int error = 0;
	socklen_t length = sizeof(error);

	if (poll(&p, 1, 0) <= 0)
		return -EINPROGRESS;
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length) != 0)
		return -errno;
	return -error;
}

void tcp_os_close(int fd)
{
	if (fd >= 0)
		wsd_handle_close(fd);
}

void tcp_os_shutdown(int fd)
{
	shutdown(fd, SHUT_RDWR);
}

void tcp_os_shutdown_write(int fd)
{
	shutdown(fd, SHUT_WR);
}

void tcp_os_set_class(int fd, uint16_t family, uint32_t traffic_class)
{
	wsd_traffic_class_set(fd, family, traffic_class);
}

void tcp_os_set_hops(int fd, uint16_t family, uint32_t hops)
{
	bool ipv6 = family == WSD_FAMILY_IPV6;
	int value = hops > 0 ? (int)hops : -1;

	(void)setsockopt(fd, ipv6 ? IPPROTO_IPV6 : IPPROTO_IP, ipv6 ? IPV6_UNICAST_HOPS : IP_TTL,
			 &value, sizeof(value));
}

void tcp_os_tune(int fd, uint32_t user_timeout_ms)
{
	int one = 1;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (user_timeout_ms > 0)
		setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &user_timeout_ms,
			   sizeof(user_timeout_ms));
}

void tcp_os_local_addr(int fd, struct wsd_addr *addr)
{
	union any_sockaddr sa = { .generic.sa_family = AF_UNSPEC };
	socklen_t length = sizeof(sa);

	getsockname(fd, &sa.generic, &length);
	from_sockaddr(addr, &sa);
}

void tcp_os_remote_addr(int fd, struct wsd_addr *addr)
{
	union any_sockaddr sa = { .generic.sa_family = AF_UNSPEC };
	socklen_t length = sizeof(sa);

	getpeername(fd, &sa.generic, &length);
	from_sockaddr(addr, &sa);
}

intptr_t tcp_os_send(int fd, struct iovec *iov, int count)
{
	struct msghdr message = { .msg_iov = iov, .msg_iovlen = (size_t)count };
	intptr_t n;

	do {
		n = sendmsg(fd, &message, MSG_NOSIGNAL);
	} while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

intptr_t tcp_os_recv(int fd, struct iovec *iov, int count)
{
	struct msghdr message = { .msg_iov = iov, .msg_iovlen = (size_t)count };
	intptr_t n;

	do {
		n = count == 1 ? recv(fd, iov->iov_base, iov->iov_len, 0)
			       : recvmsg(fd, &message, 0);
	} while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

int tcp_os_set_create(void)
{
	int fd = epoll_create1(EPOLL_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

static uint32_t to_epoll(uint32_t events)
{
	uint32_t mask = 0;

	if (events & TCP_READ)
		mask |= EPOLLIN | EPOLLRDHUP;
	if (events & TCP_WRITE)
		mask |= EPOLLOUT;
	return mask;
}

int tcp_os_set_add(int set, int fd, uint32_t events, void *tag)
{
	struct epoll_event event = { .events = to_epoll(events), .data.ptr = tag };

	return epoll_ctl(set, EPOLL_CTL_ADD, fd, &event) != 0 ? -errno : 0;
}

void tcp_os_set_change(int set, int fd, uint32_t events, void *tag)
{
	struct epoll_event event = { .events = to_epoll(events), .data.ptr = tag };

	/* Cannot fail for a member of the set. */
	epoll_ctl(set, EPOLL_CTL_MOD, fd, &event);
}

void tcp_os_set_remove(int set, int fd)
{
	epoll_ctl(set, EPOLL_CTL_DEL, fd, NULL);
}

int tcp_os_set_poll(int set, struct tcp_ready *ready, int count)
{
	struct epoll_event events[64];
	int n = epoll_wait(set, events, count < 64 ? count : 64, 0);

	for (int i = 0; i < n; i++) {
		ready[i].tag = events[i].data.ptr;
		ready[i].events = 0;
		if (events[i].events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
			ready[i].events |= TCP_READ;
		if (events[i].events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))
			ready[i].events |= TCP_HANGUP;
		if (events[i].events & EPOLLOUT)
			ready[i].events |= TCP_WRITE;
	}
	return n < 0 ? 0 : n;
}

wsd_wait_object tcp_os_set_object(int set)
{
	return set;
}

bool tcp_os_set_settle(int set)
{
	(void)set; /* the kernel keeps it true */
	return false;
}

int tcp_os_signal_create(void)
{
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	return fd < 0 ? -errno : fd;
}

void tcp_os_signal_raise(int fd)
{
	uint64_t one = 1;

	/* Full counter means that it is raised already. */
	if (write(fd, &one, sizeof(one)) < 0)
		return;
}

void tcp_os_signal_clear(int fd)
{
	uint64_t value;

	if (read(fd, &value, sizeof(value)) < 0)
		return; /* was not raised */
}

int tcp_os_timer_create(void)
{
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);

	return fd < 0 ? -errno : fd;
}

void tcp_os_timer_set(int fd, uint64_t delay_ns)
{
	struct itimerspec spec = { .it_value = { .tv_sec = (time_t)(delay_ns / 1000000000u),
						 .tv_nsec = (long)(delay_ns % 1000000000u) } };

	if (delay_ns == 0)
		spec.it_value.tv_nsec = 1; /* zero would stop it */
	timerfd_settime(fd, 0, &spec, NULL);
}

void tcp_os_timer_clear(int fd)
{
	tcp_os_signal_clear(fd);
}

uint32_t tcp_os_addresses(struct wsd_addr *list, uint32_t count)
{
	struct ifaddrs *all, *entry;
	union any_sockaddr sa;
	uint32_t n = 0;

	if (getifaddrs(&all) != 0)
		return 0;
	for (entry = all; entry; entry = entry->ifa_next) {
		int family = entry->ifa_addr ? entry->ifa_addr->sa_family : AF_UNSPEC;

		if (!(entry->ifa_flags & IFF_UP) || (family != AF_INET && family != AF_INET6))
			continue;
		if (n < count) {
			memset(&sa, 0, sizeof(sa));
			memcpy(&sa, entry->ifa_addr,
			       family == AF_INET ? sizeof(sa.v4) : sizeof(sa.v6));
			from_sockaddr(&list[n], &sa);
		}
		n++;
	}
	freeifaddrs(all);
	return n;
}

bool tcp_os_route_exists(const struct wsd_addr *local, const struct wsd_addr *remote)
{
	union any_sockaddr sa;
	socklen_t length;
	bool ok = true;
	int fd = new_socket(remote->family, SOCK_DGRAM);

	if (fd < 0)
		return fd != -EAFNOSUPPORT; /* out of descriptors says nothing about routes */
	if (local && local->family == remote->family && !any_address(local)) {
		length = to_sockaddr(&sa, local, 0);
		ok = bind(fd, &sa.generic, length) == 0;
	}
	/* Connecting a datagram socket looks up the route and sends nothing. */
	length = to_sockaddr(&sa, remote, 9);
	ok = ok && connect(fd, &sa.generic, length) == 0;
	tcp_os_close(fd);
	return ok;
}
