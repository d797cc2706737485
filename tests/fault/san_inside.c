// SPDX-License-Identifier: BSD-2-Clause
/* san_inside.c - see san_inside.h. */
#include "tests/fault/san_inside.h"

#include "tests/lib/test.h"

#include <string.h>
#include <time.h>
#include <unistd.h>

#include "provider/winsock/socket.h"

static time_t limit(void)
{
	return time(NULL) + (time_t)(SP_PATIENCE * test_slow_factor());
}

void si_drive(void)
{
	for (unsigned i = 0; i < 4; i++)
		for (unsigned j = 0; j < wsd_engine_count(); j++)
			(void)wsd_engine_poll(wsd_engine_at(j));
}

struct wsd_channel *si_inside(SOCKET s)
{
	struct wsd_socket *sock = wsd_socket_find(WSD_MODE_SAN, s, &sp_error);
	struct wsd_channel *ch;

	assert_non_null(sock);
	ch = sock->channel;
	wsd_socket_leave(sock);
	return ch && ch->endpoint && ch->state == WSD_CHANNEL_OPEN ? ch : NULL;
}

int si_open(struct sp_pair *pair)
{
	int error = sp_open(pair);
	time_t end = limit();

	while (error == 0 && (!si_inside(pair->client) || !si_inside(pair->server))) {
		if (time(NULL) > end)
			error = SP_HUNG;
		si_drive();
	}
	return error;
}

bool si_settle(void)
{
	time_t end = limit();

	while (sp_handles > 0 && time(NULL) <= end)
		si_drive();
	return sp_handles == 0;
}

struct si_names si_names(SOCKET s)
{
	struct wsd_socket *sock = wsd_socket_find(WSD_MODE_SAN, s, &sp_error);
	struct si_names names;

	assert_non_null(sock);
	names = (struct si_names){ sock->local, sock->remote };
	wsd_socket_leave(sock);
	return names;
}

bool si_same(const struct si_names *one, const struct si_names *other)
{
	return wsd_addr_equal(&one->local, &other->local) &&
	       wsd_addr_equal(&one->remote, &other->remote);
}

int si_hand_over(SOCKET *s)
{
	struct si_names before = si_names(*s), after;
	WSAPROTOCOL_INFOW info;
	SOCKET next;

	memset(&info, 0, sizeof(info));
	if (sp_spi.lpWSPDuplicateSocket(*s, (DWORD)getpid(), &info, &sp_error) != 0)
		return sp_error;
	next = sp_spi.lpWSPSocket(FROM_PROTOCOL_INFO, FROM_PROTOCOL_INFO, FROM_PROTOCOL_INFO, &info,
				  0, WSA_FLAG_OVERLAPPED, &sp_error);
	if (next == INVALID_SOCKET)
		return sp_error;
	assert_int_equal(sp_spi.lpWSPCloseSocket(*s, &sp_error), 0);
	*s = next;
	after = si_names(next);
	assert_true(si_same(&before, &after));
	return 0;
}

void si_message(SOCKET from, char *out, SOCKET to, char *in, WSAOVERLAPPED *posted)
{
	static unsigned char fill;
	WSAOVERLAPPED sent, received;
	DWORD bytes = 0;

	sp_begin(&sent, true);
	sp_begin(&received, true);
	if (!posted)
		assert_int_equal(sp_recv(to, in, SI_MESSAGE, &received), 0);
	memset(out, ++fill, SI_MESSAGE);
	assert_int_equal(sp_send(from, out, SI_MESSAGE, &sent), 0);
	assert_int_equal(sp_result(to, posted ? posted : &received, &bytes), 0);
	assert_int_equal(bytes, SI_MESSAGE);
	assert_memory_equal(in, out, SI_MESSAGE);
	assert_int_equal(sp_result(from, &sent, &bytes), 0);
}
