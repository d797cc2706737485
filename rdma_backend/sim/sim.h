/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sim.h - what a test can do to the simulated backend besides using it. docs/backend.md describes
 * the script and the parameters WSD_SIM_MODE, WSD_SIM_SEED, WSD_SIM_SCRIPT and WSD_SIM_CAPS,
 * which do the same from outside. Every function may be called from any thread.
 */
#ifndef WSD_SIM_H
#define WSD_SIM_H

#include <openwsd/backend.h>

extern const struct wsd_backend_ops wsd_backend_sim;

/* Forget script and digest, live mode, seed 1. Devices may stay open. */
void wsd_sim_reset(void);
/* The seed decides every delay and every choice of order from now on. */
void wsd_sim_set_seed(uint64_t seed);
/*
 * Stepped: the clock stands still until wsd_sim_advance. Change it only while nothing is under
 * way.
 */
void wsd_sim_set_stepped(bool stepped);
/* Run everything due within the next ns nanoseconds, in order of time, and move the clock. */
void wsd_sim_advance(uint64_t ns);
/*
 * How far away the next thing that happens by itself is; UINT64_MAX = nothing will. Stepped
 * only.
 */
uint64_t wsd_sim_next(void);
/*
 * Lines separated by newlines or ';'; '#' starts a comment. WSD_EINVAL: a line was not understood
 * (logged); the lines before it hold.
 *   seed <n>                        delay <min>..<max>   polls (live) or microseconds (stepped)
 *   fail connect <n> <status>       the n-th connect from now fails so, e.g. ETIMEDOUT
 *   fail listen|accept|reg|mem|endpoint|queue <n> [status]
 *   reject <n>                      the n-th arriving request is refused as by a full backlog
 *   queue-full <n>                  send queues hold at most n (0 = their depth)
 *   drop-flush on|off               broken connections do not flush posted work
 *   reorder on|off                  events of different connections come in random order
 *   rnr fail|wait                   a message without a posted receive fails, or waits
 *   disconnect after <n> events     the connection of the n-th event from now breaks
 *   gone after <n> events           the device of the n-th event from now is removed
 */
enum wsd_status wsd_sim_script(const char *text);
/* Depends on all events delivered since the reset and their order: one seed, one schedule. */
uint64_t wsd_sim_digest(void);

#endif
