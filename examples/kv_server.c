// SPDX-License-Identifier: BSD-2-Clause
/*
 * kv_server PORT - a key-value store in memory that speaks enough of Redis' protocol for its clients and for
 * redis-benchmark: PING, SET, GET, INCR, DEL. One thread, nonblocking sockets and WSAPoll. It ends with SHUTDOWN.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net.h"

#define CLIENTS_MOST 512
#define WORDS_MOST   8
#define KEYS	     4096 /* slots; a key that meets another in its slot takes its place */
#define BUFFER	     65536

const char *program = "kv_server";

struct word {
	const char *bytes;
	int length;
};

struct client {
	char in[BUFFER], out[BUFFER];
	int filled, used;  /* of in: bytes, and those of whole commands */
	int pending, sent; /* of out */
};

static struct entry {
	char *key, *value;
	int key_length, value_length;
} table[KEYS];

static struct client *clients[CLIENTS_MOST + 1]; /* [0] is the listener's place */
static WSAPOLLFD polls[CLIENTS_MOST + 1];
static unsigned count = 1;
static bool stopping;

/* --- the store --- */

static struct entry *slot_of(struct word key)
{
	unsigned hash = 2166136261u;

	for (int i = 0; i < key.length; i++)
		hash = (hash ^ (unsigned char)key.bytes[i]) * 16777619u;
	return &table[hash % KEYS];
}

static struct entry *find(struct word key)
{
	struct entry *e = slot_of(key);

	return e->key && e->key_length == key.length &&
			       memcmp(e->key, key.bytes, (size_t)key.length) == 0
		       ? e
		       : NULL;
}

static char *copy_of(struct word w)
{
	char *copy = malloc((size_t)w.length + 1);

	if (!copy)
		exit(complain("out of memory"));
	memcpy(copy, w.bytes, (size_t)w.length);
	copy[w.length] = '\0';
	return copy;
}

static void store(struct word key, struct word value)
{
	struct entry *e = slot_of(key), old = *e;

	e->key = copy_of(key);
	e->value = copy_of(value);
	e->key_length = key.length;
	e->value_length = value.length;
	free(old.key);
	free(old.value);
}

/* --- answers --- */

static void reply(struct client *c, const char *text, int length)
{
	if (c->pending + length > BUFFER) /* room was made sure of before the command */
		length = 0;
	memcpy(c->out + c->pending, text, (size_t)length);
	c->pending += length;
}

static void reply_text(struct client *c, const char *text)
{
	reply(c, text, (int)strlen(text));
}

static void reply_value(struct client *c, const char *bytes, int length)
{
	char head[32];

	reply(c, head, snprintf(head, sizeof(head), "$%d\r\n", length));
	reply(c, bytes, length);
	reply(c, "\r\n", 2);
}

static bool is(struct word w, const char *name)
{
	int i = 0;

	while (i < w.length && name[i] && toupper((unsigned char)w.bytes[i]) == name[i])
		i++;
	return i == w.length && !name[i];
}

static void increment(struct client *c, struct word key)
{
	struct entry *e = find(key);
	char text[32], line[40];
	int n = snprintf(text, sizeof(text), "%ld", (e ? strtol(e->value, NULL, 10) : 0) + 1);

	store(key, (struct word){ text, n });
	reply(c, line, snprintf(line, sizeof(line), ":%s\r\n", text));
}

static void execute(struct client *c, const struct word *w, int words)
{
	struct entry *e;

	if (is(w[0], "PING")) {
		reply_text(c, "+PONG\r\n");
	} else if (is(w[0], "SET") && words >= 3) {
		store(w[1], w[2]);
		reply_text(c, "+OK\r\n");
	} else if (is(w[0], "GET") && words == 2) {
		e = find(w[1]);
		if (e)
			reply_value(c, e->value, e->value_length);
		else
			reply_text(c, "$-1\r\n");
	} else if (is(w[0], "INCR") && words == 2) {
		increment(c, w[1]);
	} else if (is(w[0], "DEL") && words == 2) {
		e = find(w[1]);
		reply_text(c, e ? ":1\r\n" : ":0\r\n");
		if (e) {
			free(e->key);
			free(e->value);
			memset(e, 0, sizeof(*e));
		}
	} else if (is(w[0], "SHUTDOWN")) {
		stopping = true;
	} else {
		reply_text(c, "-ERR unknown command\r\n");
	}
}

/* --- commands --- */

/* "<mark>NUMBER\r\n" at *at: the number, -1: not whole yet, -2: wrong. */
static int take_number(const struct client *c, int *at, char mark)
{
	const char *from = c->in + *at, *end = memchr(from, '\n', (size_t)(c->filled - *at));
	long value;

	if (!end)
		return c->filled - *at > 32 ? -2 : -1;
	if (*from != mark)
		return -2;
	value = strtol(from + 1, NULL, 10);
	*at = (int)(end - c->in) + 1;
	return value >= 0 && value < BUFFER / 4 ? (int)value : -2;
}

/* One command from used on. 1: done, 0: not whole yet, -1: wrong. */
static int take_command(struct client *c)
{
	struct word w[WORDS_MOST];
	int at = c->used, words;

	if (c->filled == at)
		return 0;
	words = take_number(c, &at, '*');
	if (words < 0)
		return words == -1 ? 0 : -1;
	if (words < 1 || words > WORDS_MOST)
		return -1;
	for (int i = 0; i < words; i++) {
		w[i].length = take_number(c, &at, '$');
		if (w[i].length < 0)
			return w[i].length == -1 ? 0 : -1;
		if (c->filled - at < w[i].length + 2)
			return 0;
		w[i].bytes = c->in + at;
		at += w[i].length + 2;
	}
	execute(c, w, words);
	c->used = at;
	return 1;
}

/* --- connections --- */

static bool would_block(int n)
{
	return n == SOCKET_ERROR && WSAGetLastError() == WSAEWOULDBLOCK;
}

static bool flush(struct client *c, SOCKET s)
{
	while (c->sent < c->pending) {
		int n = send(s, c->out + c->sent, c->pending - c->sent, 0);

		if (would_block(n))
			return true;
		if (n == SOCKET_ERROR)
			return false;
		c->sent += n;
	}
	c->sent = c->pending = 0;
	return true;
}

/* False: it has ended. Only with all answers gone does it take more, so out never overflows. */
static bool serve(struct client *c, SOCKET s)
{
	for (;;) {
		int taken = 0, n;

		if (!flush(c, s))
			return false;
		if (c->pending > 0)
			return true;
		while (c->pending < BUFFER / 2 && (taken = take_command(c)) == 1)
			;
		if (taken < 0)
			return false;
		if (c->pending > 0)
			continue;
		memmove(c->in, c->in + c->used, (size_t)(c->filled - c->used));
		c->filled -= c->used;
		c->used = 0;
		n = recv(s, c->in + c->filled, BUFFER - c->filled, 0);
		if (would_block(n))
			return true;
		if (n <= 0)
			return false;
		c->filled += n;
	}
}

static void take(SOCKET listener)
{
	u_long on = 1;
	SOCKET s;

	while (count <= CLIENTS_MOST && (s = accept(listener, NULL, NULL)) != INVALID_SOCKET) {
		struct client *c = calloc(1, sizeof(*c));

		if (!c || ioctlsocket(s, FIONBIO, &on) != 0) {
			free(c);
			closesocket(s);
			continue;
		}
		clients[count] = c;
		polls[count].fd = s;
		polls[count++].events = POLLRDNORM;
	}
}

static void drop(unsigned i)
{
	closesocket(polls[i].fd);
	free(clients[i]);
	count--;
	clients[i] = clients[count];
	polls[i] = polls[count];
}

static int run(SOCKET listener)
{
	polls[0].fd = listener;
	polls[0].events = POLLRDNORM;
	while (!stopping) {
		if (WSAPoll(polls, count, -1) == SOCKET_ERROR)
			return complain("WSAPoll: %s", net_error(WSAGetLastError()));
		for (unsigned i = count; i > 1; i--) {
			if (!polls[i - 1].revents)
				continue;
			if (serve(clients[i - 1], polls[i - 1].fd))
				polls[i - 1].events =
					clients[i - 1]->pending > 0 ? POLLWRNORM : POLLRDNORM;
			else
				drop(i - 1);
		}
		if (polls[0].revents)
			take(listener);
	}
	while (count > 1)
		drop(count - 1);
	for (unsigned i = 0; i < KEYS; i++) {
		free(table[i].key);
		free(table[i].value);
	}
	return 0;
}

int main(int argc, char **argv)
{
	SOCKET listener;
	u_long on = 1;
	WSADATA data;
	int result;

	if (argc != 2) {
		fprintf(stderr, "usage: kv_server PORT\n");
		return 2;
	}
	if (WSAStartup(MAKEWORD(2, 2), &data) != 0)
		return complain("WSAStartup failed");
	listener = net_listen(argv[1]);
	if (listener == INVALID_SOCKET)
		return 1;
	ioctlsocket(listener, FIONBIO, &on);
	result = run(listener);
	closesocket(listener);
	WSACleanup();
	return result;
}
