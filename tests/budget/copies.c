// SPDX-License-Identifier: BSD-2-Clause
/* copies.c - see copies.h. Linked with --wrap for each of them. */
#include "tests/budget/copies.h"

#include <stddef.h>

void *__real_memcpy(void *to, const void *from, size_t length);
void *__wrap_memcpy(void *to, const void *from, size_t length);
void *__real_memmove(void *to, const void *from, size_t length);
void *__wrap_memmove(void *to, const void *from, size_t length);
void __real_wsd_copy_streamed(void *to, const void *from, size_t length);
void __wrap_wsd_copy_streamed(void *to, const void *from, size_t length);
void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size);

struct copies copies;

static void count_copy(size_t length)
{
	copies.small += length == COPIES_SMALL;
	copies.large_bytes += length >= COPIES_LARGE ? length : 0;
}

void *__wrap_memcpy(void *to, const void *from, size_t length)
{
	count_copy(length);
	return __real_memcpy(to, from, length);
}

void *__wrap_memmove(void *to, const void *from, size_t length)
{
	count_copy(length);
	return __real_memmove(to, from, length);
}

void __wrap_wsd_copy_streamed(void *to, const void *from, size_t length)
{
	count_copy(length);
	__real_wsd_copy_streamed(to, from, length);
}

void *__wrap_malloc(size_t size)
{
	copies.allocations++;
	return __real_malloc(size);
}

void *__wrap_calloc(size_t number, size_t size)
{
	copies.allocations++;
	return __real_calloc(number, size);
}
