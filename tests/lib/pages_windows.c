// SPDX-License-Identifier: BSD-2-Clause
/* pages_windows.c - see pages.h. */
#include "tests/lib/pages.h"

#include <stdlib.h>

#include <windows.h>

void *pages_map(void *where, size_t size)
{
	void *memory = VirtualAlloc(where, size, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);

	if (memory == NULL || (where != NULL && memory != where))
		abort();
	return memory;
}

void pages_unmap(void *memory, size_t size)
{
	(void)size;
	if (!VirtualFree(memory, 0, MEM_RELEASE))
		abort();
}
