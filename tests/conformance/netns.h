/* SPDX-License-Identifier: BSD-2-Clause */
/* netns.h - a network namespace of the program's own, whose addresses and routes it may change. */
#ifndef WSD_CONFORMANCE_NETNS_H
#define WSD_CONFORMANCE_NETNS_H

#include <stdbool.h>

/* Before any thread is started. False: the system does not let us. */
bool netns_enter(void);
/* Instead, for what stays outside: from here on addresses are those of the interface that has this one. */
bool netns_beside(const char *text);
/* An address of the loopback interface, as text of family 4 or 6. */
bool netns_address(unsigned family, const char *text, bool add);
/* A route to this one address, over the loopback interface. */
bool netns_route(unsigned family, const char *text, bool add);

#endif
