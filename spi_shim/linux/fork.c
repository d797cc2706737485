// SPDX-License-Identifier: BSD-2-Clause
/*
 * fork.c - owns what happens in the child of fork().
 *
 * The child has one thread and copies of locks that other threads may have held. Every handle
 * becomes stale, everything that was waiting is forgotten, memory that the parent's threads were
 * using is left alone. WSAStartup starts afresh. Nothing here, and nothing at the child's exit,
 * touches a connection.
 */
#include <pthread.h>

#include "provider/winsock/provider.h"
#include "spi_shim/linux/handle.h"
#include "spi_shim/linux/shim.h"

static void in_child(void)
{
	wsd_object_forked();
	wsd_thread_forked();
	wsd_shim_forked();
	wsd_provider_fork_child();
}

/* At load, because events and ports can be used before WSAStartup. */
__attribute__((constructor)) static void hook_fork(void)
{
	(void)pthread_atfork(NULL, NULL, in_child);
}
