// SPDX-License-Identifier: BSD-2-Clause
/* record_posix.c - records are files of /dev/shm, locks those of open file descriptions, bells datagram sockets. */
#include "rdma_backend/base/record.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "rdma_backend/base/base.h"
#include "rdma_backend/base/platform.h"

#define FOLDER	   "/dev/shm"
#define LOCKS_FROM ((off_t)1 << 40) /* behind everything that is written */

struct path {
	char text[sizeof(FOLDER) + 1 + WSD_RECORD_NAME];
};

static struct path path_of(const char *name)
{
	struct path path;

	snprintf(path.text, sizeof(path.text), "%s/%s", FOLDER, name);
	return path;
}

static enum wsd_status status_of(int error)
{
	switch (error) {
	case EEXIST:
		return WSD_EBUSY;
	case ENOENT:
		return WSD_NOTFOUND;
	case EMFILE:
	case ENFILE:
		return WSD_ENOFILES;
	case EACCES:
	case EPERM:
	case ELOOP:
	case EISDIR:
	case EWOULDBLOCK:
		return WSD_EUSER;
	default:
		return WSD_ENOMEM;
	}
}

enum wsd_status wsd_record_create(const char *name, intptr_t *record)
{
	struct path path = path_of(name);
	int file = open(path.text, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (file < 0)
		return status_of(errno);
	*record = wsd_handle_keep(file); /* a child would keep the locks */
	return WSD_OK;
}

enum wsd_status wsd_record_open(const char *name, intptr_t *record)
{
	struct path path = path_of(name);
	/* A stranger's lease on a file of his would hold up whoever waits for it to be broken. */
	int file = open(path.text, O_RDWR | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	struct stat stat;

	if (file < 0)
		return status_of(errno);
	if (fstat(file, &stat) != 0 || !S_ISREG(stat.st_mode) || stat.st_uid != geteuid() ||
	    (stat.st_mode & 077) != 0) {
		close(file);
		return WSD_EUSER;
	}
	*record = wsd_handle_keep(file);
	return WSD_OK;
}

void wsd_record_close(intptr_t record)
{
	wsd_handle_close(record);
}

bool wsd_record_remove(const char *name)
{
	return unlink(path_of(name).text) == 0;
}

bool wsd_record_exists(const char *name)
{
	return access(path_of(name).text, F_OK) == 0;
}

struct each {
	const char *prefix;
	void (*visit)(const char *name, void *arg);
	void *arg;
};

static void visit_name(const char *name, void *arg)
{
	const struct each *each = arg;

	if (strncmp(name, each->prefix, strlen(each->prefix)) == 0 &&
	    strlen(name) < WSD_RECORD_NAME)
		each->visit(name, each->arg);
}

void wsd_record_each(const char *prefix, void (*visit)(const char *name, void *arg), void *arg)
{
	struct each each = { prefix, visit, arg };

	wsd_folder_each(FOLDER, visit_name, &each);
}

bool wsd_record_read(intptr_t record, uint64_t offset, void *to, size_t length)
{
	char *at = to;

	while (length > 0) {
		ssize_t n = pread((int)record, at, length, (off_t)offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		at += n;
		offset += (uint64_t)n;
		length -= (size_t)n;
	}
	return true;
}

bool wsd_record_write(intptr_t record, uint64_t offset, const void *from, size_t length)
{
	const char *at = from;

	while (length > 0) {
		ssize_t n = pwrite((int)record, at, length, (off_t)offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		at += n;
		offset += (uint64_t)n;
		length -= (size_t)n;
	}
	return true;
}

enum wsd_status wsd_record_map(intptr_t record, size_t length, void **base)
{
	struct stat stat;

	if (fstat((int)record, &stat) != 0)
		return status_of(errno);
	if (stat.st_size == 0 && ftruncate((int)record, (off_t)length) != 0)
		return status_of(errno);
	if (stat.st_size != 0 && stat.st_size != (off_t)length)
		return WSD_EVERSION;
	*base = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_SHARED, (int)record, 0);
	return *base != MAP_FAILED ? WSD_OK : WSD_ENOMEM;
}

bool wsd_record_reserve(intptr_t record, uint64_t offset, size_t length)
{
	int error;

	do
		error = posix_fallocate((int)record, (off_t)offset, (off_t)length);
	while (error == EINTR);
	return error == 0;
}

void wsd_record_unmap(void *base, size_t length)
{
	munmap(base, length);
}

static struct flock lock_of(unsigned number, short type)
{
	return (struct flock){ .l_type = type,
			       .l_whence = SEEK_SET,
			       .l_start = LOCKS_FROM + (off_t)number,
			       .l_len = 1 };
}

static bool set_lock(intptr_t record, unsigned number, short type)
{
	struct flock lock = lock_of(number, type);

	return fcntl((int)record, F_OFD_SETLK, &lock) == 0;
}

bool wsd_record_lock(intptr_t record, unsigned number)
{
	return set_lock(record, number, F_WRLCK);
}

void wsd_record_unlock(intptr_t record, unsigned number)
{
	(void)set_lock(record, number, F_UNLCK);
}

bool wsd_record_locked(intptr_t record, unsigned number)
{
	struct flock lock = lock_of(number, F_WRLCK);

	return fcntl((int)record, F_OFD_GETLK, &lock) != 0 || lock.l_type != F_UNLCK;
}

/* --- bells --- */

enum wsd_status wsd_bell_open(intptr_t *bell, uint8_t *name)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	socklen_t length = sizeof(at.sun_family); /* the kernel chooses an abstract name */
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return status_of(errno);
	if (bind(fd, (struct sockaddr *)&at, length) != 0)
		goto failed;
	length = sizeof(at);
	if (getsockname(fd, (struct sockaddr *)&at, &length) != 0 ||
	    length > sizeof(at.sun_family) + WSD_BELL_NAME)
		goto failed;
	memset(name, 0, WSD_BELL_NAME);
	memcpy(name, at.sun_path, length - sizeof(at.sun_family));
	*bell = wsd_handle_keep(fd);
	return WSD_OK;
failed:
	close(fd);
	return WSD_ENOMEM;
}

void wsd_bell_clear(intptr_t bell)
{
	char byte;

	/* Bounded: one who rings without end must not keep us here. */
	for (unsigned i = 0; i < 64 && recv((int)bell, &byte, 1, 0) >= 0; i++)
		;
}

void wsd_bell_ring(intptr_t own, const uint8_t *name)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	size_t length = WSD_BELL_NAME;

	/* The names of the kernel are a zero byte and some letters. */
	while (length > 1 && name[length - 1] == 0)
		length--;
	if (length == 1)
		return;
	memcpy(at.sun_path, name, length);
	(void)sendto((int)own, "", 1, MSG_DONTWAIT | MSG_NOSIGNAL, (struct sockaddr *)&at,
		     (socklen_t)(sizeof(at.sun_family) + length));
}

void wsd_bell_close(intptr_t bell)
{
	wsd_handle_close(bell);
}

/* --- processes --- */

uint32_t wsd_user_id(void)
{
	return (uint32_t)geteuid();
}

bool wsd_process_started(uint32_t process, uint64_t *when)
{
	char path[32], text[1024], *field;
	unsigned long long ticks;
	ssize_t length;
	int file;

	snprintf(path, sizeof(path), "/proc/%u/stat", process);
	file = open(path, O_RDONLY | O_CLOEXEC);
	if (file < 0)
		return false;
	length = read(file, text, sizeof(text) - 1);
	close(file);
	if (length <= 0)
		return false;
	text[length] = 0;
	field = strrchr(text, ')'); /* the name of the program may hold anything */
	if (!field || field[1] == 0 || field[2] == 'Z' || field[2] == 'X')
		return false;
	if (sscanf(field + 1,
		   " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %llu",
		   &ticks) != 1)
		return false;
	*when = ticks;
	return true;
}

intptr_t wsd_process_watch(uint32_t process)
{
#ifdef SYS_pidfd_open
	return wsd_handle_keep(syscall(SYS_pidfd_open, (pid_t)process, 0)); /* close-on-exec */
#else
	(void)process;
	return -1;
#endif
}

bool wsd_process_ended(intptr_t watch)
{
	struct pollfd ready = { .fd = (int)watch, .events = POLLIN };

	return poll(&ready, 1, 0) == 1;
}

void wsd_process_unwatch(intptr_t watch)
{
	wsd_handle_close(watch);
}
