/* SPDX-License-Identifier: BSD-2-Clause */
/* internal.h - the channel object, shared by the files of provider/san only. */
#ifndef WSD_SAN_INTERNAL_H
#define WSD_SAN_INTERNAL_H

#include <stdatomic.h>

#include "provider/san/channel.h"
#include "provider/san/wire.h"
#include "provider/transport/engine.h"
#include "provider/transport/memory.h"
#include "provider/transport/path.h"
#include "provider/transport/range_tree.h"
#include "provider/transport/resume.h"
#include "rdma_backend/base/base.h"

#define WSD_SAN_MESSAGE	    16384u /* the longest message, if the device can */
#define WSD_SAN_MESSAGE_MIN 256u
#define WSD_SAN_RECV_DEPTH  64u
#define WSD_SAN_SEND_DEPTH  128u
#define WSD_SAN_MAX_SGE	    16u

/* Control work for the engine's owner. */
#define WSD_CH_CONNECT (1u << 0)
#define WSD_CH_ACCEPT  (1u << 1)
#define WSD_CH_BREAK   (1u << 2)
#define WSD_CH_DESTROY (1u << 3)

/* Memory registered on this channel. A handle is the number of a slot and its generation. */
struct wsd_registration {
	struct wsd_range
		by_right[2]; /* READ, WRITE: in the tree of the channel, if it has the right */
	struct wsd_region *region;
	uint8_t *base;
	uint32_t length;
	unsigned rights;
	unsigned references;
	unsigned busy; /* transfers that use it */
	uintptr_t handle;
	bool exposed;
};

struct wsd_memory_slot {
	struct wsd_registration *registration; /* NULL: free */
	uint32_t generation;
	uint32_t next_free; /* number + 1 */
};

/*
 * A message that comes before the first receive was posted: the device has one receive of ours from the
 * start, and the first message always lands there. So the first receive of the owner waits for it
 * beside the device, and all others go to the device.
 */
struct wsd_early {
	struct wsd_region *region; /* ends with the endpoint */
	uint32_t bytes;
	bool open; /* the first message has not been handed over */
	bool full; /* it has arrived */
	struct wsd_transfer *receive;
};

/* What a receive that the device has posted is, in wsd_recv.id. */
#define WSD_RECV_OWNER 0u
#define WSD_RECV_EARLY 1u
#define WSD_RECV_MOVE  2u

/* One end of the connection goes to another process (move.c). The channel is OPEN all the time. */
enum wsd_san_move_state {
	WSD_SAN_STAYS,
	WSD_SAN_SENT,	/* ours goes: the peer was told */
	WSD_SAN_GIVEN,	/* answered: may be exported */
	WSD_SAN_ASKED,	/* the peer's goes: the answer waits until nothing is on its way */
	WSD_SAN_WAITING /* answered: another connection has to come */
};

struct wsd_san_move {
	struct wsd_region *region;	 /* for two messages; ends with the endpoint */
	struct wsd_resume *resume;	 /* ASKED and WAITING: where we wait */
	struct wsd_resume_ticket ticket; /* GIVEN */
	struct wsd_addr target;		 /* of an imported channel that connects */
	uint64_t timeout;		 /* ns */
	bool resumes;			 /* imported, connecting to target */
	bool taking;			 /* WAITING: the endpoint is the new one */
	/* Of this connection: */
	bool told;  /* the peer's message has come: but for an answer nothing follows it */
	bool spent; /* and lies in the oldest receive of the owner, which the device has no more */
};

struct wsd_channel {
	struct wsd_event_sink sink; /* first: the endpoint's context */
	const struct wsd_channel_owner *ops;
	void *owner;
	_Atomic(struct wsd_engine *) engine;
	const struct wsd_backend_ops *backend;
	struct wsd_endpoint *endpoint;
	struct wsd_request *request;
	enum wsd_channel_state state;
	enum wsd_status error;
	uint32_t todo;
	unsigned changes;
	bool queued;  /* task is in the engine's queue */
	bool active;  /* we connected */
	bool closing; /* the owner has let go */
	bool handed;  /* and another process goes on: nothing has failed */
	bool held;
	enum wsd_san_move_state move;
	struct wsd_san_move *moving; /* made when it is needed first */
	uint64_t deadline;
	struct wsd_paths paths;
	struct wsd_addr local, remote;
	struct wsd_task task;
	struct wsd_timer timer;
	struct wsd_san_hello own, peer;
	uint32_t message; /* the longest that the peer takes */
	unsigned max_sge;
	struct wsd_early early;
	struct wsd_list rx_waiting, rx_posted;
	struct wsd_list tx; /* in call order: being carried out, then not yet posted */
	struct wsd_memory_slot *slots;
	uint32_t slot_count, slot_room, first_free;
	struct wsd_list kept; /* memory for wsd_bounce_new that is being registered */
	struct wsd_range_tree by_right[2];
};

/* channel.c */
struct wsd_channel *wsd_channel_new(const struct wsd_channel_owner *ops, void *owner);
void wsd_channel_do(struct wsd_channel *channel, uint32_t what);
/* [ownership] The connection is over: destroys the endpoint, then completes everything. */
void wsd_channel_break(struct wsd_channel *channel, enum wsd_status error);
void wsd_channel_accept(struct wsd_channel *channel, struct wsd_engine *engine,
			struct wsd_request *request);

/* [ownership] */
enum wsd_status wsd_channel_setup(struct wsd_channel *channel, struct wsd_engine *engine);
void wsd_channel_drop_endpoint(struct wsd_channel *channel);

/* move.c */
void wsd_channel_move_progress(struct wsd_channel *channel);
bool wsd_channel_move_event(struct wsd_channel *channel, const struct wsd_event *event);
bool wsd_channel_move_received(struct wsd_channel *channel, const struct wsd_event *event);
/* Has the peer begun one, or answered? Then no message of the owner may come. */
bool wsd_channel_move_told(const struct wsd_channel *channel);
void wsd_channel_move_drop(struct wsd_channel *channel); /* before the endpoint goes */
void wsd_channel_unlisten(struct wsd_channel *channel);	 /* [ownership] */
static inline bool wsd_channel_resumes(const struct wsd_channel *channel)
{
	return channel->moving && channel->moving->resumes;
}

/* transfer.c */
enum wsd_status wsd_early_begin(struct wsd_channel *channel); /* [ownership] the endpoint is new */
void wsd_rx_post(struct wsd_channel *channel);
void wsd_tx_post(struct wsd_channel *channel);
void wsd_transfer_event(struct wsd_channel *channel, const struct wsd_event *event);
void wsd_transfers_end(struct wsd_channel *channel, enum wsd_status status);

/* memory.c */
struct wsd_registration *wsd_memory_at(const struct wsd_channel *channel, const void *base,
				       uint32_t length, unsigned right);
struct wsd_registration *wsd_memory_of(const struct wsd_channel *channel, uintptr_t handle);
void wsd_memory_bind(struct wsd_channel *channel); /* what was exposed, to the new endpoint */
void wsd_memory_hide(struct wsd_channel *channel); /* what was exposed */
void wsd_memory_free(struct wsd_channel *channel);
/* Memory of our own, for the device; length > 0. WSD_EREGISTER from a device that registers in the background: the
 * next call may find it done. */
enum wsd_status wsd_bounce_new(struct wsd_channel *channel, uint32_t length, uint8_t **memory,
			       struct wsd_region **region);
void wsd_bounce_free(struct wsd_channel *channel, uint8_t *memory, uint32_t length,
		     struct wsd_region *region);

#endif
