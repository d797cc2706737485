// SPDX-License-Identifier: BSD-2-Clause
/*
 * hook.c - the calls of kernel32 that concern a socket handle: on Windows the driver behind the handle
 * sees them. Here the import tables of all modules lead to these functions, and so does GetProcAddress.
 */
#include "host.h"

#include <string.h>

#include <winternl.h>

PEB *NTAPI RtlGetCurrentPeb(void);

static HANDLE WINAPI create_port(HANDLE file, HANDLE port, ULONG_PTR key, DWORD threads)
{
	if (file != INVALID_HANDLE_VALUE && socket_is_ours((SOCKET)file)) {
		HANDLE made = port;

		if (port == NULL)
			made = CreateIoCompletionPort(INVALID_HANDLE_VALUE, NULL, 0, threads);
		if (made == NULL || socket_associate((SOCKET)file, made, key))
			return made;
		if (port == NULL)
			CloseHandle(made);
		return NULL;
	}
	return CreateIoCompletionPort(file, port, key, threads);
}

static BOOL WINAPI set_modes(HANDLE file, UCHAR flags)
{
	if (socket_set_modes((SOCKET)file, flags))
		return TRUE;
	return SetFileCompletionNotificationModes(file, flags);
}

/* WSARecv and WSASend by their other names; the file pointer means nothing. */
static BOOL WINAPI read_file(HANDLE file, LPVOID to, DWORD length, LPDWORD done, LPOVERLAPPED o)
{
	WSABUF buffer = { length, to };
	DWORD flags = 0;

	if (!socket_is_ours((SOCKET)file))
		return ReadFile(file, to, length, done, o);
	return WSARecv((SOCKET)file, &buffer, 1, done, &flags, (LPWSAOVERLAPPED)o, NULL) == 0;
}

static BOOL WINAPI write_file(HANDLE file, LPCVOID from, DWORD length, LPDWORD done, LPOVERLAPPED o)
{
	WSABUF buffer = { length, (char *)(ULONG_PTR)from };

	if (!socket_is_ours((SOCKET)file))
		return WriteFile(file, from, length, done, o);
	return WSASend((SOCKET)file, &buffer, 1, done, 0, (LPWSAOVERLAPPED)o, NULL) == 0;
}

static BOOL WINAPI get_result(HANDLE file, LPOVERLAPPED o, LPDWORD bytes, BOOL wait)
{
	DWORD flags;

	if (!socket_is_ours((SOCKET)file))
		return GetOverlappedResult(file, o, bytes, wait);
	return WSAGetOverlappedResult((SOCKET)file, (LPWSAOVERLAPPED)o, bytes, wait, &flags);
}

/* The operations of such a provider are not the system's: it finds none to cancel. */
static bool is_beyond_cancel(HANDLE file)
{
	int type = 0, size = sizeof(type);

	return socket_is_ours((SOCKET)file) ||
	       (host_is_disguise() &&
		sys.getsockopt((SOCKET)file, SOL_SOCKET, SO_TYPE, (char *)&type, &size) == 0 &&
		type == SOCK_STREAM);
}

static BOOL WINAPI cancel(HANDLE file)
{
	return is_beyond_cancel(file) || CancelIo(file);
}

static BOOL WINAPI cancel_one(HANDLE file, LPOVERLAPPED o)
{
	if (!is_beyond_cancel(file))
		return CancelIoEx(file, o);
	SetLastError(ERROR_NOT_FOUND);
	return FALSE;
}

static FARPROC WINAPI get_address(HMODULE module, LPCSTR name);

typedef void (*generic)(void);

static const struct {
	const char *name;
	generic function;
} hooks[] = {
	{ "CreateIoCompletionPort", (generic)create_port },
	{ "SetFileCompletionNotificationModes", (generic)set_modes },
	{ "CancelIo", (generic)cancel },
	{ "CancelIoEx", (generic)cancel_one },
	{ "ReadFile", (generic)read_file },
	{ "WriteFile", (generic)write_file },
	{ "GetOverlappedResult", (generic)get_result },
	{ "GetProcAddress", (generic)get_address },
};
#define HOOKS (sizeof(hooks) / sizeof(hooks[0]))

static generic replacement(const char *name)
{
	for (size_t i = 0; i < HOOKS; i++)
		if (strcmp(name, hooks[i].name) == 0)
			return hooks[i].function;
	return NULL;
}

static FARPROC WINAPI get_address(HMODULE module, LPCSTR name)
{
	FARPROC found = GetProcAddress(module, name);
	generic other = NULL;

	if (found != NULL && (ULONG_PTR)name > 0xFFFF &&
	    module == GetModuleHandleW(L"kernel32.dll"))
		other = replacement(name);
	if (other != NULL)
		memcpy(&found, &other, sizeof(found));
	return found;
}

static void patch(void **slot, generic function)
{
	void *value;
	DWORD old;

	memcpy(&value, &function, sizeof(value));

	if (*slot == value || !VirtualProtect(slot, sizeof(*slot), PAGE_READWRITE, &old))
		return;
	*slot = value;
	VirtualProtect(slot, sizeof(*slot), old, &old);
}

static void patch_imports(char *base, const IMAGE_IMPORT_DESCRIPTOR *from)
{
	const IMAGE_THUNK_DATA *names;
	IMAGE_THUNK_DATA *slots;

	if (from->OriginalFirstThunk == 0)
		return;
	names = (const void *)(base + from->OriginalFirstThunk);
	slots = (void *)(base + from->FirstThunk);
	for (; names->u1.AddressOfData != 0; names++, slots++) {
		const IMAGE_IMPORT_BY_NAME *import = (const void *)(base + names->u1.AddressOfData);
		generic function;

		if (IMAGE_SNAP_BY_ORDINAL(names->u1.Ordinal))
			continue;
		function = replacement((const char *)import->Name);
		if (function != NULL)
			patch((void **)&slots->u1.Function, function);
	}
}

static bool is_file_api(const char *dll)
{
	return _stricmp(dll, "kernel32.dll") == 0 || _stricmp(dll, "kernelbase.dll") == 0;
}

static void patch_module(char *base)
{
	const IMAGE_DOS_HEADER *dos = (const void *)base;
	const IMAGE_NT_HEADERS *nt = (const void *)(base + dos->e_lfanew);
	const IMAGE_DATA_DIRECTORY *directory =
		&nt->OptionalHeader.DataDirectory[IMAGE_DIRECTORY_ENTRY_IMPORT];
	const IMAGE_IMPORT_DESCRIPTOR *from;

	if (dos->e_magic != IMAGE_DOS_SIGNATURE || directory->VirtualAddress == 0)
		return;
	for (from = (const void *)(base + directory->VirtualAddress); from->Name != 0; from++)
		if (is_file_api(base + from->Name))
			patch_imports(base, from);
}

/* Not in what only the system calls: its own modules keep their way, and so do we and the provider. */
static bool is_of_program(const UNICODE_STRING *path)
{
	WCHAR system[MAX_PATH];
	UINT length = GetSystemDirectoryW(system, MAX_PATH);

	return path->Length / sizeof(WCHAR) < length ||
	       _wcsnicmp(path->Buffer, system, length) != 0;
}

void hooks_install(void)
{
	LIST_ENTRY *head = &RtlGetCurrentPeb()->Ldr->InMemoryOrderModuleList;
	char *own = (char *)GetModuleHandleW(L"ws2_32.dll");

	for (LIST_ENTRY *link = head->Flink; link != head; link = link->Flink) {
		LDR_DATA_TABLE_ENTRY *entry =
			CONTAINING_RECORD(link, LDR_DATA_TABLE_ENTRY, InMemoryOrderLinks);

		if (entry->DllBase != own && is_of_program(&entry->FullDllName))
			patch_module(entry->DllBase);
	}
}
