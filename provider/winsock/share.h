/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * share.h - a socket that several processes have (docs/protocol.md, "Hand-over").
 *
 * A shared socket has a record (base/record.h): a header, a place for each process that has a descriptor, and
 * while the connection is on its way, all that it consists of. Whoever holds the *seat*, a lock of the record,
 * has the connection; others ask for it when they use the socket. A process that dies lets go of its
 * locks; the rest of the record is believed only under them, and checked.
 *
 * A token is a small record of its own, found by the number in dwProviderReserved; whoever removes it has it.
 */
#ifndef WSD_WINSOCK_SHARE_H
#define WSD_WINSOCK_SHARE_H

#include "provider/transport/os_pass.h"
#include "provider/winsock/socket.h"
#include "rdma_backend/base/record.h"

#define WSD_SHARE_MEMBERS 16u
#define WSD_SHARE_TOKENS  16u	 /* given out by one process and not used yet */
#define WSD_SHARE_NUMBER  1032u	 /* wsd_share_number */
#define WSD_SHARE_LETTERS 4096u	 /* of each member, for each end of a listener and one that waits */
#define WSD_SHARE_IMAGES  36864u /* of the latter, for each member */
#define WSD_SHARE_IMAGE	  512u
#define WSD_SHARE_PAYLOAD 49152u
#define WSD_SHARE_MOST	  (1u << 24) /* bytes of a payload */
#define WSD_SHARE_BACKLOG 4096u	     /* WSPListen's limit */

/* --- the record: share_record.c. Errors are WSA codes. --- */

enum wsd_share_state {
	/* By whom has the seat; without one he died. With a payload the socket was not connected, and is so again. */
	WSD_SHARE_HELD = 1,
	WSD_SHARE_PARKED, /* in the payload */
	WSD_SHARE_CLOSED
};

/* What a process knows of the socket before it has the seat. */
struct wsd_share_kind {
	uint32_t mode;
	uint32_t family;
	uint32_t overlapped;
	uint32_t connected;
};

struct wsd_share_token {
	uint32_t index; /* 0: none */
	uint64_t expires;
};

/* What a process wants of the seat. News are what arrives: who has the seat need not give it up before. */
enum wsd_share_want { WSD_SHARE_WANT_NOTHING, WSD_SHARE_WANT_NEWS, WSD_SHARE_WANT_NOW };

/* How a process holds the port of a bound one. */
enum wsd_share_port { WSD_SHARE_PORT_NONE, WSD_SHARE_PORT_SHARED, WSD_SHARE_PORT_ALONE };

struct wsd_share_record {
	intptr_t record, bell;
	uint8_t bell_name[WSD_BELL_NAME];
	char name[WSD_RECORD_NAME];
	unsigned slot; /* 0: not a member any more */
	enum wsd_share_port port;
	struct wsd_share_token tokens[WSD_SHARE_TOKENS];
};

/* A new one; the caller is a member, and holds the seat. */
int wsd_share_create(struct wsd_share_record *share);
/* A number for that process. WSAEINVAL: there is none. WSAENOBUFS: too many are on their way. */
int wsd_share_token(struct wsd_share_record *share, const struct wsd_share_kind *kind,
		    uint32_t process, uint32_t *index);
/* By the process that was meant: become a member. The token is used only by wsd_share_use, when nothing can
 * fail any more; until then it can be tried again. WSAEINVAL: unknown, used, expired, of another process,
 * user or mode. */
int wsd_share_claim(struct wsd_share_record *share, uint32_t mode, uint32_t index,
		    struct wsd_share_kind *kind);
int wsd_share_use(uint32_t index);
void wsd_share_quit(struct wsd_share_record *share); /* no member any more; the record stays open */
/* Gone for all who ask, but for what it has of the system's sockets. */
void wsd_share_step_back(struct wsd_share_record *share);
void wsd_share_close(struct wsd_share_record *share, bool remove);

bool wsd_share_sit(struct wsd_share_record *share); /* take the seat, if it is free */
/* The same of one that nobody has: another process may just look at it, which on Windows takes it for a moment. */
bool wsd_share_sit_soon(struct wsd_share_record *share);
/* The same of another lock that is held for moments only. */
bool wsd_share_lock_soon(const struct wsd_share_record *share, unsigned number);
void wsd_share_stand(struct wsd_share_record *share);
bool wsd_share_empty(const struct wsd_share_record *share); /* nobody has the seat */
/* Is any other process there, or on its way? */
bool wsd_share_others(struct wsd_share_record *share);
bool wsd_share_coming(struct wsd_share_record *share); /* on its way, and lives */
void wsd_share_want(struct wsd_share_record *share, enum wsd_share_want want);
/* The most that another one says who lives. */
enum wsd_share_want wsd_share_wanted(struct wsd_share_record *share);
void wsd_share_ring(const struct wsd_share_record *share); /* all others */

/* Are those who keep the port to themselves asked to share it? */
void wsd_share_port_say(struct wsd_share_record *share, enum wsd_share_port how);
bool wsd_share_port_kept(struct wsd_share_record *share); /* by another one that lives */
/* So many others in this process that hold the port. */
unsigned wsd_share_port_mates(const struct wsd_share_record *share);
void wsd_share_port_ask(const struct wsd_share_record *share, bool ask);
bool wsd_share_port_asked(const struct wsd_share_record *share);

/* What a member has and lacks of the system's sockets: a bit for each end of a listener, and one for connections that
 * wait to be accepted. */
#define WSD_SHARE_NEEDS_NONE 0x80u /* in has */
#define WSD_SHARE_WAITING    WSD_LISTENER_ENDS
#define WSD_SHARE_SOCKETS    (WSD_LISTENER_ENDS + 1)
struct wsd_share_holder {
	uint32_t process; /* 0: nobody, or this one */
	bool gone;	  /* stepped back */
	uint8_t box[WSD_OS_PASS_BOX];
	uint8_t has, lacks;
};
/* What the others say, WSD_SHARE_MEMBERS of them, the first in slot 1; and who of them lives. */
void wsd_share_holders(const struct wsd_share_record *share, struct wsd_share_holder *holders);
void wsd_share_holder(const struct wsd_share_record *share, unsigned slot,
		      struct wsd_share_holder *holder);
bool wsd_share_lives(const struct wsd_share_record *share, unsigned slot);
void wsd_share_holder_say(const struct wsd_share_record *share,
			  const struct wsd_share_holder *holder); /* of this process */
/* What this process lacks, and what another one has been given. */
uint8_t wsd_share_lacks(const struct wsd_share_record *share, unsigned slot);
void wsd_share_set_lacks(const struct wsd_share_record *share, unsigned slot, uint8_t lacks);

/* With the seat. */
enum wsd_share_state wsd_share_state(const struct wsd_share_record *share, uint32_t *payload);
bool wsd_share_set_state(struct wsd_share_record *share, enum wsd_share_state state,
			 uint32_t payload);

/* --- what is in the payload: share_image.c --- */

/* [lock] Does it have nothing yet that a peer knows? */
bool wsd_share_unconnected(const struct wsd_socket *sock);
/* May a socket of that family have the address? One of IPv6 may be dual, or have been accepted by one that is. */
bool wsd_share_family(uint16_t family, const struct wsd_addr *addr);
/* [lock] The socket and its stream into the record. False: no room; then the connection is lost. */
bool wsd_share_park(struct wsd_share_record *share, struct wsd_socket *sock, uint32_t selector);
/* [lock] By whom has the seat: what is left of it if this process dies. */
void wsd_share_remember(struct wsd_share_record *share, struct wsd_socket *sock, uint32_t selector);
/* [lock] From the record into a socket without a stream. WSD_PENDING: the stream is connecting. WSD_AGAIN: it is
 * not connected. WSD_OK: it is broken, and so is the socket. WSD_ENOMEM: try again. Else the record is of no
 * use. system: the system's socket of a connection by plain TCP, which stays the caller's, or one of the below. */
#define WSD_SHARE_NO_SYSTEM    (-1)
#define WSD_SHARE_SYSTEM_COMES (-2)
enum wsd_status wsd_share_unpark(struct wsd_share_record *share, struct wsd_socket *sock,
				 intptr_t system, uint32_t *selector);

/* --- its port: share_port.c. All [lock]; room drops it meanwhile. --- */

/* With the seat, before it binds or listens: the others let it. */
void wsd_share_port_room(struct wsd_share_record *record, struct wsd_socket *sock);
/* It could not: they keep it to themselves again. */
void wsd_share_port_keep(const struct wsd_share_record *record);
/* With the seat: a socket that is bound has its port here. 0 or a WSA code. */
int wsd_share_port_take(struct wsd_share_record *record, struct wsd_socket *sock);
/* The seat goes; leaving: the descriptor is closed. */
void wsd_share_port_part(struct wsd_share_record *record, struct wsd_socket *sock, bool leaving);
/* Another one has it. */
void wsd_share_port_away(struct wsd_share_record *record, struct wsd_socket *sock);

/* --- the system's sockets of a listener, or of a connection by plain TCP: share_plain.c. All [lock]. --- */

struct wsd_share_plain {
	intptr_t twins[WSD_LISTENER_ENDS]; /* of the listener's; -1: none */
	intptr_t box;
	uint8_t box_name[WSD_OS_PASS_BOX];
	bool box_open;
	uint32_t number; /* of the connection whose twin is here, as the first or second end */
	uint8_t said;	 /* what we have, as the others know */
	uint8_t asked;	 /* what we lack, likewise, and have not been given yet */
	uint64_t since;	 /* the oldest end that is missing; 0: none */
	uint64_t again;	 /* then they are to hear it once more */
	struct wsd_list waiting; /* of struct wsd_share_waiting: they are in no queue */
};

/* The lock of `lacks`, the number, boxes and letters, for moments. */
#define WSD_SHARE_GIVING (WSD_SHARE_MEMBERS + 3)
void wsd_share_plain_init(struct wsd_share_plain *plain);
uint8_t wsd_share_twins(const struct wsd_share_plain *plain); /* which there are */
void wsd_share_twins_drop(struct wsd_share_plain *plain);
/* A socket that is disconnected can have another connection: its number, which tells whose the twins are. */
uint32_t wsd_share_number(const struct wsd_share_record *record);
/* [seat] share_twins.c: have twins of what the socket has. WSD_ENOFILES, and what wsd_os_pass_twin says else. */
enum wsd_status wsd_share_plain_match(const struct wsd_share_record *record,
				      struct wsd_socket *sock, struct wsd_share_plain *plain);
/* Take what others have given, ask for what is missing, give to others. When to look again. */
uint64_t wsd_share_plain_look(const struct wsd_share_record *record, struct wsd_socket *sock,
			      struct wsd_share_plain *plain);
/* The others can read what this process has: without that none gives up the seat. */
bool wsd_share_plain_is_known(const struct wsd_share_plain *plain);
/* Another process may give what is missing, soon. */
bool wsd_share_plain_comes(const struct wsd_share_plain *plain);
/* Somebody who is there, or on his way, lacks what this process has. */
bool wsd_share_plain_owed(struct wsd_share_record *record, const struct wsd_share_plain *plain);
/* Of a connection, for wsd_share_unpark. */
intptr_t wsd_share_plain_system(const struct wsd_share_plain *plain);
/* [lock] The connection is lost: for all who have the socket. */
void wsd_share_plain_reset(struct wsd_share_plain *plain);
/* Another one that lives has connections that wait. */
bool wsd_share_plain_waits(const struct wsd_share_record *record);
/* As a member: nothing more is given to it. */
void wsd_share_plain_close(const struct wsd_share_record *record, struct wsd_share_plain *plain);

/* --- what was taken from the system and not accepted: share_waiting.c. All [lock]; collect drops it meanwhile. --- */

struct wsd_share_waiting {
	struct wsd_list link;
	intptr_t socket;
	struct wsd_stream_image image;
};

/* The socket is kept or closed. */
void wsd_share_waiting_keep(struct wsd_share_plain *plain, const struct wsd_stream_image *image,
			    intptr_t socket);
/* Into the queue of who has the seat. */
void wsd_share_waiting_settle(struct wsd_share_plain *plain, struct wsd_socket *sock);
/* The descriptor is closed: out of the queue. */
void wsd_share_waiting_collect(struct wsd_share_plain *plain, struct wsd_socket *sock);
/* Is there something for who has the seat, and what? NULL: not now. Whoever has given it drops it. */
bool wsd_share_waiting_some(const struct wsd_share_plain *plain, const struct wsd_socket *sock);
struct wsd_share_waiting *wsd_share_waiting_next(struct wsd_share_plain *plain,
						 struct wsd_socket *sock);
void wsd_share_waiting_drop(struct wsd_share_waiting *waiting);
void wsd_share_waiting_close(struct wsd_share_plain *plain); /* with a reset */

/* --- a listener: share_listen.c. All [lock]; held and part drop it meanwhile. --- */

struct wsd_share_listen {
	bool keeper; /* this process listens */
	bool failed; /* it could not, when it had to */
	bool watching;
	uint32_t process; /* that listens, as far as we have looked */
	intptr_t watch;
	uint64_t locked_until; /* it has ended, and the system may not have taken its locks yet */
};

/* Of a new record; one that listens already is the keeper. */
bool wsd_share_listen_begin(const struct wsd_share_record *record, const struct wsd_socket *sock,
			    struct wsd_share_listen *listen);
/* With the seat. wait: the system's sockets of the one before may still come. When to look again. */
uint64_t wsd_share_listen_held(const struct wsd_share_record *record, struct wsd_socket *sock,
			       struct wsd_share_listen *listen, bool wait);
/* Another one has it: a keeper gives what it is asked for, each what it could not give before. When to look again. */
uint64_t wsd_share_listen_away(const struct wsd_share_record *record, struct wsd_socket *sock,
			       const struct wsd_share_listen *listen);
/* Not of the keeper itself: nobody listens who should. */
bool wsd_share_listen_lost(const struct wsd_share_record *record);
/* Not of the keeper itself: 1 and an object that is ready when the process that listens has ended, or 0. *when: look
 * again. */
unsigned wsd_share_listen_watch(const struct wsd_share_record *record,
				struct wsd_share_listen *listen, intptr_t *object, uint64_t *when);
void wsd_share_listen_unwatch(struct wsd_share_listen *listen);
/* Nothing is left in the record that others would have to have. */
bool wsd_share_listen_alone(const struct wsd_share_record *record, const struct wsd_socket *sock,
			    const struct wsd_share_listen *listen);
/* The seat goes, and what was not accepted with it; leaving: the descriptor is closed. */
void wsd_share_listen_part(const struct wsd_share_record *record, struct wsd_socket *sock,
			   struct wsd_share_listen *listen, bool leaving);

/* --- whose turn it is: share_turn.c. All [lock]. --- */

struct wsd_share_turn {
	uint64_t length, until; /* of turns, and the end of this one */
	bool news;		/* something has arrived in it */
	bool patient;		/* we wait for that, and the others do */
};

/* Is a call or an operation in the middle of it here? */
bool wsd_share_waits(const struct wsd_socket *sock);
/* For what. NEWS, too, while events are selected. */
enum wsd_share_want wsd_share_waits_for(const struct wsd_socket *sock);
void wsd_share_turn_begin(struct wsd_share_turn *turn);
/* It is ours: is it over, if others want the seat so? Else *when to look again. */
bool wsd_share_turn_over(struct wsd_share_turn *turn, struct wsd_socket *sock, bool busy,
			 enum wsd_share_want others, uint64_t *when);

/* --- the threads: share_thread.c --- */

struct wsd_share_thread { /* the first of what it looks after, which is freed with it */
	struct wsd_list link;
	struct wsd_thread *thread;
	atomic_bool going, ended; /* it is about to end; nobody needs this any more */
};

enum wsd_status wsd_share_thread_start(struct wsd_share_thread *thread, void (*run)(void *share));
void wsd_shares_reap(void);		  /* [no lock] join the threads that have ended */
void wsd_shares_drain(uint64_t deadline); /* [no lock] wait for those that leave */
void wsd_shares_init(void);		  /* before the first use, and in the child after a fork */

/* --- the seat: share.c. sock->away: another process has it, or it is on its way. --- */

struct wsd_share;

static inline uint64_t wsd_sooner(uint64_t one, uint64_t other)
{
	return one < other ? one : other;
}

/* [lock] Share a socket that nobody shares yet. 0 or a WSA code. */
int wsd_share_begin(struct wsd_socket *sock);
/* [lock] For that process; 0 or a WSA code. */
int wsd_share_give(struct wsd_socket *sock, uint32_t process, uint32_t *index);
/* [lock] The socket is new, and its seat elsewhere. Takes over *record. */
int wsd_share_join(struct wsd_socket *sock, const struct wsd_share_record *record);
/* [lock, dropped meanwhile] Wait for the seat: 0, or a WSA code and the socket is unlocked. */
int wsd_share_enter(struct wsd_socket *sock);
/* [lock] This process holds the seat and no other has the socket: it is an ordinary one again. */
bool wsd_share_dissolve(struct wsd_socket *sock);
/* [lock, released] The descriptor is closed; the connection goes to another process, or ends with its last. */
void wsd_share_leave(struct wsd_socket *sock, bool abort, bool quiet);
/* [lock] So many other descriptors of the socket here hold its port. */
unsigned wsd_share_mates(const struct wsd_socket *sock);
/* [lock, dropped meanwhile] It begins to listen; [lock] it could not. */
void wsd_share_listens(struct wsd_socket *sock);
void wsd_share_listens_not(struct wsd_socket *sock);
/* [lock] Something waits for the seat, or does not any more. */
void wsd_share_poke(struct wsd_socket *sock);
/* [lock] Something has arrived. */
void wsd_share_news(struct wsd_socket *sock);
/* [lock] Something that waited here does no longer. */
void wsd_share_ended(struct wsd_socket *sock);
/* [lock] WSPEventSelect: it replaces what another process had asked for. */
void wsd_share_selected(struct wsd_socket *sock);
/* WSPSocket with a token. INVALID_SOCKET with *error. */
SOCKET wsd_duplicate_take(unsigned mode, const WSAPROTOCOL_INFOW *info, int *error);
/* [lock, dropped meanwhile] Mode S: the socket is new, and becomes what the record of that token says. The token is
 * used when the seat has been taken. 0 or a WSA code. */
int wsd_san_take(struct wsd_socket *sock, struct wsd_share_record *record, uint32_t index);

#endif
