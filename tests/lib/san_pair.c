// SPDX-License-Identifier: BSD-2-Clause
/* san_pair.c - see san_pair.h. */
#include "tests/lib/san_pair.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tests/lib/os_port.h"

WSPPROC_TABLE sp_spi;
struct sp_extensions sp_ext;
_Thread_local INT sp_error;
atomic_int sp_handles;
atomic_uint sp_upcalls, sp_repeated;
void (*sp_completed)(LPWSAOVERLAPPED overlapped);

static int family;
static DWORD descriptor_length;

/* --- upcalls --- */

static SOCKET WSPAPI create_handle(DWORD id, DWORD_PTR context, LPINT out)
{
	static atomic_uint next;

	(void)id;
	(void)context;
	(void)out;
	sp_handles++;
	return 0x1000 + 4 * ++next;
}

static int WSPAPI close_handle(SOCKET s, LPINT out)
{
	(void)s;
	(void)out;
	sp_handles--;
	return 0;
}

static BOOL WSPAPI touch(WSAEVENT event, LPINT out)
{
	(void)event;
	(void)out;
	return TRUE;
}

static int WSPAPI complete(SOCKET s, LPWSAOVERLAPPED o, DWORD code, DWORD bytes, LPINT out)
{
	(void)s;
	(void)out;
	sp_upcalls++;
	sp_repeated += o->Internal != WSS_OPERATION_IN_PROGRESS;
	if (sp_completed != NULL)
		sp_completed(o);
	o->InternalHigh = bytes;
	__atomic_store_n(&o->Internal, (ULONG_PTR)code, __ATOMIC_RELEASE);
	return 0;
}

/* --- start --- */

static int find(GUID id, void *function)
{
	DWORD bytes;

	if (sp_spi.lpWSPIoctl(INVALID_SOCKET, SIO_GET_EXTENSION_FUNCTION_POINTER, &id, sizeof(id),
			      function, sizeof(void *), &bytes, NULL, NULL, NULL, &sp_error) == 0)
		return 0;
	return sp_error;
}

static int find_all(void)
{
	static const GUID ids[] = { WSAID_REGISTERMEMORY,
				    WSAID_DEREGISTERMEMORY,
				    WSAID_REGISTERRDMAMEMORY,
				    WSAID_DEREGISTERRDMAMEMORY,
				    WSAID_RDMAWRITE,
				    WSAID_RDMAREAD,
				    WSAID_MEMORYREGISTRATIONCACHECALLBACK };
	void *functions[] = { &sp_ext.register_memory, &sp_ext.deregister_memory,
			      &sp_ext.register_rdma,   &sp_ext.deregister_rdma,
			      &sp_ext.rdma_write,      &sp_ext.rdma_read,
			      &sp_ext.cache_callback };
	int error = 0;

	for (unsigned i = 0; i < 7 && error == 0; i++)
		error = find(ids[i], functions[i]);
	return error;
}

int sp_start(int wanted)
{
	WSPUPCALLTABLEEX upcalls = { .lpWPUCreateSocketHandle = create_handle,
				     .lpWPUCloseSocketHandle = close_handle,
				     .lpWPUSetEvent = touch,
				     .lpWPUResetEvent = touch,
				     .lpWPUCompleteOverlappedRequest = complete };
	WSAPROTOCOL_INFOW info = { .iAddressFamily = wanted,
				   .iSocketType = SOCK_STREAM,
				   .iProtocol = IPPROTO_TCP };
	WSPDATA data;
	int error = WSPStartupEx(MAKEWORD(2, 2), &data, &info, &upcalls, &sp_spi);

	family = wanted;
	return error != 0 ? error : find_all();
}

int sp_stop(void)
{
	return sp_spi.lpWSPCleanup(&sp_error) == 0 ? 0 : sp_error;
}

/* --- connecting --- */

static time_t limit(void)
{
	const char *slow = getenv("WSD_TEST_SLOW");
	int factor = slow != NULL ? atoi(slow) : 1;

	return time(NULL) + (time_t)SP_PATIENCE * (factor > 0 ? factor : 1);
}

static int bound(SOCKET *s, unsigned short port, bool from, struct sockaddr_storage *at,
		 int *length)
{
	memset(at, 0, sizeof(*at));
	if (family == AF_INET6) {
		struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)at;

		v6->sin6_port = htons(port);
		os_address(true, from, v6->sin6_addr.s6_addr);
		*length = sizeof(*v6);
	} else {
		struct sockaddr_in *v4 = (struct sockaddr_in *)at;

		v4->sin_port = htons(port);
		os_address(false, from, (unsigned char *)&v4->sin_addr);
		*length = sizeof(*v4);
	}
	at->ss_family = (ADDRESS_FAMILY)family;
	*s = sp_spi.lpWSPSocket(family, SOCK_STREAM, IPPROTO_TCP, NULL, 0, WSA_FLAG_OVERLAPPED,
				&sp_error);
	if (*s == INVALID_SOCKET ||
	    sp_spi.lpWSPBind(*s, (struct sockaddr *)at, *length, &sp_error) != 0)
		return sp_error;
	return 0;
}

/* Both ends of a connect that has begun. The first code counts. */
static int meet(struct sp_pair *p)
{
	WSANETWORKEVENTS events = { 0 };
	time_t end = limit();

	while (!(events.lNetworkEvents & FD_CONNECT) || p->server == INVALID_SOCKET) {
		SOCKET more = sp_spi.lpWSPAccept(p->listener, NULL, NULL, NULL, 0, &sp_error);

		if (more != INVALID_SOCKET)
			p->server = more;
		else if (sp_error != WSAEWOULDBLOCK)
			return sp_error;
		if (!(events.lNetworkEvents & FD_CONNECT) &&
		    sp_spi.lpWSPEnumNetworkEvents(p->client, NULL, &events, &sp_error) != 0)
			return sp_error;
		if ((events.lNetworkEvents & FD_CONNECT) && events.iErrorCode[FD_CONNECT_BIT] != 0)
			return events.iErrorCode[FD_CONNECT_BIT];
		if (time(NULL) > end)
			return SP_HUNG;
	}
	return 0;
}

/* Held as long as the process lives. */
static struct ports {
	unsigned short listen, connect;
	bool used;
} ports[SP_PAIRS];

static struct ports *take_ports(struct sp_pair *p)
{
	struct ports *mine;

	for (p->ports = 0; p->ports + 1 < SP_PAIRS && ports[p->ports].used;)
		p->ports++;
	mine = &ports[p->ports];
	mine->used = true;
	if (mine->listen == 0) {
		mine->listen = os_port(family == AF_INET6, true);
		mine->connect = os_port(family == AF_INET6, false);
	}
	return mine;
}

int sp_open(struct sp_pair *p)
{
	const struct ports *mine = take_ports(p);
	WSAEVENT event = (WSAEVENT)(uintptr_t)4; /* the switch's own affair */
	struct sockaddr_storage at, own;
	int length, own_length, error;

	p->listener = p->client = p->server = INVALID_SOCKET;
	error = bound(&p->listener, mine->listen, false, &at, &length);
	if (error == 0)
		error = bound(&p->client, mine->connect, true, &own, &own_length);
	if (error != 0)
		return error;
	if (sp_spi.lpWSPListen(p->listener, 4, &sp_error) != 0 ||
	    sp_spi.lpWSPEventSelect(p->listener, event, FD_ACCEPT, &sp_error) != 0 ||
	    sp_spi.lpWSPEventSelect(p->client, event, FD_CONNECT, &sp_error) != 0)
		return sp_error;
	if (sp_spi.lpWSPConnect(p->client, (struct sockaddr *)&at, length, NULL, NULL, NULL, NULL,
				&sp_error) != 0 &&
	    sp_error != WSAEWOULDBLOCK)
		return sp_error;
	return meet(p);
}

void sp_close(struct sp_pair *p)
{
	SOCKET all[] = { p->client, p->server, p->listener };

	for (unsigned i = 0; i < 3; i++)
		if (all[i] != INVALID_SOCKET)
			(void)sp_spi.lpWSPCloseSocket(all[i], &sp_error);
	ports[p->ports].used = false;
}

bool sp_settle(int handles)
{
	struct timespec moment = { 0, 200000 };
	time_t end = limit();

	while (sp_handles > handles && time(NULL) <= end)
		nanosleep(&moment, NULL);
	return sp_handles <= handles;
}

/* --- operations --- */

void sp_begin(WSAOVERLAPPED *o, bool poll)
{
	memset(o, 0, sizeof(*o));
	o->hEvent = (HANDLE)(uintptr_t)poll;
}

static int outcome(int result)
{
	return result == 0 || sp_error == WSA_IO_PENDING ? 0 : sp_error;
}

int sp_send(SOCKET s, void *at, DWORD length, WSAOVERLAPPED *o)
{
	WSABUF buffer = { length, at };
	DWORD bytes;

	return outcome(sp_spi.lpWSPSend(s, &buffer, 1, &bytes, 0, o, NULL, NULL, &sp_error));
}

int sp_recv(SOCKET s, void *at, DWORD length, WSAOVERLAPPED *o)
{
	WSABUF buffer = { length, at };
	DWORD bytes, flags = 0;

	return outcome(sp_spi.lpWSPRecv(s, &buffer, 1, &bytes, &flags, o, NULL, NULL, &sp_error));
}

int sp_write(SOCKET s, void *at, DWORD length, HANDLE handle, void *descriptor, WSAOVERLAPPED *o)
{
	WSABUFEX buffer = { length, at, handle };
	DWORD bytes;

	return outcome(sp_ext.rdma_write(s, &buffer, 1, descriptor, descriptor_length, 0, &bytes, 0,
					 o, NULL, NULL, &sp_error));
}

int sp_read(SOCKET s, void *at, DWORD length, HANDLE handle, void *descriptor, WSAOVERLAPPED *o)
{
	WSABUFEX buffer = { length, at, handle };
	DWORD bytes;

	return outcome(sp_ext.rdma_read(s, &buffer, 1, descriptor, descriptor_length, 0, &bytes, 0,
					o, NULL, NULL, &sp_error));
}

int sp_result(SOCKET s, WSAOVERLAPPED *o, DWORD *bytes)
{
	time_t end = limit();
	DWORD flags;

	for (unsigned i = 1;; i++) {
		if (sp_spi.lpWSPGetOverlappedResult(s, o, bytes, FALSE, &flags, &sp_error))
			return 0;
		if (sp_error != WSA_IO_INCOMPLETE)
			return sp_error;
		if (i % 4096 == 0 && time(NULL) > end)
			return SP_HUNG;
	}
}

int sp_expose(SOCKET s, void *at, DWORD length, DWORD rights, void *descriptor)
{
	descriptor_length = SP_DESCRIPTOR;
	if (sp_ext.register_rdma(s, at, length, rights, descriptor, &descriptor_length,
				 &sp_error) == 0)
		return 0;
	return sp_error;
}

int sp_hide(SOCKET s, void *descriptor)
{
	return sp_ext.deregister_rdma(s, descriptor, descriptor_length, &sp_error) == 0 ? 0
											: sp_error;
}
