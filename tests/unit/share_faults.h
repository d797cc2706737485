/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * share_faults.h - what goes wrong when sockets of the system are given to other processes: linked with the inside of
 * the library, in whose place it answers (--wrap). On Windows that is in the DLL, and not in the program.
 */
#ifndef WSD_TEST_SHARE_FAULTS_H
#define WSD_TEST_SHARE_FAULTS_H

#include <stdbool.h>

enum share_fault { NO_FAULT, WRONG_SOCKET, NOT_LISTENING, FULL_BOX, LOST, NO_DESCRIPTORS, NO_TWIN };

void share_faults_set(enum share_fault which, unsigned often); /* so often, then no more */
unsigned share_faults_left(void);
/* What is given with WRONG_SOCKET or NOT_LISTENING: one of the system that listens elsewhere, or is bound only. */
bool share_wrong_one_make(bool listens);
bool share_wrong_one_drop(void); /* has nobody connected to it? */

#endif
