// SPDX-License-Identifier: BSD-2-Clause
/* pages.c - see pages.h. */
#include "tests/lib/pages.h"

#include <stdlib.h>
#include <sys/mman.h>

void *pages_map(void *where, size_t size)
{
	int flags = MAP_PRIVATE | MAP_ANONYMOUS | (where != NULL ? MAP_FIXED_NOREPLACE : 0);
	void *memory = mmap(where, size, PROT_READ | PROT_WRITE, flags, -1, 0);

	if (memory == MAP_FAILED || (where != NULL && memory != where))
		abort();
	return memory;
}

void pages_unmap(void *memory, size_t size)
{
	if (munmap(memory, size) != 0)
		abort();
}
