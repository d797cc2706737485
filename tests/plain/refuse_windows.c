// SPDX-License-Identifier: BSD-2-Clause
/* refuse_windows.c - see refuse.h: openwsd.dll has loaded the base provider before anything is refused. */
#include "tests/plain/refuse.h"

#include <winsock2.h>

#include <errno.h>
#include <stdlib.h>

#include "rdma_backend/base/platform_windows.h"

enum refused { SENDS, RECEIVES, ACCEPTS };

static void symbol(const char *name, void *function)
{
	if (!wsd_windows_symbol(GetModuleHandleW(L"base_provider.dll"), name, function,
				sizeof(FARPROC)))
		abort();
}

static int error_of(int code)
{
	switch (code) {
	case 0:
		return 0;
	case ENOBUFS:
		return WSAENOBUFS;
	case ENOMEM:
		return WSA_NOT_ENOUGH_MEMORY;
	case EHOSTUNREACH:
		return WSAEHOSTUNREACH;
	case ENETUNREACH:
		return WSAENETUNREACH;
	case EPERM:
		return WSAEACCES;
	default:
		abort();
	}
}

static void refuse(enum refused which, int error, int after, int calls)
{
	void (*base_refuse)(int which, int error, int after, int calls);

	symbol("base_provider_refuse", &base_refuse);
	base_refuse((int)which, error_of(error), after, calls);
}

void refuse_sends(int error, int after, int calls)
{
	refuse(SENDS, error, after, calls);
}

void refuse_receives(int error, int calls)
{
	refuse(RECEIVES, error, 0, calls);
}

void refuse_accepts(int error, int calls)
{
	refuse(ACCEPTS, error, 0, calls);
}

int refusals_left(void)
{
	int (*base_refusals)(void);

	symbol("base_provider_refusals", &base_refusals);
	return base_refusals();
}
