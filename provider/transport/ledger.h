/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ledger.h - the rates that the sockets of one user on one host have been promised on each path, and what is
 * left for all others.
 *
 * It is a file that the processes of the user share (WSD_QOS_LEDGER is its name). Each has one entry with its
 * sums for each path; an entry vanishes with its process. What is promised on a path is at most
 * WSD_QOS_RESERVABLE percent of the speed of its device. While anything is promised, all who have no promise
 * share the rest by the weights of those streams that sent lately. While nothing is, but streams of other
 * weights than the standard send in this process, it keeps their order (parts.h). Other users and other
 * programs are out of its reach.
 */
#ifndef WSD_TRANSPORT_LEDGER_H
#define WSD_TRANSPORT_LEDGER_H

#include <stddef.h>

#include "provider/transport/engine.h"
#include "provider/transport/parts.h"

/*
 * [any lock] Promise `after` bytes per second on the engine's path in place of `before`. WSD_EUNSUPPORTED:
 * there is not so much left, or the ledger cannot be used (logged); nothing has changed. Asks the system.
 */
enum wsd_status wsd_ledger_change(struct wsd_engine *engine, uint32_t before, uint32_t after);

/* Would there be room for so much, at this moment? Asks the system. */
bool wsd_ledger_has_room(struct wsd_engine *engine, uint32_t rate);

/* Must a stream without a promise ask? Two loads: for the data path. */
bool wsd_ledger_asks(void);

/*
 * [any lock] How many of so many bytes a stream without a promise may send now: they are taken from what is
 * left for all. 0: none before *when. now is on the engine's clock. What is not sent is given back.
 */
size_t wsd_ledger_allow(struct wsd_engine *engine, struct wsd_share *share, size_t bytes,
			uint64_t now, uint64_t *when);
void wsd_ledger_give_back(struct wsd_engine *engine, struct wsd_share *share, size_t bytes,
			  uint64_t now);

void wsd_ledger_open(void); /* with the first engine */
void wsd_ledger_close(void);
void wsd_ledger_fork_child(void); /* promises are the parent's */

#endif
