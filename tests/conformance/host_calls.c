// SPDX-License-Identifier: BSD-2-Clause
/* host_calls.c - the everyday calls of a test host, through the provider's table. */
#include "tests/conformance/host.h"

SOCKET host_socket(void)
{
	return spi.lpWSPSocket(conf_family(), SOCK_STREAM, IPPROTO_TCP, &host_protocol, 0,
			       WSA_FLAG_OVERLAPPED, &host_error);
}

int host_bind(SOCKET s, const struct address *at)
{
	return spi.lpWSPBind(s, &at->sa.any, at->length, &host_error);
}

int host_listen(SOCKET s, int backlog)
{
	return spi.lpWSPListen(s, backlog, &host_error);
}

SOCKET host_accept(SOCKET s)
{
	return spi.lpWSPAccept(s, NULL, NULL, NULL, 0, &host_error);
}

int host_connect(SOCKET s, const struct address *to)
{
	return spi.lpWSPConnect(s, &to->sa.any, to->length, NULL, NULL, NULL, NULL, &host_error);
}

int host_name_of(SOCKET s, struct address *at)
{
	at->length = sizeof(at->sa);
	return spi.lpWSPGetSockName(s, &at->sa.any, &at->length, &host_error);
}

int host_send(SOCKET s, const void *data, unsigned length)
{
	WSABUF buffer = { length, (char *)(uintptr_t)data };
	DWORD bytes = 0;

	return spi.lpWSPSend(s, &buffer, 1, &bytes, 0, NULL, NULL, NULL, &host_error) == 0
		       ? (int)bytes
		       : SOCKET_ERROR;
}

int host_recv(SOCKET s, void *data, unsigned length)
{
	WSABUF buffer = { length, data };
	DWORD bytes = 0, flags = 0;

	return spi.lpWSPRecv(s, &buffer, 1, &bytes, &flags, NULL, NULL, NULL, &host_error) == 0
		       ? (int)bytes
		       : SOCKET_ERROR;
}

int host_close(SOCKET s)
{
	return spi.lpWSPCloseSocket(s, &host_error);
}

int host_nonblocking(SOCKET s, u_long on)
{
	DWORD bytes = 0;

	return spi.lpWSPIoctl(s, FIONBIO, &on, sizeof(on), NULL, 0, &bytes, NULL, NULL, NULL,
			      &host_error);
}

SOCKET host_listener(struct address *at, int backlog)
{
	SOCKET s = host_socket();

	*at = loopback(0);
	if (s != INVALID_SOCKET &&
	    (host_bind(s, at) || host_listen(s, backlog) || host_name_of(s, at))) {
		host_close(s);
		return INVALID_SOCKET;
	}
	return s;
}

int host_open_pair(struct pair *p)
{
	p->client = p->server = INVALID_SOCKET;
	p->listener = host_listener(&p->at, 8);
	if (p->listener == INVALID_SOCKET)
		return 0;
	p->client = host_socket();
	if (host_connect(p->client, &p->at))
		return 0;
	p->server = host_accept(p->listener);
	return p->server != INVALID_SOCKET;
}

void host_close_pair(struct pair *p)
{
	host_close(p->client);
	host_close(p->server);
	host_close(p->listener);
}

SOCKET host_conditional(struct address *at)
{
	SOCKET s = host_socket();
	int on = 1;

	*at = loopback(0);
	spi.lpWSPSetSockOpt(s, SOL_SOCKET, SO_CONDITIONAL_ACCEPT, (char *)&on, sizeof(on),
			    &host_error);
	if (host_bind(s, at) || host_listen(s, 4) || host_name_of(s, at))
		abort();
	return s;
}

int host_exchange(SOCKET a, SOCKET b)
{
	char c = 0;

	return host_send(b, "s", 1) == 1 && host_recv(a, &c, 1) == 1 && c == 's' &&
	       host_send(a, "c", 1) == 1 && host_recv(b, &c, 1) == 1 && c == 'c';
}
