// SPDX-License-Identifier: BSD-2-Clause
/* test_plain_listen.c - the end of a listener of the system's TCP: one call says so, and it is the last. */
#include "tests/lib/test.h"

#include <stdlib.h>
#include <unistd.h>

#include "provider/session/plain.h"
#include "provider/transport/os_port.h"
#include "provider/transport/plain.h"
#include "rdma_backend/base/base.h"

struct owner {
	struct wsd_mutex mutex;
	struct wsd_plain_listen *listen;
	bool close_next; /* by another thread, which has the lock when the next call waits for it */
	atomic_uint closed, calls_after;
};

static void lock(void *arg)
{
	struct owner *owner = arg;

	wsd_mutex_lock(&owner->mutex);
	owner->calls_after += owner->closed > 0;
	if (owner->close_next) {
		owner->close_next = false;
		wsd_plain_listen_close(owner->listen);
	}
}

static void unlock(void *arg, struct wsd_engine *engine)
{
	(void)engine;
	wsd_mutex_unlock(&((struct owner *)arg)->mutex);
}

static bool room(void *arg)
{
	(void)arg;
	return true;
}

static void arrived(void *arg, struct wsd_engine *engine, intptr_t socket,
		    const struct wsd_addr *local, const struct wsd_addr *remote)
{
	(void)arg;
	(void)engine;
	(void)socket;
	(void)local;
	(void)remote;
	fail_msg("nobody connects");
}

static void closed(void *arg, struct wsd_engine *engine)
{
	(void)engine;
	((struct owner *)arg)->closed++;
}

static const struct wsd_plain_listen_owner ops = { lock, unlock, room, arrived, closed };

static struct owner *open_one(void)
{
	struct wsd_addr local = { .family = WSD_FAMILY_IPV4, .bytes = { 127, 0, 0, 1 } };
	struct owner *owner = calloc(1, sizeof(*owner));
	intptr_t holder;

	assert_non_null(owner);
	wsd_mutex_init(&owner->mutex);
	assert_int_equal(wsd_os_port_hold(&local, WSD_PORT_DEFAULT, &holder, &local.port), WSD_OK);
	assert_int_equal(wsd_plain_listen_open(&owner->listen, &ops, owner, holder, &local, 1),
			 WSD_OK);
	return owner;
}

static void end(struct owner *owner)
{
	for (unsigned i = 0; i < 5000 && owner->closed == 0; i++) {
		wsd_engine_poll(wsd_engine_plain());
		usleep(1000);
	}
	for (unsigned i = 0; i < 20; i++) {
		wsd_engine_poll(wsd_engine_plain());
		usleep(1000);
	}
	assert_int_equal(owner->closed, 1);
	assert_int_equal(owner->calls_after, 0);
	wsd_plain_listen_free(owner->listen);
	wsd_mutex_fini(&owner->mutex);
	free(owner);
}

/* A task of it waits for the lock while it is closed. */
static void test_closed_before_it_begins(void **state)
{
	struct owner *owner = open_one();

	(void)state;
	owner->close_next = true;
	wsd_plain_listen_start(owner->listen);
	end(owner);
}

static void test_closed_later(void **state)
{
	struct owner *owner = open_one();

	(void)state;
	wsd_plain_listen_start(owner->listen);
	wsd_mutex_lock(&owner->mutex);
	wsd_plain_listen_close(owner->listen);
	wsd_mutex_unlock(&owner->mutex);
	wsd_plain_listen_kick(owner->listen);
	end(owner);
}

static int start(void **state)
{
	(void)state;
	setenv("WSD_BACKENDS", "plain", 1);
	return wsd_engines_start() == WSD_OK && wsd_engine_plain() ? 0 : -1;
}

static int stop(void **state)
{
	(void)state;
	wsd_engines_stop();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_closed_before_it_begins),
		cmocka_unit_test(test_closed_later),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
