/* SPDX-License-Identifier: BSD-2-Clause */
/* san_share.h - what the programs about sockets of mode S that are given away share. */
#ifndef WSD_CONFORMANCE_SAN_SHARE_H
#define WSD_CONFORMANCE_SAN_SHARE_H

#include "tests/conformance/san.h"

#define SAN_ROOM 300u

/* A receive of so many bytes, posted. */
struct san_posted {
	struct san_op op;
	HANDLE memory;
	char bytes[SAN_ROOM];
};

/* Registers its memory and begins it, or aborts; the memory is given back when it has ended. */
void san_post(SOCKET s, enum san_way way, struct san_posted *r);
void san_unpost(SOCKET s, struct san_posted *r);
/* Waits for the message: is it that text? */
bool san_holds(SOCKET s, struct san_posted *r, const char *text);
bool san_text(SOCKET s, const char *text);

/* WSPDuplicateSocket. */
bool san_give(SOCKET s, DWORD process, WSAPROTOCOL_INFOW *info);
/* WSPSocket with that token; INVALID_SOCKET with host_error. */
SOCKET san_attach(DWORD token);

#endif
