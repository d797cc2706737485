/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * shm_os.h - what the shm backend uses of the system: memory that another process can map, channels to other
 * processes of this user, and the set of channels that a queue waits for. One implementation for each system:
 * shm_os_linux.c with shm_set_linux.c, shm_os_windows.c with shm_share_, shm_sign_ and shm_set_windows.c.
 *
 * A channel carries packets whole and in order, never blocks, and tells when the other process has gone,
 * however it went. Whoever is at its other end is of this user; what comes from there is not believed.
 */
#ifndef WSD_SHM_OS_H
#define WSD_SHM_OS_H

#include "rdma_backend/base/platform.h"
#include "rdma_backend/shm/shm_wire.h"

#ifdef _WIN32
typedef struct shm_section *shm_share;
typedef struct shm_pipe *shm_channel;
#define SHM_NO_SHARE   NULL
#define SHM_NO_CHANNEL NULL
#else
typedef int shm_share; /* a sealed memory file */
typedef int shm_channel;
#define SHM_NO_SHARE   (-1)
#define SHM_NO_CHANNEL (-1)
#endif

struct shm_source;
struct shm_set;

/* --- memory; mappings are given back with wsd_shared_unmap --- */

enum wsd_status shm_share_create(size_t length, shm_share *share, void **address);
/* Map what a peer gave. WSD_EPROTOCOL: it is no such memory, or not exactly length long. WSD_NOTFOUND: the
 * peer had given it back when it was opened. */
enum wsd_status shm_share_attach(shm_share share, size_t length, void **address);
/* What goes into a message. Where a message holds the memory by itself the owner keeps nothing. */
shm_share shm_share_give(shm_share *own);
void shm_share_close(shm_share *share);

/* A peer's inbox, and what it takes to ring the bell of its queue. */
struct shm_mailbox {
	struct shm_inbox *inbox; /* NULL: not attached */
	intptr_t bell;
};
enum wsd_status shm_bell_open(shm_share inbox, intptr_t *bell);
void shm_bell_close(intptr_t bell);
void shm_mailbox_ring(const struct shm_mailbox *mailbox, shm_channel channel);

/* --- channels --- */

enum wsd_status shm_os_listen(const struct wsd_addr *local, shm_channel *listener);
/* WSD_AGAIN: nobody is waiting. WSD_ENOFILES, WSD_ENOMEM: shortage. Else that one is not for us. */
enum wsd_status shm_os_accept(shm_channel listener, shm_channel *channel);
/* To the listener of exactly this address. WSD_ENOLISTENER, WSD_AGAIN: its queue is full now, WSD_EUSER: it is
 * another user's. */
enum wsd_status shm_os_connect(const struct wsd_addr *addr, shm_channel *channel);
/* WSD_AGAIN: would block. shares are not consumed. One thread at a time. */
enum wsd_status shm_os_send(shm_channel channel, const void *message, size_t length,
			    const shm_share *shares, unsigned count);
/* *length 0: the peer is gone or says too much, and nothing came with it. *count in: room, out: received,
 * SHM_NO_SHARE each when missing; close them. */
enum wsd_status shm_os_receive(shm_channel channel, union shm_packet *packet, size_t *length,
			       shm_share *shares, unsigned *count);
void shm_os_close(shm_channel *channel);

/* --- the set: which channels are ready, level-triggered --- */

#define SHM_READ  1u /* something to receive or to accept, or the other end is gone */
#define SHM_WRITE 2u /* room for a packet */

struct shm_ready {
	struct shm_source *source;
	uint32_t events;
};

/* inbox: of the queue that waits for the set; whoever rings its bell wakes it. */
enum wsd_status shm_set_create(shm_share inbox, struct shm_set **set);
void shm_set_destroy(struct shm_set *set);
wsd_wait_object shm_set_object(struct shm_set *set);
enum wsd_status shm_set_add(struct shm_set *set, struct shm_source *source, uint32_t events);
void shm_set_change(struct shm_set *set, struct shm_source *source,
		    uint32_t events); /* any thread */
void shm_set_remove(struct shm_set *set, struct shm_source *source);
/* *more: there may be others. Never blocks. */
unsigned shm_set_poll(struct shm_set *set, struct shm_ready *ready, unsigned count, bool *more);
/* Before the object is slept on: is anything ready that it will not tell of? */
bool shm_set_arm(struct shm_set *set);
/* Take back what woke the sleeper. woken: shm_set_wake was called since. */
void shm_set_disarm(struct shm_set *set, bool woken);
void shm_set_wake(struct shm_set *set); /* any thread */
/* The alarm rings after so many ns, and makes the object ready; 0: never. One at a time. */
void shm_set_alarm(struct shm_set *set, uint64_t ns);
bool shm_set_alarm_rang(struct shm_set *set); /* since the last call, as the last poll found */

/* --- the host --- */

uint32_t shm_os_ring_bytes(void);
/* WSD_OK: it is local. WSD_EADDRNOTAVAIL: it is not. Else the shortage that hides it. */
enum wsd_status shm_address_check(const struct wsd_addr *addr);
uint32_t shm_device_addresses(struct wsd_device *device, struct wsd_addr *list, uint32_t count);

#endif
