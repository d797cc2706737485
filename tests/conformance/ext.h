/* SPDX-License-Identifier: BSD-2-Clause */
/* ext.h - the extension functions, fetched as an application does, and the ways to learn of the end. */
#ifndef WSD_CONFORMANCE_EXT_H
#define WSD_CONFORMANCE_EXT_H

#include "tests/conformance/io.h"

extern LPFN_ACCEPTEX accept_ex;
extern LPFN_GETACCEPTEXSOCKADDRS accept_sockaddrs;
extern LPFN_CONNECTEX connect_ex;
extern LPFN_DISCONNECTEX disconnect_ex;
extern LPFN_TRANSMITFILE transmit_file;
extern LPFN_TRANSMITPACKETS transmit_packets;
void ext_fetch(void);

enum method { BY_EVENT, BY_PORT, BY_POLL, METHODS };

/* One overlapped call and how its end is told. */
struct wait {
	enum method method;
	SOCKET s;
	HANDLE port;
	WSAOVERLAPPED o;
};
/* Each socket can be waited for by port once: it stays with that port. */
void wait_begin(struct wait *w, SOCKET s, enum method method);
/* The result: 0 or the operation's error; each indication must have come, exactly once. */
DWORD wait_end(struct wait *w, DWORD *bytes);
/* Nothing was started: no indication may come. */
bool wait_nothing(struct wait *w);

/* A call of these that failed with this code. */
#define FALSE_WITH(call, code) (WSASetLastError(0), !(call) && WSAGetLastError() == (int)(code))
#define STARTS(call)	       FALSE_WITH(call, WSA_IO_PENDING)

#endif
