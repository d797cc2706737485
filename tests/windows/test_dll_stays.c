// SPDX-License-Identifier: BSD-2-Clause
/*
 * test_dll_stays.c - a completion routine that is queued when the last WSPCleanup returns: its code stays in memory
 * behind FreeLibrary, and it runs when its thread waits. What stays serves whoever loads the DLL next, and leaves no
 * more behind each time. Or an extension function, which the program may have kept: it can be called.
 *
 *   test_dll_stays OPENWSD.DLL [function]
 */
#include "tests/conformance/host.h"
#include "tests/windows/handles.h"

#define ROUNDS 50u

static const char *dll;
static struct {
	WSAOVERLAPPED overlapped;
	WSATHREADID thread;
	char bytes[8];
	WSABUF buffer;
	DWORD error, got;
	unsigned calls;
} op;

static void CALLBACK routine(DWORD error, DWORD bytes, LPWSAOVERLAPPED overlapped, DWORD flags)
{
	(void)flags;
	op.calls += overlapped == &op.overlapped;
	op.error = error;
	op.got = bytes;
}

static bool start(HMODULE module)
{
	FARPROC symbol = GetProcAddress(module, "WSPStartup");
	LPWSPSTARTUP startup;
	WSPDATA data;

	memcpy(&startup, &symbol, sizeof(startup));
	return symbol != NULL &&
	       startup(MAKEWORD(2, 2), &data, &host_protocol, host_table(0), &spi) == 0;
}

/* A receive has got its bytes, and its routine is queued to this thread. */
static bool queue_routine(const struct pair *p)
{
	unsigned queued = atomic_load(&host_calls[0][HOST_QUEUE_APC]);
	DWORD flags = 0;

	memset(&op, 0, sizeof(op));
	op.buffer = (WSABUF){ sizeof(op.bytes), op.bytes };
	if (!SPI_FAILS(spi.lpWSPRecv(p->server, &op.buffer, 1, NULL, &flags, &op.overlapped,
				     routine, host_thread(&op.thread), &host_error),
		       WSA_IO_PENDING) ||
	    host_send(p->client, "openwsd", 8) != 8)
		return false;
	for (unsigned i = 0; i < conf_long(); i++, Sleep(1))
		if (atomic_load(&host_calls[0][HOST_QUEUE_APC]) > queued)
			return true;
	return false;
}

/* Loaded, used, cleaned up and freed, with the routine still to come if wanted. */
static bool use(bool with_routine)
{
	HMODULE module = LoadLibraryA(dll);
	struct pair p;
	bool good;

	if (module == NULL || !start(module))
		return false;
	good = host_open_pair(&p) && (!with_routine || queue_routine(&p)) &&
	       host_exchange(p.client, p.server);
	host_close_pair(&p);
	good = host_cleanup() == 0 && good;
	return FreeLibrary(module) && good;
}

static bool is_loaded(void)
{
	return GetModuleHandleA("openwsd.dll") != NULL;
}

/* Told before the last WSPCleanup, and called when the DLL has been freed. */
static bool function_stays(void)
{
	HMODULE module = LoadLibraryA(dll);
	GUID id = WSAID_DISCONNECTEX;
	LPFN_DISCONNECTEX disconnect;
	DWORD bytes;
	bool good;

	if (module == NULL || !start(module))
		return false;
	good = spi.lpWSPIoctl(INVALID_SOCKET, SIO_GET_EXTENSION_FUNCTION_POINTER, &id, sizeof(id),
			      &disconnect, sizeof(disconnect), &bytes, NULL, NULL, NULL,
			      &host_error) == 0;
	good = host_cleanup() == 0 && good;
	return FreeLibrary(module) && good && is_loaded() &&
	       !disconnect(INVALID_SOCKET, NULL, 0, 0) && GetLastError() == WSANOTINITIALISED;
}

int main(int argc, char **argv)
{
	char ipv4[] = "ipv4", *family[] = { argv[0], ipv4, NULL };
	unsigned threads, handles, after;
	bool good = true;

	if (argc != 2 && argc != 3)
		return 2;
	dll = argv[1];
	host_begin(2, family);
	if (argc == 3) {
		CHECK(function_stays());
		return check_result();
	}
	CHECK(use(false) && !is_loaded());
	threads = threads_before();
	CHECK(use(true) && op.calls == 0);
	CHECK(is_loaded() && threads_are(threads));
	CHECK(host_run_apcs(0) == 1 && op.calls == 1 && op.error == 0 && op.got == 8 &&
	      strcmp(op.bytes, "openwsd") == 0);
	handles = own_handles();
	for (unsigned i = 0; i < ROUNDS && good; i++)
		good = use(i % 2 == 0) && host_run_apcs(0) == (i % 2 == 0) && is_loaded();
	CHECK(good);
	CHECK(threads_are(threads));
	after = own_handles();
	printf("handles %u, before %u\n", after, handles);
	CHECK(handles > 0 && after <= handles + 4);
	CHECK(host_open_handles() == 0);
	return check_result();
}
