// SPDX-License-Identifier: BSD-2-Clause
/*
 * test_goodbye.c - one peer cannot say goodbye for another. The words of all connections of a queue share a page
 * and its key, so a peer reaches those of the others; whatever it writes there, a connection that is cut
 * has been cut, and one that is disconnected has been disconnected.
 * On WSD_TEST_DEVICE, connected to from WSD_TEST_PEER.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rdma_backend/base/base.h"
#include "rdma_backend/registry.h"
#include "rdma_backend/verbs/verbs.h"
#include "tests/backend/conformance.h"
#include "tests/lib/test.h"

const struct wsd_backend_ops *bc_ops;
const struct wsd_host *bc_host;
uint32_t bc_device_index, bc_peer_index;
bool bc_one_process;

void bc_fail(const char *file, int line, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	fprintf(stderr, "%s:%d: ", file, line);
	vfprintf(stderr, format, arguments);
	fprintf(stderr, "\n");
	va_end(arguments);
	exit(1);
}

void bc_skip(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vprintf(format, arguments);
	va_end(arguments);
	exit(77);
}

static uint32_t index_of(const char *name)
{
	struct wsd_device_attr attr = { .size = sizeof(attr) };
	struct wsd_device *device;
	uint32_t index;

	for (index = 0; bc_ops->open(bc_host, index, &device, &attr) == WSD_OK; index++) {
		bc_ops->close(device);
		if (strcmp(attr.name, name) == 0)
			return index;
	}
	bc_skip("no device %s", name);
}

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
	const char *device = getenv("WSD_TEST_DEVICE"), *peer = getenv("WSD_TEST_PEER");
	char reason[160] = "";
	uint64_t forged[4];

	test_deadline(60);
	bc_host = wsd_host_table();
	if (!device)
		bc_skip("WSD_TEST_DEVICE names no adapter");
	if (wsd_registry_find("verbs", &bc_ops, reason, sizeof(reason)) != WSD_OK)
		bc_fail(__FILE__, __LINE__, "no backend verbs: %s", reason);
	bc_device_index = index_of(device);
	bc_peer_index = index_of(peer ? peer : device);
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
