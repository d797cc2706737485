// SPDX-License-Identifier: BSD-2-Clause
/* refuse.c - see refuse.h: the program's own functions come before those of the C library. */
#include "tests/plain/refuse.h"

#include <errno.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/plain/refusal.h"

static struct refusal sends, receives, accepts;

static int refused(struct refusal *r)
{
	int error = refusal_of(r);

	if (error)
		errno = error;
	return error;
}

void refuse_sends(int error, int after, int calls)
{
	refusal_set(&sends, error, after, calls);
}

void refuse_receives(int error, int calls)
{
	refusal_set(&receives, error, 0, calls);
}

void refuse_accepts(int error, int calls)
{
	refusal_set(&accepts, error, 0, calls);
}

int refusals_left(void)
{
	return atomic_load(&sends.left) + atomic_load(&receives.left) + atomic_load(&accepts.left);
}

/* The type is that of the declaration: each kind of address. */
int accept4(int fd, __SOCKADDR_ARG from, socklen_t *restrict length, int flags)
{
	return refused(&accepts) ? -1
				 : (int)syscall(SYS_accept4, fd, from.__sockaddr__, length, flags);
}

ssize_t send(int fd, const void *bytes, size_t count, int flags)
{
	return refused(&sends) ? -1 : syscall(SYS_sendto, fd, bytes, count, flags, NULL, 0);
}

ssize_t recv(int fd, void *bytes, size_t count, int flags)
{
	return refused(&receives) ? -1 : syscall(SYS_recvfrom, fd, bytes, count, flags, NULL, NULL);
}
