// SPDX-License-Identifier: BSD-2-Clause
/* visitor.c - see visitor.h. */
#include "tests/conformance/visitor.h"

#include "tests/lib/os_port.h"

static void visit(void *arg)
{
	struct visitor *v = arg;

	v->served = os_visit(v->v6, v->port);
}

void visitor_of(struct visitor *v, bool v6, const struct address *at)
{
	*v = (struct visitor){ .v6 = v6, .port = port_of(at) };
	v->thread = thread_run(visit, v);
}

void visitor_at(struct visitor *v, const struct address *at)
{
	visitor_of(v, conf_family() == AF_INET6, at);
}

bool was_served(struct visitor *v)
{
	thread_join(v->thread);
	return v->served;
}

bool answers(SOCKET s)
{
	char byte = 0;
	bool good = s != INVALID_SOCKET && recv(s, &byte, 1, 0) == 1 && byte == 'v' &&
		    send(s, "h", 1, 0) == 1;

	closesocket(s);
	return good;
}

bool serves_one_of(SOCKET listener, bool v6, const struct address *at)
{
	struct visitor visitor;
	bool good;

	visitor_of(&visitor, v6, at);
	good = answers(accept(listener, NULL, NULL));
	return was_served(&visitor) && good;
}

bool serves(SOCKET listener, const struct address *at)
{
	return serves_one_of(listener, conf_family() == AF_INET6, at);
}
