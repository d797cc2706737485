// SPDX-License-Identifier: BSD-2-Clause
/*
 * common_posix.c - common.h by POSIX shared memory and record locks. Those belong to the process, not to a
 * descriptor that a child would share with it, and the kernel takes them away when it is gone.
 */
#include "rdma_backend/base/common.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "rdma_backend/base/platform.h"

static enum wsd_status status_of(int error)
{
	switch (error) {
	case EMFILE:
	case ENFILE:
		return WSD_ENOFILES;
	case ENOMEM:
	case ENOSPC:
		return WSD_ENOMEM;
	default:
		return WSD_EACCESS;
	}
}

/* Ours, and of that length; a fresh one is empty. */
static enum wsd_status check(int fd, size_t length)
{
	struct stat st;

	if (fstat(fd, &st) != 0)
		return status_of(errno);
	if (!S_ISREG(st.st_mode) || st.st_uid != geteuid() || (st.st_mode & 077) != 0)
		return WSD_EACCESS;
	if (st.st_size == 0 && ftruncate(fd, (off_t)length) != 0)
		return status_of(errno);
	return st.st_size == 0 || st.st_size == (off_t)length ? WSD_OK : WSD_EACCESS;
}

enum wsd_status wsd_common_open(struct wsd_common *common, const char *name, size_t length)
{
	enum wsd_status status;
	char path[96];
	void *base;
	int fd;

	if (name[0] == '\0' || strlen(name) > 32 || strchr(name, '/') != NULL)
		return WSD_EINVAL;
	snprintf(path, sizeof(path), "/openwsd.%s.%u", name, (unsigned)geteuid());
	fd = shm_open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return status_of(errno);
	status = check(fd, length);
	base = status == WSD_OK ? mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0)
				: MAP_FAILED;
	if (base == MAP_FAILED) {
		close(fd);
		return status == WSD_OK ? WSD_ENOMEM : status;
	}
	common->handle = wsd_handle_keep(fd);
	common->base = base;
	common->length = length;
	return WSD_OK;
}

void wsd_common_close(struct wsd_common *common)
{
	munmap(common->base, common->length);
	wsd_handle_close(common->handle);
	common->base = NULL;
	common->handle = -1;
}

static bool set_lock(const struct wsd_common *common, uint32_t index, short type)
{
	struct flock lock = { .l_type = type, .l_whence = SEEK_SET, .l_start = index, .l_len = 1 };

	return fcntl((int)common->handle, F_SETLK, &lock) == 0;
}

bool wsd_common_claim(struct wsd_common *common, uint32_t index)
{
	return set_lock(common, index, F_WRLCK);
}

void wsd_common_unclaim(struct wsd_common *common, uint32_t index)
{
	(void)set_lock(common, index, F_UNLCK);
}

bool wsd_common_claimed(struct wsd_common *common, uint32_t index)
{
	struct flock lock = {
		.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = index, .l_len = 1
	};

	return fcntl((int)common->handle, F_GETLK, &lock) != 0 || lock.l_type != F_UNLCK;
}
