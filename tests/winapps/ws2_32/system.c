// SPDX-License-Identifier: BSD-2-Clause
/*
 * system.c - loads the system's ws2_32.dll as a second module and fills the slots of what is only
 * forwarded. The second one is renamed in the loader's list, else a look-up of the name would find it.
 */
#include <string.h>

#include <winternl.h>

#include "host.h"

PEB *NTAPI RtlGetCurrentPeb(void);

struct system_calls sys;

/* Of the generated file: names, each ended by 0, the list by an empty one; a slot for each. */
extern const char forward_names[];
extern void *forward_slots[];

static void rename_module(HMODULE module)
{
	LIST_ENTRY *head = &RtlGetCurrentPeb()->Ldr->InMemoryOrderModuleList;
	LIST_ENTRY *link;

	for (link = head->Flink; link != head; link = link->Flink) {
		LDR_DATA_TABLE_ENTRY *entry =
			CONTAINING_RECORD(link, LDR_DATA_TABLE_ENTRY, InMemoryOrderLinks);
		/* The base name follows the full one in every Windows. */
		UNICODE_STRING *base = &entry->FullDllName + 1;

		if (entry->DllBase == module && base->Length >= 2 * sizeof(WCHAR))
			base->Buffer[0] = L'_';
	}
}

static bool find(HMODULE module, const char *name, void *to)
{
	FARPROC function = GetProcAddress(module, name);

	memcpy(to, &function, sizeof(function));
	return function != NULL;
}

bool system_load(void)
{
	WCHAR path[MAX_PATH + 16];
	UINT length = GetSystemDirectoryW(path, MAX_PATH);
	HMODULE module;
	const char *name;
	unsigned slot = 0;
	bool whole = true;

	memcpy(path + length, L"\\ws2_32.dll", sizeof(L"\\ws2_32.dll"));
	module = LoadLibraryW(path);
	if (module == NULL)
		return false;
	rename_module(module);
	for (name = forward_names; *name != '\0'; name += strlen(name) + 1)
		whole = find(module, name, &forward_slots[slot++]) && whole;
#define SYSTEM_CALL(call) (void)find(module, #call, &sys.call);
#include "system_calls.inc"
#undef SYSTEM_CALL
	return whole && sys.socket != NULL;
}
