// SPDX-License-Identifier: BSD-2-Clause
/*
 * test_san_room.c - mode S: a transfer of more buffers than the device takes at once meets a device that has no
 * memory for its next piece, while none of it is on its way: no event will say that there is some again. Alone, and
 * while the other end is given to another process.
 */
#include "tests/lib/test.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tests/fault/san_inside.h"

#define BYTES  6400u
#define BUFFER (BYTES / WSD_TRANSFER_BUFFERS)
#define DENIED 3u

static struct sp_pair pair;
static struct wsd_channel *ch;
static const struct wsd_backend_ops *real;
static struct wsd_backend_ops scarce;
static bool enough;	/* there is memory again, */
static unsigned denied; /* after so many calls more */
static char from[BYTES], to[BYTES];

static enum wsd_status post_send(struct wsd_endpoint *endpoint, const struct wsd_work *list,
				 uint32_t *posted)
{
	bool first = list->op != WSD_OP_WRITE || list->sge[0].addr == (void *)from;

	if (!first && (!enough || denied > 0)) {
		denied -= enough;
		return WSD_ENOMEM;
	}
	return real->post_send(endpoint, list, posted);
}

static void begin(WSAOVERLAPPED *o)
{
	static char descriptor[SP_DESCRIPTOR];
	WSABUFEX buffers[WSD_TRANSFER_BUFFERS];
	DWORD bytes, length = SP_DESCRIPTOR;
	HANDLE handle;

	assert_int_equal(si_open(&pair), 0);
	handle = sp_ext.register_memory(pair.client, from, BYTES, MEM_READ, &sp_error);
	assert_non_null(handle);
	assert_int_equal(sp_ext.register_rdma(pair.server, to, BYTES, MEM_WRITE, descriptor,
					      &length, &sp_error),
			 0);
	for (unsigned i = 0; i < WSD_TRANSFER_BUFFERS; i++)
		buffers[i] = (WSABUFEX){ BUFFER, from + BUFFER * i, handle };
	memset(from, 'f', BYTES);
	memset(to, 't', BYTES);
	enough = false;
	denied = DENIED;
	ch = si_inside(pair.client);
	real = ch->backend;
	scarce = *real;
	scarce.post_send = post_send;
	ch->backend = &scarce;
	sp_begin(o, true);
	assert_int_equal(sp_ext.rdma_write(pair.client, buffers, WSD_TRANSFER_BUFFERS, descriptor,
					   length, 0, &bytes, 0, o, NULL, NULL, &sp_error),
			 SOCKET_ERROR);
	assert_int_equal(sp_error, WSA_IO_PENDING);
}

/* The first piece has been carried out, and nothing follows. */
static void wait_for_first(void)
{
	time_t end = time(NULL) + (time_t)(SP_PATIENCE * test_slow_factor());
	const struct wsd_transfer *t = wsd_container(ch->tx.next, struct wsd_transfer, link);

	while (t->finished == 0) {
		assert_true(time(NULL) <= end);
		si_drive();
	}
	assert_int_equal(t->pieces, 1);
	assert_int_not_equal(t->next, t->count);
}

static void finish(WSAOVERLAPPED *o)
{
	DWORD bytes = 0;

	assert_int_equal(sp_result(pair.client, o, &bytes), 0);
	assert_int_equal(bytes, BYTES);
	assert_memory_equal(from, to, BYTES);
	assert_int_equal(denied, 0);
	sp_close(&pair);
	assert_true(si_settle());
}

static void it_is_tried_again(void **state)
{
	WSAOVERLAPPED o;

	(void)state;
	begin(&o);
	wait_for_first();
	enough = true;
	finish(&o);
}

/* The rest goes where the first piece went. */
static void the_other_end_goes_after_all_of_it(void **state)
{
	WSAOVERLAPPED o;

	(void)state;
	begin(&o);
	wait_for_first();
	enough = true;
	assert_int_equal(si_hand_over(&pair.server), 0);
	finish(&o);
}

static int start(void **state)
{
	(void)state;
	return sp_start(AF_INET);
}

static int stop(void **state)
{
	(void)state;
	return sp_stop();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_is_tried_again),
		cmocka_unit_test(the_other_end_goes_after_all_of_it),
	};

	setenv("WSD_ENGINE_THREAD", "0", 1);
	setenv("WSD_DUPLICATE_TIMEOUT", "10000", 1);
	test_deadline(60);
	return cmocka_run_group_tests_name("san_room", tests, start, stop);
}
