// SPDX-License-Identifier: BSD-2-Clause
/*
 * tcp_os_windows.c - sockets of the system's base provider for the tcp backend. A descriptor is the index of
 * a slot.
 */
#include "rdma_backend/tcp/tcp_slot_windows.h"

#include <errno.h>
#include <string.h>

#include "rdma_backend/base/base.h"

#define USUAL_HOPS 128

#define CHUNK		256
#define CHUNKS		4096
#define TCP_MAXRT	5
#define BUFFERS_AT_ONCE 1024

static struct wsd_mutex slots_lock = WSD_MUTEX_INIT;
static struct tcp_slot *_Atomic chunks[CHUNKS];
static int slot_count, first_free = -1; /* [slots_lock] */
/* [slots_lock] Free but for a question, whose end the system still writes. */
static struct wsd_list dying = { &dying, &dying };

/* --- errors --- */

int tcp_errno_of(int error)
{
	switch (error) {
	case 0:
		return 0;
	case WSAEWOULDBLOCK:
		return EAGAIN;
	case WSAENOBUFS:
	case WSA_NOT_ENOUGH_MEMORY:
		return ENOMEM;
	case WSAEMFILE:
		return EMFILE;
	case WSAEACCES:
		return EACCES;
	case WSAEADDRINUSE:
		return EADDRINUSE;
	case WSAEADDRNOTAVAIL:
		return EADDRNOTAVAIL;
	case WSAECONNREFUSED:
		return ECONNREFUSED;
	case WSAECONNABORTED:
		return ECONNABORTED;
	case WSAETIMEDOUT:
		return ETIMEDOUT;
	case WSAEHOSTUNREACH:
	case WSAEHOSTDOWN:
		return EHOSTUNREACH;
	case WSAENETUNREACH:
	case WSAENETDOWN:
		return ENETUNREACH;
	case WSAEAFNOSUPPORT:
	case WSASYSNOTREADY:
		return EAFNOSUPPORT;
	default:
		return ECONNRESET;
	}
}

enum wsd_status tcp_os_status(int error)
{
	switch (error) {
	case 0:
		return WSD_OK;
	case ENOMEM:
		return WSD_ENOMEM;
	case EMFILE:
		return WSD_ENOFILES;
	case EACCES:
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
	case EAFNOSUPPORT:
		return WSD_EUNREACHABLE;
	default:
		return WSD_ERESET;
	}
}

/* --- slots --- */

struct tcp_slot *tcp_slot_at(int fd)
{
	/* acquire: a chunk is published after it has been cleared */
	return &atomic_load_explicit(&chunks[fd / CHUNK], memory_order_acquire)[fd % CHUNK];
}

/* [slots_lock] */
static int slot_grow(void)
{
	int fd = slot_count;
	struct tcp_slot *chunk;

	if (fd >= CHUNK * CHUNKS)
		return -EMFILE;
	if (!atomic_load(&chunks[fd / CHUNK])) {
		chunk = wsd_alloc(CHUNK * sizeof(*chunk));
		if (!chunk)
			return -ENOMEM;
		atomic_store(&chunks[fd / CHUNK], chunk);
	}
	slot_count++;
	return fd;
}

/* [slots_lock] One of the dying that is dead, or -1. The next one has its turn later. */
static int slot_bury(void)
{
	struct wsd_list *node = wsd_list_pop(&dying);
	struct tcp_slot *slot;

	if (!node)
		return -1;
	slot = wsd_container(node, struct tcp_slot, link);
	if (!tcp_slot_waits(slot))
		return slot->next_free;
	wsd_list_append(&dying, node);
	return -1;
}

int tcp_slot_new(enum tcp_slot_kind kind)
{
	struct tcp_slot *slot;
	int fd;

	wsd_mutex_lock(&slots_lock);
	fd = slot_bury();
	if (fd < 0 && first_free >= 0) {
		fd = first_free;
		first_free = tcp_slot_at(fd)->next_free;
	}
	if (fd < 0)
		fd = slot_grow();
	wsd_mutex_unlock(&slots_lock);
	if (fd < 0)
		return fd;
	slot = tcp_slot_at(fd);
	memset(slot, 0, sizeof(*slot));
	slot->kind = kind;
	slot->s = INVALID_SOCKET;
	wsd_list_init(&slot->link);
	wsd_list_init(&slot->member);
	wsd_list_init(&slot->members);
	wsd_mutex_init(&slot->lock);
	return fd;
}

void tcp_slot_free(int fd)
{
	struct tcp_slot *slot = tcp_slot_at(fd);

	slot->kind = TCP_SLOT_FREE;
	wsd_mutex_lock(&slots_lock);
	if (tcp_slot_waits(slot)) {
		slot->next_free = fd;
		wsd_list_append(&dying, &slot->link);
	} else {
		slot->next_free = first_free;
		first_free = fd;
	}
	wsd_mutex_unlock(&slots_lock);
}

/* --- sockets --- */

static const WSPPROC_TABLE *net(void)
{
	return wsd_windows_net();
}

static void set_option(SOCKET s, int level, int name, DWORD value)
{
	int ignored;

	(void)net()->lpWSPSetSockOpt(s, level, name, (const char *)&value, sizeof(value), &ignored);
}

static int adopt(SOCKET s)
{
	int fd = tcp_slot_new(TCP_SLOT_SOCKET);

	if (fd < 0)
		wsd_windows_closesocket(s);
	else
		tcp_slot_at(fd)->s = s;
	return fd;
}

static int new_socket(uint16_t family)
{
	int error = 0;
	SOCKET s = wsd_windows_socket(family == WSD_FAMILY_IPV6 ? AF_INET6 : AF_INET, SOCK_STREAM,
				      &error);

	return s == INVALID_SOCKET ? -tcp_errno_of(error) : adopt(s);
}

static int close_with(int fd, int error)
{
	tcp_os_close(fd);
	return -tcp_errno_of(error);
}

int tcp_os_listen(const struct wsd_addr *local, uint16_t port, uint32_t backlog)
{
	union wsd_sockaddr sa;
	int length = wsd_windows_to_sockaddr(&sa, local, port), error = 0;
	int fd = new_socket(local->family);
	SOCKET s;

	if (fd < 0)
		return fd;
	s = tcp_slot_at(fd)->s;
	tcp_slot_at(fd)->listening = true;
	wsd_windows_never_block(s);
	/* Nobody else may take the port as well. */
	set_option(s, SOL_SOCKET, SO_EXCLUSIVEADDRUSE, 1);
	if (local->family == WSD_FAMILY_IPV6)
		set_option(s, IPPROTO_IPV6, IPV6_V6ONLY, 1);
	if (net()->lpWSPBind(s, &sa.any, length, &error) != 0 ||
	    net()->lpWSPListen(s, (int)backlog, &error) != 0)
		/* Also said of a port that somebody has on all addresses, or that is reserved: the next one may do. */
		return close_with(fd, error == WSAEACCES ? WSAEADDRINUSE : error);
	return fd;
}

int tcp_os_accept(int fd)
{
	struct tcp_slot *slot = tcp_slot_at(fd);
	int error = 0, accepted;
	SOCKET s;

	/* Before the call: a condition that is recorded meanwhile sets it again. */
	atomic_store(&slot->readable, false);
	s = wsd_windows_accept(slot->s, NULL, NULL, &error);
	/* A record that comes to nothing, because another process was faster, or because Wine has recorded a connection
	 * again that was just taken: behind an accept that failed Wine records none any more. */
	if (error == WSAEWOULDBLOCK && atomic_load(&slot->promised))
		error = WSAEINPROGRESS;
	/* Its peer has gone before it was taken: others may be there. */
	if (error == WSAECONNRESET)
		error = WSAECONNABORTED;
	if (error != WSAEWOULDBLOCK)
		atomic_store(&slot->readable, true);
	if (s == INVALID_SOCKET)
		return error == WSAEINPROGRESS ? -EBUSY : -tcp_errno_of(error);
	atomic_store(&slot->promised, false);
	accepted = adopt(s);
	if (accepted >= 0)
		atomic_store(&tcp_slot_at(accepted)->connected, true);
	return accepted;
}

static bool is_any(const struct wsd_addr *addr)
{
	static const uint8_t zero[16];

	return memcmp(addr->bytes, zero, sizeof(zero)) == 0;
}

int tcp_os_connect(const struct wsd_addr *local, const struct wsd_addr *remote, uint16_t port)
{
	union wsd_sockaddr sa;
	int length, error = 0;
	int fd = new_socket(remote->family);
	SOCKET s;

	if (fd < 0)
		return fd;
	s = tcp_slot_at(fd)->s;
	wsd_windows_never_block(s);
	if (local->family == remote->family && !is_any(local)) {
		length = wsd_windows_to_sockaddr(&sa, local, 0);
		if (net()->lpWSPBind(s, &sa.any, length, &error) != 0)
			return close_with(fd, error);
	}
	length = wsd_windows_to_sockaddr(&sa, remote, port);
	if (net()->lpWSPConnect(s, &sa.any, length, NULL, NULL, NULL, NULL, &error) == 0)
		atomic_store(&tcp_slot_at(fd)->connected, true);
	else if (error != WSAEWOULDBLOCK)
		return close_with(fd, error);
	return fd;
}

int tcp_os_connect_result(int fd)
{
	struct tcp_slot *slot = tcp_slot_at(fd);
	int failed = atomic_load(&slot->failed);

	if (failed)
		return -failed;
	return atomic_load(&slot->connected) ? 0 : -EINPROGRESS;
}

void tcp_os_shutdown(int fd)
{
	int ignored;

	(void)net()->lpWSPShutdown(tcp_slot_at(fd)->s, SD_BOTH, &ignored);
}

void tcp_os_shutdown_write(int fd)
{
	int ignored;

	(void)net()->lpWSPShutdown(tcp_slot_at(fd)->s, SD_SEND, &ignored);
}

void tcp_os_set_class(int fd, uint16_t family, uint32_t traffic_class)
{
	if (family == WSD_FAMILY_IPV4)
		set_option(tcp_slot_at(fd)->s, IPPROTO_IP, IP_TOS, traffic_class);
}

void tcp_os_set_hops(int fd, uint16_t family, uint32_t hops)
{
	bool ipv6 = family == WSD_FAMILY_IPV6;

	set_option(tcp_slot_at(fd)->s, ipv6 ? IPPROTO_IPV6 : IPPROTO_IP,
		   ipv6 ? IPV6_UNICAST_HOPS : IP_TTL, hops > 0 ? hops : USUAL_HOPS);
}

void tcp_os_tune(int fd, uint32_t user_timeout_ms)
{
	SOCKET s = tcp_slot_at(fd)->s;

	set_option(s, IPPROTO_TCP, TCP_NODELAY, 1);
	if (user_timeout_ms > 0)
		set_option(s, IPPROTO_TCP, TCP_MAXRT, (user_timeout_ms + 999) / 1000);
}

void tcp_os_local_addr(int fd, struct wsd_addr *addr)
{
	union wsd_sockaddr sa = { .any = { .sa_family = AF_UNSPEC } };
	int length = sizeof(sa), ignored;

	(void)net()->lpWSPGetSockName(tcp_slot_at(fd)->s, &sa.any, &length, &ignored);
	wsd_windows_from_sockaddr(addr, &sa);
}

void tcp_os_remote_addr(int fd, struct wsd_addr *addr)
{
	union wsd_sockaddr sa = { .any = { .sa_family = AF_UNSPEC } };
	int length = sizeof(sa), ignored;

	(void)net()->lpWSPGetPeerName(tcp_slot_at(fd)->s, &sa.any, &length, &ignored);
	wsd_windows_from_sockaddr(addr, &sa);
}

_Static_assert(sizeof(struct iovec) == sizeof(WSABUF) &&
		       offsetof(struct iovec, iov_base) == offsetof(WSABUF, buf),
	       "an iovec is a WSABUF");

intptr_t tcp_os_send(int fd, struct iovec *iov, int count)
{
	struct tcp_slot *slot = tcp_slot_at(fd);
	DWORD sent = 0;
	int error = 0;

	if (count > BUFFERS_AT_ONCE)
		count = BUFFERS_AT_ONCE;
	atomic_store(&slot->writable, false); /* before, as in accept */
	if (net()->lpWSPSend(slot->s, (LPWSABUF)(void *)iov, (DWORD)count, &sent, 0, NULL, NULL,
			     NULL, &error) != 0 &&
	    error == WSAEWOULDBLOCK)
		return -EAGAIN;
	atomic_store(&slot->writable, true);
	return error ? -tcp_errno_of(error) : (intptr_t)sent;
}

/* Whether there is more its set has to ask. */
static intptr_t received_all(struct tcp_slot *slot, intptr_t result)
{
	struct tcp_slot *set = atomic_load(&slot->set);

	if (set)
		atomic_store(&set->pending, true);
	return result;
}

intptr_t tcp_os_recv(int fd, struct iovec *iov, int count)
{
	struct tcp_slot *slot = tcp_slot_at(fd);
	DWORD received = 0, flags = 0;
	int error = 0, failed;

	atomic_store(&slot->told, false);
	if (tcp_slot_waits(slot))
		return -EAGAIN;
	if (count > BUFFERS_AT_ONCE)
		count = BUFFERS_AT_ONCE;
	atomic_store(&slot->readable, false); /* before, as in accept */
	if (net()->lpWSPRecv(slot->s, (LPWSABUF)(void *)iov, (DWORD)count, &received, &flags, NULL,
			     NULL, NULL, &error) != 0 &&
	    error == WSAEWOULDBLOCK)
		return received_all(slot, -EAGAIN);
	if (received > 0)
		return received_all(slot, (intptr_t)received);
	atomic_store(&slot->readable, true); /* the end remains */
	/* The system may have told the reason once, as the answer to a question. */
	failed = atomic_load(&slot->failed);
	return -(failed ? failed : tcp_errno_of(error));
}

void tcp_os_close(int fd)
{
	struct tcp_slot *slot;

	if (fd < 0)
		return;
	slot = tcp_slot_at(fd);
	if (slot->timer) {
		SetThreadpoolTimer(slot->timer, NULL, 0, 0);
		WaitForThreadpoolTimerCallbacks(slot->timer, TRUE);
		CloseThreadpoolTimer(slot->timer);
	}
	if (slot->kind == TCP_SLOT_SET)
		wsd_event_groups_fini(&slot->groups);
	if (slot->event)
		CloseHandle(slot->event);
	if (slot->s != INVALID_SOCKET)
		wsd_windows_closesocket(slot->s);
	tcp_slot_free(fd);
}

/* --- addresses --- */

uint32_t tcp_os_addresses(struct wsd_addr *list, uint32_t count)
{
	return wsd_windows_addresses(list, count, true);
}

bool tcp_os_route_exists(const struct wsd_addr *local, const struct wsd_addr *remote)
{
	struct wsd_addr found;

	return wsd_windows_route(local, remote, &found) != WSD_EUNREACHABLE;
}
