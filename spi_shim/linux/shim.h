/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * shim.h - the state of the process: has Winsock been started, which provider serves it, did we
 * fork.
 */
#ifndef WSD_LINUX_SHIM_H
#define WSD_LINUX_SHIM_H

#include <stdbool.h>

#include <openwsd/ws2spi.h>

/* Between the first WSAStartup and the last WSACleanup. */
bool wsd_shim_started(void);
/*
 * The provider's procedures, or NULL with the last error WSANOTINITIALISED. The table itself lives
 * on after WSACleanup, so that a call that races with it meets the provider's own checks.
 */
const WSPPROC_TABLE *wsd_shim_provider(void);
/* True in a forked child that has not called WSAStartup; sets the last error WSANOTINITIALISED. */
bool wsd_shim_is_dead_child(void);

/* Steps of the fork handler, each in the file that owns the state. */
void wsd_shim_forked(void);
void wsd_thread_forked(void);

/*
 * The provider may define this; without a definition nothing is called. An APC queued through
 * WPUQueueApc will never run because its thread ended: release what context points to.
 */
__attribute__((weak)) void wsd_provider_apc_dropped(LPWSAUSERAPC routine, DWORD_PTR context);
/* Likewise: the calling thread ends, after all its APCs have run or were dropped. */
__attribute__((weak)) void wsd_provider_thread_ended(void);

/* The upcalls as the table that WSPStartup takes. */
extern const WSPUPCALLTABLE wsd_upcall_table;

/* How the provider's TransmitFile reads a HANDLE; file.c. */
struct wsd_file_reader;
extern const struct wsd_file_reader wsd_file_reader;

#endif
