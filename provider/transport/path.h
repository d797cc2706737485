/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * path.h - the paths to one peer: the engines in their order, the reason for each that was not taken, and
 * the failure that tells most. Plain data under its owner's lock.
 *
 * A reason is a status; its number, text and a counter of its own ("reasons.<NAME>") are the same everywhere.
 */
#ifndef WSD_TRANSPORT_PATH_H
#define WSD_TRANSPORT_PATH_H

#include "provider/transport/engine.h"

#define WSD_REASON_BYTES 512u
#define WSD_REASONS	 128u /* statuses are 0 to -127 */
#define WSD_PATHS_MOST	 16u

struct wsd_paths {
	uint8_t order[WSD_PATHS_MOST]; /* numbers of engines */
	uint8_t count, index;	       /* index: the one being tried */
	unsigned missing;	       /* backends without an engine that were passed */
	bool by_heart;		       /* others were left out, because the peer is known */
	bool passing;		       /* something failed that the next connect need not have */
	bool again;		       /* not for the first time: reasons have been counted */
	enum wsd_status best;	       /* most telling failure so far */
	char *reasons;		       /* of the heap, or NULL: see wsd_paths_reasons */
};

/* counts[n]: how often -n was a reason in this process, for those that were since the last call. A statistic. */
void wsd_reasons_tell(_Atomic uint64_t *counts);
void wsd_reasons_tell_all(_Atomic uint64_t *counts); /* from the beginning, to counts that are 0 */

/* The paths to remote, as rules and memory say. streams: TCP of the system is one of them. */
void wsd_paths_begin(struct wsd_paths *paths, const struct wsd_addr *remote, bool streams);
/* The first engine from index on that may reach remote; NULL: none is left. */
struct wsd_engine *wsd_paths_next(struct wsd_paths *paths, const struct wsd_addr *local,
				  const struct wsd_addr *remote);
/* The path being tried did not work: note it and go on to the next. WSD_ENOANSWER: later connects of this
 * process to that host pass it over for a while, as long as they have another (unanswered.h). */
void wsd_paths_failed(struct wsd_paths *paths, const struct wsd_addr *remote,
		      enum wsd_status status);
bool wsd_paths_have_plain(const struct wsd_paths *paths); /* whether or not it was tried */
/* From the first one on, as if none had been tried. */
void wsd_paths_again(struct wsd_paths *paths);
/* The connect is given up while this path is tried, which has said nothing for a while: later ones to that address and
 * port pass it over like one by which the host does not answer. */
void wsd_paths_given_up(const struct wsd_paths *paths, const struct wsd_addr *remote);
/* A connection with that peer has been opened; paths NULL: by the peer. One that could be had by TCP of the system
 * only is connected that way at once for a while. */
void wsd_paths_opened(const struct wsd_paths *paths, const struct wsd_engine *engine,
		      const struct wsd_addr *remote);
const char *wsd_paths_reasons(const struct wsd_paths *paths); /* NULL: nothing to tell */
char *wsd_paths_take_reasons(struct wsd_paths *paths);	      /* the caller's now, for wsd_free */
void wsd_paths_end(struct wsd_paths *paths);
/* May this address be listened at by that engine? By a rule; without one: yes. */
bool wsd_paths_listen(const struct wsd_addr *local, const struct wsd_engine *engine);

#endif
