// SPDX-License-Identifier: BSD-2-Clause
/* test_channel.c - a channel of mode S that its owner closes while it is being connected. */
#include "tests/lib/test.h"

#include <stdlib.h>

#include "provider/san/channel.h"
#include "provider/transport/engine.h"
#include "rdma_backend/base/base.h"

#define DEADLINE_NS 20000000000ull

struct owner {
	struct wsd_mutex mutex;
	struct wsd_channel *channel;
	unsigned locked; /* how often by the engine */
	unsigned close_at;
	unsigned changes;
};

/* As another thread that was faster would do it: the engine has the event and not yet the lock. */
static void owner_lock(void *arg)
{
	struct owner *o = arg;

	wsd_mutex_lock(&o->mutex);
	if (o->channel && ++o->locked == o->close_at)
		wsd_channel_close(o->channel);
}

static void owner_unlock(void *arg, struct wsd_engine *engine)
{
	(void)engine;
	wsd_mutex_unlock(&((struct owner *)arg)->mutex);
}

static void owner_changed(void *arg, unsigned changes)
{
	((struct owner *)arg)->changes |= changes;
}

static void owner_done(void *arg, struct wsd_transfer *transfer)
{
	(void)arg;
	(void)transfer;
	fail();
}

static const struct wsd_channel_owner ops = { owner_lock, owner_unlock, owner_changed, owner_done };

static bool closed(const struct owner *o)
{
	return o->close_at > 0 && o->locked >= o->close_at;
}

/* Nobody listens. A device that says so at once is faster than a second look of the engine. */
static void connect_in_vain(unsigned close_at)
{
	const struct wsd_channel_options options = { .connect_timeout = 5000000000ull };
	struct wsd_addr local = { .family = WSD_FAMILY_IPV4,
				  .port = (uint16_t)(21000 + wsd_process_id() % 20000),
				  .bytes = { 127, 0, 0, 1 } };
	struct wsd_addr remote = local;
	struct owner o = { .close_at = close_at };
	uint64_t until = wsd_clock_ns() + DEADLINE_NS;

	remote.port = 1;
	wsd_mutex_init(&o.mutex);
	wsd_mutex_lock(&o.mutex);
	assert_int_equal(wsd_channel_connect(&o.channel, &ops, &o, &local, &remote, &options),
			 WSD_PENDING);
	wsd_mutex_unlock(&o.mutex);
	while (!(o.changes & (closed(&o) ? WSD_CHANNEL_DEAD : WSD_CHANNEL_CONNECTED))) {
		assert_true(wsd_clock_ns() < until);
		(void)wsd_engine_poll(wsd_channel_engine(o.channel));
	}
	assert_int_equal(o.changes, closed(&o) ? WSD_CHANNEL_DEAD : WSD_CHANNEL_CONNECTED);
	wsd_channel_free(o.channel);
	wsd_mutex_fini(&o.mutex);
}

static void closing_says_dead_and_nothing_else(void **state)
{
	(void)state;
	connect_in_vain(0);
	connect_in_vain(1); /* before it is tried */
	connect_in_vain(2); /* before its failure is told */
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(closing_says_dead_and_nothing_else),
	};
	int result;

	test_deadline(60);
	setenv("WSD_BACKENDS", argc > 1 ? argv[1] : "sim", 1);
	if (wsd_engines_start() != WSD_OK)
		return 1;
	result = cmocka_run_group_tests(tests, NULL, NULL);
	wsd_engines_stop();
	return result;
}
