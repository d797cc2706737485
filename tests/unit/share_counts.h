/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * share_counts.h - what happens inside of shared sockets: linked with the inside of the library, in whose place it is
 * called (--wrap). On Windows that is in the DLL, and not in the program.
 */
#ifndef WSD_TEST_SHARE_COUNTS_H
#define WSD_TEST_SHARE_COUNTS_H

#include <stdbool.h>

unsigned long share_takes(void);   /* one has come to another process, or descriptor */
unsigned long share_wakes(void);   /* the thread of a shared socket has slept */
void share_no_listener(bool none); /* the next ones cannot be opened */

#endif
