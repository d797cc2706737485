// SPDX-License-Identifier: BSD-2-Clause
/*
 * test_probe.c - to ask whether anybody is there cuts no connection. The question may be on its way when the answer to
 * the connect comes, and be read by the peer when the connection is open: here it is asked for one that has been
 * open for a while.
 */
#include "tests/rxe/adapter.h"

#include <stdio.h>

static struct bc_pair pair;

static void message(uint64_t id)
{
	bc_recv(&pair.s, &pair.sbuf, 0, 64, id);
	bc_send(&pair.c, &pair.cbuf, 0, 64, id, WSD_WORK_SIGNALLED);
	bc_done(&pair.c, id, WSD_OK);
	bc_expect(&pair.b, &pair.s, WSD_EV_RECV);
}

/* As if the connect had not been answered, and it were time to ask. */
static void ask(void)
{
	struct wsd_endpoint *ep = pair.c.ep;
	uint64_t now = bc_now(), end = now + BC_LIMIT;

	atomic_store(&ep->state, VERBS_CONNECTING);
	ep->tries = 0;
	ep->limit = now + 2 * BC_LIMIT;
	ep->deadline = now;
	wsd_list_append(&ep->queue->waiting, &ep->waiting);
	while (ep->deadline != ep->limit) { /* which says that the peer has answered */
		BC_CHECK(bc_now() < end, "the question was not answered");
		BC_CHECK(atomic_load(&ep->state) == VERBS_CONNECTING, "the connection was cut");
		bc_pump();
	}
	wsd_list_remove(&ep->waiting);
	ep->deadline = 0;
	atomic_store(&ep->state, VERBS_OPEN);
}

int main(void)
{
	struct bc_event *event;

	adapter_start(60);
	bc_pair_open(&pair, NULL);
	message(1);
	ask();
	bc_settle(BC_SECOND / 2); /* what cuts it may come later than the answer */
	event = bc_peek(&pair.b, &pair.s);
	BC_CHECK(!event, "event %s at the peer", bc_type(event->ev.type));
	message(2);
	bc_pair_close(&pair);
	printf("asked once, still open\n");
	return 0;
}
