// SPDX-License-Identifier: BSD-2-Clause
/*
 * wsdcp_send.c - the sending side: reads the file into a ring of large buffers whose sends are
 * overlapped, so that reading, checksum and network work at the same time.
 */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "wsdcp.h"

static const char *base_name(const char *path)
{
	const char *name = path, *at;

	for (at = path; *at; at++)
		if (*at == '/' || *at == '\\')
			name = at + 1;
	return name;
}

static FILE *open_source(const char *path, uint64_t *size)
{
#ifdef _WIN32
	struct _stat64 info;
	int result = _stat64(path, &info);
#else
	struct stat info;
	int result = stat(path, &info);
#endif
	FILE *file = NULL;

	if (result == 0 && (info.st_mode & S_IFMT) != S_IFREG) {
		complain("%s is not a file: wsdcp copies one file at a time", path);
		return NULL;
	}
	if (result == 0)
		file = fopen(path, "rb");
	if (!file) {
		complain("cannot read %s: %s", path, strerror(errno));
		return NULL;
	}
	/* The buffers of this program are larger. */
	setvbuf(file, NULL, _IONBF, 0);
	*size = (uint64_t)info.st_size;
	return file;
}

/* The receiver's yes or no; its text comes from outside and may hold anything. */
static int read_reply(SOCKET s, const struct options *options)
{
	const char *where = options->where, *what = options->file;
	unsigned char head[2], text[256];
	int i, error = net_recv_all(s, head, 2, options->limit);

	if (!error && head[1])
		error = net_recv_all(s, text, head[1], options->limit);
	if (error)
		return complain("%s did not confirm %s: %s", where, what, net_error(error));
	if (head[0] == 0)
		return 0;
	for (i = 0; i < head[1]; i++)
		if (text[i] < ' ' || text[i] > '~')
			text[i] = '?';
	return complain("%s refused %s: %.*s", where, what, (int)head[1], (char *)text);
}

static int send_head(SOCKET s, const char *name, uint64_t size)
{
	unsigned char head[WSDCP_HEAD + WSDCP_NAME];
	size_t length = strlen(name);

	memcpy(head, WSDCP_MAGIC, 8);
	put_number(head + 8, size, 8);
	put_number(head + 16, length, 2);
	memcpy(head + WSDCP_HEAD, name, length);
	return net_send_all(s, head, (int)(WSDCP_HEAD + length));
}

/* 0, or 1 after a message. */
static int finish_one(struct ring *ring, const struct options *options, struct progress *p)
{
	struct slot *slot;
	DWORD bytes;
	int error = ring_finish(ring, options->limit, &slot, &bytes);

	if (!error && bytes != slot->size)
		error = WSAECONNABORTED;
	if (error) {
		progress_end(p);
		return complain("cannot send %s to %s: %s", options->file, options->where,
				net_error(error));
	}
	progress_add(p, bytes);
	return 0;
}

/* A receiver that cannot go on says so in the middle. */
static bool has_answered(SOCKET s)
{
	struct timeval now = { 0, 0 };
	fd_set set;

	FD_ZERO(&set);
	FD_SET(s, &set);
	return select((int)s + 1, &set, NULL, NULL, &now) > 0;
}

static int send_body(struct ring *ring, FILE *file, const struct options *options,
		     struct progress *p, XXH3_state_t *sum)
{
	uint64_t left = p->size;

	while (left || ring->count) {
		DWORD want = left < WSDCP_CHUNK ? (DWORD)left : WSDCP_CHUNK;
		struct slot *slot = ring_next(ring);
		int error;

		if (!left || ring->count == WSDCP_SLOTS) {
			if (finish_one(ring, options, p) != 0)
				return 1;
			continue;
		}
		if (has_answered(ring->s)) {
			progress_end(p);
			return read_reply(ring->s, options) != 0;
		}
		if (fread(slot->data, 1, want, file) != want) {
			progress_end(p);
			return complain(ferror(file) ? "cannot read %s: %s"
						     : "%s became shorter while it was sent",
					options->file, strerror(errno));
		}
		XXH3_64bits_update(sum, slot->data, want);
		error = ring_start_send(ring, want);
		if (error) {
			progress_end(p);
			return complain("cannot send %s to %s: %s", options->file, options->where,
					net_error(error));
		}
		left -= want;
	}
	return 0;
}

static int send_open_file(FILE *file, uint64_t size, const struct options *options, SOCKET s,
			  struct ring *ring)
{
	const char *name = base_name(options->file);
	XXH3_state_t *sum = XXH3_createState();
	unsigned char trailer[8];
	struct progress p;
	int result = 1, error;

	net_limit(s, options->limit);
	error = sum ? ring_open(ring, s) : WSAENOBUFS;
	if (!error)
		error = send_head(s, name, size);
	if (error) {
		complain("cannot send %s to %s: %s", options->file, options->where,
			 net_error(error));
	} else if (read_reply(s, options) == 0) {
		XXH3_64bits_reset(sum);
		progress_start(&p, name, size, options->quiet);
		result = send_body(ring, file, options, &p, sum);
		if (result == 0) {
			put_number(trailer, XXH3_64bits_digest(sum), 8);
			(void)net_send_all(s, trailer, 8); /* the reply tells */
			progress_end(&p);
			result = read_reply(s, options);
		}
		if (result == 0)
			progress_report(&p, "sent", XXH3_64bits_digest(sum), net_path(s));
	}
	XXH3_freeState(sum);
	return result;
}

int wsdcp_send(const struct options *options)
{
	struct ring ring;
	uint64_t size;
	FILE *file = open_source(options->file, &size);
	int result;
	SOCKET s;

	if (!file)
		return 1;
	if (strlen(base_name(options->file)) > WSDCP_NAME) {
		fclose(file);
		return complain("%s: the name is longer than %d bytes", options->file, WSDCP_NAME);
	}
	s = net_connect(options->where);
	if (s == INVALID_SOCKET) {
		fclose(file);
		return 1;
	}
	memset(&ring, 0, sizeof(ring));
	ring.s = s;
	result = send_open_file(file, size, options, s, &ring);
	ring_close(&ring);
	fclose(file);
	return result;
}
