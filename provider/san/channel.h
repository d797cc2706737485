/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * channel.h - mode S: one message channel with registered memory and RDMA over one backend connection.
 * One send is one message, and one message takes exactly one posted receive, in order.
 *
 * A channel has no lock of its own: it is protected by its owner's lock (the socket's). Every function
 * marked [lock] is called with it held. The channel calls the owner back (struct wsd_channel_owner)
 * with the lock held; the owner must not block nor call out in there. Control work for the device is
 * queued as tasks: after unlocking, kick the engine.
 *
 * Memory of a transfer belongs to the channel until it is done. A channel that ends destroys its
 * endpoint first and completes what was posted then, so no device touches memory of a completed
 * transfer.
 */
#ifndef WSD_SAN_CHANNEL_H
#define WSD_SAN_CHANNEL_H

#include <openwsd/backend.h>

#include "rdma_backend/base/list.h"

struct wsd_engine;
struct wsd_channel;
struct wsd_acceptor;
struct wsd_registration;

/* What changed, for owner->changed; the state functions tell the truth. */
#define WSD_CHANNEL_CONNECTED 0x01u /* or failed */
#define WSD_CHANNEL_BROKEN    0x02u
#define WSD_CHANNEL_MOVED     0x08u /* a hand-over has come further */
#define WSD_CHANNEL_DEAD      0x04u /* last call: the owner may free it */

enum wsd_transfer_kind {
	WSD_TRANSFER_RECV,
	WSD_TRANSFER_SEND,
	WSD_TRANSFER_WRITE,
	WSD_TRANSFER_READ
};

#define WSD_TRANSFER_INLINE 4u
#define WSD_TRANSFER_BUFFERS \
	64u /* of one call: its pieces fit in any send queue, one after the other */

/* One operation on memory. Embedded in the owner's operation; zeroed before it is posted. */
struct wsd_transfer {
	struct wsd_list link;
	enum wsd_transfer_kind kind;
	enum wsd_status status; /* WSD_PENDING until done */
	uint32_t bytes;		/* of the result */
	uint32_t total;
	unsigned count; /* elements */
	unsigned next;	/* element to be posted */
	unsigned pieces, finished;
	uint64_t remote_addr;
	uint32_t remote_key;
	struct wsd_sge *sge;
	struct wsd_registration **held; /* of each element; NULL: bounced or empty */
	uint8_t *bounce; /* one buffer for what the device cannot gather or scatter */
	struct wsd_region *bounce_region;
	struct wsd_sge inline_sge[WSD_TRANSFER_INLINE];
	struct wsd_registration *inline_held[WSD_TRANSFER_INLINE];
};

struct wsd_channel_owner {
	void (*lock)(void *owner);
	/* engine is NULL, or the engine owned by the caller: then use wsd_engine_defer for upcalls. */
	void (*unlock)(void *owner, struct wsd_engine *engine);
	void (*changed)(void *owner, unsigned changes);		  /* lock held */
	void (*done)(void *owner, struct wsd_transfer *transfer); /* lock held */
};

enum wsd_channel_state {
	WSD_CHANNEL_CONNECTING, /* also: accepted, the handshake still runs */
	WSD_CHANNEL_OPEN,
	WSD_CHANNEL_FAILED, /* connect failed; may be freed */
	WSD_CHANNEL_LOST,   /* broken: nothing is outstanding any more */
	WSD_CHANNEL_ENDED
};

/* Private data of the application that fits beside our own. */
#define WSD_CALLER_DATA_MAX 20u
#define WSD_CALLEE_DATA_MAX 108u

struct wsd_channel_options {
	uint64_t connect_timeout; /* ns */
	const void *data;	  /* for the condition function of the peer */
	uint32_t data_length;	  /* <= WSD_CALLER_DATA_MAX */
};

/* [lock] Active open over the paths to remote. WSD_PENDING: changed(CONNECTED) tells. Failure: WSD_ENOMEM,
 * WSD_EUNREACHABLE and others of no path. */
enum wsd_status wsd_channel_connect(struct wsd_channel **channel,
				    const struct wsd_channel_owner *ops, void *owner,
				    const struct wsd_addr *local, const struct wsd_addr *remote,
				    const struct wsd_channel_options *options);
enum wsd_channel_state wsd_channel_state(const struct wsd_channel *channel); /* [lock] */
enum wsd_status wsd_channel_error(const struct wsd_channel *channel);	     /* [lock] */
struct wsd_engine *wsd_channel_engine(const struct wsd_channel *channel);    /* [any] */
void wsd_channel_addresses(const struct wsd_channel *channel, struct wsd_addr *local,
			   struct wsd_addr *remote); /* [lock] */
/* [lock] Why each path that was tried was not taken; NULL: nothing to tell. */
const char *wsd_channel_reasons(const struct wsd_channel *channel);
char *wsd_channel_take_reasons(struct wsd_channel *channel); /* the caller's now, for wsd_free */
/* [lock] What the acceptor's condition function answered. */
const void *wsd_channel_peer_data(const struct wsd_channel *channel, uint32_t *length);
/* [lock] Everything that is outstanding is done with WSD_ECANCELLED, then DEAD follows, exactly once. */
void wsd_channel_close(struct wsd_channel *channel);
void wsd_channel_free(struct wsd_channel *channel); /* after DEAD or FAILED; NULL allowed */

/*
 * Hand-over to another process. The old owner suspends, exports when CHANNEL_MOVED says so, and hands off; the
 * new one imports, and goes on when CHANNEL_CONNECTED says so.
 */
struct wsd_channel_image { /* the same in processes of 32 and of 64 bits */
	struct wsd_addr local, remote;
	uint32_t port;
	uint8_t secret[16];
	char path[56];
};
/* [lock] WSD_PENDING. WSD_AGAIN: the peer's end is moving just now. WSD_EBUSY: something is being sent.
 * WSD_EUNSUPPORTED: the peer cannot. WSD_ESTATE: not open. Others of the device. */
enum wsd_status wsd_channel_suspend(struct wsd_channel *channel);
bool wsd_channel_suspended(const struct wsd_channel *channel); /* [lock] it may be exported */
void wsd_channel_export(const struct wsd_channel *channel,
			struct wsd_channel_image *image); /* [lock] */
/* [lock] As close, but what was received into is done well, with 0 bytes. */
void wsd_channel_hand_off(struct wsd_channel *channel);
/* [lock] WSD_PENDING: CHANNEL_CONNECTED follows, and it is OPEN or FAILED. WSD_EINVAL (the image),
 * WSD_EUNREACHABLE (no such device here), WSD_ENOMEM. */
enum wsd_status wsd_channel_import(struct wsd_channel **channel,
				   const struct wsd_channel_owner *ops, void *owner,
				   const struct wsd_channel_image *image);

/* What may be sent at once: on this channel [lock], or, NULL, on every device. */
struct wsd_channel_limits {
	uint32_t message, rdma, threshold;
	bool read;
};
void wsd_channel_limits(const struct wsd_channel *channel, struct wsd_channel_limits *limits);

/* One buffer of a call. */
struct wsd_san_buffer {
	void *base;
	uint32_t length;
	uintptr_t handle; /* RDMA only */
};

/*
 * [lock] All four: WSD_PENDING, then owner->done(transfer), perhaps before return. Else nothing was
 * started: WSD_ESTATE (not connected), the error of a broken channel, WSD_NOTFOUND (memory that is not
 * registered with this right), WSD_ETOOBIG, WSD_EINVAL (descriptor), WSD_EUNSUPPORTED, WSD_ENOMEM.
 */
enum wsd_status wsd_channel_recv(struct wsd_channel *channel, struct wsd_transfer *transfer,
				 const struct wsd_san_buffer *buffers, unsigned count);
enum wsd_status wsd_channel_send(struct wsd_channel *channel, struct wsd_transfer *transfer,
				 const struct wsd_san_buffer *buffers, unsigned count);
/* WRITE to, or READ from, the peer's memory of this descriptor. */
enum wsd_status wsd_channel_rdma(struct wsd_channel *channel, struct wsd_transfer *transfer,
				 enum wsd_transfer_kind kind, const struct wsd_san_buffer *buffers,
				 unsigned count, const uint8_t *descriptor,
				 uint32_t descriptor_length, uint32_t offset);

/* --- registered memory: memory.c --- */

#define WSD_MEMORY_READ	     0x1u
#define WSD_MEMORY_WRITE     0x2u
#define WSD_DESCRIPTOR_BYTES 32u

/* [lock] The same memory with the same rights gets the same handle again, counted. WSD_ESTATE,
 * WSD_NOTFOUND (no memory of this process), WSD_ENOMEM, WSD_EREGISTER. */
enum wsd_status wsd_memory_register(struct wsd_channel *channel, void *base, uint32_t length,
				    unsigned rights, uintptr_t *handle);
/* [lock] WSD_EINVAL: unknown, or used by a transfer. */
enum wsd_status wsd_memory_deregister(struct wsd_channel *channel, uintptr_t handle);
/* [lock] Memory that the peer may READ and WRITE; the descriptor is for him. */
enum wsd_status wsd_memory_expose(struct wsd_channel *channel, void *base, uint32_t length,
				  unsigned rights, uint8_t *descriptor);
/* [lock] When it returns WSD_OK, the peer cannot reach the memory any more. */
enum wsd_status wsd_memory_unexpose(struct wsd_channel *channel, const uint8_t *descriptor,
				    uint32_t length);
/* [no lock] The range is going to be unmapped: WSD_OK, WSD_NOTFOUND (not cached), WSD_EBUSY. */
enum wsd_status wsd_memory_forget(void *base, uint64_t length);

/* --- listening: acceptor.c. It has the owner's lock too. --- */

struct wsd_acceptor_owner {
	void (*lock)(void *owner);
	void (*unlock)(void *owner, struct wsd_engine *engine);
	void (*arrived)(void *owner); /* lock held */
	void (*gone)(void *owner);    /* lock held: after close, last call; free it */
};

struct wsd_caller {
	struct wsd_addr local, remote;
	const void *data; /* valid while the request is the oldest; NULL: none */
	uint32_t data_length;
};

/* [no lock, may wait for the engines] As wsd_listen_open. */
enum wsd_status wsd_acceptor_open(struct wsd_acceptor **acceptor,
				  const struct wsd_acceptor_owner *ops, void *owner,
				  const struct wsd_addr *local, unsigned backlog);
void wsd_acceptor_set_backlog(struct wsd_acceptor *acceptor, unsigned backlog); /* [lock] */
/* [lock] The names of the paths on which it listens, with commas between them. */
void wsd_acceptor_paths(const struct wsd_acceptor *acceptor, char *text, size_t size);
unsigned wsd_acceptor_pending(const struct wsd_acceptor *acceptor); /* [lock] */
/* [lock] The oldest request. WSD_AGAIN: none; WSD_ERESET: withdrawn (take it away by reject). */
enum wsd_status wsd_acceptor_peek(struct wsd_acceptor *acceptor, struct wsd_caller *caller);
/* [lock] Accept the oldest, with data for the connector; the channel is CONNECTING and the new owner's.
 * WSD_ENOFILES: it stays. WSD_ERESET: it was withdrawn, and is taken away. */
enum wsd_status wsd_acceptor_accept(struct wsd_acceptor *acceptor,
				    const struct wsd_channel_owner *ops, void *new_owner,
				    const void *data, uint32_t data_length,
				    struct wsd_channel **channel);
void wsd_acceptor_reject(struct wsd_acceptor *acceptor); /* [lock] the oldest */
void wsd_acceptor_close(struct wsd_acceptor *acceptor);	 /* [lock] refuses what is pending */
void wsd_acceptor_free(struct wsd_acceptor *acceptor);	 /* [no lock] after gone */

#endif
