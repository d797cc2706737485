/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * names_host.h - the C library's resolver and address text, behind types of our own: the file that
 * implements it cannot see the Winsock headers, and its callers cannot see the C library's.
 */
#ifndef WSD_LINUX_NAMES_HOST_H
#define WSD_LINUX_NAMES_HOST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum wsd_name_error {
	WSD_NAME_OK,
	WSD_NAME_AGAIN,
	WSD_NAME_BADFLAGS,
	WSD_NAME_FAIL,
	WSD_NAME_FAMILY,
	WSD_NAME_MEMORY,
	WSD_NAME_NONAME,
	WSD_NAME_SERVICE,
	WSD_NAME_SOCKTYPE,
	WSD_NAME_OVERFLOW,
};

enum wsd_name_flag {
	WSD_NAME_PASSIVE = 1,
	WSD_NAME_CANONICAL = 2,
	WSD_NAME_NUMERIC_HOST = 4,
	WSD_NAME_NUMERIC_SERVICE = 8,
	WSD_NAME_ADDRCONFIG = 16,
	WSD_NAME_V4MAPPED = 32,
	WSD_NAME_ALL = 64,
	WSD_NAME_REQUIRED = 128,
	WSD_NAME_SHORT = 256,
	WSD_NAME_DATAGRAM = 512,
};

struct wsd_name {
	int version;   /* 4 or 6; in a request 0 means both */
	uint16_t port; /* network order */
	uint8_t bytes[16];
	uint32_t scope, flow;
};

/* Calls add for every address until it returns false; canonical is set in the first call only. */
enum wsd_name_error wsd_name_resolve(
	const char *node, const char *service, unsigned flags, int version, bool datagram,
	bool (*add)(const struct wsd_name *name, const char *canonical, void *arg), void *arg);
enum wsd_name_error wsd_name_lookup(const struct wsd_name *name, unsigned flags, char *node,
				    size_t node_size, char *service, size_t service_size);
/* 1 parsed, 0 not an address. bytes has 4 or 16. */
int wsd_ip_parse(int version, const char *text, void *bytes);
/* NULL if it does not fit. */
const char *wsd_ip_format(int version, const void *bytes, char *text, size_t size);

#endif
