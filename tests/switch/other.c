// SPDX-License-Identifier: BSD-2-Clause
/* other.c - see other.h. Here are the sockets of the system, so Winsock's names are not. */
#include "tests/switch/other.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

char **ot_arguments;

static void run(int channel)
{
	char number[16];
	size_t count = 0;
	char **arguments;

	while (ot_arguments[count] != NULL)
		count++;
	arguments = calloc(count + 3, sizeof(*arguments));
	if (arguments == NULL)
		_exit(127);
	snprintf(number, sizeof(number), "--take=%d", channel);
	arguments[0] = ot_arguments[0];
	arguments[1] = number;
	memcpy(arguments + 2, ot_arguments + 1, count * sizeof(*arguments)); /* with NULL */
	execv("/proc/self/exe", arguments);
	_exit(127);
}

struct ot_process ot_start(void)
{
	struct ot_process o = { .process = -1 };
	int ends[2];

	fflush(stdout);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) == 0)
		o.process = fork();
	if (o.process == 0 && fcntl(ends[1], F_SETFD, 0) == 0)
		run(ends[1]);
	if (o.process < 0) {
		perror("no other process");
		exit(2);
	}
	close(ends[1]);
	o.channel = ends[0];
	return o;
}

bool ot_tell(int channel, const void *packet, size_t size)
{
	return send(channel, packet, size, MSG_NOSIGNAL) == (ssize_t)size;
}

bool ot_hear(int channel, void *packet, size_t size, unsigned ms)
{
	struct pollfd fd = { .fd = channel, .events = POLLIN };
	int ready;

	do
		ready = poll(&fd, 1, (int)ms);
	while (ready < 0 && errno == EINTR);
	return ready == 1 && recv(channel, packet, size, 0) == (ssize_t)size;
}

bool ot_end(struct ot_process *o, bool killed)
{
	int status = -1;

	if (killed)
		kill(o->process, SIGKILL);
	close(o->channel);
	return waitpid(o->process, &status, 0) == o->process && status == 0;
}
