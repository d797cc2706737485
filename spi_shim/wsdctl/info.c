// SPDX-License-Identifier: BSD-2-Clause
/*
 * info.c - `wsdctl info`: opens every backend that the library has built in, finds as a module or is
 * told of by the configuration, and tells what it offers or why it cannot be used.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef _WIN32
#include <windows.h>
#else
#include "provider/include/openwsd/openwsd.h"
#endif
#include "rdma_backend/base/internal.h"
#include "rdma_backend/registry.h"
#include "spi_shim/wsdctl/wsdctl.h"

#define PLAIN	      "plain"
#define DEVICES_MAX   16u
#define ADDRESSES_MAX 64u

/* 1 for the first word of a list like WSD_BACKENDS; 0: not in it. */
static unsigned position_of(const char *list, const char *name)
{
	size_t length = strlen(name);
	unsigned position = 0;

	while (*(list += strspn(list, ", \t"))) {
		size_t word = strcspn(list, ", \t");

		position++;
		if (word == length && strncmp(list, name, word) == 0)
			return position;
		list += word;
	}
	return 0;
}

static void print_capabilities(uint32_t caps)
{
	static const struct {
		uint32_t bit;
		const char *text;
	} names[] = {
		{ WSD_CAP_WRITE_IMM, "write with immediate" },
		{ WSD_CAP_READ, "read" },
		{ WSD_CAP_ONE_SIDED, "one-sided" },
		{ WSD_CAP_COPY_AT_POST, "copies at post" },
		{ WSD_CAP_SHARED_RECV, "shared receive queues" },
		{ WSD_CAP_SAME_HOST, "same host only" },
		{ WSD_CAP_ASYNC_REG, "asynchronous registration" },
		{ WSD_CAP_SOFTWARE, "software" },
	};
	const char *between = "    can: ";
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (!(caps & names[i].bit))
			continue;
		printf("%s%s", between, names[i].text);
		between = ", ";
	}
	putchar('\n');
}

static void print_addresses(const struct wsd_backend_ops *ops, struct wsd_device *device)
{
	struct wsd_addr list[ADDRESSES_MAX];
	uint32_t count = ops->addresses(device, list, ADDRESSES_MAX), i;
	char text[WSD_ADDR_TEXT];

	printf("    addresses:");
	for (i = 0; i < count && i < ADDRESSES_MAX; i++) {
		char *colon;

		list[i].port = 0;
		wsd_addr_text(&list[i], text);
		colon = strrchr(text, ':');
		if (colon)
			*colon = '\0'; /* the port means nothing here */
		printf(" %s", text);
	}
	printf("%s\n", count == 0 ? " none" : count > ADDRESSES_MAX ? " ..." : "");
}

/* How many devices can be used. */
static unsigned print_devices(const struct wsd_backend_ops *ops)
{
	unsigned usable = 0;
	uint32_t i;

	for (i = 0; i < DEVICES_MAX; i++) {
		struct wsd_device_attr attr = { .size = sizeof(attr) };
		struct wsd_device *device = NULL;
		enum wsd_status status = ops->open(wsd_host_table(), i, &device, &attr);

		if (status == WSD_NOTFOUND)
			break;
		if (status != WSD_OK) {
			printf("  device %u: not usable: %s\n", i, wsd_status_text(status));
			continue;
		}
		attr.name[sizeof(attr.name) - 1] = '\0';
		printf("  device %u%s%s: usable; messages up to %u bytes, RDMA up to %u\n", i,
		       attr.name[0] ? " " : "", attr.name, attr.max_message, attr.max_rdma);
		print_capabilities(attr.caps);
		print_addresses(ops, device);
		ops->close(device);
		usable++;
	}
	if (i == 0)
		printf("  no device\n");
	return usable;
}

static bool print_backend(const char *name, const char *origin, const char *list)
{
	const struct wsd_backend_ops *ops;
	char reason[256] = "";
	unsigned position = position_of(list, name);
	enum wsd_status status = wsd_registry_find(name, &ops, reason, sizeof(reason));

	printf("\n%s (%s), ", name, origin);
	if (position)
		printf("path %u\n", position);
	else
		printf("not enabled: WSD_BACKENDS does not name it\n");
	if (status != WSD_OK) {
		printf("  not usable: %s\n", reason[0] ? reason : wsd_status_text(status));
		return false;
	}
	if (ops->description)
		printf("  %s\n", ops->description);
	return print_devices(ops) > 0 && position > 0;
}

/* Names of the list that are neither built in nor there as modules. */
static void print_missing(const char *list)
{
	char name[32];
	unsigned i;

	while (*(list += strspn(list, ", \t"))) {
		size_t length = strcspn(list, ", \t");
		const char *known;

		snprintf(name, sizeof(name), "%.*s", (int)length, list);
		for (i = 0; (known = wsd_registry_name(i)) != NULL; i++)
			if (strcmp(known, name) == 0)
				break;
		if (!known && strcmp(name, PLAIN) != 0)
			(void)print_backend(name, "missing", name);
		list += length;
	}
}

/* No backend, so the registry does not know it. */
static bool print_plain(const char *list)
{
	unsigned position = position_of(list, PLAIN);

	printf("\n" PLAIN " (the system's TCP), ");
	if (position)
		printf("path %u\n", position);
	else
		printf("not enabled: WSD_BACKENDS does not name it\n");
	printf("  for peers without OpenWSD\n");
	return position > 0;
}

/* What a backend says about its troubles is wanted here. */
#ifdef _WIN32
static void begin(void)
{
	char folder[MAX_PATH + 32];
	UINT length = GetSystemDirectoryA(folder, MAX_PATH);

	if (!wsd_param_find("LOG", NULL))
		SetEnvironmentVariableA("WSD_LOG", "notice");
	/* The backends are this program's own, of the same build as the DLL's; modules lie beside the installed DLL. */
	if (length > 0 && length < MAX_PATH && !wsd_param_find("MODULE_DIR", NULL)) {
		snprintf(folder + length, sizeof(folder) - length, "\\modules");
		SetEnvironmentVariableA("WSD_MODULE_DIR", folder);
	}
}

static void print_version(void)
{
	printf("wsdctl %s, backend ABI %u\n", WSD_VERSION, WSD_BACKEND_ABI);
}
#else
static void begin(void)
{
	(void)setenv("WSD_LOG", "notice", 0);
}

static void print_version(void)
{
	printf("wsdctl %s, libopenwsd %s, backend ABI %u\n", WSD_VERSION, wsd_version(),
	       WSD_BACKEND_ABI);
}
#endif

int wsdctl_info(int argc, char **argv)
{
	const char *list, *name;
	unsigned usable = 0, i;

	if (!wsdctl_take_file("wsdctl info", argc, argv))
		return WSDCTL_USAGE;
	begin();
	list = wsd_param_text("BACKENDS", "shm,verbs,tcp,plain");
	print_version();
	printf("configuration: %s\npaths in order: %s\n", wsd_param_file(), list);
	for (i = 0; (name = wsd_registry_name(i)) != NULL; i++)
		usable += print_backend(name, wsd_registry_builtin(name) ? "built in" : "module",
					list);
	usable += print_plain(list);
	print_missing(list);
	printf("\n%u of the paths can be used%s\n", usable,
	       usable ? "" : ": no socket can connect or listen");
	return fflush(stdout) == 0 && usable ? WSDCTL_OK : WSDCTL_FAILED;
}
