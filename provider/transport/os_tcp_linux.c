// SPDX-License-Identifier: BSD-2-Clause
/* os_tcp_linux.c - see os_tcp.h: sockets and epoll, edge-triggered. */
#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "provider/transport/os_addr_linux.h"
#include "provider/transport/os_tcp.h"
#include "rdma_backend/base/base.h"
#include "rdma_backend/base/platform.h"
#include "rdma_backend/base/traffic_class.h"

#define GONE_MOST  64u /* connections in a row */
#define USUAL_HOPS 64
#define NS_PER_MS  1000000ull
#define NS_PER_S   1000000000ull

struct wsd_os_poller {
	int fd;
	atomic_uint watched; /* 0: there is nothing to ask the system for */
};

static enum wsd_status from_errno(int code)
{
	switch (code) {
	case 0:
		return WSD_OK;
	case EAGAIN:
	case EINTR:
		return WSD_AGAIN;
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
	case EADDRNOTAVAIL: /* of connect: these two ends are connected already */
		return WSD_EADDRINUSE;
	case ECONNREFUSED:
		return WSD_ENOLISTENER;
	case ETIMEDOUT:
		return WSD_ETIMEDOUT;
	case EHOSTUNREACH:
	case ENETUNREACH:
	case ENETDOWN:
	case EHOSTDOWN:
	case EAFNOSUPPORT:
	case EINVAL: /* a link-local address without a scope */
		return WSD_EUNREACHABLE;
	default:
		return WSD_ERESET;
	}
}

static void set_int(intptr_t socket, int level, int name, int value)
{
	(void)setsockopt((int)socket, level, name, &value, sizeof(value));
}

/* --- poller --- */

enum wsd_status wsd_os_poller_create(struct wsd_os_poller **poller)
{
	struct wsd_os_poller *p = wsd_alloc(sizeof(*p));

	if (!p)
		return WSD_ENOMEM;
	p->fd = epoll_create1(EPOLL_CLOEXEC);
	if (p->fd < 0) {
		wsd_free(p);
		return from_errno(errno);
	}
	*poller = p;
	return WSD_OK;
}

void wsd_os_poller_destroy(struct wsd_os_poller *p)
{
	close(p->fd);
	wsd_free(p);
}

wsd_wait_object wsd_os_poller_object(const struct wsd_os_poller *p)
{
	return p->fd;
}

static uint32_t from_epoll(uint32_t events)
{
	return (events & EPOLLIN ? WSD_OS_READABLE : 0) |
	       (events & EPOLLOUT ? WSD_OS_WRITABLE : 0) | (events & EPOLLPRI ? WSD_OS_URGENT : 0) |
	       (events & (EPOLLRDHUP | EPOLLHUP) ? WSD_OS_ENDED | WSD_OS_READABLE : 0) |
	       (events & EPOLLERR ? WSD_OS_BROKEN : 0);
}

uint32_t wsd_os_poller_poll(struct wsd_os_poller *p, struct wsd_os_ready *ready, uint32_t count)
{
	struct epoll_event events[64];
	int most = count < 64 ? (int)count : 64, n;

	/* relaxed: who watches later is told then */
	if (!atomic_load_explicit(&p->watched, memory_order_relaxed))
		return 0;
	n = epoll_wait(p->fd, events, most, 0);
	for (int i = 0; i < n; i++) {
		ready[i].context = events[i].data.ptr;
		ready[i].what = from_epoll(events[i].events);
	}
	return n > 0 ? (uint32_t)n : 0;
}

enum wsd_status wsd_os_poller_watch(struct wsd_os_poller *p, intptr_t socket, void *context,
				    uint32_t news, bool again)
{
	struct epoll_event event = { .events = EPOLLRDHUP | EPOLLET, .data.ptr = context };

	if (news & WSD_OS_READABLE)
		event.events |= EPOLLIN | EPOLLPRI;
	if (news & WSD_OS_WRITABLE)
		event.events |= EPOLLOUT;
	/* Before: whoever the event wakes must find it. */
	if (!again)
		atomic_fetch_add(&p->watched, 1);
	if (epoll_ctl(p->fd, again ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, (int)socket, &event)) {
		if (!again)
			atomic_fetch_sub(&p->watched, 1);
		return from_errno(errno);
	}
	return WSD_OK;
}

void wsd_os_poller_unwatch(struct wsd_os_poller *p, intptr_t socket)
{
	struct epoll_event ignored = { 0 };

	(void)epoll_ctl(p->fd, EPOLL_CTL_DEL, (int)socket, &ignored);
	atomic_fetch_sub(&p->watched, 1);
}

bool wsd_os_address_parse(const char *text, struct wsd_addr *addr)
{
	memset(addr, 0, sizeof(*addr));
	addr->family = WSD_FAMILY_IPV4;
	if (inet_pton(AF_INET, text, addr->bytes) == 1)
		return true;
	addr->family = WSD_FAMILY_IPV6;
	return inet_pton(AF_INET6, text, addr->bytes) == 1;
}

uint32_t wsd_os_addresses(struct wsd_addr *list, uint32_t count)
{
	struct ifaddrs *all, *at;
	uint32_t n = 0;

	if (getifaddrs(&all))
		return 0;
	for (at = all; at; at = at->ifa_next) {
		const union wsd_os_addr *os = (const void *)at->ifa_addr;

		if (!os || !(at->ifa_flags & IFF_UP) ||
		    (os->any.sa_family != AF_INET && os->any.sa_family != AF_INET6))
			continue;
		if (n < count)
			wsd_os_addr_from(os, &list[n]);
		n++;
	}
	freeifaddrs(all);
	return n;
}

/* --- connections --- */

enum wsd_status wsd_os_tcp_listen(intptr_t socket, uint32_t backlog)
{
	/* Nobody can bind beside a listening socket; its connections inherit the option, and what is left
	 * of them after their end then does not keep the next server from the port. */
	set_int(socket, SOL_SOCKET, SO_REUSEADDR, 1);
	return listen((int)socket, (int)backlog) ? from_errno(errno) : WSD_OK;
}

enum wsd_status wsd_os_tcp_accept(intptr_t socket, intptr_t *accepted, struct wsd_addr *remote)
{
	/* What is wrong may be one that is gone already: on to the next, but whatever it is not for ever. */
	for (unsigned i = 0; i < GONE_MOST; i++) {
		union wsd_os_addr os;
		socklen_t length = sizeof(os);
		int fd = accept4((int)socket, &os.any, &length, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd >= 0) {
			*accepted = wsd_handle_keep(fd);
			wsd_os_addr_from(&os, remote);
			return WSD_OK;
		}
		switch (errno) {
		case EAGAIN:
			return WSD_AGAIN;
		case EMFILE:
		case ENFILE:
			return WSD_ENOFILES;
		case ENOMEM:
		case ENOBUFS:
			return WSD_ENOMEM;
		case EBADF:
		case EINVAL:
		case ENOTSOCK:
		case EOPNOTSUPP:
		case EFAULT:
			return WSD_EINVAL;
		default:
			break;
		}
	}
	return WSD_EBUSY;
}

enum wsd_status wsd_os_tcp_connect(intptr_t socket, const struct wsd_addr *remote)
{
	union wsd_os_addr os;
	socklen_t length = wsd_os_addr_to(remote, &os);
	struct pollfd now = { .fd = (int)socket, .events = POLLOUT };

	if (connect((int)socket, &os.any, length) == 0)
		return WSD_OK;
	if (errno != EINPROGRESS)
		return from_errno(errno);
	/* To this host it is done by now. */
	if (poll(&now, 1, 0) <= 0)
		return WSD_PENDING;
	return now.revents & (POLLERR | POLLHUP) ? wsd_os_tcp_error(socket) : WSD_OK;
}

enum wsd_status wsd_os_tcp_error(intptr_t socket)
{
	int code = 0;
	socklen_t length = sizeof(code);

	if (getsockopt((int)socket, SOL_SOCKET, SO_ERROR, &code, &length))
		return WSD_ERESET;
	return code == EAGAIN ? WSD_ERESET : from_errno(code);
}

enum wsd_status wsd_os_tcp_local(intptr_t socket, struct wsd_addr *local)
{
	union wsd_os_addr os;
	socklen_t length = sizeof(os);

	if (getsockname((int)socket, &os.any, &length))
		return from_errno(errno);
	wsd_os_addr_from(&os, local);
	return WSD_OK;
}

void wsd_os_tcp_close(intptr_t socket)
{
	wsd_handle_close(socket);
}

void wsd_os_tcp_reset(intptr_t socket)
{
	struct sockaddr nobody = { .sa_family = AF_UNSPEC };

	(void)connect((int)socket, &nobody, sizeof(nobody));
}

static unsigned to_iovec(struct iovec *iov, const struct wsd_os_buffer *buffers, unsigned count)
{
	unsigned n = count < WSD_OS_BUFFERS ? count : WSD_OS_BUFFERS;

	for (unsigned i = 0; i < n; i++) {
		iov[i].iov_base = buffers[i].base;
		iov[i].iov_len = buffers[i].length;
	}
	return n;
}

static enum wsd_status moved(ssize_t n, size_t *bytes)
{
	if (n < 0)
		return errno == EPIPE ? WSD_ERESET : from_errno(errno);
	*bytes = (size_t)n;
	return n > 0 ? WSD_OK : WSD_EOF;
}

enum wsd_status wsd_os_tcp_send(intptr_t socket, const struct wsd_os_buffer *buffers,
				unsigned count, size_t *bytes)
{
	struct iovec iov[WSD_OS_BUFFERS];
	struct msghdr message = { .msg_iov = iov };

	if (count == 1)
		return moved(send((int)socket, buffers[0].base, buffers[0].length,
				  MSG_NOSIGNAL | MSG_DONTWAIT),
			     bytes);
	message.msg_iovlen = to_iovec(iov, buffers, count);
	return moved(sendmsg((int)socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT), bytes);
}

enum wsd_status wsd_os_tcp_receive(intptr_t socket, const struct wsd_os_buffer *buffers,
				   unsigned count, bool peek, size_t *bytes)
{
	struct iovec iov[WSD_OS_BUFFERS];
	struct msghdr message = { .msg_iov = iov };
	int flags = MSG_DONTWAIT | (peek ? MSG_PEEK : 0);

	if (count == 1)
		return moved(recv((int)socket, buffers[0].base, buffers[0].length, flags), bytes);
	message.msg_iovlen = to_iovec(iov, buffers, count);
	return moved(recvmsg((int)socket, &message, flags), bytes);
}

enum wsd_status wsd_os_tcp_send_urgent(intptr_t socket, uint8_t byte)
{
	size_t bytes;

	return moved(send((int)socket, &byte, 1, MSG_OOB | MSG_NOSIGNAL | MSG_DONTWAIT), &bytes);
}

enum wsd_status wsd_os_tcp_receive_urgent(intptr_t socket, bool peek, uint8_t *byte)
{
	ssize_t n = recv((int)socket, byte, 1, MSG_OOB | MSG_DONTWAIT | (peek ? MSG_PEEK : 0));

	return n == 1 ? WSD_OK : WSD_AGAIN;
}

size_t wsd_os_tcp_available(intptr_t socket, bool marks)
{
	int there = 0;
	ssize_t n;

	if (ioctl((int)socket, FIONREAD, &there) == 0 && there > 0)
		return (size_t)there;
	if (!marks)
		return 0;
	/* Standing at the mark the system counts nothing, though a receive would go across. */
	n = recv((int)socket, NULL, 1u << 30, MSG_PEEK | MSG_TRUNC | MSG_DONTWAIT);
	return n > 0 ? (size_t)n : 0;
}

bool wsd_os_tcp_at_mark(intptr_t socket)
{
	int at = 0;

	return ioctl((int)socket, SIOCATMARK, &at) == 0 && at;
}

bool wsd_os_tcp_unsent(intptr_t socket)
{
	int waiting = 0;

	return ioctl((int)socket, SIOCOUTQ, &waiting) == 0 && waiting > 0;
}

void wsd_os_tcp_shutdown_send(intptr_t socket)
{
	(void)shutdown((int)socket, SHUT_WR);
}

/* --- options --- */

void wsd_os_tcp_set_nodelay(intptr_t socket, bool on)
{
	set_int(socket, IPPROTO_TCP, TCP_NODELAY, on);
}

void wsd_os_tcp_set_traffic_class(intptr_t socket, uint16_t family, uint32_t traffic_class)
{
	wsd_traffic_class_set((int)socket, family, traffic_class);
}

void wsd_os_tcp_set_hops(intptr_t socket, uint16_t family, uint8_t hops)
{
	bool ipv6 = family == WSD_FAMILY_IPV6;

	set_int(socket, ipv6 ? IPPROTO_IPV6 : IPPROTO_IP, ipv6 ? IPV6_UNICAST_HOPS : IP_TTL,
		hops > 0 ? hops : -1);
}

/* Only a socket tells it. */
int wsd_os_hops(uint16_t family)
{
	bool ipv6 = family == WSD_FAMILY_IPV6;
	int hops = USUAL_HOPS;
	int fd = socket(ipv6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	socklen_t length = sizeof(hops);

	if (fd < 0)
		return hops;
	(void)getsockopt(fd, ipv6 ? IPPROTO_IPV6 : IPPROTO_IP, ipv6 ? IPV6_UNICAST_HOPS : IP_TTL,
			 &hops, &length);
	close(fd);
	return hops;
}

void wsd_os_tcp_set_urgent_inline(intptr_t socket, bool on)
{
	set_int(socket, SOL_SOCKET, SO_OOBINLINE, on);
}

bool wsd_os_tcp_gives_urgent_again(void)
{
	return true;
}

void wsd_os_tcp_set_receive_buffer(intptr_t socket, uint32_t bytes)
{
	set_int(socket, SOL_SOCKET, SO_RCVBUF, bytes > INT32_MAX ? INT32_MAX : (int)bytes);
}

void wsd_os_tcp_set_send_buffer(intptr_t socket, uint32_t bytes)
{
	set_int(socket, SOL_SOCKET, SO_SNDBUF, bytes > INT32_MAX ? INT32_MAX : (int)bytes);
}

static int whole(uint64_t time, uint64_t unit, uint64_t most)
{
	uint64_t count = time / unit + (time % unit != 0);

	count = count > 0 ? count : 1;
	return (int)(count < most ? count : most);
}

void wsd_os_tcp_set_keepalive(intptr_t socket, uint64_t idle, uint64_t interval, unsigned count)
{
	if (idle) {
		set_int(socket, IPPROTO_TCP, TCP_KEEPIDLE, whole(idle, NS_PER_S, 32767));
		set_int(socket, IPPROTO_TCP, TCP_KEEPINTVL, whole(interval, NS_PER_S, 32767));
		set_int(socket, IPPROTO_TCP, TCP_KEEPCNT, (int)(count < 127 ? count : 127));
	}
	set_int(socket, SOL_SOCKET, SO_KEEPALIVE, idle != 0);
}

void wsd_os_tcp_set_patience(intptr_t socket, uint64_t time)
{
	set_int(socket, IPPROTO_TCP, TCP_USER_TIMEOUT, whole(time, NS_PER_MS, INT32_MAX));
}
