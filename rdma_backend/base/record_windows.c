// SPDX-License-Identifier: BSD-2-Clause
/*
 * record_windows.c - there are no records on Windows yet: none can be made, so no socket is shared, and
 * WSPDuplicateSocket says WSAEOPNOTSUPP. (Sections and files that are deleted when closed, LockFileEx, and named
 * events will be what the other system has.)
 */
#include "rdma_backend/base/record.h"

enum wsd_status wsd_record_create(const char *name, intptr_t *record)
{
	(void)name;
	(void)record;
	return WSD_EUNSUPPORTED;
}

enum wsd_status wsd_record_open(const char *name, intptr_t *record)
{
	(void)name;
	(void)record;
	return WSD_NOTFOUND;
}

void wsd_record_close(intptr_t record)
{
	(void)record;
}

bool wsd_record_remove(const char *name)
{
	(void)name;
	return false;
}

bool wsd_record_exists(const char *name)
{
	(void)name;
	return false;
}

void wsd_record_each(const char *prefix, void (*visit)(const char *name, void *arg), void *arg)
{
	(void)prefix;
	(void)visit;
	(void)arg;
}

bool wsd_record_read(intptr_t record, uint64_t offset, void *to, size_t length)
{
	(void)record;
	(void)offset;
	(void)to;
	(void)length;
	return false;
}

bool wsd_record_write(intptr_t record, uint64_t offset, const void *from, size_t length)
{
	(void)record;
	(void)offset;
	(void)from;
	(void)length;
	return false;
}

bool wsd_record_lock(intptr_t record, unsigned number)
{
	(void)record;
	(void)number;
	return false;
}

void wsd_record_unlock(intptr_t record, unsigned number)
{
	(void)record;
	(void)number;
}

enum wsd_status wsd_bell_open(intptr_t *bell, uint8_t *name)
{
	(void)bell;
	(void)name;
	return WSD_EUNSUPPORTED;
}

void wsd_bell_clear(intptr_t bell)
{
	(void)bell;
}

void wsd_bell_ring(intptr_t own, const uint8_t *name)
{
	(void)own;
	(void)name;
}

void wsd_bell_close(intptr_t bell)
{
	(void)bell;
}

bool wsd_process_started(uint32_t process, uint64_t *when)
{
	(void)process;
	(void)when;
	return false;
}
