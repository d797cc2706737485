// SPDX-License-Identifier: BSD-2-Clause
/* lib_linux.c - processes, threads and time for the conformance programs. */
#include "tests/conformance/lib.h"

#include <dirent.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <unistd.h>

#define PF_EXITING 0x4u /* in /proc/.../stat */

static const char *role, *argument;

static void too_late(int signal_number)
{
	static const char message[] = "deadline passed\n";
	ssize_t ignored = write(STDERR_FILENO, message, sizeof(message) - 1);

	(void)ignored;
	(void)signal_number;
	abort();
}

void conf_deadline(unsigned seconds)
{
	signal(SIGALRM, too_late);
	alarm(seconds);
}

void conf_set_role(const char *child_role, const char *child_argument)
{
	role = child_role;
	argument = child_argument;
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
	const char *ip = conf_family() == AF_INET6 ? "ipv6" : "ipv4";
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

const int conf_death = -SIGKILL;

void conf_die(void)
{
	raise(SIGKILL);
}

int conf_exit_closes(void)
{
	return 1;
}

int conf_port_stays(void)
{
	return 1;
}

int conf_windows_tcp(void)
{
	return 0;
}

void set_variable(const char *name, const char *value)
{
	if (value != NULL)
		setenv(name, value, 1);
	else
		unsetenv(name);
}

unsigned child_id(const struct child *c)
{
	return (unsigned)c->pid;
}

static void send_signal(const struct child *c, int signal_number)
{
	if (kill((pid_t)c->pid, signal_number) != 0)
		abort();
}

void child_kill(const struct child *c)
{
	send_signal(c, SIGKILL);
}

void child_stop(const struct child *c)
{
	send_signal(c, SIGSTOP);
}

void child_continue(const struct child *c)
{
	send_signal(c, SIGCONT);
}

void conf_stop(void)
{
	raise(SIGSTOP);
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

/* One whose end others have waited for stands in /proc a moment longer, as one that exits. */
static bool is_alive(const char *thread)
{
	char path[300], text[1024] = "";
	const char *field;
	unsigned flags = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/self/task/%s/stat", thread);
	file = fopen(path, "re");
	if (file == NULL)
		return false;
	if (fgets(text, sizeof(text), file) == NULL)
		text[0] = 0;
	fclose(file);
	field = strrchr(text, ')');
	return field != NULL && sscanf(field + 1, " %*c %*d %*d %*d %*d %*d %u", &flags) == 1 &&
	       (flags & PF_EXITING) == 0;
}

unsigned threads_now(void)
{
	DIR *folder = opendir("/proc/self/task");
	struct dirent *entry;
	unsigned count = 0;

	while (folder != NULL && (entry = readdir(folder)) != NULL)
		count += entry->d_name[0] != '.' && is_alive(entry->d_name);
	closedir(folder);
	return count;
}
