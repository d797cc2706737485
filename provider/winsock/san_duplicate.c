// SPDX-License-Identifier: BSD-2-Clause
/*
 * san_duplicate.c - mode S: WSPDuplicateSocket moves the socket. Everything that the next process needs is in the
 * record when the call returns, and what is left here is a descriptor to be closed.
 */
#include "provider/winsock/share.h"
#include "provider/winsock/spi_calls.h"

#include <string.h>

#include "provider/transport/resume.h"
#include "rdma_backend/base/base.h"

#define STEP_NS (20 * WSD_NS_PER_MS)

/* The same in processes of 32 and of 64 bits. */
struct image {
	uint32_t listening; /* else the channel */
	uint32_t backlog;
	struct wsd_addr local;
	struct wsd_channel_image channel;
};

static int error_of(enum wsd_status status)
{
	switch ((int)status) {
	case WSD_EBUSY: /* sends are outstanding, or a message that nobody received */
	case WSD_ESTATE:
		return WSAEINVAL;
	case WSD_EUNSUPPORTED:
		return WSAEOPNOTSUPP;
	case WSD_ENOFILES:
		return WSAEMFILE;
	default:
		return WSAENOBUFS;
	}
}

/* --- giving --- */

/* [lock, dropped meanwhile] */
static int suspend(struct wsd_socket *sock)
{
	uint64_t deadline = wsd_clock_ns() + wsd_resume_timeout();

	while (sock->channel != NULL && !wsd_channel_suspended(sock->channel)) {
		enum wsd_status status = wsd_channel_suspend(sock->channel);

		if (status < 0)
			return sock->state == WSD_SOCK_BROKEN ? WSAENETDOWN : error_of(status);
		if (wsd_clock_ns() >= deadline) {
			/* The peer was told, and may leave any time: there is no way back. */
			wsd_channel_close(sock->channel);
			wsd_socket_broken(sock, WSD_ERESET);
			return WSAENETDOWN;
		}
		wsd_socket_own_wait(sock, WSD_CHANGE_CONNECTED, wsd_clock_ns() + STEP_NS);
	}
	return sock->channel != NULL ? 0 : WSAENETDOWN;
}

/* [lock, dropped meanwhile] What is left is a descriptor. Receives end well, with 0 bytes. */
static void let_go(struct wsd_socket *sock)
{
	if (sock->channel != NULL)
		wsd_channel_hand_off(sock->channel);
	wsd_socket_stop_listening(sock);
	while (sock->channel != NULL || sock->acceptor != NULL)
		wsd_socket_own_wait(sock, WSD_CHANGE_DEAD | WSD_CHANGE_GONE,
				    wsd_clock_ns() + STEP_NS);
	wsd_fd_init(&sock->fd);
	(void)wsd_socket_move(sock, WSD_SOCK_ON_GIVEN);
	sock->broken_error = WSAENOTCONN;
}

/* [lock, dropped meanwhile] */
static int give(struct wsd_socket *sock, DWORD process, uint32_t *index)
{
	struct wsd_share_kind kind = { .mode = sock->mode,
				       .family = sock->family,
				       .overlapped = sock->overlapped };
	struct wsd_share_record record;
	struct image image;
	uint64_t ignored;
	int error;

	if (!wsd_process_started(process, &ignored))
		return WSAEINVAL;
	error = wsd_share_create(&record);
	if (error != 0)
		return error;
	memset(&image, 0, sizeof(image));
	image.listening = sock->state == WSD_SOCK_LISTENING;
	image.backlog = sock->backlog;
	image.local = sock->local;
	if (!image.listening)
		error = suspend(sock);
	if (error == 0 && !image.listening)
		wsd_channel_export(sock->channel, &image.channel);
	if (error == 0 &&
	    (!wsd_record_write(record.record, WSD_SHARE_PAYLOAD, &image, sizeof(image)) ||
	     !wsd_share_set_state(&record, WSD_SHARE_PARKED, sizeof(image))))
		error = WSAENOBUFS;
	if (error == 0)
		error = wsd_share_token(&record, &kind, process, index);
	if (error == 0 || (sock->channel != NULL && wsd_channel_suspended(sock->channel)))
		let_go(sock); /* also when it failed: the connection is not ours any more */
	wsd_share_stand(&record);
	wsd_share_close(&record, error != 0);
	return error;
}

/* [lock, dropped meanwhile] One that was accepted just now has to hear that the connector knows. */
static int check_state(struct wsd_socket *sock)
{
	while (sock->state == WSD_SOCK_CONNECTING && sock->accepted && !sock->closed)
		wsd_socket_own_wait(sock, WSD_CHANGE_CONNECTED, wsd_clock_ns() + STEP_NS);
	if (sock->state == WSD_SOCK_BROKEN)
		return WSAENETDOWN;
	if (sock->state == WSD_SOCK_LISTENING && sock->acceptor != NULL && !sock->deciding)
		return 0;
	return sock->state == WSD_SOCK_CONNECTED && sock->channel != NULL ? 0 : WSAEINVAL;
}

int WSPAPI wsd_san_duplicate_socket(SOCKET s, DWORD dwProcessId, LPWSAPROTOCOL_INFOW lpProtocolInfo,
				    LPINT lpErrno)
{
	struct wsd_socket *sock = wsd_san_enter(s, lpErrno);
	uint32_t index = 0;
	int error;

	if (sock == NULL)
		return SOCKET_ERROR;
	wsd_socket_ref(sock);
	error = lpProtocolInfo == NULL ? WSAEFAULT : check_state(sock);
	if (error == 0)
		error = give(sock, dwProcessId, &index);
	if (error == 0) {
		wsd_provider_protocol(sock->mode, sock->catalog_id, lpProtocolInfo);
		lpProtocolInfo->dwProviderReserved = index;
	}
	error = wsd_socket_return(sock, error, lpErrno);
	wsd_socket_unref(sock);
	return error;
}

/* --- taking --- */

static bool read_image(struct wsd_share_record *record, uint16_t family, struct image *image)
{
	uint32_t payload;

	return wsd_share_sit_soon(record) &&
	       wsd_share_state(record, &payload) == WSD_SHARE_PARKED && payload == sizeof(*image) &&
	       wsd_record_read(record->record, WSD_SHARE_PAYLOAD, image, sizeof(*image)) &&
	       image->local.family == family && image->listening <= 1 &&
	       (image->listening ||
		(image->channel.local.family == family && image->channel.remote.family == family));
}

/* [lock, dropped meanwhile] */
static int take_channel(struct wsd_socket *sock, const struct wsd_channel_image *image)
{
	enum wsd_status status =
		wsd_channel_import(&sock->channel, &wsd_socket_channel_owner, sock, image);

	if (status != WSD_PENDING)
		return status == WSD_EUNREACHABLE ? WSAENETDOWN : error_of(status);
	wsd_socket_ref(sock);
	wsd_streams_count(sock->mode, 1);
	sock->accepted = true; /* nobody here called connect: there is no result to tell */
	sock->remote = image->remote;
	(void)wsd_socket_move(sock, WSD_SOCK_ON_CONNECT);
	while (sock->state == WSD_SOCK_CONNECTING && !sock->closed)
		wsd_socket_own_wait(sock, WSD_CHANGE_CONNECTED | WSD_CHANGE_DEAD,
				    wsd_clock_ns() + STEP_NS);
	return sock->state == WSD_SOCK_CONNECTED ? 0 : WSAENETDOWN;
}

int wsd_san_take(struct wsd_socket *sock, struct wsd_share_record *record, uint32_t index)
{
	struct image image;
	int error = WSAEINVAL;

	if (read_image(record, sock->family, &image))
		error = wsd_share_use(index);
	if (error != 0)
		return error;
	sock->local = image.local;
	if (!image.listening) {
		error = take_channel(sock, &image.channel);
	} else {
		(void)wsd_socket_move(sock, WSD_SOCK_ON_BIND);
		error = wsd_socket_listen(sock, image.backlog);
	}
	(void)wsd_share_set_state(record, WSD_SHARE_CLOSED, 0);
	return error;
}
