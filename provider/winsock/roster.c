// SPDX-License-Identifier: BSD-2-Clause
/*
 * roster.c - this process's sockets in its record, see roster.h.
 *
 * What cannot be told is left out, and nothing else changes: a socket never fails because of it. Memory for the
 * slots is taken from the system for some dozens at a time, so that most sockets cost no system call.
 *
 * A slot belongs to the socket that has its number, and is written under that socket's lock. The roster's own
 * lock (a leaf) guards the record and the unused slots; the record stays open while a slot is used.
 */
#include "provider/winsock/roster.h"

#include <stdio.h>
#include <string.h>

#include "provider/transport/path.h"
#include "provider/winsock/socket.h"
#include "rdma_backend/base/base.h"

#define AT_ONCE	 64u /* slots for which memory is taken together */
#define ATTEMPTS 8u  /* to make a record that nobody takes for a dead one's */
#define LENGTH	 (WSD_ROSTER_SLOTS_AT + WSD_ROSTER_SLOTS * sizeof(struct wsd_roster_slot))

_Static_assert(WSD_ROSTER_SLOTS % AT_ONCE == 0, "whole lots");
_Static_assert(sizeof(((struct wsd_roster_entry *)0)->reasons) == WSD_REASON_BYTES, "reasons");
_Static_assert(WSD_ROSTER_REASONS == WSD_REASONS, "their counts");

static struct wsd_mutex lock = WSD_MUTEX_INIT;
static struct {				  /* [lock] */
	struct wsd_roster_header *header; /* NULL: there is no record */
	unsigned started;
	intptr_t record;
	char name[WSD_RECORD_NAME];
	uint16_t unused[WSD_ROSTER_SLOTS];
	uint32_t unused_count, used_count;
	uint32_t slots, unlisted; /* as in the header, which others could write to */
} roster;

static void lock_roster(void)
{
	wsd_mutex_lock_static(&lock, WSD_FORK_RANK_ROSTER);
}

static struct wsd_roster_slot *slot_at(uint32_t index)
{
	char *base = (char *)roster.header + WSD_ROSTER_SLOTS_AT;

	return (struct wsd_roster_slot *)(void *)base + index;
}

/* --- the record --- */

static void remove_dead(const char *name, void *arg)
{
	intptr_t record;

	(void)arg;
	if (wsd_roster_open_living(name, &record))
		wsd_record_close(record);
}

/* [lock] Between its making and its lock another process may take it for a dead one's. */
static bool make_record(void)
{
	for (unsigned i = 0; i < ATTEMPTS; i++) {
		uint32_t number;

		wsd_random(&number, sizeof(number));
		snprintf(roster.name, sizeof(roster.name), WSD_ROSTER_PREFIX "%u-%08x",
			 (unsigned)wsd_process_id(), (unsigned)number);
		if (wsd_record_create(roster.name, &roster.record) != WSD_OK)
			continue;
		if (wsd_record_lock(roster.record, WSD_ROSTER_ALIVE) &&
		    wsd_record_exists(roster.name))
			return true;
		wsd_record_close(roster.record);
	}
	return false;
}

/* [lock] */
static bool map_record(void)
{
	struct wsd_roster_header *header;
	void *base;

	if (wsd_record_map(roster.record, LENGTH, &base) != WSD_OK)
		return false;
	if (!wsd_record_reserve(roster.record, 0, WSD_ROSTER_SLOTS_AT)) {
		wsd_record_unmap(base, LENGTH);
		return false;
	}
	header = base;
	header->layout = WSD_ROSTER_LAYOUT;
	header->process = wsd_process_id();
	snprintf(header->program, sizeof(header->program), "%s", wsd_program_name());
	header->magic = WSD_ROSTER_MAGIC;
	wsd_reasons_tell_all(header->reasons);
	roster.header = header;
	roster.unused_count = roster.used_count = 0;
	roster.slots = roster.unlisted = 0;
	return true;
}

void wsd_roster_open(void)
{
	lock_roster();
	roster.started++;
	if (!roster.header) {
		wsd_record_each(WSD_ROSTER_PREFIX, remove_dead, NULL);
		if (make_record() && !map_record()) {
			(void)wsd_record_remove(roster.name);
			wsd_record_close(roster.record);
		}
	}
	if (!roster.header)
		wsd_log(WSD_LOG_NOTICE, "winsock", "wsdctl sockets will not show this process");
	wsd_mutex_unlock(&lock);
}

/* [lock] The record goes with the last stop, or with the last socket, which a call may have kept behind it. */
static void drop_unused(void)
{
	if (roster.started > 0 || !roster.header || roster.used_count > 0 || roster.unlisted > 0)
		return;
	wsd_record_unmap(roster.header, LENGTH);
	(void)wsd_record_remove(roster.name);
	wsd_record_close(roster.record);
	roster.header = NULL;
}

void wsd_roster_close(void)
{
	lock_roster();
	roster.started--;
	drop_unused();
	wsd_mutex_unlock(&lock);
}

void wsd_roster_exit(void)
{
	lock_roster();
	if (roster.header)
		(void)wsd_record_remove(roster.name);
	wsd_mutex_unlock(&lock);
}

void wsd_roster_fork_child(void)
{
	/* The record is the parent's. Its descriptor has been closed. */
	if (roster.header)
		wsd_record_unmap(roster.header, LENGTH);
	roster.header = NULL;
	roster.started = 0;
}

/* --- slots --- */

/* [lock] */
static uint32_t take_slot(void)
{
	uint64_t at = WSD_ROSTER_SLOTS_AT + (uint64_t)roster.slots * sizeof(struct wsd_roster_slot);

	if (roster.unused_count > 0)
		return roster.unused[--roster.unused_count];
	if (roster.slots == WSD_ROSTER_SLOTS ||
	    (roster.slots % AT_ONCE == 0 &&
	     !wsd_record_reserve(roster.record, at, AT_ONCE * sizeof(struct wsd_roster_slot))))
		return WSD_ROSTER_SLOTS;
	atomic_store(&roster.header->slots, roster.slots + 1);
	return roster.slots++;
}

/* [lock] It is one of those for which there is no place, or not any more. */
static void set_unlisted(struct wsd_socket *sock, bool unlisted)
{
	if (sock->unlisted == unlisted)
		return;
	sock->unlisted = unlisted;
	roster.unlisted += unlisted ? 1u : ~0u;
	atomic_store(&roster.header->unlisted, roster.unlisted);
}

static bool enter(struct wsd_socket *sock)
{
	uint32_t index;

	if (sock->roster_slot != 0)
		return true;
	lock_roster();
	if (roster.header) {
		index = take_slot();
		if (index < WSD_ROSTER_SLOTS) {
			sock->roster_slot = index + 1;
			roster.used_count++;
		}
		set_unlisted(sock, index == WSD_ROSTER_SLOTS);
	}
	wsd_mutex_unlock(&lock);
	return sock->roster_slot != 0;
}

/* Written in place, because each socket does so three times: what stands behind the end of a text is old. */
static struct wsd_roster_entry *begin_slot(const struct wsd_socket *sock)
{
	struct wsd_roster_slot *slot = slot_at(sock->roster_slot - 1);

	atomic_fetch_add(&slot->sequence, 1);
	return &slot->entry;
}

static void end_slot(const struct wsd_socket *sock)
{
	atomic_fetch_add(&slot_at(sock->roster_slot - 1)->sequence, 1);
}

void wsd_roster_leave(struct wsd_socket *sock)
{
	if (sock->roster_slot == 0 && !sock->unlisted)
		return;
	lock_roster();
	if (roster.header && sock->roster_slot != 0) {
		begin_slot(sock)->used = 0;
		end_slot(sock);
		roster.unused[roster.unused_count++] = (uint16_t)(sock->roster_slot - 1);
		roster.used_count--;
	} else if (roster.header) {
		set_unlisted(sock, false);
	}
	drop_unused();
	wsd_mutex_unlock(&lock);
	sock->roster_slot = 0;
}

/* --- what is told --- */

static struct wsd_roster_flow flow_of(const struct wsd_flow *flow)
{
	return (struct wsd_roster_flow){ (uint32_t)flow->service, flow->rate, flow->bucket,
					 flow->peak };
}

static void put(char *to, size_t size, const char *text, size_t length)
{
	length = length < size ? length : size - 1;
	memcpy(to, text, length);
	to[length] = '\0';
}

/* Of the engine's name what stands before the device's. */
static void tell_path(struct wsd_roster_entry *entry, const struct wsd_engine *engine)
{
	const struct wsd_device_attr *attr = wsd_engine_attr(engine);
	const char *name = wsd_engine_name(engine);

	put(entry->path, sizeof(entry->path), name, strcspn(name, "/"));
	put(entry->device, sizeof(entry->device), attr->name, strlen(attr->name));
	entry->speed = attr->speed;
}

/* A listener has all the paths on which it listens, and the reasons for those that nobody can use here. */
static void tell_listener(const struct wsd_socket *sock, struct wsd_roster_entry *entry)
{
	char paths[sizeof(entry->path)] = "", reasons[sizeof(entry->reasons)] = "";
	enum wsd_status status;
	const char *reason;
	size_t length = 0;

	if (sock->listener != NULL)
		wsd_listener_paths(sock->listener, paths, sizeof(paths));
	else if (sock->acceptor != NULL)
		wsd_acceptor_paths(sock->acceptor, paths, sizeof(paths));
	for (unsigned i = 0; length < sizeof(reasons) &&
			     (reason = wsd_engine_missing(i, wsd_engine_count(), &status)) != NULL;
	     i++)
		length += (size_t)snprintf(reasons + length, sizeof(reasons) - length, "%s%s",
					   length > 0 ? "; " : "", reason);
	put(entry->path, sizeof(entry->path), paths, strlen(paths));
	put(entry->reasons, sizeof(entry->reasons), reasons, strlen(reasons));
}

/* What the connection has, or the last one had. */
static void tell_connection(const struct wsd_socket *sock, struct wsd_roster_entry *entry)
{
	const struct wsd_engine *engine = wsd_socket_engine(sock);
	const char *reasons = wsd_socket_reasons(sock);
	struct wsd_qos agreed;

	if (engine != NULL)
		tell_path(entry, engine);
	if (reasons != NULL) {
		put(entry->reasons, sizeof(entry->reasons), reasons, strlen(reasons));
		wsd_reasons_tell(roster.header->reasons);
	}
	if (sock->stream != NULL && wsd_stream_qos(sock->stream, &agreed)) {
		entry->out = flow_of(&agreed.out);
		entry->in = flow_of(&agreed.in);
		entry->reserved = wsd_stream_reserved(sock->stream);
	}
}

static int32_t error_of(const struct wsd_socket *sock)
{
	if (sock->broken_error != 0)
		return sock->broken_error;
	return sock->connect_error > 0 ? sock->connect_error : 0;
}

/* What it is, but not what it is connected to. */
static void tell_state(const struct wsd_socket *sock, struct wsd_roster_entry *entry)
{
	entry->used = 1;
	entry->handle = (uint64_t)sock->handle;
	entry->since = sock->moved_at;
	entry->mode = (uint8_t)sock->mode;
	entry->state = (uint8_t)sock->state;
	entry->flags = (uint8_t)((sock->accepted ? WSD_ROSTER_ACCEPTED : 0) |
				 (sock->away ? WSD_ROSTER_AWAY : 0));
	entry->error = error_of(sock);
}

static void tell_ends(const struct wsd_socket *sock, struct wsd_roster_entry *entry)
{
	entry->local = wsd_socket_known_local(sock);
	if (entry->local.port == 0) /* not known yet */
		entry->local.family = 0;
	entry->remote = sock->remote;
	entry->speed = 0;
	entry->reserved = 0;
	entry->out = entry->in = (struct wsd_roster_flow){ 0 };
	entry->path[0] = entry->device[0] = entry->reasons[0] = '\0';
	if (sock->state == WSD_SOCK_LISTENING)
		tell_listener(sock, entry);
	else
		tell_connection(sock, entry);
}

void wsd_roster_update(struct wsd_socket *sock)
{
	struct wsd_roster_entry *entry;

	sock->roster_news = false;
	if (sock->roster_slot == 0 &&
	    ((sock->state == WSD_SOCK_NEW && wsd_socket_reasons(sock) == NULL) ||
	     sock->state == WSD_SOCK_CLOSED))
		return;
	if (!enter(sock))
		return;
	entry = begin_slot(sock);
	tell_state(sock, entry);
	if (sock->state != WSD_SOCK_CLOSED) /* it goes as what it was */
		tell_ends(sock, entry);
	end_slot(sock);
}
