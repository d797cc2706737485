/* SPDX-License-Identifier: BSD-2-Clause */
/* budget.h - what the budget programs share: connections inside one process, and verdicts. */
#ifndef WSD_TEST_BUDGET_H
#define WSD_TEST_BUDGET_H

#include <openwsd/winsock2.h>

/* Ends the process when a call has failed. */
void budget_need(int ok, const char *what);
SOCKET budget_listen(void); /* on a port of 127.0.0.1, or of WSD_TEST_IPV4 */
void budget_connect(SOCKET listener, SOCKET *client, SOCKET *server);
/* Print the line of one figure; true: it is in its budget. */
int budget_within(const char *what, unsigned long counted, unsigned long least, unsigned long most);

#endif
