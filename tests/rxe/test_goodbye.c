// SPDX-License-Identifier: BSD-2-Clause
/*
 * test_goodbye.c - one peer cannot say goodbye for another. The words of all connections of a queue share a page
 * and its key, so a peer reaches those of the others; whatever it writes there, a connection that is cut
 * has been cut, and one that is disconnected has been disconnected.
 */
#include "tests/rxe/adapter.h"

#include <stdio.h>
#include <string.h>

/* The attacker's connection is c of the pair, that of the victim is another one to the same listener. */
static struct bc_pair pair;
static struct bc_conn victim_c, victim_s;

/* Into the word that the victim's server side looks at. */
static void overwrite(uint64_t value)
{
	struct wsd_region word = { .remote_addr = victim_c.ep->peer.word_addr,
				   .remote_key = pair.c.ep->peer.word_key };

	BC_CHECK(victim_c.ep->peer.word_key == word.remote_key,
		 "the words have different keys: nothing to test");
	memcpy(pair.cbuf.mem, &value, sizeof(value));
	bc_rdma(&pair.c, WSD_OP_WRITE, &pair.cbuf, 0, sizeof(value), &word, 0, 7);
	bc_done(&pair.c, 7, WSD_OK);
}

static enum wsd_status end_of_victim(void)
{
	struct bc_event *event = bc_expect(&pair.b, &victim_s, WSD_EV_DISCONNECTED);

	return event->ev.status;
}

static void begin(void)
{
	bc_connect_more(&pair, &victim_c, &victim_s);
	/* Both sides agree, and on nothing that somebody else has. */
	BC_CHECK(victim_c.ep->says == victim_s.ep->hears &&
			 victim_s.ep->says == victim_c.ep->hears &&
			 victim_c.ep->says != victim_s.ep->says &&
			 victim_c.ep->says != pair.c.ep->says,
		 "the secrets are wrong");
}

static void end(void)
{
	bc_destroy(&victim_c);
	bc_destroy(&victim_s);
}

int main(void)
{
	uint64_t forged[4];

	adapter_start(60);
	bc_pair_open(&pair, NULL);
	forged[0] = 1;
	forged[1] = pair.c.ep->says;
	forged[2] = pair.c.ep->hears;
	forged[3] = UINT64_MAX;
	for (unsigned i = 0; i < 4; i++) {
		begin();
		overwrite(forged[i]);
		bc_destroy(&victim_c); /* without a goodbye */
		BC_CHECK(end_of_victim() < 0, "%llx passed for a goodbye",
			 (unsigned long long)forged[i]);
		end();
	}
	/* An honest one behind a forged one counts. */
	begin();
	overwrite(1);
	BC_OK(bc_ops->disconnect(victim_c.ep));
	BC_CHECK(end_of_victim() == WSD_OK, "the goodbye did not count");
	end();
	bc_pair_close(&pair);
	printf("4 forged goodbyes, 1 true one\n");
	return 0;
}
