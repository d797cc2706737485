// SPDX-License-Identifier: BSD-2-Clause
/*
 * test_qos.c - quality of service of mode D: templates, what is a good flow specification, what two ends
 * agree on, FD_QOS, and that a stream never sends faster than was agreed.
 */
#include "tests/conformance/flow.h"
#include "tests/qos/ledger_name.h"

/* --- what is there --- */

static void check_declared(void)
{
	static const DWORD codes[] = { SIO_GET_QOS, SIO_SET_QOS };
	static const DWORD groups[] = { SIO_GET_GROUP_QOS, SIO_SET_GROUP_QOS };
	QOS qos = qos_of(SERVICETYPE_BESTEFFORT, UNSET, UNSET, UNSET);
	WSAPROTOCOL_INFOW info;
	int length = sizeof(info), number = -1, size = sizeof(number);
	SOCKET s = stream_socket();
	DWORD bytes;

	CHECK_R(313, getsockopt(s, SOL_SOCKET, SO_PROTOCOL_INFOW, (char *)&info, &length) == 0 &&
			     (info.dwServiceFlags1 & XP1_QOS_SUPPORTED) != 0);
	for (unsigned i = 0; i < 2; i++)
		CHECK_R(313, WSAIoctl(s, codes[i], &qos, sizeof(qos), &qos, sizeof(qos), &bytes,
				      NULL, NULL) == 0);
	for (unsigned i = 0; i < 2; i++)
		CHECK_R(313, FAILS(WSAIoctl(s, groups[i], &qos, sizeof(qos), &qos, sizeof(qos),
					    &bytes, NULL, NULL),
				   WSAEINVAL));
	CHECK_R(313,
		getsockopt(s, SOL_SOCKET, SO_GROUP_ID, (char *)&number, &size) == 0 && number == 0);
	size = sizeof(number);
	CHECK_R(313, getsockopt(s, SOL_SOCKET, SO_GROUP_PRIORITY, (char *)&number, &size) == 0 &&
			     number == 0);
	number = -1;
	CHECK(FAILS(setsockopt(s, SOL_SOCKET, SO_GROUP_PRIORITY, (char *)&number, size),
		    WSAEINVAL));
	number = 3;
	CHECK_R(313, setsockopt(s, SOL_SOCKET, SO_GROUP_PRIORITY, (char *)&number, size) == 0);
	number = 0;
	CHECK_R(313, getsockopt(s, SOL_SOCKET, SO_GROUP_PRIORITY, (char *)&number, &size) == 0 &&
			     number == 3);
	CHECK(FAILS(WSAIoctl(s, SIO_GET_QOS, NULL, 0, &qos, sizeof(qos) - 1, &bytes, NULL, NULL),
		    WSAEFAULT) &&
	      bytes == sizeof(qos));
	CHECK(FAILS(WSAIoctl(s, SIO_SET_QOS, &qos, sizeof(qos) - 1, NULL, 0, &bytes, NULL, NULL),
		    WSAEFAULT));
	CHECK(FAILS(WSAIoctl(s, SIO_SET_QOS, NULL, 0, NULL, 0, &bytes, NULL, NULL), WSAEFAULT));
	closesocket(s);
}

static void check_names(void)
{
	static const char *const names[] = { "G711",	"G723.1",   "G729",    "H263QCIF",
					     "H263CIF", "H261QCIF", "H261CIF", "GSM6.10" };
	WCHAR list[128], few[8];
	WSABUF buf = { sizeof(list), (char *)list }, small = { sizeof(few), (char *)few };
	SOCKET s = stream_socket();
	unsigned found = 0, count = 0;
	QOS qos, other;

	for (unsigned i = 0; i < 8; i++) {
		memset(&qos, 0, sizeof(qos));
		CHECK_R(312, by_name(s, names[i], &qos) &&
				     qos.SendingFlowspec.ServiceType == SERVICETYPE_GUARANTEED &&
				     qos.SendingFlowspec.TokenRate > 0 &&
				     qos.SendingFlowspec.TokenRate != UNSET &&
				     qos.SendingFlowspec.TokenBucketSize >=
					     qos.SendingFlowspec.MaxSduSize);
		CHECK_R(312, qos.ProviderSpecific.len == 0 && qos.ProviderSpecific.buf == NULL &&
				     memcmp(&qos.SendingFlowspec, &qos.ReceivingFlowspec,
					    sizeof(FLOWSPEC)) == 0);
	}
	CHECK_R(312, by_name(s, "G711", &qos) && qos.SendingFlowspec.TokenRate == 64000 / 8);
	CHECK_R(311, !by_name(s, "G712", &qos) && WSAGetLastError() == WSAEINVAL);
	CHECK_R(311, !by_name(s, "G71", &qos) && WSAGetLastError() == WSAEINVAL);
	CHECK_R(311, !by_name(s, "G7111", &qos) && WSAGetLastError() == WSAEINVAL);
	CHECK(!by_name(s, "G711", NULL) && WSAGetLastError() == WSAEFAULT);
	CHECK(!WSAGetQOSByName(s, NULL, &qos) && WSAGetLastError() == WSAEFAULT);
	memset(&qos, 0x77, sizeof(qos));
	other = qos;
	memset(list, 0xff, sizeof(list));
	list[0] = 0;
	CHECK_R(310, WSAGetQOSByName(s, &buf, &qos) && memcmp(&qos, &other, sizeof(qos)) == 0);
	for (WCHAR *at = list; *at != 0; count++) {
		for (unsigned i = 0; i < 8; i++)
			found += name_is(at, names[i]);
		while (*at++ != 0)
			;
	}
	CHECK_R(310, found == 8 && count == 8);
	/* As many as fit, and the end. */
	memset(few, 0xff, sizeof(few));
	few[0] = 0;
	CHECK_R(310, WSAGetQOSByName(s, &small, NULL) && name_is(few, "G711") && few[5] == 0 &&
			     few[6] == 0xffff);
	/* Others from the configuration, of which bad ones are passed over. */
	set_variable("WSD_QOS_TEMPLATES",
		     "studio:96000:4000:192000, bad, bad:0,bad:1:2:x,bad:9:1:8,G729:1500");
	CHECK_R(312, by_name(s, "studio", &qos) &&
			     has(qos.SendingFlowspec, SERVICETYPE_GUARANTEED, 96000) &&
			     qos.SendingFlowspec.TokenBucketSize == 4000 &&
			     qos.SendingFlowspec.PeakBandwidth == 192000);
	CHECK_R(312, by_name(s, "G729", &qos) && qos.SendingFlowspec.TokenRate == 1500);
	CHECK_R(311, !by_name(s, "bad", &qos) && WSAGetLastError() == WSAEINVAL);
	CHECK_R(310, by_name(s, "", &qos));
	set_variable("WSD_QOS_TEMPLATES", NULL);
	closesocket(s);
	CHECK(!by_name(s, "G711", &qos) && WSAGetLastError() == WSAENOTSOCK);
}

/* --- what is refused --- */

static void check_codes(void)
{
	static const struct {
		ULONG type, rate, peak;
		int code;
	} bad[] = {
		{ 4, 1000, UNSET, WSA_QOS_ESERVICETYPE },
		{ UNSET, 1000, UNSET, WSA_QOS_ESERVICETYPE },
		{ 0x100, 1000, UNSET, WSA_QOS_ESERVICETYPE },
		{ SERVICETYPE_NONCONFORMING, 1000, UNSET, WSA_QOS_ESERVICETYPE },
		{ SERVICETYPE_GUARANTEED, UNSET, UNSET, WSA_QOS_EFLOWSPEC },
		{ SERVICETYPE_GUARANTEED, 0, UNSET, WSA_QOS_EFLOWSPEC },
		{ SERVICETYPE_CONTROLLEDLOAD, UNSET, UNSET, WSA_QOS_EFLOWSPEC },
		{ SERVICETYPE_BESTEFFORT, 0, UNSET, WSA_QOS_EFLOWSPEC },
		{ SERVICETYPE_GUARANTEED, 1000, 999, WSA_QOS_EFLOWSPEC },
	};
	static const struct {
		ULONG type, service;
	} same[] = {
		{ SERVICE_GUARANTEED, SERVICETYPE_GUARANTEED },
		{ SERVICE_QUALITATIVE | SERVICE_NO_QOS_SIGNALING, SERVICETYPE_QUALITATIVE },
		{ SERVICETYPE_GUARANTEED | SERVICE_NO_TRAFFIC_CONTROL, SERVICETYPE_GUARANTEED },
		{ SERVICETYPE_CONTROLLEDLOAD | SERVICE_NO_QOS_SIGNALING,
		  SERVICETYPE_CONTROLLEDLOAD },
	};
	struct {
		QOS_OBJECT_HDR header;
		ULONG value;
	} object = { { QOS_OBJECT_SHAPING_RATE, sizeof(object) }, 5000 };
	QOS good = qos_of(SERVICETYPE_BESTEFFORT, 1000, UNSET, UNSET), qos;
	SOCKET s = stream_socket();

	CHECK(set_qos(s, &good) == 0);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		qos = qos_of(bad[i].type, bad[i].rate, UNSET, bad[i].peak);
		CHECK(FAILS(set_qos(s, &qos), bad[i].code));
	}
	qos = good;
	qos.ReceivingFlowspec.ServiceType = SERVICETYPE_GUARANTEED;
	CHECK(FAILS(set_qos(s, &qos), WSA_QOS_EFLOWSPEC));
	qos.ReceivingFlowspec.ServiceType = SERVICETYPE_GENERAL_INFORMATION;
	CHECK(FAILS(set_qos(s, &qos), WSA_QOS_ESERVICETYPE));
	qos = good;
	qos.ProviderSpecific = (WSABUF){ 8, NULL };
	CHECK(FAILS(set_qos(s, &qos), WSA_QOS_EPROVSPECBUF));
	qos.ProviderSpecific = (WSABUF){ 4, (char *)&object };
	CHECK(FAILS(set_qos(s, &qos), WSA_QOS_EPROVSPECBUF));
	qos.ProviderSpecific.len = sizeof(object) - 1;
	CHECK(FAILS(set_qos(s, &qos), WSA_QOS_EOBJLENGTH));
	qos.ProviderSpecific.len = sizeof(object);
	object.value = 999;
	CHECK(FAILS(set_qos(s, &qos), WSA_QOS_ESHAPERATEOBJ));
	object.header.ObjectType = 4711;
	CHECK(FAILS(set_qos(s, &qos), WSA_QOS_EUNKOWNPSOBJ));
	object.header.ObjectLength = 0;
	CHECK(FAILS(set_qos(s, &qos), WSA_QOS_EOBJLENGTH));
	/* After all that it is as it was. */
	CHECK(has(get_qos(s).SendingFlowspec, SERVICETYPE_BESTEFFORT, 1000));
	object.header = (QOS_OBJECT_HDR){ QOS_OBJECT_SHAPING_RATE, sizeof(object) };
	object.value = 5000;
	CHECK(set_qos(s, &qos) == 0 && get_qos(s).SendingFlowspec.PeakBandwidth == 5000);
	for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++) {
		qos = qos_of(same[i].type, 2000, UNSET, UNSET);
		CHECK(set_qos(s, &qos) == 0 &&
		      has(get_qos(s).SendingFlowspec, same[i].service, 2000));
	}
	CHECK(set_qos(s, &good) == 0);
	qos = qos_of(SERVICETYPE_NOCHANGE, 7, UNSET, UNSET);
	CHECK(set_qos(s, &qos) == 0 &&
	      has(get_qos(s).SendingFlowspec, SERVICETYPE_BESTEFFORT, 1000));
	closesocket(s);
}

/* In WSAConnect it is refused alike, and nothing has happened to the socket. */
static void check_codes_of_connect(void)
{
	QOS good = qos_of(SERVICETYPE_BESTEFFORT, 1000, UNSET, UNSET), bad;
	SOCKET s = stream_socket(), listener;
	struct address at;

	listener = listener_on(&at, 4);
	CHECK(set_qos(s, &good) == 0);
	bad = qos_of(4, 1000, UNSET, UNSET);
	CHECK(FAILS(WSAConnect(s, &at.sa.any, at.length, NULL, NULL, &bad, NULL),
		    WSA_QOS_ESERVICETYPE));
	bad = qos_of(SERVICETYPE_GUARANTEED, UNSET, UNSET, UNSET);
	CHECK(FAILS(WSAConnect(s, &at.sa.any, at.length, NULL, NULL, &bad, NULL),
		    WSA_QOS_EFLOWSPEC));
	bad = good;
	bad.ProviderSpecific = (WSABUF){ 8, NULL };
	CHECK(FAILS(WSAConnect(s, &at.sa.any, at.length, NULL, NULL, &bad, NULL),
		    WSA_QOS_EPROVSPECBUF));
	CHECK(has(get_qos(s).SendingFlowspec, SERVICETYPE_BESTEFFORT, 1000));
	CHECK(WSAConnect(s, &at.sa.any, at.length, NULL, NULL, NULL, NULL) == 0);
	CHECK(has(get_qos(s).SendingFlowspec, SERVICETYPE_BESTEFFORT, 1000));
	closesocket(s);
	closesocket(listener);
}

static void check_capacity(void)
{
	QOS fits = qos_of(SERVICETYPE_GUARANTEED, 1000000, UNSET, UNSET);
	QOS most = qos_of(SERVICETYPE_GUARANTEED, 4000000000u, UNSET, UNSET);
	SOCKET s = stream_socket(), listener;
	struct pair p = need_pair();
	struct address at;

	CHECK_R(281, set_qos(p.client, &fits) == 0);
	CHECK_R(281, FAILS(set_qos(p.client, &most), WSAEOPNOTSUPP));
	CHECK_R(281, has(get_qos(p.client).SendingFlowspec, SERVICETYPE_GUARANTEED, 1000000));
	/* Nor by one that has no path yet, nor by a connect; there is no trace of either. */
	listener = listener_on(&at, 4);
	CHECK_R(281, FAILS(set_qos(s, &most), WSAEOPNOTSUPP));
	CHECK_R(281, has(get_qos(s).SendingFlowspec, SERVICETYPE_BESTEFFORT, UNSET));
	CHECK_R(281, FAILS(set_qos(listener, &most), WSAEOPNOTSUPP));
	CHECK_R(281, FAILS(WSAConnect(s, &at.sa.any, at.length, NULL, NULL, &most, NULL),
			   WSAEOPNOTSUPP));
	CHECK(FAILS(send(s, "1", 1, 0), WSAENOTCONN));
	CHECK(WSAConnect(s, &at.sa.any, at.length, NULL, NULL, &fits, NULL) == 0);
	closesocket(s);
	closesocket(listener);
	/* Given back, it can be had again. */
	for (unsigned i = 0; i < 300; i++) {
		fits.SendingFlowspec.TokenRate = 1000000 + i % 2;
		if (set_qos(p.client, &fits) != 0)
			break;
		CHECK(i < 299 ||
		      has(get_qos(p.client).SendingFlowspec, SERVICETYPE_GUARANTEED, 1000001));
	}
	close_pair(&p);
}

/* --- what two ends agree on --- */

static bool works(SOCKET client, SOCKET server)
{
	char c = 0;

	return send(client, "1", 1, 0) == 1 && recv(server, &c, 1, 0) == 1 && c == '1' &&
	       send(server, "2", 1, 0) == 1 && recv(client, &c, 1, 0) == 1 && c == '2';
}

/* Nonblocking, and under way. */
static SOCKET dialling(const struct address *at, QOS *qos)
{
	SOCKET s = stream_socket();

	nonblocking(s, 1);
	CHECK(FAILS(WSAConnect(s, &at->sa.any, at->length, NULL, NULL, qos, NULL), WSAEWOULDBLOCK));
	return s;
}

static bool connected(SOCKET s)
{
	struct timeval limit = { 10, 0 };
	fd_set writable;

	FD_ZERO(&writable);
	FD_SET(s, &writable);
	return select(0, NULL, &writable, NULL, &limit) == 1;
}

static struct {
	QOS qos;
	bool given;
	ULONG lower_to; /* 0: leave it */
	ULONG type;	/* 0: leave it */
} seen;

static int CALLBACK condition(LPWSABUF caller, LPWSABUF caller_data, LPQOS sqos, LPQOS gqos,
			      LPWSABUF callee, LPWSABUF callee_data, GROUP *g, DWORD_PTR data)
{
	(void)caller;
	(void)caller_data;
	(void)gqos;
	(void)callee;
	(void)callee_data;
	(void)g;
	(void)data;
	seen.given = sqos != NULL;
	if (sqos != NULL) {
		seen.qos = *sqos;
		if (seen.lower_to != 0)
			sqos->ReceivingFlowspec.TokenRate = seen.lower_to;
		if (seen.type != 0)
			sqos->ReceivingFlowspec.ServiceType = seen.type;
	}
	return CF_ACCEPT;
}

static bool agrees(SOCKET client, SOCKET server, ULONG type, ULONG rate)
{
	uint64_t until = now_ms() + 10000;

	while (!has(get_qos(client).SendingFlowspec, type, rate) ||
	       !has(get_qos(server).ReceivingFlowspec, type, rate)) {
		if (now_ms() > until)
			return false;
		Sleep(1);
	}
	return true;
}

static void check_connect(bool conditional)
{
	QOS before = qos_of(SERVICETYPE_BESTEFFORT, 111000, UNSET, UNSET);
	QOS asked = qos_of(SERVICETYPE_GUARANTEED, 222000, 8192, 444000);
	SOCKET s = stream_socket(), server, listener;
	struct address at;

	listener = conditional ? conditional_listener(&at, 4) : listener_on(&at, 4);
	asked.ReceivingFlowspec.ServiceType = SERVICETYPE_CONTROLLEDLOAD;
	asked.ReceivingFlowspec.TokenRate = 50000;
	CHECK_R(314, set_qos(s, &before) == 0);
	nonblocking(s, 1);
	CHECK_R(314, FAILS(WSAConnect(s, &at.sa.any, at.length, NULL, NULL, &asked, NULL),
			   WSAEWOULDBLOCK));
	seen.lower_to = 0;
	server = WSAAccept(listener, NULL, NULL, condition, 0);
	NEED(server != INVALID_SOCKET && connected(s));
	CHECK_R(86, seen.given && has(seen.qos.ReceivingFlowspec, SERVICETYPE_GUARANTEED, 222000));
	CHECK_R(86, has(seen.qos.SendingFlowspec, SERVICETYPE_CONTROLLEDLOAD, 50000));
	CHECK_R(314, agrees(s, server, SERVICETYPE_GUARANTEED, 222000));
	CHECK_R(314, get_qos(s).SendingFlowspec.TokenBucketSize == 8192);
	CHECK_R(314, has(get_qos(s).ReceivingFlowspec, SERVICETYPE_CONTROLLEDLOAD, 50000));
	nonblocking(s, 0);
	CHECK(works(s, server));
	closesocket(s);
	closesocket(server);
	/* Another one, of which the acceptor grants less. */
	seen.lower_to = 99000;
	s = dialling(&at, &asked);
	server = WSAAccept(listener, NULL, NULL, condition, 0);
	NEED(server != INVALID_SOCKET && connected(s));
	CHECK_R(86, agrees(s, server, SERVICETYPE_GUARANTEED, 99000));
	closesocket(s);
	closesocket(server);
	/* One of which it says what is no service: it has not decided, and is asked again. */
	s = dialling(&at, &asked);
	seen.type = 4;
	NEED(WSAAccept(listener, NULL, NULL, condition, 0) == INVALID_SOCKET &&
	     WSAGetLastError() == WSA_QOS_ESERVICETYPE);
	seen.type = 0;
	server = WSAAccept(listener, NULL, NULL, condition, 0);
	NEED(server != INVALID_SOCKET && connected(s));
	CHECK_R(86, agrees(s, server, SERVICETYPE_GUARANTEED, 99000));
	closesocket(s);
	closesocket(server);
	/* And one that says nothing. */
	s = dialling(&at, NULL);
	server = WSAAccept(listener, NULL, NULL, condition, 0);
	CHECK_R(86, !seen.given && server != INVALID_SOCKET && connected(s));
	closesocket(s);
	closesocket(server);
	closesocket(listener);
}

/* The listener has a quality of service; that of a caller who has none is none. */
static void check_listener(bool conditional)
{
	QOS own = qos_of(SERVICETYPE_GUARANTEED, 300000, UNSET, UNSET);
	QOS asked = qos_of(SERVICETYPE_GUARANTEED, 222000, UNSET, UNSET);
	SOCKET s, server, listener;
	struct address at;

	listener = conditional ? conditional_listener(&at, 4) : listener_on(&at, 4);
	NEED(set_qos(listener, &own) == 0);
	seen.lower_to = 0;
	s = dialling(&at, NULL);
	server = WSAAccept(listener, NULL, NULL, condition, 0);
	NEED(server != INVALID_SOCKET && connected(s));
	CHECK_R(86, !seen.given);
	CHECK(has(get_qos(server).SendingFlowspec, SERVICETYPE_GUARANTEED, 300000));
	closesocket(s);
	closesocket(server);
	/* The function lowers what comes. What goes is as the listener would have it, not as that caller would. */
	asked.ReceivingFlowspec.ServiceType = SERVICETYPE_CONTROLLEDLOAD;
	asked.ReceivingFlowspec.TokenRate = 50000;
	s = dialling(&at, &asked);
	seen.lower_to = 99000;
	server = WSAAccept(listener, NULL, NULL, condition, 0);
	seen.lower_to = 0;
	NEED(server != INVALID_SOCKET && connected(s));
	CHECK_R(86, seen.given && has(seen.qos.SendingFlowspec, SERVICETYPE_CONTROLLEDLOAD, 50000));
	CHECK(agrees(s, server, SERVICETYPE_BESTEFFORT, 99000));
	asked.ReceivingFlowspec.ServiceType = SERVICETYPE_GUARANTEED;
	asked.ReceivingFlowspec.TokenRate = 200000;
	CHECK(set_qos(s, &asked) == 0 && agrees(server, s, SERVICETYPE_GUARANTEED, 200000));
	closesocket(s);
	closesocket(server);
	closesocket(listener);
}

/* What was agreed on is not what was asked for: that is what does not change. */
static void check_no_change(void)
{
	QOS asked = qos_of(SERVICETYPE_BESTEFFORT, UNSET, UNSET, UNSET), granted = asked;
	struct pair p = need_pair();

	asked.ReceivingFlowspec.ServiceType = SERVICETYPE_CONTROLLEDLOAD;
	asked.ReceivingFlowspec.TokenRate = 100000;
	CHECK(set_qos(p.client, &asked) == 0);
	granted.SendingFlowspec.TokenRate = 60000;
	CHECK(set_qos(p.server, &granted) == 0 &&
	      agrees(p.server, p.client, SERVICETYPE_BESTEFFORT, 60000));
	asked.SendingFlowspec.TokenRate = 70000;
	asked.ReceivingFlowspec.ServiceType = SERVICETYPE_NOCHANGE;
	CHECK(set_qos(p.client, &asked) == 0 &&
	      agrees(p.client, p.server, SERVICETYPE_BESTEFFORT, 70000));
	granted.SendingFlowspec.ServiceType = SERVICETYPE_GUARANTEED;
	granted.SendingFlowspec.TokenRate = 200000;
	CHECK(set_qos(p.server, &granted) == 0 &&
	      agrees(p.server, p.client, SERVICETYPE_CONTROLLEDLOAD, 100000));
	close_pair(&p);
}

static int qos_event(SOCKET s, WSAEVENT event, DWORD ms)
{
	WSANETWORKEVENTS found;

	if (!event_within(event, ms))
		return 0;
	memset(&found, 0, sizeof(found));
	if (WSAEnumNetworkEvents(s, event, &found) != 0)
		return -1;
	return found.lNetworkEvents == FD_QOS && found.iErrorCode[FD_QOS_BIT] == 0;
}

/* What the client says comes behind its change, which has then been heard, though nobody has looked. */
static bool heard(const struct pair *p)
{
	uint64_t until = now_ms() + LONG_MS;
	char byte;

	NEED(send(p->client, "1", 1, 0) == 1);
	while (recv(p->server, &byte, 1, 0) != 1) {
		if (WSAGetLastError() != WSAEWOULDBLOCK || now_ms() > until)
			return false;
		Sleep(1);
	}
	return true;
}

static void check_event(void)
{
	struct pair p = need_pair();
	WSAEVENT event = WSACreateEvent();
	QOS first = qos_of(SERVICETYPE_GUARANTEED, 1000, UNSET, UNSET), second = first,
	    third = first;

	char few[8];
	DWORD bytes;

	second.SendingFlowspec.TokenRate = 2000;
	third.SendingFlowspec.TokenRate = 3000;
	CHECK_R(315, WSAEventSelect(p.server, event, FD_QOS) == 0 && !event_is_set(event));
	CHECK_R(315, set_qos(p.client, &first) == 0 && qos_event(p.server, event, LONG_MS) == 1);
	/* Nobody has looked: another change is no event. */
	CHECK_R(315, set_qos(p.client, &second) == 0 && heard(&p) &&
			     qos_event(p.server, event, SHORT_MS) == 0);
	/* A call that tells nothing has not looked either. */
	CHECK_R(315, FAILS(WSAIoctl(p.server, SIO_GET_QOS, NULL, 0, &few, sizeof(few), &bytes, NULL,
				    NULL),
			   WSAEFAULT) &&
			     bytes == sizeof(first));
	CHECK_R(315, set_qos(p.client, &first) == 0 && set_qos(p.client, &second) == 0 &&
			     heard(&p) && qos_event(p.server, event, SHORT_MS) == 0);
	CHECK_R(315, has(get_qos(p.server).ReceivingFlowspec, SERVICETYPE_GUARANTEED, 2000));
	CHECK_R(315, qos_event(p.server, event, SHORT_MS) == 0);
	CHECK_R(315, set_qos(p.client, &third) == 0 && qos_event(p.server, event, LONG_MS) == 1);
	CHECK_R(315, has(get_qos(p.server).ReceivingFlowspec, SERVICETYPE_GUARANTEED, 3000));
	/* What changes nothing is no event either. */
	CHECK_R(315, set_qos(p.client, &third) == 0 && heard(&p) &&
			     qos_event(p.server, event, SHORT_MS) == 0);
	CHECK(WSAEventSelect(p.server, WSA_INVALID_EVENT, 0) == 0);
	WSACloseEvent(event);
	close_pair(&p);
}

/* Where no two ends agree, as with a peer of the system, each has its own direction. */
static void check_alone(void)
{
	QOS before = qos_of(SERVICETYPE_BESTEFFORT, 111000, UNSET, UNSET);
	QOS asked = qos_of(SERVICETYPE_GUARANTEED, 222000, UNSET, UNSET), other = asked;
	WSAEVENT event = WSACreateEvent();
	SOCKET s = stream_socket(), listener;
	struct address at;

	listener = listener_on(&at, 4);
	other.SendingFlowspec.TokenRate = 333000;
	CHECK_R(314, set_qos(s, &before) == 0 &&
			     WSAConnect(s, &at.sa.any, at.length, NULL, NULL, &asked, NULL) == 0);
	CHECK_R(314, has(get_qos(s).SendingFlowspec, SERVICETYPE_GUARANTEED, 222000) &&
			     has(get_qos(s).ReceivingFlowspec, SERVICETYPE_BESTEFFORT, UNSET));
	CHECK_R(315, WSAEventSelect(s, event, FD_QOS) == 0 && !event_is_set(event));
	CHECK_R(315, set_qos(s, &other) == 0 && qos_event(s, event, LONG_MS) == 1);
	CHECK_R(315, set_qos(s, &asked) == 0 && qos_event(s, event, SHORT_MS) == 0);
	CHECK_R(315, has(get_qos(s).SendingFlowspec, SERVICETYPE_GUARANTEED, 222000));
	CHECK_R(315, set_qos(s, &other) == 0 && qos_event(s, event, LONG_MS) == 1);
	WSACloseEvent(event);
	closesocket(s);
	closesocket(listener);
}

/* --- and keep to --- */

static void check_pace(void)
{
	enum { RATE = 100000, BUCKET = 4096, LENGTH = 24096 };
	QOS qos = qos_of(SERVICETYPE_BESTEFFORT, RATE, BUCKET, UNSET);
	char *bytes = pattern_new(LENGTH, 0), *got = calloc(1, LENGTH);
	struct pair p = need_pair();
	WSAOVERLAPPED o;
	uint64_t begun;
	DWORD sent = 0, flags;
	fd_set writable;

	NEED(bytes != NULL && got != NULL);
	CHECK(works(p.client, p.server));
	CHECK(set_qos(p.client, &qos) == 0);
	begun = now_ms();
	/* Blocking; nonblocking, which takes no more than may go; overlapped. */
	CHECK(send(p.client, bytes, 8096, 0) == 8096);
	nonblocking(p.client, 1);
	sent = 8096;
	while (sent < 16096) {
		int n = send(p.client, bytes + sent, (int)(16096 - sent), 0);

		if (n > 0)
			sent += (DWORD)n;
		CHECK(sent <= BUCKET + (now_ms() - begun + 1) * RATE / 1000);
		FD_ZERO(&writable);
		FD_SET(p.client, &writable);
		CHECK(select(0, NULL, &writable, NULL, NULL) == 1);
	}
	nonblocking(p.client, 0);
	overlapped_init(&o, WSACreateEvent());
	CHECK(PENDS(post_send(p.client, bytes + sent, LENGTH - sent, &o)));
	CHECK(receive_all(p.server, got, LENGTH) == LENGTH && pattern_ok(got, LENGTH, 0));
	CHECK(now_ms() - begun >= (LENGTH - BUCKET) * 1000 / RATE);
	CHECK(outcome(p.client, &o, &sent, &flags) == 0 && sent == 8000);
	WSACloseEvent(o.hEvent);
	free(bytes);
	free(got);
	close_pair(&p);
}

int main(int argc, char **argv)
{
	ledger_name_set();
	conf_start(argc, argv);
	check_declared();
	check_names();
	check_codes();
	check_codes_of_connect();
	check_capacity();
	check_pace();
	if (conf_system_tcp()) {
		check_alone();
	} else { /* two ends agree */
		check_connect(false);
		check_connect(true);
		check_listener(false);
		check_listener(true);
		check_no_change();
		check_event();
	}
	WSACleanup();
	ledger_name_remove();
	return check_result();
}
