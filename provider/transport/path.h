/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * path.h - the paths to one peer: the engines in their order, the reason for each that was not taken, and
 * the failure that tells most. Plain data under its owner's lock.
 */
#ifndef WSD_TRANSPORT_PATH_H
#define WSD_TRANSPORT_PATH_H

#include "provider/transport/engine.h"

#define WSD_REASON_BYTES 512u

struct wsd_paths {
	unsigned index;	      /* of the engine being tried */
	unsigned missing;     /* backends without an engine that were passed */
	enum wsd_status best; /* most telling failure so far */
	char *reasons;	      /* of the heap, or NULL */
};

void wsd_paths_begin(struct wsd_paths *paths);
/* The first engine from index on that may reach remote; NULL: none is left. */
struct wsd_engine *wsd_paths_next(struct wsd_paths *paths, const struct wsd_addr *local,
				  const struct wsd_addr *remote);
/* The path being tried did not work: note it and go on to the next. WSD_ENOANSWER: later connects of this
 * process to that host pass it over for a while, as long as they have another (unanswered.h). */
void wsd_paths_failed(struct wsd_paths *paths, const struct wsd_addr *remote,
		      enum wsd_status status);
/* A connection with that peer has been opened, by either side. */
void wsd_paths_opened(const struct wsd_engine *engine, const struct wsd_addr *remote);
void wsd_paths_end(struct wsd_paths *paths);

#endif
