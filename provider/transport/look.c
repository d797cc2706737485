// SPDX-License-Identifier: BSD-2-Clause
/* look.c - a look at an engine before a call says that nothing is there. */
#include "provider/transport/engine_internal.h"

#include "rdma_backend/base/base.h"

/* Its owner is out of a round within microseconds, unless others got its processor. They are let run then; on a machine
 * with several threads for each processor that takes tens of milliseconds. */
#define LOOK_SPINS 32u
#define LOOK_NS	   100000000u
#define NO_MARK	   (UINT64_MAX - 1) /* no count is one more */

/* The count first: a round that begins in between makes another one of it. */
uint64_t wsd_engine_mark(const struct wsd_engine *engine)
{
	uint64_t rounds = atomic_load(&engine->rounds);

	return atomic_load(&engine->own) ? NO_MARK : rounds;
}

enum wsd_look wsd_engine_look(struct wsd_engine *engine, uint64_t mark)
{
	uint64_t until = 0;

	for (unsigned tries = 0;; tries++) {
		bool entered, any = wsd_engine_visit(engine, WSD_VISIT_CALLER, &entered);

		if (entered && any)
			return WSD_LOOK_MORE;
		if (entered) /* alone: one round since the mark, this one */
			return atomic_load(&engine->rounds) == mark + 1 ? WSD_LOOK_NOTHING
									: WSD_LOOK_ONCE;
		if (!wsd_engine_active(engine)) /* also the end, which takes it for good */
			return WSD_LOOK_ONCE;
		if (tries < LOOK_SPINS) {
			wsd_cpu_relax();
			continue;
		}
		if (until == 0)
			until = wsd_clock_ns() + LOOK_NS;
		else if (wsd_clock_ns() >= until)
			return WSD_LOOK_ONCE;
		wsd_cpu_yield();
	}
}

bool wsd_engines_look(void)
{
	bool more = false;

	for (unsigned i = 0; i < wsd_engine_count(); i++)
		more |= wsd_engine_look(wsd_engine_at(i), NO_MARK) == WSD_LOOK_MORE;
	return more;
}
