// SPDX-License-Identifier: BSD-2-Clause
/*
 * test_tos.c - the type of service that a socket has asked for stands in the packets of its connection, in both
 * directions, and in those of no other one. Looks at the packets of v0, one end of the wire in the virtual machine.
 */
#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#define CLASS 0x68u

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

struct seen {
	unsigned in, out;	      /* packets of RC connections */
	unsigned in_class, out_class; /* of these, with CLASS */
};

/* IPv4, UDP to port 4791, and not for queue pair 1, the connection manager's. */
static void sniff_read(int fd, struct seen *seen)
{
	struct sockaddr_ll from;
	socklen_t length = sizeof(from);
	unsigned char p[64];
	ssize_t n;

	while ((n = recvfrom(fd, p, sizeof(p), MSG_TRUNC, (struct sockaddr *)&from, &length)) > 0) {
		unsigned head = (p[0] & 15u) * 4, port = p[head + 2] * 256u + p[head + 3];
		unsigned qp = p[head + 13] * 65536u + p[head + 14] * 256u + p[head + 15];
		int ours = from.sll_pkttype == PACKET_OUTGOING;

		length = sizeof(from);
		if (n < 48 || p[0] >> 4 != 4 || p[9] != 17 || port != 4791 || qp == 1)
			continue;
		*(ours ? &seen->out : &seen->in) += 1;
		/* The lowest two bits belong to congestion control. */
		if ((p[1] & 0xfcu) == CLASS)
			*(ours ? &seen->out_class : &seen->in_class) += 1;
	}
}

#include "tests/lib/peer.h"

#include <openwsd/ws2tcpip.h>

static void acceptor(void)
{
	char bytes[4096];
	SOCKET listener, s;
	uint32_t port;
	int n;

	peer_winsock();
	listener = peer_listen(&port);
	peer_tell(port);
	for (unsigned i = 0; i < 2; i++) {
		s = accept(listener, NULL, NULL);
		PEER_CHECK(s != INVALID_SOCKET);
		while ((n = recv(s, bytes, sizeof(bytes), 0)) > 0)
			PEER_CHECK(send(s, bytes, n, 0) == n);
		PEER_CHECK(n == 0 && closesocket(s) == 0);
	}
	closesocket(listener);
	PEER_CHECK(WSACleanup() == 0);
}

static struct seen talk(int sniffer, uint32_t port, int class)
{
	struct sockaddr_in at = peer_address(port);
	struct seen seen = { 0, 0, 0, 0 };
	SOCKET s = peer_socket();
	char bytes[4096];
	int told = -1, length = sizeof(told);

	sniff_read(sniffer, &seen); /* what was before */
	memset(&seen, 0, sizeof(seen));
	PEER_CHECK(setsockopt(s, IPPROTO_IP, IP_TOS, (char *)&class, sizeof(class)) == 0);
	PEER_CHECK(getsockopt(s, IPPROTO_IP, IP_TOS, (char *)&told, &length) == 0 && told == class);
	PEER_CHECK(connect(s, (struct sockaddr *)&at, sizeof(at)) == 0);
	for (unsigned i = 0; i < 8; i++) {
		PEER_CHECK(send(s, peer_pattern(i), sizeof(bytes), 0) == sizeof(bytes));
		PEER_CHECK(recv(s, bytes, sizeof(bytes), MSG_WAITALL) == sizeof(bytes));
		peer_check_pattern(bytes, sizeof(bytes), i);
	}
	PEER_CHECK(shutdown(s, SD_SEND) == 0 && recv(s, bytes, 1, 0) == 0 && closesocket(s) == 0);
	sniff_read(sniffer, &seen);
	printf("%#x: out %u of %u, in %u of %u\n", (unsigned)class, seen.out_class, seen.out,
	       seen.in_class, seen.in);
	return seen;
}

int main(void)
{
	int sniffer = sniff_open("v0");
	struct seen with, without;
	uint32_t port;

	if (sniffer < 0) {
		printf("only in tests/rxe/vm\n");
		return 77;
	}
	peer_start(60, 1000);
	peer_fork(acceptor);
	peer_winsock();
	port = peer_hear();
	without = talk(sniffer, port, 0);
	with = talk(sniffer, port, CLASS);
	if (without.out < 8 || without.in < 8 || with.out < 8 || with.in < 8)
		peer_fail("too few packets were seen");
	if (without.out_class || without.in_class)
		peer_fail("packets of a socket that did not ask");
	if (with.out_class != with.out || with.in_class != with.in)
		peer_fail("packets without the type of service");
	peer_join();
	PEER_CHECK(WSACleanup() == 0);
	return 0;
}
