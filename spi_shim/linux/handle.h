/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * handle.h - the one table behind every SOCKET and HANDLE value.
 *
 * A value names a slot and its generation; it is never 0, never -1, never a file descriptor, and
 * its two low bits are 0 (the low bit of OVERLAPPED.hEvent is a flag). A stale value finds a newer
 * generation and fails; so does a value of another type. Lookup takes no lock.
 */
#ifndef WSD_LINUX_HANDLE_H
#define WSD_LINUX_HANDLE_H

#include <stdbool.h>
#include <stdint.h>

enum wsd_handle_type {
	WSD_HANDLE_NONE,
	WSD_HANDLE_SOCKET,
	WSD_HANDLE_EVENT,
	WSD_HANDLE_PORT,
	WSD_HANDLE_THREAD,
	WSD_HANDLE_FILE,
};

/*
 * First member of everything in the table. The table holds one reference until the handle is
 * closed; every wsd_object_get holds one more. destroy runs in the thread that drops the last one,
 * with no lock.
 */
struct wsd_object {
	void (*destroy)(struct wsd_object *object);
	uintptr_t note; /* set before wsd_object_new: see wsd_object_note */
	uint32_t slot;
};

/*
 * 0 when WSD_HANDLES_MAX is reached (last error ERROR_TOO_MANY_OPEN_FILES) or memory is short
 * (ERROR_NOT_ENOUGH_MEMORY); then the caller still owns the object.
 */
uintptr_t wsd_object_new(enum wsd_handle_type type, struct wsd_object *object);
/* A reference, or NULL: no such handle, or nearly a million references. */
struct wsd_object *wsd_object_get(uintptr_t value, enum wsd_handle_type type);
/* The note of an open object of this type, without a reference. */
bool wsd_object_note(uintptr_t value, enum wsd_handle_type type, uintptr_t *note);
/* One more reference to an object that the caller already has one of. It cannot fail, so it is for what a
 * thread holds within one call: 65535 of them find room beyond what wsd_object_get gives. */
void wsd_object_ref(struct wsd_object *object);
void wsd_object_put(struct wsd_object *object);
/*
 * Makes the value stale and drops the table's reference. False: it was not open or is of another
 * type. With two callers at once exactly one gets true.
 */
bool wsd_object_close(uintptr_t value, enum wsd_handle_type type);
/* The type of an open handle, else WSD_HANDLE_NONE. Only a hint once the value is shared. */
enum wsd_handle_type wsd_object_type(uintptr_t value);
/* The next open handle of a type after *cursor (start with 0), or 0. For exit and tests. */
uintptr_t wsd_object_next(enum wsd_handle_type type, uint32_t *cursor);
uint32_t wsd_object_open_count(void);

/* In the child after fork: every value becomes stale; the objects stay as they are, unreachable. */
void wsd_object_forked(void);

#endif
