/* SPDX-License-Identifier: BSD-2-Clause */
/* shm_windows.h - what the files of the shm backend for Windows share. */
#ifndef WSD_SHM_WINDOWS_H
#define WSD_SHM_WINDOWS_H

#include <windows.h>

#include "rdma_backend/base/platform_windows.h"
#include "rdma_backend/shm/shm_internal.h"

#define SHM_NAME_BYTES \
	16u /* random ones, in the name of a section, of its bell and of a listener's pipe */
#define SHM_SECRET_SIZE 64u /* of such a name */
#define SHM_INSTANCES	8u  /* connectors that find a listener while it does not look */

/* Memory of the paging file under a name that cannot be guessed. The name lasts as long as a handle. */
struct shm_section {
	_Atomic uint32_t references;
	HANDLE handle; /* NULL: a peer's, which has not been opened */
	uint8_t name[SHM_NAME_BYTES];
};

/* What a pipe carries: length bytes of a packet, and the names of the memory that goes with it. */
struct shm_envelope {
	uint32_t length, count;
	uint8_t names[2][SHM_NAME_BYTES];
	union shm_packet packet;
};

struct shm_instance {
	HANDLE handle;
	OVERLAPPED connect;
	bool waiting; /* connect is under way, or done */
	bool connected;
};

enum { SHM_SIGN_NEW, SHM_SIGN_UP, SHM_SIGN_DOWN };

/*
 * The sign of a listener: a section whose name is made of its address. It says which pipe to connect to: the pipes of
 * ended listeners live on in their connections. Its name may outlive the listener for a moment.
 */
struct shm_sign {
	_Atomic uint32_t state; /* SHM_SIGN_*; of a new section it is SHM_SIGN_NEW */
	uint8_t name[SHM_NAME_BYTES];
};

/* A message pipe to another process, or what listens for them: then it has instances. */
struct shm_pipe {
	struct wsd_list node; /* of its set */
	struct shm_set *set;  /* the first one: a pipe stays with its queue */
	struct shm_source *source;
	_Atomic uint32_t wanted; /* SHM_READ, SHM_WRITE; 0: not in the set */
	HANDLE handle; /* NULL: closed; a closed pipe has it until nothing waits to be written */
	bool reading;  /* else the other end is gone */
	bool given_up; /* closed, and nobody reads what was written */
	OVERLAPPED read, write;
	struct wsd_mutex lock; /* of write and out */
	struct shm_envelope in, out;
	struct shm_instance *instances;
	HANDLE guard;	       /* of a listener: its sign */
	struct shm_sign *sign; /* NULL: it is not ours */
	char name[SHM_SECRET_SIZE];
};

/*
 * The event is the queue's wait object, every pending operation's, and the bell of its inbox. What starts an
 * operation resets it, so whoever starts one signals it afterwards: an early look more, and nothing is lost.
 */
struct shm_set {
	HANDLE event;
	PTP_TIMER timer;
	atomic_bool due;
	struct wsd_list members; /* struct shm_pipe */
	struct wsd_list dying;	 /* closed, operations not yet ended */
	bool rang;
};

/* shm_share_windows.c */
/* name: room for SHM_SECRET_SIZE. */
void shm_secret_name(char *name, const char *space, const uint8_t *bytes);
HANDLE shm_bell_create(shm_share inbox);
/* A peer's, by its name. NULL: no memory. */
struct shm_section *shm_section_named(const uint8_t *name);

/* shm_sign_windows.c */
enum wsd_status shm_pipe_status(DWORD error);
enum wsd_status shm_check_owner(HANDLE handle); /* WSD_EUSER: it is not this user's */
/* WSD_EADDRINUSE: another one is up. name: of the pipe, which is there. */
enum wsd_status shm_sign_put_up(struct shm_pipe *listener, const struct wsd_addr *local,
				const uint8_t *name);
void shm_sign_take_down(struct shm_pipe *listener);
/* WSD_ENOLISTENER, WSD_AGAIN: it is being written, WSD_EUSER: it is another user's. */
enum wsd_status shm_sign_read(const struct wsd_addr *addr, uint8_t *name);

/* shm_os_windows.c */
bool shm_pipe_idle(const struct shm_pipe *pipe); /* no operation is pending */
/* Of a closed one: no operation is pending. What its thread took along when it ended is written again. */
bool shm_pipe_ended(struct shm_pipe *pipe);
void shm_pipe_free(struct shm_pipe *pipe);
void shm_pipe_start(struct shm_pipe *pipe); /* in a set now: receive or listen */
uint32_t shm_pipe_events(struct shm_pipe *pipe);

#endif
