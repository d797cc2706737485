// SPDX-License-Identifier: BSD-2-Clause
/* sockinfo.c - options whose values are structures or text: the protocol, the addresses, the path. */
#include "provider/winsock/spi_calls.h"

#include <string.h>

#include <openwsd/openwsd.h>

#include "rdma_backend/base/base.h"

const char *wsd_socket_reasons(const struct wsd_socket *sock)
{
	if (sock->stream != NULL)
		return wsd_stream_reasons(sock->stream);
	return sock->channel != NULL ? wsd_channel_reasons(sock->channel) : sock->reasons;
}

void wsd_socket_keep_reasons(struct wsd_socket *sock, char *reasons)
{
	wsd_free(sock->reasons);
	sock->reasons = reasons;
	sock->roster_news = true;
}

static int get_text(struct wsd_socket *sock, int name, char *out, int *length)
{
	const char *text = NULL;
	size_t size;

	if (name == SO_OPENWSD_REASONS)
		text = wsd_socket_reasons(sock);
	else if (sock->stream != NULL && sock->state == WSD_SOCK_CONNECTED)
		text = wsd_stream_path(sock->stream);
	if (text == NULL)
		text = "";
	size = strlen(text) + 1;
	if (*length < (int)size) {
		*length = (int)size;
		return WSAEFAULT;
	}
	memcpy(out, text, size);
	*length = (int)size;
	return 0;
}

static int put(const void *value, size_t size, char *out, int *length)
{
	if (*length < (int)size)
		return WSAEFAULT;
	memcpy(out, value, size);
	*length = (int)size;
	return 0;
}

static int get_protocol(struct wsd_socket *sock, bool wide, char *out, int *length)
{
	WSAPROTOCOL_INFOW info;
	WSAPROTOCOL_INFOA narrow;

	wsd_provider_protocol(sock->mode, sock->catalog_id, &info);
	info.iAddressFamily = wsd_af_of(sock->family);
	info.iMaxSockAddr = info.iMinSockAddr = wsd_sockaddr_size(sock->family);
	info.dwCatalogEntryId = sock->catalog_id;
	if (wide)
		return put(&info, sizeof(info), out, length);
	memset(&narrow, 0, sizeof(narrow));
	memcpy(&narrow, &info, offsetof(WSAPROTOCOL_INFOA, szProtocol));
	for (unsigned i = 0; i < WSAPROTOCOL_LEN && info.szProtocol[i] != 0; i++)
		narrow.szProtocol[i] = info.szProtocol[i] < 128 ? (CHAR)info.szProtocol[i] : '?';
	return put(&narrow, sizeof(narrow), out, length);
}

/* CSADDR_INFO with both addresses behind it. */
static int get_bsp_state(struct wsd_socket *sock, char *out, int *length)
{
	int size = wsd_sockaddr_size(sock->family), room = size;
	int need = (int)sizeof(CSADDR_INFO) + 2 * size;
	struct wsd_addr own = wsd_socket_local(sock);
	CSADDR_INFO info;
	char *local, *remote;

	if (*length < need) {
		*length = need;
		return WSAEFAULT;
	}
	memset(&info, 0, sizeof(info));
	local = out + sizeof(info);
	remote = local + size;
	(void)wsd_socket_encode(sock, &own, (struct sockaddr *)(void *)local, &room);
	info.LocalAddr.lpSockaddr = (LPSOCKADDR)(void *)local;
	info.LocalAddr.iSockaddrLength = size;
	if (sock->remote.family != WSD_FAMILY_NONE) {
		room = size;
		(void)wsd_socket_encode(sock, &sock->remote, (struct sockaddr *)(void *)remote,
					&room);
		info.RemoteAddr.lpSockaddr = (LPSOCKADDR)(void *)remote;
		info.RemoteAddr.iSockaddrLength = size;
	}
	info.iSocketType = SOCK_STREAM;
	info.iProtocol = IPPROTO_TCP;
	memcpy(out, &info, sizeof(info));
	*length = need;
	return 0;
}

int wsd_option_structure(struct wsd_socket *sock, int level, int name, char *out, int *length)
{
	if (level != SOL_SOCKET)
		return WSAENOPROTOOPT;
	switch (name) {
	case SO_PROTOCOL_INFOA:
		return get_protocol(sock, false, out, length);
	case SO_PROTOCOL_INFOW:
		return get_protocol(sock, true, out, length);
	case SO_BSP_STATE:
		return get_bsp_state(sock, out, length);
	case SO_OPENWSD_PATH:
	case SO_OPENWSD_REASONS:
		return get_text(sock, name, out, length);
	default:
		return WSAENOPROTOOPT;
	}
}
