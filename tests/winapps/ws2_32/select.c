// SPDX-License-Identifier: BSD-2-Clause
/*
 * select.c - select and WSAPoll for any mixture: sets of one owner go to that one whole; of a mixture both
 * owners are asked in turns.
 */
#include "host.h"

#include <limits.h>
#include <stdlib.h>

#define POLL_MS 1

/* fd_set with room for what the application's has: programs make it larger than FD_SETSIZE. */
struct set {
	u_int count;
	SOCKET s[];
};

struct sets {
	struct set *of[3];
};

static struct set *copy_part(const fd_set *from, bool ours)
{
	u_int count = from != NULL ? from->fd_count : 0, i;
	struct set *set = malloc(sizeof(*set) + (count + 1) * sizeof(SOCKET));

	if (set == NULL)
		abort();
	set->count = 0;
	for (i = 0; i < count; i++)
		if (socket_is_ours(from->fd_array[i]) == ours)
			set->s[set->count++] = from->fd_array[i];
	return set;
}

static fd_set *as_fd_set(struct set *set)
{
	return set->count > 0 ? (fd_set *)(void *)set : NULL;
}

static u_int take_part(struct sets *sets, fd_set *const from[3], bool ours)
{
	u_int count = 0;

	for (unsigned i = 0; i < 3; i++) {
		sets->of[i] = copy_part(from[i], ours);
		count += sets->of[i]->count;
	}
	return count;
}

static void drop(struct sets *sets)
{
	for (unsigned i = 0; i < 3; i++)
		free(sets->of[i]);
}

static SOCKET first_of(const struct sets *sets)
{
	for (unsigned i = 0; i < 3; i++)
		if (sets->of[i]->count > 0)
			return sets->of[i]->s[0];
	return INVALID_SOCKET;
}

/* WSD_TEST_HURRY: so many times shorter the program's own waits are, for tests that wait for one to run out. */
static void hurry(struct timeval *time)
{
	char text[16] = "";
	long by, us;

	GetEnvironmentVariableA("WSD_TEST_HURRY", text, sizeof(text));
	by = strtol(text, NULL, 10);
	if (by <= 1 || time->tv_sec > LONG_MAX / 1000000 - 1)
		return;
	us = (time->tv_sec * 1000000 + time->tv_usec) / by;
	time->tv_sec = us / 1000000;
	time->tv_usec = us % 1000000;
}

static int select_ours(SOCKET first, fd_set *const sets[3], const struct timeval *timeout)
{
	IN_PROVIDER const WSPPROC_TABLE *provider = socket_enter(first);
	struct timeval copy, *time = NULL;
	int error = 0, result;

	if (timeout != NULL) {
		copy = *timeout;
		time = &copy;
	}
	if (provider == NULL)
		return fail_with(WSAENOTSOCK);
	host_trace("select", first, 0, time);
	result = provider->lpWSPSelect(0, sets[0], sets[1], sets[2], time, &error);
	host_trace("selected", first, (DWORD)result, time);
	return result == SOCKET_ERROR ? fail_with(error) : result;
}

/* One look at both owners. */
static int look(const struct sets *ours, const struct sets *others, fd_set *const out[3])
{
	struct timeval now = { 0 };
	struct sets mine, theirs;
	fd_set *a[3], *b[3];
	int first, second;

	for (unsigned i = 0; i < 3; i++) {
		mine.of[i] = copy_part(as_fd_set(ours->of[i]), true);
		theirs.of[i] = copy_part(as_fd_set(others->of[i]), false);
		a[i] = as_fd_set(mine.of[i]);
		b[i] = as_fd_set(theirs.of[i]);
	}
	first = select_ours(first_of(ours), a, &now);
	second = first == SOCKET_ERROR ? SOCKET_ERROR : sys.select(0, b[0], b[1], b[2], &now);
	if (second != SOCKET_ERROR && first + second > 0) {
		for (unsigned i = 0; i < 3; i++) {
			u_int j;

			if (out[i] == NULL)
				continue;
			out[i]->fd_count = 0;
			for (j = 0; a[i] != NULL && j < mine.of[i]->count; j++)
				out[i]->fd_array[out[i]->fd_count++] = mine.of[i]->s[j];
			for (j = 0; b[i] != NULL && j < theirs.of[i]->count; j++)
				out[i]->fd_array[out[i]->fd_count++] = theirs.of[i]->s[j];
		}
	}
	drop(&mine);
	drop(&theirs);
	return second == SOCKET_ERROR ? SOCKET_ERROR : first + second;
}

static int select_mixed(const struct sets *ours, const struct sets *others, fd_set *const out[3],
			const PTIMEVAL timeout)
{
	ULONGLONG end = timeout == NULL ? ~0ull
					: GetTickCount64() + (ULONGLONG)timeout->tv_sec * 1000 +
						  (ULONGLONG)(timeout->tv_usec + 999) / 1000;
	int ready;

	while ((ready = look(ours, others, out)) == 0) {
		if (GetTickCount64() >= end) {
			for (unsigned i = 0; i < 3; i++)
				if (out[i] != NULL)
					out[i]->fd_count = 0;
			return 0;
		}
		Sleep(POLL_MS);
	}
	return ready;
}

int WSAAPI select(int nfds, fd_set *readable, fd_set *writable, fd_set *failed,
		  const PTIMEVAL timeout)
{
	fd_set *const sets[3] = { readable, writable, failed };
	struct sets ours, others;
	u_int mine = take_part(&ours, sets, true), theirs = take_part(&others, sets, false);
	struct timeval copy = timeout != NULL ? *timeout : (struct timeval){ 0, 0 };
	PTIMEVAL time = timeout != NULL ? &copy : NULL;
	int result;

	hurry(&copy);
	if (mine == 0)
		result = sys.select(nfds, readable, writable, failed, time);
	else if (theirs == 0)
		result = select_ours(first_of(&ours), sets, time);
	else
		result = select_mixed(&ours, &others, sets, time);
	drop(&ours);
	drop(&others);
	return result;
}

/* --- WSAPoll: by select of one socket each, which knows all it asks for but hang-ups --- */

static bool is_connected(SOCKET s)
{
	struct sockaddr_storage peer;
	int length = sizeof(peer);

	return getpeername(s, (struct sockaddr *)&peer, &length) == 0;
}

static SHORT poll_one(SOCKET s, SHORT events)
{
	struct timeval now = { 0 };
	fd_set in = { 1, { s } }, out = { 1, { s } }, failed = { 1, { s } };
	fd_set *const sets[3] = { &in, &out, &failed };
	SHORT found = 0;
	char byte;

	if (select_ours(s, sets, &now) == SOCKET_ERROR)
		return POLLNVAL;
	/* Urgent data on a connection, else a connect that failed. */
	if (failed.fd_count > 0)
		found |= is_connected(s) ? events & (POLLRDBAND | POLLPRI) : POLLERR | POLLHUP;
	if (out.fd_count > 0)
		found |= events & POLLWRNORM;
	if (in.fd_count > 0) {
		int listening = 0, length = sizeof(listening);

		found |= events & POLLRDNORM;
		if (getsockopt(s, SOL_SOCKET, SO_ACCEPTCONN, (char *)&listening, &length) == 0 &&
		    !listening && recv(s, &byte, 1, MSG_PEEK) <= 0)
			found |= POLLHUP;
	}
	return found;
}

static int poll_once(LPWSAPOLLFD list, ULONG count)
{
	int ready = 0;

	for (ULONG i = 0; i < count; i++) {
		if (list[i].fd == INVALID_SOCKET) {
			list[i].revents = 0;
			continue;
		}
		if (socket_is_ours(list[i].fd))
			list[i].revents = poll_one(list[i].fd, list[i].events);
		else if (sys.WSAPoll(&list[i], 1, 0) == SOCKET_ERROR)
			list[i].revents = POLLNVAL;
		ready += list[i].revents != 0;
	}
	return ready;
}

int WSAAPI WSAPoll(LPWSAPOLLFD list, ULONG count, INT timeout)
{
	ULONGLONG end = timeout < 0 ? ~0ull : GetTickCount64() + (ULONGLONG)timeout;
	bool ours = false;
	int ready;

	for (ULONG i = 0; list != NULL && i < count; i++)
		ours = ours || socket_is_ours(list[i].fd);
	if (!ours) {
		ready = sys.WSAPoll(list, count, timeout);
		/* Wine's fails if no socket is one any more. */
		if (ready != SOCKET_ERROR || GetLastError() != WSAENOTSOCK)
			return ready;
	}
	while ((ready = poll_once(list, count)) == 0 && GetTickCount64() < end)
		Sleep(POLL_MS);
	return ready;
}
