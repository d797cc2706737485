// SPDX-License-Identifier: BSD-2-Clause
/*
 * shm_os_windows.c - message pipes of this host between processes of this user, and local addresses.
 *
 * A pipe always has a read under way, whose end without bytes tells of the other process's death. The system
 * cancels what a thread has started when the thread ends: then it is started again.
 */

#include "rdma_backend/base/net_windows.h"

#include <stdio.h>
#include <string.h>

#include "rdma_backend/base/base.h"
#include "rdma_backend/shm/shm_windows.h"

#define PIPES	       "\\\\.\\pipe\\openwsd.shm."
#define PIPE_BYTES     65536u
#define RING_LEAST     (1u << 20)
#define RING_MOST      (4u << 20)
#define CANCELLED      0xc0000120u /* STATUS_CANCELLED, in an OVERLAPPED */
#define ENVELOPE_BYTES offsetof(struct shm_envelope, packet)

/* --- one pipe --- */

static struct shm_pipe *pipe_new(HANDLE handle)
{
	struct shm_pipe *pipe = wsd_alloc(sizeof(*pipe));

	if (!pipe)
		return NULL;
	pipe->handle = handle;
	wsd_list_init(&pipe->node);
	wsd_mutex_init(&pipe->lock);
	return pipe;
}

void shm_pipe_free(struct shm_pipe *pipe)
{
	if (pipe->handle)
		CloseHandle(pipe->handle);
	wsd_mutex_fini(&pipe->lock);
	wsd_free(pipe->instances);
	wsd_free(pipe);
}

bool shm_pipe_idle(const struct shm_pipe *pipe)
{
	unsigned i;

	for (i = 0; pipe->instances && i < SHM_INSTANCES; i++) {
		if (!HasOverlappedIoCompleted(&pipe->instances[i].connect))
			return false;
	}
	return HasOverlappedIoCompleted(&pipe->read) && HasOverlappedIoCompleted(&pipe->write);
}

static void prepare(struct shm_pipe *pipe, OVERLAPPED *operation)
{
	memset(operation, 0, sizeof(*operation));
	operation->hEvent = pipe->set ? pipe->set->event : NULL;
}

/* See struct shm_set. */
static void started(struct shm_pipe *pipe)
{
	if (pipe->set)
		SetEvent(pipe->set->event);
}

static void start_read(struct shm_pipe *pipe)
{
	DWORD error = 0;

	prepare(pipe, &pipe->read);
	if (!ReadFile(pipe->handle, &pipe->in, sizeof(pipe->in), NULL, &pipe->read))
		error = GetLastError();
	pipe->reading = !error || error == ERROR_IO_PENDING || error == ERROR_MORE_DATA;
	if (!pipe->reading)
		pipe->read.Internal = 0;
	started(pipe);
}

/* [lock] */
static enum wsd_status start_write(struct shm_pipe *pipe)
{
	DWORD error = 0;

	prepare(pipe, &pipe->write);
	if (!WriteFile(pipe->handle, &pipe->out, (DWORD)(ENVELOPE_BYTES + pipe->out.length), NULL,
		       &pipe->write))
		error = GetLastError();
	if (error && error != ERROR_IO_PENDING)
		pipe->write.Internal = 0;
	else
		error = 0;
	started(pipe);
	return error ? shm_pipe_status(error) : WSD_OK;
}

/* [lock] Can another packet be written? */
static bool writable(struct shm_pipe *pipe)
{
	if (HasOverlappedIoCompleted(&pipe->write) && pipe->write.Internal == CANCELLED)
		(void)start_write(pipe);
	return HasOverlappedIoCompleted(&pipe->write);
}

static bool all_written(struct shm_pipe *pipe)
{
	bool all;

	wsd_mutex_lock(&pipe->lock);
	all = writable(pipe);
	wsd_mutex_unlock(&pipe->lock);
	return all;
}

bool shm_pipe_ended(struct shm_pipe *pipe)
{
	if (pipe->handle && !pipe->given_up)
		(void)all_written(pipe);
	return shm_pipe_idle(pipe);
}

void shm_os_close(shm_channel *channel)
{
	struct shm_pipe *pipe = *channel;
	unsigned i;

	*channel = SHM_NO_CHANNEL;
	if (!pipe)
		return;
	wsd_list_remove(&pipe->node);
	shm_sign_take_down(pipe);
	if (pipe->handle) {
		CancelIoEx(pipe->handle, &pipe->read);
		/* What was written can still be read. What still waits needs the handle to be given up. */
		if (pipe->set ? all_written(pipe) : HasOverlappedIoCompleted(&pipe->write)) {
			CloseHandle(pipe->handle);
			pipe->handle = NULL;
		}
	}
	for (i = 0; pipe->instances && i < SHM_INSTANCES; i++) {
		if (pipe->instances[i].handle) {
			CancelIoEx(pipe->instances[i].handle, NULL);
			CloseHandle(pipe->instances[i].handle);
		}
	}
	if (pipe->set && !shm_pipe_idle(pipe))
		wsd_list_append(&pipe->set->dying, &pipe->node);
	else
		shm_pipe_free(pipe); /* without a set it has started nothing that lasts */
}

/* --- listening --- */

static enum wsd_status make_instance(struct shm_pipe *listener, struct shm_instance *instance,
				     DWORD flags)
{
	const struct wsd_windows_user *user = wsd_windows_user();
	HANDLE handle;

	handle = CreateNamedPipeA(listener->name, PIPE_ACCESS_DUPLEX | FILE_FLAG_OVERLAPPED | flags,
				  PIPE_TYPE_MESSAGE | PIPE_READMODE_MESSAGE | PIPE_WAIT |
					  PIPE_REJECT_REMOTE_CLIENTS,
				  PIPE_UNLIMITED_INSTANCES, PIPE_BYTES, PIPE_BYTES, 0,
				  (SECURITY_ATTRIBUTES *)(uintptr_t)&user->rights);
	if (handle == INVALID_HANDLE_VALUE)
		return shm_pipe_status(GetLastError());
	instance->handle = handle;
	instance->waiting = instance->connected = false;
	return WSD_OK;
}

/* Connectors find it only when it is there. */
static enum wsd_status open_listener(struct shm_pipe *pipe, const struct wsd_addr *local)
{
	uint8_t name[SHM_NAME_BYTES];
	enum wsd_status status;

	if (!wsd_windows_user())
		return WSD_EACCESS;
	wsd_random(name, sizeof(name));
	shm_secret_name(pipe->name, PIPES, name);
	status = make_instance(pipe, &pipe->instances[0], FILE_FLAG_FIRST_PIPE_INSTANCE);
	return status ? status : shm_sign_put_up(pipe, local, name);
}

enum wsd_status shm_os_listen(const struct wsd_addr *local, shm_channel *listener)
{
	struct shm_pipe *pipe = pipe_new(NULL);
	enum wsd_status status = WSD_ENOMEM;

	if (pipe)
		pipe->instances = wsd_alloc(SHM_INSTANCES * sizeof(*pipe->instances));
	if (pipe && pipe->instances)
		status = open_listener(pipe, local);
	*listener = pipe;
	if (!status)
		return WSD_OK;
	shm_os_close(listener);
	return status == WSD_EUSER || status == WSD_AGAIN ? WSD_EADDRINUSE : status;
}

static void wait_for_one(struct shm_pipe *listener, struct shm_instance *instance)
{
	DWORD error = 0;

	prepare(listener, &instance->connect);
	if (!ConnectNamedPipe(instance->handle, &instance->connect))
		error = GetLastError();
	instance->waiting = true;
	if (error == ERROR_IO_PENDING) {
		started(listener);
		return;
	}
	/* It was there already, or has even left: the first read tells. */
	instance->connect.Internal = 0;
	instance->connected = true;
	started(listener);
}

/* Has it been connected to? */
static bool connected(struct shm_pipe *listener, struct shm_instance *instance)
{
	if (!instance->handle || !instance->waiting)
		return false;
	if (!instance->connected && HasOverlappedIoCompleted(&instance->connect)) {
		if (instance->connect.Internal == CANCELLED)
			wait_for_one(listener, instance);
		else
			instance->connected = true;
	}
	return instance->connected;
}

/* Make what is missing. */
static enum wsd_status refill(struct shm_pipe *listener)
{
	enum wsd_status status = WSD_OK;
	unsigned i;

	for (i = 0; i < SHM_INSTANCES && !status; i++) {
		struct shm_instance *instance = &listener->instances[i];

		if (!instance->handle)
			status = make_instance(listener, instance, 0);
		if (!status && !instance->waiting)
			wait_for_one(listener, instance);
	}
	return status;
}

enum wsd_status shm_os_accept(shm_channel listener, shm_channel *channel)
{
	enum wsd_status status;
	unsigned i;

	for (i = 0; i < SHM_INSTANCES; i++) {
		struct shm_instance *instance = &listener->instances[i];

		if (!connected(listener, instance))
			continue;
		*channel = pipe_new(instance->handle);
		if (!*channel)
			return WSD_ENOMEM;
		instance->handle = NULL;
		(void)refill(listener); /* else with the next call */
		return WSD_OK;
	}
	status = refill(listener);
	if (!status)
		return WSD_AGAIN;
	return status == WSD_ENOFILES ? status : WSD_ENOMEM;
}

static bool listener_ready(struct shm_pipe *listener)
{
	unsigned i;

	for (i = 0; i < SHM_INSTANCES; i++) {
		if (!listener->instances[i].handle || connected(listener, &listener->instances[i]))
			return true;
	}
	return false;
}

/* --- connecting --- */

enum wsd_status shm_os_connect(const struct wsd_addr *addr, shm_channel *channel)
{
	DWORD mode = PIPE_READMODE_MESSAGE;
	uint8_t bytes[SHM_NAME_BYTES];
	char name[SHM_SECRET_SIZE];
	enum wsd_status status;
	HANDLE handle;

	*channel = SHM_NO_CHANNEL;
	status = shm_sign_read(addr, bytes);
	if (status)
		return status;
	shm_secret_name(name, PIPES, bytes);
	/* Whoever is there must not act in our name. */
	handle = CreateFileA(name, GENERIC_READ | GENERIC_WRITE, 0, NULL, OPEN_EXISTING,
			     FILE_FLAG_OVERLAPPED | SECURITY_SQOS_PRESENT | SECURITY_IDENTIFICATION,
			     NULL);
	if (handle == INVALID_HANDLE_VALUE)
		return shm_pipe_status(GetLastError());
	status = shm_check_owner(handle);
	if (!status && !SetNamedPipeHandleState(handle, &mode, NULL, NULL))
		status = WSD_ENOLISTENER; /* a pipe of another kind, or closed meanwhile */
	if (!status) {
		*channel = pipe_new(handle);
		status = *channel ? WSD_OK : WSD_ENOMEM;
	}
	if (status)
		CloseHandle(handle);
	return status;
}

/* --- packets --- */

enum wsd_status shm_os_send(shm_channel pipe, const void *message, size_t length,
			    const shm_share *shares, unsigned count)
{
	enum wsd_status status = WSD_AGAIN;
	unsigned i;

	wsd_mutex_lock(&pipe->lock);
	if (writable(pipe)) {
		memset(&pipe->out, 0, ENVELOPE_BYTES);
		pipe->out.length = (uint32_t)length;
		pipe->out.count = count;
		for (i = 0; i < count; i++)
			memcpy(pipe->out.names[i], shares[i]->name, SHM_NAME_BYTES);
		memcpy(&pipe->out.packet, message, length);
		status = start_write(pipe);
	}
	wsd_mutex_unlock(&pipe->lock);
	return status;
}

/* Has the read ended? *bytes 0: without any. */
static bool read_ended(struct shm_pipe *pipe, DWORD *bytes)
{
	*bytes = 0;
	while (pipe->reading) {
		if (!HasOverlappedIoCompleted(&pipe->read))
			return false;
		if (pipe->read.Internal != CANCELLED) {
			pipe->reading =
				GetOverlappedResult(pipe->handle, &pipe->read, bytes, FALSE);
			break;
		}
		start_read(pipe);
	}
	if (!pipe->reading)
		*bytes = 0; /* gone, or a packet that is longer than any */
	return true;
}

static bool envelope_valid(const struct shm_envelope *in, DWORD bytes)
{
	return bytes >= ENVELOPE_BYTES && in->count <= 2 && in->length <= sizeof(in->packet) &&
	       bytes == ENVELOPE_BYTES + in->length;
}

enum wsd_status shm_os_receive(shm_channel pipe, union shm_packet *packet, size_t *length,
			       shm_share *shares, unsigned *count)
{
	unsigned i, room = *count;
	DWORD bytes;

	memset(packet, 0, sizeof(*packet));
	for (i = 0; i < room; i++)
		shares[i] = SHM_NO_SHARE;
	*count = 0;
	*length = 0;
	if (!read_ended(pipe, &bytes))
		return WSD_AGAIN;
	if (!pipe->reading)
		return WSD_OK;
	if (envelope_valid(&pipe->in, bytes)) {
		*length = pipe->in.length;
		memcpy(packet, &pipe->in.packet, *length);
		for (i = 0; i < room && i < pipe->in.count; i++) {
			shares[i] = shm_section_named(pipe->in.names[i]);
			*count += shares[i] != SHM_NO_SHARE;
		}
	}
	start_read(pipe);
	return WSD_OK;
}

void shm_pipe_start(struct shm_pipe *pipe)
{
	if (pipe->instances)
		(void)refill(pipe); /* else with accept */
	else if (!pipe->reading)
		start_read(pipe);
}

uint32_t shm_pipe_events(struct shm_pipe *pipe)
{
	uint32_t events = 0;

	if (pipe->instances) {
		events = listener_ready(pipe) ? SHM_READ : 0;
	} else {
		if (!pipe->reading || HasOverlappedIoCompleted(&pipe->read))
			events |= SHM_READ;
		if (HasOverlappedIoCompleted(&pipe->write)) {
			events |= SHM_WRITE;
			if (pipe->write.Internal == CANCELLED)
				(void)all_written(pipe);
		}
	}
	return events & atomic_load(&pipe->wanted);
}

/* --- the host --- */

/* Twice the second-level cache: see shm_os_linux.c. */
uint32_t shm_os_ring_bytes(void)
{
	SYSTEM_LOGICAL_PROCESSOR_INFORMATION *list;
	DWORD size = 0, cache = 0, i;
	uint32_t bytes = RING_LEAST;

	(void)GetLogicalProcessorInformation(NULL, &size);
	list = wsd_alloc(size + sizeof(*list));
	if (list && GetLogicalProcessorInformation(list, &size)) {
		for (i = 0; i < size / sizeof(*list); i++) {
			if (list[i].Relationship == RelationCache && list[i].Cache.Level == 2 &&
			    list[i].Cache.Size > cache)
				cache = list[i].Cache.Size;
		}
	}
	wsd_free(list);
	while (bytes < RING_MOST && bytes / 2 < cache)
		bytes *= 2;
	return bytes;
}

/*
 * Only the system knows: it lets a stream socket be bound to local addresses and to no others but broadcast ones,
 * to which it knows no way unasked.
 */
enum wsd_status shm_address_check(const struct wsd_addr *addr)
{
	int family = addr->family == WSD_FAMILY_IPV6 ? AF_INET6 : AF_INET, error = 0, length;
	struct wsd_addr ignored;
	enum wsd_status status;
	union wsd_sockaddr sa;
	SOCKET s;

	if ((addr->family != WSD_FAMILY_IPV4 && addr->family != WSD_FAMILY_IPV6) ||
	    shm_address_is_group(addr) || shm_address_is_any(addr))
		return WSD_EADDRNOTAVAIL;
	s = wsd_windows_socket(family, SOCK_STREAM, &error);
	if (s == INVALID_SOCKET)
		return error == WSAEMFILE    ? WSD_ENOFILES
		       : error == WSAENOBUFS ? WSD_ENOMEM
					     : WSD_EADDRNOTAVAIL;
	length = wsd_windows_to_sockaddr(&sa, addr, 0);
	error = wsd_windows_net()->lpWSPBind(s, &sa.any, length, &error);
	wsd_windows_closesocket(s);
	status = error ? WSD_EUNREACHABLE : wsd_windows_route(NULL, addr, &ignored);
	return status == WSD_EUNREACHABLE ? WSD_EADDRNOTAVAIL : status;
}

uint32_t shm_device_addresses(struct wsd_device *device, struct wsd_addr *list, uint32_t count)
{
	(void)device;
	return wsd_windows_addresses(list, count, true);
}
