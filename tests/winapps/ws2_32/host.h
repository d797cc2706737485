/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * host.h - a ws2_32.dll for tests: sockets of TCP go to the provider DLL that WSD_TEST_PROVIDER names,
 * everything else to the system's ws2_32.dll. It stands in for what Wine's cannot do: load a provider.
 */
#ifndef WSD_TEST_WS2_32_HOST_H
#define WSD_TEST_WS2_32_HOST_H

#include <stdbool.h>

#define WINSOCK_API_LINKAGE /* not imported: these functions are ours */
#include <winsock2.h>

#include <mswsock.h>
#include <qos.h>
#include <ws2spi.h>
#include <ws2tcpip.h>

#include <windows.h>

/* system.c: the system's ws2_32.dll; loaded with this one, in every process. */
struct system_calls {
#define SYSTEM_CALL(name) __typeof__(&name) name;
#include "system_calls.inc"
#undef SYSTEM_CALL
};
extern struct system_calls sys;
bool system_load(void);

/* host.c: start and stop, the provider: loaded by the first use. While a call is in it its code stays: who gets its
 * table leaves when he does not need it any more. */
const WSPPROC_TABLE *host_enter(void); /* NULL with the last error set */
void host_leave(const WSPPROC_TABLE *const *provider);
/* Of a variable that is left with its block. */
#define IN_PROVIDER __attribute__((cleanup(host_leave)))
bool host_is_started(void);
bool host_wants(int family, int type, int protocol);
const WSAPROTOCOL_INFOW *host_entry(int family);	/* NULL: not a family of the provider */
const WSAPROTOCOL_INFOW *host_entry_at(unsigned index); /* NULL: no more, or no provider */
bool host_is_disguise(void);				/* WSD_TEST_DISGUISE */
bool host_is_ours(const GUID *provider, DWORD catalogue_id);

/* socket.c: socket handles of the provider. */
bool socket_is_ours(SOCKET s);
const WSPPROC_TABLE *socket_enter(SOCKET s); /* host_enter; NULL: not one of the provider's */
SOCKET WSPAPI upcall_create_handle(DWORD entry, DWORD_PTR context, LPINT error);
int WSPAPI upcall_close_handle(SOCKET s, LPINT error);
int WSPAPI upcall_query_context(SOCKET s, PDWORD_PTR context, LPINT error);
bool socket_associate(SOCKET s, HANDLE port, ULONG_PTR key);
bool socket_set_modes(SOCKET s, UCHAR flags);
/* Around a call with an OVERLAPPED: a completion within it waits for the call's result. */
struct call {
	OVERLAPPED *overlapped;
	struct call *outer;
	HANDLE port; /* what to post at the end, or NULL */
	ULONG_PTR key;
	LONG status;
	DWORD bytes;
};
void call_begin(struct call *call, OVERLAPPED *overlapped);
void call_end(struct call *call, bool succeeded);

/* upcall.c */
extern const WSPUPCALLTABLE host_upcalls;
/* The calling thread as a provider knows it, for a call with a completion routine. */
bool thread_id(WSATHREADID *id);
bool threads_begin(void); /* once */
void thread_forget(void); /* at the end of the thread */

/* open.c */
void info_widen(WSAPROTOCOL_INFOW *to, const WSAPROTOCOL_INFOA *from);
void info_narrow(WSAPROTOCOL_INFOA *to, const WSAPROTOCOL_INFOW *from);
bool info_is_wanted(const WSAPROTOCOL_INFOW *entry, const INT *protocols);
int provider_path_of(unsigned width, LPGUID id, WCHAR *path, LPINT length, LPINT error);

/* catalogue.c: WSD_TEST_CATALOGUE; width 0 is ours, 1 that of 32-bit programs. */
bool catalogue_is_kept(void);
/* Its entries, and its DLL; 0: not installed. */
unsigned catalogue_provider(const GUID *provider, WSAPROTOCOL_INFOW *infos, unsigned most,
			    WCHAR path[MAX_PATH]);
int catalogue_list(unsigned width, const INT *protocols, bool hidden, LPWSAPROTOCOL_INFOW list,
		   LPDWORD size, LPINT error);
bool catalogue_path(unsigned width, const GUID *provider, WCHAR path[MAX_PATH]); /* installed? */

/* hook.c: calls of kernel32 that concern socket handles; for every module that is loaded now. */
void hooks_install(void);

void host_give_up(const char *what); /* ends the program */
void host_trace(const char *what, SOCKET s, DWORD error, const void *of);

/* 0, or SOCKET_ERROR with the last error set; the error is read after the call that made the result. */
int result_of(int result, const int *error);
int fail_with(int error); /* SOCKET_ERROR */

#endif
