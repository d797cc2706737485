// SPDX-License-Identifier: BSD-2-Clause
/*
 * test_memory.c - what an idle connection over shm may cost at each of its ends: bytes of the heap,
 * pages of shared memory that somebody has touched, mappings, descriptors. All by count.
 *
 * Both ends of every connection live in this process, so the shares (Pss) of the mappings of one page
 * add up to the page. The kernel's part (an inode and two mappings for each end) is kept small by the
 * number of mappings; how large they are is the kernel's. wsdctl bench measures the sum: the goal is
 * 16 KiB.
 */
#include <dirent.h>
#include <malloc.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/budget/budget.h"

#define BEFORE	 100u
#define MORE	 200u
#define ENDS	 (2ul * MORE)
#define DEADLINE 60u /* s */

/* The heap needed 3.9 KB when this was written. A page more is too much. */
#define HEAP_BYTES   4608ul
#define SHARED_BYTES 4096ul
#define MAPPINGS     2ul  /* its own segment and the peer's */
#define DESCRIPTORS  MORE /* of all: one of every connector, which holds its port */
#define SLACK	     8ul  /* mappings and descriptors that all ends share */

void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size);
void __real_free(void *memory);
void __wrap_free(void *memory);

static atomic_ulong heap; /* in use by the library, with the allocator's own 8 bytes each */

static void *taken(void *memory)
{
	if (memory)
		atomic_fetch_add(&heap, malloc_usable_size(memory) + 8);
	return memory;
}

void *__wrap_malloc(size_t size)
{
	return taken(__real_malloc(size));
}

void *__wrap_calloc(size_t count, size_t size)
{
	return taken(__real_calloc(count, size));
}

void __wrap_free(void *memory)
{
	if (memory)
		atomic_fetch_sub(&heap, malloc_usable_size(memory) + 8);
	__real_free(memory);
}

struct weight {
	unsigned long heap, shared, mappings, descriptors;
};

/* The mappings of shared memory among those of the process. */
static void weigh_mappings(struct weight *weight)
{
	FILE *file = fopen("/proc/self/smaps", "r");
	unsigned long from, to, pss;
	char line[512];
	int ours = 0;

	budget_need(file != NULL, "smaps");
	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, "%lx-%lx ", &from, &to) == 2) {
			ours = strstr(line, "memfd:openwsd") != NULL;
			weight->mappings += (unsigned long)ours;
		} else if (ours && sscanf(line, "Pss: %lu kB", &pss) == 1) {
			weight->shared += pss * 1024;
		}
	}
	fclose(file);
}

static struct weight weigh(void)
{
	struct weight weight = { .heap = atomic_load(&heap) };
	DIR *folder = opendir("/proc/self/fd");

	budget_need(folder != NULL, "fd");
	while (readdir(folder))
		weight.descriptors++;
	closedir(folder);
	weigh_mappings(&weight);
	return weight;
}

static unsigned long growth(unsigned long before, unsigned long after)
{
	return after > before ? after - before : 0;
}

static void connect_many(SOCKET listener, unsigned count)
{
	SOCKET client, server;

	for (unsigned i = 0; i < count; i++)
		budget_connect(listener, &client, &server);
}

int main(void)
{
	struct weight before, after;
	SOCKET listener;
	WSADATA data;
	int ok = 1;

	alarm(DEADLINE);
	budget_need(WSAStartup(MAKEWORD(2, 2), &data) == 0, "WSAStartup");
	listener = budget_listen();
	connect_many(listener, BEFORE);
	before = weigh();
	connect_many(listener, MORE);
	after = weigh();
	ok &= budget_within("bytes of the heap for each end",
			    growth(before.heap, after.heap) / ENDS, 0, HEAP_BYTES);
	ok &= budget_within("bytes of shared memory for each end",
			    growth(before.shared, after.shared) / ENDS, 0, SHARED_BYTES);
	ok &= budget_within("mappings of all ends", growth(before.mappings, after.mappings), ENDS,
			    ENDS * MAPPINGS + SLACK);
	ok &= budget_within("descriptors of all ends",
			    growth(before.descriptors, after.descriptors), 0, DESCRIPTORS + SLACK);
	fflush(stdout);
	WSACleanup();
	return !ok;
}
