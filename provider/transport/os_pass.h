/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * os_pass.h - sockets of the system that several processes of a user have. One that lacks it has a *box* and tells its
 * name; one that has it gives it: through the box, or by a *letter* that the other one must be shown. What is
 * taken may be anything, and is looked at before it is used. Nothing here waits.
 */
#ifndef WSD_TRANSPORT_OS_PASS_H
#define WSD_TRANSPORT_OS_PASS_H

#include <stdbool.h>

#include <openwsd/backend.h>

#define WSD_OS_PASS_BOX 8u /* bytes of a name */
#ifdef _WIN32
#define WSD_OS_PASS_LETTER 628u /* WSAPROTOCOL_INFOW, the same in processes of 32 and of 64 bits */
#else
#define WSD_OS_PASS_LETTER 0u
#endif

/* WSD_ENOFILES, WSD_ENOMEM. */
enum wsd_status wsd_os_pass_open(intptr_t *box, uint8_t *name);
void wsd_os_pass_close(intptr_t box);
/* To the box of that name, of that process, if it is this user's. tag: which one it is, told to who takes it.
 * WSD_AGAIN: there is no room just now. Else, the letter is of no use: WSD_EUNREACHABLE, there is no such box, or no
 * such process. */
enum wsd_status wsd_os_pass_give(intptr_t socket, uint8_t tag, const uint8_t *name,
				 uint32_t process, void *letter);
/* WSD_AGAIN: there is none, or nothing but what strangers put there. WSD_ENOFILES, WSD_ENOMEM: it may be lost, as it
 * is with WSD_EINVAL. letter: of those that come by letter, with its tag. */
enum wsd_status wsd_os_pass_take(intptr_t box, const void *letter, uint8_t *tag, intptr_t *socket);
/* The same socket once more in this process, with a life of its own. */
enum wsd_status wsd_os_pass_twin(intptr_t socket, intptr_t *twin);
/* Is it a TCP socket that listens at that address, and there only? Then it never blocks, as those that we make. */
bool wsd_os_pass_listens(intptr_t socket, const struct wsd_addr *local);
/* The same of one that is, or was, connected between these two. */
bool wsd_os_pass_connects(intptr_t socket, const struct wsd_addr *local,
			  const struct wsd_addr *remote);
/* Of a socket that several have the system tells the news to the one that asked for them last. */
bool wsd_os_pass_steals_news(void);

#endif
