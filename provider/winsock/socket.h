/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * socket.h - struct wsd_socket, shared by the files of provider/winsock. A socket of mode D has a stream or
 * a listener, one of mode S a channel or an acceptor; the rest serves both.
 *
 * Locks: wsd_socket.lock has rank 30. Two are held together only in accept, listener first. No
 * upcall, no completion routine and no wait happens with it held: what has to be told is collected,
 * and told by wsd_socket_leave (application threads) or by the deferred work of the engine's owner.
 * wsd_socket.tell, taken before it, is held while a window is told: its messages stay in order, and close
 * waits for the last. No other upcall may happen so: posting a message calls nobody back.
 *
 * References. `refs` keeps the object: one for the handle, one for each of stream, listener,
 * deferred work, operation and blocked caller. `handle_refs` keeps the host's handle open: one
 * until close and one for every indication that is still to be made, so that WPUCloseSocketHandle
 * is the last upcall.
 */
#ifndef WSD_WINSOCK_SOCKET_H
#define WSD_WINSOCK_SOCKET_H

#include "provider/san/channel.h"
#include "provider/session/stream.h"
#include "provider/transport/engine.h"
#include "provider/winsock/err_map.h"
#include "provider/winsock/event.h"
#include "provider/winsock/op.h"
#include "provider/winsock/port.h"
#include "provider/winsock/provider.h"

enum wsd_socket_state {
	WSD_SOCK_NEW,
	WSD_SOCK_BOUND,
	WSD_SOCK_LISTENING,
	WSD_SOCK_CONNECTING, /* also: accepted, the handshake still runs */
	WSD_SOCK_CONNECTED,
	WSD_SOCK_BROKEN, /* was connected */
	WSD_SOCK_CLOSED,
	WSD_SOCK_STATES
};

enum wsd_socket_event {
	WSD_SOCK_ON_BIND,
	WSD_SOCK_ON_LISTEN,
	WSD_SOCK_ON_CONNECT,
	WSD_SOCK_ON_ESTABLISHED,
	WSD_SOCK_ON_FAILED, /* a connect; it may be tried again */
	WSD_SOCK_ON_BROKEN,
	WSD_SOCK_ON_REUSE, /* DisconnectEx */
	WSD_SOCK_ON_GIVEN, /* mode S: another process has it now */
	WSD_SOCK_ON_CLOSE,
	WSD_SOCK_EVENTS
};

/* Queues of operations, each in posting order. */
enum wsd_queue_id {
	WSD_Q_SEND,
	WSD_Q_RECV,
	WSD_Q_URGENT,
	WSD_Q_ACCEPT,
	WSD_Q_CONTROL,
	WSD_Q_COUNT
};

/* Interests of waiters, and work for wsd_socket_settle, beside WSD_CHANGE_*. */
#define WSD_CHANGE_ARRIVED 0x1000u
#define WSD_CHANGE_OP	   0x2000u  /* an operation finished */
#define WSD_CHANGE_CLOSED  0x4000u  /* wakes every waiter */
#define WSD_CHANGE_GONE	   0x8000u  /* the listener has ended */
#define WSD_CHANGE_SEAT	   0x20000u /* a shared socket came back */
#define WSD_CHANGE_LOOK	   0x10000u /* look at the level-triggered events again */
#define WSD_CHANGE_IO                                                                           \
	(WSD_CHANGE_CONNECTED | WSD_CHANGE_READABLE | WSD_CHANGE_WRITABLE | WSD_CHANGE_DIRECT | \
	 WSD_CHANGE_FLUSHED | WSD_CHANGE_URGENT | WSD_CHANGE_MOVED)

struct wsd_waiter {
	atomic_bool signalled;
	bool cancelled; /* by WSPCancelBlockingCall, in the same thread */
	struct wsd_waker *waker;
};

struct wsd_wait_node {
	struct wsd_list link;
	struct wsd_waiter *waiter;
	unsigned interest;
};

struct wsd_socket_options {
	bool debug, reuse, exclusive, keepalive, dontroute, broadcast, oob_inline, linger_on;
	bool conditional, nodelay, expedited, v6only;
	uint16_t linger_seconds;
	bool receive_buffer_set; /* else the ring grows with use, as far as the device likes */
	uint32_t receive_buffer, send_buffer, receive_timeout, send_timeout;
	uint32_t keep_idle, keep_interval, keep_count; /* ms, ms, probes */
	uint32_t zcopy_min;
	int group_priority;
	struct wsd_qos qos;    /* what this side asked for last */
	uint8_t traffic_class; /* IP_TOS, IPV6_TCLASS */
	uint8_t hops;	       /* IP_TTL, IPV6_UNICAST_HOPS; 0: the system's */
};

#define WSD_ZOMBIES 4u

struct wsd_share;

struct wsd_socket {
	struct wsd_mutex lock; /* lives as long as the memory */
	struct wsd_mutex tell; /* likewise */
	DWORD_PTR context;     /* likewise */
	uint32_t life;	       /* likewise: how often it was used */
	struct wsd_socket *next_free;

	/* From here on: one life. */
	atomic_uint refs;
	atomic_uint handle_refs;
	atomic_uint result_waiters;
	SOCKET handle;	/* the host's; in mode S not what the caller has */
	unsigned mode;	/* WSD_MODE_* */
	unsigned start; /* see wsd_provider_start: WSPCleanup shuts its own sockets */
	DWORD catalog_id;
	enum wsd_socket_state state;
	uint16_t family; /* enum wsd_family; as the program sees it, local and remote may be IPv4 */
	atomic_bool quiet; /* WSPCleanup: no indications any more */
	bool closed, nonblocking, overlapped, accepted, reserved, reused, deciding;
	bool bound; /* by the program, which knows its port */
	bool in_settle, deferred_queued, kick_all;
	bool send_shut, receive_shut, connect_failed, connect_told;
	bool qos_news;	     /* the agreement changed, and nobody has looked since */
	bool accept_context; /* AcceptEx without SO_UPDATE_ACCEPT_CONTEXT yet: no difference here */
	int error;	     /* SO_ERROR */
	int broken_error;    /* why BROKEN */
	int connect_error;   /* last result of connecting */
	unsigned changes;    /* seen, not settled */
	unsigned backlog;
	uint64_t connected_at, moved_at; /* into its state */
	uint32_t roster_slot;		 /* see roster.h; 0: none */
	bool roster_news;		 /* what it tells has changed */
	bool unlisted;			 /* it would have one, but there was none left */
	struct wsd_addr local, remote;
	struct wsd_port *port;
	struct wsd_socket_options options;
	struct wsd_stream *stream;
	char *reasons; /* of the last stream that ended, see wsd_stream_reasons */
	struct wsd_listener *listener, *dead_listener;
	struct wsd_stream *zombies[WSD_ZOMBIES];
	unsigned zombie_count;
	struct wsd_channel *channel, *dead_channel;
	struct wsd_acceptor *acceptor, *dead_acceptor;
	LPWSABUF callee_data; /* of a connect that waits for its answer */
	struct wsd_fd_record fd;
	unsigned net_watch, net_changed; /* WSD_NET_*: asked for; happened and not recorded yet */
	struct wsd_list queues[WSD_Q_COUNT];
	struct wsd_list finished;	      /* to be delivered */
	struct wsd_list pool;		      /* unused operations */
	struct wsd_list parked;		      /* AcceptEx operations that wait in another socket */
	struct wsd_list waiters, own_waiters; /* own: our thread, see share.h */
	struct wsd_share *share;	      /* NULL: no other process has this socket */
	bool away;			      /* and another one uses it, or is about to */
	struct wsd_socket *to_settle, *next_settle; /* accepted ones, to be settled after unlock */
	struct wsd_op *fill;			    /* a transmission that wants its file read */
	unsigned pool_count, op_count;
	uint32_t appetite; /* bytes of the last nonblocking receive: what one who waits may want */
	struct wsd_deferred deferred;
};

extern const struct wsd_stream_owner wsd_socket_stream_owner;
extern const struct wsd_listener_owner wsd_socket_listener_owner;
extern const struct wsd_channel_owner wsd_socket_channel_owner;
extern const struct wsd_acceptor_owner wsd_socket_acceptor_owner;

/* Does it speak IPv4 as well, to addresses that its program writes ::ffff:a.b.c.d? */
static inline bool wsd_socket_is_dual(const struct wsd_socket *sock)
{
	return sock->family == WSD_FAMILY_IPV6 && !sock->options.v6only;
}

/* The socket of a descriptor, locked; NULL with *error. */
struct wsd_socket *wsd_socket_find(unsigned mode, SOCKET s, LPINT error);
/* The same in mode D; of a shared socket when it is this process's turn, however long that takes. */
struct wsd_socket *wsd_socket_enter(SOCKET s, LPINT error);
static inline struct wsd_socket *wsd_san_enter(SOCKET s, LPINT error)
{
	return wsd_socket_find(WSD_MODE_SAN, s, error);
}
/* What the caller has: the host's handle, or in mode S a number of ours. */
SOCKET wsd_socket_descriptor(const struct wsd_socket *sock);
struct wsd_engine *wsd_socket_engine(const struct wsd_socket *sock); /* [lock] NULL: none yet */
/* Settle, unlock, tell what has to be told, let the engine run what was queued. */
void wsd_socket_leave(struct wsd_socket *sock);
/* leave, then return SOCKET_ERROR with *out = error, or 0 when error is 0. */
int wsd_socket_return(struct wsd_socket *sock, int error, LPINT out);
/* SOCKET_ERROR, with *out = error. */
static inline int wsd_failed(int error, LPINT out)
{
	if (out != NULL)
		*out = error;
	return SOCKET_ERROR;
}

/* [lock of its listener] */
void wsd_socket_lock_child(struct wsd_socket *child);

/* A new socket with a handle of the host, not locked; its family and options are set. Referenced:
 * WSPCleanup may close it before the caller has looked at it. */
struct wsd_socket *wsd_socket_new(unsigned mode, uint16_t family, DWORD catalog_id, bool overlapped,
				  int *error);
void wsd_socket_discard(struct wsd_socket *sock); /* close one that never got anywhere */
void wsd_socket_ref(struct wsd_socket *sock);
void wsd_socket_unref(struct wsd_socket *sock);
void wsd_handle_ref(struct wsd_socket *sock);
void wsd_handle_unref(struct wsd_socket *sock); /* [no lock] */

/* [lock] The only writer of state. False: the table does not allow it, nothing changed. */
bool wsd_socket_move(struct wsd_socket *sock, enum wsd_socket_event event);
bool wsd_socket_next_state(enum wsd_socket_state state, enum wsd_socket_event event,
			   enum wsd_socket_state *next); /* the table, for its test */
/* [lock] Handle what changed: operations, events, waiters. */
void wsd_socket_settle(struct wsd_socket *sock);
/* [lock] Let go of the stream that is attached; it may be told to die in the background. */
void wsd_socket_drop_stream(struct wsd_socket *sock);
/* [lock] Why each path that was tried was not taken; NULL: nothing to tell. */
const char *wsd_socket_reasons(const struct wsd_socket *sock);
/* [lock] For the above, once there is no stream to ask. Frees what was kept before. */
void wsd_socket_keep_reasons(struct wsd_socket *sock, char *reasons);
/* [lock] Attach options to the stream. */
void wsd_socket_apply_options(struct wsd_socket *sock);
void wsd_socket_tune(struct wsd_socket *sock); /* only how it moves data */
/* [lock] The connection is over with this status; keeps the first reason. */
void wsd_socket_broken(struct wsd_socket *sock, enum wsd_status status);
/* [lock] A stream with a hole in it, or with memory that is not given back, is of no use. */
void wsd_socket_abort(struct wsd_socket *sock);
/* [lock] 0 when data can be moved (or will be), else the error of send or recv. */
int wsd_socket_io_error(struct wsd_socket *sock);
/* [lock] What a transfer finds when there is no stream any more. */
static inline int wsd_socket_gone_error(const struct wsd_socket *sock)
{
	return sock->broken_error != 0 ? sock->broken_error : WSAENOTCONN;
}
/* [lock] Wake those who wait for any of changes. */
void wsd_socket_wake(struct wsd_socket *sock, unsigned changes);

/*
 * [lock] Block until one of interest happened; unlocks meanwhile. The caller holds a reference
 * beside the handle's. 0, WSAETIMEDOUT, WSAEINTR (cancelled, or closed by another thread),
 * WSAEINPROGRESS, WSAENOBUFS.
 */
int wsd_socket_wait(struct wsd_socket *sock, unsigned interest, uint64_t deadline);
/* [lock, dropped meanwhile] Of our own thread: no blocking hook, and closing does not end it. */
void wsd_socket_own_wait(struct wsd_socket *sock, unsigned interest, uint64_t deadline);
/* [lock, dropped meanwhile] Before saying that nothing is there: see wsd_engine_look. True: another look may tell
 * more. */
bool wsd_socket_look(struct wsd_socket *sock);
/* [lock] Has a try with WSD_TRY asked the system, and no look at the engine could tell more? */
bool wsd_socket_asked(const struct wsd_socket *sock, enum wsd_queue_id queue);
/* The same for something of the caller's own; [no lock]. engine NULL: all engines. */
int wsd_wait(struct wsd_engine *engine, struct wsd_waiter *waiter, unsigned mode, DWORD catalog_id,
	     uint64_t deadline);
bool wsd_wait_running(void);			 /* is this thread inside one? */
int wsd_wait_cancel(void);			 /* WSPCancelBlockingCall */
uint64_t wsd_deadline_ms(uint32_t milliseconds); /* 0 = for ever */

/* [lock] Without a receive buffer: somebody would take so many bytes, or at least wait for one. */
void wsd_recv_ask(struct wsd_socket *sock, size_t bytes);
/* Work of one verb, called from settle [lock]. */
void wsd_recv_run(struct wsd_socket *sock);
void wsd_send_run(struct wsd_socket *sock);
void wsd_urgent_run(struct wsd_socket *sock);
void wsd_accept_run_ops(struct wsd_socket *sock);
void wsd_connect_settle(struct wsd_socket *sock);
void wsd_control_run(struct wsd_socket *sock);
void wsd_event_look(struct wsd_socket *sock); /* raise what holds and is armed */
void wsd_event_tell(struct wsd_socket *sock); /* [no lock] tell the window what was raised */
void wsd_transmit_fill(struct wsd_op *op);    /* [no lock] read the file */
void wsd_transmit_free(struct wsd_transmit *transmit);
/* [lock] All is sent and the socket is to be used again: goes on as a DisconnectEx. */
bool wsd_transmit_reuses(struct wsd_socket *sock, struct wsd_op *op);
/* [lock] With op->error: it was to be the last of the stream, whose end must not look like success. */
void wsd_transmit_ended(struct wsd_socket *sock, const struct wsd_op *op);
bool wsd_transmit_more(
	struct wsd_op *op); /* [lock] next buffer; true: op has bytes or wants a fill */

/* [lock] getsockopt of what is a structure or text. 0 or a WSA code. */
int wsd_option_structure(struct wsd_socket *sock, int level, int name, char *out, int *length);
/* [lock] Ask for it, now and of later connections. 0 or a WSA code; then nothing has changed. */
int wsd_socket_set_qos(struct wsd_socket *sock, const struct wsd_qos *qos);
/* [lock] Bind to a port, to want or to an ephemeral one. 0 or a WSA code. */
int wsd_socket_bind(struct wsd_socket *sock, const struct wsd_addr *want);
/* [lock] The port of one that comes from, or goes to, another process. 0 or a WSA code. */
int wsd_socket_take_port(struct wsd_socket *sock);
/* [lock] Is its address one of both families? */
bool wsd_socket_is_of_both(const struct wsd_socket *sock);
void wsd_socket_give_port(struct wsd_socket *sock);
/* [lock] A socket that the program does not bind needs a port of ours; none if the system's TCP connects it. */
enum wsd_status wsd_socket_hold_port(struct wsd_socket *sock);
enum wsd_status wsd_socket_change_port(struct wsd_socket *sock); /* [lock] it gets another one */
/* [lock] A connection to remote begins: the address of one that is bound to both families, or not bound yet, is
 * `::` or 0.0.0.0 by its family; and `::` again when there is none. WSAENETUNREACH: it has not that family. */
int wsd_socket_turn(struct wsd_socket *sock, const struct wsd_addr *remote);
void wsd_socket_turn_back(struct wsd_socket *sock);
struct wsd_addr wsd_socket_local(struct wsd_socket *sock); /* [lock] */
/* [lock] The same without a call of the system: its address may be missing still. */
struct wsd_addr wsd_socket_known_local(const struct wsd_socket *sock);
/* [lock] Start connecting, with that quality of service; 0 or a WSA code. */
int wsd_connect_start(struct wsd_socket *sock, const struct wsd_addr *remote,
		      const struct wsd_qos *qos);
/* [lock] What holds: agreed on if there is a connection, else what was asked for. */
struct wsd_qos wsd_socket_qos(const struct wsd_socket *sock);
/* [lock] What both modes ask before: 0 or a WSA code. */
int wsd_connect_state(const struct wsd_socket *sock);
int wsd_connect_address(const struct wsd_socket *sock, const struct sockaddr *name, int namelen,
			struct wsd_addr *remote);
/* [lock, released on return] An attempt has begun: wait until it ended, or not; what the call returns. A
 * call that was cancelled leaves no attempt behind. */
int wsd_connect_begun(struct wsd_socket *sock, LPINT lpErrno);
/* [listener's lock] Make child the owner of the oldest request. */
enum wsd_status wsd_accept_into(struct wsd_socket *listener, struct wsd_socket *child,
				const WSABUF *callee_data);
void wsd_socket_stop_listening(struct wsd_socket *sock); /* [lock] */
unsigned wsd_listener_wanted(void *owner);		 /* of wsd_socket_listener_owner */
/* [lock, dropped meanwhile] Of a bound socket; the caller holds a reference. 0 or a WSA code. */
int wsd_socket_listen(struct wsd_socket *sock, unsigned backlog);
/* [lock, dropped meanwhile] Of mode D, with a queue that nothing arrives at. 0 or a WSA code. */
int wsd_socket_start_listening(struct wsd_socket *sock);
/* [lock] The addresses that a socket of mode D listens at, without sockets of the system; how many. */
unsigned wsd_socket_ends(const struct wsd_socket *sock, struct wsd_listener_end *ends);
/* [lock] Does it listen there for peers without OpenWSD? */
bool wsd_socket_serves_plain(const struct wsd_addr *local);
/* [lock] Requests that wait to be accepted. */
unsigned wsd_socket_requests(const struct wsd_socket *sock);

/* Mode S, called from settle and by the channel [lock]. */
void wsd_san_settle(struct wsd_socket *sock, unsigned changes);
void wsd_san_changed(void *owner, unsigned changes);
void wsd_san_done(void *owner, struct wsd_transfer *transfer);
/* What an operation of mode S ends with. */
int wsd_san_error(enum wsd_status status);
/* [lock, dropped meanwhile] Mode S: a device registers memory in the background, and the call is to be tried again,
 * after looking what has become of the socket. *deadline: 0 before the first time. */
bool wsd_san_again(struct wsd_socket *sock, enum wsd_status status, uint64_t *deadline);
/* [no lock] WSPCleanup, before any connection is cut: end the operations without indications. */
void wsd_socket_silence(unsigned mode, unsigned start, struct wsd_socket *sock);
/* [no lock] abort: reset. quiet: no indications (WSPCleanup). */
void wsd_socket_shut(unsigned mode, unsigned start, struct wsd_socket *sock, bool abort,
		     bool quiet);
/* [lock, released on return] */
void wsd_socket_close_now(struct wsd_socket *sock, bool abort, bool quiet);
/* [lock] Does SO_LINGER with an interval of 0 say so? Of one that another process has nobody knows here. */
bool wsd_socket_closes_hard(const struct wsd_socket *sock);
/* [lock] Its two halves: what the application had begun ends; the connection does. */
void wsd_socket_close_begin(struct wsd_socket *sock, bool quiet);
void wsd_socket_close_end(struct wsd_socket *sock, bool abort);
/* leave, and wait until nothing more is told of it; gives back a reference and the host's handle. */
void wsd_socket_close_leave(struct wsd_socket *sock);
/* [lock] readiness for select and events */
bool wsd_socket_readable(const struct wsd_socket *sock);
bool wsd_socket_writable(const struct wsd_socket *sock);
bool wsd_socket_ended(const struct wsd_socket *sock, int *error); /* FD_CLOSE condition */

#endif
