// SPDX-License-Identifier: BSD-2-Clause
/*
 * test_service.c - what the service of a flow becomes on TCP: the type of service of its packets and their place in
 * the queues of this host. Both ends are in this process; it looks at the system's sockets below them. Over the path
 * "plain" the two ends agree on nothing, and each is marked for what it wants itself.
 */
#include <stdio.h>

#include <openwsd/ws2tcpip.h>

#include "tests/lib/peer.h"
#include "tests/plain/system.h"
#include "tests/qos/ledger_name.h"

#define RATE 100000u

static bool plain;

static QOS asked(SERVICETYPE type)
{
	bool reserves = type == SERVICETYPE_GUARANTEED || type == SERVICETYPE_CONTROLLEDLOAD;
	QOS qos;

	memset(&qos, 0xff, sizeof(qos)); /* QOS_NOT_SPECIFIED */
	qos.SendingFlowspec.ServiceType = qos.ReceivingFlowspec.ServiceType = type;
	if (reserves)
		qos.SendingFlowspec.TokenRate = qos.ReceivingFlowspec.TokenRate = RATE;
	qos.ProviderSpecific = (WSABUF){ 0, NULL };
	return qos;
}

static void set_qos(SOCKET s, SERVICETYPE type)
{
	QOS qos = asked(type);
	DWORD bytes;

	PEER_CHECK(WSAIoctl(s, SIO_SET_QOS, &qos, sizeof(qos), NULL, 0, &bytes, NULL, NULL) == 0);
}

/* So many of the two have that; the peer may have to hear of it. */
static void expect(const char *when, unsigned count, int service, int priority)
{
	for (unsigned i = 0; i < 1000 && system_connections_of(service, priority) != count; i++)
		Sleep(10);
	printf("%s: %u connections, %u with %#x and priority %d\n", when, system_connections(),
	       system_connections_of(service, priority), (unsigned)service, priority);
	fflush(stdout);
	PEER_CHECK(system_connections() == 2);
	PEER_CHECK(system_connections_of(service, priority) == count);
}

static void open_ends(SOCKET ends[2], int tos, QOS *qos)
{
	struct sockaddr_in at;
	SOCKET listener;
	uint32_t port;

	listener = peer_listen(&port);
	at = peer_address(port);
	ends[0] = peer_socket();
	PEER_CHECK(tos == 0 ||
		   setsockopt(ends[0], IPPROTO_IP, IP_TOS, (char *)&tos, sizeof(tos)) == 0);
	PEER_CHECK(WSAConnect(ends[0], (struct sockaddr *)&at, sizeof(at), NULL, NULL, qos, NULL) ==
		   0);
	ends[1] = accept(listener, NULL, NULL);
	PEER_CHECK(ends[1] != INVALID_SOCKET);
	closesocket(listener);
}

static void close_ends(SOCKET ends[2])
{
	closesocket(ends[0]);
	closesocket(ends[1]);
	for (unsigned i = 0; i < 1000 && system_connections() > 0; i++)
		Sleep(10);
	PEER_CHECK(system_connections() == 0);
}

/* The two ends of a connection whose two directions have that service. Network control each has to want itself. */
static void check(SERVICETYPE type, int service, int priority)
{
	bool alone = (plain && service != 0) || type == SERVICETYPE_NETWORK_CONTROL;
	QOS qos = asked(type);
	SOCKET ends[2];

	open_ends(ends, 0, &qos);
	expect("agreed on by connect", alone ? 1 : 2, service, priority);
	if (alone)
		set_qos(ends[1], type);
	expect("wanted by both", 2, service, priority);
	close_ends(ends);
}

/* What is agreed on later changes the packets from then on, to more, to less and to nothing. */
static void check_later(void)
{
	SOCKET ends[2];

	open_ends(ends, 0, NULL);
	expect("nothing was said", 2, 0, 0);
	set_qos(ends[0], SERVICETYPE_GUARANTEED);
	expect("agreed on later", plain ? 1 : 2, 40 << 2, 6);
	set_qos(ends[0], SERVICETYPE_CONTROLLEDLOAD);
	expect("lowered by one side", plain ? 1 : 2, 24 << 2, 4);
	if (plain)
		set_qos(ends[1], SERVICETYPE_CONTROLLEDLOAD);
	expect("both", 2, 24 << 2, 4);
	set_qos(ends[0], SERVICETYPE_BESTEFFORT);
	set_qos(ends[1], SERVICETYPE_BESTEFFORT);
	expect("given up", 2, 0, 0);
	close_ends(ends);
}

/* What the program said of its packets goes before what follows from the flow. */
static void check_option(void)
{
	QOS qos = asked(SERVICETYPE_CONTROLLEDLOAD);
	SOCKET ends[2];

	open_ends(ends, 0x20, &qos);
	expect("IP_TOS", 1, 0x20, 0);
	set_qos(ends[0], SERVICETYPE_GUARANTEED);
	set_qos(ends[1], SERVICETYPE_CONTROLLEDLOAD);
	expect("the peer's end", 1, 24 << 2, 4);
	expect("IP_TOS, still", 1, 0x20, 0);
	close_ends(ends);
}

static int CALLBACK lowering(LPWSABUF caller, LPWSABUF caller_data, LPQOS sqos, LPQOS gqos,
			     LPWSABUF callee, LPWSABUF callee_data, GROUP *group, DWORD_PTR data)
{
	(void)caller;
	(void)caller_data;
	(void)gqos;
	(void)callee;
	(void)callee_data;
	(void)group;
	PEER_CHECK(sqos != NULL);
	PEER_CHECK(sqos->ReceivingFlowspec.ServiceType == SERVICETYPE_GUARANTEED);
	sqos->ReceivingFlowspec.ServiceType = (SERVICETYPE)data;
	return CF_ACCEPT;
}

static SOCKET listen_for(int conditional, struct sockaddr_in *at)
{
	SOCKET listener = peer_socket();
	int length = sizeof(*at);

	*at = peer_address(0);
	PEER_CHECK(setsockopt(listener, SOL_SOCKET, SO_CONDITIONAL_ACCEPT, (char *)&conditional,
			      sizeof(conditional)) == 0);
	PEER_CHECK(bind(listener, (struct sockaddr *)at, sizeof(*at)) == 0);
	PEER_CHECK(listen(listener, 1) == 0);
	PEER_CHECK(getsockname(listener, (struct sockaddr *)at, &length) == 0);
	return listener;
}

/*
 * The connector asks, the condition function grants less, and the connector's packets follow: only they had a
 * service. With SO_CONDITIONAL_ACCEPT the connection waits for the function, else it is open before.
 */
static void check_lowered(int conditional, SERVICETYPE to, int service, int priority)
{
	QOS qos = asked(SERVICETYPE_GUARANTEED);
	SOCKET ends[2], listener;
	struct sockaddr_in at;
	u_long on = 1;

	qos.ReceivingFlowspec = asked(SERVICETYPE_BESTEFFORT).ReceivingFlowspec;
	listener = listen_for(conditional, &at);
	ends[0] = peer_socket();
	PEER_CHECK(ioctlsocket(ends[0], FIONBIO, &on) == 0);
	PEER_CHECK(WSAConnect(ends[0], (struct sockaddr *)&at, sizeof(at), NULL, NULL, &qos,
			      NULL) == SOCKET_ERROR &&
		   WSAGetLastError() == WSAEWOULDBLOCK);
	expect("asked for", 1, 40 << 2, 6);
	expect("and not the other way", 1, 0, 0);
	ends[1] = WSAAccept(listener, NULL, NULL, lowering, to);
	PEER_CHECK(ends[1] != INVALID_SOCKET);
	closesocket(listener);
	expect("lowered by the acceptor", service != 0 ? 1 : 2, service, priority);
	expect("and not the other way", service != 0 ? 1 : 2, 0, 0);
	close_ends(ends);
}

int main(void)
{
	plain = strcmp(getenv("WSD_BACKENDS"), "plain") == 0;
	peer_start(60, 256);
	ledger_name_set();
	peer_winsock();
	check(SERVICETYPE_BESTEFFORT, 0, 0);
	check(SERVICETYPE_CONTROLLEDLOAD, 24 << 2, 4);
	check(SERVICETYPE_GUARANTEED, 40 << 2, 6);
	check(SERVICETYPE_NETWORK_CONTROL, 48 << 2, 6);
	check_later();
	check_option();
	/* Over the path "plain" the condition function is told of no wishes. */
	for (int conditional = 0; conditional < 2 && !plain; conditional++) {
		check_lowered(conditional, SERVICETYPE_CONTROLLEDLOAD, 24 << 2, 4);
		check_lowered(conditional, SERVICETYPE_BESTEFFORT, 0, 0);
	}
	WSACleanup();
	ledger_name_remove();
	return 0;
}
