// SPDX-License-Identifier: BSD-2-Clause
/*
 * bench_pair.c - the two workers of one path: start, orders with a deadline, end. A worker is this
 * program again, so that neither shares anything with the other or with the controller.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "spi_shim/wsdctl/bench.h"

#define ANSWER_LIMIT_MS 20000

static const char *const end_names[2] = { "client", "server" };

static bool pair_fail(struct bench_pair *pair, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
static bool pair_fail(struct bench_pair *pair, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	if (!pair->dead)
		vsnprintf(pair->text, sizeof(pair->text), format, args);
	va_end(args);
	pair->dead = true;
	return false;
}

/* In the child, between fork and exec. */
static _Noreturn void become_worker(const struct bench_pair *pair, int end, int fd, int cpu,
				    pid_t parent)
{
	char number[16];
	cpu_set_t set;
	bool os = strcmp(pair->path, "os") == 0;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(127);
	if (cpu >= 0) {
		CPU_ZERO(&set);
		CPU_SET(cpu, &set);
		(void)sched_setaffinity(0, sizeof(set), &set);
	}
	snprintf(number, sizeof(number), "%d", fd);
	if ((os || setenv("WSD_BACKENDS", pair->path, 1) == 0) && fcntl(fd, F_SETFD, 0) == 0)
		execl("/proc/self/exe", "wsdctl", "bench-worker", number, end_names[end],
		      os ? "os" : "openwsd", (char *)NULL);
	_exit(127);
}

static bool start_end(struct bench_pair *pair, int end, int cpu)
{
	pid_t parent = getpid();
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
		return pair_fail(pair, "socketpair: %s", strerror(errno));
	pair->process[end] = fork();
	if (pair->process[end] == 0)
		become_worker(pair, end, ends[1], cpu, parent);
	close(ends[1]);
	pair->channel[end] = ends[0];
	return pair->process[end] > 0 || pair_fail(pair, "fork: %s", strerror(errno));
}

bool bench_pair_start(struct bench_pair *pair, const char *path, const int cpus[2])
{
	memset(pair, 0, sizeof(*pair));
	pair->path = path;
	pair->channel[0] = pair->channel[1] = -1;
	return start_end(pair, BENCH_CLIENT, cpus[BENCH_CLIENT]) &&
	       start_end(pair, BENCH_SERVER, cpus[BENCH_SERVER]);
}

/* A worker ends when its channel is closed; one that hangs is killed after a moment. */
void bench_pair_stop(struct bench_pair *pair)
{
	int end;

	if (!pair->path)
		return; /* never started */
	for (end = 0; end < 2; end++)
		if (pair->channel[end] >= 0)
			close(pair->channel[end]);
	for (end = 0; end < 2; end++) {
		double stop = bench_now() + 3;
		pid_t process = pair->process[end];

		if (process <= 0)
			continue;
		if (pair->dead)
			kill(process, SIGKILL);
		while (waitpid(process, NULL, WNOHANG) == 0) {
			if (bench_now() > stop)
				kill(process, SIGKILL);
			(void)poll(NULL, 0, 5);
		}
		pair->process[end] = 0;
		pair->channel[end] = -1;
	}
}

static bool take_answer(struct bench_pair *pair, int end, struct bench_answer *answer)
{
	if (recv(pair->channel[end], answer, sizeof(*answer), 0) != (ssize_t)sizeof(*answer))
		return pair_fail(pair, "%s: the process ended", end_names[end]);
	if (!answer->failed)
		return true;
	answer->text[sizeof(answer->text) - 1] = '\0';
	return pair_fail(pair, "%s: %s", end_names[end], answer->text);
}

bool bench_pair_run(struct bench_pair *pair, const struct bench_order *order,
		    struct bench_answer answers[2])
{
	struct pollfd waiting[2];
	double stop = bench_now() + ANSWER_LIMIT_MS / 1e3;
	int end, left = 2;

	if (pair->dead)
		return false;
	/* The server first: it has something to prepare. */
	for (end = 1; end >= 0; end--) {
		waiting[end] = (struct pollfd){ .fd = pair->channel[end], .events = POLLIN };
		if (send(pair->channel[end], order, sizeof(*order), MSG_NOSIGNAL) !=
		    (ssize_t)sizeof(*order))
			return pair_fail(pair, "%s: the process ended", end_names[end]);
	}
	while (left) {
		double rest = stop - bench_now();

		if (rest <= 0 || poll(waiting, 2, (int)(rest * 1e3) + 1) <= 0) {
			if (bench_now() < stop)
				continue; /* a signal */
			return pair_fail(pair, "no answer in time from %s",
					 waiting[0].fd < 0   ? "server"
					 : waiting[1].fd < 0 ? "client"
							     : "client and server");
		}
		for (end = 0; end < 2; end++) {
			if (waiting[end].fd < 0 || !waiting[end].revents)
				continue;
			if (!take_answer(pair, end, &answers[end]))
				return false;
			waiting[end].fd = -1;
			left--;
		}
	}
	return true;
}

bool bench_pair_open(struct bench_pair *pair)
{
	struct bench_order order = { .op = BENCH_LISTEN };
	struct bench_answer answers[2];

	if (!bench_pair_run(pair, &order, answers))
		return false;
	order.op = BENCH_OPEN;
	order.port = pair->port = answers[BENCH_SERVER].port;
	if (!bench_pair_run(pair, &order, answers))
		return false;
	if (strcmp(answers[BENCH_CLIENT].text, pair->path) != 0)
		return pair_fail(pair, "the connection took the path %s",
				 answers[BENCH_CLIENT].text);
	return true;
}

bool bench_pair_shut(struct bench_pair *pair)
{
	struct bench_order order = { .op = BENCH_SHUT };
	struct bench_answer answers[2];

	return bench_pair_run(pair, &order, answers);
}
