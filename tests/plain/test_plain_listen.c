// SPDX-License-Identifier: BSD-2-Clause
/* test_plain_listen.c - plain peers and peers with OpenWSD at one listener, and sockets that two descriptors have. */
#include <pthread.h>

#include "tests/plain/cases.h"
#include "tests/plain/system.h"

#define PEERS 20

/* --- listen --- */

static void clients_with_openwsd(void)
{
	uint32_t port = peer_hear();
	SOCKET s[PEERS];
	char byte;

	over("shm,tcp,plain");
	for (int i = 0; i < PEERS; i++) {
		s[i] = connected(port);
		PEER_CHECK(send(s[i], "w", 1, 0) == 1);
	}
	for (int i = 0; i < PEERS; i++) {
		PEER_CHECK(recv(s[i], &byte, 1, 0) == 1 && byte == 'W');
		PEER_CHECK(text_has(s[i], SO_OPENWSD_PATH, "shm"));
		closesocket(s[i]);
	}
	WSACleanup();
}

/* Peers of both kinds at once, one queue, each answered by its own path. */
static void check_both_kinds(void)
{
	unsigned of_path[2] = { 0, 0 };
	int plain[PEERS];
	uint32_t port;
	SOCKET listener, s[2 * PEERS];
	char byte;

	peer_fork(clients_with_openwsd);
	over("shm,tcp,plain");
	listener = peer_listen(&port);
	peer_tell(port);
	for (int i = 0; i < PEERS; i++) {
		plain[i] = system_connect(port);
		PEER_CHECK(plain[i] >= 0);
		system_send(plain[i], "p", 1);
	}
	for (int i = 0; i < 2 * PEERS; i++) {
		struct sockaddr_in from;
		int length = sizeof(from);

		s[i] = accept(listener, (struct sockaddr *)&from, &length);
		PEER_CHECK(s[i] != INVALID_SOCKET && from.sin_port != 0);
		PEER_CHECK(recv(s[i], &byte, 1, 0) == 1);
		PEER_CHECK(text_has(s[i], SO_OPENWSD_PATH, byte == 'p' ? "plain" : "shm"));
		of_path[byte == 'p']++;
		PEER_CHECK(send(s[i], byte == 'p' ? "P" : "W", 1, 0) == 1);
	}
	PEER_CHECK(of_path[0] == PEERS && of_path[1] == PEERS);
	for (int i = 0; i < PEERS; i++) {
		PEER_CHECK(system_receive(plain[i], &byte, 1) == 1 && byte == 'P');
		system_close(plain[i]);
	}
	for (int i = 0; i < 2 * PEERS; i++)
		closesocket(s[i]);
	closesocket(listener);
	peer_join();
}

/* Beyond the backlog plain peers wait in the system's queue, and come when there is room. */
static SOCKET listen_with(int backlog, uint32_t *port)
{
	struct sockaddr_in at = peer_address(0);
	SOCKET listener = peer_socket();
	int length = sizeof(at);

	PEER_CHECK(bind(listener, (struct sockaddr *)&at, sizeof(at)) == 0 &&
		   listen(listener, backlog) == 0 &&
		   getsockname(listener, (struct sockaddr *)&at, &length) == 0);
	*port = ntohs(at.sin_port);
	return listener;
}

#define PLAIN_PEERS 4 /* more than are taken from the system with a backlog of 2 */
#define TRIES	    10

static void connect_plain(int *plain, uint32_t port)
{
	for (int i = 0; i < PLAIN_PEERS; i++) {
		plain[i] = system_connecting(port);
		PEER_CHECK(system_connected(plain[i], 10000));
		Sleep(20);
	}
}

static void serve_plain(SOCKET listener, const int *plain)
{
	char byte;

	for (int i = 0; i < PLAIN_PEERS; i++) {
		SOCKET s = accept(listener, NULL, NULL);

		PEER_CHECK(s != INVALID_SOCKET && send(s, "y", 1, 0) == 1 && closesocket(s) == 0);
	}
	for (int i = 0; i < PLAIN_PEERS; i++) {
		PEER_CHECK(system_receive(plain[i], &byte, 1) == 1 && byte == 'y');
		system_close(plain[i]);
	}
}

/* The queue is full: a peer with OpenWSD hears so. False: the engine had not yet taken the plain peers that fill it. */
static bool backlog_is_full(void)
{
	int plain[PLAIN_PEERS], error;
	SOCKET listener, s = peer_socket();
	uint32_t port;

	listener = listen_with(2, &port);
	connect_plain(plain, port);
	error = try_connect(s, port);
	PEER_CHECK(error == 0 || error == WSAECONNREFUSED);
	closesocket(s);
	if (error != 0)
		serve_plain(listener, plain);
	for (int i = 0; error == 0 && i < PLAIN_PEERS; i++)
		system_close(plain[i]);
	closesocket(listener);
	return error != 0;
}

static void check_backlog(void)
{
	int tries = 1;

	over("shm,tcp,plain");
	while (!backlog_is_full())
		PEER_CHECK(tries++ < TRIES);
}

/* What ended connections leave behind does not keep a server from its port. */
static void check_port_again(void)
{
	struct sockaddr_in at = peer_address(0);
	int length = sizeof(at);

	over("shm,tcp,plain");
	for (int round = 0; round < 3; round++) {
		SOCKET listener = peer_socket(), s;
		int plain;
		char byte;

		/* The last one's end may still be under way; what it leaves behind lasts a minute. */
		for (int i = 0; bind(listener, (struct sockaddr *)&at, sizeof(at)) != 0; i++) {
			PEER_CHECK(i < 500);
			Sleep(20);
		}
		PEER_CHECK(listen(listener, 2) == 0 &&
			   getsockname(listener, (struct sockaddr *)&at, &length) == 0);
		plain = system_connect(ntohs(at.sin_port));
		s = accept(listener, NULL, NULL);
		PEER_CHECK(plain >= 0 && s != INVALID_SOCKET);
		/* The server ends first: what is left is on its side. */
		PEER_CHECK(closesocket(s) == 0 && closesocket(listener) == 0);
		PEER_CHECK(system_receive(plain, &byte, 1) == 0);
		system_close(plain);
	}
}

/* A server that is started anew serves its port while the old one has connections left: if both share it. */
static void check_restart(void)
{
	over("shm,tcp,plain");
	for (int shared = 0; shared < 2; shared++) {
		struct sockaddr_in at = peer_address(0);
		SOCKET listener = peer_socket(), s;
		int length = sizeof(at), plain, next = -1;
		uint32_t port;
		char byte;

		PEER_CHECK(setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, (char *)&shared,
				      sizeof(shared)) == 0 &&
			   bind(listener, (struct sockaddr *)&at, sizeof(at)) == 0 &&
			   listen(listener, 2) == 0 &&
			   getsockname(listener, (struct sockaddr *)&at, &length) == 0);
		port = ntohs(at.sin_port);
		plain = system_connect(port);
		s = accept(listener, NULL, NULL);
		PEER_CHECK(plain >= 0 && s != INVALID_SOCKET && closesocket(listener) == 0);
		for (int i = 0; i < (shared ? 500 : 10) && next < 0; i++) {
			Sleep(10);
			next = system_listen(&port, 2);
		}
		PEER_CHECK((next >= 0) == shared);
		PEER_CHECK(send(s, "x", 1, 0) == 1 && system_receive(plain, &byte, 1) == 1);
		PEER_CHECK(closesocket(s) == 0);
		system_close(plain);
		if (shared)
			system_close(next);
	}
}

/* --- a socket that two have --- */

static SOCKET another(SOCKET s)
{
	WSAPROTOCOL_INFOW info;
	SOCKET other = INVALID_SOCKET;

	if (WSADuplicateSocketW(s, GetCurrentProcessId(), &info) == 0)
		other = WSASocketW(FROM_PROTOCOL_INFO, FROM_PROTOCOL_INFO, FROM_PROTOCOL_INFO,
				   &info, 0, WSA_FLAG_OVERLAPPED);
	PEER_CHECK(other != INVALID_SOCKET);
	return other;
}

/* Shared before it connected, and after: the end comes with the last descriptor, and nothing is lost. */
static void check_shared_end(void)
{
	uint32_t port = 0;
	int listener = system_listen(&port, 1), peer;
	char *bytes = calloc(1, PEER_PATTERN_MOST);
	SOCKET s, other;

	over("shm,tcp,plain");
	s = peer_socket();
	other = another(s);
	PEER_CHECK(try_connect(s, port) == 0 && text_has(s, SO_OPENWSD_PATH, "plain"));
	peer = system_accept(listener);
	PEER_CHECK(send(s, peer_pattern(0), 100000, 0) == 100000);
	system_send(peer, "12", 2);
	PEER_CHECK(recv(s, bytes, 1, 0) == 1 && bytes[0] == '1');
	PEER_CHECK(closesocket(s) == 0);
	PEER_CHECK(bytes != NULL && system_receive(peer, bytes, 100000) == 100000);
	peer_check_pattern(bytes, 100000, 0);
	PEER_CHECK(recv(other, bytes, 1, 0) == 1 && bytes[0] == '2');
	PEER_CHECK(send(other, "y", 1, 0) == 1 && system_receive(peer, bytes, 2) == 1);
	PEER_CHECK(closesocket(other) == 0 && !system_was_reset(peer));
	free(bytes);
	system_close(peer);
	system_close(listener);
}

/* Connections in both directions, urgent bytes too. */
static void check_shared(void)
{
	uint32_t port = 0, ours;
	int listener = system_listen(&port, 1), plain[2];
	SOCKET s[2], own;
	char byte;

	over("shm,tcp,plain");
	s[0] = connected(port);
	plain[0] = system_accept(listener);
	own = peer_listen(&ours);
	plain[1] = system_connect(ours);
	s[1] = accept(own, NULL, NULL);
	for (int i = 0; i < 2; i++) {
		SOCKET other = another(s[i]);

		PEER_CHECK(plain[i] >= 0 && text_has(other, SO_OPENWSD_PATH, "plain"));
		for (int turn = 0; turn < 4; turn++) {
			SOCKET mine = turn & 1 ? s[i] : other;

			PEER_CHECK(send(mine, "x", 1, 0) == 1);
			PEER_CHECK(system_receive(plain[i], &byte, 1) == 1 && byte == 'x');
			system_send(plain[i], "y", 1);
			PEER_CHECK(recv(mine, &byte, 1, 0) == 1 && byte == 'y');
		}
		system_send_urgent(plain[i], 'u');
		system_send(plain[i], "z", 1);
		while (recv(s[i], &byte, 1, MSG_OOB) != 1)
			Sleep(1);
		PEER_CHECK(byte == 'u' && recv(other, &byte, 1, 0) == 1 && byte == 'z');
		PEER_CHECK(closesocket(s[i]) == 0 && send(other, "x", 1, 0) == 1);
		PEER_CHECK(system_receive(plain[i], &byte, 1) == 1);
		PEER_CHECK(closesocket(other) == 0 && system_receive(plain[i], &byte, 1) == 0);
		system_close(plain[i]);
	}
	closesocket(own);
	system_close(listener);
}

static void *accept_one(void *listener)
{
	SOCKET s = accept(*(SOCKET *)listener, NULL, NULL);

	PEER_CHECK(s != INVALID_SOCKET && send(s, "y", 1, 0) == 1 && closesocket(s) == 0);
	return NULL;
}

/* Plain peers wait with the system for whoever accepts, and keep no others from the queue. */
static void check_shared_backlog(void)
{
	SOCKET listener, other, s[PLAIN_PEERS - 1];
	int plain[PLAIN_PEERS];
	uint32_t port;
	char byte;

	over("shm,tcp,plain");
	listener = listen_with(PLAIN_PEERS - 1, &port);
	other = another(listener);
	connect_plain(plain, port);
	for (int i = 0; i < PLAIN_PEERS - 1; i++) {
		s[i] = connected(port);
		PEER_CHECK(text_has(s[i], SO_OPENWSD_PATH, "shm"));
	}
	for (int i = 0; i < PLAIN_PEERS - 1; i++)
		accept_one(i & 1 ? &listener : &other);
	serve_plain(other, plain);
	for (int i = 0; i < PLAIN_PEERS - 1; i++) {
		PEER_CHECK(recv(s[i], &byte, 1, 0) == 1);
		closesocket(s[i]);
	}
	closesocket(listener);
	closesocket(other);
}

/* Two wait for whatever comes: a plain peer, and one with OpenWSD. */
static void check_shared_accepts(void)
{
	SOCKET listener, other, s;
	pthread_t threads[2];
	uint32_t port;
	char byte;
	int plain;

	over("shm,tcp,plain");
	listener = peer_listen(&port);
	other = another(listener);
	PEER_CHECK(pthread_create(&threads[0], NULL, accept_one, &listener) == 0);
	Sleep(250); /* until it waits; too short, it shows less */
	PEER_CHECK(pthread_create(&threads[1], NULL, accept_one, &other) == 0);
	Sleep(750); /* until this one waits, and the turn is its own */
	plain = system_connect(port);
	PEER_CHECK(plain >= 0 && system_receive(plain, &byte, 1) == 1 && byte == 'y');
	s = connected(port);
	PEER_CHECK(recv(s, &byte, 1, 0) == 1 && byte == 'y');
	for (int i = 0; i < 2; i++)
		PEER_CHECK(pthread_join(threads[i], NULL) == 0);
	system_close(plain);
	closesocket(s);
	closesocket(listener);
	closesocket(other);
}

const struct plain_case plain_cases[] = {
	{ "both_kinds", check_both_kinds },
	{ "backlog", check_backlog },
	{ "port_again", check_port_again },
	{ "restart", check_restart },
	{ "shared_end", check_shared_end },
	{ "shared_backlog", check_shared_backlog },
	{ "shared_accepts", check_shared_accepts },
	{ "shared", check_shared },
	{ NULL, NULL },
};
