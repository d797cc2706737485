// SPDX-License-Identifier: BSD-2-Clause
/* test_duplicate_qos.c - what was promised to a socket of mode D that changes hands. */
#include "tests/conformance/flow.h"
#include "tests/conformance/share.h"
#include "tests/qos/ledger_name.h"

/* Where the other process comes there is no room for what was promised: it goes on, without the promise. */
static void a_promise_may_stay_behind(void)
{
	QOS qos = qos_of(SERVICETYPE_GUARANTEED, 800000, UNSET, UNSET);
	WSAEVENT event = WSACreateEvent();
	struct pair p = need_pair();
	WSANETWORKEVENTS found;
	SOCKET other;

	NEED(set_qos(p.client, &qos) == 0);
	other = share_other(p.client);
	CHECK(share_moves(p.client, p.server, 3000, 0));
	set_variable("WSD_QOS_RESERVABLE", "0");
	CHECK_R(329, share_moves(other, p.server, 3000, 3000));
	CHECK(WSAEventSelect(other, event, FD_QOS) == 0 && event_within(event, LONG_MS) &&
	      WSAEnumNetworkEvents(other, event, &found) == 0 && found.lNetworkEvents == FD_QOS);
	CHECK(WSAEventSelect(other, WSA_INVALID_EVENT, 0) == 0);
	nonblocking(other, 0);
	CHECK(has(get_qos(other).SendingFlowspec, SERVICETYPE_BESTEFFORT, 800000));
	CHECK(share_moves(other, p.server, 3000, 6000)); /* the word of it has come before this */
	CHECK(has(get_qos(p.server).ReceivingFlowspec, SERVICETYPE_BESTEFFORT, 800000));
	set_variable("WSD_QOS_RESERVABLE", NULL);
	CHECK(set_qos(other, &qos) == 0 &&
	      has(get_qos(other).SendingFlowspec, SERVICETYPE_GUARANTEED, 800000));
	WSACloseEvent(event);
	closesocket(other);
	close_pair(&p);
}

static bool sends(SOCKET s, ULONG rate)
{
	return has(get_qos(s).SendingFlowspec, SERVICETYPE_GUARANTEED, rate);
}

/* Of a connection, and of a socket that is none yet. */
static void quality_of_service_is_shared(void)
{
	QOS first = qos_of(SERVICETYPE_GUARANTEED, 800000, UNSET, UNSET);
	QOS second = qos_of(SERVICETYPE_GUARANTEED, 900000, UNSET, UNSET);
	struct pair p = need_pair();
	SOCKET other, s = stream_socket();

	CHECK(set_qos(p.client, &first) == 0);
	other = share_other(p.client);
	CHECK_R(329, sends(other, 800000));
	CHECK(share_moves(other, p.server, 3000, 0) && share_moves(p.client, p.server, 3000, 3000));
	CHECK_R(329, set_qos(other, &second) == 0 && sends(p.client, 900000));
	CHECK(share_moves(p.client, p.server, 3000, 6000) && sends(other, 900000));
	closesocket(other);
	CHECK(sends(p.client, 900000));
	close_pair(&p);
	CHECK(set_qos(s, &first) == 0);
	other = share_other(s);
	CHECK_R(329, sends(other, 800000) && set_qos(other, &second) == 0 && sends(s, 900000));
	closesocket(other);
	closesocket(s);
}

int main(int argc, char **argv)
{
	ledger_name_set();
	conf_start(argc, argv);
	quality_of_service_is_shared();
	a_promise_may_stay_behind();
	WSACleanup();
	ledger_name_remove();
	return check_result();
}
