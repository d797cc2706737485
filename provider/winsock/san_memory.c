// SPDX-License-Identifier: BSD-2-Clause
/* san_memory.c - mode S: the extension functions for registered memory, and the list of all seven. */
#include "provider/winsock/spi_calls.h"

#include <string.h>

#include "rdma_backend/base/base.h"

#define REGISTER_WAIT_NS (1000 * WSD_NS_PER_MS)

_Static_assert(WSD_MEMORY_READ == MEM_READ && WSD_MEMORY_WRITE == MEM_WRITE, "rights");

/* [lock] 0, or why memory cannot be registered. */
static int check(const struct wsd_socket *sock, const void *buffer, DWORD length, DWORD flags)
{
	if (flags == 0 || (flags & ~(DWORD)MEM_READWRITE) != 0)
		return WSAEINVAL;
	if (sock->channel == NULL || (sock->state != WSD_SOCK_CONNECTED &&
				      !(sock->state == WSD_SOCK_CONNECTING && sock->accepted)))
		return WSAENOTCONN;
	return buffer == NULL || length == 0 ? WSAEFAULT : 0;
}

struct registration {
	void *base;
	DWORD length, flags;
	uintptr_t handle;
	uint8_t *descriptor; /* NULL: local */
};

static enum wsd_status register_once(struct wsd_socket *sock, struct registration *r)
{
	if (r->descriptor != NULL)
		return wsd_memory_expose(sock->channel, r->base, r->length, r->flags,
					 r->descriptor);
	return wsd_memory_register(sock->channel, r->base, r->length, r->flags, &r->handle);
}

bool wsd_san_again(struct wsd_socket *sock, enum wsd_status status, uint64_t *deadline)
{
	struct wsd_engine *engine;

	if (status != WSD_EREGISTER)
		return false;
	engine = wsd_channel_engine(sock->channel);
	if (!(wsd_engine_attr(engine)->caps & WSD_CAP_ASYNC_REG))
		return false;
	if (*deadline == 0)
		*deadline = wsd_clock_ns() + REGISTER_WAIT_NS;
	else if (wsd_clock_ns() >= *deadline)
		return false;
	wsd_mutex_unlock(&sock->lock);
	(void)wsd_engine_poll(engine);
	wsd_mutex_lock(&sock->lock);
	return true;
}

/* [lock, dropped meanwhile] */
static int register_memory(struct wsd_socket *sock, struct registration *r)
{
	enum wsd_status status;
	uint64_t deadline = 0;
	int error;

	do {
		error = sock->closed ? WSAENOTSOCK : check(sock, r->base, r->length, r->flags);
		if (error != 0)
			return error;
		status = register_once(sock, r);
	} while (wsd_san_again(sock, status, &deadline));
	return wsd_san_error(status);
}

static HANDLE WSPAPI san_register(SOCKET s, PVOID lpBuffer, DWORD dwBufferLength, DWORD dwFlags,
				  LPINT lpErrno)
{
	struct registration r = { .base = lpBuffer, .length = dwBufferLength, .flags = dwFlags };
	struct wsd_socket *sock = wsd_san_enter(s, lpErrno);
	int error;

	if (sock == NULL)
		return NULL;
	wsd_socket_ref(sock);
	error = register_memory(sock, &r);
	(void)wsd_socket_return(sock, error, lpErrno);
	wsd_socket_unref(sock);
	return error == 0 ? (HANDLE)r.handle : NULL;
}

static int WSPAPI san_deregister(SOCKET s, HANDLE Handle, LPINT lpErrno)
{
	struct wsd_socket *sock = wsd_san_enter(s, lpErrno);
	int error = WSAEINVAL;

	if (sock == NULL)
		return SOCKET_ERROR;
	if (sock->channel != NULL)
		error = wsd_san_error(wsd_memory_deregister(sock->channel, (uintptr_t)Handle));
	return wsd_socket_return(sock, error, lpErrno);
}

static int WSPAPI san_register_rdma(SOCKET s, PVOID lpBuffer, DWORD dwBufferLength, DWORD dwFlags,
				    LPVOID lpRdmaBufferDescriptor, LPDWORD lpdwDescriptorLength,
				    LPINT lpErrno)
{
	struct registration r = { .base = lpBuffer, .length = dwBufferLength, .flags = dwFlags };
	struct wsd_socket *sock = wsd_san_enter(s, lpErrno);
	uint8_t descriptor[WSD_DESCRIPTOR_BYTES];
	int error;

	if (sock == NULL)
		return SOCKET_ERROR;
	wsd_socket_ref(sock);
	error = check(sock, lpBuffer, dwBufferLength, dwFlags);
	if (error == 0 && lpdwDescriptorLength == NULL)
		error = WSAEFAULT;
	if (error == 0 &&
	    (lpRdmaBufferDescriptor == NULL || *lpdwDescriptorLength < sizeof(descriptor))) {
		*lpdwDescriptorLength = sizeof(descriptor);
		error = WSAEFAULT;
	}
	r.descriptor = descriptor;
	if (error == 0)
		error = register_memory(sock, &r);
	if (error == 0) {
		memcpy(lpRdmaBufferDescriptor, descriptor, sizeof(descriptor));
		*lpdwDescriptorLength = sizeof(descriptor);
	}
	(void)wsd_socket_return(sock, error, lpErrno);
	wsd_socket_unref(sock);
	return error == 0 ? 0 : SOCKET_ERROR;
}

static int WSPAPI san_deregister_rdma(SOCKET s, LPVOID lpRdmaBufferDescriptor,
				      DWORD dwDescriptorLength, LPINT lpErrno)
{
	struct wsd_socket *sock = wsd_san_enter(s, lpErrno);
	int error = WSAEINVAL;

	if (sock == NULL)
		return SOCKET_ERROR;
	if (lpRdmaBufferDescriptor == NULL)
		error = WSAEFAULT;
	else if (sock->channel != NULL)
		error = wsd_san_error(wsd_memory_unexpose(sock->channel, lpRdmaBufferDescriptor,
							  dwDescriptorLength));
	return wsd_socket_return(sock, error, lpErrno);
}

/* The application is about to give memory back. */
static int WSPAPI san_cache_callback(PVOID lpvAddress, SIZE_T Size, LPINT lpErrno)
{
	if (!wsd_provider_started(WSD_MODE_SAN))
		return wsd_failed(WSANOTINITIALISED, lpErrno);
	switch ((int)wsd_memory_forget(lpvAddress, Size)) {
	case WSD_OK:
		return 0;
	case WSD_EBUSY:
		return wsd_failed(WSAEFAULT, lpErrno);
	default:
		return wsd_failed(WSAEINVAL, lpErrno);
	}
}

/* A switch asks once, for all connections: one device that cannot READ is one too many. */
static bool can_read(void)
{
	struct wsd_channel_limits limits;

	wsd_channel_limits(NULL, &limits);
	return limits.read;
}

const struct wsd_extension wsd_san_extensions[] = {
	{ WSAID_REGISTERMEMORY, (wsd_any_function)san_register, NULL },
	{ WSAID_DEREGISTERMEMORY, (wsd_any_function)san_deregister, NULL },
	{ WSAID_REGISTERRDMAMEMORY, (wsd_any_function)san_register_rdma, NULL },
	{ WSAID_DEREGISTERRDMAMEMORY, (wsd_any_function)san_deregister_rdma, NULL },
	{ WSAID_RDMAWRITE, (wsd_any_function)wsd_san_rdma_write, NULL },
	{ WSAID_RDMAREAD, (wsd_any_function)wsd_san_rdma_read, can_read },
	{ WSAID_MEMORYREGISTRATIONCACHECALLBACK, (wsd_any_function)san_cache_callback, NULL },
	{ { 0 }, NULL, NULL },
};
