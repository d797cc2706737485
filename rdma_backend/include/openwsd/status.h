/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * status.h - the outcome of every internal call, shared by the provider and the backends.
 *
 * 0 is success. A positive value is an expected outcome that the caller handles where it stands; it
 * is never passed on. A negative value is a failure: whoever did not ask for it returns it unchanged.
 * The ranges say what is lost: the call (-1..-39), the operation (-40..-59), the connection
 * (-60..-79), the device (-80..-99).
 */
#ifndef OPENWSD_STATUS_H
#define OPENWSD_STATUS_H

#ifdef __cplusplus
extern "C" {
#endif

/* X(name, value, text) */
#define WSD_STATUS_LIST(X)                                                   \
	X(OK, 0, "success")                                                  \
	X(PENDING, 1, "started, completes later")                            \
	X(AGAIN, 2, "queue full or nothing available now")                   \
	X(EOF, 3, "end of stream")                                           \
	X(NOTFOUND, 4, "nothing by that name")                               \
	X(EINVAL, -1, "invalid argument")                                    \
	X(ENOMEM, -2, "out of memory")                                       \
	X(EUNSUPPORTED, -3, "not supported")                                 \
	X(EACCESS, -4, "permission denied")                                  \
	X(EADDRINUSE, -5, "address in use")                                  \
	X(EADDRNOTAVAIL, -6, "address not local")                            \
	X(ENOFILES, -7, "descriptor limit reached")                          \
	X(ETOOBIG, -8, "larger than the limit")                              \
	X(EBUSY, -9, "in use")                                               \
	X(EABI, -10, "ABI version or size differs")                          \
	X(ESTATE, -11, "not possible in this state")                         \
	X(ECANCELLED, -40, "cancelled")                                      \
	X(EREMOTE_ACCESS, -41, "key, rights or range refused by the target") \
	X(ELENGTH, -42, "message longer than the posted receive")            \
	X(ERNR, -43, "no receive posted at the peer")                        \
	X(EREGISTER, -44, "memory cannot be registered")                     \
	X(EMEMLOCK, -45, "the limit of locked memory is reached")            \
	X(ERESET, -60, "connection reset by the peer")                       \
	X(EREFUSED, -61, "refused by the application or by a full backlog")  \
	X(ENOLISTENER, -62, "nobody listens at that address")                \
	X(EUNREACHABLE, -63, "no route to the address by this path")         \
	X(ETIMEDOUT, -64, "timed out")                                       \
	X(EPROTOCOL, -65, "the peer broke the protocol")                     \
	X(EABORTED, -66, "connection aborted locally")                       \
	X(EKEEPALIVE, -67, "keep-alive found the peer gone")                 \
	X(EVERSION, -68, "the peer speaks another protocol version or mode") \
	X(EUSER, -69, "the peer belongs to another user or namespace")       \
	X(ENOANSWER, -70, "nothing answers there by this path")              \
	X(EDENIED, -71, "denied by a rule of openwsd.conf")                  \
	X(EDEVICE, -80, "device failed or was removed")                      \
	X(ENODEVICE, -81, "no such device")

enum wsd_status {
#define WSD_STATUS_ENUM(name, value, text) WSD_##name = value,
	WSD_STATUS_LIST(WSD_STATUS_ENUM)
#undef WSD_STATUS_ENUM
};

/* The text of a status; "unknown status" for a value that is not in the list. Never NULL. Here, and not in a library:
 * a module is loaded by programs of all kinds, and links none of ours. */
static inline const char *wsd_status_text(enum wsd_status status)
{
	switch (status) {
#define WSD_STATUS_CASE(name, value, text) \
	case WSD_##name:                   \
		return text;
		WSD_STATUS_LIST(WSD_STATUS_CASE)
#undef WSD_STATUS_CASE
	}
	return "unknown status";
}

static inline int wsd_status_is_conn_fatal(enum wsd_status status)
{
	return status <= WSD_ERESET;
}

#ifdef __cplusplus
}
#endif
#endif
