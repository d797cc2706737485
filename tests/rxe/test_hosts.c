// SPDX-License-Identifier: BSD-2-Clause
/*
 * test_hosts.c FOLDER OWN PEER DIE - on two hosts, WSD_MACHINE=1 and 2, with these addresses and one FOLDER: the second
 * one dies by the command DIE, with a connection of each kind open. WSD_BACKENDS=verbs,tcp. The first one notices
 *   stream    a sender, by what is not acknowledged
 *   full      a sender that waits for room
 *   idle      a reader with keep-alive; accepted: an overlapped one, at the listener's side
 *   asked     a reader without keep-alive: not at all, until it sends again
 *   connect   by silence on each path
 * with the code and in the time that openwsd(7) tells; then nothing is left, and its listener accepts.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openwsd/mstcpip.h>
#include <openwsd/ws2tcpip.h>

#include "tests/rxe/held.h"

#define PORT	     7000
#define PIECE	     30000
#define BEGINNING    (1u << 20) /* so much has gone over the stream before */
#define ADAPTER_MS   16500u	/* Soft-RoCE gives up on what is not acknowledged */
#define NUDGE_MS     5000u	/* a waiting sender looks */
#define CONNECT_MS   21000u	/* CONNECT_TIMEOUT */
#define KEEP_IDLE    2000u
#define KEEP_STEP    500u
#define KEEP_LEAST   5000u /* ten of them */
#define KEEP_MOST    (2 * KEEP_IDLE + 12 * KEEP_STEP)
#define LATE_MS	     2000u /* of a machine that is busy, times WSD_TEST_SLOW */
#define LEFT_BYTES   65536u
#define TEST_SECONDS 200u

static const char *folder, *own, *peer;

/* --- the other host --- */

static const char *in_folder(const char *name)
{
	static _Thread_local char path[512];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return path;
}

static void put(const char *name)
{
	FILE *file = fopen(in_folder(name), "w");

	PEER_CHECK(file && fclose(file) == 0);
}

static void await(const char *name, const char *ours)
{
	while (access(in_folder(name), F_OK) != 0) {
		if (access(in_folder(ours), F_OK) == 0)
			peer_fail("the other host has ended");
		Sleep(20);
	}
}

static struct sockaddr_in address(const char *host)
{
	struct sockaddr_in at;

	memset(&at, 0, sizeof(at));
	at.sin_family = AF_INET;
	at.sin_port = htons(PORT);
	PEER_CHECK(inet_pton(AF_INET, host, &at.sin_addr) == 1);
	return at;
}

static SOCKET listening(void)
{
	struct sockaddr_in at = address(own);
	SOCKET s = peer_socket();

	PEER_CHECK(bind(s, (struct sockaddr *)&at, sizeof(at)) == 0 && listen(s, SOMAXCONN) == 0);
	return s;
}

static SOCKET connected(const char *host, const char *wanted)
{
	struct sockaddr_in at = address(host);
	char path[64] = "";
	int length = sizeof(path);
	SOCKET s = peer_socket();

	PEER_CHECK(connect(s, (struct sockaddr *)&at, sizeof(at)) == 0 &&
		   getsockopt(s, SOL_SOCKET, SO_OPENWSD_PATH, path, &length) == 0);
	if (strncmp(path, wanted, strlen(wanted)) != 0)
		peer_fail("went over %s, not %s", path, wanted);
	return s;
}

/* --- the host that dies --- */

static void *drain(void *arg)
{
	SOCKET s = (SOCKET)(uintptr_t)arg;
	static _Thread_local char buffer[PIECE];

	while (recv(s, buffer, sizeof(buffer), 0) > 0)
		;
	peer_fail("a stream has ended on the host that is to die");
}

/* The first byte of each connection tells what it is for. */
static void take(SOCKET s)
{
	pthread_t thread;
	char kind;

	PEER_CHECK(s != INVALID_SOCKET && recv(s, &kind, 1, 0) == 1);
	if (kind == 's')
		PEER_CHECK(pthread_create(&thread, NULL, drain, (void *)(uintptr_t)s) == 0);
	PEER_CHECK(kind == 'f' || send(s, &kind, 1, 0) == 1);
}

static void mortal(const char *die)
{
	SOCKET listener = listening();
	char byte = 'a';

	put("up.2");
	await("up.1", "status.1");
	PEER_CHECK(send(connected(peer, "verbs"), &byte, 1, 0) == 1);
	for (int i = 0; i < 4; i++)
		take(accept(listener, NULL, NULL));
	await("now", "status.1");
	PEER_CHECK(system(die) == 0);
	peer_fail("it did not die");
}

/* --- the host that goes on --- */

static _Atomic uint64_t died; /* ms; 0: not yet */

struct watch {
	const char *name;
	int error;	      /* the documented one */
	uint64_t least, most; /* ms after the death, or after from */
	_Atomic uint64_t from;
	SOCKET s;
	void (*body)(struct watch *watch);
	pthread_t thread;
};

/* It has failed with this error, now. */
static void noticed(struct watch *w, int error)
{
	uint64_t begin = w->from ? w->from : died;
	uint64_t took = begin ? GetTickCount64() - begin : 0;

	printf("%s: %d after %llu ms\n", w->name, error, (unsigned long long)took);
	fflush(stdout);
	if (!begin)
		peer_fail("%s: before the other host had died", w->name);
	if (error != w->error)
		peer_fail("%s: not %d", w->name, w->error);
	if (took < w->least || took > w->most + LATE_MS * peer_slow_factor())
		peer_fail("%s: not within %llu to %llu ms", w->name, (unsigned long long)w->least,
			  (unsigned long long)w->most);
}

static _Atomic uint64_t streamed;

static void stream(struct watch *w)
{
	int n;

	while ((n = send(w->s, peer_pattern(0), PIECE, 0)) > 0)
		streamed += (uint64_t)n;
	noticed(w, WSAGetLastError());
	PEER_CHECK(send(w->s, "x", 1, 0) == SOCKET_ERROR);
}

static void full(struct watch *w)
{
	while (send(w->s, peer_pattern(0), PIECE, 0) > 0)
		;
	noticed(w, WSAGetLastError());
}

static void keep_alive(SOCKET s)
{
	struct tcp_keepalive values = { 1, KEEP_IDLE, KEEP_STEP };
	DWORD bytes;

	PEER_CHECK(WSAIoctl(s, SIO_KEEPALIVE_VALS, &values, sizeof(values), NULL, 0, &bytes, NULL,
			    NULL) == 0);
}

static void idle(struct watch *w)
{
	char byte;

	keep_alive(w->s);
	PEER_CHECK(recv(w->s, &byte, 1, 0) == SOCKET_ERROR);
	noticed(w, WSAGetLastError());
	PEER_CHECK(recv(w->s, &byte, 1, 0) == SOCKET_ERROR && WSAGetLastError() == WSAENOTCONN);
}

static void accepted(struct watch *w)
{
	char byte;
	WSABUF buffer = { 1, &byte };
	WSAOVERLAPPED overlapped = { .hEvent = WSACreateEvent() };
	DWORD bytes, flags = 0;

	keep_alive(w->s);
	PEER_CHECK(WSARecv(w->s, &buffer, 1, NULL, &flags, &overlapped, NULL) == SOCKET_ERROR &&
		   WSAGetLastError() == WSA_IO_PENDING);
	PEER_CHECK(WSAGetOverlappedResult(w->s, &overlapped, &bytes, TRUE, &flags) == FALSE);
	noticed(w, WSAGetLastError());
	PEER_CHECK(WSACloseEvent(overlapped.hEvent));
}

/* Nothing of ours is on its way, so nothing is noticed; what is sent then is not acknowledged. */
static void asked(struct watch *w)
{
	WSAPOLLFD look = { .fd = w->s, .events = POLLRDNORM };
	char byte;

	while (!died)
		Sleep(20);
	Sleep(ADAPTER_MS + NUDGE_MS);
	PEER_CHECK(WSAPoll(&look, 1, 0) == 0);
	w->from = GetTickCount64();
	PEER_CHECK(send(w->s, "x", 1, 0) == 1);
	PEER_CHECK(recv(w->s, &byte, 1, 0) == SOCKET_ERROR);
	noticed(w, WSAGetLastError());
}

static void connects(struct watch *w)
{
	struct sockaddr_in at = address(peer);
	char reasons[512] = "";
	int length = sizeof(reasons);

	while (!died)
		Sleep(20);
	Sleep(LATE_MS * peer_slow_factor()); /* it is about to die, and might answer yet */
	w->from = GetTickCount64();
	PEER_CHECK(connect(w->s, (struct sockaddr *)&at, sizeof(at)) == SOCKET_ERROR);
	noticed(w, WSAGetLastError());
	PEER_CHECK(getsockopt(w->s, SOL_SOCKET, SO_OPENWSD_REASONS, reasons, &length) == 0);
	printf("%s\n", reasons);
	if (!strstr(reasons, "verbs") || !strstr(reasons, "(-70)") || !strstr(reasons, "tcp"))
		peer_fail("the reasons do not tell of silence on each path");
}

static struct watch watches[] = {
	{ "stream", WSAECONNABORTED, 0, ADAPTER_MS, .body = stream },
	{ "full", WSAECONNABORTED, 0, ADAPTER_MS + NUDGE_MS, .body = full },
	{ "idle", WSAENETRESET, KEEP_LEAST, KEEP_MOST, .body = idle },
	{ "asked", WSAECONNABORTED, 0, ADAPTER_MS, .body = asked },
	{ "accepted", WSAENETRESET, KEEP_LEAST, KEEP_MOST, .body = accepted },
	{ "connect", WSAETIMEDOUT, 0, CONNECT_MS, .body = connects },
};
#define WATCHES (sizeof(watches) / sizeof(watches[0]))

static void *watch(void *arg)
{
	struct watch *w = arg;

	w->body(w);
	return NULL;
}

/* A connection of this kind; the peer has answered what it was asked. */
static SOCKET opened(const char *kind)
{
	SOCKET s = connected(peer, "verbs");
	char byte = 0;

	PEER_CHECK(send(s, kind, 1, 0) == 1);
	PEER_CHECK(*kind == 'f' || (recv(s, &byte, 1, 0) == 1 && byte == *kind));
	return s;
}

static void live_on(SOCKET listener)
{
	char byte;

	watches[4].s = accept(listener, NULL, NULL);
	PEER_CHECK(watches[4].s != INVALID_SOCKET && recv(watches[4].s, &byte, 1, 0) == 1);
	for (unsigned i = 0; i < 4; i++)
		watches[i].s = opened(watches[i].name);
	watches[5].s = peer_socket();
	for (unsigned i = 0; i < WATCHES; i++)
		PEER_CHECK(pthread_create(&watches[i].thread, NULL, watch, &watches[i]) == 0);
	while (streamed < BEGINNING)
		Sleep(10);
	put("now");
	await("status.2", "status.1");
	died = GetTickCount64();
	for (unsigned i = 0; i < WATCHES; i++) {
		pthread_join(watches[i].thread, NULL);
		PEER_CHECK(closesocket(watches[i].s) == 0);
	}
}

/* From this host to itself. */
static void accepts(SOCKET listener)
{
	SOCKET s = connected(own, ""), t = accept(listener, NULL, NULL);
	char byte = 0;

	PEER_CHECK(t != INVALID_SOCKET && send(s, "y", 1, 0) == 1 && recv(t, &byte, 1, 0) == 1 &&
		   byte == 'y' && closesocket(s) == 0 && recv(t, &byte, 1, 0) == 0 &&
		   closesocket(t) == 0);
}

static void survivor(void)
{
	SOCKET listener = listening();
	struct held before;
	unsigned descriptors;
	uint64_t heap;

	accepts(listener); /* what is made once has been made */
	before = held();
	descriptors = peer_descriptors();
	heap = peer_heap_bytes();
	put("up.1");
	await("up.2", "status.2");
	live_on(listener);
	held_settle(before, FALSE);
	accepts(listener);
	held_settle(before, TRUE);
	peer_settle(descriptors, 0);
	printf("%lld bytes more\n", (long long)(peer_heap_bytes() - heap));
	PEER_CHECK(peer_heap_bytes() < heap + LEFT_BYTES);
	PEER_CHECK(closesocket(listener) == 0);
}

int main(int argc, char **argv)
{
	const char *machine = getenv("WSD_MACHINE");

	if (argc != 5 || !machine)
		peer_fail("usage: WSD_MACHINE=1|2 test_hosts FOLDER OWN PEER DIE");
	folder = argv[1];
	own = argv[2];
	peer = argv[3];
	peer_start(TEST_SECONDS, 256);
	peer_winsock();
	if (strcmp(machine, "1") == 0)
		survivor();
	else
		mortal(argv[4]);
	PEER_CHECK(WSACleanup() == 0);
	return 0;
}
