// SPDX-License-Identifier: BSD-2-Clause
/* os_pass_linux.c - see os_pass.h: a box is a listening socket; the kernel says whose user both ends are. */
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
#define LOOKS	64u /* at connections of strangers, who may make them without end */
#define BACKLOG 16

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
	case EPIPE: /* he took the connection before there was anything in it */
	case ECONNRESET:
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
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return errno == EMFILE || errno == ENFILE ? WSD_ENOFILES : WSD_ENOMEM;
	if (bind(fd, (struct sockaddr *)&at, length) != 0)
		goto failed;
	length = sizeof(at);
	if (getsockname(fd, (struct sockaddr *)&at, &length) != 0 ||
	    length > sizeof(at.sun_family) + WSD_OS_PASS_BOX || listen(fd, BACKLOG) != 0)
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
	char bytes[CMSG_SPACE(sizeof(int))];
};

/* Of a connection: the effective user of the other end, as it was when it connected or began to listen. */
static bool is_this_users(int fd)
{
	struct ucred peer;
	socklen_t length = sizeof(peer);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) == 0 &&
	       length == sizeof(peer) && peer.uid == geteuid();
}

static ssize_t send_socket(int fd, uint8_t tag, int socket_fd)
{
	struct iovec iov = { &tag, 1 };
	union control control = { .bytes = { 0 } };
	struct msghdr message = { .msg_iov = &iov,
				  .msg_iovlen = 1,
				  .msg_control = &control,
				  .msg_controllen = CMSG_SPACE(sizeof(int)) };
	struct cmsghdr *head = CMSG_FIRSTHDR(&message);

	head->cmsg_level = SOL_SOCKET;
	head->cmsg_type = SCM_RIGHTS;
	head->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(head), &socket_fd, sizeof(socket_fd));
	return sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* Anybody may have a name that a box had. */
static enum wsd_status send_to(const struct sockaddr_un *at, socklen_t length, uint8_t tag,
			       int socket_fd)
{
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	enum wsd_status status = WSD_OK;

	if (fd < 0)
		return from_errno(errno);
	if (connect(fd, (const struct sockaddr *)at, length) != 0)
		status = from_errno(errno);
	else if (!is_this_users(fd))
		status = WSD_EUNREACHABLE;
	else if (send_socket(fd, tag, socket_fd) != 1)
		status = from_errno(errno);
	close(fd);
	return status;
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
	return send_to(&at, (socklen_t)(sizeof(at.sun_family) + length), tag, (int)socket);
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

/* What came with a message: the one descriptor, NOTHING, or SEVERAL that are closed. */
static int descriptor_of(struct msghdr *message)
{
	struct cmsghdr *head;
	int fd = NOTHING;

	for (head = CMSG_FIRSTHDR(message); head; head = CMSG_NXTHDR(message, head))
		if (head->cmsg_level == SOL_SOCKET && head->cmsg_type == SCM_RIGHTS)
			fd = only_one(head);
	return fd;
}

/* WSD_AGAIN: it is of no use. */
static enum wsd_status take_from(int from, uint8_t *tag, intptr_t *socket)
{
	struct iovec iov = { tag, 1 };
	union control control = { .bytes = { 0 } };
	struct msghdr message = { .msg_iov = &iov,
				  .msg_iovlen = 1,
				  .msg_control = &control,
				  .msg_controllen = sizeof(control) };
	ssize_t n = recvmsg(from, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	int fd;

	/* It may be about to come. From here on it is here or its sender hears that it was not taken. */
	if (n < 0 && shutdown(from, SHUT_RD) == 0)
		n = recvmsg(from, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	fd = n < 0 ? NOTHING : descriptor_of(&message);
	if (n == 1 && fd >= 0) {
		*socket = wsd_handle_keep(fd);
		return WSD_OK;
	}
	if (fd >= 0)
		close(fd);
	/* There was no place for it. */
	return n >= 0 && fd == NOTHING && (message.msg_flags & MSG_CTRUNC) ? WSD_ENOFILES
									   : WSD_AGAIN;
}

enum wsd_status wsd_os_pass_take(intptr_t box, const void *letter, uint8_t *tag, intptr_t *socket)
{
	(void)letter;
	for (unsigned i = 0; i < LOOKS; i++) {
		int from = accept4((int)box, NULL, NULL, SOCK_CLOEXEC);
		enum wsd_status status;

		if (from < 0)
			return errno == EMFILE || errno == ENFILE ? WSD_ENOFILES : WSD_AGAIN;
		status = is_this_users(from) ? take_from(from, tag, socket) : WSD_AGAIN;
		close(from);
		if (status != WSD_AGAIN)
			return status;
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
	return wsd_addr_same_end(&addr, local) && flags >= 0 &&
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
	return wsd_addr_same_end(&addr, remote);
}

bool wsd_os_pass_steals_news(void)
{
	return false;
}
