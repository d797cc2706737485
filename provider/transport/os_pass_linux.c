// SPDX-License-Identifier: BSD-2-Clause
/* os_pass_linux.c - see os_pass.h: a box is a datagram socket; the kernel says of whom the descriptors are. */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "provider/transport/os_addr_linux.h"
#include "provider/transport/os_pass.h"
#include "rdma_backend/base/base.h"
#include "rdma_backend/base/platform.h"

#define NOTHING (-1)
#define SEVERAL (-2)
#define LOOKS	64u /* at letters of strangers, who may write them without end */

static enum wsd_status from_errno(int code)
{
	switch (code) {
	case EMFILE:
	case ENFILE:
		return WSD_ENOFILES;
	case EAGAIN:
	case EINTR:
	case ENOBUFS:
	case ETOOMANYREFS:
		return WSD_AGAIN;
	case ENOMEM:
		return WSD_ENOMEM;
	default:
		return WSD_EUNREACHABLE;
	}
}

enum wsd_status wsd_os_pass_open(intptr_t *box, uint8_t *name)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	socklen_t length = sizeof(at.sun_family); /* the kernel chooses an abstract name */
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), on = 1;

	if (fd < 0)
		return errno == EMFILE || errno == ENFILE ? WSD_ENOFILES : WSD_ENOMEM;
	if (setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) != 0 ||
	    bind(fd, (struct sockaddr *)&at, length) != 0)
		goto failed;
	length = sizeof(at);
	if (getsockname(fd, (struct sockaddr *)&at, &length) != 0 ||
	    length > sizeof(at.sun_family) + WSD_OS_PASS_BOX)
		goto failed;
	memset(name, 0, WSD_OS_PASS_BOX);
	memcpy(name, at.sun_path, length - sizeof(at.sun_family));
	*box = wsd_handle_keep(fd);
	return WSD_OK;
failed:
	close(fd);
	return WSD_ENOMEM;
}

void wsd_os_pass_close(intptr_t box)
{
	wsd_handle_close(box);
}

union control {
	struct cmsghdr head;
	char bytes[CMSG_SPACE(sizeof(int)) + CMSG_SPACE(sizeof(struct ucred))];
};

static ssize_t send_to(const struct sockaddr_un *at, socklen_t length, uint8_t tag, int socket_fd)
{
	struct iovec iov = { &tag, 1 };
	union control control = { .bytes = { 0 } };
	struct msghdr message = { .msg_name = (void *)(uintptr_t)at,
				  .msg_namelen = length,
				  .msg_iov = &iov,
				  .msg_iovlen = 1,
				  .msg_control = &control,
				  .msg_controllen = CMSG_SPACE(sizeof(int)) };
	struct cmsghdr *head = CMSG_FIRSTHDR(&message);
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), code;
	ssize_t sent;

	if (fd < 0)
		return -1;
	head->cmsg_level = SOL_SOCKET;
	head->cmsg_type = SCM_RIGHTS;
	head->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(head), &socket_fd, sizeof(socket_fd));
	sent = sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
	code = errno;
	close(fd);
	errno = code;
	return sent;
}

enum wsd_status wsd_os_pass_give(intptr_t socket, uint8_t tag, const uint8_t *name,
				 uint32_t process, void *letter)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	size_t length = WSD_OS_PASS_BOX;

	(void)process;
	(void)letter;
	/* The names of the kernel are a zero byte and some letters. */
	while (length > 1 && name[length - 1] == 0)
		length--;
	if (length == 1 || name[0] != 0)
		return WSD_EUNREACHABLE;
	memcpy(at.sun_path, name, length);
	if (send_to(&at, (socklen_t)(sizeof(at.sun_family) + length), tag, (int)socket) == 1)
		return WSD_OK;
	return from_errno(errno);
}

/* A stranger may send more than one. */
static int only_one(const struct cmsghdr *head)
{
	size_t count = (head->cmsg_len - CMSG_LEN(0)) / sizeof(int);
	int fd = -1;

	for (size_t i = 0; i < count; i++) {
		memcpy(&fd, CMSG_DATA(head) + i * sizeof(fd), sizeof(fd));
		if (count > 1)
			close(fd);
	}
	return count == 1 ? fd : SEVERAL;
}

/* What came with a message: the one descriptor, NOTHING, or SEVERAL that are closed; and is the sender this user? */
static bool open_message(struct msghdr *message, int *fd)
{
	struct cmsghdr *head;
	bool ours = false;

	*fd = NOTHING;
	for (head = CMSG_FIRSTHDR(message); head; head = CMSG_NXTHDR(message, head)) {
		struct ucred sender;

		if (head->cmsg_level != SOL_SOCKET)
			continue;
		if (head->cmsg_type == SCM_RIGHTS)
			*fd = only_one(head);
		if (head->cmsg_type == SCM_CREDENTIALS &&
		    head->cmsg_len == CMSG_LEN(sizeof(sender))) {
			memcpy(&sender, CMSG_DATA(head), sizeof(sender));
			ours = sender.uid == geteuid();
		}
	}
	return ours;
}

enum wsd_status wsd_os_pass_take(intptr_t box, const void *letter, uint8_t *tag, intptr_t *socket)
{
	(void)letter;
	for (unsigned i = 0; i < LOOKS; i++) {
		struct iovec iov = { tag, 1 };
		union control control = { .bytes = { 0 } };
		struct msghdr message = { .msg_iov = &iov,
					  .msg_iovlen = 1,
					  .msg_control = &control,
					  .msg_controllen = sizeof(control) };
		ssize_t n = recvmsg((int)box, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
		bool ours;
		int fd;

		if (n < 0)
			return WSD_AGAIN;
		ours = open_message(&message, &fd);
		if (ours && n == 1 && fd >= 0) {
			*socket = wsd_handle_keep(fd);
			return WSD_OK;
		}
		if (fd >= 0)
			close(fd);
		else if (ours && fd == NOTHING &&
			 (message.msg_flags & MSG_CTRUNC)) /* there was no place for it */
			return WSD_ENOFILES;
	}
	return WSD_AGAIN;
}

enum wsd_status wsd_os_pass_twin(intptr_t socket, intptr_t *twin)
{
	int fd = fcntl((int)socket, F_DUPFD_CLOEXEC, 0);

	if (fd < 0)
		return errno == EMFILE ? WSD_ENOFILES : WSD_EINVAL;
	*twin = wsd_handle_keep(fd);
	return WSD_OK;
}

static bool has_option(int fd, int level, int name, int value)
{
	int found = 0;
	socklen_t length = sizeof(found);

	return getsockopt(fd, level, name, &found, &length) == 0 && found == value;
}

/* Of TCP, in that state, and bound there? Then it never blocks from here on. */
static bool is_ours(int fd, const struct wsd_addr *local, int listens)
{
	bool ipv6 = local->family == WSD_FAMILY_IPV6;
	int flags = fcntl(fd, F_GETFL);
	union wsd_os_addr os;
	socklen_t length = sizeof(os);
	struct wsd_addr addr;

	if (!has_option(fd, SOL_SOCKET, SO_DOMAIN, ipv6 ? AF_INET6 : AF_INET) ||
	    !has_option(fd, SOL_SOCKET, SO_TYPE, SOCK_STREAM) ||
	    !has_option(fd, SOL_SOCKET, SO_PROTOCOL, IPPROTO_TCP) ||
	    !has_option(fd, SOL_SOCKET, SO_ACCEPTCONN, listens) ||
	    (ipv6 && !has_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1)) ||
	    getsockname(fd, &os.any, &length) != 0)
		return false;
	wsd_os_addr_from(&os, &addr);
	return wsd_addr_equal(&addr, local) && flags >= 0 &&
	       fcntl(fd, F_SETFL, flags | O_NONBLOCK) == 0;
}

bool wsd_os_pass_listens(intptr_t socket, const struct wsd_addr *local)
{
	return is_ours((int)socket, local, 1);
}

bool wsd_os_pass_connects(intptr_t socket, const struct wsd_addr *local,
			  const struct wsd_addr *remote)
{
	union wsd_os_addr os;
	socklen_t length = sizeof(os);
	struct wsd_addr addr;

	if (!is_ours((int)socket, local, 0))
		return false;
	/* What has ended in both directions has no peer, and may have bytes. */
	if (getpeername((int)socket, &os.any, &length) != 0)
		return errno == ENOTCONN;
	wsd_os_addr_from(&os, &addr);
	return wsd_addr_equal(&addr, remote);
}

bool wsd_os_pass_steals_news(void)
{
	return false;
}
