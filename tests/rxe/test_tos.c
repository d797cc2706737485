// SPDX-License-Identifier: BSD-2-Clause
/*
 * test_tos.c - the type of service that a socket has asked for stands in the packets of its connection and in those of
 * no other one. An acceptor that asked for none answers with its connector's; what follows from a quality of service
 * stands in the direction for which it was agreed on. Looks at the packets of v0, one end of the wire in the virtual
 * machine.
 */
#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

/* The system's sockets, before ours take their names. */
static int sniff_open(const char *interface)
{
	struct sockaddr_ll at = { .sll_family = AF_PACKET,
				  .sll_protocol = htons(ETH_P_ALL),
				  .sll_ifindex = (int)if_nametoindex(interface) };
	int fd = socket(AF_PACKET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, htons(ETH_P_ALL));

	return fd >= 0 && at.sll_ifindex && bind(fd, (struct sockaddr *)&at, sizeof(at)) == 0 ? fd
											      : -1;
}

/* Of one direction: packets of RC connections, by their type of service. */
struct seen {
	unsigned all, of[256];
};

/* IPv4, UDP to port 4791, and not for queue pair 1, the connection manager's. The lowest two bits of the type of
 * service belong to congestion control. */
static void sniff_read(int fd, struct seen *out, struct seen *in)
{
	struct sockaddr_ll from;
	socklen_t length = sizeof(from);
	unsigned char p[64];
	ssize_t n;

	while ((n = recvfrom(fd, p, sizeof(p), MSG_TRUNC, (struct sockaddr *)&from, &length)) > 0) {
		unsigned head = (p[0] & 15u) * 4, port = p[head + 2] * 256u + p[head + 3];
		unsigned qp = p[head + 13] * 65536u + p[head + 14] * 256u + p[head + 15];
		struct seen *seen = from.sll_pkttype == PACKET_OUTGOING ? out : in;

		length = sizeof(from);
		if (n < 48 || p[0] >> 4 != 4 || p[9] != 17 || port != 4791 || qp == 1)
			continue;
		seen->all++;
		seen->of[p[1] & 0xfcu]++;
	}
}

#define QUIET_US 200000
#define QUIETS	 50

/* What is left of the connection before, until nothing of it comes any more. */
static bool sniff_until_quiet(int fd)
{
	for (unsigned i = 0; i < QUIETS; i++) {
		struct seen out = { 0 }, in = { 0 };

		usleep(QUIET_US);
		sniff_read(fd, &out, &in);
		if (out.all + in.all == 0)
			return true;
	}
	return false;
}

#include "tests/lib/peer.h"
#include "tests/qos/ledger_name.h"

#include <openwsd/ws2tcpip.h>

#define RATE 10000000u

#define NOTHING	   SERVICETYPE_NOTRAFFIC /* nothing is asked for */
#define BEST	   SERVICETYPE_BESTEFFORT
#define CONTROLLED SERVICETYPE_CONTROLLEDLOAD
#define GUARANTEED SERVICETYPE_GUARANTEED

/* What connector and listener set, and what must stand in the packets of each direction. */
static const struct run {
	const char *name;
	int connector, listener;  /* IP_TOS */
	SERVICETYPE sends, hears; /* the connector's quality of service */
	SERVICETYPE granted;	  /* of the latter, by the condition function */
	unsigned out, in;
} runs[] = {
	{ "nothing asked", 0, 0, NOTHING, NOTHING, NOTHING, 0, 0 },
	{ "the connector's option", 0x68, 0, NOTHING, NOTHING, NOTHING, 0x68, 0x68 },
	{ "the listener's option", 0, 0x28, NOTHING, NOTHING, NOTHING, 0, 0x28 },
	{ "one option each", 0x68, 0x28, NOTHING, NOTHING, NOTHING, 0x68, 0x28 },
	{ "a service each way", 0, 0, GUARANTEED, CONTROLLED, CONTROLLED, 40 << 2, 24 << 2 },
	{ "a service out", 0, 0, GUARANTEED, BEST, BEST, 40 << 2, 0 },
	{ "a service in", 0, 0, BEST, GUARANTEED, GUARANTEED, 0, 40 << 2 },
	{ "lowered in", 0, 0, GUARANTEED, GUARANTEED, CONTROLLED, 40 << 2, 24 << 2 },
	{ "refused in", 0, 0, GUARANTEED, GUARANTEED, BEST, 40 << 2, 0 },
	{ "an option and a service", 0, 0x28, CONTROLLED, GUARANTEED, GUARANTEED, 24 << 2, 0x28 },
};
#define RUNS (sizeof(runs) / sizeof(runs[0]))

static FLOWSPEC asked(SERVICETYPE type)
{
	FLOWSPEC flow;

	memset(&flow, 0xff, sizeof(flow)); /* QOS_NOT_SPECIFIED */
	flow.ServiceType = type;
	if (type != BEST)
		flow.TokenRate = RATE;
	return flow;
}

static int CALLBACK condition(LPWSABUF caller, LPWSABUF caller_data, LPQOS sqos, LPQOS gqos,
			      LPWSABUF callee, LPWSABUF callee_data, GROUP *group, DWORD_PTR data)
{
	const struct run *run = (const struct run *)data;

	(void)caller;
	(void)caller_data;
	(void)gqos;
	(void)callee;
	(void)callee_data;
	(void)group;
	if (run->hears == NOTHING)
		return CF_ACCEPT;
	PEER_CHECK(sqos != NULL && sqos->SendingFlowspec.ServiceType == run->hears);
	if (run->granted != run->hears)
		sqos->SendingFlowspec = asked(run->granted);
	return CF_ACCEPT;
}

static void set_class(SOCKET s, int class)
{
	int told = -1, length = sizeof(told);

	PEER_CHECK(setsockopt(s, IPPROTO_IP, IP_TOS, (char *)&class, sizeof(class)) == 0);
	PEER_CHECK(getsockopt(s, IPPROTO_IP, IP_TOS, (char *)&told, &length) == 0 && told == class);
}

static SOCKET open_listener(const struct run *run)
{
	struct sockaddr_in at = peer_address(0);
	SOCKET listener = peer_socket();
	int length = sizeof(at), on = 1;

	set_class(listener, run->listener);
	PEER_CHECK(setsockopt(listener, SOL_SOCKET, SO_CONDITIONAL_ACCEPT, (char *)&on,
			      sizeof(on)) == 0);
	PEER_CHECK(bind(listener, (struct sockaddr *)&at, length) == 0);
	PEER_CHECK(listen(listener, 1) == 0);
	PEER_CHECK(getsockname(listener, (struct sockaddr *)&at, &length) == 0);
	peer_tell(ntohs(at.sin_port));
	return listener;
}

static void acceptor(void)
{
	char bytes[4096];
	SOCKET listener, s;
	int n;

	peer_winsock();
	for (unsigned i = 0; i < RUNS; i++) {
		listener = open_listener(&runs[i]);
		s = WSAAccept(listener, NULL, NULL, condition, (DWORD_PTR)&runs[i]);
		PEER_CHECK(s != INVALID_SOCKET);
		while ((n = recv(s, bytes, sizeof(bytes), 0)) > 0)
			PEER_CHECK(send(s, bytes, n, 0) == n);
		PEER_CHECK(n == 0 && closesocket(s) == 0 && closesocket(listener) == 0);
	}
	PEER_CHECK(WSACleanup() == 0);
}

static void talk(const struct run *run, uint32_t port)
{
	struct sockaddr_in at = peer_address(port);
	SOCKET s = peer_socket();
	char bytes[4096];
	QOS qos;

	if (run->connector)
		set_class(s, run->connector);
	if (run->sends != NOTHING)
		qos = (QOS){ asked(run->sends), asked(run->hears), { 0, NULL } };
	PEER_CHECK(WSAConnect(s, (struct sockaddr *)&at, sizeof(at), NULL, NULL,
			      run->sends != NOTHING ? &qos : NULL, NULL) == 0);
	for (unsigned i = 0; i < 8; i++) {
		PEER_CHECK(send(s, peer_pattern(i), sizeof(bytes), 0) == sizeof(bytes));
		PEER_CHECK(recv(s, bytes, sizeof(bytes), MSG_WAITALL) == sizeof(bytes));
		peer_check_pattern(bytes, sizeof(bytes), i);
	}
	PEER_CHECK(shutdown(s, SD_SEND) == 0 && recv(s, bytes, 1, 0) == 0 && closesocket(s) == 0);
}

static void check(const struct run *run, const char *direction, const struct seen *seen,
		  unsigned class)
{
	printf("%s, %s: %u of %u packets with %#x\n", run->name, direction, seen->of[class],
	       seen->all, class);
	fflush(stdout);
	if (seen->all < 8)
		peer_fail("too few packets were seen");
	for (unsigned i = 0; i < 256; i++)
		if (seen->of[i] && i != class)
			peer_fail("%u packets with %#x", seen->of[i], i);
}

int main(void)
{
	static struct seen out, in;
	int sniffer = sniff_open("v0");

	if (sniffer < 0) {
		printf("only in tests/rxe/vm\n");
		return 77;
	}
	peer_start(60, 1000);
	ledger_name_set();
	peer_fork(acceptor);
	peer_winsock();
	for (unsigned i = 0; i < RUNS; i++) {
		uint32_t port = peer_hear();

		PEER_CHECK(sniff_until_quiet(sniffer));
		memset(&out, 0, sizeof(out));
		memset(&in, 0, sizeof(in));
		talk(&runs[i], port);
		sniff_read(sniffer, &out, &in);
		check(&runs[i], "out", &out, runs[i].out);
		check(&runs[i], "in", &in, runs[i].in);
	}
	peer_join();
	PEER_CHECK(WSACleanup() == 0);
	ledger_name_remove();
	return 0;
}
