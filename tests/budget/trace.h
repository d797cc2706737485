/* SPDX-License-Identifier: BSD-2-Clause */
/* trace.h - how many system calls a scenario makes between its markers. */
#ifndef WSD_TEST_TRACE_H
#define WSD_TEST_TRACE_H

/* Counting begins or ends here. */
void trace_marker(void);
/* Run the scenario in a child, to its end; calls[i] are those between the markers 2 * i and 2 * i + 1. The
 * child's exit status, or -1. */
int trace_run(int (*scenario)(void), unsigned long *calls, unsigned intervals);

#endif
