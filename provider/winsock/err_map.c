// SPDX-License-Identifier: BSD-2-Clause
/*
 * err_map.c - what an application sees of an internal status.
 *
 * The first code is the general one. Connecting has its own column: a WSPConnect may only report
 * what the documentation lists for it, and an application tells "try again" from "give up" by it.
 */
#include "provider/winsock/spi.h"

#include "provider/winsock/err_map.h"

struct error_row {
	enum wsd_status status;
	int general;
	int connect; /* 0 = as general */
};

static const struct error_row rows[] = {
	{ WSD_OK, 0, 0 },
	{ WSD_PENDING, WSA_IO_PENDING, WSAEWOULDBLOCK },
	{ WSD_AGAIN, WSAEWOULDBLOCK, 0 },
	{ WSD_EOF, WSAEDISCON, 0 },
	{ WSD_NOTFOUND, WSAEINVAL, 0 },
	{ WSD_EINVAL, WSAEINVAL, 0 },
	{ WSD_ENOMEM, WSAENOBUFS, 0 },
	{ WSD_EUNSUPPORTED, WSAEOPNOTSUPP, 0 },
	{ WSD_EACCESS, WSAEACCES, 0 },
	{ WSD_EADDRINUSE, WSAEADDRINUSE, 0 },
	{ WSD_EADDRNOTAVAIL, WSAEADDRNOTAVAIL, 0 },
	{ WSD_ENOFILES, WSAEMFILE, 0 },
	{ WSD_ETOOBIG, WSAEMSGSIZE, 0 },
	{ WSD_EBUSY, WSAENOBUFS, 0 },
	{ WSD_EABI, WSAENETDOWN, 0 },
	{ WSD_ESTATE, WSAENOTCONN, WSAEINVAL },
	{ WSD_ECANCELLED, WSA_OPERATION_ABORTED, WSAEINTR },
	{ WSD_EREMOTE_ACCESS, WSAECONNABORTED, WSAECONNREFUSED },
	{ WSD_ELENGTH, WSAECONNABORTED, WSAECONNREFUSED },
	{ WSD_ERNR, WSAECONNABORTED, WSAECONNREFUSED },
	{ WSD_EREGISTER, WSAENOBUFS, 0 },
	{ WSD_EMEMLOCK, WSAENOBUFS, 0 },
	{ WSD_ERESET, WSAECONNRESET, WSAECONNREFUSED },
	{ WSD_EREFUSED, WSAECONNREFUSED, 0 },
	{ WSD_ENOLISTENER, WSAECONNREFUSED, 0 },
	{ WSD_EUNREACHABLE, WSAENETUNREACH, 0 },
	{ WSD_ETIMEDOUT, WSAECONNABORTED, WSAETIMEDOUT },
	{ WSD_EPROTOCOL, WSAECONNABORTED, WSAECONNREFUSED },
	{ WSD_EABORTED, WSAECONNABORTED, 0 },
	{ WSD_EKEEPALIVE, WSAENETRESET, 0 },
	{ WSD_EVERSION, WSAECONNABORTED, WSAECONNREFUSED },
	{ WSD_EUSER, WSAECONNABORTED, WSAENETUNREACH },
	{ WSD_ENOANSWER, WSAECONNABORTED, WSAETIMEDOUT },
	{ WSD_EDENIED, WSAEACCES, 0 },
	{ WSD_EDEVICE, WSAECONNABORTED, WSAENETUNREACH },
	{ WSD_ENODEVICE, WSAENETDOWN, WSAENETUNREACH },
};

int wsd_error(enum wsd_status status, enum wsd_call call)
{
	/* The one case where the same status means another thing to another call. */
	if (status == WSD_ESTATE && call == WSD_CALL_SEND)
		return WSAESHUTDOWN;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (rows[i].status != status)
			continue;
		if (call == WSD_CALL_CONNECT && rows[i].connect != 0)
			return rows[i].connect;
		return rows[i].general;
	}
	return WSASYSCALLFAILURE;
}
