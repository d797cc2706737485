// SPDX-License-Identifier: BSD-2-Clause
/* netwatch_windows.c - notices of changed addresses and routes, from iphlpapi. */
#include <winsock2.h>

#include <ws2ipdef.h>

#include <iphlpapi.h>
#include <stdatomic.h>

#include "provider/winsock/netwatch.h"
#include "rdma_backend/base/base.h"
#include "rdma_backend/base/platform.h"
#include "rdma_backend/base/platform_windows.h"

typedef NETIO_STATUS(WINAPI *notify_addresses_fn)(ADDRESS_FAMILY family,
						  PUNICAST_IPADDRESS_CHANGE_CALLBACK callback,
						  PVOID context, BOOLEAN first, HANDLE *notice);
typedef NETIO_STATUS(WINAPI *notify_routes_fn)(ADDRESS_FAMILY family,
					       PIPFORWARD_CHANGE_CALLBACK callback, PVOID context,
					       BOOLEAN first, HANDLE *notice);
typedef NETIO_STATUS(WINAPI *cancel_fn)(HANDLE notice);

/* One that is open; found by its event, which is the object to sleep on. */
struct watched {
	struct watched *next;
	HANDLE event;
	HANDLE addresses, routes;
	atomic_uint bits;
};

static struct wsd_mutex lock = WSD_MUTEX_INIT; /* the list */
static struct watched *all;
static cancel_fn cancel;

static unsigned of_family(unsigned bits, ADDRESS_FAMILY family)
{
	return family == AF_INET6 ? bits << WSD_NET_IPV6 : bits;
}

static void noticed(struct watched *one, unsigned bits)
{
	atomic_fetch_or(&one->bits, bits);
	SetEvent(one->event);
}

static VOID WINAPI address_changed(PVOID context, PMIB_UNICASTIPADDRESS_ROW row,
				   MIB_NOTIFICATION_TYPE type)
{
	(void)type;
	/* Its routes come and go with it. */
	noticed(context, of_family(WSD_NET_BITS, row ? row->Address.si_family : AF_INET));
}

static VOID WINAPI route_changed(PVOID context, PMIB_IPFORWARD_ROW2 row, MIB_NOTIFICATION_TYPE type)
{
	(void)type;
	noticed(context,
		of_family(WSD_NET_ROUTES, row ? row->DestinationPrefix.Prefix.si_family : AF_INET));
}

static void end(struct watched *one)
{
	/* Returns when no callback runs any more. */
	if (one->addresses)
		cancel(one->addresses);
	if (one->routes)
		cancel(one->routes);
	if (one->event)
		CloseHandle(one->event);
	wsd_free(one);
}

enum wsd_status wsd_os_net_open(intptr_t *object)
{
	void *module = wsd_windows_system_module(L"iphlpapi.dll");
	notify_addresses_fn notify_addresses;
	notify_routes_fn notify_routes;
	struct watched *one;

	if (!wsd_windows_symbol(module, "NotifyUnicastIpAddressChange", &notify_addresses,
				sizeof(notify_addresses)) ||
	    !wsd_windows_symbol(module, "NotifyRouteChange2", &notify_routes,
				sizeof(notify_routes)) ||
	    !wsd_windows_symbol(module, "CancelMibChangeNotify2", &cancel, sizeof(cancel)))
		return WSD_EUNSUPPORTED;
	one = wsd_alloc(sizeof(*one));
	if (!one)
		return WSD_ENOMEM;
	one->event = CreateEventW(NULL, TRUE, FALSE, NULL);
	if (!one->event ||
	    notify_addresses(AF_UNSPEC, address_changed, one, FALSE, &one->addresses) != NO_ERROR ||
	    notify_routes(AF_UNSPEC, route_changed, one, FALSE, &one->routes) != NO_ERROR) {
		end(one);
		return WSD_EUNSUPPORTED;
	}
	wsd_mutex_lock(&lock);
	one->next = all;
	all = one;
	wsd_mutex_unlock(&lock);
	*object = (intptr_t)one->event;
	return WSD_OK;
}

/* [lock] The pointer to it in the list. */
static struct watched **find(intptr_t object)
{
	struct watched **at = &all;

	while (*at && (intptr_t)(*at)->event != object)
		at = &(*at)->next;
	return at;
}

unsigned wsd_os_net_read(intptr_t object)
{
	unsigned bits = 0;
	struct watched *one;

	wsd_mutex_lock(&lock);
	one = *find(object);
	if (one) {
		ResetEvent(one->event);
		bits = atomic_exchange(&one->bits, 0);
	}
	wsd_mutex_unlock(&lock);
	return bits;
}

void wsd_os_net_close(intptr_t object)
{
	struct watched **at, *one;

	wsd_mutex_lock(&lock);
	at = find(object);
	one = *at;
	if (one)
		*at = one->next;
	wsd_mutex_unlock(&lock);
	if (one)
		end(one);
}
