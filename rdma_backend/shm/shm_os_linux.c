// SPDX-License-Identifier: BSD-2-Clause
/* shm_os_linux.c - memory files, unix sockets, their names and messages, and local addresses. */

#include <errno.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "rdma_backend/shm/shm_internal.h"

#define LISTEN_QUEUE 4096
#define MAX_FDS	     2u
#define RING_LEAST   (1u << 20)
#define RING_MOST    (4u << 20)

union control {
	struct cmsghdr align;
	char bytes[CMSG_SPACE(MAX_FDS * sizeof(int))];
};

/*
 * Twice the second-level cache: lines that the reader still has in its cache must be taken from there
 * before the writer can overwrite them, which costs more than half of the throughput. Larger rings
 * have wandered to the shared cache by then.
 */
uint32_t shm_os_ring_bytes(void)
{
	long cache = sysconf(_SC_LEVEL2_CACHE_SIZE);
	uint32_t bytes = RING_LEAST;

	while (bytes < RING_MOST && cache > 0 && bytes < 2ul * (unsigned long)cache)
		bytes *= 2;
	return bytes;
}

static enum wsd_status status_of(int error)
{
	switch (error) {
	case EAGAIN:
		return WSD_AGAIN;
	case EMFILE:
	case ENFILE:
	case ETOOMANYREFS:
		return WSD_ENOFILES;
	case ENOMEM:
	case ENOBUFS:
		return WSD_ENOMEM;
	case EADDRINUSE:
		return WSD_EADDRINUSE;
	case EACCES:
	case EPERM:
		return WSD_EACCESS;
	case ECONNREFUSED:
	case ENOENT:
	case EPROTOTYPE: /* the name is held by a socket of another kind */
		return WSD_ENOLISTENER;
	default:
		return WSD_ERESET;
	}
}

/* --- memory: files that a packet on a channel holds --- */

enum wsd_status shm_share_create(size_t length, shm_share *share, void **address)
{
	intptr_t handle;
	enum wsd_status status = wsd_shared_create(length, &handle, address);

	*share = status ? SHM_NO_SHARE : (shm_share)handle;
	return status;
}

enum wsd_status shm_share_attach(shm_share share, size_t length, void **address)
{
	enum wsd_status status = wsd_shared_attach(share, length, address);

	return status == WSD_EINVAL ? WSD_EPROTOCOL : status;
}

shm_share shm_share_give(shm_share *own)
{
	shm_share given = *own;

	*own = SHM_NO_SHARE; /* descriptors are few */
	return given;
}

void shm_share_close(shm_share *share)
{
	if (*share >= 0)
		wsd_handle_close(*share);
	*share = SHM_NO_SHARE;
}

/*
 * The doorbell is a packet on the link and not a descriptor of the peer's: what another process gives us
 * could be anything, and writing to it could block.
 */
enum wsd_status shm_bell_open(shm_share inbox, intptr_t *bell)
{
	(void)inbox;
	*bell = -1;
	return WSD_OK;
}

void shm_bell_close(intptr_t bell)
{
	(void)bell;
}

void shm_mailbox_ring(const struct shm_mailbox *mailbox, shm_channel channel)
{
	static const struct shm_msg message = { SHM_MAGIC, SHM_VERSION, SHM_MSG_DOORBELL };

	(void)mailbox;
	/* A full socket wakes the peer just as well; a dead one needs no waking. */
	(void)shm_os_send(channel, &message, sizeof(message), NULL, 0);
}

/* --- addresses --- */

static socklen_t to_sockaddr(const struct wsd_addr *addr, struct sockaddr_storage *storage)
{
	struct sockaddr_in v4 = { .sin_family = AF_INET };
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_scope_id = addr->scope };

	if (addr->family == WSD_FAMILY_IPV4) {
		memcpy(&v4.sin_addr, addr->bytes, 4);
		memcpy(storage, &v4, sizeof(v4));
		return sizeof(v4);
	}
	if (addr->family == WSD_FAMILY_IPV6) {
		memcpy(&v6.sin6_addr, addr->bytes, 16);
		memcpy(storage, &v6, sizeof(v6));
		return sizeof(v6);
	}
	return 0;
}

/*
 * Only the kernel knows: it lets a socket be bound to local addresses and to no others but those of
 * groups; it does not let one connect to a broadcast address unasked.
 */
enum wsd_status shm_address_check(const struct wsd_addr *addr)
{
	struct sockaddr_storage storage;
	socklen_t length = to_sockaddr(addr, &storage);
	bool local;
	int fd;

	if (!length || shm_address_is_group(addr))
		return WSD_EADDRNOTAVAIL;
	fd = socket(storage.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return errno == EAFNOSUPPORT ? WSD_EADDRNOTAVAIL : status_of(errno);
	local = bind(fd, (struct sockaddr *)&storage, length) == 0 &&
		connect(fd, (struct sockaddr *)&storage, length) == 0;
	close(fd);
	return local ? WSD_OK : WSD_EADDRNOTAVAIL;
}

static bool from_sockaddr(struct wsd_addr *addr, const struct sockaddr *name)
{
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;

	memset(addr, 0, sizeof(*addr));
	if (name && name->sa_family == AF_INET) {
		memcpy(&v4, name, sizeof(v4));
		addr->family = WSD_FAMILY_IPV4;
		memcpy(addr->bytes, &v4.sin_addr, 4);
		return true;
	}
	if (name && name->sa_family == AF_INET6) {
		memcpy(&v6, name, sizeof(v6));
		addr->family = WSD_FAMILY_IPV6;
		addr->scope = v6.sin6_scope_id;
		memcpy(addr->bytes, &v6.sin6_addr, 16);
		return true;
	}
	return false;
}

uint32_t shm_device_addresses(struct wsd_device *device, struct wsd_addr *list, uint32_t count)
{
	struct ifaddrs *all, *each;
	struct wsd_addr addr;
	uint32_t found = 0;

	if (getifaddrs(&all)) {
		device->host->log(1, "shm", "no interface addresses: error %d", errno);
		return 0;
	}
	for (each = all; each; each = each->ifa_next) {
		if (!from_sockaddr(&addr, each->ifa_addr))
			continue;
		if (found < count)
			list[found] = addr;
		found++;
	}
	freeifaddrs(all);
	return found;
}

/* --- channels --- */

void shm_os_close(shm_channel *channel)
{
	if (*channel >= 0)
		wsd_handle_close(*channel);
	*channel = SHM_NO_CHANNEL;
}

/* Other users and namespaces cannot meet by name. */
static socklen_t make_name(struct sockaddr_un *name, const struct wsd_addr *addr)
{
	char user[16];

	memset(name, 0, sizeof(*name));
	name->sun_family = AF_UNIX;
	snprintf(user, sizeof(user), "%u", (unsigned)geteuid());
	shm_name_make(name->sun_path + 1, sizeof(name->sun_path) - 1, user, addr);
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(name->sun_path + 1));
}

static int unix_socket(void)
{
	return (int)wsd_handle_keep(
		socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
}

enum wsd_status shm_os_listen(const struct wsd_addr *local, shm_channel *fd)
{
	struct sockaddr_un name;
	socklen_t length = make_name(&name, local);
	enum wsd_status status;

	*fd = unix_socket();
	if (*fd < 0)
		return status_of(errno);
	if (bind(*fd, (struct sockaddr *)&name, length) == 0 && listen(*fd, LISTEN_QUEUE) == 0)
		return WSD_OK;
	status = status_of(errno);
	shm_os_close(fd);
	return status;
}

static enum wsd_status same_user(int fd)
{
	struct ucred peer;
	socklen_t length = sizeof(peer);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length))
		return status_of(errno);
	return peer.uid == geteuid() ? WSD_OK : WSD_EUSER;
}

enum wsd_status shm_os_connect(const struct wsd_addr *addr, shm_channel *channel)
{
	struct sockaddr_un name;
	socklen_t length = make_name(&name, addr);
	enum wsd_status status;
	int result;

	*channel = unix_socket();
	if (*channel < 0)
		return status_of(errno);
	do {
		result = connect(*channel, (struct sockaddr *)&name, length);
	} while (result && errno == EINTR);
	status = result ? status_of(errno) : same_user(*channel);
	if (status)
		shm_os_close(channel);
	return status;
}

/* Of accept: the listener stays, whatever it is. */
static enum wsd_status shortage_of(int error)
{
	enum wsd_status status = status_of(error);

	return status == WSD_ENOFILES ? status : WSD_ENOMEM;
}

enum wsd_status shm_os_accept(shm_channel listener, shm_channel *channel)
{
	enum wsd_status status;
	int fd;

	do {
		fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	} while (fd < 0 && (errno == EINTR || errno == ECONNABORTED));
	if (fd < 0)
		return errno == EAGAIN ? WSD_AGAIN : shortage_of(errno);
	*channel = (int)wsd_handle_keep(fd);
	status = same_user(*channel);
	if (status)
		shm_os_close(channel);
	return status;
}

enum wsd_status shm_os_send(shm_channel fd, const void *message, size_t length,
			    const shm_share *fds, unsigned count)
{
	struct iovec part = { .iov_base = (void *)(uintptr_t)message, .iov_len = length };
	struct msghdr header = { .msg_iov = &part, .msg_iovlen = 1 };
	union control control;
	struct cmsghdr *item;
	ssize_t sent;

	if (count) {
		memset(&control, 0, sizeof(control));
		header.msg_control = control.bytes;
		header.msg_controllen = CMSG_SPACE(count * sizeof(int));
		item = CMSG_FIRSTHDR(&header);
		item->cmsg_level = SOL_SOCKET;
		item->cmsg_type = SCM_RIGHTS;
		item->cmsg_len = CMSG_LEN(count * sizeof(int));
		memcpy(CMSG_DATA(item), fds, count * sizeof(int));
	}
	do {
		sent = sendmsg(fd, &header, MSG_NOSIGNAL | MSG_DONTWAIT);
	} while (sent < 0 && errno == EINTR);
	return sent < 0 ? status_of(errno) : WSD_OK;
}

/* Take the descriptors out of the control data; what there is no room for is closed. */
static unsigned take_fds(struct msghdr *header, int *fds, unsigned room)
{
	struct cmsghdr *item;
	unsigned taken = 0;
	size_t i, count;
	int fd;

	for (item = CMSG_FIRSTHDR(header); item; item = CMSG_NXTHDR(header, item)) {
		if (item->cmsg_level != SOL_SOCKET || item->cmsg_type != SCM_RIGHTS)
			continue;
		count = (item->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (i = 0; i < count; i++) {
			memcpy(&fd, CMSG_DATA(item) + i * sizeof(int), sizeof(fd));
			if (taken < room)
				fds[taken++] = fd;
			else
				close(fd);
		}
	}
	return taken;
}

enum wsd_status shm_os_receive(shm_channel fd, union shm_packet *packet, size_t *length,
			       shm_share *fds, unsigned *count)
{
	struct iovec part = { .iov_base = packet, .iov_len = sizeof(*packet) };
	union control control;
	struct msghdr header = { .msg_iov = &part,
				 .msg_iovlen = 1,
				 .msg_control = control.bytes,
				 .msg_controllen = sizeof(control.bytes) };
	unsigned i, room = *count;
	ssize_t got;

	memset(packet, 0, sizeof(*packet));
	for (i = 0; i < room; i++)
		fds[i] = -1;
	*count = 0;
	*length = 0;
	do {
		got = recvmsg(fd, &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	} while (got < 0 && errno == EINTR);
	if (got < 0)
		return status_of(errno);
	*count = take_fds(&header, fds, room);
	/* An empty packet is no end of stream, but no message of ours either. */
	*length = header.msg_flags & MSG_TRUNC ? 0 : (size_t)got;
	if (!*length) {
		for (i = 0; i < room; i++)
			shm_share_close(&fds[i]);
		*count = 0;
	}
	return WSD_OK;
}
