// SPDX-License-Identifier: BSD-2-Clause
/*
 * tcp_os_windows.c - sockets of the system's base provider and their readiness for the tcp backend.
 *
 * The sockets of a set share one event (WSAEventSelect), which is the set's wait object. Winsock
 * records each condition once, so what is known to be ready is remembered here until a call says
 * WSAEWOULDBLOCK: the set is level-triggered. A descriptor is the index of a slot.
 */
#include "rdma_backend/base/net_windows.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>

#include "rdma_backend/base/base.h"
#include "rdma_backend/base/list.h"
#include "rdma_backend/base/platform.h"
#include "rdma_backend/tcp/tcp_os.h"

#define CHUNK		256
#define CHUNKS		4096
#define ALL_EVENTS	(FD_READ | FD_WRITE | FD_ACCEPT | FD_CONNECT | FD_CLOSE)
#define TCP_MAXRT	5
#define NS_PER_TICK	100u /* of a FILETIME */
#define BUFFERS_AT_ONCE 1024

enum slot_kind { SLOT_FREE, SLOT_SOCKET, SLOT_SET, SLOT_SIGNAL, SLOT_TIMER };

struct slot {
	enum slot_kind kind;
	int next_free;
	SOCKET s;
	atomic_bool readable, writable, raised; /* raised: of signals and timers */
	atomic_bool closed;			/* the peer closed: no more than what is readable */
	atomic_int failed;			/* errno of a connect or of the connection */
	atomic_bool connected;
	PTP_TIMER timer;
	/* Member of a set; the members' list and what they want is under the set's lock. */
	struct slot *_Atomic set;
	struct wsd_list link;
	uint32_t wanted;
	void *tag;
	/* Of a set: */
	struct wsd_mutex lock;
	struct wsd_list members;
	HANDLE event; /* manual */
};

static struct wsd_mutex slots_lock = WSD_MUTEX_INIT;
static struct slot *_Atomic chunks[CHUNKS];
static int slot_count, first_free = -1; /* [slots_lock] */

/* --- errors --- */

static int errno_of(int error)
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

static struct slot *slot_at(int fd)
{
	/* acquire: a chunk is published after it has been cleared */
	return &atomic_load_explicit(&chunks[fd / CHUNK], memory_order_acquire)[fd % CHUNK];
}

/* [slots_lock] */
static int slot_grow(void)
{
	int fd = slot_count;
	struct slot *chunk;

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

static int slot_new(enum slot_kind kind)
{
	struct slot *slot;
	int fd;

	wsd_mutex_lock(&slots_lock);
	fd = first_free;
	if (fd >= 0)
		first_free = slot_at(fd)->next_free;
	else
		fd = slot_grow();
	wsd_mutex_unlock(&slots_lock);
	if (fd < 0)
		return fd;
	slot = slot_at(fd);
	memset(slot, 0, sizeof(*slot));
	slot->kind = kind;
	slot->s = INVALID_SOCKET;
	wsd_list_init(&slot->link);
	wsd_list_init(&slot->members);
	wsd_mutex_init(&slot->lock);
	return fd;
}

static void slot_free(int fd)
{
	struct slot *slot = slot_at(fd);

	slot->kind = SLOT_FREE;
	wsd_mutex_lock(&slots_lock);
	slot->next_free = first_free;
	first_free = fd;
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
	int fd = slot_new(SLOT_SOCKET);

	if (fd < 0)
		wsd_windows_closesocket(s);
	else
		slot_at(fd)->s = s;
	return fd;
}

static int new_socket(uint16_t family)
{
	u_long on = 1;
	DWORD bytes;
	int error = 0;
	SOCKET s = wsd_windows_socket(family == WSD_FAMILY_IPV6 ? AF_INET6 : AF_INET, SOCK_STREAM,
				      &error);

	if (s == INVALID_SOCKET)
		return -errno_of(error);
	(void)net()->lpWSPIoctl(s, (DWORD)FIONBIO, &on, sizeof(on), NULL, 0, &bytes, NULL, NULL,
				NULL, &error);
	return adopt(s);
}

static int close_with(int fd, int error)
{
	tcp_os_close(fd);
	return -errno_of(error);
}

int tcp_os_listen(const struct wsd_addr *local, uint16_t port, uint32_t backlog)
{
	union wsd_sockaddr sa;
	int length = wsd_windows_to_sockaddr(&sa, local, port), error = 0;
	int fd = new_socket(local->family);
	SOCKET s;

	if (fd < 0)
		return fd;
	s = slot_at(fd)->s;
	/* Nobody else may take the port as well. */
	set_option(s, SOL_SOCKET, SO_EXCLUSIVEADDRUSE, 1);
	if (local->family == WSD_FAMILY_IPV6)
		set_option(s, IPPROTO_IPV6, IPV6_V6ONLY, 1);
	if (net()->lpWSPBind(s, &sa.any, length, &error) != 0 ||
	    net()->lpWSPListen(s, (int)backlog, &error) != 0)
		return close_with(fd, error);
	return fd;
}

int tcp_os_accept(int fd)
{
	struct slot *slot = slot_at(fd);
	int error = 0, accepted;
	SOCKET s;

	/* Before the call: a condition that is recorded meanwhile sets it again. */
	atomic_store(&slot->readable, false);
	s = net()->lpWSPAccept(slot->s, NULL, NULL, NULL, 0, &error);
	if (error != WSAEWOULDBLOCK)
		atomic_store(&slot->readable, true);
	if (s == INVALID_SOCKET)
		return -errno_of(error);
	/* It has inherited the listener's event, but not its place in the set. */
	(void)net()->lpWSPEventSelect(s, NULL, 0, &error);
	accepted = adopt(s);
	if (accepted >= 0)
		atomic_store(&slot_at(accepted)->connected, true);
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
	s = slot_at(fd)->s;
	if (local->family == remote->family && !is_any(local)) {
		length = wsd_windows_to_sockaddr(&sa, local, 0);
		if (net()->lpWSPBind(s, &sa.any, length, &error) != 0)
			return close_with(fd, error);
	}
	length = wsd_windows_to_sockaddr(&sa, remote, port);
	if (net()->lpWSPConnect(s, &sa.any, length, NULL, NULL, NULL, NULL, &error) == 0)
		atomic_store(&slot_at(fd)->connected, true);
	else if (error != WSAEWOULDBLOCK)
		return close_with(fd, error);
	return fd;
}

int tcp_os_connect_result(int fd)
{
	struct slot *slot = slot_at(fd);
	int failed = atomic_load(&slot->failed);

	if (failed)
		return -failed;
	return atomic_load(&slot->connected) ? 0 : -EINPROGRESS;
}

void tcp_os_shutdown(int fd)
{
	int ignored;

	(void)net()->lpWSPShutdown(slot_at(fd)->s, SD_BOTH, &ignored);
}

void tcp_os_shutdown_write(int fd)
{
	int ignored;

	(void)net()->lpWSPShutdown(slot_at(fd)->s, SD_SEND, &ignored);
}

void tcp_os_tune(int fd, uint16_t family, uint32_t user_timeout_ms, uint32_t traffic_class)
{
	SOCKET s = slot_at(fd)->s;

	set_option(s, IPPROTO_TCP, TCP_NODELAY, 1);
	if (user_timeout_ms > 0)
		set_option(s, IPPROTO_TCP, TCP_MAXRT, (user_timeout_ms + 999) / 1000);
	if (traffic_class > 0 && family == WSD_FAMILY_IPV4)
		set_option(s, IPPROTO_IP, IP_TOS, traffic_class);
}

void tcp_os_local_addr(int fd, struct wsd_addr *addr)
{
	union wsd_sockaddr sa = { .any = { .sa_family = AF_UNSPEC } };
	int length = sizeof(sa), ignored;

	(void)net()->lpWSPGetSockName(slot_at(fd)->s, &sa.any, &length, &ignored);
	wsd_windows_from_sockaddr(addr, &sa);
}

void tcp_os_remote_addr(int fd, struct wsd_addr *addr)
{
	union wsd_sockaddr sa = { .any = { .sa_family = AF_UNSPEC } };
	int length = sizeof(sa), ignored;

	(void)net()->lpWSPGetPeerName(slot_at(fd)->s, &sa.any, &length, &ignored);
	wsd_windows_from_sockaddr(addr, &sa);
}

_Static_assert(sizeof(struct iovec) == sizeof(WSABUF) &&
		       offsetof(struct iovec, iov_base) == offsetof(WSABUF, buf),
	       "an iovec is a WSABUF");

ssize_t tcp_os_send(int fd, struct iovec *iov, int count)
{
	struct slot *slot = slot_at(fd);
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
	return error ? -errno_of(error) : (ssize_t)sent;
}

ssize_t tcp_os_recv(int fd, struct iovec *iov, int count)
{
	struct slot *slot = slot_at(fd);
	DWORD received = 0, flags = 0;
	int error = 0;

	if (count > BUFFERS_AT_ONCE)
		count = BUFFERS_AT_ONCE;
	atomic_store(&slot->readable, false); /* before, as in accept */
	if (net()->lpWSPRecv(slot->s, (LPWSABUF)(void *)iov, (DWORD)count, &received, &flags, NULL,
			     NULL, NULL, &error) != 0 &&
	    error == WSAEWOULDBLOCK)
		return -EAGAIN;
	atomic_store(&slot->readable, true);
	return error ? -errno_of(error) : (ssize_t)received;
}

/* --- the readiness set --- */

int tcp_os_set_create(void)
{
	int fd = slot_new(SLOT_SET);

	if (fd < 0)
		return fd;
	slot_at(fd)->event = CreateEventW(NULL, TRUE, FALSE, NULL);
	if (slot_at(fd)->event)
		return fd;
	slot_free(fd);
	return -EMFILE;
}

wsd_wait_object tcp_os_set_object(int set)
{
	return (wsd_wait_object)slot_at(set)->event;
}

/* [the set's lock] What there is of what its owner wants. */
static uint32_t ready_events(const struct slot *slot)
{
	uint32_t events = 0;

	if (slot->kind != SLOT_SOCKET)
		return atomic_load(&slot->raised) ? TCP_READ : 0;
	if (atomic_load(&slot->failed))
		return TCP_READ | TCP_HANGUP | (slot->wanted & TCP_WRITE);
	if (atomic_load(&slot->closed) && (slot->wanted & (TCP_READ | TCP_HANGUP)))
		events |= TCP_READ | TCP_HANGUP;
	if (atomic_load(&slot->readable) && (slot->wanted & TCP_READ))
		events |= TCP_READ;
	if (atomic_load(&slot->writable) && (slot->wanted & TCP_WRITE))
		events |= TCP_WRITE;
	return events;
}

int tcp_os_set_add(int set, int fd, uint32_t events, void *tag)
{
	struct slot *owner = slot_at(set), *slot = slot_at(fd);
	int error = 0;

	slot->wanted = events;
	slot->tag = tag;
	if (slot->kind == SLOT_SOCKET) {
		/* It is not known to be ready: what already holds is recorded again. */
		atomic_store(&slot->readable, false);
		atomic_store(&slot->writable, false);
	}
	wsd_mutex_lock(&owner->lock);
	atomic_store(&slot->set, owner);
	wsd_list_append(&owner->members, &slot->link);
	wsd_mutex_unlock(&owner->lock);
	if (slot->kind == SLOT_SOCKET &&
	    net()->lpWSPEventSelect(slot->s, owner->event, ALL_EVENTS, &error) != 0) {
		tcp_os_set_remove(set, fd);
		return -errno_of(error);
	}
	if (atomic_load(&slot->raised))
		SetEvent(owner->event);
	return 0;
}

void tcp_os_set_change(int set, int fd, uint32_t events, void *tag)
{
	struct slot *owner = slot_at(set), *slot = slot_at(fd);
	bool ready;

	wsd_mutex_lock(&owner->lock);
	slot->wanted = events;
	slot->tag = tag;
	ready = ready_events(slot) != 0;
	wsd_mutex_unlock(&owner->lock);
	if (ready)
		SetEvent(owner->event);
}

void tcp_os_set_remove(int set, int fd)
{
	struct slot *owner = slot_at(set), *slot = slot_at(fd);
	int ignored;

	if (!atomic_load(&slot->set))
		return;
	wsd_mutex_lock(&owner->lock);
	wsd_list_remove(&slot->link);
	atomic_store(&slot->set, NULL);
	wsd_mutex_unlock(&owner->lock);
	if (slot->kind == SLOT_SOCKET)
		(void)net()->lpWSPEventSelect(slot->s, NULL, 0, &ignored);
}

/* Learn what Winsock has recorded. */
static void look(struct slot *slot)
{
	WSANETWORKEVENTS found = { 0 };
	int ignored;

	if (net()->lpWSPEnumNetworkEvents(slot->s, NULL, &found, &ignored) != 0)
		return;
	if (found.lNetworkEvents & (FD_READ | FD_ACCEPT))
		atomic_store(&slot->readable, true);
	if ((found.lNetworkEvents & FD_CONNECT) && found.iErrorCode[FD_CONNECT_BIT]) {
		atomic_store(&slot->failed, errno_of(found.iErrorCode[FD_CONNECT_BIT]));
		return;
	}
	if (found.lNetworkEvents & (FD_CONNECT | FD_WRITE)) {
		atomic_store(&slot->connected, true);
		atomic_store(&slot->writable, true);
	}
	if (found.lNetworkEvents & FD_CLOSE) {
		atomic_store(&slot->closed, true);
		if (found.iErrorCode[FD_CLOSE_BIT])
			atomic_store(&slot->failed, errno_of(found.iErrorCode[FD_CLOSE_BIT]));
	}
}

int tcp_os_set_poll(int set, struct tcp_ready *ready, int count)
{
	struct slot *owner = slot_at(set);
	bool signalled = WaitForSingleObject(owner->event, 0) == WAIT_OBJECT_0, left = false;
	struct wsd_list *node, *after, served;
	int found = 0;

	if (!signalled)
		return 0;
	wsd_list_init(&served);
	wsd_mutex_lock(&owner->lock);
	ResetEvent(owner->event); /* before the look: what comes later signals again */
	wsd_list_for_each_safe(node, after, &owner->members) {
		struct slot *slot = wsd_container(node, struct slot, link);
		uint32_t events;

		if (slot->kind == SLOT_SOCKET)
			look(slot);
		events = ready_events(slot);
		left |= events != 0;
		if (!events || found == count)
			continue;
		ready[found].tag = slot->tag;
		ready[found++].events = events;
		/* Behind those that found no room. */
		wsd_list_remove(node);
		wsd_list_append(&served, node);
	}
	while ((node = wsd_list_pop(&served)) != NULL)
		wsd_list_append(&owner->members, node);
	wsd_mutex_unlock(&owner->lock);
	/* Level-triggered: ready until a call finds nothing. */
	if (left)
		SetEvent(owner->event);
	return found;
}

/* --- signals and timers --- */

int tcp_os_signal_create(void)
{
	return slot_new(SLOT_SIGNAL);
}

static void raise_slot(struct slot *slot)
{
	struct slot *set = atomic_load(&slot->set);

	atomic_store(&slot->raised, true);
	if (set)
		SetEvent(set->event);
}

void tcp_os_signal_raise(int fd)
{
	raise_slot(slot_at(fd));
}

void tcp_os_signal_clear(int fd)
{
	atomic_store(&slot_at(fd)->raised, false);
}

static VOID CALLBACK timer_due(PTP_CALLBACK_INSTANCE instance, PVOID context, PTP_TIMER timer)
{
	(void)instance;
	(void)timer;
	raise_slot(context);
}

int tcp_os_timer_create(void)
{
	int fd = slot_new(SLOT_TIMER);

	if (fd < 0)
		return fd;
	slot_at(fd)->timer = CreateThreadpoolTimer(timer_due, slot_at(fd), NULL);
	if (slot_at(fd)->timer)
		return fd;
	slot_free(fd);
	return -ENOMEM;
}

void tcp_os_timer_set(int fd, uint64_t delay_ns)
{
	/* Negative is relative; 0 would be long ago, which is at once as well. */
	int64_t ticks = -(int64_t)(delay_ns / NS_PER_TICK);
	FILETIME due = { .dwLowDateTime = (DWORD)(uint64_t)ticks,
			 .dwHighDateTime = (DWORD)((uint64_t)ticks >> 32) };

	SetThreadpoolTimer(slot_at(fd)->timer, &due, 0, 0);
}

void tcp_os_timer_clear(int fd)
{
	tcp_os_signal_clear(fd);
}

void tcp_os_close(int fd)
{
	struct slot *slot;

	if (fd < 0)
		return;
	slot = slot_at(fd);
	if (slot->timer) {
		SetThreadpoolTimer(slot->timer, NULL, 0, 0);
		WaitForThreadpoolTimerCallbacks(slot->timer, TRUE);
		CloseThreadpoolTimer(slot->timer);
	}
	if (slot->event)
		CloseHandle(slot->event);
	if (slot->s != INVALID_SOCKET)
		wsd_windows_closesocket(slot->s);
	slot_free(fd);
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
