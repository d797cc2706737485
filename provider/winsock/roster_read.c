// SPDX-License-Identifier: BSD-2-Clause
/* roster_read.c - reading the rosters of other processes, see roster.h. It needs base only. */
#include "provider/winsock/roster.h"

#include <stddef.h>
#include <string.h>

#include "provider/winsock/socket.h"
#include "rdma_backend/base/platform.h"

#define ATTEMPTS 16u /* to copy a slot that is being written */

/* A text from somebody else: it ends, and does nothing to a terminal. */
static void clean(char *text, size_t size)
{
	text[size - 1] = '\0';
	for (; *text; text++)
		if (*text < ' ' || *text > '~')
			*text = '?';
}

static bool is_good_address(const struct wsd_addr *addr)
{
	return addr->family == 0 || addr->family == WSD_FAMILY_IPV4 ||
	       addr->family == WSD_FAMILY_IPV6;
}

/* A socket, and nothing out of range. */
static bool is_good(struct wsd_roster_entry *entry)
{
	clean(entry->path, sizeof(entry->path));
	clean(entry->device, sizeof(entry->device));
	clean(entry->reasons, sizeof(entry->reasons));
	return entry->used == 1 && entry->mode < WSD_MODES && entry->state < WSD_SOCK_STATES &&
	       is_good_address(&entry->local) && is_good_address(&entry->remote) &&
	       entry->out.service < WSD_SERVICES && entry->in.service < WSD_SERVICES;
}

/* A whole copy, or false. */
static bool read_slot(intptr_t record, uint32_t index, struct wsd_roster_entry *entry)
{
	uint64_t at = WSD_ROSTER_SLOTS_AT + (uint64_t)index * sizeof(struct wsd_roster_slot);
	uint32_t before, after;

	for (unsigned i = 0; i < ATTEMPTS; i++) {
		if (!wsd_record_read(record, at, &before, sizeof(before)))
			return false;
		atomic_thread_fence(memory_order_acquire);
		if (!wsd_record_read(record, at + offsetof(struct wsd_roster_slot, entry), entry,
				     sizeof(*entry)))
			return false;
		atomic_thread_fence(memory_order_acquire);
		if (!wsd_record_read(record, at, &after, sizeof(after)))
			return false;
		if (before == after && before % 2 == 0)
			return true;
		wsd_cpu_yield();
	}
	return false;
}

static bool read_header(intptr_t record, struct wsd_roster_process *process, uint32_t *slots)
{
	struct wsd_roster_header header;

	if (!wsd_record_read(record, 0, &header, sizeof(header)) ||
	    header.magic != WSD_ROSTER_MAGIC || header.layout != WSD_ROSTER_LAYOUT)
		return false;
	process->process = header.process;
	process->unlisted = atomic_load(&header.unlisted);
	memcpy(process->program, header.program, sizeof(process->program));
	clean(process->program, sizeof(process->program));
	for (unsigned i = 0; i < WSD_ROSTER_REASONS; i++)
		process->reasons[i] = atomic_load(&header.reasons[i]);
	*slots = atomic_load(&header.slots);
	if (*slots > WSD_ROSTER_SLOTS)
		*slots = WSD_ROSTER_SLOTS;
	return true;
}

bool wsd_roster_open_living(const char *name, intptr_t *record)
{
	if (wsd_record_open(name, record) != WSD_OK)
		return false; /* gone, or another user's */
	if (!wsd_record_lock(*record, WSD_ROSTER_ALIVE))
		return true;
	(void)wsd_record_remove(name);
	wsd_record_close(*record);
	return false;
}

static void read_process(const char *name, void *arg)
{
	const struct wsd_roster_reader *reader = arg;
	struct wsd_roster_process process;
	struct wsd_roster_entry entry;
	intptr_t record;
	uint32_t slots;

	if (!wsd_roster_open_living(name, &record))
		return;
	if (read_header(record, &process, &slots)) {
		reader->on_process(&process, reader->arg);
		for (uint32_t i = 0; i < slots; i++)
			if (read_slot(record, i, &entry) && is_good(&entry))
				reader->on_socket(&process, &entry, reader->arg);
	}
	wsd_record_close(record);
}

void wsd_roster_read(const struct wsd_roster_reader *reader)
{
	wsd_record_each(WSD_ROSTER_PREFIX, read_process, (void *)(uintptr_t)reader);
}
