// SPDX-License-Identifier: BSD-2-Clause
/* port.c - the ports this process holds, and the bind-conflict table between its own sockets. */
#include <string.h>

#include "provider/winsock/port.h"
#include "rdma_backend/base/base.h"
#include "rdma_backend/base/list.h"
#include "rdma_backend/base/platform.h"

struct wsd_port {
	struct wsd_list link;
	struct wsd_addr addr;
	struct wsd_addr peer; /* connected to it from here; family NONE: to nobody */
	enum wsd_port_sharing sharing;
	bool contested;	 /* others of ours have, or had, the same port */
	intptr_t holder; /* -1: taken */
	unsigned refs;	 /* 0: the other of a port of both families, and of as many users */
	struct wsd_port *other;
};

#define BOTH_TRIED 64u /* ports that are free in one family */

static struct wsd_mutex ports_lock; /* leaf */
static struct wsd_list ports;

/* Rows: first bind; columns: second bind; default, reuse, exclusive, each wildcard then specific.
 */
#define OK WSD_OK
#define IN WSD_EADDRINUSE
#define AC WSD_EACCESS
static const enum wsd_status conflicts[6][6] = {
	{ IN, OK, AC, OK, IN, OK }, /* default wildcard */
	{ OK, IN, OK, AC, IN, IN }, /* default specific */
	{ IN, OK, OK, OK, IN, OK }, /* reuse wildcard */
	{ OK, IN, OK, OK, IN, IN }, /* reuse specific */
	{ IN, AC, AC, AC, IN, AC }, /* exclusive wildcard */
	{ OK, IN, OK, AC, IN, IN }, /* exclusive specific */
};
#undef OK
#undef IN
#undef AC

enum wsd_status wsd_port_conflict(enum wsd_port_sharing first, bool first_wild,
				  enum wsd_port_sharing second, bool second_wild)
{
	return conflicts[(unsigned)first * 2 + (first_wild ? 0 : 1)]
			[(unsigned)second * 2 + (second_wild ? 0 : 1)];
}

void wsd_port_init(void)
{
	wsd_mutex_init(&ports_lock);
	wsd_list_init(&ports);
}

static bool same_port(const struct wsd_port *held, const struct wsd_addr *want)
{
	return held->addr.port == want->port && held->addr.family == want->family;
}

/* [ports_lock] Does any of our own sockets forbid it? *ours: is the port held by one of them? */
static enum wsd_status check_own(const struct wsd_addr *want, enum wsd_port_sharing sharing,
				 bool *ours)
{
	bool wild = wsd_addr_is_any(want);
	struct wsd_list *node;

	*ours = false;
	if (want->port == 0)
		return WSD_OK;
	wsd_list_for_each(node, &ports) {
		struct wsd_port *held = wsd_container(node, struct wsd_port, link);
		bool held_wild = wsd_addr_is_any(&held->addr);
		enum wsd_status status;

		if (!same_port(held, want))
			continue;
		*ours = true;
		if (!wild && !held_wild && !wsd_addr_equal(&held->addr, want))
			continue;
		status = wsd_port_conflict(held->sharing, held_wild, sharing, wild);
		if (status != WSD_OK)
			return status;
	}
	return WSD_OK;
}

/* [ports_lock] The OS refuses what our table allows unless every holder says it shares. */
static void set_reuse(const struct wsd_addr *want, bool on)
{
	struct wsd_list *node;

	wsd_list_for_each(node, &ports) {
		struct wsd_port *held = wsd_container(node, struct wsd_port, link);

		if (!same_port(held, want))
			continue;
		held->contested = true;
		wsd_os_port_set_reuse(held->holder, on);
	}
}

/* For a system that goes by what was said when a port was bound, and for one to which a holder says that it shares,
 * while another binds. The former has our table itself: who wants the port for himself gets in where that lets him. */
static enum wsd_port_sharing as_bound(enum wsd_port_sharing sharing, bool ours)
{
	if (wsd_os_port_shares_from_bind())
		return ours && sharing == WSD_PORT_DEFAULT ? WSD_PORT_REUSE : sharing;
	return ours ? WSD_PORT_REUSE : WSD_PORT_DEFAULT;
}

/* listens: the system's socket is in the hands of who listens. */
static enum wsd_status hold(const struct wsd_addr *want, enum wsd_port_sharing sharing,
			    bool listens, struct wsd_port **port, struct wsd_addr *got)
{
	struct wsd_port *held = wsd_alloc(sizeof(*held));
	enum wsd_status status;
	bool ours;

	if (held == NULL)
		return WSD_ENOMEM;
	held->addr = *want;
	held->sharing = sharing;
	held->refs = 1;
	held->holder = -1;
	wsd_mutex_lock(&ports_lock);
	status = check_own(want, sharing, &ours);
	if (status == WSD_OK && !listens) {
		if (ours)
			set_reuse(want, true);
		status = wsd_os_port_hold(want, as_bound(sharing, ours), &held->holder,
					  &held->addr.port);
		if (ours)
			set_reuse(want, false);
	}
	if (status == WSD_OK) {
		/* Only while it binds: afterwards other processes meet an ordinary holder. */
		if (ours)
			wsd_os_port_set_reuse(held->holder, false);
		held->contested = ours;
		wsd_list_append(&ports, &held->link);
		*got = held->addr;
		*port = held;
	}
	wsd_mutex_unlock(&ports_lock);
	if (status != WSD_OK)
		wsd_free(held);
	return status;
}

enum wsd_status wsd_port_hold(const struct wsd_addr *want, enum wsd_port_sharing sharing,
			      struct wsd_port **port, struct wsd_addr *got)
{
	return hold(want, sharing, false, port, got);
}

static enum wsd_status hold_both(const struct wsd_addr *want, enum wsd_port_sharing sharing,
				 const bool *listens, struct wsd_port **port, struct wsd_addr *got)
{
	struct wsd_addr v4 = { .family = WSD_FAMILY_IPV4 };
	enum wsd_status status = WSD_OK;
	struct wsd_port *other;

	for (unsigned i = 0; i < BOTH_TRIED; i++) {
		status = hold(want, sharing, listens[0], port, got);
		if (status != WSD_OK)
			return status;
		v4.port = got->port;
		status = hold(&v4, sharing, listens[1], &other, &v4);
		if (status == WSD_OK) {
			wsd_mutex_lock(&ports_lock);
			other->refs = 0;
			(*port)->other = other;
			wsd_mutex_unlock(&ports_lock);
			return WSD_OK;
		}
		wsd_port_release(*port);
		*port = NULL;
		/* What the system chose for one family may be taken in the other. */
		if (want->port != 0 || (status != WSD_EADDRINUSE && status != WSD_EACCESS))
			break;
	}
	return status;
}

enum wsd_status wsd_port_hold_both(const struct wsd_addr *want, enum wsd_port_sharing sharing,
				   struct wsd_port **port, struct wsd_addr *got)
{
	static const bool listens[2];

	return hold_both(want, sharing, listens, port, got);
}

bool wsd_port_is_both(const struct wsd_port *port)
{
	return port->other != NULL;
}

static struct wsd_port *part_of(struct wsd_port *port, uint16_t family)
{
	return port->other != NULL && port->addr.family != family ? port->other : port;
}

/* The address that a connection of this holder to remote comes from. */
static struct wsd_addr own_end(const struct wsd_port *port, const struct wsd_addr *remote)
{
	struct wsd_addr own = port->addr;

	if (wsd_addr_is_any(&own) && wsd_os_route(remote, &own) == WSD_OK)
		own.port = port->addr.port;
	return own;
}

/* [ports_lock] Has another holder a connection with the same two ends? */
static bool is_taken(const struct wsd_port *port, const struct wsd_addr *remote)
{
	struct wsd_addr own = own_end(port, remote), other;
	struct wsd_list *node;

	wsd_list_for_each(node, &ports) {
		struct wsd_port *held = wsd_container(node, struct wsd_port, link);

		if (held == port || !same_port(held, &port->addr) ||
		    !wsd_addr_equal(&held->peer, remote))
			continue;
		other = own_end(held, remote);
		if (wsd_addr_equal(&other, &own))
			return true;
	}
	return false;
}

/* Windows gives nobody a port for himself while a connection of it is there, though it is his own. */
static enum wsd_status hold_again(struct wsd_addr *want, enum wsd_port_sharing how,
				  intptr_t *holder)
{
	enum wsd_status status = wsd_os_port_hold(want, how, holder, &want->port);

	if (how == WSD_PORT_EXCLUSIVE && (status == WSD_EADDRINUSE || status == WSD_EACCESS))
		status = wsd_os_port_hold(want, WSD_PORT_DEFAULT, holder, &want->port);
	return status;
}

/*
 * [ports_lock] What is left of ended connections must not keep us from our own port. Where reuse is more than that,
 * it would take the port from a program that has bound it since.
 */
static void restore_part(struct wsd_port *port)
{
	bool ours = !wsd_os_port_shares_from_bind() || port->contested;
	struct wsd_addr want = port->addr;

	if (port->holder >= 0)
		return;
	if (port->contested)
		set_reuse(&want, true);
	if (hold_again(&want, as_bound(port->sharing, ours), &port->holder) != WSD_OK)
		port->holder = -1;
	wsd_os_port_set_reuse(port->holder, false);
	if (port->contested)
		set_reuse(&want, false);
}

static void restore(struct wsd_port *port)
{
	for (; port != NULL; port = port->other)
		restore_part(port);
}

void wsd_port_restore(struct wsd_port *port, bool ended)
{
	if (port == NULL)
		return;
	wsd_mutex_lock(&ports_lock);
	restore(port);
	/* A server that is started anew may listen there, as beside TCP's own connections. */
	for (; ended && port != NULL; port = port->other)
		if (port->sharing == WSD_PORT_REUSE)
			wsd_os_port_set_reuse(port->holder, true);
	wsd_mutex_unlock(&ports_lock);
}

intptr_t wsd_port_take(struct wsd_port *port, uint16_t family, unsigned mates)
{
	intptr_t holder = -1;
	struct wsd_port *part;

	if (port == NULL)
		return -1;
	wsd_mutex_lock(&ports_lock);
	part = part_of(port, family);
	restore_part(part);
	if (port->refs <= 1 + mates) {
		holder = part->holder;
		part->holder = -1;
		/* What is left of the connection must not keep the next owner from the port. */
		wsd_os_port_set_reuse(holder, true);
		if (part->contested) /* or the system would not let it listen beside the others */
			set_reuse(&part->addr, true);
	}
	wsd_mutex_unlock(&ports_lock);
	return holder;
}

enum wsd_status wsd_port_connect(struct wsd_port *port, const struct wsd_addr *remote)
{
	enum wsd_status status = WSD_OK;

	struct wsd_port *part;

	if (port == NULL)
		return WSD_OK;
	wsd_mutex_lock(&ports_lock);
	restore(port);
	for (part = port; remote == NULL && part != NULL; part = part->other)
		memset(&part->peer, 0, sizeof(part->peer));
	if (remote != NULL) {
		part = part_of(port, remote->family);
		if (part->holder < 0 || (part->contested && is_taken(part, remote)))
			status = WSD_EADDRINUSE;
		else
			part->peer = *remote;
	}
	wsd_mutex_unlock(&ports_lock);
	return status;
}

struct wsd_port *wsd_port_share(struct wsd_port *port)
{
	if (port == NULL)
		return NULL;
	wsd_mutex_lock(&ports_lock);
	port->refs++;
	wsd_mutex_unlock(&ports_lock);
	return port;
}

static struct wsd_port *find_own(const struct wsd_addr *want, bool both)
{
	struct wsd_list *node;

	wsd_list_for_each(node, &ports) {
		struct wsd_port *held = wsd_container(node, struct wsd_port, link);

		if (held->refs > 0 && (held->other != NULL) == both &&
		    wsd_addr_equal(&held->addr, want))
			return held;
	}
	return NULL;
}

enum wsd_status wsd_port_inherit(const struct wsd_addr *want, bool both, const bool *listens,
				 enum wsd_port_sharing sharing, struct wsd_port **port)
{
	struct wsd_addr got;

	wsd_mutex_lock(&ports_lock);
	*port = find_own(want, both);
	if (*port != NULL) {
		(*port)->refs++;
		restore(*port);
	}
	wsd_mutex_unlock(&ports_lock);
	if (*port != NULL)
		return WSD_OK;
	return both ? hold_both(want, sharing, listens, port, &got)
		    : hold(want, sharing, listens[0], port, &got);
}

void wsd_port_lend(struct wsd_port *port, bool on)
{
	wsd_mutex_lock(&ports_lock);
	for (; port != NULL; port = port->other)
		wsd_os_port_set_reuse(port->holder, on);
	wsd_mutex_unlock(&ports_lock);
}

void wsd_port_step_aside(struct wsd_port *port)
{
	if (port == NULL)
		return;
	wsd_port_lend(port, true);
	wsd_port_release(port);
}

void wsd_port_release(struct wsd_port *port)
{
	struct wsd_port *other;
	bool last;

	if (port == NULL)
		return;
	wsd_mutex_lock(&ports_lock);
	last = --port->refs == 0;
	for (other = port; last && other != NULL; other = other->other)
		wsd_list_remove(&other->link);
	wsd_mutex_unlock(&ports_lock);
	for (; last && port != NULL; port = other) {
		other = port->other;
		wsd_os_port_drop(port->holder);
		wsd_free(port);
	}
}
