// SPDX-License-Identifier: BSD-2-Clause
/* shm_os.c - unix sockets, their names and messages, and local addresses, for the shm backend. */

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

enum wsd_status shm_os_status(int error)
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

void shm_count(uint64_t *counter)
{
	/* Relaxed: a statistic, nothing is ordered by it. */
	atomic_fetch_add_explicit((_Atomic uint64_t *)(void *)counter, 1, memory_order_relaxed);
}

void shm_fd_close(int *fd)
{
	if (*fd >= 0)
		wsd_handle_close(*fd);
	*fd = -1;
}

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

static bool is_multicast(const struct wsd_addr *addr)
{
	return addr->family == WSD_FAMILY_IPV4 ? (addr->bytes[0] & 0xf0) == 0xe0
					       : addr->bytes[0] == 0xff;
}

bool shm_address_is_any(const struct wsd_addr *addr)
{
	static const uint8_t zero[16];

	return memcmp(addr->bytes, zero, sizeof(zero)) == 0;
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

	if (!length || is_multicast(addr))
		return WSD_EADDRNOTAVAIL;
	fd = socket(storage.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return errno == EAFNOSUPPORT ? WSD_EADDRNOTAVAIL : shm_os_status(errno);
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

/* openwsd.shm.<uid>.<family>.<address>.<port>: other users and namespaces cannot meet by name. */
static socklen_t make_name(struct sockaddr_un *name, const struct wsd_addr *addr)
{
	unsigned bytes = addr->family == WSD_FAMILY_IPV6 ? 16 : 4, i;
	char hex[33];
	int length;

	memset(name, 0, sizeof(*name));
	name->sun_family = AF_UNIX;
	for (i = 0; i < bytes; i++)
		snprintf(hex + 2 * i, 3, "%02x", addr->bytes[i]);
	length = snprintf(name->sun_path + 1, sizeof(name->sun_path) - 1,
			  "openwsd.shm.%u.%u.%s-%u.%u", (unsigned)geteuid(), addr->family, hex,
			  addr->scope, addr->port);
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)length);
}

static int unix_socket(void)
{
	return (int)wsd_handle_keep(
		socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
}

enum wsd_status shm_os_listen(const struct wsd_addr *local, int *fd)
{
	struct sockaddr_un name;
	socklen_t length = make_name(&name, local);
	enum wsd_status status;

	*fd = unix_socket();
	if (*fd < 0)
		return shm_os_status(errno);
	if (bind(*fd, (struct sockaddr *)&name, length) == 0 && listen(*fd, LISTEN_QUEUE) == 0)
		return WSD_OK;
	status = shm_os_status(errno);
	shm_fd_close(fd);
	return status;
}

/* Opens *fd where it is -1; closes it when it ended up at another user's. */
static enum wsd_status connect_name(int *fd, const struct wsd_addr *addr)
{
	struct sockaddr_un name;
	socklen_t length = make_name(&name, addr);
	enum wsd_status status;
	int result;

	if (*fd < 0)
		*fd = unix_socket();
	if (*fd < 0)
		return shm_os_status(errno);
	do {
		result = connect(*fd, (struct sockaddr *)&name, length);
	} while (result && errno == EINTR);
	if (result)
		return shm_os_status(errno);
	status = shm_os_same_user(*fd);
	if (status)
		shm_fd_close(fd);
	return status;
}

enum wsd_status shm_os_connect(const struct wsd_addr *remote, int *fd)
{
	struct wsd_addr any = { .family = remote->family, .port = remote->port };
	enum wsd_status status, other;

	*fd = -1;
	status = connect_name(fd, remote);
	/* Anybody can take a name: who did so keeps nobody from the listener for every address. */
	if (status == WSD_ENOLISTENER || status == WSD_EUSER) {
		other = connect_name(fd, &any);
		if (other != WSD_ENOLISTENER)
			status = other;
	}
	if (status)
		shm_fd_close(fd);
	return status;
}

enum wsd_status shm_os_same_user(int fd)
{
	struct ucred peer;
	socklen_t length = sizeof(peer);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length))
		return shm_os_status(errno);
	return peer.uid == geteuid() ? WSD_OK : WSD_EUSER;
}

enum wsd_status shm_os_send(int fd, const void *message, size_t length, const int *fds,
			    unsigned count)
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
	return sent < 0 ? shm_os_status(errno) : WSD_OK;
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

enum wsd_status shm_os_receive(int fd, union shm_packet *packet, size_t *length, int *fds,
			       unsigned *count)
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
		return shm_os_status(errno);
	*count = take_fds(&header, fds, room);
	/* An empty packet is no end of stream, but no message of ours either. */
	*length = header.msg_flags & MSG_TRUNC ? 0 : (size_t)got;
	return WSD_OK;
}

bool shm_hello_valid(const union shm_packet *packet, size_t length, uint16_t type)
{
	return length == sizeof(packet->hello) && packet->head.magic == SHM_MAGIC &&
	       packet->head.version == SHM_VERSION && packet->head.type == type &&
	       packet->hello.data_length <= WSD_REPLY_DATA_MAX;
}

void shm_addr_to_wire(struct shm_wire_addr *wire, const struct wsd_addr *addr)
{
	wire->family = addr->family;
	wire->port = addr->port;
	wire->scope = addr->scope;
	memcpy(wire->bytes, addr->bytes, sizeof(wire->bytes));
}

void shm_addr_from_wire(struct wsd_addr *addr, const struct shm_wire_addr *wire)
{
	addr->family = wire->family;
	addr->port = wire->port;
	addr->scope = wire->scope;
	memcpy(addr->bytes, wire->bytes, sizeof(addr->bytes));
}
