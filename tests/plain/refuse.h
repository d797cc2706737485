/* SPDX-License-Identifier: BSD-2-Clause */
/* refuse.h - a system that says no: this program's send, recv and accept4, which the library calls, too; on Windows the
 * base provider of the tests. */
#ifndef WSD_TEST_PLAIN_REFUSE_H
#define WSD_TEST_PLAIN_REFUSE_H

/* The next calls fail with this errno, by any thread, after so many that do not. */
void refuse_sends(int error, int after, int calls);
void refuse_receives(int error, int calls);
void refuse_accepts(int error, int calls);
int refusals_left(void);

#endif
