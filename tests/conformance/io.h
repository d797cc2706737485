/* SPDX-License-Identifier: BSD-2-Clause */
/* io.h - what the programs about data share: patterns, full windows, overlapped operations. */
#ifndef WSD_CONFORMANCE_IO_H
#define WSD_CONFORMANCE_IO_H

#include <stdbool.h>

#include "tests/conformance/lib.h"

#define UNTOUCHED 0x5eedbeefu /* in variables that a call must leave alone */
#define LONG_MS	  conf_long() /* longer than anything may take on a loaded machine */
#define SHORT_MS  60u	      /* long enough for something that must not happen to happen */

/* What a program cannot go on without. */
#define NEED(expression)                                              \
	do {                                                          \
		if (!(expression))                                    \
			need_failed(__FILE__, __LINE__, #expression); \
	} while (0)
void need_failed(const char *file, int line, const char *expression);

/* Bytes that tell their position in the stream. */
void pattern_fill(char *bytes, size_t length, size_t from);
bool pattern_ok(const char *bytes, size_t length, size_t from);
char *pattern_new(size_t length, size_t from);

struct pair need_pair(void);
/* Blocking: receive exactly so many bytes, or until the end; how many came. */
size_t receive_all(SOCKET s, char *bytes, size_t length);
/* Send the pattern from position 0 until nothing more is taken; how much was. The socket is
 * nonblocking afterwards. */
size_t send_until_full(SOCKET s);
/* Receive so many bytes of the pattern that starts at position from, then the end of the stream. */
bool drained(SOCKET s, size_t length, size_t from);
bool at_end(SOCKET s);

bool event_within(WSAEVENT event, DWORD milliseconds);
bool event_is_set(WSAEVENT event);
void overlapped_init(WSAOVERLAPPED *o, WSAEVENT event);
bool in_progress(const WSAOVERLAPPED *o);
/* Wait for the end by polling WSAGetOverlappedResult. The operation's error, or 0. */
DWORD outcome(SOCKET s, WSAOVERLAPPED *o, DWORD *bytes, DWORD *flags);
/* SOCKET_ERROR with WSA_IO_PENDING */
#define PENDS(call) FAILS(call, WSA_IO_PENDING)
int post_recv(SOCKET s, char *bytes, u_long length, WSAOVERLAPPED *o);
int post_send(SOCKET s, char *bytes, u_long length, WSAOVERLAPPED *o);

uint64_t now_ms(void);

#endif
