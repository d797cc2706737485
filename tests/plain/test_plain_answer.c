// SPDX-License-Identifier: BSD-2-Clause
/*
 * test_plain_answer.c - a listener that cannot answer by a path, for want of memory or of its device, does not refuse:
 * its peer comes by plain TCP, and says why. A program's no and a full backlog are final.
 */
#include <stdio.h>

#include "tests/lib/test.h"
#include "tests/plain/cases.h"
#include "tests/plain/system.h"

/* What fails, in the order in which a connection is made: first what its connector needs, then its acceptor. */
static const struct fault {
	const char *script, *reason;
	bool answered; /* the listener knew of the request before it failed */
	int alone;     /* what connect says where there is no other path */
} faults[] = {
	{ "fail endpoint 1", "sim: out of memory (-2)", false, WSAENOBUFS },
	{ "fail mem 1", "sim: out of memory (-2)", false, WSAENOBUFS },
	{ "fail mem 1 EMEMLOCK", "sim: the limit of locked memory is reached (-45)", false,
	  WSAENOBUFS },
	{ "fail mem 2", "sim: out of memory (-2)", false, WSAENOBUFS },
	{ "fail mem 2 EREGISTER", "sim: memory cannot be registered (-44)", false, WSAENOBUFS },
	{ "fail mem 2 EMEMLOCK", "sim: the limit of locked memory is reached (-45)", false,
	  WSAENOBUFS },
	{ "fail endpoint 2", "sim: out of memory (-2)", true, WSAENOBUFS },
	{ "fail endpoint 2 EDEVICE", "sim: device failed or was removed (-80)", true,
	  WSAENETUNREACH },
	{ "fail mem 3", "sim: out of memory (-2)", true, WSAENOBUFS },
	{ "fail mem 3 EREGISTER", "sim: memory cannot be registered (-44)", true, WSAENOBUFS },
	{ "fail mem 4", "sim: out of memory (-2)", true, WSAENOBUFS },
	{ "fail mem 4 EREGISTER", "sim: memory cannot be registered (-44)", true, WSAENOBUFS },
	{ "fail mem 4 EMEMLOCK", "sim: the limit of locked memory is reached (-45)", true,
	  WSAENOBUFS },
	{ "fail accept 1", "sim: out of memory (-2)", true, WSAENOBUFS },
	{ "fail accept 1 EDEVICE", "sim: device failed or was removed (-80)", true,
	  WSAENETUNREACH },
};

#define FAULTS (sizeof(faults) / sizeof(faults[0]))

static void begin(const struct fault *f, const char *backends)
{
	printf("%s\n", f->script);
	PEER_CHECK(setenv("WSD_SIM_SCRIPT", f->script, 1) == 0);
	over(backends);
}

static void carries(SOCKET a, SOCKET b)
{
	char byte;

	PEER_CHECK(send(a, "a", 1, 0) == 1 && recv(b, &byte, 1, 0) == 1 && byte == 'a');
	PEER_CHECK(send(b, "b", 1, 0) == 1 && recv(a, &byte, 1, 0) == 1 && byte == 'b');
}

/* Of this connect alone: the peer has OpenWSD, and the next one goes there. */
static void next_is_as_ever(SOCKET listener, uint32_t port)
{
	SOCKET a = connected(port), b = accept(listener, NULL, NULL);

	PEER_CHECK(b != INVALID_SOCKET && text_has(a, SO_OPENWSD_PATH, "sim") &&
		   text_has(a, SO_OPENWSD_REASONS, ""));
	carries(a, b);
	PEER_CHECK(closesocket(a) == 0 && closesocket(b) == 0);
}

static void check_cannot_answer(void)
{
	for (unsigned i = 0; i < FAULTS; i++) {
		SOCKET listener, a, b;
		uint32_t port;

		begin(&faults[i], "sim,plain");
		listener = peer_listen(&port);
		a = connected(port);
		b = accept(listener, NULL, NULL);
		PEER_CHECK(b != INVALID_SOCKET && text_has(a, SO_OPENWSD_PATH, "plain") &&
			   text_has(b, SO_OPENWSD_PATH, "plain") &&
			   text_has(a, SO_OPENWSD_REASONS, faults[i].reason));
		carries(a, b);
		PEER_CHECK(closesocket(a) == 0 && closesocket(b) == 0);
		next_is_as_ever(listener, port);
		PEER_CHECK(closesocket(listener) == 0 && WSACleanup() == 0);
	}
	peer_winsock();
}

static unsigned asked;

static int WSAAPI condition(LPWSABUF caller_id, LPWSABUF caller_data, LPQOS qos, LPQOS group_qos,
			    LPWSABUF callee_id, LPWSABUF callee_data, GROUP *group, DWORD_PTR data)
{
	(void)caller_id;
	(void)caller_data;
	(void)qos;
	(void)group_qos;
	(void)callee_id;
	(void)callee_data;
	(void)group;
	asked++;
	return (int)data;
}

static SOCKET listen_conditionally(uint32_t *port)
{
	struct sockaddr_in at = peer_address(0);
	int length = sizeof(at), on = 1;
	SOCKET s = peer_socket();

	PEER_CHECK(setsockopt(s, SOL_SOCKET, SO_CONDITIONAL_ACCEPT, (char *)&on, sizeof(on)) == 0);
	PEER_CHECK(bind(s, (struct sockaddr *)&at, sizeof(at)) == 0 && listen(s, 8) == 0);
	PEER_CHECK(getsockname(s, (struct sockaddr *)&at, &length) == 0);
	*port = ntohs(at.sin_port);
	return s;
}

/* One that does not wait, because its listener is asked by the same thread. */
static SOCKET connecting(uint32_t port)
{
	u_long on = 1;
	SOCKET s = peer_socket();

	PEER_CHECK(ioctlsocket(s, (int)FIONBIO, &on) == 0);
	PEER_CHECK(try_connect(s, port) == WSAEWOULDBLOCK);
	return s;
}

static int outcome(SOCKET s)
{
	struct timeval limit = { 10, 0 };
	int error = 0, length = sizeof(error);
	u_long off = 0;
	fd_set writes, fails;

	FD_ZERO(&writes);
	FD_ZERO(&fails);
	FD_SET(s, &writes);
	FD_SET(s, &fails);
	PEER_CHECK(select(0, NULL, &writes, &fails, &limit) == 1);
	PEER_CHECK(getsockopt(s, SOL_SOCKET, SO_ERROR, (char *)&error, &length) == 0);
	PEER_CHECK(ioctlsocket(s, (int)FIONBIO, &off) == 0);
	return FD_ISSET(s, &writes) ? 0 : error;
}

/* The program has said yes, and has a socket already: that one is reset, and the peer is asked about once more. */
static void check_cannot_keep_its_word(void)
{
	for (unsigned i = 0; i < FAULTS; i++) {
		unsigned times = faults[i].answered ? 2 : 1;
		SOCKET listener, a, b = INVALID_SOCKET;
		uint32_t port;
		char byte;

		begin(&faults[i], "sim,plain");
		asked = 0;
		listener = listen_conditionally(&port);
		a = connecting(port);
		while (asked < times) {
			if (b != INVALID_SOCKET) {
				PEER_CHECK(recv(b, &byte, 1, 0) == SOCKET_ERROR &&
					   WSAGetLastError() == WSAECONNRESET);
				PEER_CHECK(closesocket(b) == 0);
			}
			b = WSAAccept(listener, NULL, NULL, condition, CF_ACCEPT);
			PEER_CHECK(b != INVALID_SOCKET);
		}
		PEER_CHECK(outcome(a) == 0 && text_has(a, SO_OPENWSD_PATH, "plain") &&
			   text_has(a, SO_OPENWSD_REASONS, faults[i].reason));
		carries(a, b);
		PEER_CHECK(closesocket(a) == 0 && closesocket(b) == 0);
		PEER_CHECK(closesocket(listener) == 0 && WSACleanup() == 0);
	}
	peer_winsock();
}

/* Where plain is not among the paths. */
static void check_cannot_answer_alone(void)
{
	for (unsigned i = 0; i < FAULTS; i++) {
		SOCKET listener, s;
		uint32_t port;

		begin(&faults[i], "sim");
		listener = peer_listen(&port);
		s = peer_socket();
		PEER_CHECK(try_connect(s, port) == faults[i].alone &&
			   text_has(s, SO_OPENWSD_REASONS, faults[i].reason));
		PEER_CHECK(closesocket(s) == 0);
		next_is_as_ever(listener, port);
		PEER_CHECK(closesocket(listener) == 0 && WSACleanup() == 0);
	}
	peer_winsock();
}

/* TCP would fail, too: it is not asked. */
static void is_final(SOCKET s)
{
	PEER_CHECK(text_has(s, SO_OPENWSD_REASONS,
			    "sim: refused by the application or by a full backlog (-61)"));
	PEER_CHECK(!text_has(s, SO_OPENWSD_REASONS, "plain"));
	PEER_CHECK(closesocket(s) == 0);
}

static void check_no_is_no(void)
{
	SOCKET listener, s, waits[8];
	u_long on = 1;
	uint32_t port;

	over("sim,plain");
	listener = listen_conditionally(&port);
	s = connecting(port);
	PEER_CHECK(WSAAccept(listener, NULL, NULL, condition, CF_REJECT) == INVALID_SOCKET &&
		   WSAGetLastError() == WSAECONNREFUSED);
	PEER_CHECK(outcome(s) == WSAECONNREFUSED);
	is_final(s);
	PEER_CHECK(ioctlsocket(listener, (int)FIONBIO, &on) == 0);
	PEER_CHECK(accept(listener, NULL, NULL) == INVALID_SOCKET &&
		   WSAGetLastError() == WSAEWOULDBLOCK);
	closesocket(listener);
	listener = peer_listen(&port);
	PEER_CHECK(listen(listener, 8) == 0);
	for (unsigned i = 0; i < 8; i++)
		waits[i] = connected(port);
	s = peer_socket();
	PEER_CHECK(try_connect(s, port) == WSAECONNREFUSED);
	is_final(s);
	for (unsigned i = 0; i < 8; i++)
		closesocket(waits[i]);
	closesocket(listener);
}

const struct plain_case plain_cases[] = {
	{ "cannot_answer", check_cannot_answer },
	{ "cannot_keep_its_word", check_cannot_keep_its_word },
	{ "cannot_answer_alone", check_cannot_answer_alone },
	{ "no_is_no", check_no_is_no },
	{ NULL, NULL },
};
