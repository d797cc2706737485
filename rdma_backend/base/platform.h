/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * platform.h - every service of the operating system that OpenWSD uses below the shims.
 * One implementation file per system: platform_posix.c, platform_windows.c.
 * Time is monotonic nanoseconds; UINT64_MAX as a deadline means for ever.
 */
#ifndef WSD_BASE_PLATFORM_H
#define WSD_BASE_PLATFORM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <openwsd/status.h>

#ifdef _WIN32
struct wsd_mutex {
	void *srw;
};
#define WSD_MUTEX_INIT \
	{              \
		0      \
	} /* for static mutexes */
struct wsd_cond {
	void *variable;
};
#else
#include <pthread.h>
struct wsd_mutex {
	pthread_mutex_t handle;
};
#define WSD_MUTEX_INIT                    \
	{                                 \
		PTHREAD_MUTEX_INITIALIZER \
	} /* for static mutexes */
struct wsd_cond {
	pthread_cond_t handle;
};
#endif

void wsd_mutex_init(struct wsd_mutex *mutex);
void wsd_mutex_fini(struct wsd_mutex *mutex);
void wsd_mutex_lock(struct wsd_mutex *mutex);
bool wsd_mutex_trylock(struct wsd_mutex *mutex);
void wsd_mutex_unlock(struct wsd_mutex *mutex);

/* Nothing of ours runs any more: what the system lent for it is given back as soon as it is not used. */
void wsd_system_idle(void);

/*
 * Take a static mutex that is never found locked by nobody in the child of a fork: fork waits for it.
 * rank (0 to 7, one for each such mutex) is the order in which fork takes them.
 */
enum {
	WSD_FORK_RANK_LEDGER,
	WSD_FORK_RANK_ROSTER,
	WSD_FORK_RANK_REGISTRY,
	WSD_FORK_RANK_PARAM,
	WSD_FORK_RANK_COUNTER,
	WSD_FORK_RANK_UNANSWERED
};
void wsd_mutex_lock_static(struct wsd_mutex *mutex, unsigned rank);

void wsd_cond_init(struct wsd_cond *cond);
void wsd_cond_fini(struct wsd_cond *cond);
/* May wake spuriously. False when the deadline passed. */
bool wsd_cond_wait(struct wsd_cond *cond, struct wsd_mutex *mutex, uint64_t deadline);
void wsd_cond_broadcast(struct wsd_cond *cond);

/* Threads are created with every signal blocked, named, and always joined. */
struct wsd_thread;
enum wsd_status wsd_thread_start(struct wsd_thread **thread, const char *name,
				 void (*run)(void *arg), void *arg);
void wsd_thread_join(struct wsd_thread *thread);
/* Some will not end soon: keep the code in memory. libopenwsd always stays. */
#ifdef _WIN32
void wsd_code_stays(void);
#else
static inline void wsd_code_stays(void)
{
}
#endif
void wsd_cpu_relax(void);     /* inside a spin loop */
void wsd_cpu_yield(void);     /* let another thread run, of any process, if one can */
unsigned wsd_cpu_count(void); /* of the machine, online, >= 1 */
/* Begin to read a cache line that is needed soon. Any address will do. */
static inline void wsd_prefetch(const void *address)
{
#ifdef __GNUC__
	__builtin_prefetch(address);
#else
	(void)address;
#endif
}
/* memcpy that does not bring the target into this CPU's caches; a later release publishes it as usual. */
void wsd_copy_streamed(void *to, const void *from, size_t length);

uint64_t wsd_clock_ns(void);
/* The same time as it was some milliseconds ago at most, for a fraction of the cost. */
uint64_t wsd_clock_coarse_ns(void);
void wsd_random(void *bytes, size_t length);
uint32_t wsd_process_id(void);
/* The file of the program, or of the interpreter of a script, without its folder; UTF-8 where the system has no say. */
const char *wsd_program_name(void);
bool wsd_file_names_equal(const char *a, const char *b); /* as the system's files are compared */
/* secure_getenv: NULL in set-id programs. */
const char *wsd_env(const char *name);
/* The names that begin so and that wsd_env knows. */
void wsd_env_each(const char *prefix, void (*visit)(const char *name, void *arg), void *arg);

/*
 * Waker: one per thread, made at its first use and freed at its exit. A thread sleeps on its waker and,
 * optionally, on wait objects of queues; wake costs no system call unless the owner sleeps.
 * A wake that comes before the sleep is not lost.
 */
struct wsd_waker;
struct wsd_waker *wsd_waker_self(void); /* NULL: out of descriptors or memory */
void wsd_waker_wake(struct wsd_waker *waker);
/* Forget earlier wakes; call before testing the condition that a waker will announce. */
void wsd_waker_reset(struct wsd_waker *waker);
/* Sleep until woken, until one of the wait objects is ready, or until the deadline; may return early.
 * The wake that ends it is used up. */
void wsd_waker_sleep(struct wsd_waker *waker, const intptr_t *objects, unsigned count,
		     uint64_t deadline);

#ifdef _WIN32
/*
 * The thread that calls, counted, so that it can be asked whether it has ended. A waker, with what else its owner has,
 * outlives both for as long: a fiber has a waker of its own, and may have it in one thread after another.
 */
struct wsd_thread_ref;
struct wsd_thread_ref *wsd_thread_ref_self(void); /* NULL: out of handles or memory */
struct wsd_thread_ref *wsd_thread_ref_keep(struct wsd_thread_ref *ref);
void wsd_thread_ref_drop(struct wsd_thread_ref *ref);
bool wsd_thread_ref_ended(const struct wsd_thread_ref *ref);
#endif

/*
 * A variable of each thread, zero at first: WSD_THREAD_LOCAL(type, name, place); makes name(), the address of this
 * thread's. On Windows a compiler's own may take a slot of the process for ever in each load of the DLL: there it is
 * kept with the waker, where a fiber has its own, and the address is NULL as long as the waker cannot be had.
 */
enum wsd_room_place { WSD_ROOM_SPINS, WSD_ROOM_WAITER, WSD_ROOM_ROUTINES, WSD_ROOMS };
struct wsd_room {
	void *words[4];
};
#ifdef _WIN32
struct wsd_room *wsd_thread_room(enum wsd_room_place place);
#define WSD_THREAD_LOCAL(type, name, place)            \
	static inline type *name(void)                 \
	{                                              \
		return (type *)wsd_thread_room(place); \
	}                                              \
	_Static_assert(sizeof(type) <= sizeof(struct wsd_room), #name)
#else
#define WSD_THREAD_LOCAL(type, name, place)           \
	static inline type *name(void)                \
	{                                             \
		static _Thread_local type of_##place; \
		return &of_##place;                   \
	}                                             \
	_Static_assert(sizeof(type) <= sizeof(struct wsd_room), #name)
#endif

/* Could the process open so many descriptors now? Asks the system: not for the data path. */
bool wsd_files_free(unsigned count);

/* Is all of it mapped in this process? Asks the system: not for the data path. */
bool wsd_memory_mapped(const void *base, uint64_t length);

/* Shared memory that can be given to another process: size-sealed, close-on-exec. */
enum wsd_status wsd_shared_create(size_t length, intptr_t *handle, void **address);
/* Map what another process gave: checks seals (shrink and grow) and that it is exactly length long. */
enum wsd_status wsd_shared_attach(intptr_t handle, size_t length, void **address);
void wsd_shared_unmap(void *address, size_t length);

/*
 * A descriptor of a listener, a connection or a port is kept (returned unchanged; negative ones are
 * ignored): the child of a fork closes its copy, which would hold them open after their end.
 * wsd_handle_close closes it, and any other.
 */
intptr_t wsd_handle_keep(intptr_t handle);
void wsd_handle_forget(intptr_t handle); /* somebody else is about to close it */
void wsd_handle_close(intptr_t handle);

/* The configuration file and the folder of modules where no setting names others. */
const char *wsd_default_config(void);
const char *wsd_default_module_folder(void);

/* Modules. symbol copies the address of a symbol into *function (size bytes). */
enum wsd_status wsd_module_open(const char *path, void **module, char *reason, size_t reason_size);
bool wsd_module_symbol(void *module, const char *name, void *function, size_t size);
void wsd_module_close(void *module);
/* Visit the names in a folder, in no order; nothing when it cannot be read. */
void wsd_folder_each(const char *path, void (*visit)(const char *name, void *arg), void *arg);

#endif
