// SPDX-License-Identifier: BSD-2-Clause
/* contract.c - see contract.h. Of the provider only its file and WSPStartupEx are known. */
#include "tests/switch/contract.h"

#include "tests/switch/address.h"
#include "tests/switch/system.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SOCKETS	    4096u
#define FIRST_VALUE 0x70000000u
#define CATALOG_ID  1001u
#define MOST_BROKEN 25u /* what follows would be consequences */

bool sw_no_read;
int sw_family = AF_INET;
unsigned sw_violations, sw_checks;
struct sw_moved sw_moved;
static char caller[SW_ADDRESS_TEXT], callee[SW_ADDRESS_TEXT]; /* of the first request */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* sockets, made: the rules' counts too */
static struct sw_socket sockets[SOCKETS];
static atomic_uint made; /* handles given out */

WSPPROC_TABLE sw_spi;
struct sw_extensions sw_ext;
_Thread_local INT sw_error;

int sw_summary(void)
{
	if (caller[0] != 0)
		printf("connections from %s to %s\n", caller, callee);
	printf("%u rules checked, %u broken; %u messages, %u READs, %u WRITEs\n", sw_checks,
	       sw_violations, sw_moved.messages, sw_moved.reads, sw_moved.writes);
	fflush(stdout);
	return sw_violations != 0;
}

void sw_rule(bool kept, const char *rule, const char *file, int line)
{
	static pthread_mutex_t print = PTHREAD_MUTEX_INITIALIZER;

	pthread_mutex_lock(&print);
	sw_checks++;
	if (!kept) {
		sw_violations++;
		printf("BROKEN %s (%s:%d, error %d)\n", rule, file, line, sw_error);
		fflush(stdout);
		if (sw_violations == MOST_BROKEN) {
			(void)sw_summary();
			_exit(1); /* perhaps inside of an upcall */
		}
	}
	pthread_mutex_unlock(&print);
}

/* --- upcalls --- */

static struct sw_socket *of_handle(SOCKET s)
{
	SOCKET n = (s - FIRST_VALUE) / 4;

	return s >= FIRST_VALUE && s % 4 == 0 && n < made ? &sockets[n] : NULL;
}

static SOCKET WSPAPI create_handle(DWORD id, DWORD_PTR context, LPINT out)
{
	SOCKET s = INVALID_SOCKET;

	(void)context;
	RULE(id == CATALOG_ID, "WPUCreateSocketHandle gets the id of TCP/IP's catalogue entry");
	pthread_mutex_lock(&lock);
	if (made < SOCKETS) {
		s = FIRST_VALUE + 4 * made;
		sockets[made].handle = s;
		made++;
	}
	pthread_mutex_unlock(&lock);
	if (s == INVALID_SOCKET)
		*out = WSAENOBUFS;
	return s;
}

static int WSPAPI close_handle(SOCKET s, LPINT out)
{
	struct sw_socket *sock = of_handle(s);

	(void)out;
	RULE(sock != NULL, "WPUCloseSocketHandle gets the switch's handle");
	if (sock == NULL)
		return SOCKET_ERROR;
	RULE(!sock->closed, "WPUCloseSocketHandle comes once");
	RULE(sock->shut || sock->own == 0, "no handle is closed before WSPCloseSocket");
	sock->closed = true;
	return 0;
}

static BOOL WSPAPI set_event(WSAEVENT event, LPINT out)
{
	struct sw_event *e = event;

	(void)out;
	RULE(e != NULL && e->selected, "only an event that was selected is set");
	e->set = true;
	return TRUE;
}

static BOOL WSPAPI reset_event(WSAEVENT event, LPINT out)
{
	(void)out;
	((struct sw_event *)event)->set = false;
	return TRUE;
}

static int WSPAPI complete(SOCKET s, LPWSAOVERLAPPED overlapped, DWORD code, DWORD bytes, LPINT out)
{
	struct sw_op *op = (struct sw_op *)overlapped;
	struct sw_socket *sock = of_handle(s);

	(void)out;
	RULE(sock != NULL, "WPUCompleteOverlappedRequest gets the switch's handle");
	RULE(op->magic == SW_OP_MAGIC && op->state == SW_PENDING, "each operation completes once");
	RULE(op->sock == sock, "it completes with the handle of its socket");
	RULE(sock == NULL || !sock->closed, "no upcall comes after WPUCloseSocketHandle");
	RULE(op->way == SW_UPCALL, "the low bit of hEvent keeps upcalls away");
	RULE(op->o.Internal == WSS_OPERATION_IN_PROGRESS, "Internal is the upcall's to change");
	RULE(code != 0 ? bytes == 0 : bytes <= op->total, "no more bytes than there was room for");
	RULE(op->o.OffsetHigh == code, "OffsetHigh has the error before the upcall");
	if (sock == NULL || op->magic != SW_OP_MAGIC)
		return SOCKET_ERROR;
	op->o.InternalHigh = bytes;
	__atomic_store_n(&op->o.Internal, (ULONG_PTR)code, __ATOMIC_RELEASE);
	op->error = code;
	op->bytes = bytes;
	sock->pending--;
	op->state = SW_DONE;
	return 0;
}

static WSAEVENT WSPAPI no_event(LPINT out)
{
	*out = WSAENOBUFS;
	return NULL;
}

static BOOL WSPAPI no_close(WSAEVENT event, LPINT out)
{
	(void)event;
	*out = WSAEINVAL;
	return FALSE;
}

static int WSPAPI no_context(SOCKET s, PDWORD_PTR context, LPINT out)
{
	(void)context;
	RULE(of_handle(s) != NULL, "WPUQuerySocketHandleContext gets the switch's handle");
	*out = WSAENOTSOCK;
	return SOCKET_ERROR;
}

/* --- start --- */

static void find(const GUID *id, void *function, bool needed)
{
	GUID copy = *id;
	DWORD bytes = 0;
	int result;

	/* No socket exists yet, and none may be asked for. */
	result = sw_spi.lpWSPIoctl(INVALID_SOCKET, SIO_GET_EXTENSION_FUNCTION_POINTER, &copy,
				   sizeof(copy), function, sizeof(void *), &bytes, NULL, NULL, NULL,
				   &sw_error);
	RULE(needed ? result == 0 : result == 0 || sw_error == WSAEOPNOTSUPP,
	     "the extension functions are found, the optional ones refused with WSAEOPNOTSUPP");
	if (result != 0)
		memset(function, 0, sizeof(void *));
}

static void find_all(void)
{
	static const GUID ids[] = { WSAID_REGISTERMEMORY,
				    WSAID_DEREGISTERMEMORY,
				    WSAID_REGISTERRDMAMEMORY,
				    WSAID_DEREGISTERRDMAMEMORY,
				    WSAID_RDMAWRITE,
				    WSAID_RDMAREAD,
				    WSAID_MEMORYREGISTRATIONCACHECALLBACK };

	find(&ids[0], &sw_ext.register_memory, true);
	find(&ids[1], &sw_ext.deregister_memory, true);
	find(&ids[2], &sw_ext.register_rdma, true);
	find(&ids[3], &sw_ext.deregister_rdma, true);
	find(&ids[4], &sw_ext.rdma_write, true);
	find(&ids[5], &sw_ext.rdma_read, false);
	find(&ids[6], &sw_ext.cache_callback, false);
}

static bool has_all(void)
{
	return sw_spi.lpWSPAccept && sw_spi.lpWSPBind && sw_spi.lpWSPCleanup &&
	       sw_spi.lpWSPCloseSocket && sw_spi.lpWSPConnect && sw_spi.lpWSPDuplicateSocket &&
	       sw_spi.lpWSPEnumNetworkEvents && sw_spi.lpWSPEventSelect &&
	       sw_spi.lpWSPGetOverlappedResult && sw_spi.lpWSPGetQOSByName &&
	       sw_spi.lpWSPGetSockOpt && sw_spi.lpWSPIoctl && sw_spi.lpWSPListen &&
	       sw_spi.lpWSPRecv && sw_spi.lpWSPSend && sw_spi.lpWSPSetSockOpt && sw_spi.lpWSPSocket;
}

void sw_load(const char *path)
{
	WSPUPCALLTABLEEX upcalls = { .lpWPUCloseEvent = no_close,
				     .lpWPUCloseSocketHandle = close_handle,
				     .lpWPUCreateEvent = no_event,
				     .lpWPUCreateSocketHandle = create_handle,
				     .lpWPUQuerySocketHandleContext = no_context,
				     .lpWPUResetEvent = reset_event,
				     .lpWPUSetEvent = set_event,
				     .lpWPUCompleteOverlappedRequest = complete };
	WSAPROTOCOL_INFOW info = { .dwCatalogEntryId = CATALOG_ID,
				   .iVersion = 2,
				   .iAddressFamily = sw_family,
				   .iSocketType = SOCK_STREAM,
				   .iProtocol = IPPROTO_TCP };
	LPWSPSTARTUPEX startup = NULL;
	const char *why = system_load(path, "WSPStartupEx", &startup, sizeof(startup));
	WSPDATA data;
	int result;

	if (why != NULL) {
		fprintf(stderr, "%s: %s\n", path, why);
		exit(2);
	}
	result = startup(MAKEWORD(2, 2), &data, &info, &upcalls, &sw_spi);
	memset(&upcalls, 0, sizeof(upcalls)); /* it was ours */
	if (result != 0) {
		fprintf(stderr, "%s: WSPStartupEx answers %d%s\n", path, result,
			result == WSASYSNOTREADY ? ": no device, or it misses an upcall" : "");
		exit(2);
	}
	RULE(data.wVersion == 0x0202, "2.2 is agreed on");
	if (!has_all()) {
		RULE(false, "the 17 procedures are there");
		exit(sw_summary());
	}
	find_all();
}

void sw_unload(void)
{
	RULE(sw_spi.lpWSPCleanup(&sw_error) == 0, "WSPCleanup succeeds");
	for (unsigned i = 0; i < made; i++)
		RULE(sockets[i].closed, "WSPCleanup closes every handle that is left");
}

/* --- sockets --- */

/* The socket that came with the handle created last; one call, one handle. */
static struct sw_socket *adopt(SOCKET own, unsigned before)
{
	struct sw_socket *sock;

	if (own == INVALID_SOCKET) {
		/* Asked for before it turned out that there was no request any more. */
		RULE(made == before || sockets[made - 1].closed, "no handle is left of a failure");
		return NULL;
	}
	RULE(made == before + 1, "one WPUCreateSocketHandle for each socket");
	sock = &sockets[made - 1];
	RULE(own != sock->handle, "the descriptor is the provider's own");
	for (unsigned i = 0; i < before; i++)
		RULE(sockets[i].shut || sockets[i].own != own,
		     "a descriptor is not used again before WSPCloseSocket");
	sock->own = own;
	return sock;
}

static struct sw_socket *make_socket(void)
{
	unsigned before = made;
	struct sw_socket *sock = adopt(sw_spi.lpWSPSocket(sw_family, SOCK_STREAM, IPPROTO_TCP, NULL,
							  0, WSA_FLAG_OVERLAPPED, &sw_error),
				       before);

	if (sock == NULL) {
		fprintf(stderr, "no socket: %d\n", sw_error);
		exit(2);
	}
	return sock;
}

struct sw_socket *sw_open(u_short port, bool from)
{
	struct sw_socket *sock = make_socket();
	struct sockaddr_storage at;
	int length;

	sw_address(&at, &length, port, from);
	RULE(sw_spi.lpWSPBind(sock->own, (struct sockaddr *)&at, length, &sw_error) == 0,
	     "a bind that TCP/IP has arbitrated succeeds");
	return sock;
}

void sw_query_addresses(void)
{
	struct sw_socket *sock = make_socket();
	union {
		SOCKET_ADDRESS_LIST list;
		char room[16384];
	} out;
	DWORD bytes = 0;

	RULE(sw_spi.lpWSPIoctl(sock->own, SIO_ADDRESS_LIST_QUERY, NULL, 0, &out, sizeof(out),
			       &bytes, NULL, NULL, NULL, &sw_error) == 0 &&
		     out.list.iAddressCount > 0,
	     "an unbound socket tells the addresses");
	sw_close(sock);
}

void sw_listen(struct sw_socket *sock, int backlog)
{
	RULE(sw_spi.lpWSPListen(sock->own, backlog, &sw_error) == 0, "WSPListen succeeds");
}

static void select_event(struct sw_socket *sock, struct sw_event *event, long mask)
{
	event->selected = true;
	RULE(sw_spi.lpWSPEventSelect(sock->own, event, mask, &sw_error) == 0,
	     "WSPEventSelect takes FD_ACCEPT and FD_CONNECT");
}

/* The events of one kind; anything else must not come. */
static bool fetch(struct sw_socket *sock, struct sw_event *event, long kind, int *code)
{
	WSANETWORKEVENTS events = { 0 };

	if (!event->set)
		return false;
	RULE(sw_spi.lpWSPEnumNetworkEvents(sock->own, event, &events, &sw_error) == 0,
	     "WSPEnumNetworkEvents succeeds");
	RULE((events.lNetworkEvents & ~kind) == 0, "only selected events are reported");
	*code = events.iErrorCode[kind == FD_CONNECT ? FD_CONNECT_BIT : FD_ACCEPT_BIT];
	return (events.lNetworkEvents & kind) != 0;
}

void sw_connect(struct sw_socket *sock, u_short port, struct sw_event *event)
{
	struct sockaddr_storage to;
	int length, result;

	event->set = false;
	select_event(sock, event, FD_CONNECT);
	sw_address(&to, &length, port, false);
	result = sw_spi.lpWSPConnect(sock->own, (struct sockaddr *)&to, length, NULL, NULL, NULL,
				     NULL, &sw_error);
	RULE(result == 0 || sw_error == WSAEWOULDBLOCK, "a nonblocking connect never waits");
	if (result == 0)
		event->set = true;
}

int sw_connected(struct sw_socket *sock, struct sw_event *event)
{
	int code = -1;

	if (!fetch(sock, event, FD_CONNECT, &code))
		return -1;
	RULE(sw_spi.lpWSPEventSelect(sock->own, NULL, 0, &sw_error) == 0,
	     "mask 0 ends a selection");
	return code;
}

void sw_watch(struct sw_socket *listener, struct sw_event *event)
{
	event->set = false;
	select_event(listener, event, FD_ACCEPT);
}

bool sw_requested(struct sw_socket *listener, struct sw_event *event)
{
	int code = 0;
	bool is = fetch(listener, event, FD_ACCEPT, &code);

	RULE(code == 0, "FD_ACCEPT comes without an error");
	return is;
}

static int CALLBACK condition(LPWSABUF caller_id, LPWSABUF caller_data, LPQOS sqos, LPQOS gqos,
			      LPWSABUF callee_id, LPWSABUF callee_data, GROUP *g, DWORD_PTR data)
{
	bool both = caller_id != NULL && callee_id != NULL && caller_id->buf != NULL &&
		    callee_id->buf != NULL;

	(void)caller_data;
	(void)gqos;
	(void)g;
	RULE(both && sqos == NULL,
	     "the condition function gets both addresses, and no QoS that nobody asked for");
	RULE(!both || (sw_is_address(caller_id, true) && sw_is_address(callee_id, false)),
	     "these are the addresses that the two sockets were bound to");
	if (both && caller[0] == 0) {
		sw_address_text(callee_id, callee);
		sw_address_text(caller_id, caller);
	}
	if (callee_data != NULL)
		callee_data->len = 0;
	return data != 0 ? CF_REJECT : CF_ACCEPT;
}

struct sw_socket *sw_accept(struct sw_socket *listener, bool refuse)
{
	unsigned before = made;
	SOCKET own = sw_spi.lpWSPAccept(listener->own, NULL, NULL, condition, refuse, &sw_error);

	if (own == INVALID_SOCKET)
		RULE(sw_error == WSAEWOULDBLOCK || sw_error == WSAECONNRESET ||
			     sw_error == WSAEACCES || (refuse && sw_error == WSAECONNREFUSED),
		     "WSPAccept fails with a documented code");
	return adopt(own, before);
}

void sw_close(struct sw_socket *sock)
{
	sock->shut = true;
	RULE(sw_spi.lpWSPCloseSocket(sock->own, &sw_error) == 0, "WSPCloseSocket succeeds at once");
	RULE(sw_spi.lpWSPListen(sock->own, 1, &sw_error) == SOCKET_ERROR && sw_error == WSAENOTSOCK,
	     "a closed descriptor is WSAENOTSOCK");
}

bool sw_give(struct sw_socket *sock, DWORD process, WSAPROTOCOL_INFOW *info)
{
	static DWORD last;
	int result;

	memset(info, 0xA5, sizeof(*info));
	result = sw_spi.lpWSPDuplicateSocket(sock->own, process, info, &sw_error);
	RULE(result == 0, "a suspended connection and a listener can be given away");
	if (result != 0)
		return false;
	sock->given = true;
	RULE(info->dwProviderReserved != 0 && info->dwProviderReserved != last,
	     "each socket that is given away gets a token of its own");
	last = info->dwProviderReserved;
	RULE(info->iAddressFamily == sw_family && info->iSocketType == SOCK_STREAM,
	     "WSPDuplicateSocket fills the structure");
	return true;
}

static SOCKET attach(const WSAPROTOCOL_INFOW *info)
{
	WSAPROTOCOL_INFOW copy = *info;

	return sw_spi.lpWSPSocket(FROM_PROTOCOL_INFO, FROM_PROTOCOL_INFO, FROM_PROTOCOL_INFO, &copy,
				  0, WSA_FLAG_OVERLAPPED, &sw_error);
}

struct sw_socket *sw_take(const WSAPROTOCOL_INFOW *info, struct sw_socket *former)
{
	unsigned before = made;
	SOCKET own = attach(info);
	struct sw_socket *sock = former;

	if (former != NULL && own == former->own && made == before)
		former->given = false; /* it may come back to life */
	else
		sock = adopt(own, before);
	RULE(sock != NULL, "WSPSocket takes what was given to this process");
	return sock;
}

bool sw_refused(const WSAPROTOCOL_INFOW *info)
{
	unsigned before = made;

	return adopt(attach(info), before) == NULL;
}

bool sw_gone(const struct sw_socket *sock)
{
	if (!sock->closed)
		return false;
	RULE(sock->pending == 0, "each accepted operation ends, before its handle is closed");
	return true;
}

DWORD sw_limit(struct sw_socket *sock, int option)
{
	DWORD value = 0;
	int length = sizeof(value);

	if (sw_spi.lpWSPGetSockOpt(sock->own, SOL_SOCKET, option, (char *)&value, &length,
				   &sw_error) != 0)
		return UINT32_MAX; /* it has no limit */
	RULE(value > 0, "a limit is more than nothing");
	return value;
}

bool sw_can_read(void)
{
	return sw_ext.rdma_read != NULL && !sw_no_read;
}
