// SPDX-License-Identifier: BSD-2-Clause
/* sample_os_linux.c - see sample.h. */
#include "sample.h"

#include <errno.h>
#include <pthread.h>
#include <sys/timerfd.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

void sample_os_lock(void)
{
	pthread_mutex_lock(&lock);
}

void sample_os_unlock(void)
{
	pthread_mutex_unlock(&lock);
}

enum wsd_status sample_os_timer_new(wsd_wait_object *timer)
{
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);

	if (fd < 0)
		return errno == EMFILE || errno == ENFILE ? WSD_ENOFILES : WSD_ENOMEM;
	*timer = fd;
	return WSD_OK;
}

void sample_os_timer_set(wsd_wait_object timer, uint64_t ns)
{
	struct itimerspec spec = { 0 };

	spec.it_value.tv_sec = (time_t)(ns / 1000000000u);
	spec.it_value.tv_nsec = (long)(ns % 1000000000u);
	timerfd_settime((int)timer, 0, &spec, NULL);
}

void sample_os_timer_free(wsd_wait_object timer)
{
	close((int)timer);
}
