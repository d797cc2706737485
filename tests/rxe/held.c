// SPDX-License-Identifier: BSD-2-Clause
/* held.c - see held.h. */
#include "tests/rxe/held.h"

#include <stdio.h>

#define SETTLE_MS 20000u

struct held held(void)
{
	FILE *list = popen("rdma resource show", "r");
	struct held sum = { 0, 0 };
	char kind[32], line[512];
	unsigned count;
	const char *at;
	int step;

	PEER_CHECK(list != NULL);
	while (fgets(line, sizeof(line), list)) {
		at = strchr(line, ':'); /* "0: rxe0: pd 2 cq 1 qp 1 ..." */
		at = at ? strchr(at + 1, ':') : NULL;
		for (; at && sscanf(at + 1, " %31s %u%n", kind, &count, &step) == 2; at += step) {
			sum.all += strcmp(kind, "ctx") == 0 && count > 0 ? count - 1 : count;
			if (strcmp(kind, "qp") == 0 || strcmp(kind, "cm_id") == 0)
				sum.connections += count;
		}
	}
	PEER_CHECK(pclose(list) == 0);
	return sum;
}

void held_settle(struct held before, BOOL all)
{
	uint64_t end = GetTickCount64() + SETTLE_MS;
	struct held now;

	do {
		now = held();
		if (now.connections <= before.connections && (!all || now.all <= before.all))
			return;
		Sleep(50);
	} while (GetTickCount64() < end);
	(void)system("rdma resource show; rdma resource show qp; rdma resource show cm_id");
	peer_fail("%u connections and %u objects are left, %u and %u were there before",
		  now.connections, now.all, before.connections, before.all);
}
