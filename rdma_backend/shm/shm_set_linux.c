// SPDX-License-Identifier: BSD-2-Clause
/* shm_set_linux.c - the set of a queue: epoll, with an eventfd for wakes and a timerfd for the alarm. */

#include <errno.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "rdma_backend/base/base.h"
#include "rdma_backend/shm/shm_internal.h"

#define EVENTS_MOST 32u

struct shm_set {
	int epoll_fd, wake_fd, alarm_fd;
	bool rang;
};

static enum wsd_status status_of(int error)
{
	return error == ENOMEM ? WSD_ENOMEM : WSD_ENOFILES;
}

static uint32_t to_epoll(uint32_t events)
{
	return (events & SHM_READ ? (uint32_t)EPOLLIN : 0) |
	       (events & SHM_WRITE ? (uint32_t)EPOLLOUT : 0);
}

static enum wsd_status control(struct shm_set *set, int operation, int fd, void *tag,
			       uint32_t events)
{
	struct epoll_event event = { .events = events, .data = { .ptr = tag } };

	return epoll_ctl(set->epoll_fd, operation, fd, &event) ? status_of(errno) : WSD_OK;
}

static enum wsd_status open_descriptors(struct shm_set *set)
{
	enum wsd_status status;

	set->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (set->epoll_fd < 0)
		return status_of(errno);
	set->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (set->wake_fd < 0)
		return status_of(errno);
	set->alarm_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (set->alarm_fd < 0)
		return status_of(errno);
	status = control(set, EPOLL_CTL_ADD, set->wake_fd, &set->wake_fd, EPOLLIN);
	return status ? status
		      : control(set, EPOLL_CTL_ADD, set->alarm_fd, &set->alarm_fd, EPOLLIN);
}

enum wsd_status shm_set_create(shm_share inbox, struct shm_set **result)
{
	struct shm_set *set = wsd_alloc(sizeof(*set));
	enum wsd_status status;

	(void)inbox; /* its bell comes through the channels */
	if (!set)
		return WSD_ENOMEM;
	set->epoll_fd = set->wake_fd = set->alarm_fd = -1;
	status = open_descriptors(set);
	if (status) {
		shm_set_destroy(set);
		return status;
	}
	*result = set;
	return WSD_OK;
}

void shm_set_destroy(struct shm_set *set)
{
	int fds[] = { set->epoll_fd, set->wake_fd, set->alarm_fd }, i;

	for (i = 0; i < 3; i++) {
		if (fds[i] >= 0)
			wsd_handle_close(fds[i]);
	}
	wsd_free(set);
}

wsd_wait_object shm_set_object(struct shm_set *set)
{
	return set->epoll_fd;
}

enum wsd_status shm_set_add(struct shm_set *set, struct shm_source *source, uint32_t events)
{
	return control(set, EPOLL_CTL_ADD, source->channel, source, to_epoll(events));
}

void shm_set_change(struct shm_set *set, struct shm_source *source, uint32_t events)
{
	(void)control(set, EPOLL_CTL_MOD, source->channel, source, to_epoll(events));
}

/* The descriptor may live on in a forked child, so that closing alone would not do. */
void shm_set_remove(struct shm_set *set, struct shm_source *source)
{
	(void)control(set, EPOLL_CTL_DEL, source->channel, NULL, 0);
}

static void drain_counter(int fd)
{
	uint64_t value;

	if (read(fd, &value, sizeof(value)) < 0)
		return; /* not readable any more: nothing to take back */
}

unsigned shm_set_poll(struct shm_set *set, struct shm_ready *ready, unsigned count, bool *more)
{
	struct epoll_event events[EVENTS_MOST];
	int room = count < EVENTS_MOST ? (int)count : (int)EVENTS_MOST, got, i;
	unsigned found = 0;

	do {
		got = epoll_wait(set->epoll_fd, events, room, 0);
	} while (got < 0 && errno == EINTR);
	for (i = 0; i < got; i++) {
		if (events[i].data.ptr == &set->wake_fd) {
			drain_counter(set->wake_fd);
		} else if (events[i].data.ptr == &set->alarm_fd) {
			drain_counter(set->alarm_fd);
			set->rang = true;
		} else {
			ready[found].source = events[i].data.ptr;
			ready[found].events = events[i].events & EPOLLOUT ? SHM_WRITE : 0;
			if (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR))
				ready[found].events |= SHM_READ;
			found++;
		}
	}
	*more = got == room;
	return found;
}

bool shm_set_arm(struct shm_set *set)
{
	(void)set; /* whatever is ready shows */
	return false;
}

void shm_set_disarm(struct shm_set *set, bool woken)
{
	if (woken)
		drain_counter(set->wake_fd);
}

void shm_set_wake(struct shm_set *set)
{
	static const uint64_t one = 1;

	if (write(set->wake_fd, &one, sizeof(one)) < 0)
		return; /* full: readable all the same */
}

void shm_set_alarm(struct shm_set *set, uint64_t ns)
{
	struct itimerspec time = { .it_value = { .tv_sec = (time_t)(ns / 1000000000u),
						 .tv_nsec = (long)(ns % 1000000000u) } };

	timerfd_settime(set->alarm_fd, 0, &time, NULL);
}

bool shm_set_alarm_rang(struct shm_set *set)
{
	bool rang = set->rang;

	set->rang = false;
	return rang;
}
