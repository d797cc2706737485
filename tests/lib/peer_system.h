/* SPDX-License-Identifier: BSD-2-Clause */
/* peer_system.h - what peer.c has from peer_linux.c or peer_windows.c, beside the rest of peer.h. */
#ifndef WSD_TEST_PEER_SYSTEM_H
#define WSD_TEST_PEER_SYSTEM_H

#include <stdbool.h>

void peer_system_start(unsigned descriptors); /* room for so many; in a peer it does not return */
bool peer_is_parent(void);

#endif
