// SPDX-License-Identifier: BSD-2-Clause
/*
 * test_rates.c - rates in real time between two processes, over the backend that WSD_BACKENDS names: what one
 * flow carries under an agreement, what its bucket lets through at once, and what a guaranteed flow keeps
 * beside eight that want everything. What may be reserved is measured just before; a quarter of that counts as
 * the path's speed, because a small machine carries five times less whenever its threads share a CPU. Every
 * run has to hold.
 *
 *   test_rates [RUNS]
 */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/lib/peer.h"
#include "tests/qos/ledger_name.h"

#define OTHERS	  8u
#define FLOWS_MAX (OTHERS + 1)
#define WARM_MS	  500u
#define WINDOW_MS 2000u
#define SEND_MS	  (WARM_MS + WINDOW_MS + 500u)
#define PIECE	  65536u
#define BUCKET	  200000u

static uint32_t port;
static struct sockaddr_in to; /* of the receiver */

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* --- the receiving process: counts what each flow brings in a window of time --- */

struct inbound {
	SOCKET s;
	uint64_t bytes;
	bool ended;
};

static bool take(struct inbound *in)
{
	static char bytes[1u << 20];
	int n = recv(in->s, bytes, sizeof(bytes), 0);

	if (n > 0)
		in->bytes += (uint64_t)n;
	in->ended = n == 0 || (n < 0 && WSAGetLastError() != WSAEWOULDBLOCK);
	return n > 0;
}

static unsigned drain(struct inbound *in, unsigned count)
{
	struct timeval limit = { 0, 5000 };
	unsigned left = 0;
	fd_set readable;

	FD_ZERO(&readable);
	for (unsigned i = 0; i < count; i++) {
		if (in[i].ended)
			continue;
		FD_SET(in[i].s, &readable);
		left++;
	}
	if (left == 0 || select(0, &readable, NULL, NULL, &limit) <= 0)
		return left;
	for (unsigned i = 0; i < count; i++)
		if (!in[i].ended && FD_ISSET(in[i].s, &readable))
			(void)take(&in[i]);
	return left;
}

static void receive_flows(SOCKET listener, unsigned count)
{
	struct inbound in[FLOWS_MAX] = { { 0 } };
	uint64_t begun, from, window;
	u_long on = 1;

	for (unsigned i = 0; i < count; i++) {
		SOCKET s = accept(listener, NULL, NULL);
		unsigned char id;

		PEER_CHECK(s != INVALID_SOCKET && recv(s, (char *)&id, 1, 0) == 1 && id < count);
		PEER_CHECK(ioctlsocket(s, FIONBIO, &on) == 0);
		in[id].s = s;
	}
	begun = now_ms();
	while (now_ms() - begun < WARM_MS)
		(void)drain(in, count);
	for (unsigned i = 0; i < count; i++)
		in[i].bytes = 0;
	from = now_ms();
	while (now_ms() - from < WINDOW_MS)
		(void)drain(in, count);
	window = now_ms() - from;
	for (unsigned i = 0; i < count; i++)
		peer_tell((uint32_t)(in[i].bytes * 1000 / window / 100)); /* in 100 bytes/s */
	while (drain(in, count) > 0)
		;
	for (unsigned i = 0; i < count; i++)
		closesocket(in[i].s);
}

static void receiver(void)
{
	SOCKET listener;
	uint32_t count;

	peer_winsock();
	listener = peer_listen(&port);
	peer_tell(port);
	while ((count = peer_hear()) > 0)
		receive_flows(listener, count);
	closesocket(listener);
	WSACleanup();
}

/* --- the sending side --- */

/* What a process that was kept from running for a tenth of a second can make good. Beside others a full bucket
 * may still be there when counting begins, and is part of the tolerance. */
static uint32_t bucket;

static SOCKET open_flow(unsigned char id, uint32_t guaranteed)
{
	SOCKET s = peer_socket();
	QOS qos;

	memset(&qos, 0xff, sizeof(qos));
	qos.ProviderSpecific = (WSABUF){ 0, NULL };
	qos.SendingFlowspec.ServiceType = SERVICETYPE_GUARANTEED;
	qos.SendingFlowspec.TokenRate = guaranteed;
	qos.SendingFlowspec.TokenBucketSize = bucket;
	qos.ReceivingFlowspec.ServiceType = SERVICETYPE_BESTEFFORT;
	PEER_CHECK(WSAConnect(s, (struct sockaddr *)&to, sizeof(to), NULL, NULL,
			      guaranteed ? &qos : NULL, NULL) == 0);
	PEER_CHECK(send(s, (char *)&id, 1, 0) == 1);
	return s;
}

struct sending {
	SOCKET flows[OTHERS];
	unsigned count;
	uint64_t until;
};

/* As much as they take, until the time is over. */
static void *send_all(void *arg)
{
	struct sending *out = arg;
	u_long on = 1;

	for (unsigned i = 0; i < out->count; i++)
		PEER_CHECK(ioctlsocket(out->flows[i], FIONBIO, &on) == 0);
	while (now_ms() < out->until) {
		struct timeval limit = { 0, 20000 };
		fd_set writable;

		FD_ZERO(&writable);
		for (unsigned i = 0; i < out->count; i++)
			FD_SET(out->flows[i], &writable);
		if (select(0, NULL, &writable, NULL, &limit) <= 0)
			continue;
		for (unsigned i = 0; i < out->count; i++)
			if (FD_ISSET(out->flows[i], &writable) &&
			    send(out->flows[i], peer_pattern(0), PIECE, 0) < 0)
				PEER_CHECK(WSAGetLastError() == WSAEWOULDBLOCK);
	}
	for (unsigned i = 0; i < out->count; i++)
		closesocket(out->flows[i]);
	return NULL;
}

static void run_others(uint64_t until)
{
	struct sending out = { .count = OTHERS, .until = until };

	for (unsigned i = 0; i < OTHERS; i++)
		out.flows[i] = open_flow((unsigned char)(i + 1), 0);
	(void)send_all(&out);
}

/* Another process for them, forked before this one has started Winsock in it anew. */
static pid_t fork_others(int start[2])
{
	pid_t pid;
	char c;

	PEER_CHECK(pipe(start) == 0);
	pid = fork();
	if (pid != 0)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	close(start[1]);
	peer_winsock();
	if (read(start[0], &c, 1) != 1)
		_exit(1);
	run_others(now_ms() + SEND_MS);
	WSACleanup();
	_exit(0);
}

static uint64_t hear_rate(void)
{
	return peer_hear() * 100ull;
}

/* How fast one flow is that nothing holds back. */
static uint64_t measure(void)
{
	struct sending out = { .count = 1, .until = now_ms() + SEND_MS };

	peer_tell(1);
	out.flows[0] = open_flow(0, 0);
	(void)send_all(&out);
	return hear_rate();
}

static bool within(const char *what, uint64_t got, uint64_t wanted, unsigned percent)
{
	printf("%s: %.2f MB/s of %.2f\n", what, (double)got / 1e6, (double)wanted / 1e6);
	fflush(stdout);
	return got * 100 >= wanted * (100 - percent) && got * 100 <= wanted * (100 + percent);
}

static void check_one(uint32_t rate)
{
	struct sending out = { .count = 1, .until = now_ms() + SEND_MS };

	peer_tell(1);
	out.flows[0] = open_flow(0, rate);
	(void)send_all(&out);
	PEER_CHECK(within("one flow", hear_rate(), rate, 5));
}

/* A full bucket goes at once, and then there is no more than the rate. */
static void check_burst(uint32_t rate)
{
	static char bytes[4 * BUCKET];
	uint64_t begun, sent = 0, spent;
	u_long on = 1;
	SOCKET s;

	peer_tell(1);
	bucket = BUCKET;
	s = open_flow(0, rate);
	bucket = rate / 10;
	PEER_CHECK(ioctlsocket(s, FIONBIO, &on) == 0);
	Sleep(300);
	begun = now_ms();
	do {
		int n = send(s, bytes, sizeof(bytes), 0);

		sent += n > 0 ? (uint64_t)n : 0;
		spent = now_ms() - begun;
	} while (sent < BUCKET && spent < 1000);
	printf("burst: %llu bytes in %llu ms\n", (unsigned long long)sent,
	       (unsigned long long)spent);
	PEER_CHECK(sent >= BUCKET * 95 / 100);
	PEER_CHECK(sent <= BUCKET + (spent + 1) * rate / 1000);
	closesocket(s);
	(void)hear_rate();
}

static void check_beside(uint32_t rate, uint64_t speed, bool processes)
{
	struct sending one = { .count = 1 }, others = { .count = OTHERS };
	uint64_t guaranteed, rest = 0;
	pthread_t thread;
	int start[2], status;
	pid_t pid = 0;

	if (processes)
		pid = fork_others(start);
	peer_tell(FLOWS_MAX);
	one.flows[0] = open_flow(0, rate);
	one.until = others.until = now_ms() + SEND_MS;
	if (processes) {
		PEER_CHECK(write(start[1], "g", 1) == 1);
		(void)send_all(&one);
		PEER_CHECK(waitpid(pid, &status, 0) == pid && status == 0);
		close(start[0]);
		close(start[1]);
	} else {
		for (unsigned i = 0; i < OTHERS; i++)
			others.flows[i] = open_flow((unsigned char)(i + 1), 0);
		PEER_CHECK(pthread_create(&thread, NULL, send_all, &others) == 0);
		(void)send_all(&one);
		pthread_join(thread, NULL);
	}
	guaranteed = hear_rate();
	for (unsigned i = 0; i < OTHERS; i++)
		rest += hear_rate();
	printf("the others together: %.2f MB/s of %.2f\n", (double)rest / 1e6,
	       (double)(speed - rate) / 1e6);
	PEER_CHECK(within(processes ? "beside another process" : "beside another thread",
			  guaranteed, rate, 10));
	/* What is left is used, and no more than that. */
	PEER_CHECK(rest * 100 >= (speed - rate) * 70 && rest * 100 <= (speed - rate) * 105);
}

/* Devices are told when they are opened. */
static void set_speed(uint64_t speed)
{
	char text[32], name[64];
	char *at;

	snprintf(name, sizeof(name), "WSD_%s_SPEED", getenv("WSD_BACKENDS"));
	for (at = name; *at; at++)
		*at = (char)(*at >= 'a' && *at <= 'z' ? *at - 'a' + 'A' : *at);
	snprintf(text, sizeof(text), "%llu", (unsigned long long)speed);
	WSACleanup();
	setenv(name, text, 1);
	peer_winsock();
}

int main(int argc, char **argv)
{
	unsigned runs = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 5;
	uint64_t speed;
	uint32_t rate;

	peer_start(60 + runs * 20, 1024);
	ledger_name_set();
	peer_fork(receiver);
	port = peer_hear();
	to = peer_address(port);
	peer_winsock();
	for (unsigned i = 0; i < runs; i++) {
		set_speed(0);
		speed = measure();
		PEER_CHECK(speed > 100000);
		printf("run %u: %.2f MB/s measured\n", i + 1, (double)speed / 1e6);
		speed /= 4;
		set_speed(speed);
		rate = (uint32_t)(speed / 4 < 1000000000 ? speed / 4 : 1000000000);
		bucket = rate / 10;
		check_one(rate);
		check_burst(rate);
		check_beside(rate, speed, false);
		if (i == 0)
			check_beside(rate, speed, true);
	}
	WSACleanup();
	peer_tell(0);
	peer_join();
	ledger_name_remove();
	return 0;
}
