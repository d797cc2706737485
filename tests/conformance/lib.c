// SPDX-License-Identifier: BSD-2-Clause
/* lib.c - what the conformance programs share. */
#include "tests/conformance/lib.h"

#include <dirent.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <unistd.h>

#define DEADLINE 110 /* s */

unsigned check_passed, check_failed;

static int family = AF_INET;
static const char *role, *argument;

static void too_late(int signal_number)
{
	static const char message[] = "deadline passed\n";
	ssize_t ignored = write(STDERR_FILENO, message, sizeof(message) - 1);

	(void)ignored;
	(void)signal_number;
	abort();
}

void conf_begin(int argc, char **argv)
{
	const char *slow = getenv("WSD_TEST_SLOW");
	unsigned factor = slow ? (unsigned)strtoul(slow, NULL, 10) : 1;

	signal(SIGALRM, too_late);
	alarm(DEADLINE * (factor ? factor : 1));
	if (argc > 1 && strcmp(argv[1], "ipv6") == 0)
		family = AF_INET6;
	if (argc > 3) {
		role = argv[2];
		argument = argv[3];
	}
}

void conf_start(int argc, char **argv)
{
	WSADATA data;

	conf_begin(argc, argv);
	if (WSAStartup(MAKEWORD(2, 2), &data) != 0)
		abort();
}

int conf_family(void)
{
	return family;
}

static struct address address_of(const char *v4, const char *v6, u_short port)
{
	struct address at;

	memset(&at, 0, sizeof(at));
	at.sa.any.sa_family = (u_short)family;
	at.length = family == AF_INET6 ? sizeof(at.sa.v6) : sizeof(at.sa.v4);
	if ((family == AF_INET6 ? inet_pton(AF_INET6, v6, &at.sa.v6.sin6_addr)
				: inet_pton(AF_INET, v4, &at.sa.v4.sin_addr)) != 1)
		abort();
	set_port(&at, port);
	return at;
}

static const char *variable(const char *name, const char *otherwise)
{
	const char *value = getenv(name);

	return value ? value : otherwise;
}

struct address loopback(u_short port)
{
	return address_of(variable("WSD_TEST_IPV4", "127.0.0.1"), variable("WSD_TEST_IPV6", "::1"),
			  port);
}

struct address caller(u_short port)
{
	return address_of(variable("WSD_TEST_FROM_IPV4", "127.0.0.1"),
			  variable("WSD_TEST_FROM_IPV6", "::1"), port);
}

u_short port_of(const struct address *at)
{
	return ntohs(at->sa.v4.sin_port); /* at the same place in both */
}

void set_port(struct address *at, u_short port)
{
	at->sa.v4.sin_port = htons(port);
}

SOCKET stream_socket(void)
{
	return WSASocketW(family, SOCK_STREAM, IPPROTO_TCP, NULL, 0, WSA_FLAG_OVERLAPPED);
}

int name_of(SOCKET s, struct address *at)
{
	at->length = sizeof(at->sa);
	return getsockname(s, &at->sa.any, &at->length);
}

int bind_to(SOCKET s, const struct address *at)
{
	return bind(s, &at->sa.any, at->length);
}

int connect_to(SOCKET s, const struct address *at)
{
	return connect(s, &at->sa.any, at->length);
}

void nonblocking(SOCKET s, u_long on)
{
	ioctlsocket(s, FIONBIO, &on);
}

static SOCKET listen_on(SOCKET s, struct address *at, int backlog)
{
	*at = loopback(0);
	if (s != INVALID_SOCKET && (bind_to(s, at) || listen(s, backlog) || name_of(s, at))) {
		closesocket(s);
		return INVALID_SOCKET;
	}
	return s;
}

SOCKET listener_on(struct address *at, int backlog)
{
	return listen_on(stream_socket(), at, backlog);
}

SOCKET conditional_listener(struct address *at, int backlog)
{
	SOCKET s = stream_socket();
	int on = 1;

	setsockopt(s, SOL_SOCKET, SO_CONDITIONAL_ACCEPT, (char *)&on, sizeof(on));
	return listen_on(s, at, backlog);
}

int open_pair(struct pair *p)
{
	p->client = p->server = INVALID_SOCKET;
	p->listener = listener_on(&p->at, 8);
	if (p->listener == INVALID_SOCKET)
		return 0;
	p->client = stream_socket();
	if (connect_to(p->client, &p->at)) /* the engine accepts up to the backlog */
		return 0;
	p->server = accept(p->listener, NULL, NULL);
	return p->server != INVALID_SOCKET;
}

void close_pair(struct pair *p)
{
	closesocket(p->client);
	closesocket(p->server);
	closesocket(p->listener);
}

int conf_two_processes(void)
{
	const char *backends = getenv("WSD_BACKENDS");

	return backends == NULL || strcmp(backends, "sim") != 0;
}

#define CHILD_FROM 3
#define CHILD_TO   4

const char *conf_role(void)
{
	return role;
}

const char *conf_argument(void)
{
	return argument;
}

static void run_child(int from, int to, const char *child_role, const char *child_argument)
{
	const char *ip = family == AF_INET6 ? "ipv6" : "ipv4";
	/* Above both targets first: they may be each other's. */
	int in = dup(from), out = dup(to);

	if (in < 0 || out < 0 || dup2(in, CHILD_FROM) < 0 || dup2(out, CHILD_TO) < 0)
		_exit(127);
	for (int fd = CHILD_TO + 1; fd < 64; fd++)
		(void)close(fd);
	execl("/proc/self/exe", "child", ip, child_role, child_argument, (char *)NULL);
	_exit(127);
}

struct child child_start(const char *child_role, const char *child_argument)
{
	struct child c = { .pid = -1 };
	int down[2], up[2];

	fflush(NULL);
	if (pipe(down) != 0 || pipe(up) != 0)
		abort();
	c.pid = fork();
	if (c.pid < 0)
		abort();
	if (c.pid == 0)
		run_child(down[0], up[1], child_role, child_argument);
	close(down[0]);
	close(up[1]);
	c.to = down[1];
	c.from = up[0];
	return c;
}

struct child child_parent(void)
{
	return (struct child){ .pid = getppid(), .to = CHILD_TO, .from = CHILD_FROM };
}

void child_tell(const struct child *c, int number)
{
	if (write(c->to, &number, sizeof(number)) != (ssize_t)sizeof(number))
		abort();
}

int child_hear(const struct child *c)
{
	int number = -1;

	return read(c->from, &number, sizeof(number)) == (ssize_t)sizeof(number) ? number : -1;
}

int child_wait(struct child *c)
{
	int status = 0;

	close(c->to);
	close(c->from);
	if (waitpid((pid_t)c->pid, &status, 0) != (pid_t)c->pid)
		abort();
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

struct conf_thread {
	pthread_t id;
	void (*run)(void *);
	void *arg;
	atomic_int waiter; /* its number in /proc once it will wait */
};

static _Thread_local struct conf_thread *this_thread;

static void *thread_main(void *arg)
{
	struct conf_thread *thread = arg;

	this_thread = thread;
	thread->run(thread->arg);
	return NULL;
}

struct conf_thread *thread_run(void (*run)(void *), void *arg)
{
	struct conf_thread *thread = malloc(sizeof(*thread));

	if (!thread)
		abort();
	thread->run = run;
	thread->arg = arg;
	atomic_init(&thread->waiter, 0);
	if (pthread_create(&thread->id, NULL, thread_main, thread) != 0)
		abort();
	return thread;
}

void thread_join(struct conf_thread *thread)
{
	pthread_join(thread->id, NULL);
	free(thread);
}

void thread_will_wait(void)
{
	atomic_store(&this_thread->waiter, gettid());
}

static bool sleeps(int number)
{
	char path[64], state = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", number);
	file = fopen(path, "r");
	if (!file || fscanf(file, "%*d (%*[^)]) %c", &state) != 1)
		abort();
	fclose(file);
	return state == 'S';
}

void thread_until_waiting(const struct conf_thread *thread)
{
	while (atomic_load(&thread->waiter) == 0 || !sleeps(atomic_load(&thread->waiter)))
		usleep(1000); /* the deadline of the program ends it */
}

static unsigned threads_now(void)
{
	DIR *folder = opendir("/proc/self/task");
	unsigned count = 0;

	while (folder != NULL && readdir(folder) != NULL)
		count++;
	closedir(folder);
	return count;
}

static void nothing(void *arg)
{
	(void)arg;
}

unsigned threads_before(void)
{
	unsigned least, now;

	thread_join(thread_run(nothing, NULL));
	/* One that was joined is in /proc a moment longer. */
	least = threads_now();
	for (int i = 0; i < 50; i++) {
		usleep(1000);
		now = threads_now();
		least = now < least ? now : least;
	}
	return least;
}

bool threads_become(unsigned before)
{
	for (int i = 0; i < 2000 && threads_now() != before; i++)
		usleep(1000);
	if (threads_now() != before)
		fprintf(stderr, "%u threads, there were %u\n", threads_now() - 2, before - 2);
	return threads_now() == before;
}
