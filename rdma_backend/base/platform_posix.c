// SPDX-License-Identifier: BSD-2-Clause
/* platform_posix.c - platform.h on Linux: threads, clock, wakers, shared memory, modules. */

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "rdma_backend/base/internal.h"
#include "rdma_backend/base/platform.h"

#define NS_PER_S 1000000000u

static enum wsd_status status_of_errno(int error)
{
	switch (error) {
	case EMFILE:
	case ENFILE:
		return WSD_ENOFILES;
	case EACCES:
	case EPERM:
		return WSD_EACCESS;
	case EINVAL:
	case EBADF:
		return WSD_EINVAL;
	default:
		return WSD_ENOMEM;
	}
}

void wsd_mutex_init(struct wsd_mutex *mutex)
{
	pthread_mutexattr_t attr;

	wsd_must(pthread_mutexattr_init(&attr));
#ifdef __GLIBC__
	/* Spins briefly: our critical sections are shorter than a sleep and a wake-up. */
	wsd_must(pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_ADAPTIVE_NP));
#endif
	wsd_must(pthread_mutex_init(&mutex->handle, &attr));
	pthread_mutexattr_destroy(&attr);
}

void wsd_mutex_fini(struct wsd_mutex *mutex)
{
	wsd_must(pthread_mutex_destroy(&mutex->handle));
}

void wsd_mutex_lock(struct wsd_mutex *mutex)
{
	wsd_must(pthread_mutex_lock(&mutex->handle));
}

bool wsd_mutex_trylock(struct wsd_mutex *mutex)
{
	return pthread_mutex_trylock(&mutex->handle) == 0;
}

void wsd_mutex_unlock(struct wsd_mutex *mutex)
{
	wsd_must(pthread_mutex_unlock(&mutex->handle));
}

void wsd_cond_init(struct wsd_cond *cond)
{
	pthread_condattr_t attr;

	wsd_must(pthread_condattr_init(&attr));
	wsd_must(pthread_condattr_setclock(&attr, CLOCK_MONOTONIC));
	wsd_must(pthread_cond_init(&cond->handle, &attr));
	pthread_condattr_destroy(&attr);
}

void wsd_cond_fini(struct wsd_cond *cond)
{
	wsd_must(pthread_cond_destroy(&cond->handle));
}

static struct timespec to_timespec(uint64_t ns)
{
	struct timespec time = { .tv_sec = (time_t)(ns / NS_PER_S),
				 .tv_nsec = (long)(ns % NS_PER_S) };

	return time;
}

bool wsd_cond_wait(struct wsd_cond *cond, struct wsd_mutex *mutex, uint64_t deadline)
{
	struct timespec until;
	int error;

	if (deadline == UINT64_MAX) {
		wsd_must(pthread_cond_wait(&cond->handle, &mutex->handle));
		return true;
	}
	until = to_timespec(deadline);
	error = pthread_cond_timedwait(&cond->handle, &mutex->handle, &until);
	if (error == ETIMEDOUT)
		return false;
	wsd_must(error);
	return true;
}

void wsd_cond_broadcast(struct wsd_cond *cond)
{
	wsd_must(pthread_cond_broadcast(&cond->handle));
}

struct wsd_thread {
	pthread_t handle;
	char name[16];
	void (*run)(void *arg);
	void *arg;
};

static void *thread_main(void *arg)
{
	struct wsd_thread *thread = arg;

	pthread_setname_np(pthread_self(), thread->name);
	thread->run(thread->arg);
	return NULL;
}

enum wsd_status wsd_thread_start(struct wsd_thread **thread, const char *name,
				 void (*run)(void *arg), void *arg)
{
	struct wsd_thread *made = wsd_alloc(sizeof(*made));
	sigset_t all, before;
	int error;

	if (!made)
		return WSD_ENOMEM;
	snprintf(made->name, sizeof(made->name), "%s", name);
	made->run = run;
	made->arg = arg;
	/* The application's handlers must never run on a thread that it does not know. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	error = pthread_create(&made->handle, NULL, thread_main, made);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (error) {
		wsd_free(made);
		return WSD_ENOMEM;
	}
	*thread = made;
	return WSD_OK;
}

void wsd_thread_join(struct wsd_thread *thread)
{
	wsd_must(pthread_join(thread->handle, NULL));
	wsd_free(thread);
}

void wsd_system_idle(void)
{
}

unsigned wsd_cpu_count(void)
{
	long count = sysconf(_SC_NPROCESSORS_ONLN);

	return count > 0 ? (unsigned)count : 1;
}

void wsd_cpu_yield(void)
{
	sched_yield();
}

void wsd_cpu_relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("yield");
#else
	atomic_signal_fence(memory_order_seq_cst);
#endif
}

uint64_t wsd_clock_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

uint64_t wsd_clock_coarse_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

void wsd_random(void *bytes, size_t length)
{
	char *to = bytes;

	while (length) {
		ssize_t got = getrandom(to, length, 0);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			abort(); /* keys and nonces must not be guessable */
		to += got;
		length -= (size_t)got;
	}
}

uint32_t wsd_process_id(void)
{
	return (uint32_t)getpid();
}

const char *wsd_env(const char *name)
{
	return secure_getenv(name);
}

void wsd_env_each(const char *prefix, void (*visit)(const char *name, void *arg), void *arg)
{
	size_t length = strlen(prefix);
	char name[128];
	char **each;

	for (each = environ; each && *each; each++) {
		size_t end = strcspn(*each, "=");

		if (strncmp(*each, prefix, length) != 0 || end >= sizeof(name))
			continue;
		memcpy(name, *each, end);
		name[end] = '\0';
		if (wsd_env(name))
			visit(name, arg);
	}
}

/*
 * Wakers. state tells a waking thread whether the owner needs the system call. A token left in the
 * descriptor by a wake that raced with another reason to return costs one early return, later.
 */
enum waker_state { WAKER_IDLE, WAKER_SLEEPING, WAKER_WOKEN };

struct wsd_waker {
	atomic_int state;
	int descriptor;
	unsigned process; /* fork generation it was made in */
	unsigned capacity;
	struct pollfd *polls; /* [0] is the waker's own */
};

#define WAKER_FIRST_CAPACITY 16u

static _Thread_local struct wsd_waker *own_waker;
static pthread_key_t waker_key;
static bool waker_key_valid;

static void waker_free(void *arg)
{
	struct wsd_waker *waker = arg;

	own_waker = NULL;
	close(waker->descriptor);
	wsd_raw_free(waker->polls);
	wsd_raw_free(waker);
}

__attribute__((constructor)) static void waker_setup(void)
{
	waker_key_valid = pthread_key_create(&waker_key, waker_free) == 0;
}

bool wsd_files_free(unsigned count)
{
	int files[8];
	unsigned opened = 0;
	bool enough;

	if (count > sizeof(files) / sizeof(files[0]))
		count = sizeof(files) / sizeof(files[0]);
	while (opened < count && (files[opened] = eventfd(0, EFD_CLOEXEC)) >= 0)
		opened++;
	enough = opened == count;
	while (opened > 0)
		close(files[--opened]);
	return enough;
}

bool wsd_memory_mapped(const void *base, uint64_t length)
{
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), first = (uintptr_t)base & ~(page - 1);

	if (length == 0 || length > UINTPTR_MAX - (uintptr_t)base)
		return false;
	/* It starts no writing; it fails where nothing is mapped. */
	return msync((void *)first, (uintptr_t)base + length - first, MS_ASYNC) == 0;
}

static struct wsd_waker *waker_new(void)
{
	struct wsd_waker *waker = wsd_raw_alloc(sizeof(*waker));

	if (!waker)
		return NULL;
	waker->descriptor = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	waker->capacity = WAKER_FIRST_CAPACITY;
	waker->polls = wsd_raw_alloc(waker->capacity * sizeof(*waker->polls));
	waker->process = wsd_fork_generation();
	if (waker->descriptor >= 0 && waker->polls && pthread_setspecific(waker_key, waker) == 0)
		return waker;
	if (waker->descriptor >= 0)
		close(waker->descriptor);
	wsd_raw_free(waker->polls);
	wsd_raw_free(waker);
	return NULL;
}

struct wsd_waker *wsd_waker_self(void)
{
	struct wsd_waker *waker = own_waker;

	if (waker && waker->process == wsd_fork_generation())
		return waker;
	if (!waker_key_valid)
		return NULL;
	if (waker) {
		/* After fork the descriptor is still shared with the parent. */
		pthread_setspecific(waker_key, NULL);
		waker_free(waker);
	}
	own_waker = waker_new();
	return own_waker;
}

void wsd_waker_wake(struct wsd_waker *waker)
{
	static const uint64_t one = 1;

	if (atomic_exchange(&waker->state, WAKER_WOKEN) != WAKER_SLEEPING)
		return;
	/* EAGAIN means that the descriptor is readable already: nothing is lost. */
	while (write(waker->descriptor, &one, sizeof(one)) < 0 && errno == EINTR)
		;
}

void wsd_waker_reset(struct wsd_waker *waker)
{
	/* seq_cst, so that the condition is tested after this and a later wake is not missed. */
	atomic_exchange(&waker->state, WAKER_IDLE);
}

static bool waker_reserve(struct wsd_waker *waker, unsigned count)
{
	struct pollfd *polls;

	if (count <= waker->capacity)
		return true;
	polls = wsd_raw_alloc(count * sizeof(*polls));
	if (!polls)
		return false;
	wsd_raw_free(waker->polls);
	waker->polls = polls;
	waker->capacity = count;
	return true;
}

/* How long to sleep; NULL = for ever. */
static const struct timespec *sleep_time(uint64_t deadline, struct timespec *time)
{
	uint64_t now;

	if (deadline == UINT64_MAX)
		return NULL;
	now = wsd_clock_ns();
	*time = to_timespec(deadline > now ? deadline - now : 0);
	return time;
}

void wsd_waker_sleep(struct wsd_waker *waker, const intptr_t *objects, unsigned count,
		     uint64_t deadline)
{
	int idle = WAKER_IDLE;
	struct timespec time;
	uint64_t token;
	unsigned i;

	if (!waker_reserve(waker, count + 1)) {
		/* Not every object can be watched: look again soon. */
		uint64_t soon = wsd_clock_ns() + NS_PER_S / 1000;

		count = waker->capacity - 1;
		deadline = deadline < soon ? deadline : soon;
	}
	waker->polls[0] = (struct pollfd){ .fd = waker->descriptor, .events = POLLIN };
	for (i = 0; i < count; i++)
		waker->polls[i + 1] = (struct pollfd){ .fd = (int)objects[i], .events = POLLIN };
	if (atomic_compare_exchange_strong(&waker->state, &idle, WAKER_SLEEPING)) {
		ppoll(waker->polls, count + 1, sleep_time(deadline, &time), NULL);
		if (waker->polls[0].revents)
			while (read(waker->descriptor, &token, sizeof(token)) < 0 && errno == EINTR)
				;
	}
	wsd_waker_reset(waker);
}

/* Shared memory. */

#define SEALS_MADE   (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)
#define SEALS_NEEDED (F_SEAL_SHRINK | F_SEAL_GROW)

static enum wsd_status map_shared(int descriptor, size_t length, void **address)
{
	void *mapped = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);

	if (mapped == MAP_FAILED)
		return status_of_errno(errno);
	/* A child would only keep the memory of a dead parent; without advice it does just that. */
	(void)madvise(mapped, length, MADV_DONTFORK);
	*address = mapped;
	return WSD_OK;
}

enum wsd_status wsd_shared_create(size_t length, intptr_t *handle, void **address)
{
	enum wsd_status status = WSD_OK;
	int descriptor;

	if (!length || length > (size_t)INT64_MAX)
		return WSD_EINVAL;
	descriptor = memfd_create("openwsd", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (descriptor < 0)
		return status_of_errno(errno);
	if (ftruncate(descriptor, (off_t)length) || fcntl(descriptor, F_ADD_SEALS, SEALS_MADE))
		status = status_of_errno(errno);
	if (!status)
		status = map_shared(descriptor, length, address);
	if (status) {
		close(descriptor);
		return status;
	}
	*handle = descriptor;
	return WSD_OK;
}

enum wsd_status wsd_shared_attach(intptr_t handle, size_t length, void **address)
{
	int seals = fcntl((int)handle, F_GET_SEALS);
	struct stat stat;

	if (seals < 0 || (seals & SEALS_NEEDED) != SEALS_NEEDED)
		return WSD_EINVAL;
	if (fstat((int)handle, &stat) || !S_ISREG(stat.st_mode))
		return WSD_EINVAL;
	if (!length || stat.st_size < 0 || (uint64_t)stat.st_size != length)
		return WSD_EINVAL;
	return map_shared((int)handle, length, address);
}

void wsd_shared_unmap(void *address, size_t length)
{
	wsd_must(munmap(address, length));
}

const char *wsd_default_config(void)
{
	return WSD_CONFIG_FILE;
}

const char *wsd_default_module_folder(void)
{
	return WSD_MODULE_FOLDER;
}

/* Modules. */

enum wsd_status wsd_module_open(const char *path, void **module, char *reason, size_t reason_size)
{
	const char *error;
	char here[256];

	if (access(path, F_OK)) {
		snprintf(reason, reason_size, "no file %s", path);
		return WSD_NOTFOUND;
	}
	/* This file, not one of that name in the system's folders. */
	if (!strchr(path, '/')) {
		snprintf(here, sizeof(here), "./%s", path);
		path = here;
	}
	*module = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (*module)
		return WSD_OK;
	error = dlerror();
	snprintf(reason, reason_size, "%s", error ? error : path);
	return WSD_EUNSUPPORTED;
}

bool wsd_module_symbol(void *module, const char *name, void *function, size_t size)
{
	void *symbol = dlsym(module, name);

	if (!symbol || size != sizeof(symbol))
		return false;
	memcpy(function, &symbol, size);
	return true;
}

void wsd_module_close(void *module)
{
	dlclose(module);
}

void wsd_folder_each(const char *path, void (*visit)(const char *name, void *arg), void *arg)
{
	DIR *folder = opendir(path);
	struct dirent *entry;

	if (!folder)
		return;
	while ((entry = readdir(folder)) != NULL)
		visit(entry->d_name, arg);
	closedir(folder);
}
