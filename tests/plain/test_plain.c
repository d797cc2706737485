// SPDX-License-Identifier: BSD-2-Clause
/*
 * test_plain.c - peers with OpenWSD and without, in the standard order of paths: who is reached how, what a plain
 * server sees of us, what is remembered, what rules and vanished devices change. Each case is a process of its own:
 * test_plain CASE.
 */
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/lib/peer.h"
#include "tests/plain/system.h"

#define PEERS 20

static bool text_has(SOCKET s, int option, const char *part)
{
	char text[1024];
	int length = sizeof(text);

	PEER_CHECK(getsockopt(s, SOL_SOCKET, option, text, &length) == 0);
	printf("%x: %s\n", (unsigned)option, text);
	return part[0] ? strstr(text, part) != NULL : text[0] == '\0';
}

static void over(const char *backends)
{
	PEER_CHECK(setenv("WSD_BACKENDS", backends, 1) == 0);
	peer_winsock();
}

static int try_connect(SOCKET s, uint32_t port)
{
	struct sockaddr_in at = peer_address(port);

	return connect(s, (struct sockaddr *)&at, sizeof(at)) == 0 ? 0 : WSAGetLastError();
}

static SOCKET connected(uint32_t port)
{
	SOCKET s = peer_socket();

	PEER_CHECK(try_connect(s, port) == 0);
	return s;
}

static uint32_t dead_port(void)
{
	uint32_t port = 0;
	int listener = system_listen(&port, 1);

	system_close(listener);
	return port;
}

static uint64_t now_ms(void)
{
	return GetTickCount64();
}

/* --- connect --- */

/* A plain server gets one connection and the program's bytes, nothing else, by whatever path we tried before. */
static void check_server_sees_nothing_of_us(void)
{
	uint32_t port = 0;
	int listener = system_listen(&port, 8), peer;
	char bytes[16];
	SOCKET s;

	over("shm,tcp,plain");
	s = connected(port);
	peer = system_accept(listener);
	PEER_CHECK(peer >= 0 && system_silent(peer, 300) && system_nobody(listener, 0));
	PEER_CHECK(send(s, "hello", 5, 0) == 5);
	PEER_CHECK(system_receive(peer, bytes, 5) == 5 && memcmp(bytes, "hello", 5) == 0);
	system_send(peer, "world", 5);
	PEER_CHECK(recv(s, bytes, sizeof(bytes), 0) == 5 && memcmp(bytes, "world", 5) == 0);
	PEER_CHECK(text_has(s, SO_OPENWSD_PATH, "plain"));
	PEER_CHECK(text_has(s, SO_OPENWSD_REASONS,
			    "shm: nobody listens at that address (-62); "
			    "tcp: nobody listens at that address (-62)"));
	PEER_CHECK(shutdown(s, SD_SEND) == 0 && system_receive(peer, bytes, 1) == 0);
	system_reset(peer);
	PEER_CHECK(recv(s, bytes, 1, 0) == SOCKET_ERROR && WSAGetLastError() == WSAECONNRESET);
	PEER_CHECK(closesocket(s) == 0);
	system_close(listener);
}

/* The second connect goes straight there, and says why. */
static void check_memory(void)
{
	uint32_t port = 0;
	int listener = system_listen(&port, 8);
	SOCKET s;

	over("shm,tcp,plain");
	PEER_CHECK(closesocket(connected(port)) == 0);
	s = connected(port);
	PEER_CHECK(text_has(s, SO_OPENWSD_PATH, "plain") &&
		   text_has(s, SO_OPENWSD_REASONS,
			    "openwsd: nothing answers there by this path (-70)"));
	PEER_CHECK(closesocket(s) == 0);
	system_close(listener);
}

static void server_of_shm(void)
{
	struct sockaddr_in at = peer_address(peer_hear());
	SOCKET s, client;

	over("shm");
	s = peer_socket();
	PEER_CHECK(bind(s, (struct sockaddr *)&at, sizeof(at)) == 0 && listen(s, 8) == 0);
	peer_tell(1);
	client = accept(s, NULL, NULL);
	PEER_CHECK(client != INVALID_SOCKET);
	PEER_CHECK(peer_hear() == 2 && closesocket(client) == 0 && closesocket(s) == 0);
	WSACleanup();
}

/* The plain server gives way to one with OpenWSD that no plain peer reaches: what was remembered is forgotten
 * within the connect. */
static void check_memory_is_no_trap(void)
{
	uint32_t port = 0;
	int listener;
	SOCKET s;

	peer_fork(server_of_shm);
	listener = system_listen(&port, 8);
	over("shm,tcp,plain");
	PEER_CHECK(closesocket(connected(port)) == 0);
	system_close(system_accept(listener));
	system_close(listener);
	peer_tell(port);
	PEER_CHECK(peer_hear() == 1);
	s = connected(port);
	PEER_CHECK(text_has(s, SO_OPENWSD_PATH, "shm"));
	peer_tell(2);
	PEER_CHECK(closesocket(s) == 0);
	peer_join();
}

/* Refused by all paths is refused, with the last word of TCP; nonblocking it is told once. */
static void check_refused(void)
{
	uint32_t port = dead_port();
	SOCKET s;
	WSAEVENT event;
	WSANETWORKEVENTS events;

	over("shm,tcp,plain");
	event = WSACreateEvent();
	s = peer_socket();
	PEER_CHECK(try_connect(s, port) == WSAECONNREFUSED);
	PEER_CHECK(text_has(s, SO_OPENWSD_REASONS, "plain: nobody listens at that address (-62)"));
	PEER_CHECK(try_connect(s, port) == WSAECONNREFUSED);
	PEER_CHECK(WSAEventSelect(s, event, FD_CONNECT | FD_WRITE | FD_CLOSE) == 0);
	PEER_CHECK(try_connect(s, port) == WSAEWOULDBLOCK);
	PEER_CHECK(WSAWaitForMultipleEvents(1, &event, TRUE, 10000, FALSE) == WAIT_OBJECT_0);
	PEER_CHECK(WSAEnumNetworkEvents(s, event, &events) == 0);
	PEER_CHECK(events.lNetworkEvents == FD_CONNECT &&
		   events.iErrorCode[FD_CONNECT_BIT] == WSAECONNREFUSED);
	PEER_CHECK(closesocket(s) == 0 && WSACloseEvent(event));
}

/* A nonblocking connect falls back before the program hears of a failure. */
static void check_falls_back_unseen(void)
{
	uint32_t port = 0;
	int listener = system_listen(&port, 8), peer;
	WSANETWORKEVENTS events;
	WSAEVENT event;
	SOCKET s;

	over("shm,tcp,plain");
	event = WSACreateEvent();
	s = peer_socket();
	PEER_CHECK(WSAEventSelect(s, event, FD_CONNECT | FD_WRITE | FD_CLOSE | FD_READ) == 0);
	PEER_CHECK(try_connect(s, port) == WSAEWOULDBLOCK);
	PEER_CHECK(WSAWaitForMultipleEvents(1, &event, TRUE, 10000, FALSE) == WAIT_OBJECT_0);
	PEER_CHECK(WSAEnumNetworkEvents(s, event, &events) == 0);
	PEER_CHECK((events.lNetworkEvents & ~FD_WRITE) == FD_CONNECT &&
		   events.iErrorCode[FD_CONNECT_BIT] == 0);
	peer = system_accept(listener);
	system_send(peer, "x", 1);
	PEER_CHECK(WSAWaitForMultipleEvents(1, &event, TRUE, 10000, FALSE) == WAIT_OBJECT_0);
	PEER_CHECK(WSAEnumNetworkEvents(s, event, &events) == 0);
	PEER_CHECK(events.lNetworkEvents & FD_READ);
	PEER_CHECK(closesocket(s) == 0 && WSACloseEvent(event));
	system_close(peer);
	system_close(listener);
}

/* Nobody takes the connection and nobody refuses it: the connect ends in its time, and takes no other. */
static void check_deadline(void)
{
	uint32_t port = 0;
	int listener = system_listen(&port, 0), fill[8];
	uint64_t begun;
	SOCKET s;

	for (int i = 0; i < 8; i++) /* its queue is full now: the system answers nobody */
		fill[i] = system_connecting(port);
	PEER_CHECK(setenv("WSD_CONNECT_TIMEOUT", "700", 1) == 0);
	over("shm,tcp,plain");
	s = peer_socket();
	begun = now_ms();
	PEER_CHECK(try_connect(s, port) == WSAETIMEDOUT);
	PEER_CHECK(now_ms() - begun >= 600 && now_ms() - begun < 5000 * peer_slow_factor());
	PEER_CHECK(text_has(s, SO_OPENWSD_REASONS, "plain: timed out (-64)"));
	PEER_CHECK(closesocket(s) == 0);
	for (int i = 0; i < 8; i++)
		system_close(fill[i]);
	system_close(listener);
}

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
static void check_backlog(void)
{
	struct sockaddr_in at = peer_address(0);
	int length = sizeof(at), plain[4];
	uint32_t port;
	SOCKET listener, s;
	char byte;

	over("shm,tcp,plain");
	listener = peer_socket();
	PEER_CHECK(bind(listener, (struct sockaddr *)&at, sizeof(at)) == 0 &&
		   listen(listener, 2) == 0 &&
		   getsockname(listener, (struct sockaddr *)&at, &length) == 0);
	port = ntohs(at.sin_port);
	for (int i = 0; i < 4; i++) {
		plain[i] = system_connecting(port);
		PEER_CHECK(system_connected(plain[i], 10000));
		Sleep(20);
	}
	/* The queue is full: a peer with OpenWSD hears so. */
	s = peer_socket();
	PEER_CHECK(try_connect(s, port) == WSAECONNREFUSED);
	closesocket(s);
	for (int i = 0; i < 4; i++) {
		s = accept(listener, NULL, NULL);
		PEER_CHECK(s != INVALID_SOCKET && send(s, "y", 1, 0) == 1 && closesocket(s) == 0);
	}
	for (int i = 0; i < 4; i++) {
		PEER_CHECK(system_receive(plain[i], &byte, 1) == 1 && byte == 'y');
		system_close(plain[i]);
	}
	closesocket(listener);
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

		PEER_CHECK(bind(listener, (struct sockaddr *)&at, sizeof(at)) == 0);
		PEER_CHECK(listen(listener, 2) == 0 &&
			   getsockname(listener, (struct sockaddr *)&at, &length) == 0);
		plain = system_connect(ntohs(at.sin_port));
		s = accept(listener, NULL, NULL);
		PEER_CHECK(plain >= 0 && s != INVALID_SOCKET);
		/* The server ends first: what is left is on its side. */
		PEER_CHECK(closesocket(s) == 0 && closesocket(listener) == 0);
		PEER_CHECK(system_receive(plain, &byte, 1) == 0);
		system_close(plain);
		Sleep(20);
	}
}

/* --- rules and devices --- */

static void rules(const char *text)
{
	char path[] = "/tmp/wsd-rules-XXXXXX";
	int fd = mkstemp(path);

	PEER_CHECK(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	close(fd);
	PEER_CHECK(setenv("WSD_CONFIG", path, 1) == 0);
	over("shm,tcp,plain");
	unlink(path);
}

static void check_rules(void)
{
	uint32_t denied = 0, only = 0;
	int one = system_listen(&denied, 4), two = system_listen(&only, 4);
	char text[512];
	struct sockaddr_in at = peer_address(0);
	SOCKET s, listener;
	uint32_t port;

	snprintf(text, sizeof(text),
		 "rule = connect 127.0.0.0/8:%u deny\n"
		 "rule = connect *:%u program another_program deny\n"
		 "rule = connect 127.0.0.1:%u program plain_test shm tcp\n"
		 "rule = listen *:1-1024 deny\n"
		 "rule = listen * shm, tcp\n"
		 "rule = connect * tcp shm\n"
		 "this = wrong\nrule = nonsense\n",
		 denied, only, only);
	rules(text);
	s = peer_socket();
	PEER_CHECK(try_connect(s, denied) == WSAEACCES);
	PEER_CHECK(text_has(s, SO_OPENWSD_REASONS,
			    "rule at line 1: denied by a rule of openwsd.conf (-71)"));
	PEER_CHECK(system_nobody(one, 0));
	PEER_CHECK(try_connect(s, only) == WSAECONNREFUSED && system_nobody(two, 0));
	closesocket(s);
	/* Nobody without OpenWSD may come, and tcp is tried before shm. */
	listener = peer_listen(&port);
	PEER_CHECK(system_connect(port) < 0);
	s = connected(port);
	PEER_CHECK(text_has(s, SO_OPENWSD_PATH, "tcp"));
	closesocket(s);
	closesocket(listener);
	if (getuid() == 0) {
		listener = peer_socket();
		at.sin_port = htons(987);
		PEER_CHECK(bind(listener, (struct sockaddr *)&at, sizeof(at)) == 0);
		PEER_CHECK(listen(listener, 1) == SOCKET_ERROR && WSAGetLastError() == WSAEACCES);
		closesocket(listener);
	}
	system_close(one);
	system_close(two);
}

/* The device of the first connection is gone before the second: the program does not notice. */
static void check_device_gone(void)
{
	uint32_t port;
	SOCKET listener, a, b, s[2];
	char byte;

	PEER_CHECK(setenv("WSD_SIM_SCRIPT", "gone after 40 events", 1) == 0);
	over("sim,plain");
	listener = peer_listen(&port);
	a = connected(port);
	s[0] = accept(listener, NULL, NULL);
	PEER_CHECK(text_has(a, SO_OPENWSD_PATH, "sim"));
	while (send(a, "a", 1, 0) == 1 && recv(s[0], &byte, 1, 0) == 1)
		; /* until it is taken away */
	b = connected(port);
	s[1] = accept(listener, NULL, NULL);
	PEER_CHECK(text_has(b, SO_OPENWSD_PATH, "plain") &&
		   text_has(b, SO_OPENWSD_REASONS, "sim: "));
	PEER_CHECK(send(b, "b", 1, 0) == 1 && recv(s[1], &byte, 1, 0) == 1 && byte == 'b');
	closesocket(a);
	closesocket(b);
	closesocket(s[0]);
	closesocket(s[1]);
	closesocket(listener);
}

/* A backend of the list that does not exist, or no more, costs nothing but its line in the log. */
static void check_module_gone(void)
{
	uint32_t port = 0;
	int listener = system_listen(&port, 8);

	over("nosuch,shm,plain");
	PEER_CHECK(closesocket(connected(port)) == 0);
	PEER_CHECK(WSACleanup() == 0);
	over("alsonot,plain");
	PEER_CHECK(closesocket(connected(port)) == 0);
	system_close(listener);
}

static const struct {
	const char *name;
	void (*run)(void);
} cases[] = {
	{ "server_sees_nothing_of_us", check_server_sees_nothing_of_us },
	{ "memory", check_memory },
	{ "memory_is_no_trap", check_memory_is_no_trap },
	{ "refused", check_refused },
	{ "falls_back_unseen", check_falls_back_unseen },
	{ "deadline", check_deadline },
	{ "both_kinds", check_both_kinds },
	{ "backlog", check_backlog },
	{ "port_again", check_port_again },
	{ "rules", check_rules },
	{ "device_gone", check_device_gone },
	{ "module_gone", check_module_gone },
};

int main(int argc, char **argv)
{
	unsigned descriptors;

	peer_start(60, 256);
	for (size_t i = 0; argc > 1 && i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (strcmp(cases[i].name, argv[1]) != 0)
			continue;
		descriptors = peer_descriptors();
		cases[i].run();
		PEER_CHECK(WSACleanup() == 0);
		if (peer_descriptors() > descriptors + 2) /* those to the peer */
			peer_fail("%u descriptors instead of %u", peer_descriptors(), descriptors);
		return 0;
	}
	fprintf(stderr, "usage: plain_test CASE\n");
	return 2;
}
