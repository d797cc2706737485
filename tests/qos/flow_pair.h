/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * flow_pair.h - a connection over sim, whose clock stands still until the test moves it, for the programs that test
 * agreements and what a stream sends under one.
 */
#ifndef WSD_TEST_FLOW_PAIR_H
#define WSD_TEST_FLOW_PAIR_H

#include <stdint.h>

static inline void advance(uint64_t ns);
#define WAIT_FOR(expression)                                 \
	do {                                                 \
		for (unsigned n_ = 0; !(expression); n_++) { \
			assert_true(n_ < 100000);            \
			advance(1000);                       \
		}                                            \
	} while (0)
#include "tests/unit/session_pair.h"

#include "provider/transport/ledger.h"
#include "rdma_backend/sim/sim.h"
#include "tests/qos/ledger_name.h"

#define MS 1000000ull

static inline void poll_engines(void)
{
	for (unsigned i = 0; i < wsd_engine_count(); i++)
		while (wsd_engine_poll(wsd_engine_at(i)))
			;
}

static inline void advance(uint64_t ns)
{
	wsd_sim_advance(ns);
	poll_engines();
}

/* As much as may go now; the reader takes it at once. */
static inline size_t send_now(struct end *from, struct end *to, size_t most)
{
	static uint8_t bytes[1u << 20];
	struct wsd_iovec iov;
	size_t sent = 0, n = 1;

	while (sent < most && n > 0) {
		size_t got = 0;

		iov = (struct wsd_iovec){ bytes, most - sent < sizeof(bytes) ? most - sent
									     : sizeof(bytes) };
		n = 0;
		end_lock(from);
		if (wsd_stream_write(from->stream, &iov, 1, 0, &n) != WSD_OK)
			n = 0;
		end_unlock(from, NULL);
		sent += n;
		advance(1); /* what is due now */
		do {
			iov = (struct wsd_iovec){ bytes, sizeof(bytes) };
			got = 0;
			end_lock(to);
			(void)wsd_stream_read(to->stream, &iov, 1, 0, NULL, &got);
			end_unlock(to, NULL);
			advance(1);
		} while (got > 0);
	}
	return sent;
}

static inline enum wsd_status set_qos(struct end *e, struct wsd_qos qos)
{
	enum wsd_status status;

	end_lock(e);
	status = wsd_stream_set_qos(e->stream, &qos);
	end_unlock(e, NULL);
	poll_engines();
	return status;
}

static inline struct wsd_qos out_only(enum wsd_service service, uint32_t rate, uint32_t bucket,
				      uint32_t peak)
{
	return (struct wsd_qos){ .out = { service, rate, bucket, peak } };
}

static inline struct wsd_qos agreed(struct end *e)
{
	struct wsd_qos qos = { { 0 }, { 0 } };

	end_lock(e);
	(void)wsd_stream_qos(e->stream, &qos);
	end_unlock(e, NULL);
	return qos;
}

struct flow {
	struct server sv;
	struct end c, a;
};

static inline void open_flow(struct flow *f)
{
	pair(&f->sv, &f->c, &f->a, UINT32_MAX);
	for (unsigned i = 0; i < 16; i++) /* rings have grown */
		(void)send_now(&f->c, &f->a, 65536);
}

static inline void close_flow(struct flow *f)
{
	close_both(&f->sv, &f->c, &f->a);
}

static inline uint32_t reserved(struct end *e)
{
	uint32_t rate;

	end_lock(e);
	rate = wsd_stream_reserved(e->stream);
	end_unlock(e, NULL);
	return rate;
}

static inline int start(void **state)
{
	(void)state;
	return wsd_engines_start() == WSD_OK ? 0 : -1;
}

static inline int stop(void **state)
{
	(void)state;
	wsd_engines_stop();
	ledger_name_remove();
	return 0;
}

static inline void flow_settings(void)
{
	setenv("WSD_BACKENDS", "sim", 1);
	setenv("WSD_SIM_MODE", "stepped", 1);
	setenv("WSD_SIM_SPEED", "4000000", 1);
	setenv("WSD_ENGINE_THREAD", "0", 1);
	ledger_name_set();
	test_deadline(60);
}

#endif
