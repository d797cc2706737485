// SPDX-License-Identifier: BSD-2-Clause
/*
 * test_shm_answers.c - listeners of the same user that answer a connector of the shm backend with something else than
 * they should, or not at all: it ends soon, with the reason, so that it can go on to the next path.
 */

#include "tests/lib/test.h"

#include <stdlib.h>

#include "rdma_backend/base/base.h"
#include "rdma_backend/base/platform.h"
#include "rdma_backend/shm/shm_internal.h"
#include "tests/unit/test_shm.h"

#define OPS	 wsd_backend_shm
#define MOST	 5000u /* that a system lets wait */
#define WHOLE	 sizeof(struct shm_msg_hello)
#define SOON_NS	 UINT64_C(4000000000)
#define PATIENCE UINT64_C(20000000000)

static enum wsd_status connect_now(struct end *end, const struct wsd_addr *to)
{
	struct wsd_addr none = { .family = WSD_FAMILY_NONE };

	assert_int_equal(OPS.endpoint_create(end->queue, NULL, &shm_attr, end, &end->endpoint),
			 WSD_OK);
	return OPS.connect(end->endpoint, &none, to, "", 0, PATIENCE);
}

/* Nobody accepts, and no more are let wait. */
static void test_full_queue(void **state)
{
	struct wsd_addr addr = world_addr(world_port());
	shm_channel listener, *filler = calloc(MOST, sizeof(*filler));
	struct end *end = end_new(shm_queue);
	enum wsd_status status = WSD_OK;
	unsigned count = 0;
	uint64_t start;

	(void)state;
	assert_non_null(filler);
	assert_int_equal(shm_os_listen(&addr, &listener), WSD_OK);
	while (status == WSD_OK && count < MOST)
		status = shm_os_connect(&addr, &filler[count++]);
	assert_int_equal(status, WSD_AGAIN);
	start = wsd_clock_ns();
	assert_int_equal(connect_now(end, &addr), WSD_OK);
	assert_int_equal(expect(end, WSD_EV_CONNECT_FAILED)->status, WSD_ETIMEDOUT);
	assert_true(wsd_clock_ns() - start < SOON_NS);
	end_free(end);
	while (count > 1)
		shm_os_close(&filler[--count - 1]);
	shm_os_close(&listener);
	free(filler);
}

struct answer {
	const char *what;
	enum wsd_status status;
	unsigned count; /* of shares: the inbox of this process's queue */
	uint16_t type;
	uint32_t recv_depth, data_length;
	size_t length;
};

static const struct answer answers[] = {
	{ "another length", WSD_EPROTOCOL, 2, SHM_MSG_ACCEPT, 4, 0, WHOLE },
	{ "no receives", WSD_EPROTOCOL, 2, SHM_MSG_ACCEPT, 0, 0, WHOLE },
	{ "too many receives", WSD_EPROTOCOL, 2, SHM_MSG_ACCEPT, 1u << 31, 0, WHOLE },
	{ "too much data", WSD_EPROTOCOL, 2, SHM_MSG_ACCEPT, 4, 201, WHOLE },
	{ "a request", WSD_EPROTOCOL, 0, SHM_MSG_REQUEST, 4, 0, WHOLE },
	{ "half an answer", WSD_EPROTOCOL, 2, SHM_MSG_ACCEPT, 4, 0, WHOLE / 2 },
	{ "one share", WSD_ENOFILES, 1, SHM_MSG_ACCEPT, 4, 0, WHOLE },
	{ "no share", WSD_ENOFILES, 0, SHM_MSG_ACCEPT, 4, 0, WHOLE },
};
#define ANSWERS (sizeof(answers) / sizeof(answers[0]))

static void await_connector(shm_channel listener, shm_channel *channel)
{
	uint64_t limit = wsd_clock_ns() + PATIENCE;
	enum wsd_status status;

	do {
		world_poll();
		status = shm_os_accept(listener, channel);
		assert_true(wsd_clock_ns() < limit);
	} while (status == WSD_AGAIN);
	assert_int_equal(status, WSD_OK);
}

/* What connect makes of it. */
static enum wsd_status answer_with(shm_channel listener, const struct wsd_addr *addr,
				   const struct answer *answer, const shm_share *shares)
{
	struct shm_msg_hello hello = { .head = { SHM_MAGIC, SHM_VERSION, answer->type },
				       .recv_depth = answer->recv_depth,
				       .recv_bytes = 64,
				       .data_length = answer->data_length };
	struct end *end = end_new(shm_queue);
	enum wsd_status status;
	shm_channel channel;

	assert_int_equal(connect_now(end, addr), WSD_OK);
	await_connector(listener, &channel);
	assert_int_equal(shm_os_send(channel, &hello, answer->length, shares, answer->count),
			 WSD_OK);
	status = expect(end, WSD_EV_CONNECT_FAILED)->status;
	end_free(end);
	shm_os_close(&channel);
	return status;
}

static void test_answers(void **state)
{
	uint64_t *errors = wsd_counter("shm", "protocol_errors", ""), before = *errors, wrong = 0;
	shm_share inboxes[2] = { shm_queue->inbox_share, shm_queue->inbox_share };
	struct wsd_addr addr = world_addr(world_port());
	shm_channel listener;

	(void)state;
	assert_int_equal(shm_os_listen(&addr, &listener), WSD_OK);
	for (unsigned i = 0; i < ANSWERS; i++) {
		enum wsd_status status = answer_with(listener, &addr, &answers[i], inboxes);

		if (status != answers[i].status)
			fail_msg("%s: status %d", answers[i].what, (int)status);
		wrong += status == WSD_EPROTOCOL;
	}
	assert_int_equal(*errors - before, wrong);
	shm_os_close(&listener);
}

/* Other things in the place of the segment, and of the inbox. */
static void test_things(void **state)
{
	const struct answer whole = { "", WSD_EPROTOCOL, 2, SHM_MSG_ACCEPT, 4, 0, WHOLE };
	shm_share segments[SHM_THINGS], inboxes[SHM_THINGS], shares[2];
	struct wsd_addr addr = world_addr(world_port());
	unsigned most = shm_things_make(inboxes, SHM_INBOX_BYTES);
	struct shm_layout layout;
	shm_channel listener;

	(void)state;
	assert_true(shm_layout_make(&layout, 4, 64));
	assert_int_equal(shm_things_make(segments, layout.length), most);
	assert_int_equal(shm_os_listen(&addr, &listener), WSD_OK);
	for (unsigned i = 0; i < 2 * most; i++) {
		shares[0] = i < most ? inboxes[i] : shm_queue->inbox_share;
		shares[1] = i < most ? shm_queue->inbox_share : segments[i - most];
		if (answer_with(listener, &addr, &whole, shares) != WSD_EPROTOCOL)
			fail_msg("thing %u as %s", i % most, i < most ? "inbox" : "segment");
	}
	shm_os_close(&listener);
	shm_things_drop(segments);
	shm_things_drop(inboxes);
}

#define TEST(name) cmocka_unit_test_setup_teardown(test_##name, shm_setup, shm_teardown)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = { TEST(full_queue), TEST(answers), TEST(things) };

	if (shm_served(argc, argv))
		return 0;
	return cmocka_run_group_tests_name("shm_answers", tests, NULL, NULL);
}
