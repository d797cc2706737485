/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * record.h - what processes of one user share: small named files in memory, which may be mapped, locks that end
 * with their process, and bells. One implementation file for each system: record_posix.c, record_windows.c.
 * Nothing here waits. What is read was written by another process: the reader checks it.
 */
#ifndef WSD_BASE_RECORD_H
#define WSD_BASE_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <openwsd/status.h>

#define WSD_RECORD_NAME 48u /* with its end; letters, digits and dashes */

/* A new one, readable by this user only; the name is taken by at most one. WSD_EBUSY: it is. WSD_ENOFILES,
 * WSD_ENOMEM, WSD_EACCESS. */
enum wsd_status wsd_record_create(const char *name, intptr_t *record);
/* WSD_NOTFOUND. WSD_EUSER: another user made it, or others can write to it. */
enum wsd_status wsd_record_open(const char *name, intptr_t *record);
void wsd_record_close(intptr_t record); /* gives its locks back */
/* True in the one call that took the name away; who has it open keeps it. (On Windows a file that is mapped then
 * stays in the folder under another name: unmap first.) */
bool wsd_record_remove(const char *name);
bool wsd_record_exists(const char *name);
void wsd_record_each(const char *prefix, void (*visit)(const char *name, void *arg), void *arg);

/* All of it, or false. */
bool wsd_record_read(intptr_t record, uint64_t offset, void *to, size_t length);
bool wsd_record_write(intptr_t record, uint64_t offset, const void *from, size_t length);

/* Into memory; an empty one becomes so long. It stays mapped when the record is closed. WSD_EVERSION: it has another
 * length. WSD_ENOMEM. What is written to it reaches the readers above at once. */
enum wsd_status wsd_record_map(intptr_t record, size_t length, void **base);
/* Have memory for that part, with zeros at first. To write where there is none left would end the process. */
bool wsd_record_reserve(intptr_t record, uint64_t offset, size_t length);
void wsd_record_unmap(void *base, size_t length);

/* Locks by number, each held by one opener; false: by another. */
bool wsd_record_lock(intptr_t record, unsigned number);
void wsd_record_unlock(intptr_t record, unsigned number);
/* Has another opener that lock? On Windows the look takes it for a moment, for which who wants it waits. */
bool wsd_record_locked(intptr_t record, unsigned number);

/*
 * A bell wakes one thread of another process, which sleeps on it (wsd_waker_sleep). It may be rung by anyone
 * and means no more than: look.
 */
#define WSD_BELL_NAME 8u
enum wsd_status wsd_bell_open(intptr_t *bell, uint8_t *name);
void wsd_bell_clear(intptr_t bell);
void wsd_bell_ring(intptr_t own, const uint8_t *name); /* own: any bell of the caller's */
void wsd_bell_close(intptr_t bell);

/* Different for each user that can reach the same records. */
uint32_t wsd_user_id(void);

/* When did that process start? Of a number that is used again the time is another. False: no such process. */
bool wsd_process_started(uint32_t process, uint64_t *when);
/* A wait object that is ready when that process has ended; -1: it has, or the system has none. */
intptr_t wsd_process_watch(uint32_t process);
bool wsd_process_ended(intptr_t watch);
void wsd_process_unwatch(intptr_t watch);

#endif
