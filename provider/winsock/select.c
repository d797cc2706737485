// SPDX-License-Identifier: BSD-2-Clause
/*
 * select.c - WSPSelect: readiness from the state of the sockets, and a wait on all of them at once.
 * An fd_set is an array; membership, order and the timeval are the caller's.
 */
#include "provider/winsock/spi_calls.h"

#include <string.h>

#include "provider/winsock/share.h"
#include "rdma_backend/base/base.h"

#define INLINE_NODES 64u

enum set_kind { SET_READ, SET_WRITE, SET_EXCEPT, SET_KINDS };

struct select_wait {
	struct wsd_waiter waiter;
	struct wsd_wait_node *nodes;
	struct wsd_socket **sockets; /* each referenced */
	unsigned count;
};

static bool is_ready(const struct wsd_socket *sock, enum set_kind kind)
{
	switch (kind) {
	case SET_READ:
		return wsd_socket_readable(sock);
	case SET_WRITE:
		return wsd_socket_writable(sock);
	case SET_EXCEPT:
		return sock->connect_failed || (sock->stream != NULL && !sock->options.oob_inline &&
						sock->state == WSD_SOCK_CONNECTED &&
						wsd_stream_urgent_pending(sock->stream));
	case SET_KINDS:
		break;
	}
	return false;
}

/* Which members are ready: ready[i] for member i of the set. A WSA code for a bad member. */
static int look(const fd_set *set, enum set_kind kind, bool *ready, unsigned *total)
{
	for (u_int i = 0; set != NULL && i < set->fd_count; i++) {
		struct wsd_socket *sock;
		INT error = 0;

		sock = wsd_socket_enter(set->fd_array[i], &error);
		if (sock == NULL)
			return error;
		if (kind == SET_READ && sock->listener != NULL)
			wsd_listener_look(sock->listener, 1);
		ready[i] = is_ready(sock, kind);
		if (ready[i])
			++*total;
		else if (kind == SET_READ)
			wsd_recv_ask(sock, 0);
		if (!ready[i] && sock->stream != NULL)
			wsd_stream_watch(sock->stream);
		wsd_socket_leave(sock);
	}
	return 0;
}

static void keep_ready(fd_set *set, const bool *ready)
{
	u_int n = 0;

	for (u_int i = 0; set != NULL && i < set->fd_count; i++)
		if (ready[i])
			set->fd_array[n++] = set->fd_array[i];
	if (set != NULL)
		set->fd_count = n;
}

static int watch(struct select_wait *wait, const fd_set *set, enum set_kind kind)
{
	unsigned interest = WSD_CHANGE_CLOSED | WSD_CHANGE_CONNECTED;

	if (kind == SET_READ)
		interest |= WSD_CHANGE_READABLE | WSD_CHANGE_ARRIVED | WSD_CHANGE_URGENT;
	else if (kind == SET_WRITE)
		interest |= WSD_CHANGE_WRITABLE | WSD_CHANGE_OP;
	else
		interest |= WSD_CHANGE_URGENT;
	for (u_int i = 0; set != NULL && i < set->fd_count; i++) {
		struct wsd_wait_node *node = &wait->nodes[wait->count];
		struct wsd_socket *sock;
		INT error = 0;

		sock = wsd_socket_enter(set->fd_array[i], &error);
		if (sock == NULL)
			return error;
		node->waiter = &wait->waiter;
		node->interest = interest;
		wsd_list_append(&sock->waiters, &node->link);
		wsd_socket_ref(sock);
		wait->sockets[wait->count++] = sock;
		wsd_socket_leave(sock);
	}
	return 0;
}

static void unwatch(struct select_wait *wait)
{
	for (unsigned i = 0; i < wait->count; i++) {
		struct wsd_socket *sock = wait->sockets[i];

		wsd_mutex_lock(&sock->lock);
		wsd_list_remove(&wait->nodes[i].link);
		if (sock->share != NULL)
			wsd_share_ended(sock);
		wsd_mutex_unlock(&sock->lock);
		wsd_socket_unref(sock);
	}
}

static int look_all(fd_set *const *sets, bool *const *ready, unsigned *total)
{
	int error = 0;

	*total = 0;
	for (unsigned k = 0; k < SET_KINDS && error == 0; k++)
		error = look(sets[k], (enum set_kind)k, ready[k], total);
	return error;
}

static int wait_ready(fd_set *const *sets, bool *const *ready, unsigned members, uint64_t deadline,
		      unsigned *total)
{
	struct wsd_wait_node nodes[INLINE_NODES];
	struct wsd_socket *sockets[INLINE_NODES];
	struct select_wait wait = { .nodes = nodes, .sockets = sockets };
	int error = 0;

	if (wsd_wait_running())
		return WSAEINPROGRESS;
	wait.waiter.waker = wsd_waker_self();
	atomic_init(&wait.waiter.signalled, false);
	if (members > INLINE_NODES) {
		wait.nodes = wsd_alloc(members * sizeof(nodes[0]));
		wait.sockets = wsd_alloc(members * sizeof(sockets[0]));
	}
	if (wait.waiter.waker == NULL || wait.nodes == NULL || wait.sockets == NULL)
		error = WSAENOBUFS;
	for (unsigned k = 0; k < SET_KINDS && error == 0; k++)
		error = watch(&wait, sets[k], (enum set_kind)k);
	while (error == 0) {
		wsd_waker_reset(wait.waiter.waker);
		atomic_store(&wait.waiter.signalled, false);
		error = look_all(sets, ready, total);
		if (error != 0 || *total > 0)
			break;
		error = wsd_wait(NULL, &wait.waiter, WSD_MODE_STREAM,
				 wsd_provider_catalog_id(WSD_MODE_STREAM, NULL), deadline);
	}
	unwatch(&wait);
	if (wait.nodes != nodes)
		wsd_free(wait.nodes);
	if (wait.sockets != sockets)
		wsd_free(wait.sockets);
	return error == WSAETIMEDOUT ? 0 : error;
}

static int check_sets(fd_set *const *sets, unsigned *members)
{
	*members = 0;
	for (unsigned k = 0; k < SET_KINDS; k++) {
		if (sets[k] == NULL)
			continue;
		if (sets[k]->fd_count > 65536)
			return WSAEFAULT;
		*members += sets[k]->fd_count;
	}
	return *members == 0 ? WSAEINVAL : 0;
}

static int check_timeout(const struct timeval *timeout, uint64_t *deadline)
{
	*deadline = WSD_FOREVER;
	if (timeout == NULL)
		return 0;
	if (timeout->tv_sec < 0 || timeout->tv_usec < 0 || timeout->tv_usec >= 1000000)
		return WSAEINVAL;
	if ((uint64_t)timeout->tv_sec < UINT32_MAX)
		*deadline = wsd_clock_ns() + (uint64_t)timeout->tv_sec * 1000000000u +
			    (uint64_t)timeout->tv_usec * 1000u;
	return 0;
}

/* What has come since for one that is not readable is not to be hidden by others that are ready. */
static bool may_be_late(fd_set *const *sets, bool *const *ready, unsigned total)
{
	const fd_set *readable = sets[SET_READ];

	for (u_int i = 0; readable != NULL && i < readable->fd_count; i++)
		if (!ready[SET_READ][i])
			return true;
	return total == 0;
}

/* [no locks] What has come by now, without waiting for more. */
static int look_on(fd_set *const *sets, bool *const *ready, unsigned *total)
{
	bool more = true;
	int error = 0;

	for (unsigned looks = 0; more && error == 0 && looks < WSD_LOOKS; looks++) {
		more = wsd_engines_look();
		error = look_all(sets, ready, total);
		more = more && may_be_late(sets, ready, *total);
	}
	return error;
}

static int run(fd_set *const *sets, const struct timeval *timeout, unsigned *total)
{
	bool flags[3 * INLINE_NODES], *all = flags, *ready[SET_KINDS];
	unsigned members = 0, at = 0;
	uint64_t deadline;
	int error = check_sets(sets, &members);

	if (error == 0)
		error = check_timeout(timeout, &deadline);
	if (error != 0)
		return error;
	if (members > sizeof(flags)) {
		all = wsd_alloc(members);
		if (all == NULL)
			return WSAENOBUFS;
	}
	for (unsigned k = 0; k < SET_KINDS; k++) {
		ready[k] = all + at;
		at += sets[k] != NULL ? sets[k]->fd_count : 0;
	}
	error = look_all(sets, ready, total);
	if (error == 0 && may_be_late(sets, ready, *total)) {
		bool waits = timeout == NULL || timeout->tv_sec != 0 || timeout->tv_usec != 0;

		if (!waits) {
			error = look_on(sets, ready, total);
		} else {
			for (unsigned i = 0; i < wsd_engine_count(); i++)
				(void)wsd_engine_poll(wsd_engine_at(i));
			if (*total > 0)
				error = look_all(sets, ready, total);
			/* Another thread may have taken meanwhile what was there. */
			if (error == 0 && *total == 0)
				error = wait_ready(sets, ready, members, deadline, total);
		}
	}
	for (unsigned k = 0; k < SET_KINDS && error == 0; k++)
		keep_ready(sets[k], ready[k]);
	if (all != flags)
		wsd_free(all);
	return error;
}

int WSPAPI wsd_spi_select(int nfds, fd_set *readfds, fd_set *writefds, fd_set *exceptfds,
			  const struct timeval *timeout, LPINT lpErrno)
{
	fd_set *sets[SET_KINDS] = { readfds, writefds, exceptfds };
	unsigned total = 0;
	int error;

	(void)nfds;
	error = wsd_provider_started(WSD_MODE_STREAM) ? run(sets, timeout, &total)
						      : WSANOTINITIALISED;
	if (error == 0)
		return (int)total;
	if (lpErrno != NULL)
		*lpErrno = error;
	return SOCKET_ERROR;
}
