// SPDX-License-Identifier: BSD-2-Clause
/*
 * wsdcp_receive.c - the receiving side. Receives are posted ahead, large and overlapped, so that the
 * data can go into them without a copy.
 *
 * The sender is not trusted: its file name is only the last part of a path, never hidden, never one
 * that is there (without -f); data goes into a new file with a name of ours, which gets its place
 * only when size and checksum are right. Who does not talk like a wsdcp is sent away.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "wsdcp.h"

#ifdef _WIN32
#include <io.h>
#include <process.h>
#define fdopen	 _fdopen
#define getpid	 _getpid
#define close	 _close
#define open	 _open
#define unlink	 _unlink
#define NEW_FILE (_O_CREAT | _O_EXCL | _O_WRONLY | _O_BINARY)
#else
#include <unistd.h>
#define NEW_FILE (O_CREAT | O_EXCL | O_WRONLY)
#endif

#define PATH_ROOM 4096

struct receiver {
	const struct options *options;
	SOCKET s;
	struct ring ring;
	FILE *file;
	char target[PATH_ROOM];
	char name[WSDCP_NAME + 1];
	uint64_t size;
	char why[256]; /* for the sender and for our user */
};

/* What an interrupt must not leave behind. */
static char temporary[PATH_ROOM];

static void interrupted(int number)
{
	if (temporary[0])
		unlink(temporary);
	(void)number;
	_exit(130);
}

static bool is_folder(const char *path)
{
	struct stat info;

	return stat(path, &info) == 0 && (info.st_mode & S_IFMT) == S_IFDIR;
}

static bool exists(const char *path)
{
	struct stat info;

#ifdef _WIN32
	return stat(path, &info) == 0;
#else
	return lstat(path, &info) == 0;
#endif
}

/* Sets the reason; false, for its callers to return. */
static bool refuse(struct receiver *r, const char *why, const char *detail)
{
	snprintf(r->why, sizeof(r->why), "%.150s%s%.80s", why, detail ? ": " : "",
		 detail ? detail : "");
	return false;
}

static bool name_is_safe(const char *name, size_t length)
{
	size_t i;

	if (length == 0 || name[0] == '.')
		return false;
	for (i = 0; i < length; i++) {
		unsigned char c = (unsigned char)name[i], next = (unsigned char)name[i + 1];

		/* 0xc2 0x80 to 0x9f are control characters in UTF-8. */
		if (c < ' ' || strchr("/\\:\x7f", c) || (c == 0xc2 && next >= 0x80 && next < 0xa0))
			return false;
	}
	return true;
}

/* False: this is no wsdcp; nothing is said to it. */
static bool read_head(struct receiver *r)
{
	unsigned char head[WSDCP_HEAD];
	size_t length;

	if (net_recv_all(r->s, head, sizeof(head), r->options->limit) != 0 ||
	    memcmp(head, WSDCP_MAGIC, 8) != 0)
		return false;
	r->size = get_number(head + 8, 8);
	length = (size_t)get_number(head + 16, 2);
	return length <= WSDCP_NAME &&
	       net_recv_all(r->s, r->name, (int)length, r->options->limit) == 0 &&
	       memchr(r->name, '\0', length) == NULL;
}

static bool choose_target(struct receiver *r)
{
	const char *place = r->options->file;
	char folder[PATH_ROOM];
	const char *at, *slash = NULL;
	int length;

	if (r->size > INT64_MAX - 8)
		return refuse(r, "no file is that large", NULL);
	if (is_folder(place)) {
		if (!name_is_safe(r->name, strlen(r->name)))
			return refuse(r,
				      "the file name is hidden, empty or leads out of the "
				      "folder",
				      NULL);
		snprintf(folder, sizeof(folder), "%s", place);
		length = snprintf(r->target, sizeof(r->target), "%s/%s", place, r->name);
	} else {
		for (at = place; *at; at++)
			if (*at == '/' || *at == '\\')
				slash = at;
		snprintf(folder, sizeof(folder), "%.*s", slash ? (int)(slash - place) : 1,
			 slash ? place : ".");
		if (slash == place)
			snprintf(folder, sizeof(folder), "/");
		length = snprintf(r->target, sizeof(r->target), "%s", place);
	}
	if (length >= PATH_ROOM - 64)
		return refuse(r, "the path is too long", NULL);
	if (is_folder(r->target))
		return refuse(r, "there is a folder of that name", NULL);
	if (exists(r->target) && !r->options->force)
		return refuse(r, "the file is there already (wsdcp -l -f replaces it)", NULL);
	if (snprintf(temporary, sizeof(temporary), "%s/.wsdcp.%ld.part", folder, (long)getpid()) >=
	    PATH_ROOM)
		return refuse(r, "the path is too long", NULL);
	return true;
}

static bool open_temporary(struct receiver *r)
{
	/* fopen's "x" is unknown to the C library of Windows. */
	int fd = open(temporary, NEW_FILE, 0666);

	r->file = fd >= 0 ? fdopen(fd, "wb") : NULL;
	if (!r->file) {
		if (fd >= 0) {
			close(fd);
			unlink(temporary);
		}
		refuse(r, "cannot write into its folder", strerror(errno));
		temporary[0] = '\0';
		return false;
	}
	setvbuf(r->file, NULL, _IONBF, 0);
	return true;
}

static bool reply(struct receiver *r, bool yes)
{
	unsigned char bytes[2 + 255];
	size_t length = yes ? 0 : strlen(r->why);

	length = length > 255 ? 255 : length;
	bytes[0] = !yes;
	bytes[1] = (unsigned char)length;
	memcpy(bytes + 2, r->why, length);
	return net_send_all(r->s, bytes, (int)(2 + length)) == 0;
}

/* Data and the checksum behind it arrive in pieces of any size. */
static bool take(struct receiver *r, const char *bytes, size_t count, struct progress *p,
		 XXH3_state_t *sum, unsigned char *trailer, size_t *trailed)
{
	uint64_t left = p->size - p->done;
	size_t data = count < left ? count : (size_t)left;

	if (data && fwrite(bytes, 1, data, r->file) != data) {
		refuse(r, "cannot write", strerror(errno));
		return false;
	}
	XXH3_64bits_update(sum, bytes, data);
	progress_add(p, data);
	memcpy(trailer + *trailed, bytes + data, count - data);
	*trailed += count - data;
	return true;
}

/* Never more asked for than is still to come, so that no receive is left over at the end. */
static bool receive_body(struct receiver *r, struct progress *p, XXH3_state_t *sum)
{
	uint64_t unasked = r->size + 8, expected = unasked;
	unsigned char trailer[8];
	size_t trailed = 0;

	while (expected) {
		struct slot *slot;
		DWORD bytes = 0;
		int error = 0;

		if (unasked && r->ring.count < WSDCP_SLOTS) {
			DWORD want = unasked < WSDCP_CHUNK ? (DWORD)unasked : WSDCP_CHUNK;

			error = ring_start_recv(&r->ring, want);
			unasked -= want;
			if (!error)
				continue;
		} else {
			error = ring_finish(&r->ring, r->options->limit, &slot, &bytes);
		}
		if (error || bytes == 0)
			return refuse(r,
				      error ? net_error(error) : "the sender stopped in the middle",
				      NULL);
		unasked += slot->size - bytes;
		expected -= bytes;
		if (!take(r, slot->data, bytes, p, sum, trailer, &trailed))
			return false;
	}
	if (get_number(trailer, 8) != XXH3_64bits_digest(sum))
		return refuse(r, "the checksum differs: the data was changed on its way", NULL);
	return true;
}

static bool put_in_place(struct receiver *r)
{
	bool ok = fclose(r->file) == 0;

	r->file = NULL;
#ifdef _WIN32
	if (ok && r->options->force)
		(void)remove(r->target);
#endif
	if (ok && rename(temporary, r->target) == 0) {
		temporary[0] = '\0';
		return true;
	}
	refuse(r, "cannot put the file in place", strerror(errno));
	return false;
}

/* A close with bytes unread resets the connection, and the sender would not see the reply. */
static void let_go(struct receiver *r)
{
	double stop = net_seconds() + r->options->limit;
	struct slot *slot;
	DWORD bytes;
	int n;

	(void)shutdown(r->s, SD_SEND);
	while (r->ring.count && net_seconds() < stop)
		if (ring_finish(&r->ring, r->options->limit, &slot, &bytes) != 0 || bytes == 0)
			return;
	do
		n = recv(r->s, r->ring.slots[0].data, WSDCP_CHUNK, 0);
	while (n > 0 && net_seconds() < stop);
}

static bool transfer(struct receiver *r, XXH3_state_t *sum)
{
	struct progress p;
	bool ok;

	if (!choose_target(r) || !open_temporary(r)) {
		(void)reply(r, false);
		let_go(r);
		return false;
	}
	if (!reply(r, true))
		return refuse(r, "the sender is gone", NULL);
	XXH3_64bits_reset(sum);
	progress_start(&p, r->target, r->size, r->options->quiet);
	ok = receive_body(r, &p, sum);
	progress_end(&p);
	ok = ok && put_in_place(r);
	(void)reply(r, ok);
	let_go(r);
	if (ok)
		progress_report(&p, "received", XXH3_64bits_digest(sum), net_path(r->s));
	return ok;
}

/* 0 received, 1 failed, -1 it was no wsdcp. */
static int serve(const struct options *options, SOCKET s)
{
	struct receiver *r = calloc(1, sizeof(*r));
	XXH3_state_t *sum = XXH3_createState();
	int result = 1;

	if (!r || !sum) {
		closesocket(s);
		complain("out of memory");
		goto out;
	}
	r->options = options;
	r->s = s;
	net_limit(s, options->limit);
	if (ring_open(&r->ring, s) != 0) {
		complain("out of memory");
	} else if (!read_head(r)) {
		complain("refused a connection that is not from wsdcp");
		result = -1;
	} else {
		result = !transfer(r, sum);
		if (result)
			complain("did not receive a file: %s", r->why);
	}
	if (r->file)
		fclose(r->file);
	if (temporary[0])
		unlink(temporary);
	temporary[0] = '\0';
	ring_close(&r->ring);
out:
	XXH3_freeState(sum);
	free(r);
	return result;
}

int wsdcp_receive(const struct options *options)
{
	SOCKET listener = net_listen(options->where), s;
	int result = -1;

	if (listener == INVALID_SOCKET)
		return 1;
	signal(SIGINT, interrupted);
	signal(SIGTERM, interrupted);
	while (result < 0 || options->keep) {
		s = accept(listener, NULL, NULL);
		if (s == INVALID_SOCKET) {
			result = complain("cannot accept: %s", net_error(WSAGetLastError()));
			break;
		}
		result = serve(options, s);
	}
	closesocket(listener);
	return result;
}
