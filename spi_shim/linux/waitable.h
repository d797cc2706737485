/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * waitable.h - what WaitForMultipleObjects can wait for: the head of events and threads.
 */
#ifndef WSD_LINUX_WAITABLE_H
#define WSD_LINUX_WAITABLE_H

#include <pthread.h>

#include <openwsd/windows_min.h>

#include "rdma_backend/base/list.h"
#include "spi_shim/linux/handle.h"

struct wsd_waitable {
	struct wsd_object object; /* first */
	pthread_mutex_t lock;	  /* the rest */
	struct wsd_list waiters;
	bool signalled;
	bool auto_reset;
	int fd; /* eventfd that mirrors signalled, or -1 while nobody asked */
};

void wsd_waitable_init(struct wsd_waitable *waitable, bool auto_reset, bool signalled,
		       void (*destroy)(struct wsd_object *object));
/* From the destroy function: releases what init made, not the memory. */
void wsd_waitable_fini(struct wsd_waitable *waitable);
void wsd_waitable_signal(struct wsd_waitable *waitable);
void wsd_waitable_unsignal(struct wsd_waitable *waitable);
/* The descriptor, made at the first call; -1 if that fails. */
int wsd_waitable_fd(struct wsd_waitable *waitable);

/* The wait behind all wait functions: WAIT_OBJECT_0 + n, WAIT_IO_COMPLETION, WAIT_TIMEOUT or
 * WAIT_FAILED with the last error set. */
DWORD wsd_wait_objects(DWORD count, const HANDLE *handles, BOOL all, DWORD milliseconds,
		       BOOL alertable);

#endif
