/* SPDX-License-Identifier: BSD-2-Clause */
/* visitor.h - peers without OpenWSD of a listener, each a thread. */
#ifndef WSD_CONFORMANCE_VISITOR_H
#define WSD_CONFORMANCE_VISITOR_H

#include "tests/conformance/io.h"

/* One that speaks TCP and nothing else: says 'v', and is answered by 'h'. */
struct visitor {
	bool v6, served;
	u_short port;
	struct conf_thread *thread;
};
void visitor_of(struct visitor *visitor, bool v6, const struct address *at);
void visitor_at(struct visitor *visitor, const struct address *at); /* of this run's family */
bool was_served(struct visitor *visitor);			    /* waits for that */
/* What an accepted socket owes one; closes it. */
bool answers(SOCKET s);
bool serves_one_of(SOCKET listener, bool v6, const struct address *at);
bool serves(SOCKET listener, const struct address *at);

#endif
