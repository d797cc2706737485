/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * backend.h - what an RDMA device driver implements to plug into OpenWSD, and all that the provider
 * sees of it. docs/backend.md is the guide, with every operation mapped to libibverbs/librdmacm and
 * to NetworkDirect.
 *
 * Objects: a *device* is one opened adapter. A *queue* collects the completions and the connection
 * events of the connections and listeners made on it. A *connection* is a reliable, ordered message
 * channel with RDMA. A *region* is registered memory.
 *
 * Threads. The provider calls the operations of one queue that are marked [owner] from one thread at
 * a time (the thread changes). Those marked [any] are called at any time, concurrently with poll and
 * with each other, except that the provider never runs two of them on one connection at once.
 * No operation may block unless its comment says so. A backend never calls back into the provider
 * except through struct wsd_host.
 *
 * Units: bytes, nanoseconds, ports in host byte order.
 */
#ifndef OPENWSD_BACKEND_H
#define OPENWSD_BACKEND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <openwsd/status.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Any change to a structure or an operation of this header bumps it. */
#define WSD_BACKEND_ABI 3u

/* The one symbol that a module (openwsd-backend-<name>.so or .dll) exports. */
#define WSD_BACKEND_QUERY_SYMBOL "wsd_backend_query"

/* InfiniBand's connection manager carries 56, 196 and 148 bytes, of which the device takes some. */
#define WSD_REQUEST_DATA_MAX 40u  /* private data of a connection request */
#define WSD_REPLY_DATA_MAX   128u /* private data of an accept or a reject */

enum wsd_family { WSD_FAMILY_NONE = 0, WSD_FAMILY_IPV4 = 4, WSD_FAMILY_IPV6 = 6 };

/* An IP address and port without any sockaddr. IPv4 uses bytes[0..3]; the rest is zero. */
struct wsd_addr {
	uint16_t family; /* enum wsd_family */
	uint16_t port;	 /* host byte order, 0 = none */
	uint32_t scope;	 /* IPv6 scope id, else 0 */
	uint8_t bytes[16];
};

/* What a device can do. */
#define WSD_CAP_WRITE_IMM 0x0001u /* WRITE with 32-bit immediate data */
#define WSD_CAP_READ	  0x0002u /* RDMA READ */
#define WSD_CAP_ONE_SIDED 0x0004u /* WRITE/READ need no progress at the target */
#define WSD_CAP_COPY_AT_POST \
	0x0008u /* sources are copied inside post_send; their region may be NULL */
#define WSD_CAP_SHARED_RECV 0x0010u /* shared receive queues */
#define WSD_CAP_SAME_HOST   0x0020u /* reaches only processes of this host */
#define WSD_CAP_ASYNC_REG   0x0040u /* reg may answer WSD_PENDING, then WSD_EV_REG follows */
#define WSD_CAP_SOFTWARE    0x0080u /* no hardware below: comes last in the path order */

/* Rights of a region. */
#define WSD_ACCESS_LOCAL	0x0u /* source of SEND and WRITE, target of a receive */
#define WSD_ACCESS_LOCAL_WRITE	0x1u /* target of the READs posted here */
#define WSD_ACCESS_REMOTE_READ	0x2u /* the peer may READ it */
#define WSD_ACCESS_REMOTE_WRITE 0x4u /* the peer may WRITE it */

struct wsd_device_attr {
	uint32_t size;	      /* set by the caller to sizeof(struct wsd_device_attr) */
	uint32_t caps;	      /* WSD_CAP_* */
	char name[32];	      /* unique within the backend, for logs and tools */
	uint32_t max_sge;     /* elements of one work request or receive, >= 1 */
	uint32_t max_message; /* bytes of one SEND */
	uint32_t max_rdma;    /* bytes of one WRITE or READ */
	uint32_t max_send;    /* most work requests outstanding on one connection */
	uint32_t max_recv;    /* most receives posted on one connection */
	uint32_t max_read;    /* most READs outstanding on one connection */
	uint32_t max_inline;  /* bytes that SEND and WRITE copy at post without a region */
	uint32_t hint_zcopy;  /* smallest transfer for which rendezvous pays; UINT32_MAX = never */
	uint32_t hint_ring;   /* good size of a stream's ring, a power of two */
	uint32_t hint_read;   /* most bytes for which one READ pays; 0: as many as it may have */
	uint32_t cost_poll;   /* 0: poll stays in user space; 1: it is a system call */
	uint32_t cost_post;   /* the same for one post list */
	uint64_t
		speed; /* bytes per second of the link; 0: unknown, then no rate is promised on it */
};

struct wsd_device; /* opaque objects of the backend */
struct wsd_queue;
struct wsd_listener_ep;
struct wsd_endpoint; /* one connection */
struct wsd_request;  /* one incoming connection request, until accepted or rejected */

/* Registered memory. The backend embeds it first in its own structure; the provider reads it. */
struct wsd_region {
	void *base;
	uint64_t length;
	uint64_t remote_addr; /* what the peer puts in struct wsd_work.remote_addr for base */
	uint32_t remote_key;  /* and in .remote_key; 0 is never valid */
	uint32_t access;      /* WSD_ACCESS_* */
};

struct wsd_sge {
	void *addr;
	uint32_t length;
	struct wsd_region *region; /* may be NULL: COPY_AT_POST, or inline */
};

enum wsd_work_op { WSD_OP_SEND, WSD_OP_WRITE, WSD_OP_WRITE_IMM, WSD_OP_READ };

#define WSD_WORK_SIGNALLED 0x1u /* an event for success too; failures always give one */
#define WSD_WORK_INLINE	   0x2u /* at most max_inline bytes, no READ; sources free after post */
#define WSD_WORK_FENCE	   0x4u /* not before the READs posted earlier have completed */
#define WSD_WORK_STABLE	   0x8u /* sources stay as they are until the event: a hint for COPY_AT_POST */

/* One send-side work request. Owned by the caller; not referenced after post_send returns. */
struct wsd_work {
	struct wsd_work *next;
	uint64_t id; /* given back in the event */
	enum wsd_work_op op;
	uint32_t flags;
	uint32_t imm;
	uint32_t sge_count; /* 0 = no payload */
	const struct wsd_sge *sge;
	uint64_t remote_addr;
	uint32_t remote_key;
};

/* One posted receive: one contiguous buffer. A WRITE_IMM consumes one and leaves it untouched. */
struct wsd_recv {
	struct wsd_recv *next;
	uint64_t id;
	struct wsd_sge sge;
};

enum wsd_event_type {
	WSD_EV_SEND = 1,       /* a SEND, WRITE, WRITE_IMM or READ finished: id, status */
	WSD_EV_RECV,	       /* a message arrived: id, status, bytes */
	WSD_EV_RECV_IMM,       /* a WRITE_IMM arrived: id, imm, bytes written */
	WSD_EV_REG,	       /* asynchronous registration finished: id, status */
	WSD_EV_REQUEST,	       /* on a listener: request, remote, local, data */
	WSD_EV_REQUEST_GONE,   /* on a listener: the requester gave up; reject(request) frees it */
	WSD_EV_CONNECTED,      /* both directions are open; active side: data = the accept's */
	WSD_EV_CONNECT_FAILED, /* status; WSD_EREFUSED: data = the reject's */
	WSD_EV_DISCONNECTED, /* status: WSD_OK = the peer disconnected, else why. After every WSD_EV_RECV
				* that arrived before it. Posted work may or may not be flushed */
	WSD_EV_DEVICE_GONE /* context of the queue: every object on it is dead, destroy them */
};

struct wsd_event {
	enum wsd_event_type type;
	enum wsd_status status;
	void *context; /* of the endpoint, the listener or the queue */
	uint64_t id;
	uint32_t bytes;
	uint32_t imm;
	struct wsd_request *request;
	const void *data; /* private data, valid until the next poll */
	uint32_t data_length;
	struct wsd_addr local, remote; /* REQUEST: the application's addresses. CONNECTED: local */
};

/* What the provider offers to backends. Every entry is set. All may be called from any thread. */
struct wsd_host {
	uint32_t size;
	uint32_t abi;
	/* level: 0 error 1 warning 2 notice 3 info 4 debug. Never called with user data. */
	void (*log)(int level, const char *topic, const char *format, ...)
#if defined(__GNUC__) && !defined(_WIN32)
		__attribute__((format(printf, 3, 4)))
#endif
		;
	uint64_t (*now)(void); /* monotonic nanoseconds */
	void *(*alloc)(
		size_t size);	    /* zeroed, NULL when out of memory (tests make any call fail) */
	void (*free)(void *memory); /* NULL allowed */
	/* WSD_<BACKEND>_<NAME> from openwsd.conf or the environment, checked against [min, max]. */
	uint64_t (*param_uint)(const char *backend, const char *name, uint64_t standard,
			       uint64_t min, uint64_t max);
	const char *(*param_text)(const char *backend, const char *name, const char *standard);
	/* Find or make a named counter, an address for relaxed atomic additions. Never NULL. */
	uint64_t *(*counter)(const char *backend, const char *name, const char *help);
	/* Cryptographically strong bytes. */
	void (*random)(void *bytes, size_t length);
	/* For backends with threads of their own: make the owner of this queue poll soon. */
	void (*wake)(void *queue_context);
	/*
	 * On POSIX: the child of a fork closes its copy of this descriptor (keep), which would hold the device's
	 * objects open after the end of the parent; false before it is closed here. It does not
	 * touch the backend's objects otherwise: they are the parent's.
	 */
	void (*child_closes)(intptr_t descriptor, bool keep);
};

/* What a queue waits on when nobody polls: a descriptor on POSIX, a HANDLE on Windows. */
typedef intptr_t wsd_wait_object;

struct wsd_endpoint_attr {
	uint32_t size;
	uint32_t send_depth; /* work requests outstanding at most */
	uint32_t recv_depth; /* receives posted at most */
	uint32_t recv_bytes; /* size of each receive buffer, at most max_message */
	uint32_t max_send_sge;
	uint32_t traffic_class; /* IP type of service, 0 = default */
};

/*
 * The operations. An entry that is NULL in a backend's table is replaced when it is loaded by a
 * filler that returns WSD_EUNSUPPORTED; callers never test for NULL. Entries marked * must be set.
 */
struct wsd_backend_ops {
	uint32_t size;		 /* sizeof(struct wsd_backend_ops) */
	uint32_t abi;		 /* WSD_BACKEND_ABI */
	const char *name;	 /* [a-z0-9]{1,15} */
	const char *description; /* one line */

	/*
	 * * Open device number index (0, 1, ...); fill attr. May block for device discovery.
	 * WSD_NOTFOUND: no such number, the enumeration ends. WSD_ENODEVICE, WSD_EDEVICE,
	 * WSD_EACCESS: this one cannot be used; the host logs it, with what the backend logged.
	 */
	enum wsd_status (*open)(const struct wsd_host *host, uint32_t index,
				struct wsd_device **device, struct wsd_device_attr *attr);
	/* * All objects of the device have been destroyed. */
	void (*close)(struct wsd_device *device);
	/* * [any] Local addresses served, at most count of them; returns how many there are. */
	uint32_t (*addresses)(struct wsd_device *device, struct wsd_addr *list, uint32_t count);
	/* * [any] Could remote be reached from local (family NONE = any)? WSD_OK = worth trying,
	 * WSD_EUNREACHABLE. Must not talk to the network nor block. */
	enum wsd_status (*reachable)(struct wsd_device *device, const struct wsd_addr *local,
				     const struct wsd_addr *remote);

	/* * Queue. depth = most completions outstanding. context comes back in WSD_EV_DEVICE_GONE and
	 * goes into host->wake. */
	enum wsd_status (*queue_create)(struct wsd_device *device, uint32_t depth, void *context,
					struct wsd_queue **queue);
	/* * Its endpoints, listeners and regions have been destroyed. */
	void (*queue_destroy)(struct wsd_queue *queue);
	/* * [owner] Collect at most count events, never blocks. Order is kept per connection. The
	 * cost grows with what is ready, not with what is open. */
	uint32_t (*poll)(struct wsd_queue *queue, struct wsd_event *events, uint32_t count);
	/* * [owner] Make the wait object become ready at the next event. WSD_AGAIN: something came in
	 * meanwhile, poll again. Stays armed until the wait object fired or disarm. */
	enum wsd_status (*arm)(struct wsd_queue *queue);
	/* * [owner] Undo arm and take back everything the wait object collected. */
	void (*disarm)(struct wsd_queue *queue);
	/* * [any] Constant for the life of the queue. */
	wsd_wait_object (*wait_object)(struct wsd_queue *queue);
	/* [any] The backend's own clock, for backends with virtual time. Filler: host->now. */
	uint64_t (*clock)(struct wsd_queue *queue);
	/* [owner] Is anything that was destroyed still being taken down? As long as it is, the provider
	 * polls or waits armed, though it may have nothing left on the queue. Filler: false. */
	bool (*busy)(struct wsd_queue *queue);

	/*
	 * * [any] Register memory of the caller; it stays the caller's, mapped until dereg.
	 * WSD_ENOMEM, WSD_EMEMLOCK (limit of locked memory), WSD_EREGISTER (limit of the device), WSD_EINVAL
	 * (rights, length 0).
	 * WSD_PENDING only with WSD_CAP_ASYNC_REG: WSD_EV_REG with id follows, *region is set now.
	 */
	enum wsd_status (*reg)(struct wsd_queue *queue, void *base, uint64_t length,
			       uint32_t access, uint64_t id, struct wsd_region **region);
	/* * [any] After return the peer can no longer reach the memory, even by work in flight. May
	 * block until running accesses to this region have finished (bounded by one copy). */
	void (*dereg)(struct wsd_region *region);
	/*
	 * [any] From now on only the peer of this connection reaches this region of reg, as if it came from
	 * mem_alloc; when the connection is destroyed, nobody does. Called once, before the key is told to
	 * anybody. Filler: nothing, for a device whose keys hold for all of its connections.
	 */
	void (*bind)(struct wsd_region *region, struct wsd_endpoint *endpoint);
	/*
	 * * [any] Memory that the peer of this connection can reach directly and fast; zeroed; page
	 * aligned, without remote rights only to 64 bytes. Given back with mem_free, at the latest
	 * before endpoint_destroy.
	 */
	enum wsd_status (*mem_alloc)(struct wsd_endpoint *endpoint, uint64_t length,
				     uint32_t access, struct wsd_region **region);
	/* * [any] As dereg, of a region of mem_alloc. */
	void (*mem_free)(struct wsd_region *region);

	/*
	 * * [owner] Listen on a local address (bytes all zero = every address of the device). The port
	 * is given, never chosen here, and already arbitrated by the caller. backlog bounds the requests
	 * that were reported and neither accepted nor rejected yet; more are refused by the backend.
	 * WSD_EADDRINUSE, WSD_EADDRNOTAVAIL, WSD_ENOFILES.
	 */
	enum wsd_status (*listen)(struct wsd_queue *queue, const struct wsd_addr *local,
				  uint32_t backlog, void *context,
				  struct wsd_listener_ep **listener);
	/* * [owner] Connectors whose requests are pending hear WSD_ENOLISTENER, as nobody has decided about them; their
	 * struct wsd_request die with the listener. */
	void (*listener_destroy)(struct wsd_listener_ep *listener);

	/* * [owner] Make a connection object: active when request is NULL, else for that request (which
	 * stays valid until accept or reject). Receives can be posted from now on. */
	enum wsd_status (*endpoint_create)(struct wsd_queue *queue, struct wsd_request *request,
					   const struct wsd_endpoint_attr *attr, void *context,
					   struct wsd_endpoint **endpoint);
	/* * [owner] No event of it comes after return; posted work is dropped without events; memory of
	 * mem_alloc is gone. An open connection is cut, the peer sees WSD_EV_DISCONNECTED. */
	void (*endpoint_destroy)(struct wsd_endpoint *endpoint);
	/* * [owner] Start connecting; WSD_EV_CONNECTED or WSD_EV_CONNECT_FAILED follows within timeout.
	 * data_length <= WSD_REQUEST_DATA_MAX. A failure returned here gives no event. WSD_EADDRINUSE: the
	 * device has given local's port to somebody else. */
	enum wsd_status (*connect)(struct wsd_endpoint *endpoint, const struct wsd_addr *local,
				   const struct wsd_addr *remote, const void *data,
				   uint32_t data_length, uint64_t timeout);
	/* * [owner] Accept the request of this endpoint; WSD_EV_CONNECTED follows, or
	 * WSD_EV_CONNECT_FAILED. The connecting side speaks first: nothing may be posted for sending
	 * before that. Consumes the request, also on failure: the connector's WSD_EV_CONNECT_FAILED has the
	 * same status then where it can, else WSD_ERESET, or WSD_EREFUSED without data. */
	enum wsd_status (*accept)(struct wsd_endpoint *endpoint, const void *data,
				  uint32_t data_length);
	/* * [owner] Refuse; the connector's WSD_EV_CONNECT_FAILED has WSD_EREFUSED and the data. */
	void (*reject)(struct wsd_request *request, const void *data, uint32_t data_length);
	/* * [owner] Work posted before is carried out first; then both sides get
	 * WSD_EV_DISCONNECTED. No other work completes after it. */
	enum wsd_status (*disconnect)(struct wsd_endpoint *endpoint);
	/*
	 * [any] The packets of this connection have another IP type of service from now on, or from when it is
	 * made, also 0. Nothing is answered: more than 255, or after the end of the connection, does nothing.
	 * A device that cannot mark a connection anew goes by what was said before connect or accept.
	 * Filler: nothing, for a device whose connections keep what they began with.
	 */
	void (*set_traffic_class)(struct wsd_endpoint *endpoint, uint32_t traffic_class);
	/*
	 * [any] The packets of this connection pass so many routers at most from now on, or from when it is made; 0:
	 * as the system likes. Nothing is answered: more than 255, or after the end of the connection, does nothing.
	 * Filler: nothing.
	 */
	void (*set_hops)(struct wsd_endpoint *endpoint, uint32_t hops);

	/*
	 * * [any] Post a list; *posted = how many were taken, always a prefix. WSD_AGAIN: the queue is
	 * full, the rest later. WSD_ESTATE: not connected. WSD_EINVAL: a request is malformed (sizes,
	 * sge_count, unsupported operation): it and what follows were not taken. One doorbell a list.
	 * Errors found by the target (key, rights, range) arrive as WSD_EV_SEND with
	 * WSD_EREMOTE_ACCESS and break the connection, on both sides.
	 */
	enum wsd_status (*post_send)(struct wsd_endpoint *endpoint, const struct wsd_work *list,
				     uint32_t *posted);
	/* * [any] The same for receives; WSD_AGAIN: recv_depth are posted. */
	enum wsd_status (*post_recv)(struct wsd_endpoint *endpoint, const struct wsd_recv *list,
				     uint32_t *posted);
};

/*
 * Exported by a module: return the table, or NULL when host->abi or host->size does not suit it
 * (say so through host->log if host->size covers it). abi is the host's WSD_BACKEND_ABI.
 */
typedef const struct wsd_backend_ops *(*wsd_backend_query_fn)(uint32_t abi,
							      const struct wsd_host *host);

#ifdef __cplusplus
}
#endif
#endif
