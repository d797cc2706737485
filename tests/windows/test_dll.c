// SPDX-License-Identifier: BSD-2-Clause
/*
 * test_dll.c - openwsd.dll as ws2_32 sees it: loaded, started, used, stopped and unloaded again and again
 * without leaving a thread, a handle or a slot of thread-local storage behind, nor a start of the base provider.
 *
 *   test_dll OPENWSD.DLL BASE_PROVIDER.DLL
 */
#include "tests/conformance/host.h"
#include "tests/windows/handles.h"

#include <tlhelp32.h>

#define ROUNDS	  200u
#define MANY	  8192u /* more than there are slots of thread-local storage */
#define SETTLE_MS 2000u

static const char *dll, *base_dll;

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

/* The end that connected has an address of this host. */
static bool has_address(SOCKET s)
{
	static const struct in_addr any;
	struct address at;

	return host_name_of(s, &at) == 0 && memcmp(&at.sa.v4.sin_addr, &any, sizeof(any)) != 0 &&
	       at.sa.v4.sin_port != 0;
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
	     host_recv(p.server, received, 7) == 7 && memcmp(received, "openwsd", 7) == 0 &&
	     has_address(p.client);
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

/* --- the base provider --- */

/* The catalogue with layers in front of its base providers: a layer's own entry, and a chain of it. */
int WSPAPI WSCEnumProtocols(LPINT protocols, LPWSAPROTOCOL_INFOW entries, LPDWORD length,
			    LPINT error)
{
	const DWORD layers = 2;
	HMODULE system = GetModuleHandleA("ws2_32.dll");
	FARPROC symbol = GetProcAddress(system, "WSCEnumProtocols");
	DWORD rest = *length > layers * sizeof(*entries)
			     ? *length - layers * (DWORD)sizeof(*entries)
			     : 0;
	int(WSPAPI * enumerate)(LPINT, LPWSAPROTOCOL_INFOW, LPDWORD, LPINT);
	int count;

	memcpy(&enumerate, &symbol, sizeof(enumerate));
	count = enumerate(protocols, rest > 0 ? entries + layers : NULL, &rest, error);
	*length = rest + layers * (DWORD)sizeof(*entries);
	if (count == SOCKET_ERROR)
		return count;
	for (DWORD i = 0; i < layers; i++) {
		entries[i] = entries[layers];
		entries[i].ProviderId.Data1 += i + 1;
		entries[i].ProtocolChain.ChainLen = i == 0 ? LAYERED_PROTOCOL : 2;
	}
	return count + (int)layers;
}

/* One that does not start, or not as it has to, is left, and the system's calls are used; without sockets nothing
 * works. Whatever it was, nothing stays behind, and the next time it is used again. */
static bool base_may_fail(const char *fault, bool works, int (*started)(void),
			  unsigned (*sockets)(void))
{
	unsigned before = sockets();
	bool ok;

	SetEnvironmentVariableA("WSD_TEST_BASE_FAULT", fault);
	ok = load_and_use() == works && started() == 0 && sockets() == before;
	SetEnvironmentVariableA("WSD_TEST_BASE_FAULT", NULL);
	if (!ok)
		printf("base provider with a fault: %s\n", fault);
	return ok;
}

/* The base provider has been used, and is as it was before. */
static bool leaves_base_alone(void)
{
	HMODULE base = LoadLibraryA(base_dll);
	FARPROC started_symbol =
		base != NULL ? GetProcAddress(base, "base_provider_started") : NULL;
	FARPROC sockets_symbol =
		base != NULL ? GetProcAddress(base, "base_provider_sockets") : NULL;
	unsigned (*sockets)(void), before;
	int (*started)(void);
	bool ok;

	if (started_symbol == NULL || sockets_symbol == NULL)
		return false;
	memcpy(&started, &started_symbol, sizeof(started));
	memcpy(&sockets, &sockets_symbol, sizeof(sockets));
	before = sockets();
	ok = base_may_fail("startup", true, started, sockets) &&
	     base_may_fail("version", true, started, sockets) &&
	     base_may_fail("table", true, started, sockets) &&
	     base_may_fail("socket", false, started, sockets);
	ok = ok && load_and_use() && started() == 0 && sockets() > before;
	FreeLibrary(base);
	return ok && GetModuleHandleA("base_provider.dll") == NULL;
}

/* Used by a thread that lives on behind the unload, as those of a program do. */
static struct {
	HANDLE ask, answered, thread;
	HMODULE module; /* NULL: end */
	bool ok;
} other;

static DWORD WINAPI other_main(void *arg)
{
	(void)arg;
	while (WaitForSingleObject(other.ask, INFINITE) == WAIT_OBJECT_0 && other.module != NULL) {
		other.ok = use_once(other.module);
		SetEvent(other.answered);
	}
	return 0;
}

static void other_start(void)
{
	other.ask = CreateEventA(NULL, FALSE, FALSE, NULL);
	other.answered = CreateEventA(NULL, FALSE, FALSE, NULL);
	other.thread = CreateThread(NULL, 0, other_main, NULL, 0, NULL);
}

static void other_end(void)
{
	other.module = NULL;
	SetEvent(other.ask);
	CHECK(WaitForSingleObject(other.thread, INFINITE) == WAIT_OBJECT_0);
}

static bool load_for_other(void)
{
	other.module = LoadLibraryA(dll);
	if (other.module == NULL)
		return false;
	SetEvent(other.ask);
	if (WaitForSingleObject(other.answered, INFINITE) != WAIT_OBJECT_0)
		return false;
	FreeLibrary(other.module);
	return other.ok && GetModuleHandleA("openwsd.dll") == NULL;
}

static bool load_only(void)
{
	HMODULE module = LoadLibraryA(dll);

	if (module != NULL)
		FreeLibrary(module);
	return module != NULL;
}

static DWORD WINAPI fls_take(void)
{
	return FlsAlloc(NULL);
}

/* How many slots the process can still have: takes them all, and gives them back. */
static unsigned free_slots(DWORD(WINAPI *take)(void), BOOL(WINAPI *give)(DWORD slot))
{
	static DWORD taken[MANY];
	unsigned count = 0, given = 0;

	while (count < MANY && (taken[count] = take()) != TLS_OUT_OF_INDEXES)
		count++;
	for (unsigned i = 0; i < count; i++)
		given += give(taken[i]) != 0;
	CHECK(count > 0 && count < MANY && given == count);
	return count;
}

struct left {
	unsigned threads, tls, fls, handles;
};

static struct left look(void)
{
	struct left now;

	now.threads = own_threads();
	now.tls = free_slots(TlsAlloc, TlsFree);
	now.fls = free_slots(fls_take, FlsFree);
	now.handles = own_handles();
	return now;
}

int main(int argc, char **argv)
{
	char ipv4[] = "ipv4", *family[] = { argv[0], ipv4, NULL };
	struct left before, after;
	unsigned waited = 0;
	bool ok = true;

	if (argc != 3)
		return 2;
	dll = argv[1];
	base_dll = argv[2];
	host_begin(2, family);
	other_start();
	CHECK(load_and_use()); /* the system's own TCP has been loaded once */
	CHECK(load_for_other());
	CHECK(leaves_base_alone());
	before = look();
	for (unsigned i = 0; i < ROUNDS && ok; i++)
		ok = load_only() && (i % 2 == 0 ? load_and_use() : load_for_other());
	CHECK(ok);
	while (own_threads() > before.threads && waited++ < SETTLE_MS)
		Sleep(1); /* the system's pool lets its threads go */
	after = look();
	printf("threads %u, before %u; slots %u and %u, before %u and %u; handles %u, before %u\n",
	       after.threads, before.threads, after.tls, after.fls, before.tls, before.fls,
	       after.handles, before.handles);
	CHECK(after.threads <= before.threads);
	CHECK(after.tls == before.tls);
	CHECK(after.fls == before.fls);
	CHECK(before.handles > 0 && after.handles <= before.handles + 4);
	CHECK(host_open_handles() == 0);
	other_end();
	return check_result();
}
