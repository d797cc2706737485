/* SPDX-License-Identifier: BSD-2-Clause */
/* other.h - this program once more, with --take and its end of a channel of packets. */
#ifndef WSD_SWITCH_OTHER_H
#define WSD_SWITCH_OTHER_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct ot_process {
	pid_t process;
	void *handle; /* of the process, on Windows */
	int channel;
};

extern char **ot_arguments; /* of this program */

struct ot_process ot_start(void); /* exits when it cannot */
bool ot_tell(int channel, const void *packet, size_t size);
/* One packet of that size, if it comes in time; false too when nobody is at the other end any more. */
bool ot_hear(int channel, void *packet, size_t size, unsigned ms);
/* Its status was 0? It ends when its channel has, or is killed. */
bool ot_end(struct ot_process *o, bool killed);

#endif
