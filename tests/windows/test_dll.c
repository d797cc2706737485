// SPDX-License-Identifier: BSD-2-Clause
/*
 * test_dll.c - openwsd.dll as ws2_32 sees it: loaded, started, used, stopped and unloaded again and again
 * without leaving a thread, a handle or a slot of thread-local storage behind.
 *
 *   test_dll OPENWSD.DLL
 */
#include "tests/conformance/host.h"

#include <tlhelp32.h>

#define ROUNDS	  40u
#define MANY	  1200u /* more than there are slots of thread-local storage */
#define SETTLE_MS 2000u

static const char *dll;

static unsigned own_threads(void)
{
	HANDLE snapshot = CreateToolhelp32Snapshot(TH32CS_SNAPTHREAD, 0);
	THREADENTRY32 entry = { .dwSize = sizeof(entry) };
	unsigned count = 0;
	BOOL more;

	for (more = Thread32First(snapshot, &entry); more; more = Thread32Next(snapshot, &entry))
		count += entry.th32OwnerProcessID == GetCurrentProcessId();
	CloseHandle(snapshot);
	return count;
}

static DWORD own_handles(void)
{
	DWORD count = 0;

	GetProcessHandleCount(GetCurrentProcess(), &count);
	return count;
}

/* One connection with bytes over it, and all of it away again. */
static bool use_once(HMODULE module)
{
	char received[8] = { 0 };
	FARPROC symbol = GetProcAddress(module, "WSPStartup");
	LPWSPSTARTUP start;
	struct pair p;
	WSPDATA data;
	bool ok;

	memcpy(&start, &symbol, sizeof(start));
	if (symbol == NULL ||
	    start(MAKEWORD(2, 2), &data, &host_protocol, host_table(0), &spi) != 0)
		return false;
	ok = host_open_pair(&p) && host_send(p.client, "openwsd", 7) == 7 &&
	     host_recv(p.server, received, 7) == 7 && memcmp(received, "openwsd", 7) == 0;
	host_close_pair(&p);
	return host_cleanup() == 0 && ok;
}

static bool load_and_use(void)
{
	HMODULE module = LoadLibraryA(dll);
	bool ok = module != NULL && use_once(module);

	if (module != NULL)
		FreeLibrary(module);
	return ok && GetModuleHandleA("openwsd.dll") == NULL;
}

static bool load_only(unsigned times)
{
	for (unsigned i = 0; i < times; i++) {
		HMODULE module = LoadLibraryA(dll);

		if (module == NULL)
			return false;
		FreeLibrary(module);
	}
	return true;
}

int main(int argc, char **argv)
{
	char ipv4[] = "ipv4", *family[] = { argv[0], ipv4, NULL };
	unsigned threads, waited = 0;
	bool ok = true;
	DWORD handles;

	if (argc != 2)
		return 2;
	dll = argv[1];
	host_begin(2, family);
	CHECK(load_and_use()); /* the system's own TCP has been loaded once */
	handles = own_handles();
	threads = own_threads();
	for (unsigned i = 0; i < ROUNDS && ok; i++)
		ok = load_and_use();
	CHECK(ok);
	CHECK(load_only(MANY));
	CHECK(load_and_use());
	while (own_threads() > threads && waited++ < SETTLE_MS)
		Sleep(1); /* the system's pool lets its threads go */
	CHECK(own_threads() <= threads);
	printf("%lu handles, before %lu\n", own_handles(), handles);
	CHECK(own_handles() <= handles + 4);
	CHECK(host_open_handles() == 0);
	return check_result();
}
