// SPDX-License-Identifier: BSD-2-Clause
/*
 * event.c - FD_* events: the record and its re-enabling rules, WSPEventSelect, WSPAsyncSelect,
 * WSPEnumNetworkEvents.
 *
 * Re-enabling: a receive call arms FD_READ and FD_OOB, WSPAccept arms FD_ACCEPT unless it deferred,
 * a send that failed WSAEWOULDBLOCK arms FD_WRITE, connecting arms FD_CONNECT and FD_CLOSE once,
 * the change ioctls arm theirs, and a selection arms everything.
 */
#include "provider/winsock/netwatch.h"
#include "provider/winsock/share.h"
#include "provider/winsock/spi_calls.h"

#include <string.h>

/* --- the record --- */

void wsd_fd_init(struct wsd_fd_record *fd)
{
	memset(fd, 0, sizeof(*fd));
	fd->event = WSA_INVALID_EVENT;
	fd->armed = FD_ALL_EVENTS;
}

void wsd_fd_select(struct wsd_fd_record *fd, WSAEVENT event, long mask)
{
	wsd_fd_init(fd);
	fd->mask = mask;
	if (mask != 0)
		fd->event = event;
}

void wsd_fd_select_window(struct wsd_fd_record *fd, HWND window, unsigned message, long mask)
{
	wsd_fd_select(fd, WSA_INVALID_EVENT, mask);
	if (mask != 0)
		fd->window = window;
	fd->message = message;
}

void wsd_fd_inherit(struct wsd_fd_record *fd, const struct wsd_fd_record *from)
{
	if (from->window != NULL)
		wsd_fd_select_window(fd, from->window, from->message, from->mask);
	else
		wsd_fd_select(fd, from->event, from->mask);
	/* It was accepted, not connected: there is no result of connecting to report. */
	fd->armed &= ~(long)FD_CONNECT;
}

static unsigned bit_number(long bit)
{
	unsigned n = 0;

	while (n < FD_MAX_EVENTS - 1 && (bit & (1L << n)) == 0)
		n++;
	return n;
}

bool wsd_fd_raise(struct wsd_fd_record *fd, long bit, int error)
{
	if ((fd->mask & fd->armed & bit) == 0)
		return false;
	fd->armed &= ~bit;
	fd->record |= bit;
	fd->error[bit_number(bit)] = error;
	fd->signal = fd->window == NULL;
	return true;
}

void wsd_fd_arm(struct wsd_fd_record *fd, long bits)
{
	fd->armed |= bits;
}

void wsd_fd_fetch(struct wsd_fd_record *fd, LPWSANETWORKEVENTS out)
{
	out->lNetworkEvents = 0;
	if (fd->window != NULL)
		return;
	out->lNetworkEvents = (LONG)fd->record;
	for (unsigned n = 0; n < FD_MAX_EVENTS; n++)
		if (fd->record & (1L << n))
			out->iErrorCode[n] = fd->error[n];
	fd->record = 0;
}

void wsd_fd_take_messages(struct wsd_fd_record *fd, struct wsd_fd_messages *out)
{
	static const unsigned char order[FD_MAX_EVENTS] = {
		FD_CONNECT_BIT,
		FD_ACCEPT_BIT,
		FD_OOB_BIT,
		FD_READ_BIT,
		FD_WRITE_BIT,
		FD_QOS_BIT,
		FD_GROUP_QOS_BIT,
		FD_ROUTING_INTERFACE_CHANGE_BIT,
		FD_ADDRESS_LIST_CHANGE_BIT,
		FD_CLOSE_BIT,
	};

	out->count = 0;
	if (!wsd_fd_has_messages(fd))
		return;
	out->window = fd->window;
	out->message = fd->message;
	for (unsigned i = 0; i < FD_MAX_EVENTS; i++) {
		long bit = 1L << order[i];

		/* The event in the lower half, its error in the upper one. */
		if (fd->record & bit)
			out->news[out->count++] = (LPARAM)(bit | (long)fd->error[order[i]] << 16);
	}
	fd->record = 0;
}

/* --- conditions --- */

bool wsd_socket_ended(const struct wsd_socket *sock, int *error)
{
	*error = 0;
	if (sock->state != WSD_SOCK_CONNECTED && sock->state != WSD_SOCK_BROKEN)
		return false;
	if (sock->stream != NULL && wsd_stream_at_end(sock->stream))
		return true;
	if (sock->state != WSD_SOCK_BROKEN)
		return false;
	/* Bytes that arrived before the end can still be read: the end comes after them. */
	if (sock->stream != NULL && wsd_stream_readable(sock->stream) > 0)
		return false;
	*error = sock->broken_error;
	return true;
}

int wsd_socket_io_error(struct wsd_socket *sock)
{
	switch (sock->state) {
	case WSD_SOCK_CONNECTED:
		return 0;
	case WSD_SOCK_BROKEN:
		/* A keep-alive failure ends the calls in progress with WSAENETRESET, later ones so.
		 */
		if (sock->broken_error == WSAENETRESET)
			return WSAENOTCONN;
		return sock->stream != NULL ? 0 : sock->broken_error;
	case WSD_SOCK_CONNECTING:
		return sock->accepted ? 0 : WSAENOTCONN;
	case WSD_SOCK_NEW:
	case WSD_SOCK_BOUND:
	case WSD_SOCK_LISTENING:
	case WSD_SOCK_CLOSED:
	case WSD_SOCK_STATES:
		break;
	}
	return WSAENOTCONN;
}

bool wsd_socket_readable(const struct wsd_socket *sock)
{
	int error;

	if (sock->listener != NULL)
		return wsd_listener_pending(sock->listener) > 0;
	if (sock->stream != NULL && sock->state != WSD_SOCK_CONNECTING &&
	    wsd_stream_readable(sock->stream) > 0)
		return true;
	return wsd_socket_ended(sock, &error);
}

bool wsd_socket_writable(const struct wsd_socket *sock)
{
	if (sock->state == WSD_SOCK_BROKEN)
		return true; /* a send would not wait: it fails */
	if (sock->state != WSD_SOCK_CONNECTED || sock->stream == NULL)
		return false;
	return sock->send_shut ||
	       (wsd_list_empty(&sock->queues[WSD_Q_SEND]) && wsd_stream_writable(sock->stream));
}

static void look_connect(struct wsd_socket *sock)
{
	if (sock->accepted || sock->connect_told || sock->connect_error < 0)
		return;
	if (wsd_fd_raise(&sock->fd, FD_CONNECT, sock->connect_error))
		sock->connect_told = true;
}

static void look_net(struct wsd_socket *sock, unsigned what, long event)
{
	if ((sock->net_changed & what) && wsd_fd_raise(&sock->fd, event, 0))
		sock->net_changed &= ~what;
}

void wsd_event_look(struct wsd_socket *sock)
{
	struct wsd_fd_record *fd = &sock->fd;
	int error;

	if (fd->mask == 0 || sock->closed)
		return;
	look_connect(sock);
	look_net(sock, WSD_NET_ADDRESSES, FD_ADDRESS_LIST_CHANGE);
	look_net(sock, WSD_NET_ROUTES, FD_ROUTING_INTERFACE_CHANGE);
	if (sock->qos_news && wsd_fd_raise(fd, FD_QOS, 0))
		sock->qos_news = false;
	if (sock->state == WSD_SOCK_LISTENING) {
		if (!sock->deciding && !sock->away && wsd_socket_requests(sock) > 0)
			(void)wsd_fd_raise(fd, FD_ACCEPT, 0);
		return;
	}
	if (sock->stream == NULL || sock->state == WSD_SOCK_CONNECTING || sock->away)
		return;
	wsd_stream_watch(sock->stream);
	if (!sock->receive_shut && wsd_stream_readable(sock->stream) > 0)
		(void)wsd_fd_raise(fd, FD_READ, 0);
	else if (fd->mask & fd->armed & FD_READ)
		wsd_recv_ask(sock, 0);
	if (!sock->options.oob_inline && wsd_stream_urgent_pending(sock->stream))
		(void)wsd_fd_raise(fd, FD_OOB, 0);
	if (sock->state == WSD_SOCK_CONNECTED && !sock->send_shut &&
	    wsd_stream_writable(sock->stream))
		(void)wsd_fd_raise(fd, FD_WRITE, 0);
	if (wsd_socket_ended(sock, &error))
		(void)wsd_fd_raise(fd, FD_CLOSE, error);
}

/* Taken and posted by one thread at a time. A message that the window does not take, be it gone, is lost alone. */
void wsd_event_tell(struct wsd_socket *sock)
{
	LPWPUPOSTMESSAGE post = wsd_upcalls(sock->mode)->table.lpWPUPostMessage;
	struct wsd_fd_messages m;

	wsd_mutex_lock(&sock->tell);
	wsd_mutex_lock(&sock->lock);
	wsd_fd_take_messages(&sock->fd, &m);
	wsd_mutex_unlock(&sock->lock);
	for (unsigned i = 0; i < m.count && post != NULL && !atomic_load(&sock->quiet); i++)
		(void)post(m.window, m.message, (WPARAM)sock->handle, m.news[i]);
	wsd_mutex_unlock(&sock->tell);
}

/* --- the calls --- */

/* The selection has changed: that makes nonblocking, and what holds already is told at once. */
static int selected(struct wsd_socket *sock, LPINT lpErrno)
{
	if (sock->share != NULL)
		wsd_share_selected(sock);
	sock->nonblocking = true;
	sock->connect_told = false;
	sock->changes |= WSD_CHANGE_LOOK;
	return wsd_socket_return(sock, 0, lpErrno);
}

static int select_entered(struct wsd_socket *sock, WSAEVENT hEventObject, long lNetworkEvents,
			  LPINT lpErrno)
{
	/* A switch asks for no more: the rest is its own session protocol's. */
	long known;

	if (sock == NULL)
		return SOCKET_ERROR;
	known = sock->mode == WSD_MODE_SAN ? FD_ACCEPT | FD_CONNECT : FD_ALL_EVENTS;
	if ((lNetworkEvents & ~known) != 0 ||
	    (lNetworkEvents != 0 && hEventObject == WSA_INVALID_EVENT))
		return wsd_socket_return(sock, WSAEINVAL, lpErrno);
	wsd_fd_select(&sock->fd, hEventObject, lNetworkEvents);
	return selected(sock, lpErrno);
}

int WSPAPI wsd_spi_event_select(SOCKET s, WSAEVENT hEventObject, long lNetworkEvents, LPINT lpErrno)
{
	return select_entered(wsd_socket_enter(s, lpErrno), hEventObject, lNetworkEvents, lpErrno);
}

int WSPAPI wsd_san_event_select(SOCKET s, WSAEVENT hEventObject, long lNetworkEvents, LPINT lpErrno)
{
	return select_entered(wsd_san_enter(s, lpErrno), hEventObject, lNetworkEvents, lpErrno);
}

/*
 * [lock, dropped meanwhile] Reset before fetching: an event that comes in between sets the object
 * again, and one recorded before is fetched afterwards. The handle may be bad: then nothing is cleared.
 */
static int reset_first(struct wsd_socket *sock, WSAEVENT event)
{
	INT ignored = 0;
	BOOL good;

	wsd_socket_leave(sock);
	good = wsd_upcalls(sock->mode)->table.lpWPUResetEvent(event, &ignored);
	wsd_mutex_lock(&sock->lock);
	if (sock->closed)
		return WSAENOTSOCK;
	if (!good)
		return WSAEINVAL;
	sock->fd.signal = false;
	return 0;
}

/* [lock, dropped meanwhile] What has come and is not recorded yet. Before the reset, as it sets the object. */
static int look_first(struct wsd_socket *sock)
{
	bool more = sock->fd.mask != 0 && sock->fd.window == NULL;

	for (unsigned looks = 0; more && sock->fd.record == 0 && looks < WSD_LOOKS; looks++) {
		more = wsd_socket_look(sock);
		if (sock->closed)
			return WSAENOTSOCK;
	}
	return 0;
}

static int enum_entered(struct wsd_socket *sock, WSAEVENT hEventObject,
			LPWSANETWORKEVENTS lpNetworkEvents, LPINT lpErrno)
{
	int error = 0, result;

	if (sock == NULL)
		return SOCKET_ERROR;
	wsd_socket_ref(sock);
	if (lpNetworkEvents == NULL)
		error = WSAEFAULT;
	else
		error = look_first(sock);
	if (error == 0 && hEventObject != WSA_INVALID_EVENT)
		error = reset_first(sock, hEventObject);
	if (error == 0)
		wsd_fd_fetch(&sock->fd, lpNetworkEvents);
	result = wsd_socket_return(sock, error, lpErrno);
	wsd_socket_unref(sock);
	return result;
}

int WSPAPI wsd_spi_enum_network_events(SOCKET s, WSAEVENT hEventObject,
				       LPWSANETWORKEVENTS lpNetworkEvents, LPINT lpErrno)
{
	return enum_entered(wsd_socket_enter(s, lpErrno), hEventObject, lpNetworkEvents, lpErrno);
}

int WSPAPI wsd_san_enum_network_events(SOCKET s, WSAEVENT hEventObject,
				       LPWSANETWORKEVENTS lpNetworkEvents, LPINT lpErrno)
{
	return enum_entered(wsd_san_enter(s, lpErrno), hEventObject, lpNetworkEvents, lpErrno);
}

/* A window that is none is not noticed: only user32 could say so. Its messages are lost. */
int WSPAPI wsd_spi_async_select(SOCKET s, HWND hWnd, unsigned int wMsg, long lEvent, LPINT lpErrno)
{
	struct wsd_socket *sock = wsd_socket_enter(s, lpErrno);

	if (sock == NULL)
		return SOCKET_ERROR;
	if (wsd_upcalls(sock->mode)->table.lpWPUPostMessage == NULL)
		return wsd_socket_return(sock, WSAEOPNOTSUPP, lpErrno);
	if ((lEvent & ~(long)FD_ALL_EVENTS) != 0 || (lEvent != 0 && hWnd == NULL))
		return wsd_socket_return(sock, WSAEINVAL, lpErrno);
	wsd_fd_select_window(&sock->fd, hWnd, wMsg, lEvent);
	return selected(sock, lpErrno);
}
