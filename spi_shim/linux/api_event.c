// SPDX-License-Identifier: BSD-2-Clause
/*
 * api_event.c - owns readiness: select, WSAPoll, event selection, and the pollable descriptor.
 */
#include <limits.h>

#include <openwsd/openwsd.h>

#include "rdma_backend/base/base.h"
#include "rdma_backend/base/platform.h"
#include "spi_shim/linux/api.h"
#include "spi_shim/linux/event.h"
#include "spi_shim/linux/handle.h"

int WSAAPI wsd_fd_isset(SOCKET s, const wsd_fd_set *set)
{
	const SOCKET *member = set->fd_array; /* a pointer: programs may allocate longer sets */
	u_int i;

	for (i = 0; i < set->fd_count; i++)
		if (member[i] == s)
			return 1;
	return 0;
}

int WSAAPI select(int nfds, fd_set *readfds, fd_set *writefds, fd_set *exceptfds,
		  const struct timeval *timeout)
{
	const WSPPROC_TABLE *provider = wsd_shim_provider();
	int error = WSD_ERROR_UNSAID, result;

	if (provider == NULL)
		return SOCKET_ERROR;
	result = provider->lpWSPSelect(nfds, readfds, writefds, exceptfds, timeout, &error);
	return wsd_result(result, &error);
}

int WSAAPI WSAEventSelect(SOCKET s, WSAEVENT hEventObject, long lNetworkEvents)
{
	const WSPPROC_TABLE *provider = wsd_shim_provider();
	int error = WSD_ERROR_UNSAID;

	if (provider == NULL)
		return SOCKET_ERROR;
	return wsd_result(provider->lpWSPEventSelect(s, hEventObject, lNetworkEvents, &error),
			  &error);
}

/* Without an event from the caller the one behind wsd_socket_fd is reset along with the record. */
int WSAAPI WSAEnumNetworkEvents(SOCKET s, WSAEVENT hEventObject, LPWSANETWORKEVENTS lpNetworkEvents)
{
	const WSPPROC_TABLE *provider = wsd_shim_provider();
	int error = WSD_ERROR_UNSAID, result;

	if (provider == NULL)
		return SOCKET_ERROR;
	if (hEventObject == NULL)
		hEventObject = wsd_socket_fd_event(s, false);
	result = provider->lpWSPEnumNetworkEvents(s, hEventObject, lpNetworkEvents, &error);
	return wsd_result(result, &error);
}

int wsd_socket_fd(SOCKET s, long fd_events)
{
	HANDLE event = NULL;

	if (wsd_shim_provider() == NULL)
		return -1;
	if (fd_events != 0) {
		event = wsd_socket_fd_event(s, true);
		if (event == NULL) {
			wsd_fail(wsd_object_type(s) == WSD_HANDLE_SOCKET ? WSAENOBUFS
									 : WSAENOTSOCK);
			return -1;
		}
	}
	if (WSAEventSelect(s, event, fd_events) != 0)
		return -1;
	if (fd_events == 0) {
		wsd_fail(0);
		return -1;
	}
	return wsd_event_fd(event);
}

/*
 * WSAPoll over WSPSelect. A set is a count followed by sockets, of any length; this one has the
 * shape of fd_set with room for as many as were asked for.
 */
struct long_set {
	u_int count;
	SOCKET sockets[];
};
_Static_assert(offsetof(struct long_set, sockets) == offsetof(wsd_fd_set, fd_array), "same shape");

struct poll_sets {
	struct long_set *read, *write, *except;
};

static fd_set *as_fd_set(struct long_set *set)
{
	return set->count > 0 ? (fd_set *)(void *)set : NULL;
}

static struct long_set *set_new(ULONG capacity)
{
	return wsd_alloc(sizeof(struct long_set) + capacity * sizeof(SOCKET));
}

static bool sets_new(struct poll_sets *sets, ULONG capacity)
{
	sets->read = set_new(capacity);
	sets->write = set_new(capacity);
	sets->except = set_new(capacity);
	return sets->read != NULL && sets->write != NULL && sets->except != NULL;
}

static void sets_free(struct poll_sets *sets)
{
	wsd_free(sets->read);
	wsd_free(sets->write);
	wsd_free(sets->except);
}

static void set_add(struct long_set *set, SOCKET s)
{
	set->sockets[set->count++] = s;
}

/* Returns how many entries are invalid; those are not worth waiting for. */
static int sets_fill(struct poll_sets *sets, LPWSAPOLLFD fds, ULONG count)
{
	int invalid = 0;
	ULONG i;

	sets->read->count = sets->write->count = sets->except->count = 0;
	for (i = 0; i < count; i++) {
		fds[i].revents = 0;
		if (fds[i].fd == INVALID_SOCKET)
			continue; /* ignored, as on Windows a negative one is */
		if (wsd_object_type(fds[i].fd) != WSD_HANDLE_SOCKET) {
			fds[i].revents = WSD_POLLNVAL;
			invalid++;
			continue;
		}
		if ((fds[i].events & WSD_POLLRDNORM) != 0)
			set_add(sets->read, fds[i].fd);
		if ((fds[i].events & WSD_POLLWRNORM) != 0)
			set_add(sets->write, fds[i].fd);
		set_add(sets->except, fds[i].fd); /* failure is reported unasked */
	}
	return invalid;
}

/* Readable without data and not listening: the peer has closed, or the connection is gone. */
static bool is_hung_up(const WSPPROC_TABLE *provider, SOCKET s)
{
	int listening = 0, length = sizeof(listening), error;
	u_long waiting = 0;
	DWORD bytes = 0;

	if (provider->lpWSPGetSockOpt(s, SOL_SOCKET, SO_ACCEPTCONN, (char *)&listening, &length,
				      &error) != 0 ||
	    listening != 0)
		return false;
	return provider->lpWSPIoctl(s, FIONREAD, NULL, 0, &waiting, sizeof(waiting), &bytes, NULL,
				    NULL, NULL, &error) == 0 &&
	       waiting == 0;
}

/* In the except set: urgent data on a connection, else a connect that failed. */
static bool is_connected(const WSPPROC_TABLE *provider, SOCKET s)
{
	struct sockaddr_storage peer;
	int length = sizeof(peer), error;

	return provider->lpWSPGetPeerName(s, (struct sockaddr *)&peer, &length, &error) == 0;
}

static SHORT poll_result(const WSPPROC_TABLE *provider, const struct poll_sets *sets,
			 const WSAPOLLFD *fd)
{
	int events = 0;

	if (wsd_fd_isset(fd->fd, (const wsd_fd_set *)(const void *)sets->read)) {
		if ((fd->events & WSD_POLLRDNORM) != 0)
			events |= WSD_POLLRDNORM;
		if (is_hung_up(provider, fd->fd))
			events |= WSD_POLLHUP;
	}
	if ((fd->events & WSD_POLLWRNORM) != 0 &&
	    wsd_fd_isset(fd->fd, (const wsd_fd_set *)(const void *)sets->write))
		events |= WSD_POLLWRNORM;
	if (wsd_fd_isset(fd->fd, (const wsd_fd_set *)(const void *)sets->except)) {
		if (!is_connected(provider, fd->fd))
			events |= WSD_POLLERR | WSD_POLLHUP | (fd->events & WSD_POLLWRNORM);
		else
			events |= fd->events & (WSD_POLLRDBAND | WSD_POLLPRI);
	}
	return (SHORT)events;
}

static int poll_run(const WSPPROC_TABLE *provider, LPWSAPOLLFD fds, ULONG count, INT timeout)
{
	struct timeval at_most = { timeout / 1000, timeout % 1000 * 1000 }, *limit = &at_most;
	int error = WSD_ERROR_UNSAID, ready, result = 0;
	struct poll_sets sets = { NULL, NULL, NULL };
	ULONG i;

	if (!sets_new(&sets, count)) {
		sets_free(&sets);
		return wsd_error(WSAENOBUFS);
	}
	if (timeout < 0)
		limit = NULL;
	if (sets_fill(&sets, fds, count) > 0) {
		at_most = (struct timeval){ 0, 0 };
		limit = &at_most;
	}
	if (sets.except->count > 0) {
		ready = provider->lpWSPSelect(0, as_fd_set(sets.read), as_fd_set(sets.write),
					      as_fd_set(sets.except), limit, &error);
		result = ready == SOCKET_ERROR ? wsd_error(error) : 0;
	}
	for (i = 0; i < count && result != SOCKET_ERROR; i++) {
		if (fds[i].fd != INVALID_SOCKET && fds[i].revents == 0)
			fds[i].revents = poll_result(provider, &sets, &fds[i]);
		if (fds[i].revents != 0)
			result++;
	}
	sets_free(&sets);
	return result;
}

int WSAAPI WSAPoll(LPWSAPOLLFD fdArray, ULONG fds, INT timeout)
{
	const WSPPROC_TABLE *provider = wsd_shim_provider();

	if (provider == NULL)
		return SOCKET_ERROR;
	if (fds == 0 || fds > INT_MAX / sizeof(SOCKET))
		return wsd_error(WSAEINVAL);
	if (fdArray == NULL)
		return wsd_error(WSAEFAULT);
	return poll_run(provider, fdArray, fds, timeout);
}
