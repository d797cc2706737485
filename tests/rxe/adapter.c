// SPDX-License-Identifier: BSD-2-Clause
/* adapter.c - see adapter.h. */
#include "tests/rxe/adapter.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rdma_backend/registry.h"

const struct wsd_backend_ops *bc_ops;
const struct wsd_host *bc_host;
uint32_t bc_device_index, bc_peer_index;
bool bc_one_process;

void bc_fail(const char *file, int line, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	fprintf(stderr, "%s:%d: ", file, line);
	vfprintf(stderr, format, arguments);
	fprintf(stderr, "\n");
	va_end(arguments);
	exit(1);
}

void bc_skip(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vprintf(format, arguments);
	va_end(arguments);
	exit(77);
}

static uint32_t index_of(const char *name)
{
	struct wsd_device_attr attr = { .size = sizeof(attr) };
	struct wsd_device *device;
	uint32_t index;

	for (index = 0; bc_ops->open(bc_host, index, &device, &attr) == WSD_OK; index++) {
		bc_ops->close(device);
		if (strcmp(attr.name, name) == 0)
			return index;
	}
	bc_skip("no device %s", name);
}

void adapter_start(unsigned seconds)
{
	const char *device = getenv("WSD_TEST_DEVICE"), *peer = getenv("WSD_TEST_PEER");
	char reason[160] = "";

	test_deadline(seconds);
	bc_host = wsd_host_table();
	if (!device)
		bc_skip("WSD_TEST_DEVICE names no adapter");
	if (wsd_registry_find("verbs", &bc_ops, reason, sizeof(reason)) != WSD_OK)
		bc_fail(__FILE__, __LINE__, "no backend verbs: %s", reason);
	bc_device_index = index_of(device);
	bc_peer_index = index_of(peer ? peer : device);
}
