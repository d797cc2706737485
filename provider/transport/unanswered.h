/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * unanswered.h - who did not answer, and by which path: so that the next connect need not wait for the same
 * silence. A memory of the process, bounded and expiring. Any thread, any lock held.
 *
 * A path is named by its text: an engine's name, or what the caller chooses. The port counts: notes
 * that are to hold for a whole host have port 0.
 */
#ifndef WSD_TRANSPORT_UNANSWERED_H
#define WSD_TRANSPORT_UNANSWERED_H

#include <openwsd/backend.h>

#define WSD_UNANSWERED_MOST 1024u /* notes; the oldest gives way */

/* WSD_ANSWER_MEMORY ms from now on it is known; one that is known already keeps its time. grows: one that is noted
 * again soon after its time, because another try has cost as much for nothing, is known twice as long, at most 16
 * times. */
void wsd_unanswered_note(const char *path, const struct wsd_addr *remote, bool grows);
bool wsd_unanswered_known(const char *path, const struct wsd_addr *remote);
/* It has answered after all. */
void wsd_unanswered_forget(const char *path, const struct wsd_addr *remote);

#endif
