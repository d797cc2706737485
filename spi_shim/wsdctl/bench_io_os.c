// SPDX-License-Identifier: BSD-2-Clause
/*
 * bench_io_os.c - struct bench_io over the system's TCP, with TCP_NODELAY. Overlapped sends are an
 * event loop over epoll: what cannot be sent at once waits until the descriptor is writable, and
 * completions are handed out by the loop, never by the send itself.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "spi_shim/wsdctl/bench.h"

static bool os_start(void)
{
	return true;
}

static const char *os_error(void)
{
	return strerror(errno);
}

static struct sockaddr_in loopback(uint16_t port)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(port) };

	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return at;
}

static intptr_t os_listen(uint16_t *port)
{
	struct sockaddr_in at = loopback(0);
	socklen_t length = sizeof(at);
	int s = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_TCP);

	if (s < 0)
		return -1;
	if (bind(s, (struct sockaddr *)&at, length) != 0 || listen(s, SOMAXCONN) != 0 ||
	    getsockname(s, (struct sockaddr *)&at, &length) != 0) {
		close(s);
		return -1;
	}
	*port = ntohs(at.sin_port);
	return s;
}

static void set_nodelay(int s)
{
	int on = 1;

	if (s >= 0)
		(void)setsockopt(s, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

static intptr_t os_accept(intptr_t listener)
{
	int s = accept4((int)listener, NULL, NULL, SOCK_CLOEXEC);

	set_nodelay(s);
	return s;
}

static intptr_t os_connect(uint16_t port)
{
	struct sockaddr_in at = loopback(port);
	int s = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_TCP);

	if (s < 0)
		return -1;
	set_nodelay(s);
	if (connect(s, (struct sockaddr *)&at, sizeof(at)) != 0) {
		int code = errno;

		close(s);
		errno = code;
		return -1;
	}
	return s;
}

static bool os_close(intptr_t s)
{
	return close((int)s) == 0;
}

static bool os_nonblocking(intptr_t s, bool on)
{
	int flags = fcntl((int)s, F_GETFL);

	return flags >= 0 &&
	       fcntl((int)s, F_SETFL, on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK) == 0;
}

static long os_result(ssize_t n)
{
	if (n >= 0)
		return n;
	return errno == EAGAIN || errno == EINTR ? BENCH_AGAIN : BENCH_ERROR;
}

static long os_send(intptr_t s, const char *buffer, size_t size)
{
	return os_result(send((int)s, buffer, size, MSG_NOSIGNAL));
}

static long os_recv(intptr_t s, char *buffer, size_t size)
{
	return os_result(recv((int)s, buffer, size, 0));
}

static bool os_path(intptr_t s, char *text, size_t size)
{
	(void)s;
	snprintf(text, size, "os");
	return true;
}

struct waiting {
	unsigned slot;
	const char *buffer;
	size_t size;
};

struct bench_loop {
	int s, epoll;
	unsigned done[BENCH_WINDOW]; /* sent, completion not yet handed out */
	unsigned done_count;
	struct waiting waiting[BENCH_WINDOW]; /* a ring */
	unsigned first, waiting_count;
};

static struct bench_loop *os_loop_open(intptr_t s)
{
	struct bench_loop *loop = calloc(1, sizeof(*loop));
	struct epoll_event event = { .events = EPOLLOUT };

	if (!loop)
		return NULL;
	loop->s = (int)s;
	loop->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (loop->epoll < 0 || epoll_ctl(loop->epoll, EPOLL_CTL_ADD, loop->s, &event) != 0) {
		if (loop->epoll >= 0)
			close(loop->epoll);
		free(loop);
		return NULL;
	}
	return loop;
}

static void os_loop_close(struct bench_loop *loop)
{
	close(loop->epoll);
	free(loop);
}

static bool os_post(struct bench_loop *loop, unsigned slot, const char *buffer, size_t size)
{
	struct waiting *w;
	long n = loop->waiting_count ? BENCH_AGAIN : os_send(loop->s, buffer, size);

	if (n == BENCH_ERROR)
		return false;
	if (n == (long)size) {
		loop->done[loop->done_count++] = slot;
		return true;
	}
	w = &loop->waiting[(loop->first + loop->waiting_count++) % BENCH_WINDOW];
	*w = (struct waiting){ slot, buffer, size };
	if (n > 0) {
		w->buffer += n;
		w->size -= (size_t)n;
	}
	return true;
}

static bool send_waiting(struct bench_loop *loop)
{
	while (loop->waiting_count) {
		struct waiting *w = &loop->waiting[loop->first];
		long n = os_send(loop->s, w->buffer, w->size);

		if (n == BENCH_ERROR)
			return false;
		if (n == BENCH_AGAIN)
			break;
		w->buffer += n;
		w->size -= (size_t)n;
		if (w->size)
			break;
		loop->done[loop->done_count++] = w->slot;
		loop->first = (loop->first + 1) % BENCH_WINDOW;
		loop->waiting_count--;
	}
	return true;
}

static unsigned os_reap(struct bench_loop *loop, unsigned *slots)
{
	unsigned count;

	do {
		struct epoll_event event;
		int ready = epoll_wait(loop->epoll, &event, 1, loop->done_count ? 0 : -1);

		if (ready < 0 && errno != EINTR)
			return 0;
		if (ready > 0 && !send_waiting(loop))
			return 0;
	} while (loop->done_count == 0);
	count = loop->done_count;
	memcpy(slots, loop->done, count * sizeof(*slots));
	loop->done_count = 0;
	return count;
}

const struct bench_io bench_io_os = {
	.start = os_start,
	.listen = os_listen,
	.accept = os_accept,
	.connect = os_connect,
	.close = os_close,
	.nonblocking = os_nonblocking,
	.send = os_send,
	.recv = os_recv,
	.path = os_path,
	.loop_open = os_loop_open,
	.post = os_post,
	.reap = os_reap,
	.loop_close = os_loop_close,
	.error = os_error,
};
